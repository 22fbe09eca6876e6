"""The shape of a JSON body: names of fields, JSON types, forms of texts, values of enums, lengths of arrays. Pure.

All objects of an array make one shape, which counts the objects that had each field. A shape holds nothing else of a
body, and its size is bounded, since the server chooses the body.

The functions here also find the rows of a list, a count and the object of an answer in a shape. The client's reader
knows the usual places; these functions find others as well, so that a contract file can name them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import msgspec

from ..contract.answers.json_values import json_type
from ..contract.answers.names import find_key, folded
from .words import NAMES_MOST, WORDS_MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .words import Censor

DATA = "*"
"""The placeholder for names of fields that may be data."""
NODES_MOST = 3000
DEPTH_MOST = 12

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?")
_DATE = re.compile(r"(\d{4})-\d\d-\d\d")
_EDGES = ("0001", "9999")
"""The years with which .NET expresses that there is no date."""
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("empty", re.compile(r"\s*")),
    ("uuid", _UUID),
    ("integer", re.compile(r"-?\d+", re.ASCII)),
    ("number", re.compile(r"-?\d+\.\d+", re.ASCII)),
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("url", re.compile(r"https?://\S+")),
    ("path", re.compile(r"/\S*")),
)


class ValueShape(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The shape of the values at one place: their JSON types, the forms of texts, the values of an enum.

    ``seen`` is the number of values. ``least`` and ``most`` are the lengths of arrays.
    """

    types: list[str] = msgspec.field(default_factory=list[str])
    seen: int = 0
    forms: list[str] = msgspec.field(default_factory=list[str])
    values: list[str] = msgspec.field(default_factory=list[str])
    fields: dict[str, ValueShape] = msgspec.field(default_factory=dict[str, "ValueShape"])
    items: ValueShape | None = None
    least: int | None = None
    most: int | None = None
    cut: bool = False
    """True if the values exceeded the bounds of a shape."""

    @property
    def objects(self) -> bool:
        """True if an object was among the values."""
        return "object" in self.types

    def field(self, name: str) -> tuple[str, ValueShape] | None:
        """Return the field that the client's reader takes for ``name``, with its spelling; the exact name wins."""
        spelled = find_key(self.fields, name)
        return None if spelled is None else (spelled, self.fields[spelled])


def shape_of(body: object, censor: Censor) -> ValueShape:
    """Return the shape of a decoded body."""
    censor.remember(body)
    shaper = _Shaper(censor)
    shape = ValueShape()
    shaper.add(shape, body, ())
    return shape


def merged(shapes: list[ValueShape]) -> ValueShape:
    """Merge the shapes of several answers into one."""
    total = ValueShape()
    for shape in shapes:
        _merge(total, shape)
    return total


def form_of(text: str) -> str:
    """Return the form of a text (``uuid``, ``date`` …), which reveals nothing of its content."""
    if (found := _TIME.fullmatch(text)) is not None:
        year, decimals, zone = found.groups()
        edge = "edge " if year in _EDGES else ""
        places = f" {len(decimals)} decimals" if decimals else ""
        return f"{edge}time {'no zone' if zone is None else 'Z' if zone == 'Z' else 'offset'}{places}"
    if (found := _DATE.fullmatch(text)) is not None:
        return "edge date" if found[1] in _EDGES else "date"
    return next((name for name, pattern in _FORMS if pattern.fullmatch(text)), "text")


def walk(shape: ValueShape, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ValueShape]]:
    """Yield each place of a shape with its path (``items[].status``), the root first."""
    yield "".join(path).removeprefix("."), shape
    for name, inner in shape.fields.items():
        yield from walk(inner, (*path, f".{name}"))
    if shape.items is not None:
        yield from walk(shape.items, (*path, "[]"))


class _Shaper:
    """The builder of a shape: adds values until the bounds are reached."""

    def __init__(self, censor: Censor) -> None:
        self._censor = censor
        self._nodes = 0

    def add(self, shape: ValueShape, value: object, path: tuple[str, ...]) -> None:
        shape.seen += 1
        _note(shape.types, json_type(value))
        match value:
            case str():
                _note(shape.forms, form_of(value))
                self._word(shape, value, path)
            case list():
                self._items(shape, cast("list[object]", value), path)
            case dict():
                self._fields(shape, cast("dict[str, object]", value), path)
            case _:
                pass

    def _word(self, shape: ValueShape, text: str, path: tuple[str, ...]) -> None:
        word = self._censor.word(text, path)
        if word is None or shape.cut:
            return
        _note(shape.values, word)
        if len(shape.values) > WORDS_MOST:  # not an enum, so the values may be data
            shape.values.clear()
            shape.cut = True

    def _items(self, shape: ValueShape, items: list[object], path: tuple[str, ...]) -> None:
        shape.least = min(len(items), len(items) if shape.least is None else shape.least)
        shape.most = max(len(items), shape.most or 0)
        if not items:
            return
        inner = shape.items or self._new(path)
        if inner is None:
            shape.cut = True
            return
        shape.items = inner
        for item in items:
            self.add(inner, item, path)

    def _fields(self, shape: ValueShape, members: dict[str, object], path: tuple[str, ...]) -> None:
        is_map = len(members) > NAMES_MOST
        for name, value in members.items():
            kept = DATA if is_map else self._censor.name(name) or DATA
            if kept not in shape.fields and len(shape.fields) >= NAMES_MOST:
                kept = DATA  # each object has other names, so the names are data
            inner = shape.fields.get(kept) or self._new((*path, kept))
            if inner is None:
                shape.cut = True
                continue
            shape.fields[kept] = inner
            self.add(inner, value, (*path, kept))

    def _new(self, path: tuple[str, ...]) -> ValueShape | None:
        self._nodes += 1
        return None if self._nodes > NODES_MOST or len(path) > DEPTH_MOST else ValueShape()


def _note(listed: list[str], text: str) -> None:
    if text not in listed:
        listed.append(text)


def _merge(total: ValueShape, other: ValueShape) -> None:
    total.seen += other.seen
    total.cut = total.cut or other.cut
    for mine, theirs in ((total.types, other.types), (total.forms, other.forms), (total.values, other.values)):
        for text in theirs:
            _note(mine, text)
    total.least = _extreme(min, total.least, other.least)
    total.most = _extreme(max, total.most, other.most)
    for name, shape in other.fields.items():
        _merge(total.fields.setdefault(name, ValueShape()), shape)
    if other.items is not None:
        total.items = total.items or ValueShape()
        _merge(total.items, other.items)


def _extreme(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def readable(body: bytes) -> Any:
    """Decode a body as JSON.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


Path = tuple[str, ...]

ROWS = ("items", "data")
"""The fields in which the client's reader looks for the rows of a list, in any case."""
COUNTS = ("count", "totalitemcount")
"""The fields in which it looks for a count."""
_WRAPS = ("data", "result", "item", "value", "content", "payload")


def rows_at(shape: ValueShape) -> Path | None:
    """Return the path to the rows of a list; ``None`` if no array can be the rows."""
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
        if inner.objects and folded(name) in _WRAPS and (deeper := rows_at(inner)):
            return (name, *deeper)
    return None


def count_at(shape: ValueShape) -> Path | None:
    """Return the path to the number of a count; ``None`` if no number can be the count."""
    if "integer" in shape.types:
        return ()
    for name in COUNTS:
        found = next((own for own in shape.fields if folded(own) == name), None)
        if found is not None:
            return (found,)
    numbers = [name for name, inner in shape.fields.items() if "integer" in inner.types]
    if len(numbers) == 1:
        return (numbers[0],)
    for name, inner in shape.fields.items():
        if inner.objects and folded(name) in _WRAPS and (deeper := count_at(inner)):
            return (name, *deeper)
    return None


def result_at(shape: ValueShape, names: Iterable[str]) -> Path:
    """Return the path to the object with the fields ``names``: the body itself, or the one object that it wraps."""
    if shape.objects and len(shape.fields) <= 2 and not any(shape.field(name) for name in names):
        for name, inner in shape.fields.items():
            if inner.objects and sum(inner.field(name) is not None for name in names) >= 2:
                return (name,)
    return ()


def shape_at(shape: ValueShape, path: Path) -> ValueShape | None:
    """Return the shape at a path of a shape, or ``None``."""
    for name in path:
        inner = shape.fields.get(name)
        if inner is None:
            return None
        shape = inner
    return shape


def value_at(body: Any, path: Path) -> Any:
    """Return the value at a path of a body, or ``None``."""
    for name in path:
        body = cast("dict[str, Any]", body).get(name) if isinstance(body, dict) else None
    return body


def rows_in(body: Any, path: Path | None) -> list[dict[str, Any]]:
    """Return the objects among the rows at a path."""
    rows = value_at(body, path) if path is not None else None
    return [row for row in rows if isinstance(row, dict)] if _is_list(rows) else []


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def text_of(row: dict[str, Any], *names: str) -> str:
    """Return the first of some fields with a text or an integer, as text; an empty text if none has one."""
    by_name = {folded(name): value for name, value in reversed(row.items())}
    for name in names:
        value = by_name.get(folded(name))
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""
