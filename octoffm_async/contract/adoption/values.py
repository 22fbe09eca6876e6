"""Matching of an open enum's known values with the values in another description."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..answers.names import folded
from ..base import OpenEnum
from ..contract_file.wire_names import is_wire_name
from .synonyms import name_similarity, value_synonyms

_LIKE = 0.6
_MOST_CANDIDATES = 6


@dataclass(slots=True, kw_only=True)
class ValuesMatch:
    """Matched spellings with their reasons (empty: equal but for case and separators), and candidates."""

    found: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    undecided: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def match_values(enum: type[OpenEnum], listed: Sequence[object]) -> ValuesMatch:
    """Match each known value with one of the listed values."""
    match = ValuesMatch()
    free = {text: folded(text) for text in listed if isinstance(text, str) and is_wire_name(text)}
    for exactly in (True, False):
        for value in (member.value for member in enum):
            same = [text for text, fold in free.items() if (text == value if exactly else fold == folded(value))]
            if value not in match.found and same:
                match.found[value] = (same[0], "")
                del free[same[0]]
    for value in (member.value for member in enum):
        if value in match.found:
            continue
        synonyms = value_synonyms(value)
        some = [text for text, fold in free.items() if fold in synonyms]
        if len(some) == 1:
            match.found[value] = (some[0], f"synonym: {synonyms[free.pop(some[0])]}")
        elif near := some or sorted(
            (text for text in free if name_similarity(value, text) >= _LIKE),
            key=lambda text: -name_similarity(value, text),
        ):
            match.undecided[value] = near[:_MOST_CANDIDATES]
    return match
