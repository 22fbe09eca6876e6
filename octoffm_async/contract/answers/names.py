"""Comparison of names without case, ``_`` and ``-``, because APIs use several spellings of one name."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_NO_SEPARATORS = str.maketrans("", "", "_- ")


MAX_CACHED_NAME = 200
"""Longest name that is cached, in characters; an API chooses the names."""


def folded(name: str) -> str:
    """Return ``name`` in the form that is compared: without case, ``_``, ``-`` and spaces."""
    return _remembered(name) if len(name) <= MAX_CACHED_NAME else _folded(name)


def _folded(name: str) -> str:
    return name.translate(_NO_SEPARATORS).casefold()


_remembered = lru_cache(maxsize=4096)(_folded)


def find_key(members: Mapping[str, Any], name: str) -> str | None:
    """Return the key of ``members`` that equals ``name``, else the first that equals it without case and separators."""
    if name in members:
        return name
    folded_name = folded(name)
    return next((key for key in members if folded(key) == folded_name), None)


def keys_by_folded_name(members: Iterable[str]) -> dict[str, str]:
    """Return the key for each folded name; of several spellings of one name the first wins."""
    found: dict[str, str] = {}
    for key in members:
        found.setdefault(folded(key), key)
    return found
