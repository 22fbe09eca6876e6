"""Rows in the order of their creation, with an index by id and one by time of change.

The rows are the contract's frozen structs: a change puts a new struct in the old one's place, and what is read is
encoded as it stands. A page of a million rows costs what the page costs: both orders are plain lists, entered at a
position.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

RowT = TypeVar("RowT")


class Slice(NamedTuple, Generic[RowT]):
    """Some rows, and the position from which the rest goes on (``None``: there is no rest)."""

    rows: list[RowT]
    following: int | None


class Ledger(Generic[RowT]):
    """All rows of one kind that belong to one seller."""

    def __init__(self) -> None:
        self.rows: list[RowT] = []
        self._place: dict[str, int] = {}
        # One entry a change, in order of time. An entry is stale once its row has changed again.
        self._change_times: list[datetime] = []
        self._changed_places: list[int] = []
        self._last_change: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def get(self, key: str) -> RowT | None:
        """The row with this id."""
        place = self._place.get(key)
        return None if place is None else self.rows[place]

    def add(self, key: str, row: RowT, moment: datetime) -> None:
        """Append a row. Moments never go back, or the order of change would not be an order."""
        place = len(self.rows)
        self._place[key] = place
        self.rows.append(row)
        self._last_change.append(0)
        self._note_change(place, moment)

    def replace(self, key: str, row: RowT, moment: datetime) -> None:
        """Put a changed row in its place, and last in the order of change."""
        place = self._place[key]
        self.rows[place] = row
        self._note_change(place, moment)

    def _note_change(self, place: int, moment: datetime) -> None:
        self._last_change[place] = len(self._change_times)
        self._change_times.append(moment)
        self._changed_places.append(place)

    def by_creation(self, start: int, limit: int, keep: Callable[[RowT], bool] | None = None) -> Slice[RowT]:
        """Up to ``limit`` rows from position ``start`` on; without ``keep`` no other row is touched."""
        if keep is None:
            end = start + limit
            return Slice(self.rows[start:end], end if end < len(self.rows) else None)
        places = range(start, len(self.rows))
        return _cut(((place, self.rows[place]) for place in places), limit, keep)

    def first_change(self, moment: datetime) -> int:
        """Position, in the order of change, of the first change at or after ``moment``."""
        return bisect_left(self._change_times, moment)

    def by_change(self, start: int, limit: int, keep: Callable[[RowT], bool] | None = None) -> Slice[RowT]:
        """Up to ``limit`` rows in the order of their last change, from a position of that order on."""
        return _cut(self._fresh_changes(start), limit, keep)

    def _fresh_changes(self, start: int) -> Iterator[tuple[int, RowT]]:
        for position in range(start, len(self._changed_places)):
            place = self._changed_places[position]
            if self._last_change[place] == position:
                yield position, self.rows[place]


def _cut(numbered: Iterator[tuple[int, RowT]], limit: int, keep: Callable[[RowT], bool] | None) -> Slice[RowT]:
    rows: list[RowT] = []
    for position, row in numbered:
        if keep is None or keep(row):
            if len(rows) == limit:
                return Slice(rows, position)
            rows.append(row)
    return Slice(rows, None)
