"""Readers of single values in the forms that APIs use. Pure functions, for values that msgspec does not decode.

Each reader takes a JSON value (never null) and returns a value of the contract's type, or raises
:class:`NotReadableError`. No reader invents a value: the caller keeps a value that is not readable unchanged.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any

import msgspec

from ..base import OpenEnum, means_no_date

_WHOLE = re.compile(r"[+-]?\d{1,30}(?:\.0{1,10})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_DOTNET = re.compile(r"/Date\((\d{1,15})\)/", re.ASCII)
_CENTURY = (946_684_800, 4_102_444_800)
"""Seconds from 1970 to the years 2000 and 2100."""
GTIN_DIGITS = 14
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,12}))? ?([Zz]|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_LARGEST_EXACT = 2**53


class NotReadableError(ValueError):
    """An error for a value that is not of the expected type in any known form."""


def read_text(value: Any) -> str:
    """Read a text; a whole number becomes the text of its digits."""
    match value:
        case str():
            return value
        case bool():
            raise NotReadableError
        case int():
            return str(value)
        case float() if value.is_integer() and abs(value) < _LARGEST_EXACT:
            return str(int(value))
        case _:
            raise NotReadableError


def read_gtin(value: Any) -> str:
    """Read a GTIN. A number gets its leading zeros back: to 8, 13 or 14 digits.

    Nine to twelve digits become 13, the form of an EAN: a number does not show if a UPC of 12 digits was meant, and
    both name the same article.
    """
    found = read_text(value)
    if isinstance(value, str):
        return found
    if not found.isdigit() or not found.strip("0") or len(found) > GTIN_DIGITS:  # 0: a field that was never set
        raise NotReadableError
    return found.zfill(8 if len(found) <= 8 else max(13, len(found)))


def read_whole(value: Any) -> int:
    """Read a whole number, written as a number (``37``, ``37.0``) or as text."""
    match value:
        case bool():
            raise NotReadableError
        case int():
            return value
        case float() if value.is_integer() and abs(value) < _LARGEST_EXACT:
            return int(value)
        case str() if _WHOLE.fullmatch(plain := value.strip()):
            return int(plain.partition(".")[0])
        case _:
            raise NotReadableError


def read_number(value: Any) -> float:
    """Read a number, written as one or as text."""
    match value:
        case bool():
            raise NotReadableError
        case int() | float():
            found = float(value)
        case str() if _NUMBER.fullmatch(plain := value.strip()):
            found = float(plain)
        case _:
            raise NotReadableError
    if not math.isfinite(found):
        raise NotReadableError
    return found


def read_flag(value: Any) -> bool:
    """Read a flag: ``true`` and ``false`` (also as text), and 0 and 1."""
    match value:
        case bool():
            return value
        case int() if value in (0, 1):
            return bool(value)
        case str() if (found := _FLAGS.get(value.strip().casefold())) is not None:
            return found
        case _:
            raise NotReadableError


def read_moment(value: Any) -> datetime | None:
    """Read a time: without a zone it is UTC, a plain date is midnight UTC, .NET's extreme dates are ``None``.

    A number counts seconds or milliseconds since 1970; only times from 2000 to 2100 are accepted, so that seconds and
    milliseconds cannot be confused. ``/Date(1793527200000)/``, an older form of .NET, is read alike.
    """
    if not isinstance(value, str):
        return _counted(value)
    text = value.strip()
    if (counted := _DOTNET.fullmatch(text)) is not None:
        return _counted(int(counted[1]))
    try:
        if _DATE.fullmatch(text):
            found = datetime.combine(datetime.fromisoformat(text), time(), UTC)
        elif (parts := _MOMENT.fullmatch(text)) is None:
            raise NotReadableError
        else:
            day, clock, decimals, zone = parts.groups()
            found = _moment(day, clock, decimals or "0", "Z" if not zone or zone in "Zz" else zone)
    except ValueError:
        raise NotReadableError from None
    return None if means_no_date(found) else found


def _counted(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotReadableError
    for unit in (1, 1000):
        if _CENTURY[0] <= value / unit < _CENTURY[1]:
            return datetime.fromtimestamp(value / unit, UTC)
    raise NotReadableError


def _moment(day: str, clock: str, decimals: str, zone: str) -> datetime:
    """Return a time with the rounding of msgspec; truncated instead if rounding would exceed the year 9999."""
    seconds = clock if len(clock) > len("00:00") else f"{clock}:00"
    offset = zone if zone == "Z" or ":" in zone else f"{zone[:3]}:{zone[3:] or '00'}"
    try:
        return msgspec.convert(f"{day}T{seconds}.{decimals}{offset}", datetime)
    except msgspec.ValidationError:
        return datetime.fromisoformat(f"{day}T{seconds}.{decimals[:6]:0<6}{offset.replace('Z', '+00:00')}")


def reader_of_enum(kind: type[OpenEnum], theirs: Mapping[str, str]) -> Callable[[Any], OpenEnum]:
    """Return the reader of an open enum; ``theirs`` maps the API's spelling (in lower case) to the package's text."""

    def read(value: Any) -> OpenEnum:
        if not isinstance(value, str) or not value.strip():
            raise NotReadableError
        return kind(theirs.get(value.strip().casefold(), value))

    return read


READERS: dict[type, Callable[[Any], Any]] = {
    str: read_text,
    int: read_whole,
    float: read_number,
    bool: read_flag,
    datetime: read_moment,
}


def is_zoneless(value: Any) -> bool:
    """Return True if plain decoding reads ``value`` as a time without a zone."""
    try:
        found = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return False
    return isinstance(value, str) and found.tzinfo is None


def is_plain(kind: type, value: Any) -> bool:
    """Return True if plain decoding reads ``value`` as ``kind`` exactly as its reader does."""
    if issubclass(kind, datetime):
        try:
            found = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            return False
        return isinstance(value, str) and found.tzinfo is not None
    if issubclass(kind, OpenEnum):
        return isinstance(value, str) and bool(value.strip())
    return type(value) is kind or (kind is float and type(value) is int)
