"""aiohttp as the first page of its documentation shows it: ``json=``, ``response.json()``, dataclasses."""

from __future__ import annotations

import aiohttp

from ..answers import HEADERS, ORDER
from .base import Spread, Target, Walked, next_address
from .plain_models import Order, Stock


class Naive(Spread):
    """See Peer. The session's connector has aiohttp's default limit of 100 connections."""

    def __init__(self) -> None:
        self._order = Order.from_dict(ORDER)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        connector = aiohttp.TCPConnector(ssl=target.ssl_context() or True)
        headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)

    async def post(self) -> str:
        """See Peer."""
        async with self._session.post(self._target.orders, json=self._order.to_dict()) as response:
            response.raise_for_status()
            answer = await response.json()
        return str(answer["outboundShipmentId"])

    async def get(self) -> Stock:
        """See Peer."""
        async with self._session.get(self._target.stock) as response:
            response.raise_for_status()
            return Stock.from_dict(await response.json())

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            async with self._session.get(address) as response:
                response.raise_for_status()
                answer = await response.json()
                following = next_address(self._target, response.headers.get("Link"))
            items = [Stock.from_dict(item) for item in answer["items"]]
            rows, last, address = rows + len(items), items[-1], following
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._session.close()
