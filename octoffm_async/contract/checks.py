"""Basic checks of single values, from which the checks of requests and filters are built."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

_ENCODER = msgspec.json.Encoder()
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
    if not value or value.isspace():
        return (FieldProblem(field, value, "is empty"),)
    if most is not None and len(value) > most:
        return (FieldProblem(field, value, f"has {len(value)} characters, at most {most} are allowed"),)
    return ()


def optional_text_problems(item: msgspec.Struct, *fields: str) -> Iterator[FieldProblem]:
    """Yield the problems of optional text fields."""
    for field in fields:
        value = getattr(item, field)
        if value is not None and not isinstance(value, str):
            yield FieldProblem(field, value, f"is {type(value).__name__}, not text")


def time_problems(field: str, value: Any) -> Iterator[FieldProblem]:
    """Yield the problems of a value that must be a datetime with a time zone."""
    if not isinstance(value, datetime):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not a datetime")
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
