"""JSON lines: one object a line, in Python's names or the API's, nested or with dots; ``lines`` may be a list."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from ...errors import ConfigurationError
from ..rows import TableRow
from .encodings import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

LONGEST_OBJECT = 16 << 20
"""Bytes. An order of a thousand lines is far shorter."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WHOLE = float(1 << 53)


class JsonlTable:
    """A file of JSON objects, one a line."""

    columns = None
    delimiter = ","

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = Path(path)
        with open_bytes(self.path) as file:
            if not file.read(1):
                raise ConfigurationError(f"{self.path} is empty")

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
                text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if text.strip():
                    yield from _rows_of(number, text.strip())
        self._done = True


def _rows_of(line: int, text: bytes) -> Iterator[TableRow]:
    raw = text.decode("utf-8", "backslashreplace")
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        yield TableRow(line, {}, raw, f"is not JSON: {error}")
        return
    if not isinstance(found, dict):
        yield TableRow(line, {}, raw, f"is {type(found).__name__}, not a JSON object")
        return
    fields = cast("dict[str, Any]", found)
    parts: Any = fields.pop("lines", None)
    common, problem = _flat(fields)
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
        path = before + name
        if isinstance(value, dict) and path.count(".") < 4:
            inner, wrong = _flat(cast("dict[str, Any]", value), f"{path}.")
            found |= inner
            problem = problem or wrong
        elif isinstance(value, dict | list):
            if not path.startswith("octoffm_"):
                problem = problem or f"{path} is a list, not one value"
        elif value is not None:
            found[path] = cell_text(value).strip()
    return found, problem


def snake(name: str) -> str:
    """Convert ``sellerProductReference`` to ``seller_product_reference``."""
    return _HUMP.sub("_", name.strip()).replace(" ", "_").replace("-", "_").casefold()


def cell_text(value: object) -> str:
    """Return a value as the text of a cell; a whole number as its digits."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _WHOLE:
            return str(int(value))
        case _:
            return str(value)
