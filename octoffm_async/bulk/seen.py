"""Which keys came before, exactly, in bounded memory.

A short input's keys stay in a set. A long one's move to a temporary SQLite database, which the operating system keeps
on disk and which vanishes when it is closed: a million references cost a few mebibytes instead of a hundred.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS_IN_MEMORY = 10_000
_CACHE_KIB = 4096


def temporary_database(schema: str) -> sqlite3.Connection:
    """A private database that spills to a temporary file and is gone when closed."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.executescript(
        f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB}; {schema}"
    )
    return connection


def _stored(key: str) -> bytes:
    # Any text a program can hold, half a surrogate pair too, must be told apart here: SQLite's own text cannot.
    return key.encode("utf-8", "surrogatepass")


class SeenKeys:
    """A set of keys that only grows."""

    def __init__(self, *, in_memory: int = KEYS_IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._keys: set[str] = set()
        self._database: sqlite3.Connection | None = None
        self._turn = 0

    def add(self, key: str) -> bool:
        """Take note of ``key``; whether it is new."""
        if self._database is not None:
            return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, 0)", (_stored(key),)).rowcount == 1
        if key in self._keys:
            return False
        self._keys.add(key)
        if len(self._keys) > self._in_memory:
            self._spill()
        return True

    def add_all(self, keys: Sequence[str]) -> list[bool]:
        """Take note of up to a few hundred keys at once; of each, whether it is new."""
        if self._database is None:
            return [self.add(key) for key in keys]
        if not keys:
            return []
        stored = [_stored(key) for key in keys]
        self._turn += 1
        values = ", ".join(["(?)"] * len(stored))
        put = f"INSERT OR IGNORE INTO seen SELECT column1, ? FROM (VALUES {values})"  # noqa: S608
        if self._database.execute(put, (self._turn, *stored)).rowcount == len(stored):
            return [True] * len(stored)
        find = f"SELECT key FROM seen WHERE turn = ? AND key IN (VALUES {values})"  # noqa: S608
        found = self._database.execute(find, (self._turn, *stored))
        new = {key for (key,) in found}
        fresh: list[bool] = []
        for key in stored:
            fresh.append(key in new)
            new.discard(key)  # the same key once more in this very chunk
        return fresh

    def close(self) -> None:
        """Forget all."""
        self._keys.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _spill(self) -> None:
        self._database = temporary_database("CREATE TABLE seen (key BLOB PRIMARY KEY, turn INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO seen VALUES (?, 0)", ((_stored(key),) for key in self._keys))
        self._keys.clear()
