"""A sandbox with a few products in stock, in every form in which lists may come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import Sandbox
from tests.support.items import products, serving


class Pair(NamedTuple):
    sandbox: Sandbox
    client: FulfillmentClient


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A sandbox with nothing in it, and a client."""
    async with serving() as (sandbox, client):
        yield Pair(sandbox, client)


@pytest.fixture(params=["object-relative", "array-absolute"])
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Ten products, P-0 to P-9; P-3 has 4 items in FR, P-9 has 10, and so on."""
    shape, links = request.param.split("-")
    async with serving(list_shape=shape, links=links) as (sandbox, client):
        await client.products.create(products(10))
        for number in range(10):
            sandbox.clock.advance(60)
            sandbox.add_stock(f"P-{number}", quantity=number + 1, country="FR" if number % 2 else "DE")
        yield Pair(sandbox, client)
