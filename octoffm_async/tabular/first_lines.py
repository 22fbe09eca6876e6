"""On which line each key came first, in bounded memory: the latest keys in a dictionary, the others on disk.

Beside the line stands the fingerprint of the item, by which a later one of the same key is compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bulk.seen import KEYS_IN_MEMORY, temporary_database

if TYPE_CHECKING:
    import sqlite3

_PLACES = (1 << 24) - 1


class FirstLines:
    """Keys and lines. It only grows."""

    def __init__(self, *, in_memory: int = KEYS_IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._recent: dict[str, tuple[int, bytes]] = {}
        self._database: sqlite3.Connection | None = None
        self._marks = bytearray()

    def add(self, key: str, line: int, print_: bytes = b"") -> tuple[int, bytes] | None:
        """Take note of a key; the line on which it came before, and the fingerprint that it had there, if it did."""
        before = self._recent.get(key)
        if before is None and self._database is not None:
            before = self._stored(self._database, key)
        if before is None:
            self._recent[key] = line, print_
            if len(self._recent) > self._in_memory:
                self._spill()
        return before

    def close(self) -> None:
        """Forget all."""
        self._recent.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _stored(self, database: sqlite3.Connection, key: str) -> tuple[int, bytes] | None:
        place = hash(key) & _PLACES
        if not self._marks[place >> 3] & 1 << (place & 7):
            return None
        found = database.execute("SELECT line, print FROM seen WHERE key = ?", (_bytes(key),)).fetchone()
        return None if found is None else (int(found[0]), bytes(found[1]))

    def _spill(self) -> None:
        if self._database is None:
            schema = "CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER, print BLOB) WITHOUT ROWID"
            self._database = temporary_database(schema)
            self._database.execute("BEGIN")
            self._marks = bytearray((_PLACES + 1) >> 3)
        for key in self._recent:
            place = hash(key) & _PLACES
            self._marks[place >> 3] |= 1 << (place & 7)
        rows = sorted((_bytes(key), line, print_) for key, (line, print_) in self._recent.items())
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", rows)
        self._recent.clear()


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
