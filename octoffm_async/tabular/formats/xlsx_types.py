"""Types of cells in an XLSX workbook that its reader below us does not tell: it gives texts, and errors as nothing.

A sheet is parsed only if its bytes show a cell that could be misread: an error, a formula without a result, a number
of more than 15 digits, a number with three decimals (as text, ``1.234`` could be a thousand).
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from ..cells.numbers import NumberCell

if TYPE_CHECKING:
    from pathlib import Path

_PROBE: Final = re.compile(
    rb"""\bt=["']e["']|\bv>[+-]?(?:\d{16}|[\d.]+[eE]|\d{1,3}\.\d{3}<)|\bf></|\bv></|\bv ?/>|\bf[^<>]*/></"""
)
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 64
_UNUSUAL: Final = re.compile(r"[+-]?\d{1,3}\.\d{3}")
_LONG: Final = re.compile(r"[+-]?(?:\d{16,}(?:\.\d*)?|[\d.]+[eE]\+?(?:1[5-9]|[2-9]\d|\d{3}))")
NO_RESULT: Final = "#UNCALCULATED!"
"""Text of a formula that no program has calculated."""


def typed_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return the cells of a sheet that must be read by their type, by row (from 1) and by column from the first used.

    A file that is no XLSX of the usual build has none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            part = _part_of(archive, sheet)
            if part is None or not _probed(archive, part):
                return {}
            found = _Cells()
            with archive.open(part) as file:
                found.parser.ParseFile(file)
    except (zipfile.BadZipFile, KeyError, expat.ExpatError, OSError):
        return {}
    return {(row, column - found.first): cell for (row, column), cell in found.typed.items()}


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the part that holds a sheet."""
    targets = {one.get("Id"): one.get("Target", "") for _, one in _elements(archive.read("xl/_rels/workbook.xml.rels"))}
    for name, one in _elements(archive.read("xl/workbook.xml")):
        if name == "sheet" and one.get("name") == sheet:
            link = next((value for key, value in one.items() if key.rpartition(":")[2] == "id"), None)
            target = targets.get(link, "")
            return target[1:] if target.startswith("/") else f"xl/{target}"
    return None


def _elements(data: bytes) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser: Any = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        found.append((name.rpartition(":")[2], attributes))

    parser.StartElementHandler = start
    parser.Parse(data, True)  # noqa: FBT003  (the last part)
    return found


def _probed(archive: zipfile.ZipFile, part: str) -> bool:
    before = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            if _PROBE.search(before + chunk):
                return True
            before = chunk[-_OVERLAP:]
    return False


class _Cells:
    """Receiver of a sheet's elements."""

    def __init__(self) -> None:
        self.typed: dict[tuple[int, int], str] = {}
        self.first = 1 << 20
        self._row = self._column = 0
        self._type = ""
        self._formula = self._inside = False
        self._value: list[str] = []
        self.parser: Any = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                self._column = -1
            case "c":
                place = attributes.get("r", "").rstrip("0123456789")
                self._column = _number_of(place) if place else self._column + 1
                self._type = attributes.get("t", "n")
                self._formula = False
                self._value.clear()
            case "f":
                self._formula = True
            case "v" | "t":
                self._inside = True
            case _:
                pass

    def _text(self, text: str) -> None:
        if self._inside:
            self._value.append(text)

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "v" | "t":
                self._inside = False
            case "c":
                self._take("".join(self._value))
            case _:
                pass

    def _take(self, value: str) -> None:
        place = (self._row, self._column)
        if value or self._type == "str":
            self.first = min(self.first, self._column)
        if self._type == "e":
            self.typed[place] = value or "#ERROR!"
        elif self._type == "n" and self._formula and not value:
            self.typed[place] = NO_RESULT
        elif self._type == "n" and _LONG.fullmatch(value):
            self.typed[place] = NumberCell(f"{float(value):.14e}")
        elif self._type == "n" and _UNUSUAL.fullmatch(value):
            self.typed[place] = NumberCell(value)


def _number_of(letters: str) -> int:
    """Return the number of a column, from 0: A, B, …, Z, AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
