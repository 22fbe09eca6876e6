"""The two kinds of struct, the open enum, and the tags that say how sure we are of each name.

Every field of the contract carries one of three tags:

- ``D`` documented by Octopia,
- ``S`` seen in public client code,
- ``A`` our assumption: nothing public shows it.

The tags are part of the type (``Annotated[str, D]``) and cost nothing when a message is read or written; they come
out as ``x-provenance`` in a JSON schema. So do bounds (:func:`bounds`) and the known values of a text (:func:`known`).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, Self, cast

import msgspec

Tag = Literal["D", "S", "A"]


def _tag(letter: Tag) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"x-provenance": letter})


D = _tag("D")
S = _tag("S")
A = _tag("A")


def bounds(tag: Tag, **keywords: float | str) -> msgspec.Meta:
    """Bounds that a JSON schema shows, under their JSON schema names, and how sure they are. Decoding ignores them."""
    return msgspec.Meta(extra_json_schema={**keywords, "x-bounds-provenance": tag})


FILLED = bounds("A", minLength=1)


def known(values: type[StrEnum]) -> msgspec.Meta:
    """The values of a text that this version of the contract knows; others may be sent as well."""
    return msgspec.Meta(extra_json_schema={"x-known-values": [value.value for value in values]})


# A server chooses the values of an open enum, so the memory that remembers them is bounded.
_REMEMBERED_UNKNOWN_VALUES = 256


class OpenEnum(StrEnum):
    """An enum of the API that may grow: an unknown value becomes a member that keeps its text.

    Values compare ignoring case on the way in (``"accepted"`` is ``Accepted``); unknown text goes back out unchanged.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        if (seen := cls._value2member_map_.get(value)) is not None:  # msgspec asks again for each unknown value
            return cast("Self", seen)
        folded = value.casefold()
        for member in cls:
            if member.value.casefold() == folded:
                return member
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        if len(cls._value2member_map_) < _REMEMBERED_UNKNOWN_VALUES:
            cls._value2member_map_[value] = unknown
        return unknown

    @property
    def known(self) -> bool:
        """Whether this value was in the contract when this version of the package was made."""
        return any(self is member for member in type(self))


def at_or_after(flow: Sequence[OpenEnum], status: OpenEnum, wanted: OpenEnum) -> bool:
    """Whether ``status`` stands at ``wanted`` or behind it in ``flow``; off the flow only itself counts."""
    if status in flow and wanted in flow:
        return flow.index(status) >= flow.index(wanted)
    return status == wanted


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the filters of a list or a count. Filters that are not given are left out of the query."""


class Request(Query, frozen=True, kw_only=True):
    """Base of what a caller sends as JSON. Optional fields that are not given are left out of the message.

    ``extra`` holds members that the API wants and this package does not model: they are sent as they stand, beside the
    struct's own members, and must not bear the name of one of those::

        ShipmentLine(seller_product_reference="SKU-1", quantity=2, extra={"giftWrap": True})
    """

    extra: Mapping[str, Any] | None = None


def own_fields(struct: type[msgspec.Struct] | msgspec.Struct) -> tuple[str, ...]:
    """Return the Python names of the fields that the contract models, without ``extra``."""
    return tuple(name for name in struct.__struct_fields__ if name != "extra")


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """What the API answers. Unknown fields are ignored; what may be absent is ``None``."""
