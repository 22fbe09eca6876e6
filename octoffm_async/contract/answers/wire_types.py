"""Types that decode one API's spelling in C: subclasses of the contract's structs, made from observed answers.

A type made here rejects every answer that it was not made for (an unknown member, an expected field that is absent, a
value in another form). The tolerant reader (:mod:`.reader`) then reads the answer and records the difference, and a
new type is made. So no difference goes unnoticed, and a spelling that was seen once costs no more than the contract's
own.

Types are shared: two clients of one API, or a list and a single answer of the same form, use the same types.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, cast

import msgspec

from ..base import make_struct
from ..contract_file.translation import Translation
from .field_specs import FieldSpec, specs_of
from .reader import ObservedSpelling, value_reader
from .values import GTIN_DIGITS

_ZONED = msgspec.Meta(tz=True)
_IMPOSSIBLE = msgspec.Meta(ge=1, le=0)
_GTIN = msgspec.Meta(gt=0, lt=10**GTIN_DIGITS)


@dataclass(frozen=True)
class _Member:
    """The decoding of one modelled field: by msgspec, as a nested struct, or by the tolerant reader (``by_reader``)."""

    spec: FieldSpec
    wire: str
    required: bool
    by_reader: bool
    nullable: bool
    zoneless: bool
    integer: bool
    inside: "DecodingForm | None" = None


@dataclass(frozen=True)
class DecodingForm:
    """The decoding of one object; ``None`` for ``members`` means by the tolerant reader as a whole."""

    struct: type[msgspec.Struct]
    path: str
    members: tuple[_Member, ...] | None
    unknown: tuple[tuple[str, bool], ...] = ()
    lax: bool = False


def decoding_form(struct: type[msgspec.Struct], translation: Translation, learned: ObservedSpelling) -> DecodingForm:
    """Return the decoding of ``struct`` for the spelling that was observed. Equal forms share a type."""
    return _form(struct, "", translation, learned)


def _form(struct: type[msgspec.Struct], path: str, translation: Translation, learned: ObservedSpelling) -> DecodingForm:
    if translation.is_reshaped(struct) or path in learned.maps:
        return DecodingForm(struct, path, None)
    members = tuple(_member(struct, spec, path, translation, learned) for spec in specs_of(struct))
    return DecodingForm(struct, path, members, tuple(learned.unknown.get(path, {}).items()), learned.lax)


def _member(
    struct: type[msgspec.Struct], spec: FieldSpec, path: str, translation: Translation, learned: ObservedSpelling
) -> _Member:
    where = f"{path}.{spec.name}" if path else spec.name
    odd = spec.name in learned.odd.get(path, ()) or bool(translation.api_spellings(spec.enum))
    inside = None
    if spec.kind in ("struct", "list") and not odd:
        inside = _form(spec.inner, f"{where}[]" if spec.kind == "list" else where, translation, learned)
    return _Member(
        spec,
        learned.names.get(path, {}).get(spec.name) or translation.wire_name(struct, spec),
        required=spec.required or (spec.expected and spec.name not in learned.absent.get(path, ())),
        by_reader=odd,
        zoneless=spec.name in learned.zoneless.get(path, ()),
        integer=spec.name in learned.integers.get(path, ()),
        nullable=spec.name in learned.null.get(path, ()),
        inside=inside,
    )


class _AnyInstance(type):
    """Metaclass of hooks: msgspec accepts any result of the reader as an instance."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True


@lru_cache(maxsize=1024)
def reader_hook(struct: type[msgspec.Struct], spec: FieldSpec | None, path: str) -> type[Any]:
    """Return the type that makes msgspec call the tolerant reader for an object, or with ``spec`` for one field."""
    where = path if spec is None else f"{path}.{spec.name}" if path else spec.name
    return _AnyInstance("ReadCarefully", (), {"struct": struct, "spec": spec, "path": path, "where": where})


@lru_cache(maxsize=512)
def decoding_type(form: DecodingForm) -> Any:
    """Return the type that decodes an object of this form."""
    if form.members is None:
        return reader_hook(form.struct, None, form.path)
    fields: list[Any] = [_field(form, member) for member in form.members]
    extra: dict[str, str] = {}
    for number, (wire, is_scalar) in enumerate(form.unknown):
        name = f"extra_{number}_{wire}" if wire.isidentifier() else f"extra_{number}"
        extra[name] = wire
        fields.append((name, Any if is_scalar else msgspec.Raw, msgspec.field(name=wire, default=msgspec.UNSET)))
    made = make_struct(form.struct, fields, {"extra": _extra_property(extra)}, forbid_unknown_fields=True)
    for member in form.members:
        stored = getattr(form.struct, member.spec.name)
        if member.nullable:
            setattr(made, member.spec.name, _filled_property(stored, member.spec))
        elif member.integer:
            setattr(made, member.spec.name, _text_property(stored, member.spec))
    return made


def _field(form: DecodingForm, member: _Member) -> Any:
    spec = member.spec
    if member.by_reader:
        kind: Any = reader_hook(form.struct, spec, form.path)
    elif member.inside is not None:
        kind = decoding_type(member.inside)
        if spec.kind == "list":
            kind = list[kind]
    else:
        kind = spec.inner if spec.kind == "value" else spec.annotation
        if spec.inner is datetime:
            kind = datetime if member.zoneless else Annotated[datetime, _ZONED]
            if form.lax:  # lax msgspec reads any number as seconds since 1970, even 20261115
                kind = kind | Annotated[int, _IMPOSSIBLE] | Annotated[float, _IMPOSSIBLE]
        elif member.integer:
            kind = str | (Annotated[int, _GTIN] if spec.name == "gtin" else int)
    info = next(each for each in msgspec.structs.fields(form.struct) if each.name == spec.name)
    if member.required:
        return spec.name, kind, msgspec.field(name=member.wire)
    if info.default_factory is not msgspec.NODEFAULT:
        if member.nullable:
            return spec.name, kind | None, msgspec.field(name=member.wire, default=None)
        return spec.name, kind, msgspec.field(name=member.wire, default_factory=info.default_factory)
    return spec.name, kind | None, msgspec.field(name=member.wire, default=info.default)


def _extra_property(names: dict[str, str]) -> property:
    """Return a property with the members that are not modelled, decoded on access."""

    def extra(answer: Any) -> dict[str, Any]:
        found = ((wire, getattr(answer, name)) for name, wire in names.items())
        return {
            wire: _decoded(value) if isinstance(value, msgspec.Raw) else value
            for wire, value in found
            if value is not msgspec.UNSET
        }

    return property(extra)


def _decoded(value: msgspec.Raw) -> Any:
    """Decode a raw member; msgspec checked only its structure before."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # invalid UTF-8, or a number that is too large
        return json.loads(bytes(value).decode("utf-8", "replace"), strict=False)


def _filled_property(stored: Any, spec: FieldSpec) -> property:
    """Return a property for a list or an object that may be null: null reads as an empty one."""
    read, empty = stored.__get__, list[Any] if spec.kind == "list" else spec.inner

    def filled(answer: Any) -> Any:
        found = read(answer)
        return empty() if found is None else found

    return property(filled)


def _text_property(stored: Any, spec: FieldSpec) -> property:
    """Return a property for a text that may come as an integer."""
    stored_value, read = stored.__get__, value_reader(spec)

    def text(answer: Any) -> str | None:
        found = stored_value(answer)
        return cast("str | None", read(found) if isinstance(found, int) else found)

    return property(text)
