"""A client in the manner of generated SDKs (Stainless): httpx, options as a model, a retry loop, lazy models.

A sketch of the same steps, written for this comparison; see :mod:`.stainless_models` for the decoding. It has the
limits that these SDKs set: 1,000 connections, 100 of them kept. httpx looks at every idle one for each request.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import platform
from typing import Any, TypeVar, cast
from uuid import uuid4

import httpx
import pydantic

from ..answers import HEADERS, ORDER
from .base import Spread, Target, Walked, next_address
from .stainless_models import Created, Page, Stock, construct_type

T = TypeVar("T")
RETRIES = 2
NAMES = {
    "seller_product_reference": "sellerProductReference",
    "delivery_address": "deliveryAddress",
    "delivery_mode": "deliveryMode",
    "storage_country": "storageCountry",
    "first_name": "firstName",
    "last_name": "lastName",
    "address_line1": "addressLine1",
    "address_line2": "addressLine2",
    "postal_code": "postalCode",
    "country_code": "countryCode",
    "company_name": "companyName",
}
PYTHON_NAMES = {wire: name for name, wire in NAMES.items()}


class FinalRequestOptions(pydantic.BaseModel):
    """One request, before it is built."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    method: str
    url: str
    params: dict[str, str] = {}
    headers: dict[str, str] | None = None
    max_retries: int | None = None
    timeout: float | httpx.Timeout | None = None
    idempotency_key: str | None = None
    json_data: Any = None


def transform(data: Any, names: dict[str, str]) -> Any:
    """Return parameters with the names of the wire, in all nested objects too."""
    if isinstance(data, dict):
        return {names.get(key, key): transform(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [transform(value, names) for value in data]
    return data


class Stainless(Spread):
    """See Peer."""

    def __init__(self) -> None:
        self._order: dict[str, Any] = transform(ORDER, PYTHON_NAMES)

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        self._timeout = httpx.Timeout(600, connect=5.0)
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=1000, max_keepalive_connections=100),
            timeout=self._timeout,
            verify=target.ssl_context() or True,
            follow_redirects=True,
        )

    async def post(self) -> str:
        """See Peer."""
        body = transform(self._order, NAMES)
        created, _ = await self._request(
            Created, FinalRequestOptions(method="post", url=self._target.orders, json_data=body)
        )
        return created.outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        stock, _ = await self._request(Stock, FinalRequestOptions(method="get", url=self._target.stock))
        return stock

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            page, headers = await self._request(Page, FinalRequestOptions(method="get", url=address))
            rows, last = rows + len(page.items), page.items[-1]
            address = next_address(self._target, headers.get("Link"))
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        await self._client.aclose()

    async def _request(self, cast_to: type[T], given: FinalRequestOptions) -> tuple[T, httpx.Headers]:
        given = given.model_copy()
        if given.idempotency_key is None and given.method != "get":
            given.idempotency_key = f"stainless-python-retry-{uuid4()}"
        most = RETRIES if given.max_retries is None else given.max_retries
        for taken in range(most + 1):
            options = given.model_copy()
            request = self._build(options, taken)
            try:
                response = await self._client.send(request, follow_redirects=True)
                response.raise_for_status()
            except (httpx.TimeoutException, httpx.HTTPStatusError):
                if taken == most:
                    raise
                continue
            return cast("T", construct_type(response.json(), cast_to)), response.headers
        raise RuntimeError("no attempt was made")

    def _build(self, options: FinalRequestOptions, taken: int) -> httpx.Request:
        headers = httpx.Headers({**self._default_headers(), **(options.headers or {})})
        if options.idempotency_key and options.method != "get":
            headers["Idempotency-Key"] = options.idempotency_key
        headers.setdefault("x-stainless-retry-count", str(taken))
        timeout: Any = self._timeout if options.timeout is None else options.timeout
        if isinstance(timeout, httpx.Timeout) and timeout.read is not None:
            headers.setdefault("x-stainless-read-timeout", str(timeout.read))
        return self._client.build_request(
            headers=headers,
            timeout=timeout,
            method=options.method,
            url=options.url,
            params=options.params or None,
            json=options.json_data,
        )

    def _default_headers(self) -> dict[str, str]:
        return {
            **HEADERS,
            "User-Agent": "AsyncSketch/Python 1.0.0",
            "X-Stainless-Lang": "python",
            "X-Stainless-Package-Version": "1.0.0",
            "X-Stainless-Runtime": platform.python_implementation(),
            "X-Stainless-Runtime-Version": platform.python_version(),
            "X-Stainless-Async": "async:asyncio",
        }
