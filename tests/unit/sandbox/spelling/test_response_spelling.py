"""The forms of answers: each is what it says, changes nothing else, and costs nothing where it is the usual."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.sandbox import Fault, ResponseStyle
from octoffm_async.sandbox.http.responses import PDF, HttpReply
from octoffm_async.sandbox.spelling.response_spelling import TIMES, ResponseSpelling, respelled_name, spelling_of

from ..api import Api, line, product, shipment
from ..conftest import Serve
from ..shipped import announced, shipped, stocked
from ..supplies import create

CAMEL = st.from_regex(r"[a-z]{1,8}([A-Z][a-z]{1,6}[0-9]?){0,3}", fullmatch=True)
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

Walked = Iterator[tuple[str, Any]]


def walked(value: Any, name: str = "") -> Walked:
    """Every value of an answer that is no object or list, with the name of the member that it stands in."""
    match value:
        case dict():
            for key, part in value.items():
                yield from walked(part, key)
        case list():
            for part in value:
                yield from walked(part, name)
        case _:
            yield name, value


def names(value: Any) -> set[str]:
    match value:
        case dict():
            return set(value) | {name for part in value.values() for name in names(part)}
        case list():
            return {name for part in value for name in names(part)}
        case _:
            return set()


def folded(value: Any) -> Any:
    """An answer with its names told by their letters alone."""
    if isinstance(value, dict):
        return {name.replace("_", "").casefold(): folded(part) for name, part in value.items()}
    return [folded(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
async def shop(api: Api) -> tuple[Api, list[str]]:
    """A seller with something of each kind, and the paths under which it is read."""
    await stocked(api)
    key = await shipped(api)
    returned = await announced(api, key)
    await api.order("Refused", lines=[line("NONE")])
    cancelled = await api.order("Cancelled")
    await api.post("/outbound-cancellation-requests", {"outboundShipmentId": cancelled, "reason": "x"})
    supplied = await create(api, expectedDeliveryDate="2030-01-01T10:00:00+02:00")
    await create(api, "Refused", lines=[line("NONE")])
    api.sandbox.clock.advance(7)
    lists = ["/stocks?limit=9", "/inbound-shipments", "/outbound-shipments", "/returns", "/stock-seller-references"]
    one = [f"/inbound-shipments/{supplied}", f"/outbound-shipments/{key}", f"/returns/{returned}", "/returns/count"]
    return api, [*lists, *one, "/sellers"]


async def in_both(shop: tuple[Api, list[str]], **style: Any) -> tuple[list[Any], list[Any]]:
    """The same answers in the usual form and in another one."""
    api, paths = shop
    server = api.sandbox._server
    usual = [(await api.get(path)).json for path in paths]
    server._spelling = spelling_of(ResponseStyle(**style))
    other = [json.loads(answer.body) if answer.body else None for answer in [await api.get(path) for path in paths]]
    return usual, other


def test_the_usual_forms_need_no_spelling() -> None:
    assert spelling_of(ResponseStyle(list_shape="array", links="base", count_form="integer", documents="url")) is None
    assert spelling_of(ResponseStyle(ids="integer")) is not None


@pytest.mark.parametrize(
    ("form", "pattern"), [("pascal", r"([A-Z][a-z]*[0-9]?)+"), ("snake", r"[a-z]+[0-9]?(_[a-z]+[0-9]?)*")]
)
async def test_names_are_spelled_in_one_way_throughout(shop: Any, form: str, pattern: str) -> None:
    usual, other = await in_both(shop, names=form)
    assert all(re.fullmatch(pattern, name) for name in names(other)), names(other)
    assert folded(other) == folded(usual)


async def test_types_of_quantities_keep_their_pascal_case_unless_all_is_snake_case(shop: Any) -> None:
    usual, pascal = await in_both(shop, names="pascal")
    assert list(pascal[0]["Items"][0]["Quantities"]) == list(usual[0]["items"][0]["quantities"])
    api, paths = shop
    api.sandbox._server._spelling = spelling_of(ResponseStyle(names="snake"))
    assert "logistic_operations" in (await api.get(paths[0])).json["items"][0]["quantities"]


@given(CAMEL)
def test_a_name_comes_back_from_every_spelling(name: str) -> None:
    assert respelled_name(name, "camel") == name
    assert respelled_name(respelled_name(name, "snake"), "pascal") == respelled_name(name, "pascal")
    assert respelled_name(name, "snake").replace("_", "") == name.lower() == respelled_name(name, "pascal").lower()


@pytest.mark.parametrize(("form", "name"), [("pascal", "TotalItemCount"), ("snake", "total_item_count")])
@pytest.mark.parametrize("count", ["total_item_count", "totalItemCount"])
async def test_counts_are_spelled_too(serve: Serve, form: str, name: str, count: str) -> None:
    api = await serve(names=form, numbers="text", count_form=count)
    assert (await api.get("/returns/count")).json == {name: "0"}


async def test_numbers_are_text(shop: Any) -> None:
    usual, other = await in_both(shop, numbers="text")
    for (name, plain), (again, text) in zip(walked(usual), walked(other), strict=True):
        assert name == again
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            assert isinstance(text, str)
            assert float(text) == plain
        else:
            assert text == plain
    assert any(isinstance(value, int) for _, value in walked(usual))


async def test_quantities_are_a_list(shop: Any) -> None:
    usual, other = await in_both(shop, quantities="list")
    for stock, row in zip(usual[0]["items"], other[0]["items"], strict=True):
        assert {part["type"]: part["quantity"] for part in row["quantities"]} == stock["quantities"]
        for part, listed in zip(stock["localizations"], row["localizations"], strict=True):
            assert {entry["type"]: entry["quantity"] for entry in listed["quantities"]} == part["quantities"]
    assert other[1:] == usual[1:]


@pytest.mark.parametrize(
    ("style", "before", "after"),
    [({"refused": "Rejected"}, "Refused", "Rejected"), ({"cancelled": "Canceled"}, "Cancelled", "Canceled")],
)
async def test_a_word_is_another_in_statuses_alone(shop: Any, style: dict[str, str], before: str, after: str) -> None:
    usual, other = await in_both(shop, **style)
    changed = {
        (name, plain, text)
        for (name, plain), (_, text) in zip(walked(usual), walked(other), strict=True)
        if plain != text
    }
    assert changed == {("status", before, after)}
    assert ("reference", before) in set(walked(other))


async def test_a_filter_takes_the_word_that_answers_have(serve: Serve) -> None:
    api = await serve(refused="Rejected")
    await create(api, "BAD", lines=[line("NONE")])
    await create(api, "NEW")
    api.sandbox.clock.advance(1)
    for status, number in [("rejected,Created", 2), ("Rejected", 0)]:
        assert len((await api.get("/inbound-shipments", status=status)).json["items"]) == number
    api.sandbox.clock.advance(2)
    (row,) = (await api.get("/inbound-shipments", status="Rejected", limit=1)).json["items"][:1]
    assert row["status"] == "Rejected"
    assert (await (await serve()).get("/inbound-shipments", status="Rejected")).is_problem(400)


async def test_a_product_is_rejected_in_the_same_word(serve: Serve) -> None:
    api = await serve(refused="Rejected", names="snake")
    answer = await api.post("/fulfillment-products", [product(1), product(1, sellerProductReference="OTHER")])
    assert [item["status"] for item in answer.json["items"]] == ["Accepted", "Rejected"]
    assert answer.json["items"][0]["seller_product_reference"] == "REF-1"


TIME_FORMS = {
    "zoneless": r"[^Z+]*T[^Z+]*",
    "offset": r".*\+01:00",
    "ticks7": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z",
}


@pytest.mark.parametrize("form", TIME_FORMS)
async def test_times_are_the_same_moments_in_another_form(shop: Any, form: str) -> None:
    usual, other = await in_both(shop, times=form)
    pairs = [
        (name, plain, text)
        for (name, plain), (_, text) in zip(walked(usual), walked(other), strict=True)
        if plain != text
    ]
    assert {name for name, _, _ in pairs} == {"createdAt", "updatedAt", "statusUpdatedAt", "expectedDeliveryDate"}
    for _, plain, text in pairs:
        assert re.fullmatch(TIME_FORMS[form], text)
        read = re.sub(r"(\.\d{6})\d", r"\1", text)
        assert datetime.fromisoformat(read + ("" if form != "zoneless" else "Z")) == datetime.fromisoformat(plain)


def test_all_times_of_the_contract_are_known() -> None:
    found: set[str] = set()

    def look(value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            if value.get("format") == "date-time":
                found.add(name)
            for key, part in value.items():
                look(part, name if key in ("anyOf", "items") else key)
        for part in value if isinstance(value, list) else ():
            look(part, name)

    look(openapi_document()["components"]["schemas"])
    assert found == TIMES


async def test_ids_are_integers_from_end_to_end(serve: Serve) -> None:
    api = await serve(ids="integer")
    await api.register(product(1), product(2, sellerProductReference="0042"))
    rows = await api.references()
    assert all(type(row[name]) is int for row in rows for name in ("productId", "stockId", "gtin"))
    assert [row["sellerProductReference"] for row in rows] == ["REF-1", "0042"]
    assert rows[0]["gtin"] == int(product(1)["gtin"])
    stock = (await api.get(f"/stocks/{rows[0]['stockId']}")).json
    assert (stock["id"], stock["productId"]) == (rows[0]["stockId"], rows[0]["productId"])
    api.sandbox.add_stock(quantity=9)
    lines = [{"productId": rows[0]["productId"], "productCondition": "New", "quantity": 1}]
    answer = await api.post("/outbound-shipments", shipment("7", lines=lines))
    key = answer.json["outboundShipmentId"]
    assert type(key) is int
    api.sandbox.clock.advance(40)
    sent = await api.shipment(str(key))
    assert (sent["outboundShipmentId"], sent["reference"], sent["status"]) == (key, "7", "Shipped")
    returned = await api.post("/returns", {"outboundShipmentId": key, "reason": "Damaged", "lines": [line()]})
    assert type(returned.json["returnId"]) is int
    found = (await api.get(f"/returns/{returned.json['returnId']}")).json
    assert (found["outboundShipmentId"], found["orderSellerId"]) == (key, "7")
    keys = [rows[0]["productId"], rows[0]["stockId"], rows[1]["productId"], rows[1]["stockId"], key, found["returnId"]]
    assert keys == sorted(set(keys))


async def test_ids_go_on_behind_those_of_a_state_file(serve: Serve, tmp_path: Any) -> None:
    old = await serve(ids="integer", state_file=tmp_path / "state")
    await old.register(product(1, sellerProductReference="99999999999999999"))
    before = await old.order()
    await old.sandbox.stop()
    new = await serve(ids="integer", state_file=tmp_path / "state")
    assert await new.order() == before + 1  # type: ignore[operator]  (an integer, as it was asked for)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gtin", "00012345", 12345),
        ("id", "12", 12),
        ("id", "012", "012"),
        ("stockId", "1" * 18, int("1" * 18)),
        ("stockId", "1" * 19, "1" * 19),
        ("stockId", "١٢", "١٢"),
        ("stockId", "a1", "a1"),
        ("reference", "12", "12"),
        ("orderSellerId", "12", "12"),
        ("postalCode", "75002", "75002"),
    ],
)
def test_only_ids_that_lose_nothing_become_integers(name: str, text: str, expected: object) -> None:
    reply = ResponseSpelling(ResponseStyle(ids="integer")).reply(
        None, HttpReply(200, msgspec.json.encode({name: text}))
    )
    assert json.loads(reply.body) == {name: expected}


@pytest.mark.parametrize("shape", ["object", "array"])
async def test_an_empty_list_is_null(serve: Serve, shape: str) -> None:
    api = await serve(empty="null", list_shape=shape)
    found = (await api.get("/stocks", limit=1)).json
    assert (found if shape == "array" else found["items"]) is None
    await api.register(product(1))
    found = (await api.get("/stocks", limit=1)).json
    (stock,) = found if shape == "array" else found["items"]
    assert stock["localizations"] is None


@pytest.mark.parametrize("shape", ["object", "array"])
async def test_an_empty_list_is_no_content(serve: Serve, shape: str) -> None:
    api = await serve(empty="204", list_shape=shape)
    answer = await api.get("/stocks", limit=1)
    assert (answer.status, answer.body, "Content-Type" in answer.headers) == (204, b"", False)
    await api.register(product(1))
    found = (await api.get("/stocks", limit=1)).json
    (stock,) = found if shape == "array" else found["items"]
    assert stock["localizations"] == []
    assert (await api.get("/returns/count")).json == {"count": 0}


async def test_problems_are_spelled_in_their_names_alone(serve: Serve) -> None:
    api = await serve(names="pascal", numbers="text")
    problem = (await api.post("/outbound-shipments", shipment(lines=[{"quantity": 0}]))).json
    assert set(problem) == {"Title", "Status", "Detail", "Instance", "TraceId", "Errors"}
    assert problem["Status"] == 400
    assert set(problem["Errors"]) == {"Lines[0].Quantity", "Lines[0]"}


async def test_tokens_and_the_description_are_not_the_apis_to_spell(serve: Serve) -> None:
    api = await serve(names="pascal", numbers="text")
    assert (await api.ask_token()).json["expires_in"] == 7200
    described = (await api.call("GET", api.sandbox.base_url.removesuffix("/seller/v2") + "/openapi.json")).json
    ours = openapi_document(server=api.sandbox.base_url, token_url=api.sandbox.token_url)
    assert {path: described["paths"][path] for path in ours["paths"]} == ours["paths"]
    schemas = described["components"]["schemas"]
    assert {name: schemas[name] for name in ours["components"]["schemas"]} == ours["components"]["schemas"]


async def test_faults_work_in_every_spelling(serve: Serve) -> None:
    api = await serve(names="pascal", creation_answer="location")
    await api.post("/fulfillment-products", [product(1)])
    api.sandbox.faults.next(Fault.UNKNOWN_VALUES)
    (stock,) = (await api.get("/stocks", limit=1)).json["Items"]
    assert stock["ProductState"] == "NotInvented"
    api.sandbox.faults.next(Fault.MALFORMED_JSON)
    broken = await api.get("/stocks", limit=1)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(broken.body)


@pytest.mark.parametrize("reply", [HttpReply(202), HttpReply(200, b"%PDF-1", PDF), HttpReply(404)])
def test_what_is_no_json_stays_as_it_is(reply: HttpReply) -> None:
    assert ResponseSpelling(ResponseStyle(names="pascal")).reply(None, reply) is reply
