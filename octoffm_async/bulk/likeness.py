"""Whether a reference that the API shows may be one of ours, kept in another spelling. Pure.

APIs tidy what they keep: they trim, fold case, compose, drop signs that nobody sees, read numbers, and cut off what is
too long for a column. So a row whose reference is equal only when both are *tidied*, or which is the beginning of ours,
may be our order. That is no proof that it is, and none that it is not: it leaves a doubt.

An API may also put something before or behind what it keeps, as the name of a channel. So may another system that makes
orders of its own under longer references; but where ours is lost and theirs holds it, a person should look. Longer
numbers are no such case: ``ORDER-1`` is not in ``ORDER-10``.

A cut is believed only where nothing speaks against it: an API that shows a longer reference does not cut there, and
one that shows a reference as long as ours had no need to cut ours.
"""

from __future__ import annotations

import itertools
import unicodedata
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SHORTEST_CUT = 10
"""Signs that are left of a reference that was cut off, at the least: no API has a shorter column for it."""

SHORTEST_INSIDE = 4
"""Signs of a reference that is found inside another one, at the least, parted from the rest by signs like ``-``."""
SHORTEST_JOINED = 6
"""The same where it is not parted so."""

_UNSEEN = frozenset({"Cf", "Cc", "Mn", "Zs", "Zl", "Zp"})
"""Categories of format signs, controls, marks that a composition takes in, and blanks of all kinds."""


def tidied(reference: str) -> str:
    """What all spellings of a reference have in common: no case, blanks, marks, unseen signs or leading zeros.

    It is decomposed, so that the beginning of a reference stays a beginning.
    """
    plain = _plain(reference)
    return plain.lstrip("0") or plain[:1]


def _plain(reference: str) -> str:
    """The same, with leading zeros."""
    if reference.isascii():
        plain = reference.lower()
        if " " not in plain and plain.isprintable():
            return plain
        return "".join(sign for sign in plain if sign != " " and sign.isprintable())
    # Folded between two decompositions: each may bring forth what the other changes. Capitals come first, because
    # some signs, as the dotless i, have the capital of another.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", reference).upper().casefold())
    return "".join(sign for sign in folded if unicodedata.category(sign) not in _UNSEEN)


def looks_like(ours: str, theirs: str) -> bool:
    """Whether ``theirs`` may be ``ours`` as the API keeps it; it is if they are equal."""
    mine, other = tidied(ours), tidied(theirs)
    return mine == other or (len(other) >= SHORTEST_CUT and mine.startswith(other))


class Size(NamedTuple):
    """How long a reference is, in each unit that a column may be measured in."""

    signs: int = 0
    units: int = 0
    octets: int = 0

    @classmethod
    def of(cls, reference: str) -> Size:
        """The size of a reference, in Unicode signs, UTF-16 units and UTF-8 bytes."""
        if reference.isascii():
            return cls(len(reference), len(reference), len(reference))
        units = len(reference.encode("utf-16-le", "surrogatepass")) // 2
        return cls(len(reference), units, len(reference.encode("utf-8", "surrogatepass")))

    def joined(self, other: Size) -> Size:
        """The larger of both in each unit."""
        return Size(*map(max, self, other))

    def disproves_a_cut_to(self, cut: Size) -> bool:
        """Whether an API that shows this much, in whichever unit it measures, cannot have cut another one so short.

        A sign is never cut in two, so a cut one may be up to 1 unit or 3 bytes shorter than the column.
        """
        return self.signs > cut.signs and self.units > cut.units + 1 and self.octets > cut.octets + 3

    def holds(self, ours: str) -> bool:
        """Whether an API that shows this much, in whichever unit it measures, has room for all of a reference.

        Of what is not ASCII nothing is said: in another form it may be longer.
        """
        return ours.isascii() and len(ours) <= min(self)


def _is_parted(text: str, start: int, end: int) -> bool:
    """Whether a part of a text is more than a piece of a longer word or number."""
    edges = [text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text)]
    if end - start >= SHORTEST_JOINED:
        return not any(edge.isdecimal() for edge in edges)
    return all(not edge[outer].isalnum() for edge, outer in zip(edges, (0, 1) if start else (1,), strict=False))


class Wanted:
    """References that are looked for, and which of them a reference of the list may be."""

    def __init__(self, references: Collection[str]) -> None:
        self._by_tidied: dict[str, list[str]] = {}
        for reference in references:
            self._by_tidied.setdefault(tidied(reference), []).append(reference)
        self._sorted = sorted(self._by_tidied)
        self._by_plain: dict[str, list[str]] | None = None
        self._lengths: list[int] = []

    def same_as(self, theirs: str) -> list[str]:
        """Those that are equal to it, tidied."""
        return self._by_tidied.get(tidied(theirs), [])

    def cut_to(self, theirs: str) -> Iterator[str]:
        """Those that it may be the beginning of."""
        start = tidied(theirs)
        if len(start) < SHORTEST_CUT:
            return
        for number in range(bisect_left(self._sorted, start), len(self._sorted)):
            if not self._sorted[number].startswith(start):
                return
            if self._sorted[number] != start:
                yield from self._by_tidied[self._sorted[number]]

    def inside(self, theirs: str) -> Iterator[str]:
        """Those that it may hold behind a prefix, before a suffix, or between both."""
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
        """Whether it may hold any of them."""
        return next(self.inside(theirs), None) is not None

    def may_be(self, theirs: str) -> bool:
        """Whether it looks like any of them."""
        return bool(self.same_as(theirs)) or next(self.cut_to(theirs), None) is not None


def alike(keys: Collection[str], others: Collection[str]) -> set[str]:
    """Those of the others of which one may be shown as one of the keys, or the other way round."""
    if not others:
        return set()
    ours, theirs = Wanted(keys), Wanted(others)
    shown_so = {other for key in keys for other in (*theirs.same_as(key), *theirs.cut_to(key))}
    return shown_so | {other for other in others if ours.may_be(other)}
