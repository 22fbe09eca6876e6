"""Exact map of keys to small values, in bounded memory.

The latest keys stay in a dictionary. The keys of a long input move to a temporary SQLite database, which the operating
system keeps on disk and which vanishes when it is closed: a million references cost a few mebibytes instead of a
hundred. A bitmap by hash shows for nearly every new key that it is not in the database, so few keys are looked up
there.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

KEYS_IN_MEMORY = 10_000
_CACHE_KIB = 4096
_SPILLED_AT_ONCE = 1000
"""Number of keys that are moved at once: few enough not to delay the event loop."""
_ROWS = 500
"""Number of rows per statement."""
_PLACES = (1 << 24) - 1  # 2 MiB of marks: at a million keys, one new key in seventeen is looked up in vain


def temporary_database(schema: str) -> sqlite3.Connection:
    """Return a private database that spills to a temporary file and vanishes when it is closed."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.executescript(
        f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB}; {schema}"
    )
    return connection


def stored(key: str) -> bytes:
    """Encode a key for the database.

    Any text that a program can hold, lone surrogates too, must stay distinct there: SQLite's own text cannot hold it.
    """
    return key.encode("utf-8", "surrogatepass")


class DiskIndex:
    """Map of keys to values. It only grows, and the first value of a key stays."""

    def __init__(self, *, in_memory: int = KEYS_IN_MEMORY) -> None:
        self._most_recent = in_memory
        self._recent: dict[str, bytes] = {}
        self._database: sqlite3.Connection | None = None
        self._marks = bytearray()

    def __contains__(self, key: str) -> bool:
        return key in self._recent or (self._database is not None and self._on_disk(self._database, key) is not None)

    def has_any(self, keys: Collection[str]) -> bool:
        """Return True if any of these keys is there."""
        if not self._recent.keys().isdisjoint(keys):
            return True
        database = self._database
        return database is not None and any(self._on_disk(database, key) is not None for key in keys)

    def get(self, key: str) -> bytes | None:
        """Return the value of a key; ``None`` if it is new."""
        if (value := self._recent.get(key)) is not None or self._database is None:
            return value
        return self._on_disk(self._database, key)

    def put(self, key: str, value: bytes) -> None:
        """Add a new key."""
        self._recent[key] = value
        if len(self._recent) > self._most_recent:
            self._spill()

    def put_all(self, pairs: Iterable[tuple[str, bytes]]) -> None:
        """Add new keys."""
        self._recent.update(pairs)
        if len(self._recent) > self._most_recent:
            self._spill()

    def close(self) -> None:
        """Delete all keys."""
        self._recent.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _on_disk(self, database: sqlite3.Connection, key: str) -> bytes | None:
        place = hash(key) & _PLACES
        if not self._marks[place >> 3] & 1 << (place & 7):
            return None
        found = database.execute("SELECT value FROM kept WHERE key = ?", (stored(key),)).fetchone()
        return None if found is None else bytes(found[0])

    def _spill(self) -> None:
        if self._database is None:
            self._database = temporary_database("CREATE TABLE kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            self._database.execute("BEGIN")
            self._marks = bytearray((_PLACES + 1) >> 3)
            self._most_recent = min(self._most_recent, _SPILLED_AT_ONCE)
        marks = self._marks
        for key in self._recent:
            place = hash(key) & _PLACES
            marks[place >> 3] |= 1 << (place & 7)
        pairs = sorted([(stored(key), value) for key, value in self._recent.items()])
        for start in range(0, len(pairs), _ROWS):
            some = [bytearray(part) for pair in pairs[start : start + _ROWS] for part in pair]  # bytes would be
            places = "(?, ?)" + ", (?, ?)" * (len(some) // 2 - 1)  # looked at for adapters
            self._database.execute(f"INSERT INTO kept VALUES {places}", some)  # noqa: S608
        self._recent.clear()
