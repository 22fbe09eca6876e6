"""Running totals over a table. An update costs as much as the changes since the last one, up to a bound."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..world.table import RowTable


class TableTotals:
    """Sum of a measure over all rows. It reads the table's order of change from the end of its last update on."""

    def __init__(self, table: RowTable[Any], measure: Callable[[Any], Mapping[str, int]]) -> None:
        self.totals: Counter[str] = Counter()
        self._table = table
        self._measure = measure
        self._position = 0
        self._counted: list[Any] = []

    @property
    def uncounted(self) -> int:
        """Number of changes that are not counted yet."""
        return self._table.change_count - self._position

    def update(self, most: int) -> int:
        """Count up to ``most`` more changes; return the number of counted changes."""
        changes = self._table.changes(self._position, most)
        rows = self._table.all_rows()
        for place in {change.place for change in changes}:
            self._count(place, rows[place])
        self._position += len(changes)
        return len(changes)

    def _count(self, place: int, row: object) -> None:
        counted = self._counted
        if place >= len(counted):
            counted.extend([None] * (place + 1 - len(counted)))
        elif counted[place] is not None:
            self._add(counted[place], -1)
        self._add(row, 1)
        counted[place] = row

    def _add(self, row: object, sign: int) -> None:
        for name, number in self._measure(row).items():
            self.totals[name] += sign * number
