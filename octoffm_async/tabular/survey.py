"""The look through a whole file before its first item is sent.

Some faults show only there: rows of one order that do not stand together (the first of them would leave alone), an
unreadable row that may belong to an order, a decimal sign, a column of codes that a spreadsheet has changed. The pass
keeps eight bytes for each item, and names lines in a second pass if there are faults.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING

from .cells import parsers as parse
from .cells.codes import all_usual
from .cells.numbers import NumberCell, decimal_sign_of
from .cells.readers import FileEvidence
from .formats.csv_table import CsvTable, PlainRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .cells.notes import ReadingNotes
    from .column_plan import ColumnPlan
    from .rows import Table, TableRow

_ROWS = 500
_AT_ONCE = 100_000
_GTIN_LONGEST = 14
_LINES_NAMED = 5
_MOST_SUSPECTS = 200_000


@dataclass
class Survey:
    """The findings of a look through a file."""

    evidence: FileEvidence = field(default_factory=FileEvidence)
    twice: set[int] | None = None
    """Hashes of the keys of which several items have one; None if the keys are not known."""
    repeated: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Lines on which the rows of an item begin that do not stand together, by its key."""
    suspects: dict[str, int] = field(default_factory=dict[str, int])
    """Cells of rows that cannot be read, each with the line: a reference among them may be the row's."""

    @property
    def doubtful(self) -> bool:
        """True if some item may not have all its rows."""
        return bool(self.repeated or self.suspects)


def same_item(before: TableRow, row: TableRow, last: str, key: str) -> bool:
    """Return True if a row belongs to the item of the row before, or may belong to it."""
    if row.whole or before.whole:
        return row.line == before.line
    if row.problem and row.maybe and key and last.startswith(key):  # a row that is cut off, perhaps in its reference
        return True
    if not key:
        return bool(last and row.cells and not row.problem)  # merged cells
    return key == last


def look_through(table: Table, plan: ColumnPlan, notes: ReadingNotes) -> Survey:
    """Read a table once, and note the facts that the whole of it tells."""
    collector = _collected(table, plan)
    if isinstance(table, CsvTable) and collector.all_longer:
        table.all_longer = True
        collector = _collected(table, plan)
    found, signs = collector.found, collector.signs
    if plan.options.decimal:
        notes.facts["decimal sign"] = f"{plan.options.decimal} (given)"
    elif len(signs) == 1:
        found.evidence.decimal, example = signs.popitem()
        notes.facts["decimal sign"] = f"{found.evidence.decimal} (as in {example})"
    elif signs:
        notes.facts["decimal sign"] = f"unclear (the file has {' and '.join(signs.values())})"
    if forms := _in_several_lengths(collector.articles):
        notes.facts["same articles"] = f"{len(forms):,} GTINs are written in several lengths, such as {forms[0]}"
    if plan.has_key_column:
        found.twice = _again(collector.keys)
        if found.twice and plan.target.has_lines:
            found.repeated = _named(table, plan, found.twice)
    return found


def _collected(table: Table, plan: ColumnPlan) -> _Collector:
    collector = _Collector(plan)
    for rows in _batches(table, plan):
        collector.take(_Batch(rows, table.columns or ()))
    return collector


class _Collector:
    """The facts that are collected batch by batch."""

    def __init__(self, plan: ColumnPlan) -> None:
        self.found = found = Survey()
        reader = {name: plan.target.reader(name) for name in plan.columns}
        self._codes = [(plan.columns[name], found.evidence.code(name)) for name in reader if reader[name] is parse.code]
        self._numbers = [plan.columns[name] for name in reader if reader[name] in {parse.number, parse.whole}]
        self._gtins = plan.columns.get("gtin", "")
        self._grouping = _Grouping(plan)
        self.signs: dict[str, str] = {}
        """The first number that proves a decimal sign, by the sign."""
        self.articles: array[int] = array("q")
        """GTINs as numbers, each with its length in the last four bits."""
        self.keys: array[int] = array("q")
        """Hashes of the keys of items."""
        self.all_longer = True
        """True if each row has more cells than the header, all of them empty."""

    def take(self, batch: _Batch) -> None:
        """Take some rows into account."""
        suspects = self.found.suspects
        for row in batch.rows:
            if row.maybe and len(suspects) < _MOST_SUSPECTS:
                suspects |= dict.fromkeys(row.maybe, row.line)
        self.all_longer = self.all_longer and batch.all_longer
        for column, code in self._codes:
            cells = batch.column(column)
            if not all_usual(cells):
                for cell in cells:
                    code.notice(cell)
        for column in self._numbers:
            self._take_numbers(batch.column(column))
        if self._gtins:
            cells = [cell for cell in batch.column(self._gtins) if cell.isdecimal() and len(cell) <= _GTIN_LONGEST]
            self.articles.extend(int(cell) << 4 | len(cell) for cell in cells)
        self.keys.extend(map(hash, self._grouping.starts_in(batch)))

    def _take_numbers(self, cells: Sequence[str]) -> None:
        if "".join(cells).isdigit():
            return
        for cell in cells:
            if not isinstance(cell, NumberCell) and (sign := decimal_sign_of(cell.strip())):
                self.signs.setdefault(sign, cell.strip())


class _Batch:
    """Some rows of a table: as rows where they are needed as such, else as lists of cells."""

    def __init__(self, rows: Sequence[TableRow] | PlainRows, header: Sequence[str]) -> None:
        self._header = header
        self.plain = rows if isinstance(rows, PlainRows) else None
        """The rows if all can be read, and only their cells are there."""
        self.rows: Sequence[TableRow] = () if isinstance(rows, PlainRows) else rows

    @property
    def all_longer(self) -> bool:
        """True if each row has more cells than the header."""
        return not self.plain and min((len(row.raw) for row in self.rows), default=0) > len(self._header)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column, in a batch of plain cells with the blanks around them."""
        if self.plain is None:
            return [row.cells.get(name, "") for row in self.rows]
        return self.plain.column(self._header.index(name))


class _Grouping:
    """The place in a file where each item begins."""

    def __init__(self, plan: ColumnPlan) -> None:
        self._plan = plan
        self._lines = plan.target.has_lines
        self._before: TableRow | None = None
        self._last = ""

    def starts_in(self, batch: _Batch) -> Iterable[str]:
        """Return the key of each item that begins in a batch, if it has one."""
        plan = self._plan
        if not plan.has_key_column:
            return ()
        if not self._lines:
            keys = map(plan.key, batch.rows) if not batch.plain else self._keys(batch)
            return map(plan.identity, filter(None, keys))
        if not batch.plain:
            return filter(None, map(self.starts, batch.rows))
        self._before = None
        last = self._last
        found = [key for key, _ in groupby(filter(None, self._keys(batch)))]
        if found:
            self._last = found[-1]
        return found[1:] if found[:1] == [last] else found

    def _keys(self, batch: _Batch) -> Iterable[str]:
        return self._plan.keys(batch.column(self._plan.key_column))

    def starts(self, row: TableRow) -> str:
        """Return the key of the item that begins with a row; empty if none begins, or it has no key."""
        before, self._before = self._before, row
        key = self._plan.key(row)
        if before is None and key == self._last and key and not row.whole:
            return ""
        if before is not None and same_item(before, row, self._last, key):
            return ""
        self._last = key
        return key


def _batches(table: Table, plan: ColumnPlan) -> Iterator[Sequence[TableRow] | PlainRows]:
    """Yield the rows of a table, many at a time."""
    if isinstance(table, CsvTable):
        yield from table.rows().batches()
        return
    rows = iter(table.rows())
    while found := list(islice(rows, _ROWS)):
        yield found if plan.fixed else [plan.canonical(row) for row in found]


def _again(numbers: array[int]) -> set[int]:
    """Return the numbers that come more than once."""
    found: set[int] = set()
    parts = len(numbers) // _AT_ONCE + 1
    for part in range(parts):  # a set of all at once would take a hundred bytes for each
        seen: set[int] = set()
        for number in numbers if parts == 1 else (one for one in numbers if one % parts == part):
            (found if number in seen else seen).add(number)
    return found


def _in_several_lengths(numbers: array[int]) -> list[str]:
    """Return the GTINs that are written with more and with fewer zeros, each in its shortest form."""
    found: list[str] = []
    parts = len(numbers) // _AT_ONCE + 1
    for part in range(parts):
        shortest: dict[int, int] = {}
        for number in numbers if parts == 1 else (one for one in numbers if (one >> 4) % parts == part):
            length = shortest.setdefault(number >> 4, number & 15)
            if length and length != number & 15:
                found.append(str(number >> 4).zfill(min(length, number & 15)))
                shortest[number >> 4] = 0
    return found


def _named(table: Table, plan: ColumnPlan, repeated: set[int]) -> dict[str, list[int]]:
    """Return the lines of the keys with these hashes; objects that are equal as a whole are no fault of this kind."""
    found: dict[str, list[int]] = {}
    texts: dict[str, set[int]] = {}
    grouping = _Grouping(plan)
    for row in table.rows():
        if not plan.fixed:
            row = plan.canonical(row)  # noqa: PLW2901  (the same row under the fields' names)
        if (key := grouping.starts(row)) and hash(key) in repeated:
            lines = found.setdefault(key, [])
            if len(lines) < _LINES_NAMED:
                lines.append(row.line)
            texts.setdefault(key, set()).add(hash(row.raw) if row.whole else row.line)
    return {key: lines for key, lines in found.items() if len(lines) > 1 and len(texts[key]) > 1}
