"""The small rules that every check of a request or a filter is made of."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

_ENCODER = msgspec.json.Encoder()
NOT_ENCODABLE = (ValueError, TypeError, OverflowError, RecursionError)
"""What is raised of an item that JSON cannot carry."""
_DEEPEST = 8  # levels of a request; none has half as many


class FieldProblem(NamedTuple):
    """One thing that is wrong: the field's path in Python names, the value, and why it cannot be sent."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        try:
            shown = repr(self.value)
        except ValueError:  # a whole number of thousands of digits
            shown = f"a {type(self.value).__name__} too large to show"
        return f"{self.field} = {shown if len(shown) <= 60 else shown[:57] + '…'}: {self.reason}"


def is_count(value: Any) -> bool:
    """Whether it is a whole number; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(field: str, value: Any, *, most: int | None = None) -> Sequence[FieldProblem]:
    """Problems of something that must be text, not empty, and of at most ``most`` characters."""
    if not isinstance(value, str):
        return (FieldProblem(field, value, f"is {type(value).__name__}, not text"),)
    if not value or value.isspace():
        return (FieldProblem(field, value, "is empty"),)
    if most is not None and len(value) > most:
        return (FieldProblem(field, value, f"has {len(value)} characters, at most {most} are allowed"),)
    return ()


def optional_text(item: msgspec.Struct, *fields: str) -> Iterator[FieldProblem]:
    """Problems of fields that may be absent and are text if they are there."""
    for field in fields:
        value = getattr(item, field)
        if value is not None and not isinstance(value, str):
            yield FieldProblem(field, value, f"is {type(value).__name__}, not text")


def moment(field: str, value: Any) -> Iterator[FieldProblem]:
    """Problems of something that must be a time with a zone."""
    if not isinstance(value, datetime):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not a datetime")
    elif value.utcoffset() is None:
        yield FieldProblem(field, value.isoformat(), "has no time zone")


def completed(found: list[FieldProblem], item: msgspec.Struct) -> list[FieldProblem]:
    """The problems found, and what else JSON cannot carry (half a surrogate pair), wherever it stands."""
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
