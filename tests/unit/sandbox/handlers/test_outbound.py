"""Creating shipments, reading them, listing them."""

from typing import Any

import pytest

from ..api import SECOND, Api, line, product, shipment
from ..conftest import Serve


async def test_a_created_shipment_reads_back_as_it_was_sent(api: Api) -> None:
    key = await api.order("ORDER-1", lines=[line("REF-1", 2)])
    found = await api.shipment(key)
    sent = shipment("ORDER-1")
    assert found["outboundShipmentId"] == key
    assert (found["reference"], found["status"], found["state"]) == ("ORDER-1", "Created", "Valid")
    assert found["deliveryAddress"] | sent["deliveryAddress"] == found["deliveryAddress"]
    assert (found["deliveryMode"], found["storageCountry"]) == ("TrackedHomeDelivery", "FR")
    assert [(row["sellerProductReference"], row["quantity"]) for row in found["lines"]] == [("REF-1", 2)]
    assert found["createdAt"] == found["updatedAt"] == found["statusUpdatedAt"]
    assert (found["parcels"], found["refusal"]) == ([], None)


async def test_a_reference_that_is_sent_twice_creates_two(api: Api) -> None:
    first, second = await api.order("ORDER-1"), await api.order("ORDER-1")
    assert first != second
    assert api.sandbox.effects.outbound["ORDER-1"] == 2
    assert api.sandbox.effects.outbound["ORDER-2"] == 0


async def test_effects_are_kept_for_each_seller_and_in_all(api: Api) -> None:
    await api.order("ORDER-1")
    await api.as_seller(SECOND).order("ORDER-1")
    effects = api.sandbox.effects
    assert (effects.outbound["ORDER-1"], effects.of(SECOND).outbound["ORDER-1"]) == (2, 1)
    with pytest.raises(LookupError, match="seller = '1'"):
        effects.of("1")


@pytest.mark.parametrize("links", ["relative", "absolute"])
@pytest.mark.parametrize(("form", "header"), [("location", "Location"), ("content-location", "Content-Location")])
async def test_the_id_may_stand_in_a_header_instead_of_the_body(
    serve: Serve, form: str, header: str, links: str
) -> None:
    api = await serve(creation_answer=form, links=links)
    answer = await api.post("/outbound-shipments", shipment("ORDER-1"))
    assert (answer.status, answer.body) == (201, b"")
    start, _, key = answer.headers[header].rpartition("/")
    base = api.sandbox.base_url if links == "absolute" else "/seller/v2"
    assert start == f"{base}/outbound-shipments"
    assert (await api.shipment(key))["reference"] == "ORDER-1"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"reference": ""}, {"reference"}),
        ({"reference": "x" * 51}, {"reference"}),
        ({"lines": []}, {"lines"}),
        ({"lines": [line()] * 101}, {"lines"}),
        ({"lines": [line(quantity=0), {"quantity": 1}]}, {"lines[0].quantity", "lines[1]"}),
        ({"lines": [line(), {"sellerProductReference": "R", "quantity": "2"}]}, {"lines[1].quantity"}),
        ({"deliveryAddress": {}}, {"deliveryAddress"}),
        ({"storageCountry": None}, {"storageCountry"}),
        ({"storageCountry": "", "deliveryMode": ""}, {"storageCountry", "deliveryMode"}),
    ],
)
async def test_a_malformed_shipment_is_400_with_its_fields(api: Api, changes: dict[str, Any], fields: set[str]) -> None:
    answer = await api.post("/outbound-shipments", shipment(**changes))
    assert answer.is_problem(400)
    assert set(answer.json["errors"]) == fields
    assert not api.sandbox.effects.outbound


async def test_fields_of_the_address_are_named_with_their_path(api: Api) -> None:
    address = {**shipment()["deliveryAddress"], "city": "", "lastName": " "}
    answer = await api.post("/outbound-shipments", shipment(deliveryAddress=address))
    assert set(answer.json["errors"]) == {"deliveryAddress.city", "deliveryAddress.lastName"}


@pytest.mark.parametrize("body", [[], [shipment()], "text", None])
async def test_the_body_is_one_object(api: Api, body: object) -> None:
    answer = await api.post("/outbound-shipments", body)
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == ["$"]


async def test_an_unknown_shipment_or_another_sellers_is_404(api: Api) -> None:
    key = await api.order()
    assert (await api.get("/outbound-shipments/nothing")).is_problem(404)
    assert (await api.as_seller(SECOND).get(f"/outbound-shipments/{key}")).is_problem(404)


async def references(api: Api, **query: object) -> list[str]:
    return [row["reference"] for page in await api.walk("/outbound-shipments", **query) for row in page]


async def test_lists_by_state(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock(quantity=10)
    for name, article in (("GOOD", "REF-1"), ("BAD", "NONE"), ("FINE", "REF-1")):
        await api.order(name, lines=[line(article)])
    api.sandbox.clock.advance(5)
    assert await references(api, state="Valid", limit=1) == ["GOOD", "FINE"]
    assert await references(api, state="invalid", limit=1) == ["BAD"]
    assert (await api.get("/outbound-shipments", state="Doubtful")).is_problem(400)


async def test_lists_by_change_of_status_with_inclusive_bounds(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock(quantity=10)
    for number in range(3):
        await api.order(f"ORDER-{number}")
        api.sandbox.clock.advance(3)  # each is accepted 2 s after its creation
    moments = [row["statusUpdatedAt"] for row in (await api.get("/outbound-shipments")).json["items"]]
    assert await references(api, statusUpdatedAtMin=moments[1], limit=1) == ["ORDER-1", "ORDER-2"]
    assert await references(api, statusUpdatedAtMax=moments[1], limit=1) == ["ORDER-0", "ORDER-1"]
    bounds = {"statusUpdatedAtMin": moments[1], "statusUpdatedAtMax": moments[1]}
    assert await references(api, **bounds) == ["ORDER-1"]
    assert await references(api, statusUpdatedAtMin=moments[0], state="Invalid") == []


async def test_what_moved_on_since_the_last_look_is_found_by_its_time(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock(quantity=10)
    await api.order("OLD")
    api.sandbox.clock.advance(9)
    await api.order("NEW")
    since = api.sandbox.clock.now().isoformat()
    assert await references(api, statusUpdatedAtMin=since) == ["NEW"]
    api.sandbox.clock.advance(1)
    assert await references(api, statusUpdatedAtMin=since) == ["NEW", "OLD"]


async def test_lists_and_counts_agree_whatever_the_filter(api: Api) -> None:
    await api.register(product(1))
    api.sandbox.add_stock(quantity=10)
    for number, article in enumerate(("REF-1", "NONE", "REF-1")):
        await api.order(f"ORDER-{number}", lines=[line(article)])
        api.sandbox.clock.advance(3)
    moments = [row["statusUpdatedAt"] for row in (await api.get("/outbound-shipments")).json["items"]]
    cases: list[tuple[dict[str, object], int]] = [
        ({}, 3),
        ({"state": "valid"}, 2),
        ({"state": "Invalid"}, 1),
        ({"statusUpdatedAtMin": moments[1]}, 2),
        ({"statusUpdatedAtMax": moments[1]}, 2),
        ({"statusUpdatedAtMin": moments[1], "statusUpdatedAtMax": moments[1], "state": "Valid"}, 0),
    ]
    for query, number in cases:
        answer = await api.get("/outbound-shipments/count", **query, limit=1, cursor="nonsense")
        assert (answer.status, answer.json) == (200, {"count": number}), query
        assert len(await references(api, limit=1, **query)) == number, query
    assert (await api.as_seller(SECOND).get("/outbound-shipments/count")).json == {"count": 0}
    assert (await api.get("/outbound-shipments/count", state="Doubtful")).is_problem(400)


@pytest.mark.parametrize("form", ["integer", "count", "total_item_count"])
async def test_a_count_has_one_of_three_forms(serve: Serve, form: str) -> None:
    api = await serve(count_form=form)
    await api.order()
    answer = (await api.get("/outbound-shipments/count")).json
    assert answer == (1 if form == "integer" else {form: 1})
