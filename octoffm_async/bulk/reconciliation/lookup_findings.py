"""Collection of a list's rows that concern the wanted references. No I/O."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ...journal.base import LOOK_UP_MOST
from ...journal.states import UNDECIDED, State
from .reference_matching import ReferenceMatcher, Size, tidied

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from ...journal import Entry

ALIKE_MOST = 10_000
"""Maximum number of similar rows that are kept; a list with more of them proves no absence."""

ROWS_MOST = 20_000
"""Maximum number of rows whose ids are kept for comparison, some 500 bytes each."""


class RemoteMatch(NamedTuple):
    """An order or product that exists remotely under a wanted reference."""

    id: str | None
    code: str = ""
    message: str = ""
    refused: bool = False
    created_at: datetime | None = None


class Like(NamedTuple):
    """An order or product with another reference, which may be a wanted one in another spelling."""

    reference: str
    id: str | None

    def __str__(self) -> str:
        whose = "which exists" if self.id is None else f"an order of {self.id}"
        return f"looks like {self.reference!r}, {whose}: it may be this one; look it up before it is sent again"


class ListedIds:
    """The rows of a list: the ids of each reference, and the ids that it shows for several references."""

    def __init__(self) -> None:
        self.ids_of: dict[str, tuple[str, ...]] = {}
        self.shared: set[str] = set()
        self._first: dict[str, str] = {}

    def add(self, reference: str, remote_id: str) -> None:
        """Add a row."""
        if (first := self._first.setdefault(remote_id, reference)) != reference:
            self.shared.add(remote_id)
        elif first in self.ids_of and remote_id in self.ids_of[first]:
            return
        self.ids_of[reference] = tuple({*self.ids_of.get(reference, ()), remote_id})

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, remote_id: object) -> bool:
        return remote_id in self._first


NO_ROWS = ListedIds()


class LookupFindings(NamedTuple):
    """Result of a scan: the matches of each reference, and the reasons why a reference without a match may exist.

    ``doubt`` concerns all references without a match, ``alike`` single references. A ``passing`` doubt may be gone when
    the list is read again: others changed the list meanwhile, or it came from a cache. ``uncounted`` is the doubt of a
    list that was not asked to show an order of ours. ``held`` gives reasons why a row may be another order, see
    :mod:`.id_owners`; ``rows`` are up to ``ROWS_MOST`` rows of the list, and all rows of wanted references.
    """

    matches: Mapping[str, list[RemoteMatch]]
    doubt: str = ""
    alike: Mapping[str, Sequence[Like]] = MappingProxyType({})
    uncounted: str = ""
    held: Mapping[str, str] = MappingProxyType({})
    rows: ListedIds = NO_ROWS
    passing: bool = False

    def others(self) -> set[str]:
        """Return the references of rows that only resemble a wanted one."""
        return {like.reference for likes in self.alike.values() for like in likes}

    def without(self, known: Mapping[str, Entry | None]) -> LookupFindings:
        """Return the findings without rows of other items of ours, which the journal knows by their reference."""
        if not self.alike:
            return self
        left = {key: [like for like in likes if not self._is_ours(like, known)] for key, likes in self.alike.items()}
        return self._replace(alike={key: likes for key, likes in left.items() if likes})

    def _is_ours(self, like: Like, known: Mapping[str, Entry | None]) -> bool:
        entry = known.get(like.reference)
        if entry is None:
            return False
        if entry.remote_id is not None:
            return like.id in (entry.remote_id, None)
        # A failed, refused or absent item has no row. An item that was looked for as well has its own row already.
        undecided = entry.state in UNDECIDED and like.reference not in self.matches
        return undecided or entry.state is State.CREATED

    def doubt_of(self, key: str) -> str:
        """Return the reason why a reference without a match may exist, or ""."""
        if key in self.held:
            return self.held[key]
        alike = self.alike.get(key)
        return str(alike[0]) if alike else self.doubt


class RowCollector:
    """Collector of rows that concern the wanted references.

    Adding a row twice changes nothing.

    ``largest`` is the size of references of the same list that are not added. With ``inside``, a reference that
    contains a wanted one counts as similar, too.
    """

    def __init__(
        self, references: Collection[str], *, what: str, largest: Size | None = None, inside: bool = False
    ) -> None:
        self._inside = inside
        self._references = frozenset(references)
        self._spellings = ReferenceMatcher(references)
        self._what = what
        self._found: dict[str, dict[str | None, RemoteMatch]] = {}
        self._unreadable: set[str | None] = set()
        self._without_id = 0
        self._alike: dict[Like, None] = {}
        self._others: dict[Like, None] = {}
        self._largest = largest or Size()
        self._rows = ListedIds()
        self.too_many: bool = False

    def add(self, reference: object, match: RemoteMatch) -> None:
        """Add a row."""
        if not isinstance(reference, str) or not tidied(reference):
            self._without_id += match.id is None
            self._unreadable.add(match.id)
            return
        self._largest = self._largest.joined(Size.of(reference))
        if match.id is not None and (len(self._rows) < ROWS_MOST or reference in self._references):
            self._rows.add(reference, match.id)
        if reference in self._references:
            matches = self._found.setdefault(reference, {})
            matches[match.id] = match
            if len(matches) == 1:
                return
        # A second row with the same reference may be another order that the API keeps in this spelling.
        if len(self._others) < LOOK_UP_MOST:
            self._others[Like(reference, match.id)] = None
        if self._spellings.may_be(reference) or (self._inside and self._spellings.is_inside(reference)):
            if len(self._alike) < ALIKE_MOST:
                self._alike[Like(reference, match.id)] = None
            else:
                self.too_many = True

    @property
    def others(self) -> Sequence[Like]:
        """Rows with other references, up to the number that one look-up may name."""
        return tuple(self._others)

    def missing(self) -> set[str]:
        """Return the wanted references without a match."""
        return {reference for reference in self._references if reference not in self._found}

    def findings(self, doubt: str = "", uncounted: str = "", *, passing: bool = False) -> LookupFindings:
        """Return the conclusion from all rows, with the scan's own doubt about rows that it does not show."""
        matches = {reference: list(each.values()) for reference, each in self._found.items()}
        alike: dict[str, list[Like]] = {}
        for like in self._alike:
            for key in self._keys_like(like.reference):
                if key != like.reference and key not in matches:
                    alike.setdefault(key, []).append(like)
        rows = self._rows if len(self._rows) else NO_ROWS
        return LookupFindings(matches, doubt or self._doubt(), alike, uncounted, rows=rows, passing=passing)

    def _keys_like(self, reference: str) -> Iterable[str]:
        yield from self._spellings.same_as(reference)
        if not self._largest.disproves_a_cut_to(Size.of(reference)):
            yield from (key for key in self._spellings.cut_to(reference) if not self._largest.holds(key))
        if self._inside:
            yield from self._spellings.inside(reference)

    def _doubt(self) -> str:
        unreadable = len(self._unreadable - {None}) + self._without_id
        if unreadable:
            return not_shown(
                f"the list holds {self._what} whose reference cannot be read ({unreadable}), and each may be this one"
            )
        return not_shown(f"too many {self._what} of it have a similar reference") if self.too_many else ""


def shows_ours(rows: Sequence[Like], known: Sequence[Entry | None]) -> bool:
    """Return True if one of the rows is an order that the journal has as created, with the same id."""
    return any(
        entry is not None and entry.remote_id is not None and entry.remote_id == row.id
        for row, entry in zip(rows, known, strict=True)
    )


def why_not_shown(doubt: str) -> str:
    """Return the ``why`` of a reason that :func:`not_shown` made."""
    before, _, behind = not_shown("\0").partition("\0")
    return doubt.removeprefix(before).removesuffix(behind)


def not_shown(why: str) -> str:
    """Return the reason of an item that was not found and whose absence is not proven."""
    return f"it was sent, and the list does not show it; but {why}: look it up before it is sent again"
