"""Exact set of keys in bounded memory, each with the fingerprint of its item."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from .disk_index import KEYS_IN_MEMORY, DiskIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PRINTED_AT_ONCE = 500
"""Number of items whose fingerprints are computed together: that takes half the time, and does not delay the loop."""
_HELD_BYTES = 1 << 21
"""Bytes of the items that are held: more than two chunks of a run with a journal."""
_ITEM_BYTES = 1 << 11
"""Size of an item that is not encoded, in memory, by its order."""


def _size_of(item: object) -> int:
    return len(item) if type(item) is bytes else _ITEM_BYTES


class SeenKeys(DiskIndex):
    """Set of keys, with the fingerprints of their items as values."""

    def __init__(
        self,
        *,
        in_memory: int = KEYS_IN_MEMORY,
        fingerprints: Callable[[Sequence[Any]], Sequence[bytes]] | None = None,
    ) -> None:
        super().__init__(in_memory=in_memory)
        self._fingerprints = fingerprints
        self._items: dict[str, object] = {}
        """Latest items without a fingerprint: a run of some thousand items ends before it needs any."""
        self._size = 0
        """The bytes that they hold."""

    def __contains__(self, key: str) -> bool:
        return key in self._items or super().__contains__(key)

    def add(self, key: str, print_: bytes = b"") -> bool:
        """Add ``key`` with its item's fingerprint; return True if it is new."""
        if key in self:
            return False
        self.put(key, print_)
        return True

    def add_item(self, key: str, item: object) -> bool:
        """Add ``key``, and hold its item or its JSON until its fingerprint is needed; return True if it is new."""
        items = self._items
        if key in items or key in self._recent or (self._database is not None and super().__contains__(key)):
            return False
        items[key] = item
        self._size += _size_of(item)
        if self._size > _HELD_BYTES:
            self._print()
        return True

    def add_items(self, keys: Sequence[str], items: Sequence[object]) -> bool:
        """Add keys with their items, as :meth:`add_item` does, if all are new; else add none, and return False."""
        added = dict(zip(keys, items, strict=True))
        if len(added) < len(keys) or not self._items.keys().isdisjoint(keys) or super().has_any(keys):
            return False
        self._items |= added
        self._size += sum(map(_size_of, items))
        if self._size > _HELD_BYTES:
            self._print()
        return True

    def settle(self, prints: Mapping[str, bytes | None]) -> None:
        """Take the fingerprints of items that are kept without one; forget a key whose print is ``None``."""
        known: list[tuple[str, bytes]] = []
        for key, print_ in prints.items():
            item = self._items.pop(key, None)
            if item is not None:
                self._size -= _size_of(item)
                if print_ is not None:
                    known.append((key, print_))
        self.put_all(known)

    def print_of(self, key: str) -> bytes:
        """Return the fingerprint with which a key was added first."""
        held = self._items.get(key)
        return (self.get(key) or b"") if held is None else self._prints([held])[0]

    def close(self) -> None:
        """Delete all keys."""
        self._items.clear()
        super().close()

    def _print(self) -> None:
        """Replace the items held longest by their fingerprints."""
        keys = list(islice(self._items, _PRINTED_AT_ONCE))
        some = list(map(self._items.pop, keys))
        self._size -= sum(map(_size_of, some))
        self.put_all(zip(keys, self._prints(some), strict=True))

    def _prints(self, items: Sequence[object]) -> Sequence[bytes]:
        return [b""] * len(items) if self._fingerprints is None else self._fingerprints(items)
