"""Exclusive use of keys within this process: no two calls decide on the same key of a journal at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .base import Journal

_OVER_MOST = 100_000

_claims: WeakKeyDictionary[Journal, dict[tuple[str, str], KeyClaims]] = WeakKeyDictionary()


def key_claims_of(journal: Journal, seller_id: str, operation: str) -> KeyClaims:
    """Return the key claims of one journal, seller and operation."""
    return _claims.setdefault(journal, {}).setdefault((seller_id, operation), KeyClaims())


class KeyClaims:
    """Table of keys and their holders."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}
        self._waiters: dict[str, asyncio.Event] = {}
        self._over: dict[str, float] = {}
        self.sent_first: str | None = None
        """Key that was sent again on the evidence of a list that could show no order of ours."""

    def take(self, keys: Collection[str], holder: object) -> bool:
        """Claim the keys that no other holder has, until they are released; return True if that is all of them."""
        holders = self._holders
        if holders.keys().isdisjoint(keys):
            holders.update(dict.fromkeys(keys, holder))
            return True
        return all([holders.setdefault(key, holder) is holder for key in keys])  # noqa: C419  (all are to be held)

    def release(self, keys: Iterable[str], holder: object) -> None:
        """Release the keys that the holder has."""
        for key in keys:
            self.release_one(key, holder)

    def release_one(self, key: str, holder: object) -> None:
        """Release a key, if the holder has it."""
        if self._holders.get(key) is holder:
            del self._holders[key]
            if self._waiters and (waiter := self._waiters.pop(key, None)) is not None:
                waiter.set()

    def held_by_other(self, key: str, holder: object) -> bool:
        """Return True if another holder has a key."""
        return self._holders.get(key, holder) is not holder

    def held_by_others(self, keys: Iterable[str], holder: object) -> set[str]:
        """Return the keys that other holders have."""
        held = self._holders.keys() & keys if self._holders else ()
        return {key for key in held if self._holders[key] is not holder}

    def held_by(self, key: str, holder: object) -> bool:
        """Return True if this holder has a key."""
        return self._holders.get(key) is holder

    def is_over(self, key: str) -> None:
        """Note that a request of this process has ended with an unknown outcome."""
        if len(self._over) >= _OVER_MOST:
            del self._over[next(iter(self._over))]
        self._over[key] = asyncio.get_running_loop().time()

    def over_for(self, key: str) -> float | None:
        """Return the seconds since a request ended so, by a clock that no user can set; ``None`` if not known."""
        since = self._over.get(key)
        return None if since is None else asyncio.get_running_loop().time() - since

    async def wait_for(self, key: str, holder: object) -> None:
        """Wait until no other holder has a key."""
        while self.held_by_other(key, holder):
            await self._waiters.setdefault(key, asyncio.Event()).wait()
