"""Items from a table: rows are read, grouped by reference and checked; a rejected item is reported with its reason.

The file is looked through before its first item is yielded. Rows of one order must stand together. Only the current
order, and the rows of items that were yielded and not released, are held.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, islice
from operator import eq
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from ..contract.requests.fingerprints import differing_fields, fingerprint
from ..disk.first_lines import FirstOccurrences
from .batch_reader import MOST_ROWS, BatchReader, ReadRows
from .cells.notes import ReadingNotes
from .column_plan import CellProblem, FieldGroup
from .formats.csv_table import CsvRows, PlainRows
from .survey import Survey, look_through, same_item

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..contract.requests.checks import FieldProblem
    from .cells.parsers import CellValue
    from .column_plan import ColumnPlan
    from .item_types import Values
    from .rows import RowReader, Table, TableRow

_PLACE = re.compile(r"lines\[(\d+)\]")


class RejectedItem(NamedTuple):
    """Rejected rows: all rows of an order, although only one of them may be wrong."""

    key: str
    rows: tuple[TableRow, ...]
    problems: tuple[CellProblem, ...]

    @property
    def line(self) -> int:
        """The line of the first row."""
        return self.rows[0].line


ItemRows: TypeAlias = "Sequence[TableRow] | ReadRows"
OnRejected: TypeAlias = Callable[[RejectedItem], None]


class ItemReader(Iterator[Any]):
    """One pass over a table. ``rows`` were read, ``faulty`` items rejected, ``good`` items yielded.

    ``left_out`` are items whose status says that they need not be sent.

    With ``keep`` the rows of a yielded item are kept until :meth:`release` releases them.
    """

    def __init__(
        self, table: Table, plan: ColumnPlan, on_faulty: OnRejected | None = None, *, keep: bool = False
    ) -> None:
        self.rows: int = 0
        self.faulty: int = 0
        self.faulty_rows: int = 0
        self.good: int = 0
        self.left_out: int = 0
        self.line: int = 0
        self.notes: ReadingNotes = ReadingNotes(table.guesses)
        """Everything that was found out or mended; complete at the end of the pass."""
        self._plan = plan
        self._table = table
        self._survey = Survey()
        self._prepared = False
        self._anchor = 0
        self._batch_reader: BatchReader | None = None
        self._groups: dict[str, FieldGroup] = {}
        self._line_group = FieldGroup([], {})
        self._pass: RowReader = table.rows()
        self._on_faulty = on_faulty
        self._keep = keep
        self._kept: dict[str, ItemRows] = {}
        self._first = FirstOccurrences()
        self._items = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    @property
    def rejected(self) -> int:
        """The number of items that were rejected: a run counts them in its summary."""
        return self.faulty

    @property
    def share(self) -> float:
        """The fraction of the file that was read, from 0 to 1."""
        return self._pass.share

    def release(self, key: str) -> tuple[TableRow, ...]:
        """Return the rows of an item that was yielded, and release them; none if it was not of this file."""
        return tuple(self._single(self._kept.pop(key, ())))

    def forget(self, key: str) -> None:
        """Release the rows of an item that was yielded."""
        self._kept.pop(key, None)

    def close(self) -> None:
        """End the pass early. It ends by itself at the end of the file."""
        self._items.close()

    def prepare(self) -> None:
        """Look through the whole file. The first item does it too, but it takes seconds for a long file."""
        if self._prepared:
            return
        self._prepared = True
        self._survey = look_through(self._table, self._plan, self.notes)
        if unused := self._plan.not_used():
            self.notes.facts["columns not used"] = ", ".join(unused)
        self._groups = self._plan.groups(self._survey.evidence, self.notes)
        self._line_group = self._groups.pop("lines", self._line_group)
        self._anchor = self._plan.anchor(self._table.columns or ())
        usual = self._plan.has_key_column and not self._survey.doubtful and not self._plan.options.statuses
        if usual and isinstance(self._pass, CsvRows):
            header = self._pass.table.columns
            self._batch_reader = BatchReader(self._plan, header, self._groups, self._line_group, self._anchor)

    def _read(self) -> Generator[Any]:
        with closing(self._first):
            self.prepare()
            for key, rows in self._items_of_rows():
                if isinstance(rows, ReadRows):
                    self.line = self.notes.line = rows.line
                    item, problems = self._made(key, rows, rows.values, rows.lines)
                else:
                    self.line = self.notes.line = rows[0].line
                    leave, problem = self._status(rows) if self._plan.options.statuses else (False, None)
                    if leave:
                        self.left_out += 1
                        continue
                    item, problems = self._item(key, rows) if problem is None else (None, [problem])
                if problems:
                    self._reject(key, self._single(rows), problems)
                    continue
                self.good += 1
                if self._keep:
                    self._kept[self._key_of(item)] = rows
                yield item

    def _items_of_rows(self) -> Iterator[tuple[str, ItemRows]]:
        """Yield rows that belong together, with their key."""
        grouping = self._plan.target.has_lines
        rows: list[TableRow] = []
        last = ""
        for row in self._rows_or_items():
            if isinstance(row, ReadRows):
                if rows:
                    yield last, rows
                    rows = []
                self.rows += len(row.cells)
                yield row.key, row
                continue
            self.rows += 1
            if not self._plan.fixed:
                row = self._plan.canonical(row)  # noqa: PLW2901  (the same row under the fields' names)
            key = self._plan.key(row)
            if not grouping:
                yield key, [row]
                continue
            if rows and same_item(rows[-1], row, last, key) and len(rows) < MOST_ROWS:
                rows.append(row)
                continue
            if rows:
                yield last, rows
            rows, last = [row], key
        if rows:
            yield last, rows

    def _rows_or_items(self) -> Iterator[TableRow | ReadRows]:
        if self._batch_reader is None or not isinstance(self._pass, CsvRows):
            yield from self._pass
            return
        for batch in self._pass.batches():
            yield from self._batch_reader.read(batch) if isinstance(batch, PlainRows) else batch

    def _single(self, rows: ItemRows) -> Sequence[TableRow]:
        """Return the rows one by one."""
        return rows.rows(self._table.columns or ()) if isinstance(rows, ReadRows) else rows

    def _item(self, key: str, rows: Sequence[TableRow]) -> tuple[Any, list[CellProblem]]:
        """Return the item that the rows make, and its problems."""
        plan = self._plan
        if problems := self._unreadable(key, rows):
            return None, problems
        values = {name: plan.read(rows[0], group, problems) for name, group in self._groups.items()}
        lines: list[dict[str, CellValue]] = []
        if plan.target.has_lines:
            for row in rows:
                self.notes.line = row.line
                lines.append(plan.read(row, self._line_group, problems))
            if len(rows) > 1:
                problems += [problem for row in rows[1:] for problem in self._differences(rows[0], row)]
        if not plan.fixed:
            problems += self._incomplete(rows[0], values, lines, problems)
        if problems:
            return None, problems
        self.notes.line = rows[0].line
        return self._made(key, rows, values, lines)

    def _made(
        self, key: str, rows: ItemRows, values: Values, lines: Sequence[dict[str, CellValue]]
    ) -> tuple[Any, list[CellProblem]]:
        """Return the item that these values make, and its problems."""
        target = self._plan.target
        found = [] if target.settle is None else target.settle(values, self._plan.options, self.notes)
        if len(lines) > 1 and any(map(eq, lines, islice(lines, 1, None))):
            self.notes.changed("lines", "two alike follow each other, and both are sent", key, "")
        item = None
        if not found:
            item = target.build(values, lines)
            found = target.problems(item)
        if found:
            singly = self._single(rows)
            return item, [self._placed(problem, singly) for problem in found]
        twice = self._survey.twice
        if twice is None or (twice and hash(self._plan.identity(key)) in twice):
            print_ = fingerprint(item)
            before = self._first.add(self._plan.identity(self._key_of(item)), self.line, print_)
            if before is not None:
                return item, [self._repeated_row(key, before[0], differing_fields(item, before[1], print_))]
        return item, []

    def _unreadable(self, key: str, rows: Sequence[TableRow]) -> list[CellProblem]:
        """Return the reasons why these rows cannot be read, or may not be the rows of one item."""
        found: list[CellProblem] = []
        for row in rows:
            if row.problem:
                found.append(CellProblem(row.line, "", "", "", row.problem))
            if row.split > self._anchor + 1:
                found.append(self._split(row))
        if len(rows) > 1 or self._survey.doubtful:
            found += self._doubts(key, rows)
        if not found and len(rows) >= MOST_ROWS:
            found.append(CellProblem(rows[0].line, "", "", "", f"{MOST_ROWS:,} rows or more have the same reference"))
        return found

    def _status(self, rows: Sequence[TableRow]) -> tuple[bool, CellProblem | None]:
        """Return True if an item is left out for its status, and the problem of a status that is not known."""
        problem: CellProblem | None = None
        for column, rule in self._plan.options.statuses.items():
            given = {cell.casefold() for row in rows if (cell := row.cells.get(column, ""))} or {""}
            if any(status in rule.leave or (status and "*" in rule.leave) for status in given):
                self.notes.line = rows[0].line
                status = "any" if "*" in rule.leave else " or ".join(sorted(given.intersection(rule.leave)))
                self.notes.changed(column, f"items were left out ({status})", "", "")
                return True, None
            if not given.issubset(rule.send):
                reason = f"is a status that does not say if the {self._plan.target.name} must be sent"
                problem = CellProblem(rows[0].line, column, "", ", ".join(sorted(given)), reason)
        return False, problem

    def _split(self, row: TableRow) -> CellProblem:
        """Return the problem of a row in which a separator without quotes may have split a text."""
        column = (self._table.columns or ())[row.split] if row.split < len(self._table.columns or ()) else ""
        reason = "begins with a blank: does the cell before it hold the separator? Put the whole text into quotes"
        return CellProblem(row.line, column, column, str(row.raw[row.split]), reason)

    def _doubts(self, key: str, rows: Sequence[TableRow]) -> Iterator[CellProblem]:
        """Yield the reasons why these rows may not be all rows of their item."""
        if not self._plan.target.has_lines:
            return
        target, column = self._plan.target, self._plan.key_column
        if not self._plan.options.fill_down and not rows[0].whole:
            for row in rows[1:]:
                if not row.problem and not self._plan.key(row) and target.key not in self._plan.constants:
                    reason = f"is empty below {key!r}: are the cells merged? Fill it in (--fill-down does for all rows)"
                    yield CellProblem(row.line, column, target.key, row.cells.get(column, ""), reason)
        if lines := self._survey.repeated.get(key):
            named = ", ".join(str(line) for line in lines)
            reason = f"comes back, on lines {named}: the rows of one {target.name} must stand together; none is sent"
            yield CellProblem(rows[0].line, column, target.key, key, reason)
        line = self._survey.suspects.get(key)
        if key and line is not None and all(row.line != line for row in rows):
            reason = f"line {line} cannot be read, and may be a row of this {target.name}"
            yield CellProblem(rows[0].line, column, target.key, key, reason)

    def _incomplete(
        self, row: TableRow, values: Values, lines: Sequence[dict[str, CellValue]], found: list[CellProblem]
    ) -> Iterator[CellProblem]:
        """Yield needed fields that no cell and no constant gives; a file without a header shows them only in rows."""
        target = self._plan.target
        given = {f"{group}.{member}".lstrip(".") for group in values for member in values[group]}
        if lines:
            given.update(f"lines.{member}" for member in set(lines[0]).intersection(*lines[1:]))
        lacking = target.needed - given
        if lacking:
            known = {problem.field for problem in found}
            for name in target.fields:
                if name in lacking and name not in known:
                    yield CellProblem(row.line, "", name, "", "is missing")
        absent = [name for name in target.all_or_none if name not in given]
        if 0 < len(absent) < len(target.all_or_none):
            yield CellProblem(row.line, "", absent[0], "", "is missing: packaging is all or nothing")

    def _differences(self, first: TableRow, row: TableRow) -> Iterator[CellProblem]:
        for name, _, column, _, _ in chain.from_iterable(group.steps for group in self._groups.values()):
            cell, expected = row.cells.get(column, ""), first.cells.get(column, "")
            if cell and cell != expected and (column != self._plan.key_column or self._plan.key(row)):
                reason = (
                    f"differs from {expected!r} on line {first.line}, which is of the same {self._plan.target.name}"
                )
                yield CellProblem(row.line, column, name, str(cell), reason)

    def _repeated_row(self, key: str, before: int, differ: Sequence[str]) -> CellProblem:
        target = self._plan.target
        columns = self._plan.columns
        column = columns.get(target.key, columns.get(target.key_from, ""))
        reason = f"came before, on line {before}"
        if differ:
            reason += f", with another payload (different: {', '.join(differ)}); only the first is sent"
        if target.has_lines:
            reason += f": the rows of one {target.name} must stand together"
        return CellProblem(self.line, column, target.key, key, reason)

    def _placed(self, problem: FieldProblem, rows: Sequence[TableRow]) -> CellProblem:
        """Return a problem of an item, at the row and column that it comes from."""
        row, name = rows[0], problem.field
        if (place := _PLACE.match(name)) and int(place[1]) < len(rows):
            row, name = rows[int(place[1])], f"lines{name[place.end() :]}"
        column = self._plan.columns.get(name, "")
        if name == self._plan.target.key and not column:
            column = self._plan.columns.get(self._plan.target.key_from, "")
        value = str(row.cells.get(column, "")) if column else problem.value
        return CellProblem(row.line, column if column in row.cells else "", name, value, problem.reason)

    def _key_of(self, item: Any) -> str:
        return item if isinstance(item, str) else str(getattr(item, self._plan.target.key))

    def _reject(self, key: str, rows: Sequence[TableRow], problems: Sequence[CellProblem]) -> None:
        self.faulty += 1
        self.faulty_rows += len(rows)
        if self._on_faulty is not None:
            self._on_faulty(RejectedItem(str(key), tuple(rows), tuple(problems)))
