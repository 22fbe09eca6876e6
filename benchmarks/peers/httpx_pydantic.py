"""httpx with pydantic: with its defaults, and with everything set for speed; and httpx2."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import importlib
import ssl
from typing import Any

import httpx

from ..answers import HEADERS, ORDER
from .base import MOST_IN_FLIGHT, Spread, Target, Walked, next_address
from .pydantic_models import Created, Order, Page, Stock


class Default(Spread):
    """``AsyncClient()`` with its defaults: it keeps 20 idle connections, so 50 in flight always open new ones."""

    def __init__(self) -> None:
        self._order = Order.model_validate(ORDER)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
        self._client: Any = self._make(headers=headers, verify=target.ssl_context() or True)

    def _make(self, **settings: Any) -> Any:
        return httpx.AsyncClient(**settings)

    async def post(self) -> str:
        """See Peer."""
        content = self._order.model_dump(mode="json", by_alias=True)
        response = await self._client.post(self._target.orders, json=content)
        response.raise_for_status()
        return Created.model_validate(response.json()).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._client.get(self._target.stock)
        response.raise_for_status()
        return Stock.model_validate(response.json())

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = await self._client.get(address)
            response.raise_for_status()
            items = Page.model_validate(response.json()).items
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.headers.get("Link"))
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._client.aclose()


class Best(Default):
    """The fastest way that was found: a client for each call in flight, bytes both ways, no time-outs.

    One client for all is slower the more connections it keeps: its pool looks at each of them for every request.
    """

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        self._orders, self._stock = httpx.URL(target.orders), httpx.URL(target.stock)
        self._ssl = target.ssl_context() or ssl.create_default_context()
        self._free: list[httpx.AsyncClient] = []

    async def post(self) -> str:
        """See Peer."""
        content = self._order.model_dump_json(by_alias=True).encode()
        response = await self._ask("POST", self._orders, content)
        if response.status_code != 201:
            raise RuntimeError(response.status_code)
        return Created.model_validate_json(response.content).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._ask("GET", self._stock)
        if response.status_code != 200:
            raise RuntimeError(response.status_code)
        return Stock.model_validate_json(response.content)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = await self._ask("GET", httpx.URL(address))
            if response.status_code != 200:
                raise RuntimeError(response.status_code)
            items = Page.model_validate_json(response.content).items
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.headers.get("Link"))
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        for client in self._free:
            await client.aclose()

    async def _ask(self, method: str, url: httpx.URL, content: bytes | None = None) -> httpx.Response:
        client = self._free.pop() if self._free else self._new()
        response = await client.request(method, url, content=content)
        self._free.append(client)
        return response

    def _new(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=60)
        timeout = httpx.Timeout(None)
        return httpx.AsyncClient(headers=HEADERS, verify=self._ssl, limits=limits, timeout=timeout, trust_env=False)


class Httpx2(Default):
    """httpx2, the successor, with one client that keeps a connection for each call in flight."""

    def _make(self, **settings: Any) -> Any:
        httpx2: Any = importlib.import_module("httpx2")
        limits = httpx2.Limits(max_connections=MOST_IN_FLIGHT, max_keepalive_connections=MOST_IN_FLIGHT)
        return httpx2.AsyncClient(limits=limits, **settings)
