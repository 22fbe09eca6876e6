"""Specifications of the fields of each struct, for the code that reads and writes other spellings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, cast, get_args, get_origin

import msgspec

from ..base import OpenEnum, modelled_fields
from ..forms.fields import FieldKind, content_of

EXPECTED: Mapping[str, Sequence[str]] = {
    "Stock": ("quantities",),
    "Localization": ("storage_country",),
    "Quantities": ("available",),
    "InboundShipment": ("reference", "status", "lines"),
    "InboundLine": ("seller_product_reference", "quantity"),
    "OutboundShipment": ("reference", "status", "lines"),
    "ParcelLine": ("quantity",),
    "Return": ("status", "lines"),
    "ReturnLine": ("quantity",),
    "OutboundCancellation": ("status",),
}
"""Fields, besides identifying ones, whose absence is drift, because callers draw conclusions from them.

All other fields may be absent at any time (an order has parcels only once it is shipped).
"""


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """A field of a struct: its Python name, its wire name and its content.

    ``inner`` is the value's own type, the nested struct, or the type of a list's items. ``enum`` is the open enum of a
    text's known values, if there is one. ``expected``: its absence is drift. ``optional``: if it is absent or null, it
    reads as ``None``.
    """

    name: str
    wire: str
    kind: FieldKind
    inner: Any
    annotation: Any
    required: bool
    expected: bool
    optional: bool = False
    enum: type[OpenEnum] | None = None


@lru_cache(maxsize=256)
def specs_of(struct: type[msgspec.Struct]) -> tuple[FieldSpec, ...]:
    """Return the specifications of the fields that the contract models, in their order."""
    names = modelled_fields(struct)
    expected = EXPECTED.get(struct.__name__, ())
    return tuple(
        _spec(field, expected=field.name in expected) for field in msgspec.structs.fields(struct) if field.name in names
    )


@lru_cache(maxsize=256)
def paths_of_enum(struct: type[msgspec.Struct], enum: type[OpenEnum], path: str = "") -> tuple[str, ...]:
    """Return the paths below ``struct`` that hold values of ``enum``."""
    found: list[str] = []
    for spec in specs_of(struct):
        where = f"{path}.{spec.name}" if path else spec.name
        if spec.enum is enum:
            found.append(where)
        elif spec.kind in ("struct", "list"):
            found += paths_of_enum(spec.inner, enum, f"{where}[]" if spec.kind == "list" else where)
    return tuple(found)


def _spec(field: msgspec.structs.FieldInfo, *, expected: bool) -> FieldSpec:
    kind, inner = content_of(field.type)
    return FieldSpec(
        name=field.name,
        wire=field.encode_name,
        kind=kind,
        inner=inner,
        annotation=field.type,
        required=field.required,
        expected=expected or field.required,
        optional=field.default is None,
        enum=_enum(field.type, inner),
    )


def _enum(annotation: Any, inner: Any) -> type[OpenEnum] | None:
    if isinstance(inner, type) and issubclass(inner, OpenEnum):
        return inner
    notes: tuple[Any, ...] = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    for note in notes:
        if isinstance(note, msgspec.Meta) and note.extra and "enum" in note.extra:
            return cast("type[OpenEnum]", note.extra["enum"])
    return None
