"""What callers send, read as .NET reads it: names in any case, times without a zone, and a few forms more.

Names of parameters and of members count in any case. A time without a zone is one of UTC, and a date without a time its
midnight. An id or a ``gtin`` may be a JSON integer; a number as text stays refused, for nothing shows that the API
takes it. What is spelled as the contract has it is decoded at once; only the rest pays for being tidied first.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec.inspect import DateTimeType, Metadata, StrType, StructType, UnionType, type_info

from octoffm_async.contract.base import own_fields
from octoffm_async.contract.bounds import GTIN_LENGTHS

BodyT = TypeVar("BodyT")

_NAMES = re.compile(rb'"([^"\\]*)"\s*:')  # a member's name; text that looks like one costs time only
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_Tidy = Callable[[Any], Any]
_Members = Mapping[str, tuple[str, _Tidy | None]]


def named_query(query: Mapping[str, str], filters: type | None) -> dict[str, str]:
    """Return a query under the contract's names, without empty parameters; of two values of a name the first counts."""
    names: Mapping[str, str] = {} if filters is None else _parameters(filters)
    found: dict[str, str] = {}
    for name, text in query.items():
        if text:
            found.setdefault(names.get(name.casefold(), name), text)
    return found


def typed_query(query: Mapping[str, str], filters: type) -> dict[str, object]:
    """Return a query with its limit as a number and its times as such; what is neither stays text, to be refused."""
    timed = _times(filters)
    typed: dict[str, object] = {**query}
    for name, text in query.items():
        if name == "limit" and _NUMBER.fullmatch(text):
            typed[name] = int(text)
        elif name in timed:
            typed[name] = moment_of(text)
    return typed


def moment_of(value: object) -> object:
    """Return the time that a text names, in UTC unless it says otherwise; what is no time comes back as it is."""
    if not isinstance(value, str):
        return value
    try:
        moment = msgspec.convert(f"{value}T00:00:00Z" if _DATE.fullmatch(value) else value, datetime)
    except msgspec.ValidationError:
        return value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def gtin_of(value: object) -> object:
    """Return a ``gtin`` that came as an integer as text, with the leading zeros that make a valid length."""
    digits = text_of(value)
    if digits is value or not isinstance(digits, str) or len(digits) in GTIN_LENGTHS:
        return digits
    return digits.zfill(next((length for length in GTIN_LENGTHS if length > len(digits)), 0))


def text_of(value: object) -> object:
    """Return an integer as text, and anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class BodyReader(Generic[BodyT]):
    """Reads the bodies of one kind of request. ``wrap`` is a member in which the whole may stand."""

    def __init__(self, kind: type[BodyT], *, wrap: str = "") -> None:
        self._kind = kind
        self._wrap = wrap
        self._decoder = msgspec.json.Decoder(kind)
        self._tidy = _tidier(type_info(kind), "")
        # A body with a time is always tidied: decoded as it is, one without a zone would not be seen.
        self._usual = frozenset(
            field.encode_name.encode()
            for struct in _structs(kind)
            for field in struct.fields
            if field.name in own_fields(struct.cls) and not _is_time(field.type)
        )

    def read(self, body: bytes) -> BodyT:
        """Decode a body. Raises what msgspec raises for what cannot be read."""
        if self._usual.issuperset(_NAMES.findall(body)):
            try:
                return self._decoder.decode(body)
            except msgspec.ValidationError:
                pass  # perhaps an integer that may stand for text
        content: object = msgspec.json.decode(body)
        if self._wrap and isinstance(content, dict):
            whole = cast("dict[str, object]", content)
            content = next((part for name, part in whole.items() if name.casefold() == self._wrap), whole)
        return msgspec.convert(content if self._tidy is None else self._tidy(content), self._kind)


def _tidier(kind: Any, name: str) -> _Tidy | None:
    """What makes a value of this kind fit for decoding; ``None`` if there is nothing to do."""
    match kind:
        case Metadata(type=bare):
            return _tidier(bare, name)
        case StructType():
            return partial(_tidy_object, _members(kind))
        case UnionType(types=types):
            return next((tidy for part in types if (tidy := _tidier(part, name)) is not None), None)
        case DateTimeType():
            return moment_of
        case StrType() if name == "gtin":
            return gtin_of
        case StrType() if name.endswith("_id"):
            return text_of
        case _:
            item = getattr(kind, "item_type", None)
            tidy = None if item is None else _tidier(item, name)
            return None if tidy is None else partial(_tidy_list, tidy)


def _members(struct: StructType) -> _Members:
    own = own_fields(struct.cls)
    return {
        field.encode_name.casefold(): (field.encode_name, _tidier(field.type, field.name))
        for field in struct.fields
        if field.name in own
    }


def _tidy_object(members: _Members, value: object) -> object:
    if not isinstance(value, dict):
        return value
    found: dict[str, object] = {}
    for name, part in cast("dict[str, object]", value).items():
        if (member := members.get(name.casefold())) is not None:
            known, tidy = member
            found[known] = part if tidy is None else tidy(part)
    return found


def _tidy_list(tidy: _Tidy, value: object) -> object:
    return [tidy(part) for part in cast("list[object]", value)] if isinstance(value, list) else value


@lru_cache(maxsize=64)
def _parameters(filters: type[msgspec.Struct]) -> Mapping[str, str]:
    return {name.casefold(): name for name in filters.__struct_encode_fields__}


@lru_cache(maxsize=64)
def _times(filters: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that are times."""
    return frozenset(
        field.encode_name for struct in _structs(filters) for field in struct.fields if _is_time(field.type)
    )


def _is_time(kind: Any) -> bool:
    return any(isinstance(part, DateTimeType) for part in _parts(kind, inside_structs=False))


def _structs(kind: Any) -> Iterator[StructType]:
    """The structs that stand anywhere in a type."""
    return (part for part in _parts(type_info(kind)) if isinstance(part, StructType))


def _parts(kind: Any, *, inside_structs: bool = True) -> Iterator[Any]:
    """A type of ``msgspec.inspect`` and all that it is made of. None of the contract's requests holds itself."""
    waiting = [kind]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, StructType):
            waiting += (field.type for field in part.fields if inside_structs)
        waiting += getattr(part, "types", ())
        waiting += (held for name in ("type", "item_type") if (held := getattr(part, name, None)) is not None)
