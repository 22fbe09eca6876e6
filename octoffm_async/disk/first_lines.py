"""The first line of each key, in bounded memory.

The fingerprint of the item is kept beside the line, for comparison with a later item of the same key.
"""

from __future__ import annotations

from .disk_index import KEYS_IN_MEMORY, DiskIndex

_LINE_BYTES = 8


class FirstOccurrences:
    """Keys with their lines. Keys are only added."""

    def __init__(self, *, in_memory: int = KEYS_IN_MEMORY) -> None:
        self._index = DiskIndex(in_memory=in_memory)

    def add(self, key: str, line: int, print_: bytes = b"") -> tuple[int, bytes] | None:
        """Record a key; return the line and the fingerprint of its first occurrence, or None if this is the first."""
        before = self._index.get(key)
        if before is None:
            self._index.put(key, line.to_bytes(_LINE_BYTES, "big") + print_)
            return None
        return int.from_bytes(before[:_LINE_BYTES], "big"), before[_LINE_BYTES:]

    def close(self) -> None:
        """Drop all keys."""
        self._index.close()
