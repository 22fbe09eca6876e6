"""Requests to cancel a shipment: taken, decided, and in a race with shipping."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from octoffm_async.sandbox import Timeline

from ..api import SECOND, Answer, Api, line, product
from ..conftest import Serve

PATH = "/outbound-cancellation-requests"


async def stocked(api: Api, quantity: int = 10) -> Api:
    await api.register(product(1), product(2))
    api.sandbox.add_stock(quantity=quantity)
    return api


@pytest.fixture
async def shop(api: Api) -> Api:
    return await stocked(api)


async def ask(api: Api, shipment_id: str) -> Answer:
    return await api.post(PATH, {"outboundShipmentId": shipment_id, "reason": "The customer changed his mind"})


async def cancel(api: Api, shipment_id: str) -> str:
    answer = await ask(api, shipment_id)
    assert answer.status == 201, answer.body
    key: str = answer.json["outboundCancellationRequestId"]
    return key


async def request_of(api: Api, key: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"{PATH}/{key}")).json
    return found


async def quantities(api: Api, reference: str = "REF-1") -> tuple[int, int]:
    found = (await api.stock(reference))["quantities"]
    return found["Available"], found["Allocated"]


async def test_a_request_is_pending_until_its_time_then_accepted(shop: Api) -> None:
    shipment_id = await shop.order(lines=[line("REF-1", 3)])
    shop.sandbox.clock.advance(11)
    assert ((await shop.shipment(shipment_id))["status"], await quantities(shop)) == ("InPreparation", (7, 3))
    key = await cancel(shop, shipment_id)
    asked = await request_of(shop, key)
    assert (asked["outboundCancellationRequestId"], asked["outboundShipmentId"]) == (key, shipment_id)
    assert (asked["status"], asked["createdAt"]) == ("Pending", asked["updatedAt"])
    shop.sandbox.clock.advance(4.9)
    assert (await request_of(shop, key))["status"] == "Pending"
    shop.sandbox.clock.advance(0.1)
    decided = await request_of(shop, key)
    assert decided["status"] == "Accepted"
    assert moment(decided["updatedAt"]) == moment(asked["createdAt"]) + timedelta(seconds=5)
    shipment = await shop.shipment(shipment_id)
    assert (shipment["status"], shipment["state"], shipment["parcels"]) == ("Cancelled", "Valid", [])
    assert shipment["statusUpdatedAt"] == decided["updatedAt"]
    assert await quantities(shop) == (10, 0)
    assert (await shop.stock("REF-1"))["localizations"][0]["updateReason"] == "OutboundCancelled"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("wait", "request_status", "shipment_status", "stock"),
    [(24.9, "Accepted", "Cancelled", (10, 0)), (25.1, "Refused", "Shipped", (7, 0))],
)
@pytest.mark.parametrize("looks", [1, 7])
async def test_the_race_with_shipping_goes_both_ways(
    shop: Api, *, wait: float, request_status: str, shipment_status: str, stock: tuple[int, int], looks: int
) -> None:
    """Shipped 30 s after its creation, decided 5 s after the request; how often somebody looks does not matter."""
    shipment_id = await shop.order(lines=[line("REF-1", 3)])
    shop.sandbox.clock.advance(wait)
    key = await cancel(shop, shipment_id)
    for _ in range(looks):
        shop.sandbox.clock.advance(70 / looks)
    assert (await request_of(shop, key))["status"] == request_status
    assert (await shop.shipment(shipment_id))["status"] == shipment_status
    assert await quantities(shop) == stock


async def test_what_was_due_to_happen_to_a_cancelled_one_does_not_happen(shop: Api) -> None:
    shipment_id = await shop.order()
    key = await cancel(shop, shipment_id)
    shop.sandbox.clock.advance(5)
    after = await shop.shipment(shipment_id)
    assert ((await request_of(shop, key))["status"], after["status"]) == ("Accepted", "Cancelled")
    shop.sandbox.clock.advance(86_400)
    assert await shop.shipment(shipment_id) == after
    assert await quantities(shop) == (10, 0)


async def test_one_that_is_cancelled_before_its_acceptance_never_takes_stock(serve: Serve) -> None:
    api = await stocked(await serve(timeline=Timeline(cancellation=1)))
    before = await api.stock("REF-1")
    shipment_id = await api.order()
    await cancel(api, shipment_id)
    api.sandbox.clock.advance(86_400)
    assert (await api.shipment(shipment_id))["status"] == "Cancelled"
    assert await api.stock("REF-1") == before


async def test_a_shipment_that_is_refused_meanwhile_refuses_the_request(shop: Api) -> None:
    shipment_id = await shop.order(lines=[line("NONE")])
    key = await cancel(shop, shipment_id)
    shop.sandbox.clock.advance(60)
    assert (await request_of(shop, key))["status"] == "Refused"
    assert (await shop.shipment(shipment_id))["status"] == "Refused"


async def test_what_is_cancelled_may_be_allocated_to_another(shop: Api) -> None:
    first = await shop.order("FIRST", lines=[line(quantity=10)])
    shop.sandbox.clock.advance(3)
    await cancel(shop, first)
    shop.sandbox.clock.advance(5)
    second = await shop.order("SECOND", lines=[line(quantity=10)])
    shop.sandbox.clock.advance(30)
    assert (await shop.shipment(second))["status"] == "Shipped"
    assert await quantities(shop) == (0, 0)


async def test_too_late_is_409_at_once(shop: Api) -> None:
    shipped, refused = await shop.order("GOOD"), await shop.order("BAD", lines=[line("NONE")])
    shop.sandbox.clock.advance(30)
    cancelled = await shop.order("REGRETTED")
    await cancel(shop, cancelled)
    shop.sandbox.clock.advance(5)
    for shipment_id, status in ((shipped, "Shipped"), (refused, "Refused"), (cancelled, "Cancelled")):
        answer = await ask(shop, shipment_id)
        assert answer.is_problem(409)
        assert status in answer.json["detail"]
    assert shop.sandbox.effects.cancellations == {cancelled: 1}


async def test_a_second_request_is_409_while_one_is_pending(shop: Api) -> None:
    shipment_id = await shop.order()
    key = await cancel(shop, shipment_id)
    answer = await ask(shop, shipment_id)
    assert answer.is_problem(409)
    assert key in answer.json["detail"]
    assert shop.sandbox.effects.of("12345").cancellations == {shipment_id: 1}


async def test_an_unknown_shipment_or_another_sellers_is_422_that_names_the_field(shop: Api) -> None:
    shipment_id = await shop.order()
    for answer in (await ask(shop, "nothing"), await ask(shop.as_seller(SECOND), shipment_id)):
        assert answer.is_problem(422)
        assert list(answer.json["errors"]) == ["outboundShipmentId"]
    assert not shop.sandbox.effects.cancellations


@pytest.mark.parametrize("body", [{}, {"outboundShipmentId": ""}, {"outboundShipmentId": 7.5}, []])
async def test_a_malformed_request_is_400(shop: Api, body: object) -> None:
    answer = await shop.post(PATH, body)
    assert answer.is_problem(400)
    assert set(answer.json["errors"]) <= {"$", "outboundShipmentId"}


async def test_an_unknown_request_or_another_sellers_is_404(shop: Api) -> None:
    key = await cancel(shop, await shop.order())
    assert (await shop.get(f"{PATH}/nothing")).is_problem(404)
    assert (await shop.as_seller(SECOND).get(f"{PATH}/{key}")).is_problem(404)
