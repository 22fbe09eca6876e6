"""The contract's structs as OpenAPI schemas: components of bodies and answers, and the parameters of a query.

Differences from the schemas of msgspec: times have their format, open enums list their known values and allow others,
requests have no nulls because the client leaves out options that are not given, and the description of a field names
its source.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec.inspect import DateTimeType, EnumType, StructType, multi_type_info

from ..base import Query, Request, with_source

Schema = dict[str, Any]

_REFERENCES = "#/components/schemas/{name}"
_NULL = {"type": "null"}
_PARTS_OF_TYPES = ("type", "types", "item_type", "fields")


def schemas_of(types: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return the schema of each type, and the components to which they refer, by name."""
    given = list(types)
    schemas, components = msgspec.json.schema_components(given, ref_template=_REFERENCES)
    named = _named_types(given)
    for name, component in components.items():
        if "description" in component:
            component["description"] = inspect.cleandoc(component["description"])
        match named.get(name):
            case EnumType(cls=cls):
                del component["enum"]
                component |= {"type": "string", "x-known-values": _values(cls)}
            case StructType() as struct:
                _finish(component, struct)
            case _:
                _tidy(component)
    return list(schemas), {name: components[name] for name in sorted(components)}


def parameters_of(filters: type, *, limit_required: bool) -> list[Schema]:
    """Return the parameters of a query, in the order of its struct."""
    _, components = schemas_of([filters])
    properties: dict[str, Schema] = components[filters.__name__]["properties"]
    for schema in properties.values():
        if schema["type"] == "string" and "format" not in schema:
            schema |= {"minLength": 1, "x-bounds-provenance": "A"}
    return [
        parameter(name, "query", schema, required=limit_required and name == "limit")
        for name, schema in properties.items()
    ]


def parameter(name: str, place: str, schema: Mapping[str, Any], *, required: bool) -> Schema:
    """Return one parameter; its tag and its description are beside its schema."""
    bare = {key: value for key, value in schema.items() if key not in ("description", "x-provenance")}
    text = {"description": schema["description"]} if "description" in schema else {}
    return {
        "name": name,
        "in": place,
        "required": required,
        **text,
        "schema": bare,
        "x-provenance": schema["x-provenance"],
    }


def _values(cls: type[Enum]) -> list[Any]:
    return [member.value for member in cls]


def _tidy(component: Schema) -> None:
    if not component["required"]:
        del component["required"]
    for schema in component["properties"].values():
        if "description" in schema:
            schema["description"] = with_source(schema["description"], schema.get("x-provenance", ""))
        if schema.get("default", ...) is None:
            del schema["default"]
        elif schema.get("default") == ():
            schema["default"] = []


def _finish(component: Schema, struct: StructType) -> None:
    if issubclass(struct.cls, Request):  # a schema allows members that it does not name
        del component["properties"]["extra"]
    _tidy(component)
    for field in struct.fields:
        if field.encode_name not in component["properties"]:
            continue
        schema: Schema = component["properties"][field.encode_name]
        if any(isinstance(kind, DateTimeType) for kind in _walk(field.type, inside_structs=False)):
            for part in schema.get("anyOf", [schema]):
                if part.get("type") == "string":
                    part["format"] = "date-time"
        if issubclass(struct.cls, Query) and _NULL in schema.get("anyOf", []):
            (only,) = (part for part in schema.pop("anyOf") if part != _NULL)
            schema.update(only)


def _named_types(types: list[Any]) -> dict[str, Any]:
    """Return all structs and enums in the types, by name; a generic struct has no name of its own."""
    return {
        kind.cls.__name__: kind
        for root in multi_type_info(types)
        for kind in _walk(root)
        if isinstance(kind, EnumType | StructType)
    }


def _walk(root: Any, *, inside_structs: bool = True) -> Iterator[Any]:
    """Yield a type of ``msgspec.inspect`` and all its parts, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        kind = waiting.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        yield kind
        if isinstance(kind, StructType) and not inside_structs:
            continue
        for name in _PARTS_OF_TYPES:
            part = getattr(kind, name, ())
            waiting += part if isinstance(part, tuple) else [part]
