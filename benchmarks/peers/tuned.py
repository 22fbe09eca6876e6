"""aiohttp with everything that is known to make it fast, and nothing else: no token, limit, retry or deadline."""

from __future__ import annotations

import importlib
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from octoffm_async import OutboundShipmentRequest, Stock
from octoffm_async.contract.access import PageBody

from ..answers import HEADERS, ORDER
from .base import MOST_IN_FLIGHT, Spread, Target, Walked, next_address


class Created(msgspec.Struct, rename="camel"):
    """The response to a creation."""

    outbound_shipment_id: str


CREATED = msgspec.json.Decoder(Created)
STOCK = msgspec.json.Decoder(Stock)
PAGE = msgspec.json.Decoder(PageBody[Stock])


class Tuned(Spread):
    """A peer with bytes as bodies, typed decoders, shared headers, constant addresses, time-outs without ``total``."""

    def __init__(self) -> None:
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)
        self._encode = msgspec.json.Encoder().encode

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        self._headers = CIMultiDict(HEADERS)
        self._orders, self._stock = URL(target.orders, encoded=True), URL(target.stock, encoded=True)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
        connector = aiohttp.TCPConnector(limit=MOST_IN_FLIGHT, ssl=target.ssl_context() or True)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def post(self) -> str:
        """See Peer."""
        body = self._encode(self._order)
        response = await self._session.post(self._orders, data=body, headers=self._headers, timeout=self._timeout)
        answer = await response.read()  # at its end the connection is free again
        if response.status != 201:
            raise RuntimeError(response.status)
        return CREATED.decode(answer).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._session.get(self._stock, headers=self._headers, timeout=self._timeout)
        answer = await response.read()
        if response.status != 200:
            raise RuntimeError(response.status)
        return STOCK.decode(answer)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            url = URL(address, encoded=True)
            response = await self._session.get(url, headers=self._headers, timeout=self._timeout)
            answer = await response.read()
            if response.status != 200:
                raise RuntimeError(response.status)
            following = next_address(self._target, response.headers.get("Link"))
            items = PAGE.decode(answer).items
            rows, last, address = rows + len(items), items[-1], following
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._session.close()


def instrumented() -> Tuned:
    """Make a peer under OpenTelemetry's instrumentation of aiohttp, which makes every span; none is exported."""
    aiohttp_client: Any = importlib.import_module("opentelemetry.instrumentation.aiohttp_client")
    tracing: Any = importlib.import_module("opentelemetry.sdk.trace")
    aiohttp_client.AioHttpClientInstrumentor().instrument(tracer_provider=tracing.TracerProvider())
    return Tuned()
