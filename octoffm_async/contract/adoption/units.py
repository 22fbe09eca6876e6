"""Units of numbers from names and descriptions, and the scale from our unit to theirs."""

import re
from collections.abc import Mapping, Sequence

from .synonyms import words_of

_OURS: Mapping[str, tuple[str, str]] = {"g": ("mass", "g"), "cm": ("length", "cm")}
# By kind: their unit in our unit (g, cm), and the pattern of its names.
_UNITS: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "mass": {
        "kg": (1000.0, r"kgs?|kilos?|kilogram(me)?s?"),
        "g": (1.0, r"g|gr|gram(me)?s?"),
        "mg": (0.001, r"mg|milligram(me)?s?"),
        "lb": (453.59237, r"lbs?|pounds?"),
        "oz": (28.349523125, r"oz|ounces?"),
    },
    "length": {
        "mm": (0.1, r"mm|millim[eéè]t(er|re)s?"),
        "cm": (1.0, r"cm|centim[eéè]t(er|re)s?"),
        "m": (100.0, r"m|m[eéè]t(er|re)s?"),
        "in": (2.54, r"inch(es)?"),
    },
}


class UndecidedUnitError(ValueError):
    """An error for a description that names more than one unit; ``units`` lists them."""

    def __init__(self, units: list[str]) -> None:
        super().__init__(f"their description names {' and '.join(units)}")
        self.units = units


def scale_of(field: str, name: str, *texts: str) -> tuple[float, str] | None:
    """Return the scale of a field with a unit (``weight_g``), and their unit; None if no text names a unit.

    The name has precedence over the description of the field, and that over the description of its object. Raises
    :class:`UndecidedUnitError`.
    """
    kind, _ = _OURS[unit_of(field)]
    for words in (" ".join(words_of(name)), *(text.casefold() for text in texts)):
        named = [
            unit
            for unit, (_, pattern) in _UNITS[kind].items()
            if re.search(rf"(?<![\w'\u2019]){pattern_of(pattern)}", words)
        ]
        if len(named) > 1:
            raise UndecidedUnitError(named)
        if named:
            return _rounded(1 / _UNITS[kind][named[0]][0]), named[0]
    return None


def pattern_of(unit: str) -> str:
    """Return a pattern for a unit as a whole word; it may follow a number without a space."""
    return rf"({unit})(?![\w'\u2019])"


def unit_of(field: str) -> str:
    """Return the unit at the end of one of our names; empty if it has none."""
    unit = field.rpartition("_")[2]
    return unit if unit in _OURS else ""


def without_unit(joined: str, words: Sequence[str]) -> str:
    """Return a folded name without the unit at its end (``length_mm`` and ``weightInKg`` have one)."""
    units = "|".join(pattern for units in _UNITS.values() for _, pattern in units.values())
    if len(words) < 2 or not re.fullmatch(units, words[-1]):
        return joined
    return "".join(words[: -2 if words[-2] == "in" else -1])


def scales_of(field: str) -> list[str]:
    """Return all possible scales of a field, for a person to choose from."""
    kind, _ = _OURS[unit_of(field)]
    return [f"{_rounded(1 / factor):g} for {unit}" for unit, (factor, _) in _UNITS[kind].items()]


def _rounded(scale: float) -> float:
    """Return a scale without the rounding error of a division."""
    return float(f"{scale:.12g}")
