"""Comparison of names: an API writes one in several spellings, so case, ``_`` and ``-`` do not count (API.md, 3)."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_NO_SEPARATORS = str.maketrans("", "", "_- ")


LONGEST = 200
"""Characters of a name that is remembered; an API chooses them."""


def folded(name: str) -> str:
    """Return ``name`` as it is compared: without case, ``_``, ``-`` and blanks."""
    return _remembered(name) if len(name) <= LONGEST else _folded(name)


def _folded(name: str) -> str:
    return name.translate(_NO_SEPARATORS).casefold()


_remembered = lru_cache(maxsize=4096)(_folded)


def spelling_in(members: Mapping[str, Any], name: str) -> str | None:
    """Return the key of ``members`` that spells ``name``: the exact one if it is there, else the first of its kind."""
    if name in members:
        return name
    wanted = folded(name)
    return next((key for key in members if folded(key) == wanted), None)


def spellings(members: Iterable[str]) -> dict[str, str]:
    """Return the key for each folded name; of several spellings of one name the first counts."""
    found: dict[str, str] = {}
    for key in members:
        found.setdefault(folded(key), key)
    return found
