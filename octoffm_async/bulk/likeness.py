"""Whether a reference that the API shows may be one of ours, kept in another spelling. Pure.

APIs tidy what they keep: they trim, fold case, compose, drop signs that nobody sees, read numbers, and cut off what is
too long for a column. So a row whose reference is equal only when both are *tidied*, or which is the beginning of ours,
may be our order. That is no proof that it is, and none that it is not: it leaves a doubt.

A cut is believed only where nothing speaks against it: an API that shows a longer reference does not cut there.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SHORTEST_CUT = 10
"""Signs that are left of a reference that was cut off, at the least: no API has a shorter column for it."""

_UNSEEN = frozenset({"Cf", "Cc", "Mn", "Zs", "Zl", "Zp"})
"""Categories of format signs, controls, marks that a composition takes in, and blanks of all kinds."""


def tidied(reference: str) -> str:
    """What all spellings of a reference have in common: no case, blanks, marks, unseen signs or leading zeros.

    It is decomposed, so that the beginning of a reference stays a beginning.
    """
    if reference.isascii():
        seen = "".join(reference.split()).casefold()
        plain = seen if seen.isprintable() else "".join(sign for sign in seen if sign.isprintable())
    else:
        # Folded between two decompositions: each may bring forth what the other changes. Capitals come first, because
        # some signs, as the dotless i, have the capital of another.
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", reference).upper().casefold())
        plain = "".join(sign for sign in folded if unicodedata.category(sign) not in _UNSEEN)
    return plain.lstrip("0") or plain[:1]


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


class Wanted:
    """References that are looked for, and which of them a reference of the list may be."""

    def __init__(self, references: Collection[str]) -> None:
        self._by_tidied: dict[str, list[str]] = {}
        for reference in references:
            self._by_tidied.setdefault(tidied(reference), []).append(reference)
        self._sorted = sorted(self._by_tidied)

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
