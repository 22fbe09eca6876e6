"""The reading of many rows at once, column by column, which costs a third of reading each by itself.

An item is read so if all its rows stand in one batch and their cells are of the usual form: nothing is wrong in them,
and nothing was mended. All other rows are left to the reader of single rows, where the judgement is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any

import msgspec

from .cells.parsers import CellValue
from .item_types import Values
from .rows import table_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .column_plan import ColumnPlan, FieldGroup
    from .formats.csv_table import PlainRows
    from .rows import TableRow

MOST_ROWS = 10_000
"""Rows of one order. A file whose reference never changes would otherwise be held as a whole."""


class ReadRows(msgspec.Struct):
    """The rows of one item, with the values of its fields, and of the fields of each of its lines."""

    key: str
    line: int
    cells: Sequence[Sequence[str]]
    values: Values
    lines: list[dict[str, CellValue]]

    def rows(self, columns: Sequence[str]) -> list[TableRow]:
        """Return the rows one by one."""
        return [table_row(line, columns, cells) for line, cells in enumerate(self.cells, start=self.line)]


class BatchReader:
    """A reader of batches of rows. Behind the column ``anchor`` a separator may have split a text."""

    def __init__(
        self,
        plan: ColumnPlan,
        header: Sequence[str],
        groups: Mapping[str, FieldGroup],
        line_group: FieldGroup,
        anchor: int,
    ) -> None:
        self._plan = plan
        self._header = header
        self._groups = groups
        self._line_group = line_group
        self._anchor = anchor
        self._own = list(dict.fromkeys(step.column for group in groups.values() for step in group.steps))
        self._places = {name: header.index(name) for name in (*self._own, *(step.column for step in line_group.steps))}

    def read(self, batch: PlainRows) -> Iterator[ReadRows | TableRow]:
        """Yield the rows of a batch in their order: those of an item together if they were read, else each by itself.

        The first and the last order of a batch may have rows in another one, too, so their rows are not read.
        """
        plan, grouping, size = self._plan, self._plan.target.has_lines, len(batch.cells)
        odd = {place for place in range(size if batch.joint else 0) if batch.split_at(place) > self._anchor + 1}
        cells = {name: list(map(str.strip, batch.column(place))) for name, place in self._places.items()}
        keys = plan.keys(cells[plan.key_column])
        if "" in keys:
            odd.update(place for place, key in enumerate(keys) if not key)
            keys = list(accumulate(keys, _either))
        names = tuple(self._groups)
        groups = [_values(group, cells, odd, size) for group in self._groups.values()]
        values: list[Values] = list(map(dict, map(zip, repeat(names), zip(*groups, strict=True))))
        lines: list[dict[str, CellValue]] = []
        starts: Sequence[int] = range(size)
        if grouping:
            lines = _values(self._line_group, cells, odd, size)
            starts = [0, *(place for place in range(1, size) if keys[place] != keys[place - 1])]
            odd.update(range(starts[1] if len(starts) > 1 else size), range(starts[-1], size))
        for first, end in zip(starts, [*starts[1:], size], strict=True):
            if first not in odd and (end == first + 1 or self._alike(cells, odd, first, end)):
                yield ReadRows(keys[first], batch.line + first, batch.cells[first:end], values[first], lines[first:end])
            else:
                yield from batch.rows(self._header, first, end)

    def _alike(self, cells: Mapping[str, Sequence[str]], odd: set[int], first: int, end: int) -> bool:
        """Return True if nothing contradicts that some rows are lines of one order."""
        if end - first >= MOST_ROWS or not odd.isdisjoint(range(first, end)):
            return False
        return all(len(set(cells[column][first:end])) == 1 for column in self._own)


def _either(before: str, key: str) -> str:
    return key or before


def _values(
    group: FieldGroup, cells: Mapping[str, Sequence[str]], odd: set[int], size: int
) -> list[dict[str, CellValue]]:
    """Return the values of a group of fields in each row; add the places of rows that have others to ``odd``."""
    names: list[str] = []
    columns: list[Sequence[CellValue]] = []
    blanks = False
    for _, member, column, reader, filled in group.steps:
        column_cells = cells[column]
        if "" in column_cells:
            if filled:
                odd.update(place for place, cell in enumerate(column_cells) if not cell)
            elif not any(column_cells):
                continue
            blanks = True
        names.append(member)
        columns.append(reader.column(column_cells, odd))
    constants, rows = group.constants, zip(*columns, strict=True) if columns else repeat((), size)
    made: Any = map(dict, map(zip, repeat(names), rows))
    found: list[dict[str, CellValue]] = list(made)
    if blanks:
        found = [{name: value for name, value in row.items() if value is not None} for row in found]
    return [{**constants, **row} for row in found] if constants else found
