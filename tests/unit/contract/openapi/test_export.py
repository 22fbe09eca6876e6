"""The export says of every operation, parameter and field what the table and the structs say."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from octoffm_async.contract.base import Request
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import OPERATIONS, Shape
from octoffm_async.contract.outbound import DeliveryAddress, OutboundShipmentRequest, OutboundStatus
from octoffm_async.contract.products import FulfillmentProduct, Packaging
from octoffm_async.contract.requests.validation import gtin_check_digit, outbound_problems, product_problems

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def exported(operation: Any) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def walk(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


def test_it_is_stable_json_with_all_operations_and_nothing_more() -> None:
    assert json.dumps(openapi_document()) == json.dumps(DOCUMENT)
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    calls = [(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item]
    assert sorted(calls) == sorted((one.method, one.path) for one in OPERATIONS)


def test_addresses_and_version_are_settings() -> None:
    document = openapi_document(server="http://a/b", token_url="http://a/t", version="7")
    assert document["servers"] == [{"url": "http://a/b"}]
    assert document["info"]["version"] == "7"
    flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
    assert flows == {"clientCredentials": {"tokenUrl": "http://a/t", "scopes": {}}}


def test_every_reference_has_a_target_and_every_component_is_referred_to() -> None:
    references = {one["$ref"] for one in walk(DOCUMENT) if "$ref" in one}
    assert references == {f"#/components/schemas/{name}" for name in SCHEMAS}


def test_every_field_and_parameter_has_a_tag() -> None:
    fields = [field for schema in SCHEMAS.values() for field in schema.get("properties", {}).values()]
    parameters = [one for operation in OPERATIONS for one in exported(operation)["parameters"]]
    assert len(fields) > 100
    assert len(parameters) > 60
    assert {one.get("x-provenance") for one in fields + parameters} == {"D", "S", "A"}


def test_no_enum_is_closed() -> None:
    assert [one for one in walk(DOCUMENT) if "enum" in one or "const" in one] == []
    assert SCHEMAS["OutboundStatus"]["x-known-values"] == [status.value for status in OutboundStatus]


def test_times_have_their_format_and_nothing_else_has() -> None:
    assert {one["format"] for one in walk(DOCUMENT) if "format" in one} == {"date-time"}
    moments = {
        name
        for schema in SCHEMAS.values()
        for name, field in schema.get("properties", {}).items()
        if any("format" in part for part in walk(field))
    }
    assert moments >= {"createdAt", "updatedAt", "statusUpdatedAt", "expectedDeliveryDate", "receiptDate"}
    assert all(name.endswith(("At", "Date")) for name in moments)


def test_what_is_sent_has_no_nulls() -> None:
    sent = {struct.__name__ for struct in Request.__subclasses__()}
    for name in sent & set(SCHEMAS):
        assert not any(one.get("type") == "null" for one in walk(SCHEMAS[name])), name
    assert {"FulfillmentProduct", "ShipmentLine", "ReturnRequest"} <= sent & set(SCHEMAS)


@each
def test_an_operation_is_the_row_of_the_table(operation) -> None:
    described = exported(operation)
    assert described["operationId"] == operation.name
    assert described["tags"] == [operation.group.value]
    assert described["x-provenance"] == operation.tag
    assert ("requestBody" in described) == (operation.request is not None)
    assert next(iter(described["responses"])) == str(operation.success)


@each
def test_parameters_are_those_of_path_filters_and_headers(operation) -> None:
    parameters = exported(operation)["parameters"]
    filters = () if operation.filters is None else operation.filters.__struct_encode_fields__
    in_path = re.findall(r"{(\w+)}", operation.path)
    assert [one["name"] for one in parameters] == [*in_path, *filters, "SellerId", "SalesChannelId"]
    required = [one["name"] for one in parameters if one["required"]]
    assert required == [*in_path, *(["limit"] if operation.limit_required else []), "SellerId"]
    limits = [one["schema"] for one in parameters if one["name"] == "limit"]
    assert all((one["minimum"], one["maximum"]) == (1, 1000) for one in limits)
    assert len(limits) == (operation.shape is Shape.PAGE)


@each
def test_errors_are_problems_and_429_may_say_when_to_return(operation) -> None:
    errors = {status: one for status, one in exported(operation)["responses"].items() if status[0] != "2"}
    assert {"400", "401", "403", "406", "429", "500"} <= set(errors)
    assert ("415" in errors) == (operation.method == "POST")
    assert operation.shape is not Shape.DOCUMENT or {"404", "409"} <= set(errors)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert all(one["content"] == problem for one in errors.values())
    assert [status for status, one in errors.items() if "headers" in one] == ["429"]


@each
def test_answers_have_their_shapes(operation) -> None:
    answer = exported(operation)["responses"][str(operation.success)]
    schema = answer["content"]["application/json"]["schema"]
    match operation.shape:
        case Shape.PAGE:
            assert list(answer["headers"]) == ["Link"]
            assert [one.get("type") for one in schema["anyOf"]] == ["array", None]
        case Shape.COUNT:
            assert [one["type"] for one in schema["anyOf"]] == ["integer", "object", "object"]
        case Shape.IDENTIFIER:
            assert list(schema["properties"]) == [operation.identifier]
            assert list(answer["headers"]) == ["Location", "Content-Location"]
        case Shape.DOCUMENT:
            assert list(answer["content"]) == ["application/pdf", "application/json"]
        case _:
            assert schema == {"$ref": f"#/components/schemas/{operation.answer.__name__}"}


PRODUCT = FulfillmentProduct(gtin="4006381333931", seller_product_reference="R")
ADDRESS = DeliveryAddress(
    first_name="A", last_name="B", address_line1="1", postal_code="3", city="C", country_code="FR"
)
LINE = ShipmentLine(quantity=1, seller_product_reference="R")
ORDER = OutboundShipmentRequest(
    reference="O", lines=[LINE], delivery_address=ADDRESS, delivery_mode="M", storage_country="FR"
)


@pytest.mark.parametrize("field", ["seller_product_reference", "title"])
def test_lengths_of_a_product_are_those_that_validation_keeps(field) -> None:
    wire = dict(zip(PRODUCT.__struct_fields__, PRODUCT.__struct_encode_fields__, strict=True))[field]
    schema = SCHEMAS["FulfillmentProduct"]["properties"][wire]
    for length in range(schema["maxLength"] + 3):
        fine = schema["minLength"] <= length <= schema["maxLength"]
        assert (product_problems(replace(PRODUCT, **{field: "x" * length}), assumed=True) == []) == fine


@pytest.mark.parametrize(
    ("field", "wire"), [("origin_country", "originCountry"), ("customs_code", "customsCode"), ("un_code", "unCode")]
)
@pytest.mark.parametrize("text", ["FR", "fr", "FRA", "1234", "12345", "123456", "1234567890", "12345678901", ""])
def test_patterns_of_a_product_are_those_that_validation_keeps(field, wire, text) -> None:
    pattern = SCHEMAS["FulfillmentProduct"]["properties"][wire]["pattern"]
    fine = product_problems(replace(PRODUCT, **{field: text}), assumed=True) == []
    assert fine == bool(re.search(pattern, text))


@pytest.mark.parametrize("length", range(16))
def test_a_gtin_of_a_wrong_length_fits_neither_pattern_nor_validation(length) -> None:
    gtin = f"{'1' * (length - 1)}{gtin_check_digit('1' * (length - 1))}" if length else ""
    pattern = SCHEMAS["FulfillmentProduct"]["properties"]["gtin"]["pattern"]
    assert (product_problems(replace(PRODUCT, gtin=gtin)) == []) == bool(re.search(pattern, gtin))


@pytest.mark.parametrize("weight", [-1, 0, 0.001, 1])
def test_measures_are_above_their_exclusive_minimum(weight) -> None:
    box = Packaging(length_cm=1, width_cm=1, height_cm=1, weight_g=weight)
    bound = SCHEMAS["Packaging"]["properties"]["weight"]["exclusiveMinimum"]
    assert (product_problems(replace(PRODUCT, packaging=box)) == []) == (weight > bound)


@pytest.mark.parametrize(("lines", "quantity"), [(0, 1), (1, 1), (100, 1), (101, 1), (1, 0), (1, -1)])
def test_lines_of_an_order_are_those_that_validation_keeps(lines, quantity) -> None:
    bounds = SCHEMAS["OutboundShipmentRequest"]["properties"]["lines"]
    fine = bounds["minItems"] <= lines <= bounds["maxItems"]
    fine = fine and quantity >= SCHEMAS["ShipmentLine"]["properties"]["quantity"]["minimum"]
    order = replace(ORDER, lines=[replace(LINE, quantity=quantity)] * lines)
    assert (outbound_problems(order, assumed=True) == []) == fine


def test_every_field_and_parameter_is_described_with_its_source() -> None:
    words = {"D": " (documented).", "S": " (seen).", "A": " (assumed)."}
    fields = [entry for schema in SCHEMAS.values() for entry in schema.get("properties", {}).items()]
    parameters = [one for operation in OPERATIONS for one in exported(operation)["parameters"]]
    queries = [(one["name"], one) for one in parameters if one["in"] == "query"]
    assert len(fields) > 100
    for name, described in fields + queries:
        assert described["description"].endswith(words[described["x-provenance"]]), name
