"""Who in this process is busy with a key of a journal, so that nobody else decides what is still under way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import Journal

_claims: WeakKeyDictionary[Journal, dict[tuple[str, str], Claims]] = WeakKeyDictionary()


def claims_of(journal: Journal, seller_id: str, operation: str) -> Claims:
    """The claims on the keys of one seller and operation."""
    return _claims.setdefault(journal, {}).setdefault((seller_id, operation), Claims())


class Claims:
    """Keys and who holds them."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}

    def take(self, keys: Iterable[str], holder: object) -> None:
        """Hold those keys that nobody else holds."""
        for key in keys:
            self._holders.setdefault(key, holder)

    def held_by_other(self, key: str, holder: object) -> bool:
        """Whether somebody else is busy with a key."""
        return self._holders.get(key, holder) is not holder

    def held_by(self, key: str, holder: object) -> bool:
        """Whether this one is busy with a key."""
        return self._holders.get(key) is holder

    def release(self, keys: Iterable[str], holder: object) -> None:
        """Let go of those keys that the holder holds."""
        for key in keys:
            if self._holders.get(key) is holder:
                del self._holders[key]
