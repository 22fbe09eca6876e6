"""Translation of our OpenAPI document to the names of a contract file, for comparison with the API's document."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..openapi.export import openapi_document
from ..openapi.schemas import Schema
from ..operations import OPERATIONS, Operation, Shape
from .model import ContractFile, OperationMapping
from .registry import ENUMS, STRUCTS, fields_of, nested_struct

_REFERENCE = "#/components/schemas/"
_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))
_SCALED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def respelled_document(contract: ContractFile) -> Schema:
    """Return the OpenAPI document of the package with the names that the contract file gives."""
    document = copy.deepcopy(openapi_document())
    components: dict[str, Schema] = document["components"]["schemas"]
    original = copy.deepcopy(components)
    for name in STRUCTS:
        if name in components:
            components[name] = _struct(contract, original, name)
    for schema in _schemas(document):
        _values(contract, schema)
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        mapping = contract.operations.get(operation.name, OperationMapping())
        _operation(operation, mapping, described, components)
        paths.setdefault(mapping.path or operation.path, {})[operation.method.lower()] = described
    return {**document, "paths": paths}


def _struct(contract: ContractFile, original: Mapping[str, Schema], name: str) -> Schema:
    """Return a struct's schema with each field at its path in the file; objects on the way are added."""
    made: Schema = {**original[name], "properties": {}, "required": []}
    for place, schema, required in _fields(contract, original, name):
        here = made
        for step in place[:-1]:
            if required and step not in here["required"]:
                here["required"].append(step)
            nothing: Schema = {"type": "object", "properties": {}, "required": []}
            here = here["properties"].setdefault(step, nothing)
        here["properties"][place[-1]] = schema
        if required:
            here["required"].append(place[-1])
    if not made["required"]:
        del made["required"]
    return made


def _fields(
    contract: ContractFile, original: Mapping[str, Schema], name: str
) -> Iterator[tuple[tuple[str, ...], Schema, bool]]:
    """Yield path, schema and required flag of each field (spread objects included), then of the extra members."""
    said = contract.fields.get(name, {})
    for field in fields_of(STRUCTS[name]).values():
        schema: Schema = original[name]["properties"][field.encode_name]
        required = field.encode_name in original[name].get("required", [])
        mapping = said.get(field.name)
        if mapping is None:
            yield (field.encode_name,), schema, required
        elif mapping.path:
            limits = {limit: schema[limit] * mapping.scale for limit in _SCALED if limit in schema}
            yield mapping.path, {**schema, **limits}, required
        elif (nested := nested_struct(STRUCTS[name], field.name)) is not None:
            for place, inner, needed in _fields(contract, original, nested.__name__):
                yield place, inner, needed and required
    for member, value in contract.extra.get(name, {}).items():
        yield (member,), {"type": next(kind for type_, kind in _TYPES if isinstance(value, type_))}, True


def _schemas(value: Any) -> Iterator[Schema]:
    """Yield every JSON object in the document, which includes all schemas."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            waiting += here.values()
        elif isinstance(here, list):
            waiting += here


def _values(contract: ContractFile, schema: Schema) -> None:
    listed: list[str] = schema.get("x-known-values", [])
    for enum, texts in contract.values.items():
        if listed == [member.value for member in ENUMS[enum]]:
            schema["x-known-values"] = [texts.get(value, value) for value in listed]
            return


def _operation(
    operation: Operation[Any], mapping: OperationMapping, described: Schema, components: Mapping[str, Schema]
) -> None:
    if operation.filters is not None:
        names = {one.encode_name: mapping.query.get(one.name) for one in fields_of(operation.filters).values()}
        for parameter in described["parameters"]:
            if parameter["in"] == "query":
                parameter["name"] = names.get(parameter["name"]) or parameter["name"]
    if "requestBody" in described:
        _change(described["requestBody"], lambda schema: _request(mapping, schema))
    (answer,) = (one for status, one in described["responses"].items() if status.startswith("2"))
    _change(answer, lambda schema: _answer(operation, mapping, schema, components))


def _change(body: Schema, change: Callable[[Schema], Schema]) -> None:
    for media, content in body["content"].items():
        if media == "application/json":
            content["schema"] = change(content["schema"])


def _request(mapping: OperationMapping, schema: Schema) -> Schema:
    if mapping.body == "object" and schema.get("type") == "array":
        schema = schema["items"]
    elif mapping.body == "array" and schema.get("type") != "array":
        schema = {"type": "array", "items": schema}
    return schema if mapping.wrap is None else _at((mapping.wrap,), schema, required=True)


def _answer(
    operation: Operation[Any], mapping: OperationMapping, schema: Schema, components: Mapping[str, Schema]
) -> Schema:
    if mapping.items is not None and operation.shape in {Shape.PAGE, Shape.OPTIONAL}:
        return _at(mapping.items, _rows(schema, components))
    if mapping.result is not None:
        return _at(mapping.result, schema)
    if mapping.identifier is not None:
        return _at(mapping.identifier, schema["properties"][operation.identifier])
    if mapping.count is not None:
        return _at(mapping.count, schema["anyOf"][0])
    return schema


def _rows(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """Return the schema of a page's list: the bare alternative, else the ``items`` of the page object."""
    for one in schema.get("anyOf", [schema]):
        if one.get("type") == "array":
            return dict(one)
    page = components[schema["$ref"].removeprefix(_REFERENCE)]
    return dict(page["properties"]["items"])


def _at(path: tuple[str, ...], schema: Schema, *, required: bool = False) -> Schema:
    for name in reversed(path):
        schema = {"type": "object", "properties": {name: schema}, "required": [name] if required else []}
    return schema
