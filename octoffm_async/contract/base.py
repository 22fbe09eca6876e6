"""Base classes of the contract's structs, the open enum, and the tags that name the source of each field.

Every field of the contract has one of three tags:

- ``D`` documented by Octopia,
- ``S`` seen in public client code,
- ``A`` assumed: nothing public shows it.

Tags, descriptions (``Meta(description=…)``), bounds (:func:`bounds`) and the known values of a text (:func:`known`) are
metadata of a field's type: ``Annotated[str, D, Meta(description="…")]``. They cost nothing when msgspec decodes or
encodes a message. A JSON schema shows them all (the tag as ``x-provenance``); ``help()`` shows the description with the
source as a word, and a signature without metadata (:class:`ContractMeta`).
"""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta

from .forms.convertible import Convertible

Tag = Literal["D", "S", "A"]
AnswerT = TypeVar("AnswerT", bound="Answer")

if TYPE_CHECKING:
    NameT = TypeVar("NameT")
    Text: TypeAlias = NameT | str
else:

    class Text:
        """Text in a field: ``Text[SortOrderName]`` completes the known values in editors, and is ``str`` for msgspec.

        msgspec takes no union of literals and other text; checking literals would also cost time.
        """

        def __class_getitem__(cls, _names: object) -> type[str]:
            """Return ``str``."""
            return str


def _tag(letter: Tag) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"x-provenance": letter})


D = _tag("D")
S = _tag("S")
A = _tag("A")
SOURCES: Mapping[str, str] = {"D": "documented", "S": "seen", "A": "assumed"}
"""The words for the tags."""


def bounds(tag: Tag, **keywords: float | str) -> msgspec.Meta:
    """Return bounds under their JSON schema names, with the tag of their source. Decoding ignores them."""
    return msgspec.Meta(extra_json_schema={**keywords, "x-bounds-provenance": tag})


NON_EMPTY = bounds("A", minLength=1)


def known_values(values: type[StrEnum]) -> msgspec.Meta:
    """Return the known values of a text as metadata; callers may send other values as well."""
    return msgspec.Meta(extra_json_schema={"x-known-values": [value.value for value in values]}, extra={"enum": values})


# A server chooses the values of an open enum, so the cache is bounded.
_REMEMBERED_VALUES = 256
_LONGEST_REMEMBERED = 100
# Unknown values are not added to the enum: msgspec treats all members as known when it builds a decoder.
_REMEMBERED: defaultdict[type["OpenEnum"], dict[str, "OpenEnum"]] = defaultdict(dict)
UNKNOWN_VALUES: list[tuple[type["OpenEnum"], str]] = []
"""Unknown values since the last :func:`take_unknown_values`; nearly always empty, so callers check it first."""

_SEPARATORS = re.compile(r"[\s_-]+")
_ONE_CLASS = {"rejected": "refused", "canceled": "cancelled"}
"""Words with the same meaning in this family of APIs, in tidied form: both of each pair occur (seen)."""


def normalized_value(text: str) -> str:
    """Return ``text`` without the differences between spellings of one value: case, spaces, ``_`` and ``-``."""
    return _SEPARATORS.sub("", text).casefold()


class OpenEnum(StrEnum):
    """An enum of the API that may grow: an unknown value becomes a member that keeps its text.

    Another spelling of a known value gives the known value: case, spaces, ``_`` and ``-`` do not count
    (``"in_preparation "`` is ``InPreparation``). Unknown text is encoded unchanged; :attr:`meaning` gives the known
    value that it stands for.
    """

    _stands_for: Self

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        remembered = _REMEMBERED[cls]
        if (seen := remembered.get(value)) is not None:  # msgspec calls this for each occurrence of an unknown value
            if not UNKNOWN_VALUES and seen.value == value:  # otherwise a spelling of a known value
                UNKNOWN_VALUES.append((cls, value))
            return cast("Self", seen)
        tidy = normalized_value(value)
        members = {normalized_value(member.value): member for member in cls}
        found = members.get(tidy)
        if found is None:
            if len(UNKNOWN_VALUES) < _REMEMBERED_VALUES:
                UNKNOWN_VALUES.append((cls, value))
            found = str.__new__(cls, value)
            found._name_ = value
            found._value_ = value
            if (stands_for := members.get(_ONE_CLASS.get(tidy, ""))) is not None:
                found._stands_for = stands_for  # noqa: SLF001  (a member of this class)
        if len(value) <= _LONGEST_REMEMBERED and len(remembered) < _REMEMBERED_VALUES:
            remembered[value] = found
        return found

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: Any) -> Any:
        """Return the schema with which pydantic reads and writes this enum: unknown text is no error."""
        from .forms.pydantic_schema import open_enum_schema

        return open_enum_schema(cls)

    def __reduce_ex__(self, proto: object) -> tuple[Any, ...]:
        """Copy and pickle by value: enums of Python 3.11.3 and before do it by name, and unknown values have none."""
        return type(self), (self.value,)

    @property
    def known(self) -> bool:
        """True if this version of the package knows the value."""
        return any(self is member for member in type(self))

    @property
    def meaning(self) -> Self:
        """The known value with the same meaning, such as ``Refused`` for ``Rejected``; else the value itself."""
        return getattr(self, "_stands_for", self)


def take_unknown_values() -> list[tuple[type[OpenEnum], str]]:
    """Return and clear the unknown values since the last call.

    msgspec decodes in C and calls the enum only, so the caller of a decoder learns of unknown values here.
    """
    if not UNKNOWN_VALUES:
        return []
    taken = UNKNOWN_VALUES.copy()
    UNKNOWN_VALUES.clear()
    return taken


def at_or_after(flow: Sequence[OpenEnum], status: OpenEnum, target: OpenEnum) -> bool:
    """Return True if ``status`` is ``target`` or comes after it in ``flow``; outside ``flow`` only equality counts.

    An unknown status never counts as reached.
    """
    if status in flow and target in flow:
        return flow.index(status) >= flow.index(target)
    return status.meaning == target.meaning


if TYPE_CHECKING:
    ContractMeta = msgspec.StructMeta  # type checkers know the constructors that this metaclass makes
else:

    class ContractMeta(msgspec.StructMeta):
        """Metaclass of the contract's structs: it describes their fields and shortens their signatures.

        ``help()`` finds the description of a field in ``__slots__``, as in any class with a dictionary of slots.
        msgspec itself reads neither, so encoding and decoding cost the same. ``msgspec.defstruct`` cannot make
        subclasses of such a struct; a class statement and :func:`make_struct` can.
        """

        def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_options: Any) -> None:  # noqa: N805
            """Make the slots of a class a dictionary of descriptions."""
            super().__init__(name, bases, namespace)
            kinds = cls.__annotations__
            cls.__slots__ = {slot: described(kinds.get(slot)) for slot in cls.__slots__}

        @property
        def __signature__(cls) -> inspect.Signature:  # noqa: N805
            """The constructor's signature without metadata of types; ``extra`` comes last."""
            fields = sorted(msgspec.structs.fields(cls), key=lambda field: field.name == "extra")
            return inspect.Signature([_parameter(field) for field in fields])


def described(kind: Any) -> str | None:
    """Return the description in a field's type with its source as a word, such as ``"Country (documented)."``."""
    notes = cast("Sequence[object]", getattr(kind, "__metadata__", ()))
    text = next((note.description for note in notes if isinstance(note, Meta) and note.description), None)
    tag = next((letter for letter, tag in (("D", D), ("S", S), ("A", A)) if tag in notes), "")
    return None if text is None else with_source(text, tag)


def with_source(text: str, tag: str) -> str:
    """Return a description as a sentence that ends with the word for its source, if there is a tag."""
    return f"{text} ({SOURCES[tag]})." if tag in SOURCES else f"{text}."


class _Shown:
    """The default of a nested object in a signature, such as ``Quantities()``."""

    def __init__(self, made: object) -> None:
        self._name = type(made).__name__

    def __repr__(self) -> str:
        return f"{self._name}()"


def _parameter(field: msgspec.structs.FieldInfo) -> inspect.Parameter:
    default: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        made = field.default_factory()
        default = made.value if isinstance(made, StrEnum) else _Shown(made) if isinstance(made, Answer) else made
    if default is msgspec.NODEFAULT:
        default = inspect.Parameter.empty
    kind = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


class Query(msgspec.Struct, metaclass=ContractMeta, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the filters of a list or a count. The client leaves out filters that are not given."""


class Request(Convertible, Query, frozen=True, kw_only=True):
    """Base of the JSON objects that a caller sends. The client leaves out optional fields that are not given.

    ``extra`` holds members that the API requires and this package does not model. The client sends them unchanged,
    beside the struct's own members; their names must differ from those::

        ShipmentLine(seller_product_reference="SKU-1", quantity=2, extra={"giftWrap": True})
    """

    extra: Annotated[
        Mapping[str, Any] | None, Meta(description="Members that this package does not model, by wire name; sent as is")
    ] = None


class Answer(Convertible, msgspec.Struct, metaclass=ContractMeta, frozen=True, kw_only=True, gc=False, rename="camel"):
    """Base of the API's answers. A field that the answer lacks is ``None``, a list that it lacks is empty.

    A row may be an instance of a subclass for the API's observed spelling (see :mod:`.answers.wire_types`). Such a row
    equals a row of the public class with the same content, and pickles as one. msgspec encodes it in the API's
    spelling; :meth:`to_dict` and :meth:`to_json` give the contract's names.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Make times that mean "no date" read as ``None``, on access, so that decoding costs nothing more."""
        super().__init_subclass__(**options)
        for name, kind in cls.__annotations__.items():
            if name in cls.__dict__ and _names_a_time(kind):
                setattr(cls, name, _moment_or_none(cls.__dict__[name], described(kind)))

    keeps_unknown: ClassVar[bool] = True

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], extra: Mapping[str, Any]) -> Self:
        """Return the answer with these fields (by Python names) and members that are not modelled."""
        made: Self = with_extra(public_class(cls), fields, extra)
        return made

    @property
    def extra(self) -> Mapping[str, Any]:
        """Members of the answer that this package does not model, under the API's names.

        A member with an unreadable value of a modelled field is here as well, unchanged.
        """
        return {}

    def __eq__(self, other: object) -> bool:
        """Compare the content of two answers, whatever their spelling."""
        if not isinstance(other, Answer) or public_class(type(self)) is not public_class(type(other)):
            return NotImplemented
        return _values(self) == _values(other) and self.extra == other.extra

    def __repr__(self) -> str:
        """Show the modelled fields, whatever the spelling of the answer."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in modelled_fields(self))
        return f"{public_class(type(self)).__name__}({shown})"

    def __hash__(self) -> int:
        """Hash the modelled fields; an answer with a list has no hash."""
        return hash((public_class(type(self)), _values(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the public class, with the members that are not modelled."""
        fields = dict(zip(modelled_fields(self), _values(self), strict=True))
        return _rebuilt, (public_class(type(self)), fields, dict(self.extra))


def public_class(answer: type[msgspec.Struct]) -> type[Any]:
    """Return the public class of an answer; a class for one spelling names it in ``__modelled__``."""
    return getattr(answer, "__modelled__", answer)


def modelled_fields(struct: type[msgspec.Struct] | msgspec.Struct) -> tuple[str, ...]:
    """Return the Python names of the modelled fields, without ``extra``."""
    cls = struct if isinstance(struct, type) else type(struct)
    return tuple(name for name in public_class(cls).__struct_fields__ if name != "extra")


def with_extra(cls: type[AnswerT], fields: Mapping[str, Any], extra: Mapping[str, Any]) -> AnswerT:
    """Make an answer from ``fields`` (Python names) with the extra members ``extra``."""
    return _open_class(cls)(**fields, unmodelled=extra) if extra else cls(**fields)


@lru_cache(maxsize=256)
def _open_class(cls: type[Any]) -> type[Any]:
    made: type[Any] = make_struct(
        cls,
        [("unmodelled", dict[str, Any])],
        {"extra": property(lambda self: self.unmodelled)},
    )
    return made


def make_struct(cls: type[Any], fields: Sequence[tuple[Any, ...]], namespace: dict[str, Any], **options: Any) -> Any:
    """Make a subclass of an answer with fields as ``msgspec.defstruct`` takes them; it stands for ``cls``."""
    kinds = {name: kind for name, kind, *_ in fields}
    defaults = {name: default[0] for name, _, *default in fields if default}
    body = {"__module__": cls.__module__, "__annotations__": kinds, "__modelled__": cls, **defaults, **namespace}
    metaclass: Any = type(cls)
    return metaclass(cls.__name__, (cls,), body, frozen=True, kw_only=True, gc=False, **options)


def _rebuilt(cls: type[AnswerT], fields: Mapping[str, Any], extra: Mapping[str, Any]) -> AnswerT:
    return with_extra(cls, fields, extra)


def _values(answer: Answer) -> tuple[Any, ...]:
    return tuple(getattr(answer, name) for name in modelled_fields(answer))


def _names_a_time(kind: Any) -> bool:
    return any(
        part is datetime for part in (kind, *get_args(kind), *get_args(get_args(kind)[0] if get_args(kind) else ()))
    )


def _moment_or_none(stored: Any, doc: str | None) -> Any:
    read = cast("Callable[[Any], datetime | None]", stored.__get__)

    def moment(answer: Any) -> datetime | None:
        found = read(answer)
        if found is None or means_no_date(found):
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found

    return property(moment, doc=f"{doc or 'A time.'} It has a time zone: UTC if the API gives none.")


def means_no_date(moment: datetime) -> bool:
    """Return True for the smallest and the largest date of .NET, which mean "no date" there."""
    return moment.year == 1 or (moment.year == 9999 and moment.month == 12)
