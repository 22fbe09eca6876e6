"""On which line each key came first, in bounded memory.

Beside the line stands the fingerprint of the item, by which a later one of the same key is compared.
"""

from __future__ import annotations

from ..disk.disk_index import KEYS_IN_MEMORY, DiskIndex

_LINE_BYTES = 8


class FirstLines:
    """Keys and lines. It only grows."""

    def __init__(self, *, in_memory: int = KEYS_IN_MEMORY) -> None:
        self._index = DiskIndex(in_memory=in_memory)

    def add(self, key: str, line: int, print_: bytes = b"") -> tuple[int, bytes] | None:
        """Take note of a key; return the line on which it came before, and its fingerprint there, if it did."""
        before = self._index.get(key)
        if before is None:
            self._index.put(key, line.to_bytes(_LINE_BYTES, "big") + print_)
            return None
        return int.from_bytes(before[:_LINE_BYTES], "big"), before[_LINE_BYTES:]

    def close(self) -> None:
        """Forget all."""
        self._index.close()
