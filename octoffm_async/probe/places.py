"""Where the rows of a list, a count and the object of an answer stand: found in a shape, then read from the body. Pure.

The reader knows the usual places; these functions find others as well, so that a contract file can name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .words import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .shapes import ValueShape

Path = tuple[str, ...]

ROWS = ("items", "data")
"""Where the reader looks for the rows of a list, in any case."""
COUNTS = ("count", "totalitemcount")
"""Where it looks for a count."""
_WRAPS = ("data", "result", "item", "value", "content", "payload")


def rows_at(shape: ValueShape) -> Path | None:
    """The path to the rows of a list; ``None`` if there is no array that could hold them."""
    if "array" in shape.types:
        return ()
    for name in ROWS:
        found = shape.field(name)
        if found is not None and "array" in found[1].types:
            return (found[0],)
    arrays = [name for name, inner in shape.fields.items() if "array" in inner.types]
    filled = [name for name in arrays if (items := shape.fields[name].items) is not None and items.objects]
    if len(filled or arrays) == 1:
        return ((filled or arrays)[0],)
    for name, inner in shape.fields.items():
        if inner.objects and fold(name) in _WRAPS and (deeper := rows_at(inner)):
            return (name, *deeper)
    return None


def count_at(shape: ValueShape) -> Path | None:
    """The path to the number of a count; ``None`` if no number can be it."""
    if "integer" in shape.types:
        return ()
    for name in COUNTS:
        found = next((own for own in shape.fields if fold(own) == name), None)
        if found is not None:
            return (found,)
    numbers = [name for name, inner in shape.fields.items() if "integer" in inner.types]
    if len(numbers) == 1:
        return (numbers[0],)
    for name, inner in shape.fields.items():
        if inner.objects and fold(name) in _WRAPS and (deeper := count_at(inner)):
            return (name, *deeper)
    return None


def result_at(shape: ValueShape, wanted: Iterable[str]) -> Path:
    """The path to the object that has the fields ``wanted``: the body itself, or the one object that it wraps."""
    if shape.objects and len(shape.fields) <= 2 and not any(shape.field(name) for name in wanted):
        for name, inner in shape.fields.items():
            if inner.objects and sum(inner.field(name) is not None for name in wanted) >= 2:
                return (name,)
    return ()


def shape_at(shape: ValueShape, path: Path) -> ValueShape | None:
    """What stands at a path of a shape."""
    for name in path:
        inner = shape.fields.get(name)
        if inner is None:
            return None
        shape = inner
    return shape


def value_at(body: Any, path: Path) -> Any:
    """What stands at a path of a body; ``None`` if nothing does."""
    for name in path:
        body = cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None
    return body


def rows_in(body: Any, path: Path | None) -> list[dict[str, Any]]:
    """The objects among the rows at a path."""
    rows = value_at(body, path) if path is not None else None
    return [cast("dict[str, Any]", row) for row in cast("list[Any]", rows) if isinstance(row, dict)] if isinstance(rows, list) else []


def text_of(row: dict[str, Any], *names: str) -> str:
    """The first of some fields that holds a text or a whole number, as text; empty if none does."""
    folded = {fold(name): value for name, value in reversed(row.items())}
    for name in names:
        value = folded.get(fold(name))
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""
