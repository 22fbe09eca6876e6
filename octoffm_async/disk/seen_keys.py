"""Exact set of keys in bounded memory, each with the fingerprint of its item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .disk_index import KEYS_IN_MEMORY, DiskIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PRINTED_AT_ONCE = 600
"""Number of kept items whose fingerprints are computed: more than two chunks of a run with a journal."""


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
        """Latest items without a fingerprint: computing the fingerprints of many items together takes half the time."""

    def __contains__(self, key: str) -> bool:
        return key in self._items or super().__contains__(key)

    def add(self, key: str, print_: bytes = b"") -> bool:
        """Add ``key`` with its item's fingerprint; return True if it is new."""
        if key in self:
            return False
        self.put(key, print_)
        return True

    def add_item(self, key: str, item: object) -> bool:
        """Add ``key``, and keep its item until its fingerprint is computed; return True if the key is new."""
        items = self._items
        if key in items or key in self._recent or (self._database is not None and super().__contains__(key)):
            return False
        items[key] = item
        if len(items) >= _PRINTED_AT_ONCE:
            self._print()
        return True

    def add_items(self, keys: Sequence[str], items: Sequence[object]) -> bool:
        """Add keys with their items, as :meth:`add_item` does, if all are new; else add none, and return False."""
        added = dict(zip(keys, items, strict=True))
        if len(added) < len(keys) or not self._items.keys().isdisjoint(keys) or super().has_any(keys):
            return False
        self._items |= added
        if len(self._items) >= _PRINTED_AT_ONCE:
            self._print()
        return True

    def settle(self, prints: Mapping[str, bytes | None]) -> None:
        """Take the fingerprints of items that are kept without one; forget a key whose print is ``None``."""
        waited = {key: print_ for key, print_ in prints.items() if self._items.pop(key, None) is not None}
        self.put_all([(key, print_) for key, print_ in waited.items() if print_ is not None])

    def print_of(self, key: str) -> bytes:
        """Return the fingerprint with which a key was added first."""
        self._print()
        return self.get(key) or b""

    def close(self) -> None:
        """Delete all keys."""
        self._items.clear()
        super().close()

    def _print(self) -> None:
        items = self._items
        if items:
            prints = [b""] * len(items) if self._fingerprints is None else self._fingerprints(list(items.values()))
            self.put_all(zip(items, prints, strict=True))
            items.clear()
