"""Decoding of queries and bodies with the tolerance of .NET: names in any case, times without a zone, and more.

Names of parameters and of members match in any case. A time without a zone is in UTC, and a date without a time is its
midnight. An id or a ``gtin`` may be a JSON integer; a number as text is refused, because no source shows that the API
accepts it. A body in the contract's own spelling is decoded directly; only other bodies pay for the normalisation.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar, cast

import msgspec
from aiohttp import web
from aiohttp.http import HttpVersion11
from msgspec.inspect import DateTimeType, Metadata, StrType, StructType, UnionType, type_info

from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.requests.checks import GTIN_LENGTHS

from .responses import ProblemError

BodyT = TypeVar("BodyT")

_NAMES = re.compile(rb'"([^"\\]*)"\s*:')  # a member's name; text that looks like a name costs time only
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_Tidy = Callable[[Any], Any]
_Members = Mapping[str, tuple[str, _Tidy | None]]


def named_query(query: Mapping[str, str], filters: type | None) -> dict[str, str]:
    """Return a query under the contract's names, without empty parameters; the first value of a name wins."""
    names: Mapping[str, str] = {} if filters is None else _parameters(filters)
    found: dict[str, str] = {}
    for name, text in query.items():
        if text:
            found.setdefault(names.get(name.casefold(), name), text)
    return found


def typed_query(query: Mapping[str, str], filters: type) -> dict[str, object]:
    """Return a query with its limit as a number and its times as such; invalid values stay text, to be refused."""
    timed = _times(filters)
    typed: dict[str, object] = {**query}
    for name, text in query.items():
        if name == "limit" and _NUMBER.fullmatch(text):
            typed[name] = int(text)
        elif name in timed:
            typed[name] = parse_time(text)
    return typed


def parse_time(value: object) -> object:
    """Return the time that a text names, in UTC if it has no zone; return any other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        moment = msgspec.convert(f"{value}T00:00:00Z" if _DATE.fullmatch(value) else value, datetime)
    except msgspec.ValidationError:
        return value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def gtin_of(value: object) -> object:
    """Return an integer ``gtin`` as text, with the leading zeros that make a valid length."""
    digits = text_of(value)
    if digits is value or not isinstance(digits, str) or len(digits) in GTIN_LENGTHS:
        return digits
    return digits.zfill(next((length for length in GTIN_LENGTHS if length > len(digits)), 0))


def text_of(value: object) -> object:
    """Return an integer as text, and any other value unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class BodyReader(Generic[BodyT]):
    """Decoder of the bodies of one type of request. ``wrap`` names a member that may enclose the whole body."""

    def __init__(self, kind: type[BodyT], *, wrap: str = "") -> None:
        self._kind = kind
        self._wrap = wrap
        self._decoder = msgspec.json.Decoder(kind)
        self._tidy = _tidier(type_info(kind), "")
        # A body with a time is always normalised: decoded directly, a time without a zone would stay unnoticed.
        self._usual = frozenset(
            field.encode_name.encode()
            for struct in _structs(kind)
            for field in struct.fields
            if field.name in modelled_fields(struct.cls) and not _is_time(field.type)
        )

    def read(self, body: bytes) -> BodyT:
        """Decode a body. Raises the errors of msgspec if the body does not fit."""
        if self._usual.issuperset(_NAMES.findall(body)):
            try:
                return self._decoder.decode(body)
            except msgspec.ValidationError:
                pass  # perhaps an integer where text is expected
        content: object = msgspec.json.decode(body)
        if self._wrap and isinstance(content, dict):
            whole = cast("dict[str, object]", content)
            content = next((part for name, part in whole.items() if name.casefold() == self._wrap), whole)
        return msgspec.convert(content if self._tidy is None else self._tidy(content), self._kind)


def _tidier(kind: Any, name: str) -> _Tidy | None:
    """Return the function that normalises a value of this type; ``None`` if there is nothing to do."""
    match kind:
        case Metadata(type=bare):
            return _tidier(bare, name)
        case StructType():
            return partial(_tidy_object, _members(kind))
        case UnionType(types=types):
            return next((tidy for part in types if (tidy := _tidier(part, name)) is not None), None)
        case DateTimeType():
            return parse_time
        case StrType() if name == "gtin":
            return gtin_of
        case StrType() if name.endswith("_id"):
            return text_of
        case _:
            item = getattr(kind, "item_type", None)
            tidy = None if item is None else _tidier(item, name)
            return None if tidy is None else partial(_tidy_list, tidy)


def _members(struct: StructType) -> _Members:
    own = modelled_fields(struct.cls)
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
    """Return the names of the parameters that are times."""
    return frozenset(
        field.encode_name for struct in _structs(filters) for field in struct.fields if _is_time(field.type)
    )


def _is_time(kind: Any) -> bool:
    return any(isinstance(part, DateTimeType) for part in _parts(kind, inside_structs=False))


def _structs(kind: Any) -> Iterator[StructType]:
    """Return the structs anywhere in a type."""
    return (part for part in _parts(type_info(kind)) if isinstance(part, StructType))


def _parts(kind: Any, *, inside_structs: bool = True) -> Iterator[Any]:
    """Yield a type of ``msgspec.inspect`` and all its parts. No request of the contract contains itself."""
    waiting = [kind]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, StructType):
            waiting += (field.type for field in part.fields if inside_structs)
        waiting += getattr(part, "types", ())
        waiting += (held for name in ("type", "item_type") if (held := getattr(part, name, None)) is not None)


BODY_MAX = 8 * 1024 * 1024
"""Largest request body, in bytes. The largest body of the contract, 100 products, has some tens of thousands."""


def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make a request object that allows ``BODY_MAX``: aiohttp's own limit is 1 MiB, with no problem as response."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_MAX)


async def receive_body(request: web.BaseRequest) -> bytes:
    """Read the whole body.

    Raises:
        ProblemError: 413 if the body is too large, 417 for an unknown ``Expect`` header.
    """
    if (request.content_length or 0) > BODY_MAX:  # refused before the client sends it
        raise _too_large()
    await _invite(request)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None


def has_unread_body(request: web.BaseRequest) -> bool:
    """Return True if an announced body may never arrive; the connection then cannot carry another request."""
    announced = (request.content_length or 0) > BODY_MAX or "Expect" in request.headers
    return announced and not request.content.is_eof()


async def _invite(request: web.BaseRequest) -> None:
    """Send ``100 Continue`` if the client waits for it (``Expect: 100-continue``; curl does for large bodies)."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.strip().casefold() != "100-continue":
        raise ProblemError(417, f"The expectation '{expected}' is not supported; only 100-continue is.")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # these bytes are not part of a body


def _too_large() -> ProblemError:
    return ProblemError(413, f"The body of a request may have {BODY_MAX:,} bytes; send fewer items at a time.")
