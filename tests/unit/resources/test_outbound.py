"""client.outbound against the sandbox."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from octoffm_async import OutboundShipmentRequest, OutboundStatus, ValidationError
from octoffm_async.bulk.bulk import Bulk
from octoffm_async.errors import BadRequestError, CallError, NotFoundError
from octoffm_async.resources.outbound import Outbound
from octoffm_async.sandbox import Fault
from tests.support.items import order, serving

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


async def listed(client, **filters) -> list[str]:
    return [shipment.reference async for shipment in client.outbound.list(**filters)]


@pytest.mark.parametrize("where", [OutboundShipmentRequest, Outbound.create, Bulk.create_outbound])
def test_whoever_reads_how_to_order_reads_which_orders_octopia_ships_itself(where) -> None:
    said = " ".join((where.__doc__ or "").split())
    assert "in supply mode ``Fulfillment``" in said
    assert "must not be" in said or "Do not send them here" in said
    assert re.search(r"ship (it|them) twice", said)


@pytest.mark.parametrize("creation_answer", ["body", "location", "content-location"])
@pytest.mark.parametrize("links", ["relative", "absolute"])
async def test_an_order_gets_an_id_wherever_the_answer_has_it(creation_answer: str, links: str) -> None:
    async with serving(creation_answer=creation_answer, links=links) as (_, client):
        shipment_id = await client.outbound.create(order("A", quantity=3))
        shipment = await client.outbound.get(shipment_id)
    assert shipment.outbound_shipment_id == shipment_id
    assert (shipment.reference, shipment.status) == ("A", OutboundStatus.CREATED)
    assert [line.quantity for line in shipment.lines] == [3]
    assert shipment.delivery_address.city == "Paris"


async def test_a_shipment_is_followed_until_it_left(shop) -> None:
    shipment_id = await shop.client.outbound.create(order("A", product="P-9"))
    seen = []
    for _ in range(5):
        seen.append((await shop.client.outbound.get(shipment_id)).status)
        shop.sandbox.clock.advance(10)
    assert seen[0] is OutboundStatus.CREATED
    assert seen[-1].final
    assert len((await shop.client.outbound.get(shipment_id)).parcels) == (seen[-1] is OutboundStatus.SHIPPED)


async def test_an_unknown_product_is_refused_later_not_by_the_call(pair) -> None:
    shipment_id = await pair.client.outbound.create(order("A", product="nobody's"))
    pair.sandbox.clock.advance(10)
    shipment = await pair.client.outbound.get(shipment_id)
    assert shipment.status is OutboundStatus.REFUSED
    assert shipment.refusal is not None


@pytest.mark.parametrize("wrong", [order(""), order("A", quantity=0), order("A", product=""), order("A", city=" ")])
async def test_what_cannot_be_right_is_refused_before_it_is_sent(pair, wrong) -> None:
    with pytest.raises(ValidationError) as caught:
        await pair.client.outbound.create(wrong)
    assert caught.value.problems
    assert pair.sandbox.requests.total == 0


async def test_what_only_the_api_knows_is_refused_there(pair) -> None:
    with pytest.raises(BadRequestError) as caught:
        await pair.client.outbound.create(order("x" * 51))
    assert "reference" in caught.value.field_errors
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("fault", "effects"),
    [(Fault.ERROR_500, 0), (Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1), (Fault.TRUNCATED, 1)],
    ids=lambda value: getattr(value, "value", ""),
)
async def test_an_order_whose_answer_is_lost_says_so_and_is_not_repeated(pair, fault: Fault, effects: int) -> None:
    pair.sandbox.faults.next(fault, operation="outbound.create")
    with pytest.raises(CallError) as caught:
        await pair.client.outbound.create(order("A"))
    assert caught.value.outcome_unknown
    assert caught.value.attempts == 1
    assert pair.sandbox.effects.outbound["A"] == effects


async def test_a_shipment_of_nobody_or_of_another_seller_is_not_found(pair) -> None:
    shipment_id = await pair.client.outbound.create(order("A"))
    other = pair.client.seller("98980")
    with pytest.raises(NotFoundError):
        await other.outbound.get(shipment_id)
    with pytest.raises(NotFoundError):
        await pair.client.outbound.get("nobody's")
    assert await listed(other) == []
    await other.outbound.create(order("B"))
    assert await listed(other) == ["B"]
    assert await listed(pair.client) == ["A"]


@pytest.mark.parametrize("list_shape", ["object", "array"])
@pytest.mark.parametrize("limit", [1, 4, 1000])
async def test_shipments_come_whole_in_both_shapes_whatever_the_page(list_shape: str, limit: int) -> None:
    async with serving(list_shape=list_shape) as (_, client):
        for number in range(6):
            await client.outbound.create(order(f"O-{number}"))
        assert await listed(client, limit=limit) == [f"O-{number}" for number in range(6)]


async def test_shipments_can_be_filtered_by_state_and_by_the_time_of_their_status(shop) -> None:
    for number in range(4):
        await shop.client.outbound.create(order(f"O-{number}", product="nobody's" if number == 2 else "P-9"))
        shop.sandbox.clock.advance(60)
    assert await listed(shop.client, state="Invalid", limit=1) == [
        shipment.reference async for shipment in shop.client.outbound.list() if shipment.state.value == "Invalid"
    ]
    assert "O-2" in await listed(shop.client, state="Invalid")
    moments = [shipment.status_updated_at async for shipment in shop.client.outbound.list()]
    assert await listed(shop.client, status_updated_at_min=moments[2], limit=1) == ["O-2", "O-3"]
    assert await listed(shop.client, status_updated_at_max=moments[1], limit=1) == ["O-0", "O-1"]
    both = await listed(shop.client, status_updated_at_min=moments[1], status_updated_at_max=moments[2])
    assert both == ["O-1", "O-2"]
    first = await anext(shop.client.outbound.list(limit=3).pages())
    assert await listed(shop.client, limit=3, resume_from=first.next_cursor) == ["O-3"]


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"status_updated_at_max": NOW.replace(tzinfo=None)},
        {"status_updated_at_min": NOW, "status_updated_at_max": NOW - timedelta(seconds=1)},
    ],
    ids=str,
)
async def test_filters_that_cannot_be_right_are_refused_here(pair, filters) -> None:
    with pytest.raises(ValidationError):
        pair.client.outbound.list(**filters)


async def test_a_state_that_the_api_does_not_know_is_refused_there(pair) -> None:
    with pytest.raises(BadRequestError):
        await listed(pair.client, state="Solid")
