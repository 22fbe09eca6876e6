"""The small rules that every check of a request or a filter is made of."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec


class FieldProblem(NamedTuple):
    """One thing that is wrong: the field's path in Python names, the value, and why it cannot be sent."""

    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        shown = repr(self.value)
        return f"{self.field} = {shown if len(shown) <= 60 else shown[:57] + '…'}: {self.reason}"


def is_count(value: Any) -> bool:
    """Whether it is a whole number; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(field: str, value: Any, *, most: int | None = None) -> Iterator[FieldProblem]:
    """Problems of something that must be text, not empty, and of at most ``most`` characters."""
    if not isinstance(value, str):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not text")
    elif not value.strip():
        yield FieldProblem(field, value, "is empty")
    elif most is not None and len(value) > most:
        yield FieldProblem(field, value, f"has {len(value)} characters, at most {most} are allowed")


def moment(field: str, value: Any) -> Iterator[FieldProblem]:
    """Problems of something that must be a time with a zone."""
    if not isinstance(value, datetime):
        yield FieldProblem(field, value, f"is {type(value).__name__}, not a datetime")
    elif value.utcoffset() is None:
        yield FieldProblem(field, value.isoformat(), "has no time zone")


def unencodable(item: msgspec.Struct) -> list[FieldProblem]:
    """Text that JSON cannot carry (half a surrogate pair), wherever it stands."""
    try:
        msgspec.json.encode(item)
    except (UnicodeEncodeError, TypeError, OverflowError):
        return list(_culprits("", item))
    return []


def _culprits(path: str, value: Any) -> Iterator[FieldProblem]:
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _culprits(f"{path}.{name}" if path else name, getattr(value, name))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(cast("Sequence[Any]", value)):
            yield from _culprits(f"{path}[{place}]", part)
    else:
        try:
            msgspec.json.encode(value)
        except (UnicodeEncodeError, TypeError, OverflowError) as error:
            yield FieldProblem(path, value, f"cannot be sent as JSON: {error}")
