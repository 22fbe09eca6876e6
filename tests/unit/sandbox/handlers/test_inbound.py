"""Creating supply orders, reading, listing and counting them, and where they may be stored."""

from typing import Any

import pytest

from octoffm_async.sandbox import Fault, Sandbox

from ..api import FIRST, SECOND, Api, line, product
from ..conftest import Serve
from ..supplies import count, create, read, references, supply


async def test_a_created_order_reads_back_as_it_was_sent(api: Api) -> None:
    key = await create(api, lines=[line("REF-1", 2)], expectedDeliveryDate="2026-03-01T08:00:00+01:00")
    found = await read(api, key)
    assert (found["inboundShipmentId"], found["reference"], found["status"]) == (key, "SUPPLY-1", "Created")
    assert (found["storageCountry"], found["expectedDeliveryDate"]) == ("FR", "2026-03-01T08:00:00+01:00")
    assert found["lines"] == [
        {"sellerProductReference": "REF-1", "quantity": 2, "receivedQuantity": 0, "undeliveredQuantity": 0}
    ]
    assert found["createdAt"] == found["updatedAt"]
    assert found["refusal"] is None


async def test_a_code_is_octopias_own_and_unique_over_all_sellers(api: Api) -> None:
    keys = [await create(api), await create(api.as_seller(SECOND)), await create(api)]
    sellers = [api, api.as_seller(SECOND), api]
    codes = [(await read(seller, key))["code"] for seller, key in zip(sellers, keys, strict=True)]
    assert codes == ["IS-000001", "IS-000002", "IS-000003"]


async def test_a_reference_that_is_sent_twice_creates_two(api: Api) -> None:
    assert await create(api) != await create(api)
    effects = api.sandbox.effects
    assert (effects.inbound["SUPPLY-1"], effects.of(SECOND).inbound["SUPPLY-1"]) == (2, 0)


async def test_the_id_may_stand_in_a_header_instead_of_the_body(serve: Serve) -> None:
    api = await serve(creation_answer="content-location")
    answer = await api.post("/inbound-shipments", supply())
    start, _, key = answer.headers["Content-Location"].rpartition("/")
    assert (answer.status, answer.body, start) == (201, b"", "/seller/v2/inbound-shipments")
    assert (await read(api, key))["reference"] == "SUPPLY-1"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"reference": ""}, {"reference"}),
        ({"reference": "x" * 51}, {"reference"}),
        ({"lines": []}, {"lines"}),
        ({"lines": [line()] * 1001}, {"lines"}),
        ({"lines": [line(quantity=0), {"quantity": 1}]}, {"lines[0].quantity", "lines[1].sellerProductReference"}),
        (
            {"lines": [{"productId": "P", "productCondition": "New", "quantity": 1}]},
            {"lines[0].sellerProductReference"},
        ),
        ({"expectedDeliveryDate": "tomorrow"}, {"expectedDeliveryDate"}),
        ({"storageCountry": "DE"}, {"storageCountry"}),
        ({"storageCountry": "", "lines": []}, {"storageCountry", "lines"}),
    ],
)
async def test_a_malformed_order_is_400_with_its_fields(api: Api, changes: dict[str, Any], fields: set[str]) -> None:
    answer = await api.post("/inbound-shipments", supply(**changes))
    assert answer.is_problem(400)
    assert set(answer.json["errors"]) == fields
    assert not api.sandbox.effects.inbound


@pytest.mark.parametrize(("sent", "kept"), [("FR", "FR"), ("es", "ES"), ("UK", "UK"), ("GB", "UK")])
async def test_goods_are_stored_in_three_countries(api: Api, sent: str, kept: str) -> None:
    key = await create(api, storageCountry=sent)
    assert (await read(api, key))["storageCountry"] == kept
    assert await references(api, storageCountry=sent) == ["SUPPLY-1"]


async def test_a_thousand_lines_are_one_order(api: Api) -> None:
    key = await create(api, lines=[line(f"REF-{number}") for number in range(1000)])
    assert len((await read(api, key))["lines"]) == 1000


async def test_an_unknown_order_or_another_sellers_is_404(api: Api) -> None:
    key = await create(api)
    assert (await api.get("/inbound-shipments/nothing")).is_problem(404)
    assert (await api.as_seller(SECOND).get(f"/inbound-shipments/{key}")).is_problem(404)


async def test_a_country_that_is_not_activated_is_403_until_it_is(serve: Serve) -> None:
    api = await serve(countries={FIRST: ["FR", "GB"]})
    answer = await api.post("/inbound-shipments", supply(storageCountry="ES"))
    assert answer.is_problem(403)
    assert FIRST in answer.json["detail"]
    assert list(answer.json["errors"]) == ["storageCountry"]
    assert not api.sandbox.effects.inbound
    await create(api, storageCountry="FR")
    await create(api, storageCountry="UK")
    await create(api.as_seller(SECOND), storageCountry="ES")
    api.sandbox.activate("es")
    await create(api, storageCountry="ES")


async def test_a_country_can_be_taken_away_again(api: Api) -> None:
    key = await create(api, storageCountry="UK")
    api.sandbox.deactivate("GB", SECOND)
    assert (await api.as_seller(SECOND).post("/inbound-shipments", supply(storageCountry="UK"))).is_problem(403)
    await create(api, storageCountry="UK")
    api.sandbox.activate("UK", SECOND)
    await create(api.as_seller(SECOND), storageCountry="GB")
    assert (await read(api, key))["status"] == "Created"


def test_only_known_sellers_and_countries_can_be_activated() -> None:
    sandbox = Sandbox()
    with pytest.raises(ValueError, match="country = 'DE'"):
        sandbox.activate("DE")
    with pytest.raises(LookupError, match="seller = '1'"):
        sandbox.deactivate("FR", "1")
    with pytest.raises(LookupError, match="seller = '1'"):
        Sandbox(countries={"1": ["FR"]})
    with pytest.raises(ValueError, match="country = 'IT'"):
        Sandbox(countries={FIRST: ["FR", "IT"]})
    with pytest.raises(TypeError, match="not a collection"):
        Sandbox(countries={FIRST: "FR"})


async def lifecycle(api: Api) -> list[str]:
    """Three orders 40 s apart, the second refused; the moments of their creation."""
    await api.register(product(1))
    for number, article in enumerate(("REF-1", "NONE", "REF-1")):
        await create(api, f"SUPPLY-{number}", lines=[line(article)], storageCountry="ES" if number == 2 else "FR")
        api.sandbox.clock.advance(40)
    await create(api, "SUPPLY-3")
    rows = (await api.get("/inbound-shipments")).json["items"]
    return [row["createdAt"] for row in rows]


async def test_lists_and_counts_agree_whatever_the_filter(api: Api) -> None:
    made = await lifecycle(api)
    changed = [row["updatedAt"] for row in (await api.get("/inbound-shipments")).json["items"]]
    cases: list[tuple[dict[str, object], list[int]]] = [
        ({}, [0, 1, 2, 3]),
        ({"status": "received"}, [0, 2]),
        ({"status": "Refused"}, [1]),
        ({"status": "Cancelled"}, []),
        ({"storageCountry": "FR"}, [0, 1, 3]),
        ({"storageCountry": "fr", "status": "Received"}, [0]),
        ({"storageCountry": "DE"}, []),
        ({"createdAtMin": made[1]}, [1, 2, 3]),
        ({"createdAtMax": made[1]}, [0, 1]),
        ({"createdAtMin": made[1], "createdAtMax": made[2]}, [1, 2]),
        ({"updatedAtMin": changed[1]}, [1, 2, 3]),
        ({"updatedAtMax": changed[1]}, [0, 1]),
        ({"updatedAtMin": changed[1], "status": "Received"}, [2]),
    ]
    for query, numbers in cases:
        assert await references(api, limit=1, **query) == [f"SUPPLY-{number}" for number in numbers], query
        assert await count(api, **query) == len(numbers), query


async def test_what_moved_on_since_the_last_look_comes_in_the_order_of_change(api: Api) -> None:
    await api.register(product(1))
    await create(api, "OLD", lines=[line(quantity=2)])
    api.sandbox.clock.advance(15)
    await create(api, "NEW", lines=[line("NONE")])
    since = api.sandbox.clock.now().isoformat()
    assert await references(api, updatedAtMin=since) == ["NEW"]
    api.sandbox.clock.advance(5)
    assert await references(api, updatedAtMin=since) == ["NEW", "OLD"]


@pytest.mark.parametrize("path", ["/inbound-shipments", "/inbound-shipments/count"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "Doubtful"}, "status"),
        ({"createdAtMin": "yesterday"}, "createdAtMin"),
        ({"updatedAtMin": "2026-02-01T00:00:00Z", "updatedAtMax": "2026-01-01T00:00:00Z"}, "updatedAtMin"),
    ],
)
async def test_a_wrong_filter_is_400_with_its_name(api: Api, path: str, query: dict[str, str], field: str) -> None:
    answer = await api.get(path, **query)
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == [field]


async def test_a_count_ignores_limit_and_cursor(api: Api) -> None:
    await create(api)
    await create(api)
    assert await count(api, limit=1, cursor="nonsense") == 2
    assert await count(api, limit=0) == 2
    assert await count(api.as_seller(SECOND)) == 0


async def test_an_order_that_is_seen_late_is_counted_late(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY, operation="inbound.create", value=5.0)
    await create(api, "LATE")
    key = await create(api, "PROMPT")
    assert (await references(api), await count(api), await count(api, status="Created")) == (["PROMPT"], 1, 1)
    assert (await read(api, key))["code"] == "IS-000002"
    api.sandbox.clock.advance(5)
    assert (await references(api), await count(api), await count(api, status="Refused")) == (["LATE", "PROMPT"], 2, 2)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("integer", 1),
        ("count", {"count": 1}),
        ("total_item_count", {"total_item_count": 1}),
        ("totalItemCount", {"totalItemCount": 1}),
    ],
)
async def test_a_count_has_one_of_four_forms(serve: Serve, form: str, expected: object) -> None:
    api = await serve(count_form=form)
    await create(api)
    assert (await api.get("/inbound-shipments/count")).json == expected
