"""Every change of the contract is found, named and told once; what means the same is equal."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async.contract.openapi.comparison import compare
from octoffm_async.contract.openapi.description import describe
from octoffm_async.contract.openapi.differences import Difference, DifferenceKind
from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import OPERATIONS
from tests.unit.sizes import tries

from .openapi30 import as_openapi30

Document = dict[str, Any]
OURS = openapi_document()
DESCRIBED = describe(OURS)
EXPORTED = json.dumps(OURS)


def differences(theirs: object) -> list[Difference]:
    return compare(DESCRIBED, describe(theirs))


def differences_of(theirs: object) -> list[tuple[str, str, str]]:
    return [(one.operation, one.place, one.kind.value) for one in differences(theirs)]


def changed(change: Callable[[Document], object]) -> Document:
    document = json.loads(EXPORTED)
    change(document)
    return document


def schema(document: Document, path: str) -> Document:
    """``Stock.gtin`` is the schema of a field, ``Stock`` of a component."""
    name, _, field = path.partition(".")
    component = document["components"]["schemas"][name]
    return component["properties"][field] if field else component


def operation(document: Document, call: str) -> Document:
    method, path = call.split()
    return document["paths"][path][method.lower()]


def parameter(document: Document, call: str, name: str) -> Document:
    (found,) = (one for one in operation(document, call)["parameters"] if one["name"] == name)
    return found


def set_field(path: str, **keywords: object) -> Callable[[Document], object]:
    return lambda document: schema(document, path).update(keywords)


def set_parameter(call: str, name: str, **keywords: object) -> Callable[[Document], object]:
    return lambda document: parameter(document, call, name)["schema"].update(keywords)


def without_parameter(call: str, name: str) -> Callable[[Document], object]:
    return lambda document: operation(document, call)["parameters"].remove(parameter(document, call, name))


def with_parameter(call: str, **keywords: object) -> Callable[[Document], object]:
    return lambda document: operation(document, call)["parameters"].append(keywords)


LINE = "ShipmentLine.quantity"
LINES = [("inbound.create", "request.lines[].quantity"), ("outbound.create", "request.lines[].quantity")]
LINES.append(("returns.create", "request.lines[].quantity"))
STATUS = [("outbound.list", "answer.items[].status"), ("outbound.get", "answer.status")]
STOCK = [("stocks.list", "answer.items[]"), ("stocks.get", "answer")]
MUTATIONS: dict[str, tuple[Callable[[Document], object], list[tuple[str, str, str]]]] = {
    "an operation removed": (
        lambda document: document["paths"]["/returns"].pop("post"),
        [("returns.create", "", "operation-absent")],
    ),
    "an operation added in our area": (
        lambda document: document["paths"].update({"/outbound-shipments/{id}/events": {"get": {"responses": {}}}}),
        [("GET /outbound-shipments/{id}/events", "", "operation-unknown")],
    ),
    "an operation added elsewhere": (
        lambda document: document["paths"].update({"/offers/{id}/stocks": {"get": {"responses": {}}}}),
        [],
    ),
    "a type changed": (set_field(LINE, type="number"), [(*where, "type") for where in LINES]),
    "a type made text": (
        set_field("FulfillmentProduct.isTraceable", type="string"),
        [("products.create", "request[].isTraceable", "type")],
    ),
    "a type no longer said": (
        lambda document: schema(document, "FulfillmentProduct.icpeCode").pop("type"),
        [("products.create", "request[].icpeCode", "type")],
    ),
    "a field removed": (
        lambda document: document["components"]["schemas"]["Stock"]["properties"].pop("gtin"),
        [(name, f"{place}.gtin", "field-absent") for name, place in STOCK],
    ),
    "a field added": (
        lambda document: schema(document, "Stock")["properties"].update(brand={"type": "string"}),
        [(name, f"{place}.brand", "field-unknown") for name, place in STOCK],
    ),
    "a field renamed": (
        lambda document: schema(document, "ReturnRequest")["properties"].update(
            remark=schema(document, "ReturnRequest")["properties"].pop("comment")
        ),
        [
            ("returns.create", "request.comment", "field-absent"),
            ("returns.create", "request.remark", "field-unknown"),
        ],
    ),
    "a field made required": (
        lambda document: schema(document, "ReturnRequest")["required"].append("comment"),
        [("returns.create", "request.comment", "required")],
    ),
    "a field made optional": (
        lambda document: schema(document, "DeliveryAddress")["required"].remove("city"),
        [("outbound.create", "request.deliveryAddress.city", "required")],
    ),
    "a field made nullable": (
        set_field("InboundShipmentRequest.storageCountry", type=["string", "null"]),
        [("inbound.create", "request.storageCountry", "nullable")],
    ),
    "a field never null": (
        lambda document: schema(document, "Return.comment")["anyOf"].remove({"type": "null"}),
        [
            ("returns.list", "answer.items[].comment", "nullable"),
            ("returns.get", "answer.comment", "nullable"),
        ],
    ),
    "a value added": (
        lambda document: schema(document, "OutboundStatus")["x-known-values"].append("Lost"),
        [(*where, "values-unknown") for where in STATUS],
    ),
    "a value renamed": (
        lambda document: schema(document, "OutboundStatus").update(
            {"x-known-values": ["Created", "Accepted", "InPreparation", "Sent", "Refused", "Cancelled"]}
        ),
        [(*where, kind) for where in STATUS for kind in ("values-unknown", "values-absent")],
    ),
    "values no longer listed": (
        lambda document: parameter(document, "GET /stocks", "order")["schema"].pop("x-known-values"),
        [("stocks.list", "query.order", "values-absent")],
    ),
    "another value of the same parameter": (
        set_parameter("GET /stocks", "order", **{"x-known-values": ["Asc", "Down"]}),
        [("stocks.list", "query.order", "values-unknown"), ("stocks.list", "query.order", "values-absent")],
    ),
    "a largest length": (
        set_field("OutboundShipmentRequest.reference", maxLength=30),
        [("outbound.create", "request.reference", "limit")],
    ),
    "a largest and a smallest number of lines": (
        set_field("InboundShipmentRequest.lines", maxItems=500, minItems=2),
        [("inbound.create", "request.lines", "limit")] * 2,
    ),
    "a smallest number": (set_field(LINE, minimum=2), [(*where, "limit") for where in LINES]),
    "a bound that excludes no more": (
        lambda document: schema(document, "Packaging.weight").pop("exclusiveMinimum"),
        [("products.create", "request[].packaging.weight", "limit")],
    ),
    "a pattern": (
        set_field("FulfillmentProduct.gtin", pattern="^[0-9]{13}$"),
        [("products.create", "request[].gtin", "limit")],
    ),
    "a format": (
        set_parameter("GET /stocks", "updatedAtMin", format="date"),
        [("stocks.list", "query.updatedAtMin", "limit")],
    ),
    "a parameter removed": (
        without_parameter("GET /stocks", "deliveryCountry"),
        [("stocks.list", "query.deliveryCountry", "parameter-absent")],
    ),
    "a parameter added": (
        with_parameter("GET /returns", name="orderSellerId", **{"in": "query", "schema": {"type": "string"}}),
        [("returns.list", "query.orderSellerId", "parameter-unknown")],
    ),
    "a parameter made required": (
        lambda document: parameter(document, "GET /returns", "limit").update(required=True),
        [("returns.list", "query.limit", "required")],
    ),
    "a page made smaller": (
        set_parameter("GET /stocks", "limit", maximum=100),
        [("stocks.list", "query.limit", "limit")],
    ),
    "the id of a path made a number": (
        set_parameter("GET /stocks/{stockId}", "stockId", type="integer"),
        [("stocks.get", "path.stockId", "type")],
    ),
    "a header removed": (
        without_parameter("GET /returns/count", "SalesChannelId"),
        [("returns.count", "header.SalesChannelId", "parameter-absent")],
    ),
    "one object instead of many": (
        lambda document: operation(document, "POST /fulfillment-products")["requestBody"]["content"].update(
            {"application/json": {"schema": {"$ref": "#/components/schemas/FulfillmentProduct"}}}
        ),
        [("products.create", "request", "type")],
    ),
    "bare lists only": (
        lambda document: operation(document, "GET /returns")["responses"]["200"]["content"]["application/json"][
            "schema"
        ]["anyOf"].pop(),
        [("returns.list", "answer", "type")],
    ),
    "lists in objects only": (
        lambda document: operation(document, "GET /returns")["responses"]["200"]["content"]["application/json"][
            "schema"
        ]["anyOf"].pop(0),
        [("returns.list", "answer", "type")],
    ),
    "the lists' object with another name": (
        lambda document: schema(document, "PageBody_Return_")["properties"].update(
            data=schema(document, "PageBody_Return_")["properties"].pop("items")
        ),
        [
            ("returns.list", "answer.items", "field-absent"),
            ("returns.list", "answer.data", "field-unknown"),
        ],
    ),
    "another success": (
        lambda document: operation(document, "POST /returns").update(
            responses={"202": operation(document, "POST /returns")["responses"]["201"]}
        ),
        [("returns.create", "answer", "status")],
    ),
    "no documents but in JSON": (
        lambda document: operation(document, "GET /returns/{returnId}/labels")["responses"]["200"]["content"].pop(
            "application/pdf"
        ),
        [("returns.label", "answer", "media-type")],
    ),
    "a body that may be left out": (
        lambda document: operation(document, "POST /returns")["requestBody"].update(required=False),
        [("returns.create", "request", "required")],
    ),
    "no body at all": (
        lambda document: operation(document, "POST /returns").pop("requestBody"),
        [("returns.create", "request", "media-type")],
    ),
}


def test_an_export_is_equal_to_itself() -> None:
    assert differences(json.loads(EXPORTED)) == []
    assert len(describe(OURS).operations) == len(OPERATIONS)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_named_by_exactly_its_differences(name) -> None:
    change, expected = MUTATIONS[name]
    assert differences_of(changed(change)) == expected


def test_every_kind_of_difference_is_among_the_mutations() -> None:
    assert {kind for _, expected in MUTATIONS.values() for *_, kind in expected} == {
        kind.value for kind in DifferenceKind
    }


def test_a_difference_reports_both_sides_and_our_tag() -> None:
    (found,) = differences(changed(set_field("OutboundShipmentRequest.reference", maxLength=30)))
    assert (found.ours, found.theirs, found.tag, found.harmless) == ({"maxLength": 50}, {"maxLength": 30}, "A", False)
    assert found.sentence == "maxLength of request.reference is 50 in our contract and 30 in theirs."
    (found,) = differences(changed(set_parameter("GET /stocks", "limit", maximum=100)))
    assert found.tag == "D"


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("a type changed", [True] * 3),
        ("a type made text", [False]),
        ("a field removed", [False] * 2),
        ("a field added", [True] * 2),
        ("a field made required", [False]),
        ("a field made optional", [True]),
        ("a field made nullable", [True]),
        ("a field never null", [True] * 2),
        ("a value renamed", [True] * 4),
        ("values no longer listed", [True]),
        ("another value of the same parameter", [True, False]),
        ("a largest length", [False]),
        ("a largest and a smallest number of lines", [False, False]),
        ("a bound that excludes no more", [True]),
        ("a pattern", [False]),
        ("a parameter made required", [False]),
        ("bare lists only", [True]),
        ("another success", [True]),
        ("no documents but in JSON", [True]),
        ("no body at all", [False]),
    ],
)
def test_what_can_do_harm(name, harmless) -> None:
    change, _ = MUTATIONS[name]
    assert [one.harmless for one in differences(changed(change))] == harmless


def test_another_style_of_the_same_contract_is_equal() -> None:
    theirs = as_openapi30(OURS)
    assert "anyOf" not in json.dumps(theirs)
    assert '"x-known-values":' not in json.dumps(theirs)
    assert differences_of(theirs) == []
    assert describe(theirs).notes == []


def test_a_change_is_found_in_another_style() -> None:
    theirs = as_openapi30(changed(set_field("Refusal.code", anyOf=[{"type": "integer"}, {"type": "null"}])))
    places = [("inbound.list", "answer.items[].refusal.code"), ("inbound.get", "answer.refusal.code")]
    places += [("outbound.list", "answer.items[].refusal.code"), ("outbound.get", "answer.refusal.code")]
    assert differences_of(theirs) == [(*where, "type") for where in places]


def test_the_prefix_is_that_of_most_of_our_calls() -> None:
    def move(document: Document) -> None:
        document["paths"] = {f"/api/v9{path}": item for path, item in document["paths"].items()}
        document["paths"]["/old/returns"] = {"get": {}}

    assert differences_of(changed(move)) == []


def test_nothing_of_ours_in_a_foreign_document() -> None:
    found = differences({"openapi": "3.1.0", "paths": {"/pets": {"get": {}}}})
    assert [one.kind for one in found] == [DifferenceKind.OPERATION_ABSENT] * len(OPERATIONS)


def paths_of(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where in what is compared something stands that means something."""
    found: list[tuple[str | int, ...]] = []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        if not (isinstance(key, str) and key.startswith("x-")) and key not in ("description", "title", "default"):
            found += [(*place, key), *paths_of(part, (*place, key))]
    return found


def goes_without_saying(component: Document, *place: str | int) -> bool:
    """What has items is an array, said or not."""
    here: Any = component
    for step in place[:-1]:
        here = here[step]
    return place[-1] == "type" and "items" in here


COMPONENTS = [
    (name, *place)
    for name, component in OURS["components"]["schemas"].items()
    if name != "Problem"
    for place in paths_of({"properties": component.get("properties", {})})
    if len(place) > 1 and not goes_without_saying(component, *place)
]
PLACES = paths_of(OURS)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.sampled_from(["null", "#/paths", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$ref", "type", "allOf", "anyOf", "enum", "items", "properties"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=tries(60))
@given(data=st.data())
def test_any_change_of_a_field_is_a_difference(data) -> None:
    *place, key = data.draw(st.sampled_from(COMPONENTS))
    document = json.loads(EXPORTED)
    here = document["components"]["schemas"]
    for step in place:
        here = here[step]
    del here[key]
    assert differences(document) != []


@settings(max_examples=tries(60))
@given(data=st.data())
def test_no_junk_anywhere_makes_it_fail(data) -> None:
    document = json.loads(EXPORTED)
    for *place, key in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        here: Any = document
        try:
            for step in place:
                here = here[step]
            here[key] = data.draw(JUNK)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    try:
        description = describe(document)
    except ValueError:
        return
    for one in compare(DESCRIBED, description) + compare(description, DESCRIBED):
        assert one.sentence.endswith(".")
        assert json.dumps([one.ours, one.theirs])
