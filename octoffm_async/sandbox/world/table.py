"""A table of rows in order of creation, with an index by id and an index by time of change.

The rows are the contract's frozen structs: a change puts a new struct in the place of the old one, and readers encode
the rows directly. The cost of a page does not depend on the number of rows: both orders are plain lists, which a reader
enters at a position.

A row may be hidden for a while, like a row that has not reached the replica that readers query. It keeps its place in
both orders, and appears there when it is revealed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any, Generic, NamedTuple, TypeVar, get_args

RowT = TypeVar("RowT")


class TableSlice(NamedTuple, Generic[RowT]):
    """Consecutive rows, and the position of the next row (``None``: there are no more rows)."""

    rows: list[RowT]
    following: int | None


class TableChange(NamedTuple):
    """One entry of the order of change: the place of a row that was added or replaced, and the time."""

    place: int
    moment: datetime


class RowTable(Generic[RowT]):
    """All rows of one kind that belong to one seller.

    ``rows``, the length and the slices omit hidden rows, as readers see them. ``get``, ``in`` and :meth:`all_rows`
    include hidden rows, because life cycles go on for these too.
    """

    def __init__(self) -> None:
        self._rows: list[RowT] = []
        self._place: dict[str, int] = {}
        self._hidden: set[int] = set()
        # One entry per change, in order of time. An entry is stale once its row has changed again.
        self._change_times: list[datetime] = []
        self._changed_places: list[int] = []
        self._last_change: list[int] = []

    def __len__(self) -> int:
        return len(self._rows) - len(self._hidden)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    @property
    def rows(self) -> Sequence[RowT]:
        """All rows that are not hidden, in the order of their creation."""
        return [row for _, row in self.placed()] if self._hidden else self._rows

    def all_rows(self) -> Sequence[RowT]:
        """Return all rows, hidden or not, in order of creation."""
        return self._rows

    def keys(self) -> Iterator[str]:
        """Return the ids of all rows, hidden or not, in order of creation."""
        return iter(self._place)

    def newest_keys(self, count: int) -> list[str]:
        """Return the ids of the ``count`` newest rows, hidden or not, newest first."""
        return list(islice(reversed(self._place), count))

    def placed(self) -> Iterator[tuple[int, RowT]]:
        """Return the rows that are not hidden, with their places, which never change."""
        hidden = self._hidden
        return ((place, row) for place, row in enumerate(self._rows) if place not in hidden)

    def get(self, key: str) -> RowT | None:
        """Return the row with this id, hidden or not."""
        place = self._place.get(key)
        return None if place is None else self._rows[place]

    def add(self, key: str, row: RowT, moment: datetime) -> None:
        """Append a row. Times must not decrease, since the order of change is sorted by them."""
        place = len(self._rows)
        self._place[key] = place
        self._rows.append(row)
        self._last_change.append(0)
        self._note_change(place, moment)

    def replace(self, key: str, row: RowT, moment: datetime) -> None:
        """Replace a row by its changed form, and move it to the end of the order of change."""
        place = self._place[key]
        self._rows[place] = row
        self._note_change(place, moment)

    def hide(self, key: str) -> None:
        """Hide a row from readers until :meth:`reveal`."""
        self._hidden.add(self._place[key])

    def reveal(self, key: str) -> None:
        """Show a row to readers again, at its old place in both orders."""
        self._hidden.discard(self._place[key])

    def hides(self, key: str) -> bool:
        """Return True if there is a hidden row with this id."""
        return bool(self._hidden) and self._place.get(key) in self._hidden

    def hidden_keys(self) -> list[str]:
        """Return the ids of the hidden rows."""
        return [key for key, place in self._place.items() if place in self._hidden] if self._hidden else []

    @property
    def row_type(self) -> Any:
        """The type of the rows: the ``RowT`` with which the table was made."""
        return get_args(vars(self)["__orig_class__"])[0]

    def restore(
        self, keys: Sequence[str], rows: Sequence[RowT], changes: Sequence[TableChange], hidden: Sequence[str]
    ) -> None:
        """Fill an empty table with the content of another. Raises ``ValueError`` if the parts do not match."""
        if len(set(keys)) != len(rows) or len(keys) != len(rows):
            raise ValueError(f"{len(keys)} keys for {len(rows)} rows")
        if {change.place for change in changes} != set(range(len(rows))):
            raise ValueError("the changes are not those of the rows")
        if any(after.moment < before.moment for before, after in pairwise(changes)):
            raise ValueError("the changes are not in order")
        if not set(hidden) <= set(keys):
            raise ValueError("rows are hidden that do not exist")
        self._rows = list(rows)
        self._place = {key: place for place, key in enumerate(keys)}
        self._last_change = [0] * len(rows)
        for change in changes:
            self._note_change(*change)
        for key in hidden:
            self.hide(key)

    def _note_change(self, place: int, moment: datetime) -> None:
        self._last_change[place] = len(self._change_times)
        self._change_times.append(moment)
        self._changed_places.append(place)

    def by_creation(self, start: int, limit: int, keep: Callable[[RowT], bool] | None = None) -> TableSlice[RowT]:
        """Return up to ``limit`` rows from position ``start`` on; without ``keep``, read no other row."""
        if keep is None and not self._hidden:
            end = start + limit
            return TableSlice(self._rows[start:end], end if end < len(self._rows) else None)
        places = range(start, len(self._rows))
        return _cut(((place, self._rows[place]) for place in places if place not in self._hidden), limit, keep)

    def first_change(self, moment: datetime) -> int:
        """Return the position, in the order of change, of the first change at or after ``moment``."""
        return bisect_left(self._change_times, moment)

    def by_change(
        self, start: int, limit: int, keep: Callable[[RowT], bool] | None = None, *, until: datetime | None = None
    ) -> TableSlice[RowT]:
        """Return up to ``limit`` rows in the order of their last change, from a position of that order on.

        Changes after ``until`` are not read.
        """
        end = len(self._changed_places) if until is None else bisect_right(self._change_times, until)
        return _cut(self._fresh_changes(start, end), limit, keep)

    @property
    def newest_change(self) -> datetime | None:
        """The time of the last addition or replacement of a row."""
        return self._change_times[-1] if self._change_times else None

    @property
    def change_count(self) -> int:
        """Length of the order of change, stale entries included."""
        return len(self._changed_places)

    def changes(self, start: int = 0, most: int | None = None) -> list[TableChange]:
        """Return up to ``most`` entries of the order of change from a position on, stale entries included."""
        end = None if most is None else start + most
        return list(map(TableChange, self._changed_places[start:end], self._change_times[start:end]))

    def _fresh_changes(self, start: int, end: int) -> Iterator[tuple[int, RowT]]:
        for position in range(start, end):
            place = self._changed_places[position]
            if self._last_change[place] == position and place not in self._hidden:
                yield position, self._rows[place]


def _cut(numbered: Iterator[tuple[int, RowT]], limit: int, keep: Callable[[RowT], bool] | None) -> TableSlice[RowT]:
    rows: list[RowT] = []
    for position, row in numbered:
        if keep is None or keep(row):
            if len(rows) == limit:
                return TableSlice(rows, position)
            rows.append(row)
    return TableSlice(rows, None)
