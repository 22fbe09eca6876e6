"""What callers send: names in any case, times without a zone, integers for text, and nothing looser than that."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.requests.checks import GTIN_LENGTHS
from octoffm_async.contract.requests.validation import gtin_check_digit, product_problems
from octoffm_async.sandbox.http.request_reader import BodyReader, gtin_of, parse_time

from ..api import Api, line, product, shipment
from ..shipped import shipped, stocked
from ..supplies import create, read, supply

SHOUTED = {"LIMIT": "1", "CURSOR": "", "UPDATEDATMIN": "2000-01-01"}


def recased(value: Any, how: Any) -> Any:
    if isinstance(value, dict):
        return {how(name): recased(part, how) for name, part in value.items()}
    return [recased(part, how) for part in value] if isinstance(value, list) else value


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


async def test_parameters_count_in_any_case_and_empty_ones_do_not(api: Api) -> None:
    await api.register(product(1), product(2))
    answer = await api.call("GET", "/stocks", params=SHOUTED)
    assert (answer.status, len(answer.json["items"])) == (200, 1)
    assert answer.next is not None
    assert answer.next.count("ursor=") == 1  # the client's own spelling did not stay beside it
    following = await api.get(answer.next)
    assert (len(following.json["items"]), following.next) == (1, None)


@pytest.mark.parametrize("path", ["/outbound-shipments", "/inbound-shipments", "/returns", "/stocks"])
async def test_empty_parameters_of_every_kind_count_as_not_given(api: Api, path: str) -> None:
    names = (
        "cursor",
        "state",
        "status",
        "type",
        "updatedAtMin",
        "statusUpdatedAtMax",
        "storageCountry",
        "sort",
        "order",
    )
    answer = await api.call("GET", path, params={"limit": "5", **dict.fromkeys(names, "")})
    assert (answer.status, answer.json["items"]) == (200, [])
    empty = await api.call("GET", "/stocks", params={"limit": ""})
    assert list(empty.json["errors"]) == ["limit"]


async def test_headers_count_in_any_case(api: Api) -> None:
    headers = {name.upper(): text for name, text in api.headers.items()} | {"ACCEPT": "Application/JSON"}
    assert (await api.with_headers(**headers).get("/stocks", limit=1)).status == 200


@pytest.mark.parametrize("how", [pascal, str.upper, str.lower])
async def test_members_count_in_any_case_at_any_depth(api: Api, how: Any) -> None:
    usual, other = product(1), product(2)
    await api.register(usual, recased(other, how))
    rows = await api.references()
    assert [row["sellerProductReference"] for row in rows] == ["REF-1", "REF-2"]
    body = shipment("ORDER-1", deliveryAddress={**shipment()["deliveryAddress"], "companyName": "ACME"})
    answers = [await api.post("/outbound-shipments", sent) for sent in (body, recased(body, how))]
    plain, cased = [await api.shipment(answer.json["outboundShipmentId"]) for answer in answers]
    assert cased == {**plain, "outboundShipmentId": cased["outboundShipmentId"]}


async def test_an_optional_member_in_another_case_is_not_lost(api: Api) -> None:
    key = await shipped(await stocked(api))
    body = {"OutboundShipmentId": key, "Reason": "Damaged", "Comment": "broken", "Lines": [line()]}
    answer = await api.post("/returns", body)
    assert (await api.get(f"/returns/{answer.json['returnId']}")).json["comment"] == "broken"


@pytest.mark.parametrize("wrap", ["products", "Products"])
async def test_products_may_stand_in_an_object(api: Api, wrap: str) -> None:
    answer = await api.post("/fulfillment-products", {wrap: [product(1), product(2)]})
    assert [item["status"] for item in answer.json["items"]] == ["Accepted", "Accepted"]
    assert (await api.post("/fulfillment-products", {"items": [product(3)]})).is_problem(400)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (17, "00000000000017"),
        (96385074, "96385074"),
        (12345670, "12345670"),
        (4006381333931, "4006381333931"),
        (36000291452, "036000291452"),
        (10012345678902, "10012345678902"),
    ],
)
async def test_a_gtin_may_be_an_integer(api: Api, sent: int, kept: str) -> None:
    await api.register(product(1, gtin=sent))
    (row,) = await api.references()
    assert row["gtin"].zfill(14) == kept.zfill(14)
    assert len(row["gtin"]) in GTIN_LENGTHS


@given(st.integers(1, 10**13 - 1))
def test_an_integer_gtin_is_the_same_article_and_right_whenever_its_digits_are(body: int) -> None:
    number = int(f"{body}{gtin_check_digit(str(body))}")
    text = gtin_of(number)
    assert isinstance(text, str)
    assert int(text) == number
    assert product_problems(FulfillmentProduct(gtin=text, seller_product_reference="R")) == []
    wrong = number - number % 10 + (number + 1) % 10
    assert product_problems(FulfillmentProduct(gtin=str(gtin_of(wrong)), seller_product_reference="R")) != []


@pytest.mark.parametrize(
    "wrong", [True, False, 4006381333931.0, None, [4006381333931], -96385074, 4006381333932, 10**15]
)
async def test_what_is_no_gtin_is_refused(api: Api, wrong: object) -> None:
    answer = await api.post("/fulfillment-products", [product(1, gtin=wrong)])
    assert answer.is_problem(400)
    assert next(iter(answer.json["errors"])).endswith("gtin")


@pytest.mark.parametrize("name", ["quantity", "Quantity"])
@pytest.mark.parametrize("wrong", ["1", 1.5, True, None])
async def test_a_quantity_is_a_number_and_nothing_else(api: Api, name: str, wrong: object) -> None:
    lines = [{"sellerProductReference": "REF-1", name: wrong}]
    answer = await api.post("/outbound-shipments", shipment(lines=lines))
    assert answer.is_problem(400)
    assert all(field.startswith("lines[") for field in answer.json["errors"])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2023-11-15", "2023-11-15T00:00:00Z"),
        ("2023-11-15T12:00:00", "2023-11-15T12:00:00Z"),
        ("2023-11-15T12:00:00Z", "2023-11-15T12:00:00Z"),
        ("2023-11-15T12:00:00.1234567", "2023-11-15T12:00:00.123457Z"),
        ("2023-11-15T12:00:00+01:00", "2023-11-15T12:00:00+01:00"),
    ],
)
@pytest.mark.parametrize("name", ["expectedDeliveryDate", "ExpectedDeliveryDate"])
async def test_a_date_without_a_zone_is_of_utc(api: Api, name: str, sent: str, kept: str) -> None:
    found = await read(api, await create(api, **{name: sent}))
    assert found["expectedDeliveryDate"] == kept


@pytest.mark.parametrize("wrong", ["tomorrow", "2023-11-31", "2023-1-1", "15/11/2023", 1700000000, ""])
async def test_what_is_no_date_is_refused(api: Api, wrong: object) -> None:
    answer = await api.post("/inbound-shipments", supply(expectedDeliveryDate=wrong))
    assert answer.is_problem(400)
    assert list(answer.json["errors"]) == ["expectedDeliveryDate"]


async def test_filters_take_dates_and_times_without_a_zone(api: Api) -> None:
    api.sandbox.clock.advance((datetime(2030, 1, 2, 12, tzinfo=UTC) - api.sandbox.clock.now()).total_seconds())
    await create(api)
    for query, number in [
        ({"createdAtMin": "2030-01-02"}, 1),
        ({"createdAtMax": "2030-01-02"}, 0),  # midnight, as it is written
        ({"createdAtMax": "2030-01-03"}, 1),
        ({"createdAtMin": "2030-01-02T12:00:00", "createdAtMax": "2030-01-02T12:00:00"}, 1),
        ({"createdAtMin": "2030-01-02T12:00:01"}, 0),
        ({"createdatmin": "2030-01-03"}, 0),
    ]:
        assert len((await api.get("/inbound-shipments", **query)).json["items"]) == number, query


def test_what_is_no_time_stays_as_it_is() -> None:
    for value in ("", "now", "2023-02-30", 5, None):
        assert parse_time(value) is value


async def test_a_status_may_be_a_list(api: Api) -> None:
    await api.register(product(1))
    for reference, lines in (("GOOD", [line()]), ("BAD", [line("NONE")])):
        await create(api, reference, lines=lines)
    api.sandbox.clock.advance(3)
    await create(api, "NEW")
    for status, number in [("Accepted,Refused", 2), ("accepted, refused ,created", 3), ("Received", 0)]:
        assert len((await api.get("/inbound-shipments", status=status)).json["items"]) == number, status
        assert (await api.get("/inbound-shipments/count", status=status)).json == {"count": number}
    for wrong in ("Accepted,Nonsense", ",", "Accepted,"):
        answer = await api.get("/inbound-shipments", status=wrong)
        assert answer.is_problem(400)
        assert list(answer.json["errors"]) == ["status"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/stocks", {"limit": 1, "deliveryCountry": "FR", "updatedAtMin": "2023-01-01", "storageCountry": "FR"}),
        ("/stocks", {"limit": 1, "updatedAtMin": "2023-01-02", "updatedAtMax": "2023-01-01"}),
        ("/outbound-shipments", {"statusUpdatedAtMin": "2023-01-02", "statusUpdatedAtMax": "2023-01-01"}),
    ],
)
async def test_refused_filters_are_named_as_they_were_sent(api: Api, path: str, query: dict[str, object]) -> None:
    answer = await api.get(path, **query)
    assert answer.is_problem(400)
    assert "_" not in str(answer.json["errors"])


async def test_refused_members_are_named_as_they_were_sent(api: Api) -> None:
    returned = await api.post("/returns", {"reason": "Damaged", "lines": [line()]})
    assert "outboundShipmentId" in str(returned.json["errors"]["outboundShipmentId"])
    ordered = await api.post("/outbound-shipments", shipment(lines=[{"quantity": 1}]))
    assert "sellerProductReference" in str(ordered.json["errors"])
    for answer in (returned, ordered):
        assert answer.is_problem(400)
        assert "_" not in str(answer.json["errors"])


def test_the_usual_spelling_is_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = BodyReader(list[FulfillmentProduct], wrap="products")
    monkeypatch.setattr(reader, "_tidy", None)
    usual = b'[{"gtin": "4006381333931", "sellerProductReference": "\\"title\\": x"}]'
    assert reader.read(usual)[0].seller_product_reference == '"title": x'
