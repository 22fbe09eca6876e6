"""Registry of the structs, open enums and operations by the names that a contract file uses.

The registry walks the operations table, so a new struct is available to contract files without registration.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from ..base import OpenEnum, Request, modelled_fields
from ..operations import OPERATIONS, Operation

# Containers of rows: a page, the answer to a registration, the other layout of quantities.
_CONTAINERS = frozenset({"PageBody", "ProductResults", "TypedQuantity"})
_CONTRACT = OpenEnum.__module__.rpartition(".")[0] + "."
_NO_HOLDERS = (Annotated, Union, UnionType)


def structs_in(kind: Any, *, lists: bool = True) -> Iterator[type[msgspec.Struct]]:
    """Yield each struct that a type names (with repeats); with ``lists=False`` without the items of lists."""
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        yield origin
    if lists or origin in _NO_HOLDERS:
        for part in get_args(kind):
            yield from structs_in(part, lists=lists)


@cache
def fields_of(struct: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """Return the fields that the contract models, by Python name."""
    own = modelled_fields(struct)
    return {field.name: field for field in msgspec.structs.fields(struct) if field.name in own}


def nested_struct(struct: type[msgspec.Struct], field: str) -> type[msgspec.Struct] | None:
    """Return the struct of a field that holds a single object; None if it holds a list or a plain value."""
    return next(structs_in(fields_of(struct)[field].type, lists=False), None)


def row_struct(struct: type[msgspec.Struct], field: str) -> type[msgspec.Struct] | None:
    """Return the struct of a field's object or of the rows of its list; None for plain values."""
    return nested_struct(struct, field) or next(structs_in(fields_of(struct)[field].type), None)


def is_number(kind: Any) -> bool:
    """Return True if a type admits a number and nothing else but None."""
    plain = plain_types(kind) - {type(None)}
    return bool(plain) and plain <= {int, float}


def plain_types(kind: Any) -> set[Any]:
    """Return the members of a union without ``Annotated`` metadata; lists keep their item types."""
    if get_origin(kind) not in _NO_HOLDERS:
        return {kind}
    parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    return {one for part in parts for one in plain_types(part)}


def _walked() -> dict[str, type[msgspec.Struct]]:
    found: dict[str, type[msgspec.Struct]] = {}
    for operation in OPERATIONS:
        waiting: list[Any] = [operation.answer, operation.request]
        while waiting:
            kind = waiting.pop()
            waiting += get_args(kind)
            for struct in structs_in(kind, lists=False):
                if struct.__name__ not in found:
                    found[struct.__name__] = struct
                    waiting += [field.type for field in reversed(msgspec.structs.fields(struct))]
    return {name: struct for name, struct in found.items() if name not in _CONTAINERS}


STRUCTS: Mapping[str, type[msgspec.Struct]] = _walked()
"""All structs of requests and answers, including nested ones, by name."""

REQUESTS: Mapping[str, type[msgspec.Struct]] = {
    name: struct for name, struct in STRUCTS.items() if issubclass(struct, Request)
}
"""The structs of requests, by name."""

ENUMS: Mapping[str, type[OpenEnum]] = {
    enum.__name__: enum for enum in OpenEnum.__subclasses__() if enum.__module__.startswith(_CONTRACT)
}
"""The open enums by name."""

BY_NAME: Mapping[str, Operation[Any]] = {operation.name: operation for operation in OPERATIONS}
"""The operations by name."""
