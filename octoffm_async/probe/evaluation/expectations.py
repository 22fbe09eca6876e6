"""The contract's expectations of an answer, as a tree to compare with a shape. Pure, and cached for each struct."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from ...contract.base import OpenEnum, modelled_fields

_JSON_OF: tuple[tuple[type, frozenset[str]], ...] = (
    (inspect.NoneType, frozenset({"null"})),
    (inspect.BoolType, frozenset({"boolean"})),
    (inspect.IntType, frozenset({"integer"})),
    (inspect.FloatType, frozenset({"number", "integer"})),
    (inspect.StrType, frozenset({"string"})),
    (inspect.EnumType, frozenset({"string"})),
    (inspect.DateTimeType, frozenset({"string"})),
    (inspect.CollectionType, frozenset({"array"})),
    (inspect.StructType, frozenset({"object"})),
    (inspect.DictType, frozenset({"object"})),
)


class Expected(NamedTuple):
    """The expected value at one place: its JSON types, the struct of an object, the items of an array, the enum."""

    types: frozenset[str]
    struct: type[msgspec.Struct] | None = None
    item: Expected | None = None
    enum: type[OpenEnum] | None = None
    is_time: bool = False


class ExpectedField(NamedTuple):
    """A field of a struct: its Python name, its wire name, the source of our knowledge (``tag``), and its value."""

    name: str
    wire: str
    tag: str
    required: bool
    holds: Expected


@cache
def fields_of(struct: type[msgspec.Struct]) -> tuple[ExpectedField, ...]:
    """Return the fields of a struct that the contract models, in order."""
    kind = inspect.type_info(struct)
    own = modelled_fields(struct)
    described = kind.fields if isinstance(kind, inspect.StructType) else ()
    return tuple(
        ExpectedField(field.name, field.encode_name, _tag(field.type), field.required, _expected(field.type))
        for field in described
        if field.name in own
    )


@cache
def expected_of(answer: Any) -> Expected:
    """Return the expectation of a type of the contract."""
    return _expected(inspect.type_info(answer))


def _expected(kind: Any) -> Expected:
    match kind:
        case inspect.Metadata():
            return _expected(kind.type)
        case inspect.UnionType():
            return _any_of([_expected(one) for one in kind.types])
        case inspect.StructType():
            return Expected(frozenset({"object"}), struct=kind.cls)
        case inspect.EnumType():
            enum = kind.cls if issubclass(kind.cls, OpenEnum) else None
            return Expected(frozenset({"string"}), enum=enum)
        case inspect.CollectionType():
            return Expected(frozenset({"array"}), item=_expected(kind.item_type))
        case _:
            types = next((types for one, types in _JSON_OF if isinstance(kind, one)), frozenset[str]())
            return Expected(types, is_time=isinstance(kind, inspect.DateTimeType))


def _any_of(parts: list[Expected]) -> Expected:
    return Expected(
        frozenset[str]().union(*(part.types for part in parts)),
        struct=next((part.struct for part in parts if part.struct is not None), None),
        item=next((part.item for part in parts if part.item is not None), None),
        enum=next((part.enum for part in parts if part.enum is not None), None),
        is_time=any(part.is_time for part in parts),
    )


def _tag(kind: Any) -> str:
    extra: Any = cast("Any", kind).extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str(extra.get("x-provenance", "")) if extra else ""
