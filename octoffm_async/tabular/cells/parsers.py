"""Parsers of cells: each turns the text of a cell into a field's value, or raises with the reason why it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import msgspec

from ...contract.requests.checks import GTIN_LENGTHS
from ...contract.requests.validation import gtin_check_digit
from .countries import country_code

CellValue: TypeAlias = str | float | bool | datetime | list[Any] | dict[str, Any] | None
CellParser: TypeAlias = Callable[[str], CellValue]

_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_GROUPED_COMMA = re.compile(r"[+-]?\d{1,3}([.\u00a0\u202f' ]\d{3})+,\d+", re.ASCII)
_GROUPED_POINT = re.compile(r"[+-]?\d{1,3}([,\u00a0\u202f' ]\d{3})+(\.\d+)", re.ASCII)
_GROUP_MARKS = re.compile(r"[\u00a0\u202f' ]")
_SCIENTIFIC = re.compile(r"\d([.,]\d+)?e\+?\d{1,2}", re.ASCII | re.IGNORECASE)
_WHOLE_FLOAT = re.compile(r"(\d+)[.,]0", re.ASCII)
_YES = frozenset({"true", "yes", "1", "oui", "vrai", "ja", "wahr", "sí", "si", "sì", "verdadero", "vero", "waar"})
_NO = frozenset({"false", "no", "0", "non", "faux", "nein", "falsch", "falso", "nee", "onwaar"})


def text(cell: str) -> str:
    """Return the text unchanged."""
    return cell


def extra(given: str) -> CellValue:
    """Parse the value of an extra member: JSON if valid (``5``, ``true``, ``null``, ``"5"``, ``{…}``), else text."""
    try:
        return cast("CellValue", msgspec.json.decode(given))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return given


def code(cell: str) -> str:
    """Return a reference, a postal code or a phone number: text that spreadsheets take for a number."""
    return cell


def country(cell: str) -> str:
    """Return the code of a country that is given by code or by name."""
    if not (found := country_code(cell)):
        raise ValueError("is no country: write its code, such as FR")
    return found


def number(cell: str) -> float:
    """Parse ``17.5``, ``17,5`` or ``1.234,5``. ``1,234`` could be two numbers and is refused."""
    if _PLAIN_NUMBER.fullmatch(cell):
        return float(cell)
    if _AMBIGUOUS.fullmatch(cell):
        whole, _, part = cell.partition(",")
        raise ValueError(f"is ambiguous: {whole}{part} or {whole}.{part}? Write it with a point, or without a comma")
    if _COMMA.fullmatch(cell):
        return float(cell.replace(",", "."))
    if _GROUPED_COMMA.fullmatch(cell):
        return float(_GROUP_MARKS.sub("", cell).replace(".", "").replace(",", "."))
    if _GROUPED_POINT.fullmatch(cell):
        return float(_GROUP_MARKS.sub("", cell).replace(",", ""))
    raise ValueError("is not a number, such as 17.5 or 17,5")


def whole(cell: str) -> int:
    """Parse ``2``, also as ``2.0`` or ``2,0``, which spreadsheets write."""
    try:
        found = 0.5 if "e" in cell or "E" in cell else number(cell)  # a spreadsheet shows 1523 as 1.5E+03
    except ValueError:
        found = 0.5
    if not found.is_integer() or abs(found) > 1e15:
        raise ValueError("is not a whole number, such as 2")
    return int(found)


def flag(cell: str) -> bool:
    """Parse ``true`` or ``false``, ``yes`` or ``no``, ``1`` or ``0``; also words of spreadsheets in other languages."""
    folded = cell.casefold()
    if folded in _YES or folded in _NO:
        return folded in _YES
    raise ValueError("is not true or false, yes or no, 1 or 0")


def gtin(cell: str) -> str:
    """Return a GTIN's digits, also from ``4006381333931.0``, which is exact. Lost digits are refused, never guessed."""
    if floating := _WHOLE_FLOAT.fullmatch(cell):
        cell = floating[1]
    if _SCIENTIFIC.fullmatch(cell):
        raise ValueError(
            "is not made of digits only: a spreadsheet shortened the number; format the column as text and export again"
        )
    if cell.isascii() and cell.isdigit() and len(cell) not in GTIN_LENGTHS:
        for length in (size for size in sorted(GTIN_LENGTHS) if size > len(cell) >= size - 3):
            padded = cell.zfill(length)
            if gtin_check_digit(padded[:-1]) == int(padded[-1]):
                digits = f"has {len(cell)} digits, not 8, 12, 13 or 14"
                raise ValueError(f"{digits}: did a spreadsheet drop leading zeros of {padded}?")
    return cell


def moment(cell: str) -> datetime:
    """Parse a date, or a date and time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError("is not a date such as 2026-09-01 or 2026-09-01T08:00:00+02:00") from None
    return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)
