"""What a program cannot decide is open: it is told with its candidates, and nothing is written for it."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async.contract.adoption import Adoption, NothingToAdoptError, adopt
from octoffm_async.contract.contract_file.model import FieldMapping, OperationMapping
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.contract.openapi.description import NotOpenAPIError
from octoffm_async.contract.openapi.export import openapi_document
from tests.unit.sizes import tries

Document = dict[str, Any]
OURS = json.dumps(openapi_document())


def changed(change: Callable[[Document], object]) -> Adoption:
    """Adopt our own export with a change."""
    document = json.loads(OURS)
    change(document)
    return adopt(document)


def renamed(struct: str, **names: str | None) -> Callable[[Document], None]:
    """Give fields of a struct other names on the wire; None: leave a field out."""

    def change(document: Document) -> None:
        schema = document["components"]["schemas"][struct]
        required = schema.get("required", [])
        schema["properties"] = {
            names.get(name, name): value for name, value in schema["properties"].items() if names.get(name, name)
        }
        schema["required"] = [names.get(name, name) for name in required if names.get(name, name)]

    return change


def field(document: Document, path: str) -> Document:
    struct, name = path.split(".")
    return document["components"]["schemas"][struct]["properties"][name]


def opened(adopted: Adoption) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.section, one.name, one.candidates) for one in adopted.open]


def test_two_synonyms_at_once_are_open() -> None:
    def change(document: Document) -> None:
        renamed("Parcel", carrier="transporter")(document)
        schema = document["components"]["schemas"]["Parcel"]
        schema["properties"]["carrierName"] = {"type": "string"}

    adopted = changed(change)
    assert opened(adopted) == [("fields.Parcel", "carrier", ("transporter", "carrierName"))]
    assert adopted.contract.fields == {}
    assert '# carrier = "transporter"' in adopted.text.splitlines()


def test_a_synonym_of_another_json_type_is_not_taken() -> None:
    def change(document: Document) -> None:
        renamed("Parcel", trackingNumber="trackingCode")(document)
        field(document, "Parcel.trackingCode").clear()
        field(document, "Parcel.trackingCode")["type"] = "boolean"

    adopted = changed(change)
    assert adopted.contract.fields == {}
    assert any("tracking_number" in note and "trackingCode" in note for note in adopted.notes)


def test_a_time_is_no_synonym_of_a_text() -> None:
    def change(document: Document) -> None:
        renamed("Return", comment="note")(document)
        field(document, "Return.note").clear()
        field(document, "Return.note").update({"type": "string", "format": "date-time"})

    assert changed(change).contract.fields == {}


def test_a_required_field_of_ours_that_is_not_found_is_open_with_all_that_fits() -> None:
    adopted = changed(renamed("OutboundShipmentRequest", reference="purchaseNo"))
    assert ("fields.OutboundShipmentRequest", "reference", ("purchaseNo",)) in opened(adopted)
    # It may be the reference; until somebody decides, it is also a requirement that nothing fills.
    assert ("extra.OutboundShipmentRequest", "purchaseNo", ()) in opened(adopted)
    assert adopted.contract.fields == {}


def test_an_optional_field_that_they_do_not_have_is_a_note() -> None:
    adopted = changed(renamed("DeliveryAddress", civility=None))
    assert adopted.complete
    assert adopted.notes == ("DeliveryAddress in outbound.create: they have nothing like civility",)


def test_one_struct_that_is_spelled_in_two_ways_is_open() -> None:
    def change(document: Document) -> None:
        schemas = document["components"]["schemas"]
        schemas["Supply"] = copy.deepcopy(schemas["ShipmentLine"])
        schemas["Supply"]["properties"]["qty"] = schemas["Supply"]["properties"].pop("quantity")
        field(document, "InboundShipmentRequest.lines")["items"] = {"$ref": "#/components/schemas/Supply"}

    adopted = changed(change)
    ((section, name, places),) = opened(adopted)
    assert (section, name) == ("fields.ShipmentLine", "quantity")
    assert set(places) == {"qty in inbound.create", "quantity in outbound.create"}
    assert adopted.contract.fields == {}


@pytest.mark.parametrize(
    ("text", "name", "scale"),
    [
        ("in kg", "weight", 0.001),
        ("Poids en kilogrammes", "weight", 0.001),
        ("Weight, in grams", "weight", 1.0),
        ("weight (lb)", "weight", 0.00220462262185),
        ("mg", "weight", 1000.0),
        ("", "weight_kg", 0.001),
        ("", "weightInGrams", 1.0),
        ("The size in cm", "weight", 1.0),
    ],
)
def test_a_unit_that_they_name_gives_the_scale(text: str, name: str, scale: float) -> None:
    def change(document: Document) -> None:
        renamed("Packaging", weight=name)(document)
        field(document, f"Packaging.{name}")["description"] = text

    packaging = changed(change).contract.fields.get("Packaging", {})
    assert packaging.get("weight_g", FieldMapping(path=("weight",))) == FieldMapping(path=(name,), scale=scale)


def test_a_unit_that_the_parent_names_gives_the_scale() -> None:
    def change(document: Document) -> None:
        packaging = document["components"]["schemas"]["Packaging"]
        packaging["description"] = "Measures in mm, weight in kg"
        for described in (*packaging["properties"].values(), field(document, "FulfillmentProduct.packaging")):
            del described["description"]

    fields = changed(change).contract.fields["Packaging"]
    assert {name: mapping.scale for name, mapping in fields.items()} == {
        "length_cm": 10.0,
        "width_cm": 10.0,
        "height_cm": 10.0,
        "weight_g": 0.001,
    }


def test_two_units_are_open_and_no_scale_is_taken() -> None:
    def change(document: Document) -> None:
        field(document, "Packaging.weight")["description"] = "Weight in g (30 kg at most)"

    adopted = changed(change)
    assert [(one.section, one.name) for one in adopted.open] == [("fields.Packaging", "weight_g")]
    assert "0.001 for kg" in adopted.open[0].candidates
    assert adopted.contract.fields == {}


def test_a_unit_that_nobody_names_is_reported() -> None:
    def change(document: Document) -> None:
        weight = field(document, "Packaging.weight")
        del weight["x-provenance"], weight["description"]  # as in a document that is not ours

    assert changed(change).notes == ("Packaging.weight_g: they name no unit; it is sent in g",)


def test_a_number_where_we_send_text_is_open_without_a_cure() -> None:
    def change(document: Document) -> None:
        field(document, "FulfillmentProduct.gtin")["type"] = "integer"

    (one,) = changed(change).open
    assert (one.section, one.name, one.cure) == ("fields.FulfillmentProduct", "gtin", "")
    assert "which a contract file cannot convert" in one.problem


@pytest.mark.parametrize(
    ("wrap", "array", "expected"),
    [
        ("order", False, OperationMapping(wrap="order")),
        (None, True, OperationMapping(body="array")),
        ("orders", True, OperationMapping(wrap="orders", body="array")),
    ],
)
def test_the_form_of_a_body_is_seen(wrap: str | None, array: bool, expected: OperationMapping) -> None:
    def change(document: Document) -> None:
        content = document["paths"]["/outbound-shipments"]["post"]["requestBody"]["content"]["application/json"]
        schema = content["schema"]
        schema = {"type": "array", "items": schema} if array else schema
        content["schema"] = schema if wrap is None else {"type": "object", "properties": {wrap: schema}}

    adopted = changed(change)
    assert adopted.contract.operations == {"outbound.create": expected}
    assert adopted.complete


def test_what_they_require_beside_a_wrapped_body_is_open() -> None:
    def change(document: Document) -> None:
        content = document["paths"]["/returns"]["post"]["requestBody"]["content"]["application/json"]
        properties = {"return": content["schema"], "channel": {"type": "string"}}
        content["schema"] = {"type": "object", "properties": properties, "required": ["return", "channel"]}

    adopted = changed(change)
    assert [(one.section, one.cure) for one in adopted.open] == [('operations."returns.create"', "")]
    assert adopted.contract.operations == {"returns.create": OperationMapping(wrap="return")}


def test_required_parameters_that_nothing_fills_are_open() -> None:
    def change(document: Document) -> None:
        listed = document["paths"]["/stocks"]["get"]["parameters"]
        listed.append({"name": "tenant", "in": "query", "required": True, "schema": {"type": "string"}})
        listed.append({"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}})

    problems = [one.problem for one in changed(change).open]
    assert problems == [
        "they require the header X-Tenant, which a contract file cannot set",
        "they require the parameter tenant, which a contract file cannot set",
    ]


@pytest.mark.parametrize(
    ("schema", "expected", "candidates"),
    [
        ({"type": "integer"}, None, None),
        ({"type": "object", "properties": {"totalCount": {"type": "integer"}}}, ("totalCount",), None),
        ({"type": "object", "properties": {"n": {"type": "integer"}, "x": {"type": "string"}}}, ("n",), None),
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}, None, ("a", "b")),
    ],
)
def test_the_number_of_a_count_is_found_or_open(
    schema: Document, expected: tuple[str, ...] | None, candidates: tuple[str, ...] | None
) -> None:
    def change(document: Document) -> None:
        document["paths"]["/returns/count"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = schema

    adopted = changed(change)
    assert adopted.contract.operations.get("returns.count", OperationMapping()).count == expected
    assert [one.candidates for one in adopted.open] == ([] if candidates is None else [candidates])


def test_an_operation_under_another_path_is_open_with_the_likeliest() -> None:
    def change(document: Document) -> None:
        paths = document["paths"]
        paths["/seller-stocks"] = paths.pop("/stocks")

    adopted = changed(change)
    assert adopted.missing == ("stocks.list",)
    (one,) = adopted.open
    assert (one.section, one.candidates) == ('operations."stocks.list"', ("/seller-stocks",))
    assert one.cure == 'path = "/seller-stocks"'


@pytest.mark.parametrize("prefix", ["", "/seller/v2", "/Seller/V2"])
@pytest.mark.parametrize("placeholder", ["{id}", "{shipment_id}"])
def test_a_prefix_a_slash_and_other_placeholders_are_no_difference(prefix: str, placeholder: str) -> None:
    def change(document: Document) -> None:
        paths = document["paths"]
        document["paths"] = {
            prefix + "/".join(placeholder if "{" in part else part for part in path.split("/")) + "/": item
            for path, item in paths.items()
        }
        document["servers"] = [{"url": "https://api.octopia-io.net" + ("" if prefix else "/seller/v2")}]

    adopted = changed(change)
    assert adopted.complete
    assert adopted.contract.operations == {}
    assert adopted.notes == ()


def test_paths_in_another_case_are_written() -> None:
    def change(document: Document) -> None:
        document["paths"] = {path.replace("stocks", "Stocks"): item for path, item in document["paths"].items()}

    operations = changed(change).contract.operations
    assert {name: mapping.path for name, mapping in operations.items()} == {
        "stocks.list": "/Stocks",
        "stocks.get": "/Stocks/{stockId}",
    }


def test_another_server_is_reported() -> None:
    def change(document: Document) -> None:
        document["servers"] = [{"url": "https://other.example/api"}]

    (note,) = changed(change).notes
    assert "https://other.example/api" in note
    assert "OCTOFFM_BASE_URL" in note


def test_a_reference_to_nothing_is_open() -> None:
    def change(document: Document) -> None:
        del document["components"]["schemas"]["Refusal"]

    assert [one.section for one in changed(change).open] == ["document"]


def test_a_spelling_of_a_value_that_nobody_can_know_is_open() -> None:
    def change(document: Document) -> None:
        document["components"]["schemas"]["OutboundStatus"]["x-known-values"] = ["Created", "Acceptance", "Shipped"]

    adopted = changed(change)
    assert [(one.section, one.name, one.candidates) for one in adopted.open] == [
        ("values.OutboundStatus", "Accepted", ("Acceptance",))
    ]
    assert adopted.contract.values == {}


def test_refusals_are_not_spread_by_names_that_say_too_little() -> None:
    def change(document: Document) -> None:
        renamed("OutboundShipment", refusal=None)(document)
        properties = document["components"]["schemas"]["OutboundShipment"]["properties"]
        properties |= {"code": {"type": "string"}, "message": {"type": "string"}}

    assert changed(change).contract.fields == {}


HOSTILE = 'x"\n[fields.Stock]\nid = "y'


def test_hostile_names_change_nothing_but_themselves() -> None:
    def change(document: Document) -> None:
        renamed("OutboundShipmentRequest", reference=HOSTILE, deliveryMode="delivery\x1b[2JMode")(document)
        document["components"]["schemas"]["OutboundStatus"]["x-known-values"] = [HOSTILE, "Shipped"]

    adopted = changed(change)
    assert adopted.contract.fields == {}
    assert "\x1b" not in adopted.text
    assert all("\x1b" not in one.sentence + one.cure and "\n" not in one.sentence + one.cure for one in adopted.open)


WORDS = ["id", "reference", "x.y", "", HOSTILE, "Status", "status", "data", "items", "quantity", "ä" * 300, "label"]
SMALL = json.loads(OURS)
SMALL["paths"] = {path: SMALL["paths"][path] for path in ("/outbound-shipments", "/stocks", "/fulfillment-products")}


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key of it."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
        found += [(here, key) for key in keys]
        waiting += [here[key] for key in keys]
    return found


@settings(max_examples=tries(40))
@given(st.randoms(use_true_random=True))
def test_any_document_gives_a_file_that_can_be_parsed_or_a_clear_refusal(random: Random) -> None:
    document = copy.deepcopy(SMALL)
    for _ in range(random.randint(1, 12)):
        places = _places(document)
        if not places:
            break
        holder, key = random.choice(places)
        match random.choice(["remove", "rename", "replace", "share"]):
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[random.choice(WORDS)] = holder.pop(key)
            case "share":
                other, name = random.choice(places)
                holder[key] = copy.deepcopy(other[name])
            case _:
                holder[key] = random.choice([None, 3, 1e400, "text", [], {}, True, {"type": "object"}])
    try:
        adopted = adopt(document)
    except (NotOpenAPIError, NothingToAdoptError) as error:
        assert str(error).count("\n") == 0  # noqa: PT017
        return
    assert parse_contract(adopted.text) == adopted.contract
    assert all(one.sentence.isprintable() for one in adopted.open)
