"""Similarity of references: decides if a reference in a list may be one of ours in another spelling.

Pure.

APIs normalise what they store: they trim, fold case, compose, drop invisible characters, read numbers, and truncate
what is too long for a column. Therefore a row whose reference is equal to ours only when both are *tidied*, or is the
beginning of ours, may be our order. That proves neither that it is nor that it is not: it leaves a doubt.

An API may also add a prefix or suffix to what it stores, such as the name of a channel. Another system may do the same
when it creates orders of its own under longer references; but where our order is lost and a reference contains ours, a
person should look. Longer numbers are no such case: ``ORDER-1`` is not in ``ORDER-10``.

A truncation is believed only where no evidence contradicts it: an API that shows a longer reference does not truncate
at that length, and one that shows a reference as long as ours had no need to truncate ours.
"""

from __future__ import annotations

import itertools
import unicodedata
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SHORTEST_CUT = 10
"""Minimum number of characters of a truncated reference: no API has a shorter column for it."""

SHORTEST_INSIDE = 4
"""Minimum number of characters of a reference inside another one, if separators like ``-`` surround it."""
SHORTEST_JOINED = 6
"""Minimum number of characters of a reference inside another one without separators."""

_UNSEEN = frozenset({"Cf", "Cc", "Mn", "Zs", "Zl", "Zp"})
"""Unicode categories of format characters, controls, marks that composition absorbs, and all kinds of blanks."""


def tidied(reference: str) -> str:
    """Normalise a reference: no case, blanks, marks, invisible characters or leading zeros.

    The result is decomposed, so that the beginning of a reference stays a beginning.
    """
    plain = _plain(reference)
    return plain.lstrip("0") or plain[:1]


def _plain(reference: str) -> str:
    """Normalise a reference, but keep its leading zeros."""
    if reference.isascii():
        plain = reference.lower()
        if " " not in plain and plain.isprintable():
            return plain
        return "".join(sign for sign in plain if sign != " " and sign.isprintable())
    # Folded between two decompositions, since each may yield characters that the other changes. Upper case comes first,
    # because some characters, such as the dotless i, share the capital of another.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", reference).upper().casefold())
    return "".join(sign for sign in folded if unicodedata.category(sign) not in _UNSEEN)


def looks_like(ours: str, theirs: str) -> bool:
    """Return True if ``theirs`` may be ``ours`` as the API stores it; equal references are alike."""
    mine, other = tidied(ours), tidied(theirs)
    return mine == other or (len(other) >= SHORTEST_CUT and mine.startswith(other))


class Size(NamedTuple):
    """Length of a reference, in each unit in which a column may be measured."""

    signs: int = 0
    units: int = 0
    octets: int = 0

    @classmethod
    def of(cls, reference: str) -> Size:
        """Return the size of a reference, in Unicode characters, UTF-16 units and UTF-8 bytes."""
        if reference.isascii():
            return cls(len(reference), len(reference), len(reference))
        units = len(reference.encode("utf-16-le", "surrogatepass")) // 2
        return cls(len(reference), units, len(reference.encode("utf-8", "surrogatepass")))

    def joined(self, other: Size) -> Size:
        """Return the larger of both sizes in each unit."""
        return Size(*map(max, self, other))

    def disproves_a_cut_to(self, cut: Size) -> bool:
        """Return True if an API that shows this size, in any unit, cannot have truncated another reference to ``cut``.

        A character is never cut in two, so a truncated reference may be up to 1 unit or 3 bytes shorter than the
        column.
        """
        return self.signs > cut.signs and self.units > cut.units + 1 and self.octets > cut.octets + 3

    def holds(self, ours: str) -> bool:
        """Return True if an API that shows this size, in any unit, has room for a whole reference.

        For text that is not ASCII the result is False: in another form it may be longer.
        """
        return ours.isascii() and len(ours) <= min(self)


def _is_parted(text: str, start: int, end: int) -> bool:
    """Return True if a part of a text is not just a piece of a longer word or number."""
    edges = [text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text)]
    if end - start >= SHORTEST_JOINED:
        return not any(edge.isdecimal() for edge in edges)
    return all(not edge[outer].isalnum() for edge, outer in zip(edges, (0, 1) if start else (1,), strict=False))


class ReferenceMatcher:
    """The wanted references, indexed to find those that a listed reference may be."""

    def __init__(self, references: Collection[str]) -> None:
        self._by_tidied: dict[str, list[str]] = {}
        for reference in references:
            self._by_tidied.setdefault(tidied(reference), []).append(reference)
        self._sorted = sorted(self._by_tidied)
        self._by_plain: dict[str, list[str]] | None = None
        self._lengths: list[int] = []

    def same_as(self, theirs: str) -> list[str]:
        """Return the wanted references that are equal to ``theirs``, tidied."""
        return self._by_tidied.get(tidied(theirs), [])

    def cut_to(self, theirs: str) -> Iterator[str]:
        """Yield the wanted references of which ``theirs`` may be the beginning."""
        start = tidied(theirs)
        if len(start) < SHORTEST_CUT:
            return
        for number in range(bisect_left(self._sorted, start), len(self._sorted)):
            if not self._sorted[number].startswith(start):
                return
            if self._sorted[number] != start:
                yield from self._by_tidied[self._sorted[number]]

    def inside(self, theirs: str) -> Iterator[str]:
        """Yield the wanted references that ``theirs`` may contain after a prefix, before a suffix, or between both."""
        if self._by_plain is None:
            self._by_plain = {}
            for reference in itertools.chain.from_iterable(self._by_tidied.values()):
                if len(plain := _plain(reference)) >= SHORTEST_INSIDE:
                    self._by_plain.setdefault(plain, []).append(reference)
            self._lengths = sorted({len(plain) for plain in self._by_plain})
        text = _plain(theirs)
        starts = {0, *(place + 1 for place, sign in enumerate(text) if not sign.isalnum())}
        for length in self._lengths:
            if length >= len(text):
                return
            for start in starts | {len(text) - length}:
                ours = self._by_plain.get(text[start : start + length])
                if ours is not None and _is_parted(text, start, start + length):
                    yield from ours

    def is_inside(self, theirs: str) -> bool:
        """Return True if ``theirs`` may contain a wanted reference."""
        return next(self.inside(theirs), None) is not None

    def may_be(self, theirs: str) -> bool:
        """Return True if ``theirs`` resembles a wanted reference."""
        return bool(self.same_as(theirs)) or next(self.cut_to(theirs), None) is not None


def alike(keys: Collection[str], others: Collection[str]) -> set[str]:
    """Return the others that a list may show as one of the keys, or the other way round."""
    if not others:
        return set()
    ours, theirs = ReferenceMatcher(keys), ReferenceMatcher(others)
    shown_so = {other for key in keys for other in (*theirs.same_as(key), *theirs.cut_to(key))}
    return shown_so | {other for other in others if ours.may_be(other)}
