"""Who in this process is busy with a key of a journal, so that nobody else decides what is still under way."""

from __future__ import annotations

import asyncio
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
        self._held: dict[str, Claim] = {}

    def take(self, keys: Iterable[str], holder: object) -> Claim:
        """Hold keys until the claim is released."""
        claim = Claim(self._held, list(keys), holder)
        self._held.update(dict.fromkeys(claim.keys, claim))
        return claim

    def held_by_other(self, key: str, holder: object) -> bool:
        """Whether somebody else is busy with a key."""
        claim = self._held.get(key)
        return claim is not None and claim.holder is not holder

    async def wait_for(self, key: str, holder: object) -> None:
        """Wait until nobody else is busy with a key."""
        while (claim := self._held.get(key)) is not None and claim.holder is not holder:
            await claim.wait()


class Claim:
    """Keys that are held."""

    def __init__(self, held: dict[str, Claim], keys: list[str], holder: object) -> None:
        self.keys = keys
        self.holder = holder
        self._held = held
        self._released: asyncio.Event | None = None  # made when somebody waits, which is rare

    def release(self) -> None:
        """Let go of them."""
        for key in self.keys:
            self._held.pop(key, None)
        if self._released is not None:
            self._released.set()

    async def wait(self) -> None:
        """Wait until it is released."""
        if self._released is None:
            self._released = asyncio.Event()
        await self._released.wait()
