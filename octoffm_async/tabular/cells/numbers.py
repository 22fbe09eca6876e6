"""Numbers whose signs mean one thing in some countries and another elsewhere: ``1.000`` is one or a thousand.

The other cells of the file tell which: ``17,5`` or ``1.234,5`` is written with a decimal comma only. Without such a
cell an ambiguous number is refused, and the user says the decimal sign.
"""

from __future__ import annotations

import re
from typing import Final

_DECIMALS: Final = re.compile(r"[+-]?(?:0|\d{4,}|\d+(?=[.,](?:\d{1,2}|\d{4,})$))([.,])\d+", re.ASCII)
_GROUPED: Final = re.compile(
    r"[+-]?\d{1,3}(?:(?P<t>[.,])\d{3}(?:(?P=t)\d{3})+|(?:[.,\u00a0\u202f' ]\d{3})+(?P<d>[.,])\d+)"
)
UNCLEAR: Final = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}", re.ASCII)
_OTHER: Final = {".": ",", ",": "."}
_WRITTEN: Final = {
    sign: re.compile(rf"[+-]?(?:\d+|\d{{1,3}}(?:[{other}\u00a0\u202f' ]\d{{3}})+)(?:[{sign}]\d*)?|[+-]?[{sign}]\d+")
    for sign, other in _OTHER.items()
}


class NumberCell(str):
    """A cell that is a number in the file's own type, so that its point is the decimal sign in every country."""

    __slots__ = ()


def decimal_sign_of(cell: str) -> str:
    """Return the decimal sign that a number proves; empty if it proves none."""
    if found := _DECIMALS.fullmatch(cell):
        return found[1]
    if found := _GROUPED.fullmatch(cell):
        if found["d"]:
            return "" if found["d"] in cell[: found.start("d")] else found["d"]
        return _OTHER[found["t"]]
    return ""


def plain_number(cell: str, decimal: str) -> str:
    """Return a number in plain form, written with a known decimal sign; raise if it is not written with it.

    Raises:
        ValueError: The cell is no number with that decimal sign.
    """
    if _WRITTEN[decimal].fullmatch(cell) is None:
        raise ValueError(f"is not a number whose decimal sign is {decimal!r}")
    return re.sub(rf"[{_OTHER[decimal]}\u00a0\u202f' ]", "", cell).replace(",", ".")
