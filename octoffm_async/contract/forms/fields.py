"""The types of a struct's fields, taken apart: a value, a nested struct, or a list of them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

FieldKind = Literal["value", "struct", "list", "other"]


class StructField(NamedTuple):
    """A field of a struct: its names in Python, in our dictionaries and on the wire, and its content."""

    name: str
    key: str
    wire: str
    kind: FieldKind
    inner: Any
    annotation: Any
    required: bool


@lru_cache(maxsize=256)
def fields_of(struct: type[msgspec.Struct]) -> tuple[StructField, ...]:
    """Return the fields that the contract models, without ``extra``; a struct for one spelling has the same fields."""
    public: type[msgspec.Struct] = getattr(struct, "__modelled__", struct)
    return tuple(
        StructField(
            field.name,
            field.name.rstrip("_"),  # return_: a keyword in Python only
            field.encode_name,
            *content_of(field.type),
            field.type,
            field.required,
        )
        for field in msgspec.structs.fields(public)
        if field.name != "extra"
    )


def content_of(annotation: Any) -> tuple[FieldKind, Any]:
    """Return the kind of a field's content and its type: the value's own, the nested struct, or that of the items."""
    for part in _parts(annotation):
        origin: Any = get_origin(part)
        if origin in (dict, Mapping):
            return "other", part
        if origin in (list, Sequence):
            item = get_args(part)[0]
            return ("list", item) if _is_struct(item) else ("other", part)
        if _is_struct(part):
            return "struct", part
        return "value", part
    return "other", annotation


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _parts(annotation: Any) -> list[Any]:
    """Return the members of a type, without ``None`` and ``Annotated`` metadata."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) is None or get_origin(annotation) in (list, dict, Sequence, Mapping):
        return [annotation]
    members = get_args(annotation)
    return [part for member in members if member is not NoneType for part in _parts(member)]
