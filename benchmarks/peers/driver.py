"""A peer in a child process: an order to post, get or read pages is answered with its duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..answers import facts
from ..measuring import timed
from . import make
from .base import Target

if TYPE_CHECKING:
    from collections.abc import Mapping


class PeerSubject:
    """See :class:`~benchmarks.child.Subject`.

    Orders: ``post``, ``get`` and ``page`` (how many, how many at a time), ``facts`` (the values of one call of each
    kind).
    """

    def __init__(self, peer: str, target: list[Any]) -> None:
        self._peer = make(peer)
        self._target = Target(*target)

    async def open(self) -> None:
        """See Subject."""
        await self._peer.open(self._target)

    async def measure(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """See Subject."""
        peer, count = self._peer, order.get("count", 1)
        match order["kind"]:
            case "facts":
                rows, last = await peer.page_walk()
                return {"post": await peer.post(), "get": facts(await peer.get()), "rows": rows, "last": facts(last)}
            case "page":

                async def walk() -> None:
                    for _ in range(count):
                        await peer.page_walk()

                return await timed(walk)
            case kind:
                call = {"post": peer.post, "get": peer.get}[kind]
                return await timed(lambda: peer.spread(call, count, order["in_flight"]))

    async def close(self) -> None:
        """See Subject."""
        await self._peer.close()
