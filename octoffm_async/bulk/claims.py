"""Who in this process is busy with a key of a journal, so that nobody else decides what is still under way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .journal.protocol import Journal

_OVER_MOST = 100_000

_claims: WeakKeyDictionary[Journal, dict[tuple[str, str], Claims]] = WeakKeyDictionary()


def claims_of(journal: Journal, seller_id: str, operation: str) -> Claims:
    """The claims on the keys of one seller and operation."""
    return _claims.setdefault(journal, {}).setdefault((seller_id, operation), Claims())


class Claims:
    """Keys and who holds them."""

    def __init__(self) -> None:
        self._holders: dict[str, object] = {}
        self._waiters: dict[str, asyncio.Event] = {}
        self._over: dict[str, float] = {}
        self.sent_first: str | None = None
        """The key that is sent again on the evidence of a list that could show no order of ours."""

    def take(self, keys: Collection[str], holder: object) -> bool:
        """Hold those of the keys that nobody else holds, until they are released; whether that is all of them."""
        holders = self._holders
        if holders.keys().isdisjoint(keys):
            holders.update(dict.fromkeys(keys, holder))
            return True
        return all([holders.setdefault(key, holder) is holder for key in keys])  # noqa: C419  (all are to be held)

    def release(self, keys: Iterable[str], holder: object) -> None:
        """Let go of those of the keys that the holder holds."""
        for key in keys:
            self.release_one(key, holder)

    def release_one(self, key: str, holder: object) -> None:
        """Let go of a key, if the holder holds it."""
        if self._holders.get(key) is holder:
            del self._holders[key]
            if self._waiters and (waiter := self._waiters.pop(key, None)) is not None:
                waiter.set()

    def held_by_other(self, key: str, holder: object) -> bool:
        """Whether somebody else is busy with a key."""
        return self._holders.get(key, holder) is not holder

    def held_by_others(self, keys: Iterable[str], holder: object) -> set[str]:
        """Those of the keys that somebody else is busy with."""
        held = self._holders.keys() & keys if self._holders else ()
        return {key for key in held if self._holders[key] is not holder}

    def held_by(self, key: str, holder: object) -> bool:
        """Whether this one is busy with a key."""
        return self._holders.get(key) is holder

    def is_over(self, key: str) -> None:
        """Note that a request of this process is over, and what became of it is not known."""
        if len(self._over) >= _OVER_MOST:
            del self._over[next(iter(self._over))]
        self._over[key] = asyncio.get_running_loop().time()

    def over_for(self, key: str) -> float | None:
        """For how many seconds that is so, by a clock that nobody sets; ``None`` if it is not known."""
        since = self._over.get(key)
        return None if since is None else asyncio.get_running_loop().time() - since

    async def wait_for(self, key: str, holder: object) -> None:
        """Wait until nobody else is busy with a key."""
        while self.held_by_other(key, holder):
            await self._waiters.setdefault(key, asyncio.Event()).wait()
