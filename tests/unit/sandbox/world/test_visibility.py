"""Late visibility: what was created is not seen before its time, and then with its true times."""

from datetime import datetime, timedelta

from octoffm_async.sandbox import Fault

from ..api import FIRST, Api, line, product
from ..shipped import announced, shipped, stocked


async def late(api: Api, reference: str, seconds: float | None = None) -> str:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY, operation="outbound.create", value=seconds)
    return await api.order(reference)


async def listed(api: Api, **query: object) -> list[str]:
    pages = await api.walk("/outbound-shipments", **query)
    return [row["reference"] for page in pages for row in page]


async def test_a_late_shipment_counts_at_once_and_is_seen_after_five_seconds(api: Api) -> None:
    key = await late(api, "ORDER-1")
    assert api.sandbox.effects.outbound["ORDER-1"] == 1
    assert await listed(api) == []
    assert (await api.get(f"/outbound-shipments/{key}")).is_problem(404)
    api.sandbox.clock.advance(4.9)
    assert await listed(api) == []
    api.sandbox.clock.advance(0.1)
    assert await listed(api) == ["ORDER-1"]
    assert (await api.shipment(key))["reference"] == "ORDER-1"


async def test_it_appears_at_its_old_place_with_its_old_times(api: Api) -> None:
    await api.order("FIRST")
    key = await late(api, "LATE", 60)
    created = api.sandbox.clock.now()
    await api.order("LAST")
    assert await listed(api) == ["FIRST", "LAST"]
    api.sandbox.clock.advance(61)
    assert await listed(api) == ["FIRST", "LATE", "LAST"]
    assert datetime.fromisoformat((await api.shipment(key))["createdAt"]) == created


async def test_a_reader_that_asks_for_what_is_new_never_sees_it(api: Api) -> None:
    await late(api, "LATE", 60)
    api.sandbox.clock.advance(50)
    watermark = api.sandbox.clock.now()
    api.sandbox.clock.advance(11)
    assert await listed(api, statusUpdatedAtMin=watermark.isoformat()) == []
    overlapping = watermark - timedelta(seconds=50)
    assert await listed(api, statusUpdatedAtMin=overlapping.isoformat()) == ["LATE"]


async def test_pages_go_on_where_they_were_when_a_row_appears_behind_them(api: Api) -> None:
    await late(api, "LATE", 10)
    for number in range(3):
        await api.order(f"ORDER-{number}")
    page = await api.get("/outbound-shipments", limit=2)
    api.sandbox.clock.advance(10)
    assert page.next is not None
    rest = await api.get(page.next)
    seen = [row["reference"] for row in (*page.json["items"], *rest.json["items"])]
    assert seen == ["ORDER-0", "ORDER-1", "ORDER-2"]


async def test_a_late_return_is_neither_listed_nor_counted_nor_found(api: Api) -> None:
    shipment_id = await shipped(await stocked(api))
    api.sandbox.faults.next(Fault.LATE_VISIBILITY, operation="returns.create", value=3)
    key = await announced(api, shipment_id)
    looks: list[tuple[int, int, int]] = []
    for seconds in (0, 3):
        api.sandbox.clock.advance(seconds)
        listed = len((await api.get("/returns")).json["items"])
        looks.append(
            (listed, (await api.get("/returns/count")).json["count"], (await api.get(f"/returns/{key}")).status)
        )
    assert looks == [(0, 0, 404), (1, 1, 200)]
    assert api.sandbox.effects.returns == {shipment_id: 1}


async def test_a_late_shipment_is_counted_late(api: Api) -> None:
    await late(api, "LATE")
    assert (await api.get("/outbound-shipments/count")).json == {"count": 0}
    assert (await api.get("/outbound-shipments/count", state="Valid")).json == {"count": 0}
    api.sandbox.clock.advance(5)
    assert (await api.get("/outbound-shipments/count")).json == {"count": 1}


async def test_a_late_request_to_cancel_is_found_late_and_decided_in_time(api: Api) -> None:
    key = await (await stocked(api)).order()
    api.sandbox.faults.next(Fault.LATE_VISIBILITY, value=90)
    asked = await api.post("/outbound-cancellation-requests", {"outboundShipmentId": key, "reason": "x"})
    path = f"/outbound-cancellation-requests/{asked.json['outboundCancellationRequestId']}"
    api.sandbox.clock.advance(80)
    assert (await api.get(path)).status == 404
    assert (await api.shipment(key))["status"] == "Cancelled"
    api.sandbox.clock.advance(10)
    assert (await api.get(path)).json["status"] == "Accepted"


async def test_life_goes_on_behind_the_curtain(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock("REF-1", quantity=1)
    key = await late(api, "LATE", 100)
    api.sandbox.clock.advance(30)
    assert (await api.stock("REF-1"))["quantities"]["Available"] == 0
    assert (await api.get(f"/outbound-shipments/{key}")).status == 404
    api.sandbox.clock.advance(70)
    found = await api.shipment(key)
    assert (found["status"], found["lines"][0]["quantity"]) == ("Shipped", line()["quantity"])


async def test_products_are_late_with_their_stocks(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY)
    await api.register(product(1), product(2))
    assert await api.references() == []
    assert (await api.get("/stocks", limit=9, sort="Available")).json["items"] == []
    api.sandbox.add_stock(quantity=3)
    api.sandbox.clock.advance(5)
    assert (await api.stock("REF-2"))["quantities"]["Available"] == 3


async def test_what_was_there_before_stays_in_sight(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.faults.next(Fault.LATE_VISIBILITY)
    await api.register(product(1), product(2))
    assert [row["sellerProductReference"] for row in await api.references()] == ["REF-1"]


async def test_only_the_sellers_own_creation_is_late(api: Api) -> None:
    other = api.as_seller("98980")
    await other.order("OTHER")
    await late(api, "LATE")
    assert await listed(other) == ["OTHER"]
    assert api.sandbox.effects.of(FIRST).outbound == {"LATE": 1}


async def test_a_refused_creation_hides_nothing(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY)
    assert (await api.post("/outbound-shipments", {})).status == 400
    await api.order("ORDER-1")
    assert await listed(api) == ["ORDER-1"]
