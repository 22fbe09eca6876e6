"""Which keys came before, exactly, in bounded memory, each with what tells its item from another one.

The latest keys stay in a set. Those of a long input move on to a temporary SQLite database, which the operating system
keeps on disk and which vanishes when it is closed: a million references cost a few mebibytes instead of a hundred. A
table of marks by hash tells of nearly every new key that it is not there, so that few are looked up.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEYS_IN_MEMORY = 10_000
_CACHE_KIB = 4096
_SPILLED_AT_ONCE = 1000
"""Few enough that the event loop does not notice."""
_PRINTED_AT_ONCE = 500
_ROWS = 500
"""Rows a statement."""
_PLACES = (1 << 24) - 1  # 2 MiB of marks: at a million keys, one new key in seventeen is looked up for nothing


def temporary_database(schema: str) -> sqlite3.Connection:
    """A private database that spills to a temporary file and is gone when closed."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.executescript(
        f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB}; {schema}"
    )
    return connection


def stored(key: str) -> bytes:
    # Any text a program can hold, half a surrogate pair too, must be told apart here: SQLite's own text cannot.
    return key.encode("utf-8", "surrogatepass")


class SeenKeys:
    """A set of keys that only grows."""

    def __init__(
        self,
        *,
        in_memory: int = KEYS_IN_MEMORY,
        fingerprints: Callable[[Sequence[Any]], Sequence[bytes]] | None = None,
    ) -> None:
        self._most_recent = in_memory
        self._fingerprints = fingerprints
        self._recent: dict[str, bytes] = {}
        self._items: dict[str, object] = {}
        """The latest items, as long as they have no fingerprint: those of many are made together, in half the time."""
        self._database: sqlite3.Connection | None = None
        self._marks = bytearray()

    def add(self, key: str, print_: bytes = b"") -> bool:
        """Take note of ``key``, and of its item's fingerprint; whether it is new."""
        return self._add(key, print_, None)

    def add_item(self, key: str, item: object) -> bool:
        """Take note of ``key``, and keep its item until its fingerprint is made; whether it is new."""
        return self._add(key, b"", item)

    def _add(self, key: str, print_: bytes, item: object) -> bool:
        recent = self._recent
        if key in recent or (self._database is not None and self._is_kept(self._database, key)):
            return False
        recent[key] = print_
        if item is not None:
            self._items[key] = item
            if len(self._items) >= _PRINTED_AT_ONCE:
                self._print()
        if len(recent) > self._most_recent:
            self._spill()
        return True

    def print_of(self, key: str) -> bytes:
        """Return the fingerprint that a key came with first."""
        self._print()
        if (print_ := self._recent.get(key)) is not None or self._database is None:
            return print_ or b""
        found = self._database.execute("SELECT print FROM seen WHERE key = ?", (stored(key),)).fetchone()
        return b"" if found is None else bytes(found[0])

    def close(self) -> None:
        """Forget all."""
        self._items.clear()
        self._recent.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _print(self) -> None:
        if self._items and self._fingerprints is not None:
            self._recent.update(zip(self._items, self._fingerprints(list(self._items.values())), strict=True))
        self._items.clear()

    def _is_kept(self, database: sqlite3.Connection, key: str) -> bool:
        place = hash(key) & _PLACES
        if not self._marks[place >> 3] & 1 << (place & 7):
            return False
        return database.execute("SELECT 1 FROM seen WHERE key = ?", (stored(key),)).fetchone() is not None

    def _spill(self) -> None:
        if self._database is None:
            self._database = temporary_database("CREATE TABLE seen (key BLOB PRIMARY KEY, print BLOB) WITHOUT ROWID")
            self._database.execute("BEGIN")
            self._marks = bytearray((_PLACES + 1) >> 3)
            self._most_recent = min(self._most_recent, _SPILLED_AT_ONCE)
        self._print()
        marks = self._marks
        for key in self._recent:
            place = hash(key) & _PLACES
            marks[place >> 3] |= 1 << (place & 7)
        pairs = sorted([(stored(key), print_) for key, print_ in self._recent.items()])
        for start in range(0, len(pairs), _ROWS):
            some = [bytearray(part) for pair in pairs[start : start + _ROWS] for part in pair]  # bytes would be
            places = "(?, ?)" + ", (?, ?)" * (len(some) // 2 - 1)  # looked at for adapters
            self._database.execute(f"INSERT INTO seen VALUES {places}", some)  # noqa: S608
        self._recent.clear()
