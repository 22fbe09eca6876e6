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

    def take(self, keys: Iterable[str], holder: object) -> Claim:
        """Hold keys until the claim is released."""
        held = list(keys)
        self._holders.update(dict.fromkeys(held, holder))
        return Claim(self, held)

    def held_by_other(self, key: str, holder: object) -> bool:
        """Whether somebody else is busy with a key."""
        return self._holders.get(key, holder) is not holder

    def release(self, keys: Iterable[str]) -> None:
        """Let go of keys."""
        for key in keys:
            self._holders.pop(key, None)


class Claim:
    """Keys that are held."""

    def __init__(self, claims: Claims, keys: list[str]) -> None:
        self._claims = claims
        self._keys = keys

    def release(self) -> None:
        """Let go of them."""
        self._claims.release(self._keys)
