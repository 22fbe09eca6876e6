"""JSON lines: one object a line, in Python's names or the API's, nested or with dots; ``lines`` may be a list."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from ...errors import ConfigurationError
from ..cells.numbers import NumberCell
from ..rows import TableRow
from .encodings import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

LONGEST_OBJECT = 16 << 20
"""Bytes. An order of a thousand lines is far shorter."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WHOLE = float(1 << 53)
_TOKENS = re.compile(r"[^\W_](?:[^\"\\\x00-\x1f]*[^\W_])?")
_MOST_TOKENS = 10_000
NO_TEXT = "#NESTED!"
"""Text of a value that no cell has: a list, a structure, a duration."""


class JsonlTable:
    """A file of JSON objects, one a line."""

    columns = None
    delimiter = ","

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = Path(path)
        self.guesses: Mapping[str, str] = {}
        with open_bytes(self.path) as file:
            start = file.read(4)
        if not start:
            raise ConfigurationError(f"{self.path} is empty")
        if start[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in start:
            raise ConfigurationError(f"{self.path} is not UTF-8, in which JSON lines are written: save it as UTF-8")

    def rows(self) -> JsonlRows:
        """Start a pass."""
        return JsonlRows(self.path)


class JsonlRows:
    """One pass over a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._file: BinaryIO | None = None
        self._done = False

    @property
    def share(self) -> float:
        if self._file is None or self._file.closed:
            return float(self._done)
        return min(1.0, self._file.tell() / max(1, self._size))

    def __iter__(self) -> Iterator[TableRow]:
        with open_bytes(self._path) as self._file:
            lines = iter(partial(self._file.readline, LONGEST_OBJECT), b"")
            for number, raw in enumerate(lines, start=1):
                if len(raw) == LONGEST_OBJECT:
                    raise ConfigurationError(f"{self._path}, line {number} has more than {LONGEST_OBJECT:,} bytes")
                if text := raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\0\x1a"):
                    yield from _rows_of(number, text)
        self._done = True


def _rows_of(line: int, text: bytes) -> Iterator[TableRow]:
    raw = text.decode("utf-8", "backslashreplace")
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield TableRow(line, {}, raw, f"is not JSON: {error}", maybe=frozenset(_TOKENS.findall(raw)[:_MOST_TOKENS]))
        return
    if not isinstance(found, dict):
        yield TableRow(line, {}, raw, f"is {type(found).__name__}, not a JSON object")
        return
    fields = cast("dict[str, Any]", found)
    twice = _twice(text, fields)
    parts: Any = fields.pop("lines", None)
    common, problem = _flat(fields)
    if twice:
        problem = problem or f"has the name {twice!r} more than once"
    if parts is None:
        yield TableRow(line, common, raw, problem)
    elif not isinstance(parts, list) or not parts:
        yield TableRow(line, common, raw, problem or "lines is not a list of objects, or has none", whole=True)
    else:
        for part in cast("Any", parts):
            if isinstance(part, dict):
                cells, wrong = _flat(cast("dict[str, Any]", part), "lines.")
            else:
                cells, wrong = {}, "lines is not a list of objects"
            yield TableRow(line, common | cells, raw, problem or wrong, whole=True)


def _flat(fields: Mapping[str, Any], before: str = "") -> tuple[dict[str, str], str]:
    """Return texts by dotted name, and the first problem."""
    found: dict[str, str] = {}
    problem = ""
    for name, value in fields.items():
        path = before + name if before else name
        if type(value) is str:
            found[path] = value.strip()
        elif isinstance(value, dict) and path.count(".") < 4:
            inner, wrong = _flat(cast("dict[str, Any]", value), f"{path}.")
            found |= inner
            problem = problem or wrong
        elif isinstance(value, dict | list):
            if not path.startswith("octoffm_"):
                problem = problem or f"{path} is a list, not one value"
        elif value is not None:
            found[path] = cell_text(value)
    return found, problem


def _twice(text: bytes, fields: dict[str, Any]) -> str:
    """Return a name that an object has more than once, of whose values JSON readers keep the last without a word."""
    flat = {dict, list}.isdisjoint(map(type, fields.values()))
    if text.count(b'":') + text.count(b'" :') == (len(fields) if flat else _members(fields)):
        return ""
    found: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=check)
    return found[0] if found else ""


def _members(value: dict[str, Any] | list[Any]) -> int:
    """Return the number of members of all objects in a value."""
    count, parts = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    for part in parts:
        if isinstance(part, dict | list):
            count += _members(cast("dict[str, Any] | list[Any]", part))
    return count


def snake(name: str) -> str:
    """Convert ``sellerProductReference`` to ``seller_product_reference``."""
    return _HUMP.sub("_", name.strip()).replace(" ", "_").replace("-", "_").casefold()


def cell_text(value: object) -> str:
    """Return a value as the text of a cell; a whole number as its digits.

    A number is a :class:`NumberCell`; one above 2^53, whose last digits a program may have made up, looks like a
    spreadsheet's.
    """
    match value:
        case str():
            return value.strip()
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return NumberCell(int(value) if abs(value) < _WHOLE else f"{value:e}")
        case int() | float():
            return NumberCell(value)
        case bytes():  # texts of Parquet that their writer did not mark as such
            return value.decode("utf-8", "replace").strip()
        case list() | dict() | timedelta():
            return NO_TEXT
        case _:
            return str(value)
