"""Schemas by which pydantic reads, writes and describes our types. Only pydantic imports this module, through a hook.

Bodies and answers have the wire's names, as in the API's own JSON. Reading goes through our own reader, whose problems
become pydantic's, each at its place; the shape of the fields is for the JSON schema (OpenAPI) only.
"""

import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from msgspec import Meta
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from .fields import StructField, fields_of
from .reader import MISSING, DictReader, PlacedProblem


def struct_schema(struct: Any, generate: Callable[[Any], core_schema.CoreSchema]) -> core_schema.CoreSchema:
    """Return the schema of a request or an answer."""

    def read(value: object, _shape: object) -> Any:
        reader = DictReader(wire=True)
        found = reader.read(struct, value)
        if reader.problems:
            raise ValidationError.from_exception_data(struct.__name__, [_details(each) for each in reader.problems])
        return found

    fields = {field.wire: _field(field, generate) for field in fields_of(struct)}
    shape = core_schema.typed_dict_schema(fields, extra_behavior="allow" if struct.keeps_unknown else "forbid")
    return core_schema.no_info_wrap_validator_function(
        read,
        shape,
        ref=f"{struct.__module__}.{struct.__qualname__}:{id(struct)}",
        serialization=core_schema.plain_serializer_function_ser_schema(lambda row: row.to_dict(wire=True)),
        metadata={"pydantic_js_updates": {"title": struct.__name__, "description": inspect.getdoc(struct)}},
    )


def open_enum_schema(enum: type[Enum]) -> core_schema.CoreSchema:
    """Return the schema of an open enum: any text, with the known values listed."""
    known = {"x-known-values": [member.value for member in enum]}
    return core_schema.no_info_after_validator_function(
        enum,
        core_schema.str_schema(),
        serialization=core_schema.to_string_ser_schema(),
        metadata={"pydantic_js_updates": known},
    )


def _details(problem: PlacedProblem) -> InitErrorDetails:
    kind: Any = (
        "missing"
        if problem.reason == MISSING
        else PydanticCustomError("octoffm", "{reason}", {"reason": problem.reason})
    )
    return InitErrorDetails(type=kind, loc=problem.where, input=problem.value)


def _field(field: StructField, generate: Callable[[Any], core_schema.CoreSchema]) -> core_schema.TypedDictField:
    notes: Sequence[Any] = getattr(field.annotation, "__metadata__", ())
    updates: dict[str, Any] = {}
    for note in notes:
        if isinstance(note, Meta):
            updates |= {
                **(note.extra_json_schema or {}),
                **({"description": note.description} if note.description else {}),
            }
    kind = field.annotation.__origin__ if notes else field.annotation
    return core_schema.typed_dict_field(
        generate(kind), required=field.required, metadata={"pydantic_js_updates": updates}
    )
