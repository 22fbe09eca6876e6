"""The two kinds of struct, the open enum, and the tags that say how sure we are of each name.

Every field of the contract carries one of three tags:

- ``D`` documented by Octopia,
- ``S`` seen in public client code,
- ``A`` our assumption: nothing public shows it.

The tags are part of the type (``Annotated[str, D]``) and cost nothing when a message is read or written; they come
out as ``x-provenance`` in a JSON schema. So do bounds (:func:`bounds`) and the known values of a text (:func:`known`).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, Self, TypeVar, cast, get_args

import msgspec

from .json_values import is_array

Tag = Literal["D", "S", "A"]
AnswerT = TypeVar("AnswerT", bound="Answer")


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
    return msgspec.Meta(extra_json_schema={"x-known-values": [value.value for value in values]}, extra={"enum": values})


# A server chooses the values of an open enum, so the memory that remembers them is bounded.
_REMEMBERED_VALUES = 256
_LONGEST_REMEMBERED = 100
# Not among the enum's own values: msgspec takes all of those for known ones when it makes a decoder.
_REMEMBERED: defaultdict[type["OpenEnum"], dict[str, "OpenEnum"]] = defaultdict(dict)
UNKNOWN_VALUES: list[tuple[type["OpenEnum"], str]] = []
"""Unknown values that were met and not yet taken; empty for nearly every answer, so its reader looks here first."""

_SEPARATORS = re.compile(r"[\s_-]+")
_ONE_CLASS = {"rejected": "refused", "canceled": "cancelled"}
"""Words that mean the same in this family of APIs, tidied: both of each pair live in it (**S**)."""


def tidied(text: str) -> str:
    """Return ``text`` without what spellings of one value differ in: case, blanks, ``_`` and ``-``."""
    return _SEPARATORS.sub("", text).casefold()


class OpenEnum(StrEnum):
    """An enum of the API that may grow: an unknown value becomes a member that keeps its text.

    Another spelling of a known value is that value: case, blanks, ``_`` and ``-`` do not count (``"in_preparation "``
    is ``InPreparation``). Unknown text goes back out unchanged; :attr:`meaning` tells what it stands for.
    """

    _stands_for: Self

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        remembered = _REMEMBERED[cls]
        if (seen := remembered.get(value)) is not None:  # msgspec asks again for each unknown value
            if not UNKNOWN_VALUES and seen.value == value:  # else it is another spelling of a known one
                UNKNOWN_VALUES.append((cls, value))
            return cast("Self", seen)
        tidy = tidied(value)
        members = {tidied(member.value): member for member in cls}
        found = members.get(tidy)
        if found is None:
            if len(UNKNOWN_VALUES) < _REMEMBERED_VALUES:
                UNKNOWN_VALUES.append((cls, value))
            found = str.__new__(cls, value)
            found._name_ = value
            found._value_ = value
            if (stands_for := members.get(_ONE_CLASS.get(tidy, ""))) is not None:
                found._stands_for = stands_for  # noqa: SLF001  (its own class makes it)
        if len(value) <= _LONGEST_REMEMBERED and len(remembered) < _REMEMBERED_VALUES:
            remembered[value] = found
        return found

    @property
    def known(self) -> bool:
        """Whether this value was in the contract when this version of the package was made."""
        return any(self is member for member in type(self))

    @property
    def meaning(self) -> Self:
        """The value of the contract that this text stands for: ``Refused`` for ``Rejected``; else the value itself."""
        return getattr(self, "_stands_for", self)


def take_unknown_values() -> list[tuple[type[OpenEnum], str]]:
    """Return the values that were unknown since this was last asked, and forget them.

    Decoding in C calls the enum and nobody else, so this is how its caller learns of them.
    """
    if not UNKNOWN_VALUES:
        return []
    taken = UNKNOWN_VALUES.copy()
    UNKNOWN_VALUES.clear()
    return taken


def at_or_after(flow: Sequence[OpenEnum], status: OpenEnum, wanted: OpenEnum) -> bool:
    """Whether ``status`` stands at ``wanted`` or behind it in ``flow``; off the flow only its own class counts.

    A status that is not known is never taken for one that was reached.
    """
    if status in flow and wanted in flow:
        return flow.index(status) >= flow.index(wanted)
    return status.meaning == wanted.meaning


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the filters of a list or a count. Filters that are not given are left out of the query."""


class Request(Query, frozen=True, kw_only=True):
    """Base of what a caller sends as JSON. Optional fields that are not given are left out of the message.

    ``extra`` holds members that the API wants and this package does not model: they are sent as they stand, beside the
    struct's own members, and must not bear the name of one of those::

        ShipmentLine(seller_product_reference="SKU-1", quantity=2, extra={"giftWrap": True})
    """

    extra: Mapping[str, Any] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """Base of what the API answers. What an answer did not hold is ``None``, an absent list is empty.

    A row may be an instance of a subclass made for the spelling that an API was seen to use (see :mod:`.wire_types`).
    Such a row equals one of the public class with the same content, and is pickled as one. Encoded by msgspec it keeps
    the API's spelling; :func:`members_of` gives the contract's.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Let times that stand for none read as ``None``; the check costs nothing when a message is decoded."""
        super().__init_subclass__(**options)
        for name, kind in cls.__annotations__.items():
            if name in cls.__dict__ and _names_a_time(kind):
                setattr(cls, name, _moment_or_none(cls.__dict__[name]))

    @property
    def extra(self) -> Mapping[str, Any]:
        """What the API told and this package does not model, under the API's names.

        A member of a modelled field whose value could not be read stands here as it came, too.
        """
        return {}

    def __eq__(self, other: object) -> bool:
        """Compare what two answers hold, whichever spelling they came in."""
        if not isinstance(other, Answer) or modelled(type(self)) is not modelled(type(other)):
            return NotImplemented
        return _values(self) == _values(other) and self.extra == other.extra

    def __repr__(self) -> str:
        """Show what the contract models, as its properties give it, whichever spelling it came in."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in own_fields(self))
        return f"{modelled(type(self)).__name__}({shown})"

    def __hash__(self) -> int:
        """Hash what the contract models; an answer that holds a list has no hash."""
        return hash((modelled(type(self)), _values(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the public class, with what is not modelled."""
        fields = dict(zip(own_fields(self), _values(self), strict=True))
        return _rebuilt, (modelled(type(self)), fields, dict(self.extra))


def modelled(answer: type[msgspec.Struct]) -> type[Any]:
    """Return the public class of an answer: a class made for one spelling names the class it stands for."""
    return getattr(answer, "__modelled__", answer)


def own_fields(struct: type[msgspec.Struct] | msgspec.Struct) -> tuple[str, ...]:
    """Return the Python names of the fields that the contract models, without what is extra."""
    cls = struct if isinstance(struct, type) else type(struct)
    return tuple(name for name in modelled(cls).__struct_fields__ if name != "extra")


def members_of(answer: Answer) -> dict[str, Any]:
    """Return an answer as members under the contract's names, whatever spelling it came in, and its extra ones."""
    cls = modelled(type(answer))
    names = zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)
    members = {wire: _plain(getattr(answer, name)) for name, wire in names}
    return members | {name: value for name, value in answer.extra.items() if name not in members}


def _plain(value: Any) -> Any:
    if isinstance(value, Answer):
        return members_of(value)
    return [_plain(part) for part in value] if is_array(value) else value


def with_extra(cls: type[AnswerT], fields: Mapping[str, Any], extra: Mapping[str, Any]) -> AnswerT:
    """Make an answer of ``fields`` (Python names) that tells ``extra`` as well."""
    return _open_class(cls)(**fields, unmodelled=extra) if extra else cls(**fields)


@lru_cache(maxsize=256)
def _open_class(cls: type[Any]) -> type[Any]:
    return msgspec.defstruct(
        cls.__name__,
        [("unmodelled", dict[str, Any])],
        bases=(cls,),
        module=cls.__module__,
        namespace={"__modelled__": cls, "extra": property(lambda self: self.unmodelled)},
        frozen=True,
        kw_only=True,
        gc=False,
    )


def _rebuilt(cls: type[AnswerT], fields: Mapping[str, Any], extra: Mapping[str, Any]) -> AnswerT:
    return with_extra(cls, fields, extra)


def _values(answer: Answer) -> tuple[Any, ...]:
    return tuple(getattr(answer, name) for name in own_fields(answer))


def _names_a_time(kind: Any) -> bool:
    return any(
        part is datetime for part in (kind, *get_args(kind), *get_args(get_args(kind)[0] if get_args(kind) else ()))
    )


def _moment_or_none(stored: Any) -> Any:
    read = cast("Callable[[Any], datetime | None]", stored.__get__)

    def moment(answer: Any) -> datetime | None:
        found = read(answer)
        if found is None or stands_for_none(found):
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found

    return property(moment, doc="A time with its zone (UTC if the API told none); ``None`` if there is no time.")


def stands_for_none(moment: datetime) -> bool:
    """Return True for the smallest and the largest date of .NET, which stand for "no date" there."""
    return moment.year == 1 or (moment.year == 9999 and moment.month == 12)
