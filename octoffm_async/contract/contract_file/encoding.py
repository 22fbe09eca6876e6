"""Encoder of requests: the contract's structs as JSON bytes, under the names that the API uses.

If only names differ, the encoder builds no intermediate object: it replaces the names in the encoded bytes. That is
safe because JSON escapes a quotation mark inside a string, so ``"name":`` can only be the name of a member, and because
the encoder does so only if a name has the same replacement in all objects of the request. Requests with scales, paths,
spread objects or members that the package does not model go through :mod:`.translation`.
"""

from typing import Any, cast

import msgspec

from ..answers.field_specs import specs_of
from ..operations import Operation
from .translation import EXTRA_PREFIX, Translation

_ENCODER = msgspec.json.Encoder()
_X = ord("x")


class RequestEncoder:
    """Encoder of the request bodies of one session."""

    def __init__(self, translation: Translation) -> None:
        self._translation = translation
        self._exchanges: dict[Operation[Any], list[tuple[bytes, bytes]] | None] = {}

    def encode(self, operation: Operation[Any], body: Any) -> bytes:
        """Return the bytes of a body: a request, a list of them, or their JSON under the contract's names (``Raw``)."""
        encoded = _ENCODER.encode(body)
        try:
            exchanged = self._exchanges[operation]
        except KeyError:
            exchanged = self._exchanges[operation] = self._exchanged(operation)
        # Many bodies contain no x, and a search for one byte is much faster than for several. `in` is slow for several.
        if exchanged is None or (_X in encoded and encoded.rfind(EXTRA_PREFIX) >= 0):
            return _ENCODER.encode(self._translation.request_to_wire(operation, msgspec.json.decode(encoded)))
        for ours, theirs in exchanged:
            encoded = encoded.replace(ours, theirs)
        return encoded

    def encode_item(self, operation: Operation[Any], item: msgspec.Struct) -> bytes:
        """Return the bytes of one item as the body contains it: without the list around it in a call for many items."""
        if operation.max_items == 1:
            return self.encode(operation, item)
        members = msgspec.json.decode(_ENCODER.encode(item))
        return _ENCODER.encode(self._translation.to_wire(type(item), members))

    def _exchanged(self, operation: Operation[Any]) -> list[tuple[bytes, bytes]] | None:
        """Return the replacements in encoded bytes; None if more than names differs, or a name has two spellings."""
        mapping = self._translation.operation(operation)
        if mapping.wrap is not None or mapping.body is not None:
            return None
        names = self._names(cast("type[msgspec.Struct]", operation.request))
        if names is None:
            return None
        theirs: dict[str, str] = {}
        for ours, name in names:
            if theirs.setdefault(ours, name) != name:
                return None
        changed = {ours: name for ours, name in theirs.items() if ours != name}
        if any(
            name in theirs for name in changed.values()
        ):  # a later replacement would hit the result of an earlier one
            return None
        return [(_member(ours), _member(name)) for ours, name in changed.items()]

    def _names(self, struct: type[msgspec.Struct]) -> list[tuple[str, str]] | None:
        """Return pairs of our wire name and the API's, nested structs included; None if more than names differs."""
        translation = self._translation
        if translation.is_reshaped(struct) or translation.file.extra.get(struct.__name__):
            return None
        found: list[tuple[str, str]] = []
        for spec in specs_of(struct):
            if translation.api_spellings(spec.enum):
                return None
            found.append((spec.wire, translation.wire_name(struct, spec)))
            if spec.kind in ("struct", "list"):
                inner = self._names(spec.inner)
                if inner is None:
                    return None
                found += inner
        return found


def _member(name: str) -> bytes:
    return _ENCODER.encode(name) + b":"
