"""Facts of an XLSX workbook that its reader below us does not tell: it gives texts, and errors as nothing.

A sheet is parsed only if its bytes show a cell that could be misread: an error, a formula without a result, a number
of more than 15 digits, a number with three decimals (as text, ``1.234`` could be a thousand), a number whose format
shows zeros before it (``01001``). Rows may be hidden, by a filter or by hand.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.parsers import expat

from ..cells.numbers import NumberCell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PROBE: Final = re.compile(
    rb"""\bt=["']e["']|\bv>[+-]?(?:\d{16}|[\d.]+[eE]|\d{1,3}\.\d{3}<)|\bf></|\bv></|\bv ?/>|\bf[^<>]*/></"""
    rb"""|\brow\b[^<>]*\bhidden=["'](?:1|true)"""
)
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 512
_UNUSUAL: Final = re.compile(r"[+-]?\d{1,3}\.\d{3}")
_LONG: Final = re.compile(r"[+-]?(?:\d{16,}(?:\.\d*)?|[\d.]+[eE]\+?(?:1[5-9]|[2-9]\d|\d{3}))")
_TRUE: Final = frozenset({"1", "true"})
_SIGNS: Final = r"""(?:"[^"]*"|\\.|[ ()/-])"""
_MASK: Final = re.compile(rf"(?:{_SIGNS}+0|0[0#]|0(?={_SIGNS}+[0#]))[0#]*(?:{_SIGNS}+[0#]+)*")
"""A number format that shows zeros or signs before the number: ``00000``, ``"CMD-"0``, ``0#" "##" "##" "##" "##``."""
_MASK_LONGEST: Final = 255
_PLACE: Final = re.compile(r'[0#](?=(?:[^"]*"[^"]*")*[^"]*$)(?<!\\.)')
"""The place of a digit in a number format, outside of quotes and of what a backslash precedes."""
NO_RESULT: Final = "#UNCALCULATED!"
"""Text of a formula that no program has calculated."""


UNREADABLE: Final = (zipfile.BadZipFile, KeyError, ValueError, expat.ExpatError, OSError)
"""Errors of a file that is no workbook of the usual build."""


class SheetFacts(NamedTuple):
    """Cells that must be read by their type, by row (from 1) and by column from the first used; and hidden rows."""

    typed: dict[tuple[int, int], str]
    hidden: set[int]


class SheetParser:
    """Receiver of a sheet's elements, which keeps the facts."""

    def __init__(self) -> None:
        self._typed: dict[tuple[int, int], str] = {}
        self._hidden: set[int] = set()
        self._first = 1 << 20
        self._row = self._column = 0

    def read(self, archive: zipfile.ZipFile, part: str) -> SheetFacts:
        """Return the facts of the sheet in a part of a workbook."""
        parser: Any = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        with archive.open(part) as file:
            parser.ParseFile(file)
        typed = {(row, column - self._first): cell for (row, column), cell in self._typed.items()}
        return SheetFacts(typed, self._hidden)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def _end(self, name: str) -> None:
        raise NotImplementedError

    def _text(self, text: str) -> None:
        raise NotImplementedError


def facts_of(path: Path, sheet: str) -> SheetFacts:
    """Return what the bytes of a sheet tell; nothing if the file is no XLSX of the usual build."""
    try:
        with zipfile.ZipFile(path) as archive:
            part, masks = _part_of(archive, sheet), _masks(archive)
            if part is None or not (masks or is_probed(archive, part, _PROBE)):
                return SheetFacts({}, set())
            return _Cells(masks).read(archive, part)
    except UNREADABLE:
        return SheetFacts({}, set())


def _masks(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the number formats that show leading zeros, by the number of the cell style that has one."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    codes: dict[str, str] = {}
    styles: list[str] = []
    inside = False
    for name, one in _elements(archive.read("xl/styles.xml")):
        if name == "numFmt":
            codes[one["numFmtId"]] = one["formatCode"].partition(";")[0]
        elif name in {"cellXfs", "cellStyles", "cellStyleXfs", "dxfs"}:
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            styles.append(codes.get(one.get("numFmtId", ""), ""))
    return {
        str(place): code for place, code in enumerate(styles) if len(code) <= _MASK_LONGEST and _MASK.fullmatch(code)
    }


def _shown(digits: str, code: str) -> str:
    """Return a whole number as its format shows it."""
    digits = digits.zfill(room := len(_PLACE.findall(code)))
    first = len(digits) - room + 1  # the first place takes all digits for which there is no other
    left = iter([digits[:first], *digits[first:]])
    return _PLACE.sub(lambda _: next(left), code).replace('"', "").replace("\\", "")


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


def is_probed(archive: zipfile.ZipFile, part: str, pattern: re.Pattern[bytes]) -> bool:
    """Return True if a part has what the pattern finds."""
    before = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            if pattern.search(before + chunk):
                return True
            before = chunk[-_OVERLAP:]
    return False


class _Cells(SheetParser):
    """The parser of a sheet of XLSX, with the number formats of its cells."""

    def __init__(self, masks: Mapping[str, str]) -> None:
        super().__init__()
        self._masks = masks
        self._mask = ""
        self._type = ""
        self._formula = self._inside = False
        self._value: list[str] = []

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                self._column = -1
                if attributes.get("hidden") in _TRUE:
                    self._hidden.add(self._row)
            case "c":
                place = attributes.get("r", "").rstrip("0123456789")
                self._column = _number_of(place) if place else self._column + 1
                self._type = attributes.get("t", "n")
                self._mask = self._masks.get(attributes.get("s", ""), "")
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
            self._first = min(self._first, self._column)
        if self._type == "e":
            self._typed[place] = value or "#ERROR!"
        elif self._type == "n" and self._formula and not value:
            self._typed[place] = NO_RESULT
        elif self._type == "n" and _LONG.fullmatch(value):
            self._typed[place] = NumberCell(f"{float(value):.14e}")
        elif self._type == "n" and self._mask and value.isdecimal():
            self._typed[place] = _shown(value, self._mask)
        elif self._type == "n" and _UNUSUAL.fullmatch(value):
            self._typed[place] = NumberCell(value)


def _number_of(letters: str) -> int:
    """Return the number of a column, from 0: A, B, …, Z, AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
