"""Readers of the cells of one column: the parser of its field, and all that may stand in a cell in place of a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .. import cell_parsers as parse
from .codes import QUICK, CodeColumn, mended, tidied
from .countries import country_code
from .numbers import UNCLEAR, NumberCell, plain_number
from .signs import MADE_UP, UNSEEN, WESTERN, broken, is_error, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable

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


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What the user says about a file, so that nothing is guessed.

    Attributes:
        decimal: The decimal sign of all numbers, ``.`` or ``,``; empty to find it out.
        literal: Fields whose cells are taken as they stand, although they look like a word for nothing, a number or a
            date.
        fill_zeros: Give postal codes back the zeros that a spreadsheet dropped.
        fill_down: Take rows without a reference for rows of the order above, as merged cells come out.
    """

    decimal: str = ""
    literal: frozenset[str] = frozenset()
    fill_zeros: bool = False
    fill_down: bool = False


@dataclass
class Evidence:
    """What the whole file tells about its numbers and codes."""

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


def reader_for(
    name: str, parser: CellParser, evidence: Evidence, options: ReadingOptions, notes: ReadingNotes, *, required: bool
) -> CellParser:
    """Return the reader of a field's cells.

    It returns None for a cell that holds a word for nothing in a field that may be empty, and raises ValueError for a
    value that cannot be sent.
    """
    if name in options.literal:
        return parser if parser not in {parse.text, parse.code, parse.country} else str
    is_code = parser is parse.code
    column = evidence.code(name)
    known: dict[str, _Read] = {}

    def inspect(cell: str) -> _Read:
        cell = str(cell)  # no NumberCell
        bare = tidied(cell) if is_code else cell if cell.isascii() else cell.translate(UNSEEN).strip()
        kind = TIDIED if bare != cell else ""
        if (western := bare.translate(WESTERN)) != bare:
            bare, kind = western, LATIN
        if reason := broken(bare):
            return _Read(None, "", reason)
        if is_error(bare):
            return _Read(None, "", "is a spreadsheet's error and not a value: correct the cell and export again")
        if is_placeholder(bare) and not (parser is parse.country and bare == "NA"):  # Namibia
            if required:
                return _Read(None, "", f"{MADE_UP}; if it is one, say --literal {name}")
            return _Read(None, LEFT_OUT)
        if is_code:
            code, reason = mended(bare, column)
            reason = f"{reason}; if it is the code, say --literal {name}" if reason else ""
            return _Read(code, NUMBER if code != bare else kind, reason)
        if parser is parse.country:
            return _country(bare, kind)
        try:
            return _Read(parser(bare), kind)
        except ValueError as error:
            return _Read(None, "", str(error))

    def read(cell: str) -> CellValue:
        if is_code:
            if QUICK.fullmatch(cell):
                return str(cell)
        elif parser is parse.text and len(cell) > _LONGEST_WORD and cell.isascii() and cell[0].isalnum():
            if cell.isprintable():
                return cell
        found = known.get(cell)
        if found is None:
            if len(known) >= _CELLS_KNOWN:
                known.clear()
            known[cell] = found = inspect(cell)
        value, kind, reason = found
        if reason:
            raise ValueError(reason)
        if kind:
            notes.changed(name, kind, cell, "" if value is None else str(value))
        return value

    if parser in {parse.number, parse.whole}:
        return _number_reader(name, parser, evidence, options, notes, read)
    return read


def _country(cell: str, kind: str) -> _Read:
    code = country_code(cell)
    if not code:
        reason = "is no country: write its code, such as FR. Or are the columns of this row shifted by a separator?"
        return _Read(None, "", reason)
    return _Read(code, COUNTRY if code != cell else kind)


def _number_reader(
    name: str,
    parser: CellParser,
    evidence: Evidence,
    options: ReadingOptions,
    notes: ReadingNotes,
    otherwise: Callable[[str], CellValue],
) -> CellParser:
    decimal = options.decimal or evidence.decimal

    def read(cell: str) -> CellValue:
        if cell.isascii() and cell.isdigit():
            return parser(cell)
        if isinstance(cell, NumberCell):
            return parser(str(cell))
        if options.decimal and any(sign in cell for sign in ".,"):
            value = parser(plain_number(cell, decimal))
        elif UNCLEAR.fullmatch(cell):
            if not decimal:
                sign = UNCLEAR.fullmatch(cell)[1]  # type: ignore[index]
                digits = cell.replace(sign, "")
                raise ValueError(
                    f"is ambiguous: {digits} or {cell.replace(sign, '.')}? Write it without the {sign!r}, or say "
                    f"--decimal point or --decimal comma"
                )
            value = parser(plain_number(cell, decimal))
            notes.changed(name, SEPARATED, cell, str(value))
        else:
            return otherwise(cell)
        return value

    return read
