"""The life of a shipment, and what it does to the stocks."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from octoffm_async.sandbox import Timeline

from ..api import Api, line, product
from ..conftest import Serve


@pytest.fixture
async def stocked(api: Api) -> Api:
    await api.register(product(1), product(2))
    api.sandbox.add_stock(quantity=10)
    return api


async def quantities(api: Api, reference: str = "REF-1") -> tuple[int, int]:
    found = (await api.stock(reference))["quantities"]
    return found["Available"], found["Allocated"]


async def test_goes_from_created_to_shipped_on_its_timeline(stocked: Api) -> None:
    key = await stocked.order(lines=[line(quantity=3)])
    seen: list[Any] = []
    for wait in (0, 1.9, 0.1, 7.9, 0.1, 19.9, 0.1):
        stocked.sandbox.clock.advance(wait)
        seen.append(((await stocked.shipment(key))["status"], *await quantities(stocked)))
    assert seen == [
        ("Created", 10, 0),
        ("Created", 10, 0),
        ("Accepted", 7, 3),
        ("Accepted", 7, 3),
        ("InPreparation", 7, 3),
        ("InPreparation", 7, 3),
        ("Shipped", 7, 0),
    ]


async def test_each_step_bears_the_time_at_which_it_was_due(stocked: Api) -> None:
    key = await stocked.order()
    start = datetime.fromisoformat((await stocked.shipment(key))["createdAt"])
    stocked.sandbox.clock.advance(86_400)
    found = await stocked.shipment(key)
    shipped = start + timedelta(seconds=30)
    assert datetime.fromisoformat(found["statusUpdatedAt"]) == datetime.fromisoformat(found["updatedAt"]) == shipped
    stock = await stocked.stock("REF-1")
    assert datetime.fromisoformat(stock["updatedAt"]) == shipped
    assert stock["localizations"][0]["updateReason"] == "OutboundShipped"


async def test_a_shipped_one_has_parcels(stocked: Api) -> None:
    key = await stocked.order(lines=[line("REF-1", 2), line("REF-2", 1)])
    stocked.sandbox.clock.advance(30)
    (parcel,) = (await stocked.shipment(key))["parcels"]
    assert parcel["carrier"]
    assert parcel["parcelId"]
    assert parcel["trackingNumber"] in parcel["trackingUrl"]
    assert [(row["sellerProductReference"], row["quantity"]) for row in parcel["lines"]] == [("REF-1", 2), ("REF-2", 1)]


async def refused(api: Api, *lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The shipment after the day on which it should have been accepted."""
    key = await api.order(lines=list(lines), **changes)
    assert (await api.shipment(key))["status"] == "Created"
    api.sandbox.clock.advance(86_400)
    return await api.shipment(key)


async def test_an_unknown_product_is_refused_later(stocked: Api) -> None:
    found = await refused(stocked, line("REF-1"), line("NONE"))
    assert (found["status"], found["state"], found["refusal"]["code"]) == ("Refused", "Invalid", "UnknownProduct")
    assert "NONE" in found["refusal"]["message"]
    assert found["parcels"] == []
    assert await quantities(stocked) == (10, 0)


@pytest.mark.parametrize("lines", [[line(quantity=11)], [line(quantity=6), line(quantity=5)]])
async def test_too_little_stock_is_refused_later(stocked: Api, lines: list[dict[str, Any]]) -> None:
    found = await refused(stocked, line("REF-2"), *lines)
    assert (found["status"], found["state"], found["refusal"]["code"]) == ("Refused", "Invalid", "InsufficientStock")
    assert await quantities(stocked, "REF-1") == await quantities(stocked, "REF-2") == (10, 0)


async def test_stock_in_another_country_does_not_help(stocked: Api) -> None:
    assert (await refused(stocked, line(), storageCountry="ES"))["refusal"]["code"] == "InsufficientStock"
    stocked.sandbox.add_stock("REF-1", quantity=1, country="UK")
    key = await stocked.order(lines=[line()], storageCountry="GB")
    stocked.sandbox.clock.advance(2)
    assert (await stocked.shipment(key))["status"] == "Accepted"


async def test_shipments_take_the_stock_in_the_order_of_their_creation(stocked: Api) -> None:
    keys = [await stocked.order(f"ORDER-{number}", lines=[line(quantity=4)]) for number in range(3)]
    stocked.sandbox.clock.advance(2)
    assert [(await stocked.shipment(key))["status"] for key in keys] == ["Accepted", "Accepted", "Refused"]
    assert await quantities(stocked) == (2, 8)


async def test_a_product_registered_before_the_acceptance_is_known(api: Api) -> None:
    key = await api.order(lines=[line("REF-1")])
    await api.register(product(1))
    api.sandbox.add_stock("REF-1", quantity=1)
    api.sandbox.clock.advance(2)
    assert (await api.shipment(key))["status"] == "Accepted"


async def test_a_line_may_name_the_product_and_its_condition(stocked: Api) -> None:
    row = (await stocked.references())[0]
    named = {"productId": row["productId"], "productCondition": "new", "quantity": 1}
    wrong = {**named, "productCondition": "LikeNew"}
    unknown = {**named, "productId": "NONE"}
    keys = [await stocked.order(lines=[one]) for one in (named, wrong, unknown)]
    stocked.sandbox.clock.advance(2)
    assert [(await stocked.shipment(key))["status"] for key in keys] == ["Accepted", "Refused", "Refused"]
    assert await quantities(stocked) == (9, 1)


async def test_if_a_line_has_both_names_the_reference_wins(stocked: Api) -> None:
    row = (await stocked.references())[0]
    await stocked.order(lines=[{**line("REF-2", 4), "productId": row["productId"], "productCondition": "New"}])
    stocked.sandbox.clock.advance(2)
    assert (await quantities(stocked, "REF-1"), await quantities(stocked, "REF-2")) == ((10, 0), (6, 4))


async def test_a_timeline_of_zeros_ships_at_once(serve: Serve) -> None:
    api = await serve(timeline=Timeline(accepted=0, in_preparation=0, shipped=0))
    await api.register(product(1))
    api.sandbox.add_stock(quantity=1)
    assert (await api.shipment(await api.order()))["status"] == "Shipped"


@pytest.mark.parametrize("steps", [(-1, 0, 0), (5, 4, 9), (1, 3, 2)])
def test_a_timeline_goes_forward(steps: tuple[float, float, float]) -> None:
    accepted, in_preparation, shipped = steps
    with pytest.raises(ValueError, match="must be"):
        Timeline(accepted=accepted, in_preparation=in_preparation, shipped=shipped)


async def test_the_clock_can_run_fast(serve: Serve) -> None:
    api = await serve(speed=1e9)
    key = await api.order()
    assert (await api.shipment(key))["status"] == "Refused"
