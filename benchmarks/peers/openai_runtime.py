"""A generated SDK: the real runtime of one, openai's, with models of this API as its generator writes them.

Its models are built lazily, field by field, and not validated. It keeps 100 idle connections, as that SDK does.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

from datetime import datetime  # noqa: TC003  (models need it)
from typing import Any, Optional

import httpx2
from openai import AsyncOpenAI, BaseModel, DefaultAsyncHttpxClient
from pydantic import Field

from ..answers import API, HEADERS, ORDER, STOCK_ID
from .base import Spread, Target, Walked, next_address


class Created(BaseModel):
    """The response to a creation."""

    outbound_shipment_id: str = Field(alias="outboundShipmentId")


class Quantities(BaseModel):
    """Quantities by type."""

    available: int = Field(alias="Available")
    allocated: int = Field(alias="Allocated")
    blocked: int = Field(alias="Blocked")
    litigation: int = Field(alias="Litigation")
    removal: int = Field(alias="Removal")
    return_: int = Field(alias="Return")
    logistic_operations: int = Field(alias="LogisticOperations")


class Localization(BaseModel):
    """The part of a stock in one country."""

    storage_country: str = Field(alias="storageCountry")
    quantities: Quantities
    updated_at: Optional[datetime] = Field(alias="updatedAt", default=None)  # noqa: UP045  (as they are generated)
    update_reason: Optional[str] = Field(alias="updateReason", default=None)  # noqa: UP045


class Stock(BaseModel):
    """The stock of one product."""

    id: str
    product_id: str = Field(alias="productId")
    quantities: Quantities
    localizations: list[Localization]
    product_state: Optional[str] = Field(alias="productState", default=None)  # noqa: UP045
    product_condition: Optional[str] = Field(alias="productCondition", default=None)  # noqa: UP045
    gtin: Optional[str] = None  # noqa: UP045
    updated_at: Optional[datetime] = Field(alias="updatedAt", default=None)  # noqa: UP045


class Page(BaseModel):
    """One page of stocks."""

    items_per_page: Optional[int] = Field(alias="itemsPerPage", default=None)  # noqa: UP045
    items: list[Stock]


class OpenAIRuntime(Spread):
    """See Peer."""

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        headers = {name: value for name, value in HEADERS.items() if name not in {"Content-Type", "Authorization"}}
        self._client = AsyncOpenAI(
            api_key=HEADERS["Authorization"].removeprefix("Bearer "),
            base_url=target.origin + API,
            default_headers=headers,
            http_client=DefaultAsyncHttpxClient(verify=target.ssl_context() or True),
        )

    async def post(self) -> str:
        """See Peer."""
        created = await self._client.post("/outbound-shipments", body=ORDER, cast_to=Created)
        return created.outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        return await self._client.get(f"/stocks/{STOCK_ID}", cast_to=Stock)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            response = await self._client.get(address, cast_to=httpx2.Response)
            items: list[Any] = Page.construct(**response.json()).items
            rows, last = rows + len(items), items[-1]
            address = next_address(self._target, response.headers.get("Link"))
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._client.close()
