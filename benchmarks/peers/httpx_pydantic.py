"""httpx with pydantic: as one finds it, and with everything set for speed."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import httpx

from ..answers import HEADERS, ORDER
from .base import Spread, Target, Walked, next_address
from .pydantic_models import Created, Order, Page, Stock


class Default(Spread):
    """``AsyncClient()`` as it comes: it keeps only 20 idle connections, so 50 in flight open new ones all the time."""

    def __init__(self) -> None:
        self._order = Order.model_validate(ORDER)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
        self._client = httpx.AsyncClient(headers=headers, verify=target.ssl_context() or True)

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
        rows, last, address = 0, None, str(self._target.stocks)
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
    """Connections kept, no environment read, no time-outs to keep, bytes sent, JSON validated as bytes."""

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        self._orders, self._stock = httpx.URL(target.orders), httpx.URL(target.stock)
        self._client = httpx.AsyncClient(
            headers=HEADERS,
            verify=target.ssl_context() or True,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60),
            timeout=None,  # noqa: S113  (what this is about)
            trust_env=False,
        )

    async def post(self) -> str:
        """See Peer."""
        content = self._order.model_dump_json(by_alias=True).encode()
        response = await self._client.post(self._orders, content=content)
        if response.status_code != 201:
            raise RuntimeError(response.status_code)
        return Created.model_validate_json(response.content).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        response = await self._client.get(self._stock)
        if response.status_code != 200:
            raise RuntimeError(response.status_code)
        return Stock.model_validate_json(response.content)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last, address = 0, None, str(self._target.stocks)
        while address is not None:
            response = await self._client.get(address)
            if response.status_code != 200:
                raise RuntimeError(response.status_code)
            items = Page.model_validate_json(response.content).items
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.headers.get("Link"))
        return Walked(rows, last)
