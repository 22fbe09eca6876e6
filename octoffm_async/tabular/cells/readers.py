"""Readers of the cells of one column: the parser of its field, and all that may stand in a cell in place of a value."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ...contract.requests.checks import GTIN_LENGTHS
from . import parsers as parse
from .codes import QUICK, CodeColumn, all_usual, mended, mended_text, tidied, with_western_digits
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
    is_words,
    lost_letter,
    repeats,
    without_html,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .notes import ReadingNotes
    from .parsers import CellParser, CellValue

_CELLS_KNOWN = 5_000
_SPELLED = re.compile(r"[&%\\]|=\?|_x")
"""Signs of a text that may spell others."""
_LONGEST_WORD = 10
_NOTHING = frozenset(
    form for word in ("nan", "nat", "non", "nul", "und") for form in (word, word.title(), word.upper(), "NaN", "NaT")
)
"""Beginnings of words for nothing; those that a program joined are longer."""
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
    """The values of a field's cells: a dictionary that knows a cell is the quickest reader.

    A value that cannot be sent raises ValueError.
    """

    def __init__(self, parser: CellParser) -> None:
        super().__init__()
        self._parser = parser

    def __missing__(self, cell: str) -> CellValue:
        return self._parser(str(cell))

    def column(self, cells: Sequence[str], odd: set[int]) -> Sequence[CellValue]:
        """Return the values of many cells of a CSV file, and None for each that is empty.

        The places of cells that must be read by themselves, for what is wrong or was mended, are added to ``odd``.
        """
        if len(self) >= _CELLS_KNOWN:
            self.clear()
        if new := {cell for cell in cells if cell and cell not in self}:
            self._learn({cell for cell in new if cell[0] != "="})
            if unknown := {cell for cell in new if cell not in self}:
                odd.update(place for place, cell in enumerate(cells) if cell in unknown)
        return list(map(self.get, cells))

    def _learn(self, cells: set[str]) -> None:
        """Keep the values of those of some cells in which nothing is wrong, and nothing was mended."""
        for cell in cells:
            with suppress(ValueError):
                self[cell] = self._parser(cell)


class JudgingReader(CellReader):
    """A reader that looks for all that may stand in a cell in place of a value.

    Each cell is judged once. One that holds a word for nothing in a field that may be empty is None. What was mended is
    noted for each cell, so such a cell is judged by the slower way each time.
    """

    def __init__(
        self, name: str, parser: CellParser, evidence: FileEvidence, notes: ReadingNotes, *, required: bool
    ) -> None:
        super().__init__(parser)
        self._name = name
        self._notes = notes
        self._required = required
        self._code = evidence.code(name) if parser is parse.code else None
        self._in_digits = name.endswith((".postal_code", ".phone"))
        self._told: dict[str, _Judgement] = {}
        self._usual = _USUAL.get(parser, _never)
        self._all_usual = _ALL_USUAL.get(parser, _never)

    def __missing__(self, cell: str) -> CellValue:
        if self._usual(cell):
            value: CellValue = str(cell)
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

    def column(self, cells: Sequence[str], odd: set[int]) -> Sequence[CellValue]:
        if self._all_usual(cells):
            return [cell or None for cell in cells] if "" in cells else cells
        return super().column(cells, odd)

    def _learn(self, cells: set[str]) -> None:
        usual = set(filter(self._usual, cells))
        self.update(zip(usual, usual, strict=True))
        for cell in cells - usual:
            value, kind, reason = self._told.get(cell) or self._judged(cell)
            if not kind and not reason:
                self[cell] = value

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
            if self._required and code in {"0", "-0"}:
                reason = "is a zero in place of a value, as a formula on an empty cell gives"
            return _Judgement(code, NUMBER if code != cell else kind, self._unless_literal(reason))
        if self._parser is parse.text and self._name.startswith("delivery_address."):
            text, reason = mended_text(cell)
            return _Judgement(text, NUMBER if text != cell else kind, self._unless_literal(lost_letter(cell) or reason))
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


class NumberReader(JudgingReader):
    """A reader of numbers: with the decimal sign that was given, or by that which the file proves."""

    def __init__(
        self,
        name: str,
        parser: CellParser,
        evidence: FileEvidence,
        notes: ReadingNotes,
        *,
        required: bool,
        given: str,
    ) -> None:
        super().__init__(name, parser, evidence, notes, required=required)
        self._given = given
        self._found = evidence.decimal

    def __missing__(self, cell: str) -> CellValue:
        if isinstance(cell, NumberCell):  # never kept, for it equals the same text
            return self._parser(str(cell))
        if self._given and ("." in cell or "," in cell):
            return self._parser(plain_number(cell, self._given))
        unclear = UNCLEAR.fullmatch(cell)
        if unclear is None:
            return super().__missing__(cell)
        if not self._found:
            sign = unclear[1]
            raise ValueError(
                f"is ambiguous: {cell.replace(sign, '')} or {cell.replace(sign, '.')}? Write it without the {sign!r}, "
                f"or say --decimal point or --decimal comma"
            )
        value = self._parser(plain_number(cell, self._found))
        self._notes.changed(self._name, SEPARATED, cell, str(value))
        return value

    def _learn(self, cells: set[str]) -> None:
        pointed = {cell for cell in cells if "." in cell or "," in cell}
        if not self._given:
            super()._learn({cell for cell in cells if cell not in pointed or UNCLEAR.fullmatch(cell) is None})
            return
        super()._learn(cells - pointed)
        for cell in pointed:
            with suppress(ValueError):
                self[cell] = self._parser(plain_number(cell, self._given))


def reader_for(
    name: str,
    parser: CellParser,
    evidence: FileEvidence,
    options: ReadingOptions,
    notes: ReadingNotes,
    *,
    required: bool,
) -> CellReader:
    """Return the reader of a field's cells."""
    if name in options.literal:
        return CellReader(parser if parser is not parse.country else str)
    if parser in {parse.number, parse.whole}:
        return NumberReader(name, parser, evidence, notes, required=required, given=options.decimal)
    return JudgingReader(name, parser, evidence, notes, required=required)


def _usual_text(cell: str) -> bool:
    """Return True for a text without the signs that need a look: words, or longer than any word for nothing.

    One like 1.23457E+12 is left to the look.
    """
    if len(cell) <= _LONGEST_WORD:
        return is_words(cell) and SUSPECT.search(cell) is None
    return _all_usual_text((cell,))


def _all_usual_text(cells: Sequence[str]) -> bool:
    if min(map(len, cells)) <= _LONGEST_WORD or not "".join([cell[0] for cell in cells]).isalnum():
        return False
    if not {cell[1] for cell in cells}.isdisjoint(".,") or not {cell[:3] for cell in cells}.isdisjoint(_NOTHING):
        return False
    return SUSPECT.search("\n".join(cells)) is None


def _usual_gtin(cell: str) -> bool:
    return len(cell) in GTIN_LENGTHS and cell.isascii() and cell.isdigit()


def _never(_cells: str | Sequence[str]) -> bool:
    return False


_USUAL: Final[Mapping[CellParser, Callable[[str], object]]] = {
    parse.code: QUICK.fullmatch,
    parse.gtin: _usual_gtin,
    parse.text: _usual_text,
}
"""Quick tests of cells that stand for themselves, by the parser."""
_ALL_USUAL: Final[Mapping[CellParser, Callable[[Sequence[str]], bool]]] = {
    parse.code: all_usual,
    parse.text: _all_usual_text,
}
"""Quick tests of all cells of a column at once, by the parser."""
