"""Facts of an ODS workbook that its reader below us does not tell: hidden rows, and codes as formats show them."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final
from xml.parsers import expat

from .xlsx_facts import SheetFacts, is_probed

if TYPE_CHECKING:
    from pathlib import Path

_PROBE: Final = re.compile(
    rb"""\bvisibility=["'](?:collapse|filter)|\bvalue=["']\d+["'][^<>]*>\s*<[^<>]*\bp>(?:0\d|[A-Za-z])"""
)
_PART: Final = "content.xml"
_HIDDEN: Final = frozenset({"collapse", "filter"})
_REPEATED_MOST: Final = 10_000
"""Rows, or cells of a row, that are alike and stand once in the file."""


def facts_of_ods(path: Path, sheet: str) -> SheetFacts:
    """Return what the bytes of a sheet tell; nothing if the file is no ODS of the usual build."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not is_probed(archive, _PART, _PROBE):
                return SheetFacts({}, set())
            found = _Content(sheet)
            with archive.open(_PART) as file:
                found.parser.ParseFile(file)
    except (zipfile.BadZipFile, KeyError, ValueError, expat.ExpatError, OSError):
        return SheetFacts({}, set())
    return SheetFacts({(row, column - found.first): cell for (row, column), cell in found.typed.items()}, found.hidden)


def _is_code(shown: str, value: str) -> bool:
    """Return True if a whole number is shown with zeros or a word before it."""
    digits = "".join(filter(str.isdigit, shown)).lstrip("0")
    return (
        value.isdecimal() and digits == value.lstrip("0") and shown != value and (shown[0] == "0" or shown[0].isalpha())
    )


class _Content:
    """Receiver of the elements of a workbook's content."""

    def __init__(self, sheet: str) -> None:
        self.typed: dict[tuple[int, int], str] = {}
        self.hidden: set[int] = set()
        self.first = 1 << 20
        self._sheet = sheet
        self._inside = self._is_text = self._is_note = self._is_used = False
        self._row = self._column = 0
        self._given: dict[str, str] = {}
        self._cell: dict[str, str] = {}
        self._codes: dict[int, str] = {}
        self._text: list[str] = []
        self.parser: Any = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._take_text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "table":
                self._inside, self._row = attributes.get("table:name") == self._sheet, 0
            case "table-row":
                self._given, self._column, self._is_used = attributes, 0, False
                self._codes.clear()
            case "table-cell" | "covered-table-cell":
                self._cell = attributes
                self._text.clear()
            case "annotation":
                self._is_note = True
            case "p":
                self._is_text = not self._is_note
            case _:
                pass

    def _take_text(self, text: str) -> None:
        if self._is_text and self._inside:
            self._text.append(text)

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "p":
                self._is_text = False
            case "annotation":
                self._is_note = False
            case "table-cell" | "covered-table-cell" if self._inside:
                self._take_cell()
            case "table-row" if self._inside:
                self._take_row()
            case _:
                pass

    def _take_cell(self) -> None:
        span = int(self._cell.get("table:number-columns-repeated", 1))
        shown = "".join(self._text).strip()
        if shown:
            self._is_used = True
            self.first = min(self.first, self._column)
            if _is_code(shown, self._cell.get("office:value", "")):
                self._codes |= dict.fromkeys(range(self._column, self._column + min(span, _REPEATED_MOST)), shown)
        self._column += span

    def _take_row(self) -> None:
        span = int(self._given.get("table:number-rows-repeated", 1))
        if self._is_used:
            for row in range(self._row + 1, self._row + 1 + min(span, _REPEATED_MOST)):
                self.typed |= {(row, column): shown for column, shown in self._codes.items()}
                if self._given.get("table:visibility") in _HIDDEN:
                    self.hidden.add(row)
        self._row += span
