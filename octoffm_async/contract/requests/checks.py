"""Basic checks of single values, from which the checks of requests and filters are built."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

_ENCODER = msgspec.json.Encoder()
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
NOT_ENCODABLE = (ValueError, TypeError, OverflowError, RecursionError)
"""Exceptions that the JSON encoder raises for an item that it cannot encode."""
_DEEPEST = 8  # levels of nesting; no request has half as many


class FieldProblem(NamedTuple):
    """A problem of one field: its path in Python names, its value, and the reason why it cannot be sent."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        try:
            shown = repr(self.value)
        except ValueError:  # a whole number of thousands of digits
            shown = f"a {type(self.value).__name__} too large to show"
        return f"{self.field} = {shown if len(shown) <= 60 else shown[:57] + '…'}: {self.reason}"


def is_whole_number(value: Any) -> bool:
    """Return True if ``value`` is a whole number; ``True`` and ``False`` are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def text_problems(field: str, value: Any, *, most: int | None = None) -> Sequence[FieldProblem]:
    """Return the problems of a value that must be non-empty text of at most ``most`` characters."""
    if not isinstance(value, str):
        return (FieldProblem(field, value, f"is {type(value).__name__}, not text"),)
    if is_blank(value):
        return (FieldProblem(field, value, "is empty"),)
    if reason := control_sign(value):
        return (FieldProblem(field, value, reason),)
    if most is not None and len(value) > most:
        return (FieldProblem(field, value, f"has {len(value)} characters, at most {most} are allowed"),)
    return ()


def is_blank(text: str) -> bool:
    """Return True if a text holds nothing visible: blanks, or signs without width, as copies from web pages have."""
    if "!" <= text[:1] <= "~":
        return False
    if not text or text.isspace():
        return True
    return not text.isascii() and all(sign.isspace() or unicodedata.category(sign) == "Cf" for sign in text)


def control_sign(text: str) -> str:
    """Return the reason why a text with a control sign cannot be sent; empty if it has none.

    A tab and the ends of lines are allowed: an address may have them.
    """
    if text.isprintable() or (found := _CONTROL.search(text)) is None:
        return ""
    return f"has the control sign U+{ord(found[0]):04X}, which no label can show"


def optional_text_problems(item: msgspec.Struct, *fields: str) -> Iterator[FieldProblem]:
    """Yield the problems of optional text fields."""
    for field in fields:
        value = getattr(item, field)
        if value is None:
            continue
        if not isinstance(value, str):
            yield FieldProblem(field, value, f"is {type(value).__name__}, not text")
        elif reason := control_sign(value):
            yield FieldProblem(field, value, reason)


def time_problems(field: str, value: Any) -> Iterator[FieldProblem]:
    """Yield the problems of a value that must be a datetime with a time zone."""
    if not isinstance(value, datetime):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not a datetime")
    elif value != value:  # noqa: PLR0124  (pandas' NaT)
        yield FieldProblem(field, value, "is no time")
    elif value.utcoffset() is None:
        yield FieldProblem(field, value.isoformat(), "has no time zone")


def with_encoding_problems(found: list[FieldProblem], item: msgspec.Struct) -> list[FieldProblem]:
    """Return ``found`` plus every value in ``item`` that JSON cannot encode, such as half a surrogate pair."""
    try:
        _ENCODER.encode(item)
    except NOT_ENCODABLE:
        named = {problem.field for problem in found}
        return found + [problem for problem in _culprits("", item, 0) if problem.field not in named]
    return found


def _culprits(path: str, value: Any, depth: int) -> Iterator[FieldProblem]:
    if depth > _DEEPEST:
        yield FieldProblem(path, "…", "is nested too deeply")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _culprits(f"{path}.{name}" if path else name, getattr(value, name), depth + 1)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(cast("Sequence[Any]", value)):
            yield from _culprits(f"{path}[{place}]", part, depth + 1)
    else:
        try:
            _ENCODER.encode(value)
        except NOT_ENCODABLE as error:
            yield FieldProblem(path, value, f"cannot be sent as JSON: {error}")


PAGE_MAX = 1000  # D
GTIN_LENGTHS = (8, 12, 13, 14)  # D
REFERENCE_MAX = 50  # D for products, A for shipments
TITLE_MAX = 132  # A
SUPPLY_LINES_MAX = 1000  # A
LINES_MAX = 100  # A
QUANTITY_MAX = 2**31 - 1  # A; no warehouse holds more of anything

GTIN_PATTERN = f"^({'|'.join(f'[0-9]{{{length}}}' for length in GTIN_LENGTHS)})$"
COUNTRY_PATTERN = "^[A-Z]{2}$"  # A
CUSTOMS_CODE_PATTERN = "^[0-9]{6,10}$"  # A
UN_CODE_PATTERN = "^[0-9]{4}$"  # A


__all__ = ["reference_oddity"]

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of control and format characters (zero width, writing direction) and of non-characters."""


def reference_oddity(reference: str) -> str:
    """Return the reasons why a reference is odd; empty for one that every API stores unchanged."""
    is_ascii = reference.isascii() and reference.isprintable()
    if is_ascii and " " not in reference and len(reference) <= REFERENCE_MAX:  # visible ASCII cannot be odd
        return ""
    reasons: list[str] = []
    if reference != reference.strip():
        reasons.append("has leading or trailing spaces")
    inner = reference.strip()
    if unseen := sorted({sign for sign in inner if unicodedata.category(sign) in _UNSEEN}):
        named = ", ".join(f"U+{ord(sign):04X}" for sign in unseen[:3])
        reasons.append(f"has invisible characters ({named})")
    if any(unicodedata.category(sign) == "Zs" and sign != " " for sign in inner) or "  " in inner:
        reasons.append("has spaces that are not single plain spaces")
    if not unicodedata.is_normalized("NFC", reference):
        reasons.append("is not in the composed form (NFC)")
    elif not unicodedata.is_normalized("NFKC", "".join(inner.split())):
        reasons.append("has characters with a simpler form (NFKC)")
    if len(reference) > REFERENCE_MAX:
        reasons.append(f"has {len(reference)} characters, more than {REFERENCE_MAX}")
    return ", ".join(reasons)
