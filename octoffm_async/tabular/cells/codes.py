# ruff: noqa: RUF001  (months in Greek)
"""Codes: references, postal codes and phone numbers, which spreadsheets and data frames take for numbers or dates.

A number with a gap in its column becomes ``1001.0``, a long one ``1.23457E+12``, one of more than 15 digits loses its
last ones, and ``1-2`` becomes a date. A code that may be one of these is mended where that is exact, and refused
elsewhere. Some codes only look like it: the other cells of the column tell them apart.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .signs import CONTROL, JOINERS, UNSEEN, WESTERN, is_placeholder, repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

_USUAL: Final = r"\+?(?!0$)\d{1,15}|[A-Z]{2,}[-_/ ]?\d{3,15}|[A-Za-z][\w#/-]{0,50}?\d{5}[\w#/-]*(?<!_)"
QUICK: Final = re.compile(_USUAL, re.ASCII)
"""Codes of the usual form, in which nothing can be wrong: no number, date or word of a program looks so."""
_ALL_USUAL: Final = re.compile(rf"(?:(?:{_USUAL})?\n)*+", re.ASCII | re.MULTILINE)
_FLOAT: Final = re.compile(r"([+-]?\d+)[.,]0+", re.ASCII)
_WHOLE: Final = re.compile(
    r"([+-]?\d+)[.,]0*|([+-]?\d{1,3}(?:(?P<t>[.,' \u00a0\u202f])\d{3})(?:(?P=t)\d{3})*)(?!(?P=t))[.,]0+", re.ASCII
)
"""Whole numbers with decimals or a point behind them; with signs between thousands only if the two signs differ."""
_UNCLEAR: Final = re.compile(r"[1-9]\d{0,2}[.,]000", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d+[.,]\d*[1-9]\d*", re.ASCII)
_SCIENTIFIC: Final = re.compile(
    r"[+-]?(?:\d+[.,]\d*\s?[eE]\s?[+-]?\s?\d{1,3}|\d+\s?[eE]\s?[+-]\s?\d{1,3}|\d+[eE](?:1[5-9]|[2-9]\d|\d{3})"
    r"|\d+(?:[.,]\d+)?\s?[x×*·]\s?10\s?\^?\s?[+-]?\d{1,3})",
    re.ASCII,
)
_GROUPS: Final = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3}){2,}|(?:['\u2019]\d{3})+)", re.ASCII)
_PREFIXED: Final = re.compile(r"[^\W\d_][\w/ -]*\d{3}\.0")
"""A float behind a word: ``CMD-1001.0``."""
_LONG: Final = re.compile(r"\d{16,}", re.ASCII)
EXACT_DIGITS: Final = 15
"""Digits of a number that a spreadsheet keeps."""
_TIME: Final = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_NUMERIC_DATE: Final = re.compile(
    rf"(?:(?P<y>\d{{4}})(?P<s>[-/.])(?P<a>\d{{1,2}})(?P=s)(?P<b>\d{{1,2}})"
    rf"|(?P<c>\d{{1,2}})(?P<t>[-/.])(?P<d>\d{{1,2}})(?P=t)(?:\d{{4}}|\d{{2}})){_TIME}",
    re.ASCII,
)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?", re.ASCII)
_MONTH: Final = (
    "(?:jan|ene|gen|sty|janv|jän|feb|fév|fev|févr|lut|mar|mär|mrz|mrt|mars|apr|abr|avr|kwi|may|mai|mei|mag|maj|jun|juin"
    "|jui|giu|cze|jul|juil|lug|lip|aug|aoû|août|aout|ago|sie|sep|set|sept|wrz|oct|okt|ott|out|paź|nov|lis|dec|dez|déc"
    "|dic|gru|ian|iun|iul|noi|úno|bře|kvě|čvn|čvc|srp|zář|říj|márc|ápr|máj|jún|júl|szept|oca|şub|nis|haz|ağu|eyl"
    "|tammi|helmi|maalis|huhti|touko|kesä|heinä|elok|syys|loka|marras|joulu|ιαν|φεβ|μαρ|απρ|μαϊ|μαΐ|μάι|ιουν|ιουλ|αυγ"
    r"|σεπ|οκτ|νοε|δεκ|янв|фев|мар|апр|май|июн|июл|авг|сен|окт|ноя|дек)[^\W\d_]*\.?"
)
_NAMED_DATE: Final = re.compile(
    rf"(?:\w{{2,4}}\.?,? )?"
    rf"(?:\d{{1,2}}(?:st|nd|rd|th|er|\.)?[-/ .]{{0,2}}{_MONTH}(?P<e>[-/ .,]{{1,2}}'?\d{{2,4}}{_TIME})?"
    rf"|{_MONTH}(?P<p>[-/ .]{{1,2}})\d{{1,2}},? (?:\d{{2,4}}){_TIME}|{_MONTH}[-/ ]{{1,2}}'?\d{{2,4}})",
    re.IGNORECASE,
)
_SIGNED_DATE: Final = re.compile(r"(?:\d{4}[年년] ?)?\d{1,2}[月월] ?(?:\d{1,2}[日일])?")
_NUMERIC_STARTS: Final = frozenset("+-0123456789")
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_SHORT_DATE: Final = re.compile(rf"\d{{1,2}}-{_MONTH}", re.IGNORECASE)
_FORMULA: Final = re.compile(r"=(?:[+-]?\d.*|\$?[A-Z]{1,3}\$?\d+.*|.*\(.*)", re.DOTALL)
_BREAK: Final = re.compile(r".*[\t\r\n].*", re.DOTALL)
_SPOILT: Final = (
    (_GROUPS, "is a number with signs between its thousands: format the column as text and export again"),
    (_PREFIXED, "ends in .0, as if a program had made a decimal number of the code"),
    (
        _SCIENTIFIC,
        "was a number that a spreadsheet shortened, and digits are lost: format the column as text and export again",
    ),
    (_FORMULA, "is a formula and not a value: export the values"),
    (_BREAK, "has the end of a line or a tab inside, as if two cells had become one"),
)
"""Forms that no code has, each with the reason."""
_TRUTH: Final = frozenset({"true", "false", "wahr", "falsch", "vrai", "faux", "verdadero", "falso", "vero"})


@dataclass
class CodeColumn:
    """Evidence of a column of codes: forms that no spreadsheet makes, so that the like are meant as they stand."""

    decimals: bool = False
    """Some cells are decimal numbers, such as 1.5: then 1.0 may be a code."""
    exact: bool = False
    """Some cells have more than 15 digits that are no rounded number."""
    no_dates: set[str] = field(default_factory=set[str])
    """Forms of dates that some cells have which are none, such as 45-99-87."""

    def notice(self, cell: str) -> None:
        """Take one cell into account."""
        cell = cell.strip()
        if not cell or cell[0] not in _NUMERIC_STARTS:
            return
        if _DECIMAL.fullmatch(cell):
            self.decimals = True
        elif _LONG.fullmatch(cell):
            self.exact = self.exact or cell[EXACT_DIGITS:].strip("0") != ""
        elif (found := _NUMERIC_DATE.fullmatch(cell)) and not _is_date(found):
            self.no_dates.add(_form(found))


def all_usual(cells: Sequence[str]) -> bool:
    """Return True if all cells are codes of the usual form, or empty."""
    together = "".join(cells)
    if together.isdigit() and together.isascii() and max(map(len, cells)) <= EXACT_DIGITS:
        return "0" not in cells
    return _ALL_USUAL.fullmatch("\n".join([*cells, ""])) is not None


def tidied(cell: str) -> str:
    """Return a code without signs that cannot be seen, and without the apostrophe that marks text in a sheet."""
    if not cell.isascii():
        cell = cell.translate(UNSEEN | JOINERS).strip()
    if cell[:1] == "'" and len(cell) > 1 and (cell[1].isalnum() or cell[1] in "=+-@"):
        cell = cell[1 : -1 if cell[-1] == "'" else None].strip()
    return cell


def mended(cell: str, column: CodeColumn) -> tuple[str, str]:
    """Return the code that a cell means, and the reason why it cannot be sent; empty if it can.

    ``1001.0`` is 1001, which is exact, and so is ``1.001,00``.
    """
    reason = ""
    if digits := _whole(cell):
        if len(digits) > EXACT_DIGITS:
            reason = "was a number of more than 15 digits, whose last ones are lost: format the column as text"
        elif _UNCLEAR.fullmatch(cell):
            reason = f"is ambiguous: {digits}, {digits}000, or {cell} itself? Format the column as text"
        elif column.decimals:
            reason = f"is ambiguous: {digits}, or {cell} itself? Other cells of the column are decimal numbers"
        else:
            cell = digits
    elif _LONG.fullmatch(cell) and not column.exact and not cell[EXACT_DIGITS:].strip("0"):
        reason = "ends in zeros after 15 digits: a spreadsheet rounded it; format the column as text and export again"
    elif cell.casefold() in _TRUTH:
        reason = "is a truth value and no code"
    elif _is_spoilt_date(cell, column):
        reason = "is a date: did a spreadsheet make one of the code? Format the column as text and export again"
    else:
        reason = next((told for form, told in _SPOILT if form.fullmatch(cell)), "")
    return cell, reason


def mended_text(cell: str) -> tuple[str, str]:
    """Return a line of an address without the decimals of a float, and the reason why it cannot be sent."""
    if (found := _FLOAT.fullmatch(cell)) and len(found[1]) <= EXACT_DIGITS:
        return found[1], ""
    dated = (found := _NUMERIC_DATE.fullmatch(cell)) is not None and _is_date(found) and _YEAR.search(cell) is not None
    if dated or _SHORT_DATE.fullmatch(cell):
        return cell, "is a date: did a spreadsheet make one of the text? Format the column as text and export again"
    if _SCIENTIFIC.fullmatch(cell) and not cell.isalnum():  # 12E15 may be a door
        return cell, "was a number that a spreadsheet shortened: format the column as text and export again"
    return cell, "is a formula and not a value: export the values" if _FORMULA.fullmatch(cell) else ""


def with_western_digits(cell: str) -> str:
    """Return a postal code or a phone number in the digits 0 to 9, whatever script it was written in."""
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in unicodedata.normalize("NFKC", cell))


def grouping_key(cell: str) -> str:
    """Return the form of a reference by which rows belong together, before the column was seen as a whole.

    A word for nothing, or for the value of the row above, is none: the cells of a group may have been merged.
    """
    if cell.isalnum() and cell.isascii() and not cell.isalpha():
        return cell
    if is_placeholder(cell) or repeats(cell):
        return ""
    if cell.startswith('="') and cell.endswith('"'):
        cell = cell[2:-1]
    if cell.isascii() and cell[-1:] not in {"0", ".", ","} and cell[:1] != "'":
        return cell if cell.isprintable() else CONTROL.sub("", cell)
    cell = tidied(cell).translate(WESTERN)
    return _whole(cell) or cell


def _whole(cell: str) -> str:
    """Return the digits of a whole number that was written with decimals; empty if the cell is none."""
    found = _WHOLE.fullmatch(cell)
    return "" if found is None else re.sub("[^0-9+-]", "", found[1] or found[2])


def _is_spoilt_date(cell: str, column: CodeColumn) -> bool:
    if found := _NUMERIC_DATE.fullmatch(cell):
        return _is_date(found) and _form(found) not in column.no_dates
    if _CLOCK.fullmatch(cell) or _SIGNED_DATE.fullmatch(cell):
        return True
    if (found := _NAMED_DATE.fullmatch(cell)) is None:
        return False
    whole = bool(found["e"] or found["p"])  # day, month and year
    return whole or not cell.isupper()  # SET-24 is a code; a spreadsheet writes Sep-24


def _is_date(found: re.Match[str]) -> bool:
    first, second = (int(found["a"] or found["c"]), int(found["b"] or found["d"]))
    return 1 <= min(first, second) <= 12 and max(first, second) <= 31


def _form(found: re.Match[str]) -> str:
    return f"{'y' if found['y'] else ''}{found['s'] or found['t']}"
