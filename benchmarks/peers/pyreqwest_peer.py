"""pyreqwest: Rust's reqwest under Python, with the same typed decoders as the tuned aiohttp peer."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from pyreqwest.client import ClientBuilder

from octoffm_async import OutboundShipmentRequest

from ..answers import HEADERS, ORDER
from .base import MOST_IN_FLIGHT, Spread, Target, Walked, next_address
from .tuned import CREATED, PAGE, STOCK

if TYPE_CHECKING:
    from octoffm_async import Stock


class Pyreqwest(Spread):
    """See Peer."""

    def __init__(self) -> None:
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)
        self._encode = msgspec.json.Encoder().encode

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        builder = (
            ClientBuilder()
            .default_headers(HEADERS)
            .connect_timeout(timedelta(seconds=10))
            .read_timeout(timedelta(seconds=30))
            .pool_max_idle_per_host(MOST_IN_FLIGHT)
            .no_proxy()
        )
        if target.certificate is not None:
            builder = builder.add_root_certificate_pem(Path(target.certificate).read_bytes())  # noqa: ASYNC240
        self._client = builder.build()
        self._orders, self._stock = target.orders, target.stock

    async def post(self) -> str:
        """See Peer."""
        response = await self._client.post(self._orders).body_bytes(self._encode(self._order)).build().send()
        if response.status != 201:
            raise RuntimeError(response.status)
        return CREATED.decode(await response.bytes()).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._client.get(self._stock).build().send()
        if response.status != 200:
            raise RuntimeError(response.status)
        return STOCK.decode(await response.bytes())

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = await self._client.get(address).build().send()
            if response.status != 200:
                raise RuntimeError(response.status)
            items = PAGE.decode(await response.bytes()).items
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.get_header("link"))
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._client.close()
