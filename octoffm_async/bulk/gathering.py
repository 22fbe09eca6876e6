"""What the rows of a list say of references that are looked for. Values, and a sieve without I/O."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .journal.protocol import LOOK_UP_MOST
from .journal.states import UNDECIDED, State
from .likeness import Size, Wanted, tidied

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from .journal import Entry

ALIKE_MOST = 10_000
"""Rows that look like what is wanted and are kept; a list with more of them proves no absence."""

ROWS_MOST = 20_000
"""Rows whose ids are kept to be compared, some 500 bytes each."""


class Match(NamedTuple):
    """Something that exists remotely under a wanted reference."""

    id: str | None
    code: str = ""
    message: str = ""
    refused: bool = False
    created_at: datetime | None = None


class Like(NamedTuple):
    """Something that exists remotely under another reference, which may be a wanted one in another spelling."""

    reference: str
    id: str | None

    def __str__(self) -> str:
        whose = "which exists" if self.id is None else f"an order of {self.id}"
        return f"looks like {self.reference!r}, {whose}: it may be this one; look it up before it is sent again"


class Rows:
    """The rows of a list: the ids that it shows for each reference, and those that it shows for several."""

    def __init__(self) -> None:
        self.ids_of: dict[str, tuple[str, ...]] = {}
        self.shared: set[str] = set()
        self._first: dict[str, str] = {}

    def add(self, reference: str, remote_id: str) -> None:
        """Take a row."""
        if (first := self._first.setdefault(remote_id, reference)) != reference:
            self.shared.add(remote_id)
        elif first in self.ids_of and remote_id in self.ids_of[first]:
            return
        self.ids_of[reference] = tuple({*self.ids_of.get(reference, ()), remote_id})

    def __len__(self) -> int:
        return len(self._first)

    def __contains__(self, remote_id: object) -> bool:
        return remote_id in self._first


NO_ROWS = Rows()


class Findings(NamedTuple):
    """What a scan found: the matches of each reference, and why what is not among them may exist all the same.

    ``doubt`` is of all that is not among the matches, ``alike`` of single references. ``uncounted`` is a doubt of a
    list that was not asked to show an order of ours. ``held`` is why something that is shown may be another one, see
    :mod:`.owning`; ``rows`` are up to ``ROWS_MOST`` of the list, and all that are wanted.
    """

    matches: Mapping[str, list[Match]]
    doubt: str = ""
    alike: Mapping[str, Sequence[Like]] = MappingProxyType({})
    uncounted: str = ""
    held: Mapping[str, str] = MappingProxyType({})
    rows: Rows = NO_ROWS

    def others(self) -> set[str]:
        """The references of what only looks like something wanted."""
        return {like.reference for likes in self.alike.values() for like in likes}

    def without(self, known: Mapping[str, Entry | None]) -> Findings:
        """The same without the rows that are other items of ours, as the journal knows them by their reference."""
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
        # What failed, was refused or is absent has no row. What was looked for too has its own one already.
        undecided = entry.state in UNDECIDED and like.reference not in self.matches
        return undecided or entry.state is State.CREATED

    def doubt_of(self, key: str) -> str:
        """Why a reference without a match may exist all the same."""
        if key in self.held:
            return self.held[key]
        alike = self.alike.get(key)
        return str(alike[0]) if alike else self.doubt


class Gathered:
    """Takes rows, keeps what concerns the wanted references. A row that is added again changes nothing.

    ``largest`` is the size of references of the same list that are not added. With ``inside``, a reference that holds a
    wanted one looks like it, too.
    """

    def __init__(
        self, wanted: Collection[str], *, what: str, largest: Size | None = None, inside: bool = False
    ) -> None:
        self._inside = inside
        self._wanted = frozenset(wanted)
        self._spellings = Wanted(wanted)
        self._what = what
        self._found: dict[str, dict[str | None, Match]] = {}
        self._unreadable: set[str | None] = set()
        self._without_id = 0
        self._alike: dict[Like, None] = {}
        self._others: dict[Like, None] = {}
        self._largest = largest or Size()
        self._rows = Rows()
        self.too_many = False

    def add(self, reference: object, match: Match) -> None:
        """Take a row."""
        if not isinstance(reference, str) or not tidied(reference):
            self._without_id += match.id is None
            self._unreadable.add(match.id)
            return
        self._largest = self._largest.joined(Size.of(reference))
        if match.id is not None and (len(self._rows) < ROWS_MOST or reference in self._wanted):
            self._rows.add(reference, match.id)
        if reference in self._wanted:
            matches = self._found.setdefault(reference, {})
            matches[match.id] = match
            if len(matches) == 1:
                return
        # The second of one reference may be another one, kept in this spelling.
        if len(self._others) < LOOK_UP_MOST:
            self._others[Like(reference, match.id)] = None
        if self._spellings.may_be(reference) or (self._inside and self._spellings.is_inside(reference)):
            if len(self._alike) < ALIKE_MOST:
                self._alike[Like(reference, match.id)] = None
            else:
                self.too_many = True

    @property
    def others(self) -> Sequence[Like]:
        """Rows under other references, up to as many as one look-up may name."""
        return tuple(self._others)

    def missing(self) -> set[str]:
        """What was not found."""
        return {reference for reference in self._wanted if reference not in self._found}

    def findings(self, doubt: str = "", uncounted: str = "") -> Findings:
        """Return what all rows together say, and what the scan itself says against what it does not show."""
        matches = {reference: list(each.values()) for reference, each in self._found.items()}
        alike: dict[str, list[Like]] = {}
        for like in self._alike:
            for key in self._keys_like(like.reference):
                if key != like.reference and key not in matches:
                    alike.setdefault(key, []).append(like)
        return Findings(
            matches, doubt or self._doubt(), alike, uncounted, rows=self._rows if len(self._rows) else NO_ROWS
        )

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
    """Whether any of the rows is an order that the journal knows as created, with its id."""
    return any(
        entry is not None and entry.remote_id is not None and entry.remote_id == row.id
        for row, entry in zip(rows, known, strict=True)
    )


def why_not_shown(doubt: str) -> str:
    """The ``why`` of :func:`not_shown`."""
    before, _, behind = not_shown("\0").partition("\0")
    return doubt.removeprefix(before).removesuffix(behind)


def not_shown(why: str) -> str:
    """The reason of an item that was not found and whose absence is not proven."""
    return f"it was sent, and the list does not show it; but {why}: look it up before it is sent again"
