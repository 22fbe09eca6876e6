"""The life of a supply order, and what it does to the stocks."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.inbound import InboundLine, InboundShipment, InboundStatus
from octoffm_async.contract.products import SellerReference
from octoffm_async.contract.stocks import Stock
from octoffm_async.sandbox import Clock, Reception, Timeline
from octoffm_async.sandbox.world.inbound_lifecycle import first_delivery_of, schedule_supply_order, undelivered_of
from octoffm_async.sandbox.world.stock_movements import NO_ITEMS, required_number
from octoffm_async.sandbox.world.world import World

from ..api import Api, line, product
from ..conftest import Serve
from ..supplies import create, read


@pytest.fixture
async def registered(api: Api) -> Api:
    await api.register(product(1), product(2))
    return api


async def available(api: Api, reference: str = "REF-1") -> int:
    quantity: int = (await api.stock(reference))["quantities"]["Available"]
    return quantity


async def test_goes_from_created_to_received_in_two_deliveries(registered: Api) -> None:
    key = await create(registered, lines=[line(quantity=5)])
    seen: list[Any] = []
    for wait in (0, 1.9, 0.1, 7.9, 0.1, 9.9, 0.1, 9.9, 0.1):
        registered.sandbox.clock.advance(wait)
        found = await read(registered, key)
        seen.append((found["status"], found["lines"][0]["receivedQuantity"], await available(registered)))
    assert seen == [
        ("Created", 0, 0),
        ("Created", 0, 0),
        ("Accepted", 0, 0),
        ("Accepted", 0, 0),
        ("Receiving", 0, 0),
        ("Receiving", 0, 0),
        ("PartiallyReceived", 3, 3),
        ("PartiallyReceived", 3, 3),
        ("Received", 5, 5),
    ]


async def test_each_step_bears_the_time_at_which_it_was_due(registered: Api) -> None:
    key = await create(registered, lines=[line(quantity=2)], storageCountry="ES")
    start = datetime.fromisoformat((await read(registered, key))["createdAt"])
    registered.sandbox.clock.advance(86_400)
    received = start + timedelta(seconds=30)
    assert datetime.fromisoformat((await read(registered, key))["updatedAt"]) == received
    (part,) = (await registered.stock("REF-1"))["localizations"]
    assert (part["storageCountry"], part["updateReason"], part["quantities"]["Available"]) == ("ES", "Inbound", 2)
    assert datetime.fromisoformat(part["updatedAt"]) == received


async def test_what_is_complete_with_the_first_delivery_is_received_at_once(registered: Api) -> None:
    key = await create(registered, lines=[line(quantity=1)])
    registered.sandbox.clock.advance(20)
    assert ((await read(registered, key))["status"], await available(registered)) == ("Received", 1)
    registered.sandbox.clock.advance(86_400)
    assert await available(registered) == 1


async def test_an_unregistered_product_refuses_the_order_later(registered: Api) -> None:
    key = await create(registered, lines=[line("REF-1", 4), line("NONE")])
    assert (await read(registered, key))["status"] == "Created"
    registered.sandbox.clock.advance(86_400)
    found = await read(registered, key)
    assert (found["status"], found["refusal"]["code"]) == ("Refused", "UnknownProduct")
    assert "NONE" in found["refusal"]["message"]
    assert await available(registered) == 0


async def test_a_product_registered_before_the_acceptance_is_known(api: Api) -> None:
    key = await create(api)
    await api.register(product(1))
    api.sandbox.clock.advance(2)
    assert (await read(api, key))["status"] == "Accepted"


async def test_two_lines_of_one_product_add_up(registered: Api) -> None:
    await create(registered, lines=[line("REF-1", 3), line("REF-2", 4), line("REF-1", 2)])
    registered.sandbox.clock.advance(30)
    assert (await available(registered, "REF-1"), await available(registered, "REF-2")) == (5, 4)


async def test_what_never_comes_is_known_at_the_end(serve: Serve) -> None:
    api = await serve(reception=Reception(first_delivery=0.25, undelivered=0.5))
    await api.register(product(1))
    key = await create(api, lines=[line(quantity=8)])
    api.sandbox.clock.advance(20)
    (row,) = (await read(api, key))["lines"]
    assert (row["receivedQuantity"], row["undeliveredQuantity"]) == (2, 0)
    api.sandbox.clock.advance(10)
    found = await read(api, key)
    (row,) = found["lines"]
    assert (found["status"], row["receivedQuantity"], row["undeliveredQuantity"]) == ("Received", 4, 4)
    assert await available(api) == 4


LIMITS = ((0, 1), (0, 1), (0, 1), (1, 2), (2, 3))  # of 30 % of 1, 2, 3, 5 and 7


async def missing_after(serve: Serve, *jumps: float) -> list[list[int]]:
    """What never came of two equal orders, if the clock is looked at after each of the jumps."""
    api = await serve(seed=4, reception=Reception(undelivered=0.3))
    await api.register(product(1))
    keys = [await create(api, lines=[line(quantity=number) for number in (1, 2, 3, 5, 7)]) for _ in range(2)]
    for jump in jumps:
        api.sandbox.clock.advance(jump)
        await api.get("/stocks", limit=1)
    missing = [[row["undeliveredQuantity"] for row in (await read(api, key))["lines"]] for key in keys]
    assert await available(api) == 36 - sum(map(sum, missing))
    return missing


async def test_what_comes_does_not_hang_on_when_the_clock_was_looked_at(serve: Serve) -> None:
    first, second = await missing_after(serve, 30)
    assert first != second
    for row in (first, second):
        assert all(lacking in around for lacking, around in zip(row, LIMITS, strict=True))
    assert await missing_after(serve, 5, 5, 5, 5, 5, 5) == await missing_after(serve, 29, 1) == [first, second]


async def test_goods_that_came_can_be_shipped(registered: Api) -> None:
    await create(registered, lines=[line(quantity=4)])
    registered.sandbox.clock.advance(30)
    key = await registered.order(lines=[line(quantity=3)])
    registered.sandbox.clock.advance(30)
    assert (await registered.shipment(key))["status"] == "Shipped"
    assert await available(registered) == 1


async def test_a_timeline_of_zeros_receives_at_once(serve: Serve) -> None:
    api = await serve(timeline=Timeline(inbound_accepted=0, receiving=0, partially_received=0, received=0))
    await api.register(product(1))
    key = await create(api, lines=[line(quantity=9)])
    assert ((await read(api, key))["status"], await available(api)) == ("Received", 9)


@pytest.mark.parametrize("steps", [(-1, 0, 0, 0), (5, 4, 9, 9), (1, 3, 2, 9), (1, 2, 3, 2)])
def test_a_timeline_goes_forward(steps: tuple[float, float, float, float]) -> None:
    accepted, receiving, partially, received = steps
    with pytest.raises(ValueError, match="inbound_accepted <= receiving"):
        Timeline(inbound_accepted=accepted, receiving=receiving, partially_received=partially, received=received)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match="first_delivery = "):
        Reception(first_delivery=share)
    with pytest.raises(ValueError, match="undelivered = "):
        Reception(undelivered=share)


def reference(number: int) -> SellerReference:
    return SellerReference(seller_product_reference=f"REF-{number}", stock_id=f"S-{number}")


def announced_line(name: str, quantity: int) -> InboundLine:
    return InboundLine(seller_product_reference=name, quantity=quantity, received_quantity=0, undelivered_quantity=0)


shares = st.floats(0, 1)
quantities = st.lists(st.integers(1, 10**9), min_size=1, max_size=20)


@given(shares, shares, st.uuids(), quantities)
def test_deliveries_never_bring_more_than_was_announced(
    first: float, undelivered: float, key: object, announced: list[int]
) -> None:
    reception = Reception(first_delivery=first, undelivered=undelivered)
    lines = [InboundLine(quantity=quantity) for quantity in announced]
    missing = undelivered_of(reception, str(key), lines)
    coming = first_delivery_of(reception, str(key), lines)
    for quantity, lacking, arriving in zip(announced, missing, coming, strict=True):
        assert 0 <= arriving <= quantity - lacking <= quantity
        assert abs(lacking - quantity * undelivered) < 1 + 1e-6
        assert arriving == quantity - lacking or -1e-6 < arriving - quantity * first < 1 + 1e-6


@given(shares, shares, st.uuids(), quantities)
def test_what_was_announced_is_in_the_stocks_or_known_to_be_missing(
    first: float, undelivered: float, key: object, announced: list[int]
) -> None:
    clock = Clock(speed=0)
    reception = Reception(first_delivery=first, undelivered=undelivered)
    world = World(sellers=("1",), clock=clock, timeline=Timeline(), rng=Random(1), reception=reception)
    account, moment, name = world.account(None), clock.now(), str(key)
    for number in range(2):
        account.references.add(f"REF-{number}", reference(number), moment)
        account.stocks.add(f"S-{number}", Stock(id=f"S-{number}", quantities=NO_ITEMS), moment)
    lines = [announced_line(f"REF-{place % 2}", quantity) for place, quantity in enumerate(announced)]
    shipment = InboundShipment(
        inbound_shipment_id=name, storage_country="UK", status=InboundStatus.CREATED, lines=lines
    )
    account.inbound.add(name, shipment, moment)
    schedule_supply_order(world, account, name, moment)
    for _ in range(31):
        clock.advance(1)
        after = account.inbound.get(name)
        assert after is not None
        for number in range(2):
            stock = account.stocks.get(f"S-{number}")
            assert stock is not None
            received = sum(required_number(row.received_quantity) for row in after.lines[number::2])
            assert stock.quantities.available == received
            assert sum(required_number(part.quantities.available) for part in stock.localizations) == received
    assert after.status is InboundStatus.RECEIVED
    assert [
        required_number(row.received_quantity) + required_number(row.undelivered_quantity) for row in after.lines
    ] == announced
    assert after.updated_at is not None
    assert after.updated_at.tzinfo is UTC


@pytest.mark.parametrize("seconds", [0, 2, 15, 25])
async def test_all_that_is_on_its_way_can_be_received_at_once_from_every_status(serve: Serve, seconds: float) -> None:
    """It ends as by its timeline, with the time of now; what else is pending keeps its time."""
    settings = Reception(undelivered=0.3)
    api, twin = await serve(reception=settings), await serve(reception=settings)
    keys, orders = list[str](), list[str]()
    for one in (api, twin):
        await one.register(product(1))
        one.sandbox.add_stock("REF-1", quantity=1)
        keys.append(await create(one, lines=[line(quantity=10), line(quantity=3)]))
        orders.append(await one.order())
        one.sandbox.clock.advance(seconds)
    twin.sandbox.clock.advance(60)
    assert (await api.shipment(orders[0]))["status"] != "Shipped"
    assert api.sandbox.receive_supplies() == {"Received": 1}
    assert api.sandbox.receive_supplies() == {}
    found, expected = await read(api, keys[0]), await read(twin, keys[1])
    assert found["lines"] == expected["lines"]
    assert datetime.fromisoformat(found["updatedAt"]) == api.sandbox.clock.now()
    api.sandbox.clock.advance(60)
    assert (await read(api, keys[0]))["updatedAt"] == found["updatedAt"]
    assert (await api.shipment(orders[0]))["status"] == "Shipped"
    assert (await api.stock("REF-1"))["quantities"] == (await twin.stock("REF-1"))["quantities"]
