"""Countries by code and by name, and the postal codes of each: their length, and the zeros that a spreadsheet drops."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

_ALIASES: Final = {"UK": "GB", "EL": "GR"}
"""Codes that authorities use beside ISO 3166."""
_ALSO: Final = frozenset({"IC", "EA"})
"""Reserved codes that carriers know: the Canary Islands, Ceuta and Melilla."""

POSTAL_DIGITS: Final = {
    country: digits
    for digits, countries in {
        (3,): "FO IS",
        (4,): "AL AM AT AU BD BE BG CH CY DK GE GL HU LI LU LV MD MK NL NO NZ PH SI SJ TN ZA",
        (
            5,
        ): "AX BA BL CZ DE DZ EE ES FI FR GF GP GR HR ID IT LK LT MA MC ME MF MQ MX MY NC PF PK PL PM RE SE SK SM TH "
        "TR UA VA WF XK YT",
        (6,): "BY CN IN RO RU SG",
        (7,): "CL JP",
        (8,): "BR",
        (4, 7): "PT",
        (5, 6): "KR RS VN",
        (5, 7): "IL",
        (5, 9): "AS GU MP PR US VI",
        (3, 5, 6): "TW",
    }.items()
    for country in countries.split()
}
"""Numbers of digits of each country whose postal codes are made of digits (a blank or a dash may stand between)."""
_NO_ZERO: Final = frozenset(
    {
        "AL", "AS", "AT", "AX", "BA", "BD", "BE", "BG", "BL", "BY", "CH", "CL", "CY", "CZ", "EE", "FO",
        "GF", "GL", "GP", "GR", "GU", "HR", "HU", "ID", "IL", "IN", "IS", "LI", "LU", "LV", "MA", "MC",
        "MD", "ME", "MF", "MK", "MP", "MQ", "NC", "NL", "PF", "PK", "PM", "PT", "RE", "RS", "RU", "SE",
        "SI", "SJ", "SM", "TH", "TN", "TW", "WF", "XK", "YT"
    }
)  # fmt: skip
"""Countries where no postal code begins with a zero: a short one is wrong, and not one that lost its zeros."""
_ZEROS_LOST_MOST: Final = 3
_PREFIX: Final = re.compile(r"(?:[A-Za-z]{1,3}[ -]?)?(?=\d)", re.ASCII)
_JOINTS: Final = re.compile("[ \u00a0\u202f-]")
_DECIMAL: Final = re.compile(r"\d+[.,]\d+")
_DIGITS: Final = re.compile("[0-9]+")
_CORSICA: Final = re.compile(r"2[AB]\d{3}", re.ASCII | re.IGNORECASE)


def country_code(text: str) -> str:
    """Return the ISO code that a cell means: ``FR`` for ``fr``, ``FRA`` or ``Frankreich``; empty if it means none."""
    code = text.upper()
    if len(code) == 2:
        return _ALIASES.get(code, code if code in _codes() or code in _ALSO else "")
    return _names().get(_folded(text), "")


def postal_code(country: str, text: str) -> tuple[str, str]:
    """Return the postal code with the zeros that it lost, and the reason why the one given cannot be sent.

    Both are empty where nothing is wrong; the first one is empty where no zeros can be meant.
    """
    lengths = POSTAL_DIGITS.get(country)
    if (
        lengths is None
        or (len(text) in lengths and text.isascii() and text.isdigit())
        or (country == "FR" and _CORSICA.fullmatch(text))
    ):
        return "", ""
    before = match[0] if (match := _PREFIX.match(text)) else ""
    bare = text[len(before) :]
    digits = _JOINTS.sub("", bare)
    if not (digits.isascii() and digits.isdigit()):
        if _DECIMAL.fullmatch(text):
            return "", f"is a decimal number and no postal code of {country}"
        for groups in (_DIGITS.findall(text), _DIGITS.findall(_JOINTS.sub("", text))):
            if sum(len(group) in lengths for group in groups) == 1:  # such as 75011 CEDEX 11, or 1012 AB
                return "", ""
        return "", f"is no postal code of {country}: are the columns of this row shifted?"
    if len(digits) in lengths:
        return "", ""
    wanted = " or ".join(map(str, lengths))
    reason = f"has {len(digits)} digits, and those of {country} have {wanted}"
    zeros = [length - len(digits) for length in lengths if 0 < length - len(digits) <= _ZEROS_LOST_MOST]
    if not zeros or country in _NO_ZERO:
        return "", reason
    filled = f"{before}{'0' * zeros[0]}{bare}"
    return filled, f"{reason}: did a spreadsheet drop a zero of {filled}?"


def _folded(name: str) -> str:
    """Return a name in small letters, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in kept).split())


@cache
def _table() -> list[list[str]]:
    text = (files("octoffm_async.tabular.cells") / "countries.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for code, _, _ in _table())


@cache
def _names() -> dict[str, str]:
    found = {three.casefold(): code for code, three, _ in _table()}
    return found | {name: code for code, _, names in _table() for name in names.split("|") if name}
