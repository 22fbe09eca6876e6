"""The shape of a JSON body: names of fields, JSON types, forms of texts, values of enums, lengths of arrays. Pure.

All objects of an array make one shape, which says how many of them had each field. Nothing else of a body is kept, and
what is kept is bounded, since the other side chooses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .words import NAMES_MOST, WORDS_MOST, fold

if TYPE_CHECKING:
    from .words import Censor

DATA = "*"
"""Stands for the names of fields that may be data."""
NODES_MOST = 3000
DEPTH_MOST = 12

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?")
_DATE = re.compile(r"(\d{4})-\d\d-\d\d")
_EDGES = ("0001", "9999")
"""The years by which .NET says that there is no date."""
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
    """What stood in one place: ``types`` are those of JSON, ``forms`` say how texts look, ``values`` are of an enum.

    ``seen`` counts how often something stood there. ``least`` and ``most`` are the lengths of arrays.
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
    """Whether there was more than is kept."""

    @property
    def objects(self) -> bool:
        """Whether an object stood there."""
        return "object" in self.types

    def field(self, name: str) -> tuple[str, ValueShape] | None:
        """The field that the reader takes for ``name``, as it is spelled; the exact name comes first."""
        if name in self.fields:
            return name, self.fields[name]
        folded = fold(name)
        return next(((own, shape) for own, shape in self.fields.items() if fold(own) == folded), None)


def shape_of(body: object, censor: Censor) -> ValueShape:
    """The shape of a decoded body."""
    censor.remember(body)
    shaper = _Shaper(censor)
    shape = ValueShape()
    shaper.add(shape, body, ())
    return shape


def merged(shapes: list[ValueShape]) -> ValueShape:
    """One shape for what stood in several answers."""
    total = ValueShape()
    for shape in shapes:
        _merge(total, shape)
    return total


def form_of(text: str) -> str:
    """How a text looks, in words that say nothing of what it is."""
    if (found := _TIME.fullmatch(text)) is not None:
        year, decimals, zone = found.groups()
        edge = "edge " if year in _EDGES else ""
        told = f" {len(decimals)} decimals" if decimals else ""
        return f"{edge}time {'no zone' if zone is None else 'Z' if zone == 'Z' else 'offset'}{told}"
    if (found := _DATE.fullmatch(text)) is not None:
        return "edge date" if found[1] in _EDGES else "date"
    return next((name for name, pattern in _FORMS if pattern.fullmatch(text)), "text")


def walk(shape: ValueShape, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ValueShape]]:
    """Each place of a shape with its path (``items[].status``), the root first."""
    yield "".join(path).removeprefix("."), shape
    for name, inner in shape.fields.items():
        yield from walk(inner, (*path, f".{name}"))
    if shape.items is not None:
        yield from walk(shape.items, (*path, "[]"))


class _Shaper:
    """Adds values to a shape until the bounds are reached."""

    def __init__(self, censor: Censor) -> None:
        self._censor = censor
        self._nodes = 0

    def add(self, shape: ValueShape, value: object, path: tuple[str, ...]) -> None:
        shape.seen += 1
        _note(shape.types, _type_of(value))
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
        if len(shape.values) > WORDS_MOST:  # no enum, so none of them is kept
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
                kept = DATA  # each object has other names: they are data, too
            inner = shape.fields.get(kept) or self._new((*path, kept))
            if inner is None:
                shape.cut = True
                continue
            shape.fields[kept] = inner
            self.add(inner, value, (*path, kept))

    def _new(self, path: tuple[str, ...]) -> ValueShape | None:
        self._nodes += 1
        return None if self._nodes > NODES_MOST or len(path) > DEPTH_MOST else ValueShape()


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


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
    """A body as JSON values.

    Raises:
        ValueError: it is none.
    """
    try:
        return msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
