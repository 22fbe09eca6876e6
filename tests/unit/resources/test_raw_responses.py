"""Answers beside values, and views that keep what the client shows."""

from __future__ import annotations

import asyncio
import inspect

import msgspec
import pytest

from octoffm_async import FulfillmentClient, Journal, NotFoundError, RawResponse, SellerClient, Stats
from octoffm_async.resources.inbound import Inbound
from octoffm_async.resources.outbound import Outbound
from octoffm_async.resources.products import Products
from octoffm_async.resources.returns import Returns
from octoffm_async.resources.stocks import Stocks
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.fakes import FakeTransport, answer, config
from tests.support.items import order

STOCK = {"id": "S-1", "quantities": {"Available": 1}}


async def test_a_call_gives_its_value_and_the_answer_it_came_in() -> None:
    async with Sandbox(seed=7, catalogue=2, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        raw = client.with_raw_response
        page = await raw.stocks.list(limit=1)
        stock = await raw.stocks.get(page.value.items[0].id)
        created = await raw.outbound.create(order("ORDER-1", product="SKU-00001"))
        counted = await raw.outbound.count()
        assert isinstance(stock, RawResponse)
        assert stock.value == await client.stocks.get(stock.value.id)
    assert stock.response.json()["id"] == stock.value.id
    assert (stock.response.status, created.response.status) == (200, 201)
    assert created.value in str(created.response.json())
    assert page.response.headers["Link"]
    assert counted.value == 1
    assert sandbox.effects.outbound == {"ORDER-1": 1}


async def test_every_attempt_is_there_and_the_views_own_listener_hears_them_too() -> None:
    heard = []
    async with Sandbox(seed=7, catalogue=1, stock=5) as sandbox:
        async with FulfillmentClient(sandbox.config(backoff_base=0.001)) as client:
            (one,) = await client.stocks.list().collect()
            sandbox.faults.next(Fault.ERROR_500, operation="stocks.get")
            found = await client.with_options(on_response=heard.append).with_raw_response.stocks.get(one.id)
    assert [response.status for response in found.responses] == [500, 200]
    assert heard == [*found.responses]


async def test_concurrent_calls_have_their_own_answers() -> None:
    async with (
        Sandbox(seed=7, catalogue=20, stock=5) as sandbox,
        FulfillmentClient(sandbox.config(limit=None)) as client,
    ):
        raw = client.with_raw_response
        ids = [stock.id for stock in await client.stocks.list().collect()]
        found = await asyncio.gather(*(raw.stocks.get(stock_id) for stock_id in ids))
    assert [each.response.json()["id"] for each in found] == ids == [each.value.id for each in found]


async def test_a_success_knows_its_trace_id() -> None:
    transport = FakeTransport(lambda _: answer(200, STOCK, **{"X-Request-Id": "R-1"}))
    async with FulfillmentClient(config(), transport=transport) as client:
        assert (await client.with_raw_response.stocks.get("S-1")).trace_id == "R-1"
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, STOCK))) as client:
        assert (await client.with_raw_response.stocks.get("S-1")).trace_id == ""


async def test_an_order_that_the_journal_knows_needs_no_answer(tmp_path) -> None:
    async with Sandbox(seed=7, catalogue=1, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        async with Journal.open(tmp_path / "orders.journal") as journal:
            first = await client.with_raw_response.outbound.create(order("ORDER-1"), journal=journal)
            again = await client.with_raw_response.outbound.create(order("ORDER-1"), journal=journal)
    assert again.value == first.value
    assert (first.response.status, again.responses, again.trace_id) == (201, (), "")
    with pytest.raises(LookupError, match="no request was needed"):
        _ = again.response


async def test_an_error_is_raised_as_ever() -> None:
    async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config()) as client:
        with pytest.raises(NotFoundError):
            await client.with_raw_response.stocks.get("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("kind", [Products, Inbound, Stocks, Outbound, Returns])
def test_every_single_call_has_its_raw_form_with_the_same_arguments(kind) -> None:
    client = FulfillmentClient(config(), transport=FakeTransport())
    name = kind.__name__.lower()
    raw = getattr(client.with_raw_response, name)
    methods = {each for each in vars(kind) if not each.startswith("_") and each != "wait_for"}
    assert {each for each in vars(type(raw)) if not each.startswith("_")} == methods
    for each in methods:
        plain = inspect.signature(getattr(kind, each))
        assert inspect.signature(getattr(raw, each)).parameters == plain.parameters
        assert getattr(raw, each).__doc__ == getattr(kind, each).__doc__


def timeless(client: FulfillmentClient | SellerClient) -> Stats:
    """The figures that do not change from one moment to the next."""
    return msgspec.structs.replace(client.stats(), token_age=None, token_left=None)


async def test_a_view_shows_the_clients_state_and_its_options_can_be_set_back() -> None:
    transport = FakeTransport(lambda _: answer(200, STOCK))
    async with FulfillmentClient(config(), transport=transport) as client:
        view = client.with_options(deadline=5.0, retries=0, lane="bulk")
        await view.stocks.get("S-1")
        assert timeless(view) == timeless(client)
        assert view.config is client.config is client.seller("2").config
        back = view.with_options(deadline=None, retries=None)
        assert back._scope.options.deadline is None
        assert back._scope.options.retries is None
        assert back._scope.options.lane == "bulk"
        assert view._scope.options.deadline == 5.0
        assert view.with_options()._scope.options == view._scope.options
