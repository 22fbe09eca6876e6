"""Readers of the cells of one column: the parser of its field, and all that may stand in a cell in place of a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from .. import cell_parsers as parse
from .codes import QUICK, CodeColumn, mended, mended_text, tidied, with_western_digits
from .countries import country_code
from .numbers import UNCLEAR, NumberCell, plain_number
from .signs import (
    MADE_UP,
    SUSPECT,
    UNSEEN,
    WESTERN,
    broken,
    is_error,
    is_placeholder,
    lost_letter,
    repeats,
    without_html,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..cell_parsers import CellParser, CellValue
    from .notes import ReadingNotes

_CELLS_KNOWN = 5_000
_SPELLED = re.compile(r"[&%\\]|=\?|_x")
"""Signs of a text that may spell others."""
_LONGEST_WORD = 10
TIDIED = "signs that cannot be seen were removed"
DIGITS = "digits and blanks of other scripts were written as usual ones"
HTML = "signs that were spelled as on a web page were written themselves"
LATIN = "signs of Windows-1252 had been read as Latin-1"
NUMBER = "a whole number was written with decimals"
LEFT_OUT = "a word for an empty value was left out"
COUNTRY = "the country's code was written in full or in another form"
SEPARATED = "thousands and decimals were told apart by the file's other numbers"


class StatusRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Statuses, in small letters, of orders that are sent and of those that are left out (``*``: any).

    An order in another status is refused: it is not known if it was shipped already.
    """

    send: list[str]
    leave: list[str]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The user's words about a file, so that nothing is guessed.

    Attributes:
        decimal: The decimal sign of all numbers, ``.`` or ``,``; empty to find it out.
        literal: Fields whose cells are taken as they stand, although they look like a word for nothing, a number or a
            date.
        fill_zeros: Give postal codes back the zeros that a spreadsheet dropped.
        fill_down: Take rows without a reference for rows of the order above, as merged cells come out.
        statuses: By column, the statuses of items that are sent or left out.
    """

    decimal: str = ""
    literal: frozenset[str] = frozenset()
    fill_zeros: bool = False
    fill_down: bool = False
    statuses: Mapping[str, StatusRule] = field(default_factory=dict[str, StatusRule])


@dataclass
class FileEvidence:
    """Facts of the whole file about its numbers and codes."""

    decimal: str = ""
    """The decimal sign that the file's numbers prove; empty if none does, or if they contradict each other."""
    codes: dict[str, CodeColumn] = field(default_factory=dict[str, CodeColumn])
    """By field."""

    def code(self, name: str) -> CodeColumn:
        """Return the evidence of a column of codes."""
        return self.codes.setdefault(name, CodeColumn())


class _Judgement(NamedTuple):
    value: CellValue
    kind: str = ""
    """The kind of the change, if the cell was mended."""
    reason: str = ""
    """The reason why the cell cannot be sent."""


class CellReader(dict[str, "CellValue"]):
    """The values of a field's cells: each cell is judged once, and a dictionary that knows it is the quickest reader.

    A cell that holds a word for nothing in a field that may be empty is None; a value that cannot be sent raises
    ValueError. What was mended is noted for each cell, so such a cell is judged by the slower way each time.
    """

    def __init__(
        self, name: str, parser: CellParser, evidence: FileEvidence, notes: ReadingNotes, *, required: bool
    ) -> None:
        super().__init__()
        self._name = name
        self._parser = parser
        self._notes = notes
        self._required = required
        self._code = evidence.code(name) if parser is parse.code else None
        self._in_digits = name.endswith((".postal_code", ".phone"))
        self._told: dict[str, _Judgement] = {}
        self._usual = _USUAL.get(parser, _never)

    def __missing__(self, cell: str) -> CellValue:
        if self._usual(cell):
            value: CellValue = self._parser(str(cell)) if self._parser is parse.gtin else str(cell)
        else:
            value, kind, reason = self._told.get(cell) or self._judged(cell)
            if reason:
                raise ValueError(reason)
            if kind:
                self._notes.changed(self._name, kind, cell, "" if value is None else str(value))
                return value
        if len(self) >= _CELLS_KNOWN:
            self.clear()
        self[cell] = value
        return value

    def _judged(self, cell: str) -> _Judgement:
        found = self._inspect(str(cell))
        if found.kind or found.reason:
            if len(self._told) >= _CELLS_KNOWN:
                self._told.clear()
            self._told[cell] = found
        return found

    def _inspect(self, cell: str) -> _Judgement:
        if (
            cell.isascii()
            and cell.isprintable()
            and cell[:1] != "'"
            and cell.strip() == cell
            and not _SPELLED.search(cell)
        ):
            return self._weighed(cell, "")
        bare = tidied(cell) if self._parser in {parse.code, parse.gtin} else cell.translate(UNSEEN).strip()
        kind = TIDIED if bare != cell else ""
        if self._in_digits and not bare.isascii() and (western := with_western_digits(bare)) != bare:
            bare, kind = western, DIGITS
        if (western := bare.translate(WESTERN)) != bare:
            bare, kind = western, LATIN
        if (plain := without_html(bare)) != bare:
            if self._code is not None:
                return _Judgement(None, "", self._unless_literal(f"is written as on a web page (is it {plain!r}?)"))
            bare, kind = plain, HTML
        if reason := broken(bare):
            return _Judgement(None, "", reason)
        return self._weighed(bare, kind)

    def _unless_literal(self, reason: str) -> str:
        return f"{reason}; if it is the value, say --literal {self._name}" if reason else ""

    def _weighed(self, bare: str, kind: str) -> _Judgement:
        if is_error(bare):
            return _Judgement(None, "", "is a spreadsheet's error and not a value: correct the cell and export again")
        if repeats(bare):
            return _Judgement(None, "", self._unless_literal("stands for the value of the row above: write it out"))
        if is_placeholder(bare) and not (self._parser is parse.country and bare == "NA"):  # Namibia
            literal = f"{MADE_UP}; if it is one, say --literal {self._name}"
            return _Judgement(None, "", literal) if self._required else _Judgement(None, LEFT_OUT)
        return self._parsed(bare, kind)

    def _parsed(self, cell: str, kind: str) -> _Judgement:
        if self._code is not None:
            code, reason = mended(cell, self._code)
            return _Judgement(code, NUMBER if code != cell else kind, self._unless_literal(reason))
        if self._parser is parse.text and self._name.startswith("delivery_address."):
            text, reason = mended_text(cell)
            if lost_letter(cell):
                reason = "has a question mark in place of a letter, which a program could not write"
            return _Judgement(text, NUMBER if text != cell else kind, self._unless_literal(reason))
        if self._parser is parse.country and not country_code(cell):
            return _Judgement(
                None, "", "is no country: write its code, such as FR. Or are the columns of this row shifted?"
            )
        try:
            value = self._parser(cell)
        except ValueError as error:
            return _Judgement(None, "", str(error))
        if value != cell and self._parser in {parse.country, parse.gtin}:
            kind = COUNTRY if self._parser is parse.country else NUMBER
        return _Judgement(value, kind)


def reader_for(
    name: str,
    parser: CellParser,
    evidence: FileEvidence,
    options: ReadingOptions,
    notes: ReadingNotes,
    *,
    required: bool,
) -> CellParser:
    """Return the reader of a field's cells."""
    if name in options.literal:
        return parser if parser not in {parse.text, parse.code, parse.country} else str
    reader = CellReader(name, parser, evidence, notes, required=required).__getitem__
    if parser in {parse.number, parse.whole}:
        return _number_reader(
            reader, parser, options.decimal, evidence.decimal, partial(notes.changed, name, SEPARATED)
        )
    return reader


def _usual_text(cell: str) -> bool:
    """Return True for a text without the signs that need a look, which is longer than any word for nothing."""
    return len(cell) > _LONGEST_WORD and cell[0].isalnum() and SUSPECT.search(cell) is None


def _never(_cell: str) -> bool:
    return False


_USUAL: Final[Mapping[CellParser, Callable[[str], object]]] = {
    parse.code: QUICK.fullmatch,
    parse.gtin: str.isdecimal,
    parse.text: _usual_text,
}
"""Quick tests of cells that stand for themselves, by the parser."""


def _number_reader(
    otherwise: CellParser, parser: CellParser, given: str, found: str, changed: Callable[[str, str], None]
) -> CellParser:
    """Return a reader of numbers: with the decimal sign that was given, or by that which the file proves."""

    quick = int if parser is parse.whole else float

    def read(cell: str) -> CellValue:
        if len(cell) < _LONGEST_WORD and cell.isascii() and cell.isdigit():
            return quick(cell)
        if isinstance(cell, NumberCell):  # never of the dictionary, where it equals the same text
            return parser(str(cell))
        if given and ("." in cell or "," in cell):
            return parser(plain_number(cell, given))
        unclear = UNCLEAR.fullmatch(cell)
        if unclear is None:
            return otherwise(cell)
        if not found:
            sign = unclear[1]
            raise ValueError(
                f"is ambiguous: {cell.replace(sign, '')} or {cell.replace(sign, '.')}? Write it without the {sign!r}, "
                f"or say --decimal point or --decimal comma"
            )
        value = parser(plain_number(cell, found))
        changed(cell, str(value))
        return value

    return read
