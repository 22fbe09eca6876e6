"""Readers of the cells of one column: the parser of its field, and all that may stand in a cell in place of a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from .. import cell_parsers as parse
from .codes import QUICK, CodeColumn, mended, tidied
from .countries import country_code
from .numbers import UNCLEAR, NumberCell, plain_number
from .signs import MADE_UP, SUSPECT, UNSEEN, WESTERN, broken, is_error, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..cell_parsers import CellParser, CellValue
    from ..notes import ReadingNotes

_CELLS_KNOWN = 5_000
_LONGEST_WORD = 10
TIDIED = "signs that cannot be seen were removed"
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


class _Read(NamedTuple):
    value: CellValue
    kind: str = ""
    reason: str = ""


class CellReader:
    """The reader of a field's cells.

    It returns None for a cell that holds a word for nothing in a field that may be empty, and raises ValueError for a
    value that cannot be sent.
    """

    def __init__(
        self, name: str, parser: CellParser, evidence: FileEvidence, notes: ReadingNotes, *, required: bool
    ) -> None:
        self._name = name
        self._parser = parser
        self._notes = notes
        self._required = required
        self._code = evidence.code(name) if parser is parse.code else None
        self._known: dict[str, _Read] = {}

    def __call__(self, cell: str) -> CellValue:
        found = self._known.get(cell)
        if found is None:
            if len(self._known) >= _CELLS_KNOWN:
                self._known.clear()
            self._known[cell] = found = self._inspect(str(cell))
        value, kind, reason = found
        if reason:
            raise ValueError(reason)
        if kind:
            self._notes.changed(self._name, kind, cell, "" if value is None else str(value))
        return value

    def read_code(self, cell: str) -> CellValue:
        """Read a code, at once if it has the usual form."""
        return str(cell) if QUICK.fullmatch(cell) else self(cell)

    def read_gtin(self, cell: str) -> CellValue:
        """Read a GTIN, at once if it is made of digits."""
        return self._parser(str(cell)) if cell.isdecimal() else self(cell)

    def read_text(self, cell: str) -> CellValue:
        """Read a text, at once if it has none of the signs that need a look and is longer than any word for nothing."""
        if len(cell) > _LONGEST_WORD and cell[0].isalnum() and SUSPECT.search(cell) is None:
            return str(cell)
        return self(cell)

    def _inspect(self, cell: str) -> _Read:
        bare = tidied(cell) if self._parser in {parse.code, parse.gtin} else cell.translate(UNSEEN).strip()
        kind = TIDIED if bare != cell else ""
        if (western := bare.translate(WESTERN)) != bare:
            bare, kind = western, LATIN
        if reason := broken(bare):
            return _Read(None, "", reason)
        if is_error(bare):
            return _Read(None, "", "is a spreadsheet's error and not a value: correct the cell and export again")
        if is_placeholder(bare) and not (self._parser is parse.country and bare == "NA"):  # Namibia
            literal = f"{MADE_UP}; if it is one, say --literal {self._name}"
            return _Read(None, "", literal) if self._required else _Read(None, LEFT_OUT)
        return self._parsed(bare, kind)

    def _parsed(self, cell: str, kind: str) -> _Read:
        if self._code is not None:
            code, reason = mended(cell, self._code)
            reason = f"{reason}; if it is the code, say --literal {self._name}" if reason else ""
            return _Read(code, NUMBER if code != cell else kind, reason)
        if self._parser is parse.country and not country_code(cell):
            return _Read(None, "", "is no country: write its code, such as FR. Or are the columns of this row shifted?")
        try:
            value = self._parser(cell)
        except ValueError as error:
            return _Read(None, "", str(error))
        return _Read(value, COUNTRY if self._parser is parse.country and value != cell else kind)


def reader_for(
    name: str,
    parser: CellParser,
    evidence: FileEvidence,
    options: ReadingOptions,
    notes: ReadingNotes,
    *,
    required: bool,
) -> CellParser:
    """Return the reader of a field's cells, a :class:`CellReader` or the quickest of its ways."""
    if name in options.literal:
        return parser if parser not in {parse.text, parse.code, parse.country} else str
    reader = CellReader(name, parser, evidence, notes, required=required)
    if parser in {parse.number, parse.whole}:
        return _number_reader(
            reader, parser, options.decimal, evidence.decimal, partial(notes.changed, name, SEPARATED)
        )
    quick: dict[CellParser, CellParser] = {
        parse.code: reader.read_code,
        parse.gtin: reader.read_gtin,
        parse.text: reader.read_text,
    }
    return quick.get(parser, reader)


def _number_reader(
    otherwise: CellParser, parser: CellParser, given: str, found: str, changed: Callable[[str, str], None]
) -> CellParser:
    """Return a reader of numbers: with the decimal sign that was given, or by that which the file proves."""

    quick = int if parser is parse.whole else float

    def read(cell: str) -> CellValue:
        if len(cell) < _LONGEST_WORD and cell.isascii() and cell.isdigit():
            return quick(cell)
        if isinstance(cell, NumberCell):
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
