"""Requests as bytes: the contract's structs encoded once, under the names that the API uses.

Where nothing differs, or names only, encoding stays in C (a struct with other names is filled and encoded). Scales,
paths, spread objects and members that are not modelled take the way over :mod:`.translation`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import msgspec

from .operations import Operation
from .specs import FieldSpec, specs_of
from .translation import Translation

_ENCODER = msgspec.json.Encoder()
_EXTRA = b'"extra":{'
"""Inside a text, a quotation mark is escaped: these bytes stand for a member only."""


class RequestEncoder:
    """Encodes the bodies of one session's requests."""

    def __init__(self, translation: Translation) -> None:
        self._translation = translation
        self._encoders: dict[Operation[Any], Callable[[Any], bytes]] = {}

    def encode(self, operation: Operation[Any], body: Any) -> bytes:
        """Return the bytes of a body: a request, a list of them, or their JSON under the contract's names (``Raw``)."""
        encoder = self._encoders.get(operation)
        if encoder is None:
            if operation.request is None:  # a call that is not modelled: its body is the caller's affair
                return _ENCODER.encode(body)
            encoder = self._encoders[operation] = self._encoder(operation)
        return encoder(body)

    def _encoder(self, operation: Operation[Any]) -> Callable[[Any], bytes]:
        struct = cast("type[msgspec.Struct]", operation.request)
        renames = self._renames(struct)
        mapping = self._translation.operation(operation)
        if renames is None or mapping.wrap is not None or mapping.body is not None:
            return lambda body: self._by_members(operation, _ENCODER.encode(body))
        if not renames:
            return lambda body: self._with_extra(operation, _ENCODER.encode(body))
        renamed = _renamed(struct, renames)
        listed: Any = list.__class_getitem__(renamed)
        decoder = msgspec.json.Decoder[Any](struct | list.__class_getitem__(struct))

        def encode(body: Any) -> bytes:
            if isinstance(body, msgspec.Raw):
                body = decoder.decode(body)
            plain = msgspec.convert(body, listed if isinstance(body, list | tuple) else renamed, from_attributes=True)
            encoded = _ENCODER.encode(plain)
            return self._by_members(operation, _ENCODER.encode(body)) if _EXTRA in encoded else encoded

        return encode

    def _with_extra(self, operation: Operation[Any], encoded: bytes) -> bytes:
        return self._by_members(operation, encoded) if _EXTRA in encoded else encoded

    def _by_members(self, operation: Operation[Any], encoded: bytes) -> bytes:
        return _ENCODER.encode(self._translation.request_to_wire(operation, msgspec.json.decode(encoded)))

    def _renames(self, struct: type[msgspec.Struct]) -> tuple[tuple[str, str, str], ...] | None:
        """Return (struct, field, name) of all other names below ``struct``; None if more than names differs."""
        translation = self._translation
        if translation.is_reshaped(struct) or translation.file.extra.get(struct.__name__):
            return None
        found: list[tuple[str, str, str]] = []
        for spec in specs_of(struct):
            if translation.their_values(spec.enum):
                return None
            if (name := translation.wire_name(struct, spec)) != spec.wire:
                found.append((struct.__name__, spec.name, name))
            if spec.kind in ("struct", "list"):
                inner = self._renames(spec.inner)
                if inner is None:
                    return None
                found += inner
        return tuple(found)


@lru_cache(maxsize=64)
def _renamed(struct: type[msgspec.Struct], renames: tuple[tuple[str, str, str], ...]) -> Any:
    """Return a struct with the fields of ``struct`` under other names."""
    names = {(owner, field): name for owner, field, name in renames}
    fields: list[Any] = []
    for info in msgspec.structs.fields(struct):
        spec = next((each for each in specs_of(struct) if each.name == info.name), None)
        kind = info.type if spec is None else _kind(spec, renames)
        name = names.get((struct.__name__, info.name), info.encode_name)
        if info.default_factory is not msgspec.NODEFAULT:
            fields.append((info.name, kind, msgspec.field(name=name, default_factory=info.default_factory)))
        elif info.default is not msgspec.NODEFAULT:
            fields.append((info.name, kind, msgspec.field(name=name, default=info.default)))
        else:
            fields.append((info.name, kind, msgspec.field(name=name)))
    return msgspec.defstruct(struct.__name__, fields, omit_defaults=True, kw_only=True, gc=False)


def _kind(spec: FieldSpec, renames: tuple[tuple[str, str, str], ...]) -> Any:
    if spec.kind == "list":
        return list.__class_getitem__(_renamed(spec.inner, renames))
    if spec.kind == "struct":
        inner = _renamed(spec.inner, renames)
        return inner if spec.required else inner | None
    return spec.annotation
