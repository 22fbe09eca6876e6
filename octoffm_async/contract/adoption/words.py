"""Words of names: ``packagedWeight``, ``packaged_weight`` and ``PackagedWeight`` have the same words."""

import difflib
import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case."""
    return [word.casefold() for word in _WORD.findall(name)] or [name.casefold()]


def name_similarity(one: str, other: str) -> float:
    """Return the similarity of two names from 0 to 1: by letters, or by the words that they share."""
    ours, theirs = set(words_of(one)), set(words_of(other))
    shared = len(ours & theirs) / len(ours | theirs)
    return max(shared, difflib.SequenceMatcher(None, one.casefold(), other.casefold()).ratio())
