"""The assignment of columns to fields for one file and one kind of item, and the reading of a row's cells by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from .cell_parsers import extra as read_extra
from .formats.jsonl_table import snake
from .item_types import EXTRA
from .rows import RESERVED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cell_parsers import CellParser, CellValue
    from .item_types import ItemType
    from .rows import Table, TableRow

_NAMES_KEPT = 10_000


class CellProblem(NamedTuple):
    """One problem in a file: its place, the value there, and the reason."""

    line: int
    column: str
    field: str
    value: object
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}{', ' if self.column or self.field else ': '}{self.without_line()}"

    def without_line(self) -> str:
        """Return column, value and reason."""
        if not self.column and not self.field:
            return self.reason
        where = f"column {self.column}" if self.column else f"field {self.field}"
        named = f" ({self.field})" if self.column and self.column != self.field else ""
        shown = repr(self.value)
        return f"{where}{named} = {shown if len(shown) <= 60 else shown[:57] + '…'}: {self.reason}"


@dataclass(frozen=True)
class ColumnPlan:
    """Columns by field, and values that hold for every row."""

    target: ItemType
    columns: Mapping[str, str]
    constants: Mapping[str, CellValue]
    fixed: bool
    """True if every row has the same columns."""
    common: Sequence[tuple[str, str, CellParser, bool]] = field(default=(), init=False)
    parts: Sequence[tuple[str, str, CellParser, bool]] = field(default=(), init=False)
    _known: dict[str, str] = field(default_factory=dict[str, str], init=False)

    def __post_init__(self) -> None:
        steps = [
            (name, column, self.target.reader(name), name in self.target.filled)
            for name, column in self.columns.items()
        ]
        object.__setattr__(self, "common", [step for step in steps if not step[0].startswith("lines.")])
        object.__setattr__(self, "parts", [step for step in steps if step[0].startswith("lines.")])

    def key(self, row: TableRow) -> str:
        """Return the business reference of a row that may be broken, or an empty text if it has none."""
        for name in (self.target.key, self.target.key_from):
            column = self.columns.get(name)
            if column is not None and (cell := row.cells.get(column, "")):
                return cell
            if name in self.constants:
                return str(self.constants[name])
        return ""

    def canonical(self, row: TableRow) -> TableRow:
        """Return a row that names its own columns with the fields' names instead, where they match."""
        known = self._known
        cells: dict[str, str] = {}
        for name, cell in row.cells.items():
            if name not in known:
                if len(known) > _NAMES_KEPT:
                    known.clear()
                known[name] = self.target.find(name) or snake(name)
            cells[known[name]] = cell
        return row._replace(cells=cells)

    def _absence(self, cell: str | None) -> str:
        if cell is None:
            return "is missing: the row ends before it" if self.fixed else "is missing"
        return "is empty"

    def read(
        self, row: TableRow, steps: Sequence[tuple[str, str, CellParser, bool]], problems: list[CellProblem]
    ) -> dict[str, CellValue]:
        """Return the values of a row's cells for these fields, and append the problems."""
        values: dict[str, CellValue] = {}
        cells, ended = row.cells, False
        for name, column, reader, filled in steps:
            cell = cells.get(column)
            if not cell:
                needed = filled if self.fixed or cell is not None else name in self.target.needed
                if needed and name not in self.constants and not (ended and cell is None):
                    problems.append(CellProblem(row.line, column, name, "", self._absence(cell)))
                    ended = ended or (self.fixed and cell is None)  # reported once a row
                continue
            if cell.startswith('="') and cell.endswith('"') and len(cell) > 3:  # Excel's way to keep a code's zeros
                cell = cell[2:-1]
            try:
                values[name] = reader(cell)
            except ValueError as error:
                problems.append(CellProblem(row.line, column, name, cell, str(error)))
        return values


def plan_for(table: Table, target: ItemType, mapping: Mapping[str, str], constants: Mapping[str, Any]) -> ColumnPlan:
    """Return the plan by which rows of ``table`` become items.

    ``mapping`` names the column of each field; columns with a field's own name need none, and a constant goes before
    such a column.

    Raises:
        ConfigurationError: Fields and columns do not match.
    """
    named = _canonical(target, mapping)
    fixed_values = {name: _constant(target, name, value) for name, value in _canonical(target, constants).items()}
    if both := sorted(named.keys() & fixed_values.keys()):
        raise ConfigurationError(f"both mapped to a column and set to a value: {', '.join(both)}")
    if table.columns is None:
        own = {name: name for name in target.fields if name not in fixed_values}
        named = {name: target.find(column) or snake(column) for name, column in named.items()}
        return ColumnPlan(target, own | named, fixed_values, fixed=False)
    header = table.columns
    _check_header(table, target, named)
    by_name = {name: column for name, column in _by_name(target, header).items() if name not in fixed_values}
    found = by_name | named
    columns = {name: found[name] for name in target.fields if name in found}
    columns |= {name: column for name, column in named.items() if name not in columns}
    _check_complete(table, target, columns.keys() | fixed_values.keys())
    return ColumnPlan(target, columns, fixed_values, fixed=True)


def _by_name(target: ItemType, header: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in header:
        if column and not column.startswith(RESERVED) and (name := target.find(column)):
            found.setdefault(name, column)
    return found


def _check_header(table: Table, target: ItemType, mapping: Mapping[str, str]) -> None:
    header = table.columns or ()
    columns = ", ".join(name or "(no name)" for name in header)
    names = mapping.values() or [name.rpartition(".")[2] for name in target.fields]
    if not any(column in header for column in names) and not _by_name(target, header):
        raise ConfigurationError(
            f"{table.path} has none of the columns {', '.join(names)}; its first line is: {columns}"
        )
    if unknown := [column for column in mapping.values() if column not in header]:
        raise ConfigurationError(f"{table.path} has no column {', '.join(unknown)}; there are {columns}")


def _check_complete(table: Table, target: ItemType, given: set[str]) -> None:
    lacking = [name for name in target.fields if name in target.needed and name not in given]
    if target.any_of and given.isdisjoint(target.any_of):
        lacking.insert(0, target.any_of[0])
    if lacking:
        there = ", ".join(table.columns or ())
        or_set = "" if lacking[0] in {target.key, target.key_from} else f", or --set {lacking[0]}=VALUE for all rows"
        raise ConfigurationError(
            f"no column is mapped to {', '.join(lacking)}; {table.path} has the columns {there}. "
            f"Name them with --map {lacking[0]}=COLUMN{or_set}"
        )
    together = target.all_or_none
    lacking = [name.rpartition(".")[2] for name in together if name not in given]
    if 0 < len(lacking) < len(together):
        raise ConfigurationError(f"packaging is all or nothing; neither mapped nor set: {', '.join(lacking)}")


def _canonical(target: ItemType, named: Mapping[str, Any]) -> dict[str, Any]:
    full = [target.field(name) for name in named]
    if len(set(full)) < len(full):
        raise ConfigurationError(f"a field is named more than once: {', '.join(named)}")
    return dict(zip(full, named.values(), strict=True))


def _constant(target: ItemType, name: str, value: object) -> CellValue:
    text = str(value).strip()
    reader = read_extra if name.startswith(EXTRA) else target.reader(name)
    try:
        return reader(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} = {text!r}: {error}") from None
