"""Announcing returns, reading, listing and counting them, their labels, and what carriers bring back."""

from typing import Any

import pytest

from ..api import FIRST, SECOND, Api, line
from ..conftest import Serve
from ..shipped import AGE, announce, announced, quantities, shipped, stocked, the_return


@pytest.fixture
async def shop(api: Api) -> Api:
    return await stocked(api, "FR", "ES", "UK")


async def test_an_announced_return_reads_back_with_its_shipment(shop: Api) -> None:
    shipment_id = await shipped(shop, line("REF-1", 3), line("REF-2", 1))
    key = await announced(shop, shipment_id, line("REF-1", 2), comment="Too small")
    found = await the_return(shop, key)
    (parcel,) = (await shop.shipment(shipment_id))["parcels"]
    assert (found["returnId"], found["type"], found["status"]) == (key, "Customer", "Created")
    assert (found["reason"], found["comment"]) == ("Retraction", "Too small")
    assert (found["outboundShipmentId"], found["parcelId"]) == (shipment_id, parcel["parcelId"])
    assert found["reference"] == found["orderSellerId"] == "ORDER-1"
    assert found["createdAt"] == found["updatedAt"]
    assert found["lines"] == [{"sellerProductReference": "REF-1", "quantity": 2, "receivedQuantity": 0, "state": None}]
    assert (found["hasLabel"], found["labelUrl"], found["receiptDate"], found["undeclaredQuantity"]) == (
        False,
        None,
        None,
        0,
    )
    assert shop.sandbox.effects.returns == shop.sandbox.effects.of(FIRST).returns == {shipment_id: 1}


async def test_the_shipment_may_be_named_by_its_reference(shop: Api) -> None:
    shipment_id = await shipped(shop, reference="A")
    await shipped(shop, reference="B")
    by_reference = await announced(shop, None, reference="A")
    by_both = await announced(shop, shipment_id, reference="A")
    for key in (by_reference, by_both):
        assert (await the_return(shop, key))["outboundShipmentId"] == shipment_id


async def test_a_reference_that_was_shipped_twice_is_409_and_says_so(shop: Api) -> None:
    first, _ = await shipped(shop, reference="TWICE"), await shipped(shop, reference="TWICE")
    answer = await announce(shop, None, reference="TWICE")
    assert answer.is_problem(409)
    assert "ambiguous" in answer.json["detail"]
    assert (await announce(shop, first, reference="TWICE")).status == 201


async def test_of_a_reference_the_one_that_was_shipped_is_meant(shop: Api) -> None:
    await shop.order("AGAIN", lines=[line("NONE")])
    shipment_id = await shipped(shop, reference="AGAIN")
    await shop.order("AGAIN")
    key = await announced(shop, None, reference="AGAIN")
    assert (await the_return(shop, key))["outboundShipmentId"] == shipment_id


async def test_what_is_not_shipped_cannot_come_back(shop: Api) -> None:
    created, refused = await shop.order("NEW"), await shop.order("BAD", lines=[line("NONE")])
    assert (await announce(shop, created)).is_problem(409)
    shop.sandbox.clock.advance(10)
    for name, status in (("NEW", "InPreparation"), ("BAD", "Refused")):
        answer = await announce(shop, None, reference=name)
        assert answer.is_problem(409)
        assert status in answer.json["detail"]
    assert (await announce(shop, refused)).is_problem(409)
    assert not shop.sandbox.effects.returns


@pytest.mark.parametrize(("country", "status"), [("FR", 201), ("fr", 201), ("ES", 201), ("UK", 409), ("GB", 409)])
async def test_customer_returns_exist_for_two_countries(shop: Api, country: str, status: int) -> None:
    answer = await announce(shop, await shipped(shop, country=country))
    assert answer.status == status
    assert status == 201 or "shipped from UK" in answer.json["detail"]


async def test_an_unknown_shipment_is_422_that_names_the_field(shop: Api) -> None:
    shipment_id = await shipped(shop)
    cases: list[tuple[Api, str | None, str | None, str]] = [
        (shop, "nothing", None, "outboundShipmentId"),
        (shop, None, "nothing", "reference"),
        (shop, shipment_id, "ORDER-2", "reference"),
        (shop.as_seller(SECOND), shipment_id, None, "outboundShipmentId"),
        (shop.as_seller(SECOND), None, "ORDER-1", "reference"),
    ]
    for api, key, reference, field in cases:
        answer = await announce(api, key, reference=reference)
        assert answer.is_problem(422)
        assert list(answer.json["errors"]) == [field]


async def test_no_more_can_be_announced_than_was_shipped(shop: Api) -> None:
    shipment_id = await shipped(shop, line("REF-1", 3), line("REF-2", 1), line("REF-1", 2))
    await announced(shop, shipment_id, line("REF-1", 4))
    cases: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([line("REF-2", 1), line("REF-1", 2)], ["lines[1].quantity"]),
        ([line("REF-1", 1), line("REF-1", 1)], ["lines[1].quantity"]),
        ([line("REF-2", 2)], ["lines[0].quantity"]),
        ([line("REF-3", 1)], ["lines[0].sellerProductReference"]),
    ]
    for lines, fields in cases:
        answer = await announce(shop, shipment_id, *lines)
        assert answer.is_problem(422)
        assert list(answer.json["errors"]) == fields
    assert (
        "2 of 'REF-1' requested, 1 can be returned."
        in (await announce(shop, shipment_id, line("REF-1", 2))).json["errors"]["lines[0].quantity"]
    )
    await announced(shop, shipment_id, line("REF-2", 1), line("REF-1", 1))
    shop.sandbox.clock.advance(AGE)
    assert (await announce(shop, shipment_id, line("REF-1", 1))).is_problem(422)


async def test_a_shipment_that_named_products_by_their_ids_comes_back_by_reference(shop: Api) -> None:
    row = (await shop.references())[1]
    shipment_id = await shipped(shop, {"productId": row["productId"], "productCondition": "New", "quantity": 2})
    assert (await announce(shop, shipment_id, line("REF-1", 1))).is_problem(422)
    await announced(shop, shipment_id, line("REF-2", 2))
    shop.sandbox.clock.advance(AGE)
    assert await quantities(shop, "REF-2") == {"Available": 300}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"reason": ""}, {"reason"}),
        ({"outboundShipmentId": None}, {"outboundShipmentId"}),
        ({"lines": []}, {"lines"}),
        ({"lines": [line(quantity=0), {"quantity": 1}]}, {"lines[0].quantity", "lines[1].sellerProductReference"}),
        ({"lines": [line()] * 101}, {"lines"}),
    ],
)
async def test_a_malformed_return_is_400_with_its_fields(shop: Api, changes: dict[str, Any], fields: set[str]) -> None:
    answer = await announce(shop, "any", **changes)
    assert answer.is_problem(400)
    assert set(answer.json["errors"]) == fields


async def test_an_unknown_return_or_another_sellers_is_404(shop: Api) -> None:
    key = await announced(shop, await shipped(shop))
    for path in ("/returns/nothing", "/returns/nothing/labels"):
        assert (await shop.get(path)).is_problem(404)
    for path in (f"/returns/{key}", f"/returns/{key}/labels"):
        assert (await shop.as_seller(SECOND).get(path)).is_problem(404)


async def some(api: Api) -> dict[str, str]:
    """Three returns: one Completed, one of the carrier that is Accepted, one that is Created; each by its name."""
    shipment_id = await shipped(api)
    done = await announced(api, shipment_id)
    api.sandbox.clock.advance(60)
    carried = api.sandbox.return_by_carrier(shipment_id)
    api.sandbox.clock.advance(10)
    new = await announced(api, await shipped(api, reference="ORDER-2"))
    return {done: "done", carried: "carried", new: "new"}


async def names(api: Api, rows: dict[str, str], **query: object) -> list[str]:
    """The names of the returns that a list gives; the count must say as many."""
    found = [rows[row["returnId"]] for page in await api.walk("/returns", limit=1, **query) for row in page]
    assert (await api.get("/returns/count", **query)).json == {"count": len(found)}
    return found


async def test_lists_and_counts_by_type_and_status(shop: Api) -> None:
    rows = await some(shop)
    assert await names(shop, rows) == ["done", "carried", "new"]
    assert await names(shop, rows, type="Customer") == ["done", "new"]
    assert await names(shop, rows, type="carrier") == ["carried"]
    assert await names(shop, rows, status="Completed") == ["done", "carried"]
    assert await names(shop, rows, status="created", type="Customer") == ["new"]
    assert await names(shop, rows, status="Pending") == []
    assert await names(shop.as_seller(SECOND), {}) == []


async def test_lists_and_counts_by_time_with_inclusive_bounds(shop: Api) -> None:
    rows = await some(shop)
    listed = {rows[row["returnId"]]: row for row in (await shop.get("/returns")).json["items"]}
    second, third = listed["carried"]["createdAt"], listed["new"]["createdAt"]
    assert await names(shop, rows, createdAtMin=second) == ["carried", "new"]
    assert await names(shop, rows, createdAtMax=second) == ["done", "carried"]
    assert await names(shop, rows, createdAtMin=second, createdAtMax=second) == ["carried"]
    assert await names(shop, rows, updatedAtMax=listed["done"]["updatedAt"]) == ["done"]
    assert await names(shop, rows, updatedAtMin=third) == ["carried", "new"]


async def test_a_list_by_change_ends_with_what_changed_last(shop: Api) -> None:
    rows = await some(shop)
    since = shop.sandbox.clock.now().isoformat()
    shop.sandbox.clock.advance(AGE)
    assert await names(shop, rows, updatedAtMin=since) == ["carried", "new"]
    assert await names(shop, rows, updatedAtMin="2020-01-01T00:00:00Z") == ["done", "carried", "new"]


@pytest.mark.parametrize("path", ["/returns", "/returns/count"])
@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"status": "Lost"}, "status", "The value 'Lost' is not valid."),
        ({"type": "Warehouse"}, "type", "The value 'Warehouse' is not valid."),
        ({"createdAtMin": "yesterday"}, "createdAtMin", ""),
        ({"updatedAtMin": "2026-01-02T00:00:00Z", "updatedAtMax": "2026-01-01T00:00:00Z"}, "updatedAtMin", ""),
    ],
)
async def test_filters_that_make_no_sense_are_400(
    api: Api, path: str, query: dict[str, str], field: str, said: str
) -> None:
    answer = await api.get(path, **query)
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == [field]
    assert said in answer.json["errors"][field][0]


async def test_a_label_exists_from_referenced_on(shop: Api) -> None:
    key = await announced(shop, await shipped(shop))
    shop.sandbox.clock.advance(4.9)
    early = await shop.get(f"/returns/{key}/labels")
    assert early.is_problem(409)
    assert "Referencing" in early.json["detail"]
    assert (await the_return(shop, key))["labelUrl"] is None
    for wait in (0.1, AGE):
        shop.sandbox.clock.advance(wait)
        found = await the_return(shop, key)
        assert found["hasLabel"] is True
        label = await shop.get(found["labelUrl"])
        assert (label.status, label.headers["Content-Type"]) == (200, "application/pdf")
        assert label.body.startswith(b"%PDF-")
        assert f"return-label-{key}.pdf" in label.headers["Content-Disposition"]


async def test_labels_to_es_come_by_mail(shop: Api) -> None:
    key = await announced(shop, await shipped(shop, country="ES"))
    shop.sandbox.clock.advance(AGE)
    answer = await shop.get(f"/returns/{key}/labels")
    assert answer.is_problem(404)
    assert "comes by mail" in answer.json["detail"]
    found = await the_return(shop, key)
    assert (found["hasLabel"], found["labelUrl"]) == (False, None)


async def test_a_carrier_brings_back_what_nobody_announced(shop: Api) -> None:
    shipment_id = await shipped(shop, line("REF-1", 3), line("REF-2", 1))
    await announced(shop, shipment_id, line("REF-1", 2))
    key = shop.sandbox.return_by_carrier(shipment_id)
    found = await the_return(shop, key)
    assert (found["type"], found["status"], found["reason"]) == ("Carrier", "Created", None)
    assert [(row["sellerProductReference"], row["quantity"]) for row in found["lines"]] == [("REF-1", 1), ("REF-2", 1)]
    with pytest.raises(ValueError, match="all of it has been returned"):
        shop.sandbox.return_by_carrier(shipment_id)
    assert (await announce(shop, shipment_id)).is_problem(422)
    shop.sandbox.clock.advance(AGE)
    assert (await shop.get(f"/returns/{key}/labels")).is_problem(404)
    assert (await quantities(shop), await quantities(shop, "REF-2")) == ({"Available": 300}, {"Available": 300})
    assert shop.sandbox.effects.returns == {shipment_id: 1}


async def test_a_carrier_brings_parcels_back_to_any_country(shop: Api) -> None:
    key = shop.sandbox.return_by_carrier(await shipped(shop, country="GB"))
    shop.sandbox.clock.advance(AGE)
    assert (await the_return(shop, key))["status"] == "Completed"
    parts = {part["storageCountry"]: part["updateReason"] for part in (await shop.stock("REF-1"))["localizations"]}
    assert parts == {"FR": "Inbound", "ES": "Inbound", "UK": "ReturnInspected"}


async def test_a_carrier_brings_back_nothing_that_was_not_shipped(shop: Api) -> None:
    shipment_id = await shop.order()
    with pytest.raises(ValueError, match="it is Created, not Shipped"):
        shop.sandbox.return_by_carrier(shipment_id)
    with pytest.raises(LookupError, match="seller 98980 has no such shipment"):
        shop.sandbox.return_by_carrier(shipment_id, seller=SECOND)
    with pytest.raises(LookupError, match="seller = '1'"):
        shop.sandbox.return_by_carrier(shipment_id, seller="1")


async def test_the_reference_is_the_sellers_own(serve: Serve) -> None:
    api = await serve()
    first, second = await stocked(api), await stocked(api.as_seller(SECOND))
    api.sandbox.add_stock(quantity=100, seller=SECOND)
    await shipped(first, reference="SAME")
    theirs = await shipped(second, reference="SAME")
    key = await announced(second, None, reference="SAME")
    assert (await the_return(second, key))["outboundShipmentId"] == theirs
