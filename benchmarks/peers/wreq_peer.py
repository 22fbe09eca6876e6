"""wreq: a Rust client under Python, with the same typed decoders as the tuned aiohttp peer."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import wreq

from octoffm_async import OutboundShipmentRequest

from ..answers import HEADERS, ORDER
from .base import MOST_IN_FLIGHT, Spread, Target, Walked, next_address
from .tuned import CREATED, PAGE, STOCK

if TYPE_CHECKING:
    from octoffm_async import Stock


class Wreq(Spread):
    """See Peer."""

    def __init__(self) -> None:
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)
        self._encode = msgspec.json.Encoder().encode

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        trust: dict[str, Any] = {} if target.certificate is None else {"tls_verify": Path(target.certificate)}
        self._client = wreq.Client(
            headers=HEADERS,
            connect_timeout=timedelta(seconds=10),
            read_timeout=timedelta(seconds=30),
            pool_max_idle_per_host=MOST_IN_FLIGHT,
            no_proxy=True,
            http1_only=True,
            **trust,
        )
        self._orders, self._stock = target.orders, target.stock

    async def post(self) -> str:
        """See Peer."""
        response = await self._client.post(self._orders, body=self._encode(self._order))
        if not response.status.is_success():
            raise RuntimeError(str(response.status))
        return CREATED.decode(await response.bytes()).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._client.get(self._stock)
        if not response.status.is_success():
            raise RuntimeError(str(response.status))
        return STOCK.decode(await response.bytes())

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = await self._client.get(address)
            if not response.status.is_success():
                raise RuntimeError(str(response.status))
            items = PAGE.decode(await response.bytes()).items
            rows, last = rows + len(items), items[-1]
            link = response.headers.get("link")
            address = next_address(self._target, None if link is None else bytes(link).decode())
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        self._client.close()
