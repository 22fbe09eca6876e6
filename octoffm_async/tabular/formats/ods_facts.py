"""Facts of an ODS workbook that its reader below us does not tell: hidden rows, and codes as formats show them."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Final

from .xlsx_facts import NO_FACTS, UNREADABLE, SheetFacts, SheetParser, is_probed

if TYPE_CHECKING:
    from pathlib import Path

_PROBE: Final = re.compile(
    rb"""\bvisibility=["'](?:collapse|filter)|\bvalue=["']\d+["'][^<>]*>\s*<[^<>]*\bp>(?:0\d|[A-Za-z])"""
    rb"""|covered-table-cell\b[^<>]*[^/<>]>"""
)
_PART: Final = "content.xml"
_HIDDEN: Final = frozenset({"collapse", "filter"})
_ROWS_MOST, _CELLS_MOST = 10_000, 100
"""Rows, and cells of a row, that are alike and stand once in the file: a few bytes could stand for billions."""


def facts_of_ods(path: Path, sheet: str) -> SheetFacts:
    """Return what the bytes of a sheet tell; nothing if the file is no ODS of the usual build."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not is_probed(archive, _PART, _PROBE):
                return NO_FACTS
            return _Content(sheet).read(archive, _PART)
    except UNREADABLE:
        return NO_FACTS


def _is_code(shown: str, value: str) -> bool:
    """Return True if a whole number is shown with zeros or a word before it."""
    digits = "".join(filter(str.isdigit, shown)).lstrip("0")
    return (
        value.isdecimal() and digits == value.lstrip("0") and shown != value and (shown[0] == "0" or shown[0].isalpha())
    )


class _Content(SheetParser):
    """The parser of the content of an ODS workbook, for one of its sheets."""

    def __init__(self, sheet: str) -> None:
        super().__init__()
        self._sheet = sheet
        self._inside = self._is_text = self._is_note = self._is_used = False
        self._given: dict[str, str] = {}
        self._cell: dict[str, str] = {}
        self._codes: dict[int, str] = {}
        self._shown: list[str] = []

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "table":
                self._inside, self._row, self._column = attributes.get("table:name") == self._sheet, 0, 0
            case "table-column" if self._inside:
                end = self._column + int(attributes.get("table:number-columns-repeated", 1))
                if attributes.get("table:visibility") in _HIDDEN:
                    self._columns.update(range(self._column, min(end, self._column + _CELLS_MOST)))
                self._column = end
            case "table-row":
                self._given, self._column, self._is_used = attributes, 0, False
                self._codes.clear()
            case "table-cell" | "covered-table-cell":
                self._cell = attributes
                self._shown.clear()
            case "annotation":
                self._is_note = True
            case "p":
                self._is_text = not self._is_note
            case _:
                pass

    def _text(self, text: str) -> None:
        if self._is_text and self._inside:
            self._shown.append(text)

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "p":
                self._is_text = False
            case "annotation":
                self._is_note = False
            case "table-cell" | "covered-table-cell" as kind if self._inside:
                self._take_cell(covered=kind[0] == "c")
            case "table-row" if self._inside:
                self._take_row()
            case _:
                pass

    def _take_cell(self, *, covered: bool) -> None:
        span = int(self._cell.get("table:number-columns-repeated", 1))
        shown = "".join(self._shown).strip()
        if shown:
            self._is_used = True
            self._first = min(self._first, self._column)
            if covered or _is_code(shown, self._cell.get("office:value", "")):
                text = "" if covered else shown  # what a merged cell covers is not shown
                self._codes |= dict.fromkeys(range(self._column, self._column + min(span, _CELLS_MOST)), text)
        self._column += span

    def _take_row(self) -> None:
        span = int(self._given.get("table:number-rows-repeated", 1))
        if self._is_used:
            for row in range(self._row + 1, self._row + 1 + min(span, _ROWS_MOST)):
                self._typed |= {(row, column): shown for column, shown in self._codes.items()}
                if self._given.get("table:visibility") in _HIDDEN:
                    self._hidden.add(row)
        self._row += span
