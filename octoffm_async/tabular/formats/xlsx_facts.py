"""Facts of an XLSX workbook that its reader below us does not tell: it gives texts, and errors as nothing.

A sheet is parsed only if its bytes show a cell that could be misread: an error, a formula without a result, a number
of more than 15 digits, a number with three decimals (as text, ``1.234`` could be a thousand), a number whose format
shows zeros before it (``01001``). Rows may be hidden, by a filter or by hand, and merged cells cover others.
"""

from __future__ import annotations

import operator as op
import re
import zipfile
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.parsers import expat

from ...errors import ConfigurationError
from ..cells.numbers import NumberCell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PROBE: Final = re.compile(
    rb"""\bt=["']e["']|\bv>[+-]?(?:\d{16}|[\d.]+[eE]|\d{1,3}\.\d{3}<)|\bf></|\bv></|\bv ?/>|\bf[^<>]*/></"""
    rb"""|\b(?:row|col)\b[^<>]*\b(?:hidden=["'](?:1|true)|(?:ht|width)=["']0)|\bmergeCell """
)
_CHUNK: Final = 1 << 20
_OVERLAP: Final = 512
_UNUSUAL: Final = re.compile(r"[+-]?\d{1,3}\.\d{3}")
_LONG: Final = re.compile(r"[+-]?(?:\d{16,}(?:\.\d*)?|[\d.]+[eE]\+?(?:1[5-9]|[2-9]\d|\d{3}))")
_TRUE: Final = frozenset({"1", "true"})
_SIGNS: Final = r"""(?:"[^"]*"|\\.|[ ()/-])"""
_MASK: Final = re.compile(rf"(?:{_SIGNS}+0|0[0#]|0(?={_SIGNS}+[0#]))[0#]*(?:{_SIGNS}+[0#]+)*")
"""A number format that shows zeros or signs before the number: ``00000``, ``"CMD-"0``, ``0#" "##" "##" "##" "##``."""
_UNSHOWN: Final = re.compile(r"""("[^"]*"|\\.)|\[(?:\$[^\]]*|[A-Za-z]+ ?\d*)\]|[_*].""")
"""Parts of a number format that add nothing to read, if they are no texts: a colour, a language, a space."""
_CONDITION: Final = re.compile(r"\[(<=|>=|<>|<|>|=)(\d{1,15})\]")
_HOLDS: Final = {"<=": op.le, ">=": op.ge, "<>": op.ne, "<": op.lt, ">": op.gt, "=": op.eq}
_MASK_LONGEST: Final = 255
_COLUMNS_MOST: Final = 1 << 14
_RANGE: Final = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", re.ASCII)
_COVERED_MOST: Final = 100_000
"""Cells of one merged range. Only the first is shown, and what others still hold is not read."""
_PART_MOST: Final = 16 << 20
"""Bytes of a part that is read as a whole: a workbook's names and styles have some thousands."""
_PLACE: Final = re.compile(r'[0#](?=(?:[^"]*"[^"]*")*[^"]*$)(?<!\\.)')
"""The place of a digit in a number format, outside of quotes and of what a backslash precedes."""
NO_RESULT: Final = "#UNCALCULATED!"
"""Text of a formula that no program has calculated."""


UNREADABLE: Final = (zipfile.BadZipFile, KeyError, ValueError, expat.ExpatError, OSError)
"""Errors of a file that is no workbook of the usual build."""


class SheetFacts(NamedTuple):
    """Cells that must be read by their type, by row (from 1) and by column from the first used; and what is hidden."""

    typed: dict[tuple[int, int], str]
    hidden: set[int]
    """Rows."""
    columns: set[int]


NO_FACTS: Final = SheetFacts({}, set(), set())


class SheetParser:
    """Receiver of a sheet's elements, which keeps the facts."""

    def __init__(self) -> None:
        self._typed: dict[tuple[int, int], str] = {}
        self._hidden: set[int] = set()
        self._columns: set[int] = set()
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
        return SheetFacts(typed, self._hidden, {column - self._first for column in self._columns})

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
                return NO_FACTS
            return _Cells(masks).read(archive, part)
    except UNREADABLE:
        return NO_FACTS


def _masks(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the number formats that show leading zeros, by the number of the cell style that has one."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    codes: dict[str, str] = {}
    styles: list[str] = []
    inside = False
    for name, one in _elements(archive, "xl/styles.xml"):
        if name == "numFmt" and len(one["formatCode"]) <= _MASK_LONGEST:
            codes[one["numFmtId"]] = _UNSHOWN.sub(r"\1", one["formatCode"])
        elif name in {"cellXfs", "cellStyles", "cellStyleXfs", "dxfs"}:
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            styles.append(codes.get(one.get("numFmtId", ""), ""))
    return {str(place): code for place, code in enumerate(styles) if any(map(_mask, code.split(";")))}


def _mask(section: str) -> str:
    """Return a section of a number format without its condition; empty if it shows no zeros and signs."""
    section = _CONDITION.sub("", section).strip(" ").removesuffix("\\ ").removesuffix("\\")
    return section if _MASK.fullmatch(section) else ""


def _shown(digits: str, code: str) -> str:
    """Return a whole number as its format shows it."""
    for section in code.split(";"):
        rule = _CONDITION.search(section)
        if rule is None or _HOLDS[rule[1]](int(digits), int(rule[2])):
            return _filled(digits, _mask(section))
    return digits


def _filled(digits: str, code: str) -> str:
    if not code:
        return digits
    digits = digits.zfill(room := len(_PLACE.findall(code)))
    first = len(digits) - room + 1  # the first place takes all digits for which there is no other
    left = iter([digits[:first], *digits[first:]])
    return _PLACE.sub(lambda _: next(left), code).replace('"', "").replace("\\", "")


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the part that holds a sheet."""
    targets = {one.get("Id"): one.get("Target", "") for _, one in _elements(archive, "xl/_rels/workbook.xml.rels")}
    for name, one in _elements(archive, "xl/workbook.xml"):
        if name == "sheet" and one.get("name") == sheet:
            link = next((value for key, value in one.items() if key.rpartition(":")[2] == "id"), None)
            target = targets.get(link, "")
            return target[1:] if target.startswith("/") else f"xl/{target}"
    return None


def _elements(archive: zipfile.ZipFile, part: str) -> list[tuple[str, dict[str, str]]]:
    if archive.getinfo(part).file_size > _PART_MOST:
        raise ConfigurationError(f"{archive.filename}: its part {part} has more than {_PART_MOST:,} bytes")
    found: list[tuple[str, dict[str, str]]] = []
    parser: Any = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        found.append((name.rpartition(":")[2], attributes))

    parser.StartElementHandler = start
    parser.Parse(archive.read(part), True)  # noqa: FBT003  (the last part)
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
                if attributes.get("hidden") in _TRUE or float(attributes.get("ht") or 1) == 0:
                    self._hidden.add(self._row)
            case "col" if attributes.get("hidden") in _TRUE or float(attributes.get("width") or 1) == 0:
                self._columns.update(range(int(attributes["min"]) - 1, min(int(attributes["max"]), _COLUMNS_MOST)))
            case "mergeCell" if found := _RANGE.fullmatch(attributes.get("ref", "")):
                left, right = _number_of(found[1]), _number_of(found[3])
                top, bottom = int(found[2]), int(found[4])
                if (right - left + 1) * (bottom - top + 1) <= _COVERED_MOST:
                    covered = product(range(top, bottom + 1), range(left, right + 1))
                    self._typed |= dict.fromkeys(islice(covered, 1, None), "")
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
