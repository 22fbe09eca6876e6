"""The assignment of columns to fields for one file and one kind of item, and the reading of a row's cells by it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from .cells import parsers as parse
from .cells.codes import all_usual, grouping_key
from .cells.parsers import extra as read_extra
from .cells.readers import ReadingOptions, reader_for
from .formats.jsonl_table import snake
from .item_types import EXTRA
from .rows import RESERVED, TableRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from .cells.notes import ReadingNotes
    from .cells.parsers import CellValue
    from .cells.readers import CellReader, FileEvidence
    from .item_types import ItemType
    from .rows import Table

_NAMES_KEPT = 1_000
_NAMES_TOLD = 50
_GTIN_LONGEST = 14


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


class ReadingStep(NamedTuple):
    """The reading of one field: its name, that within its group, its column, and the reader of its cells."""

    name: str
    member: str
    column: str
    reader: CellReader
    filled: bool
    """True if its cells may not be empty."""


class FieldGroup(NamedTuple):
    """The fields of one object of an item, such as its address: those that are read, and values for every row."""

    steps: list[ReadingStep]
    constants: dict[str, CellValue]


@dataclass(frozen=True)
class ColumnPlan:
    """Columns by field, and values that hold for every row."""

    target: ItemType
    columns: Mapping[str, str]
    constants: Mapping[str, CellValue]
    fixed: bool
    """True if every row has the same columns."""
    options: ReadingOptions = field(default_factory=ReadingOptions)
    unused: Sequence[str] = ()
    """Columns of the file from which no field is read."""
    _known: dict[tuple[str, ...], tuple[str, ...]] = field(
        default_factory=dict[tuple[str, ...], tuple[str, ...]], init=False
    )

    def groups(self, evidence: FileEvidence, notes: ReadingNotes) -> dict[str, FieldGroup]:
        """Return the fields to read by the name of the object that they are members of; empty for the item itself."""
        target = self.target
        groups = {"": FieldGroup([], {})}
        for name, value in self.constants.items():
            group, _, member = name.rpartition(".")
            groups.setdefault(group, FieldGroup([], {})).constants[member] = value
        for name, column in self.columns.items():
            group, _, member = name.rpartition(".")
            required = name in target.needed or name in target.filled or target.any_of[:1] == (name,)
            reader = reader_for(name, target.reader(name), evidence, self.options, notes, required=required)
            step = ReadingStep(name, member, column, reader, name in target.filled)
            groups.setdefault(group, FieldGroup([], {})).steps.append(step)
        return groups

    def anchor(self, header: Sequence[str]) -> int:
        """Return the place of the last column whose cells show if a separator shifted them: a country, a number …

        A text may be split only behind it; a number higher than any place if nothing behind it is read as text.
        """
        readers = {column: self.target.reader(name) for name, column in self.columns.items()}
        sure = {parse.country, parse.number, parse.whole, parse.gtin, parse.moment, parse.flag}
        places = [place for place, column in enumerate(header) if readers.get(column) in sure]
        texts = [place for place, column in enumerate(header) if readers.get(column) is parse.text]
        last = max(places, default=0)
        return last if any(place >= last for place in texts) else len(header)

    @property
    def key_column(self) -> str:
        """The column of the business reference; empty if there is none."""
        return self.columns.get(self.target.key, self.columns.get(self.target.key_from, ""))

    @cached_property
    def has_key_column(self) -> bool:
        """True if each item's business reference comes from its rows, and not from a value for all."""
        return bool(self.key_column) and not self._keys[1]

    def identity(self, key: str) -> str:
        """Return the text by which an item is found again in the file: a GTIN that is the reference with all zeros."""
        target = self.target
        by_gtin = target.key_from and target.key not in self.columns and target.key not in self.constants
        return key.zfill(_GTIN_LONGEST) if by_gtin else key

    @cached_property
    def _keys(self) -> tuple[list[str], str]:
        """The columns of the business reference, and the value that stands in place of an empty cell."""
        names = (self.target.key, self.target.key_from)
        constant = next((str(self.constants[name]) for name in names if name in self.constants), "")
        return [self.columns[name] for name in names if name in self.columns], constant

    @cached_property
    def key_form(self) -> Callable[[str], str]:
        """The function that turns the cell of a reference into the form by which rows belong together."""
        return str if self.target.key in self.options.literal else grouping_key

    def keys(self, cells: Sequence[str]) -> Sequence[str]:
        """Return the business references that the cells of the key column hold."""
        return cells if all_usual(cells) else [self.key_form(cell.strip()) if cell else "" for cell in cells]

    def key(self, row: TableRow) -> str:
        """Return the business reference of a row that may be broken, or an empty text if it has none."""
        columns, otherwise = self._keys
        for column in columns:
            if cell := row.cells.get(column, ""):
                return str(self.key_form(cell))  # a cell that is a number is of its own type
        return otherwise

    def canonical(self, row: TableRow) -> TableRow:
        """Return a row that names its own columns with the fields' names instead, where they match."""
        given = tuple(row.cells)
        names = self._known.get(given)
        if names is None:
            if len(self._known) > _NAMES_KEPT:
                self._known.clear()
            names = self._known[given] = tuple(self.target.find(name) or snake(name) for name in given)
        if names == given:
            return row
        if len(set(names)) == len(names):
            return TableRow(row.line, dict(zip(names, row.cells.values(), strict=True)), *row[2:])
        cells: dict[str, str] = {}
        for name, cell in zip(names, row.cells.values(), strict=True):
            if cells.setdefault(name, cell) != cell:
                row = row._replace(problem=row.problem or f"has {name} under more than one name")
        return row._replace(cells=cells)

    def not_used(self) -> list[str]:
        """Return the names in the file from which no field is read; of a file without a header, those of its rows."""
        used = {*self.columns.values(), *self.options.statuses}
        shown = {name for row in self._known.items() for name, found in zip(*row, strict=True) if found not in used}
        return [*self.unused, *sorted(name for name in shown if not name.startswith(RESERVED))[:_NAMES_TOLD]]

    def _absence(self, cell: str | None) -> str:
        if cell is None:
            return "is missing: the row ends before it" if self.fixed else "is missing"
        return "is empty"

    def read(self, row: TableRow, group: FieldGroup, problems: list[CellProblem]) -> dict[str, CellValue]:
        """Return the values of a group of fields in a row; append the problems."""
        values = {**group.constants}
        cells, ended = row.cells, False
        for name, member, column, reader, filled in group.steps:
            cell = cells.get(column)
            if not cell:
                needed = filled if self.fixed or cell is not None else name in self.target.needed
                if needed and not (ended and cell is None):
                    problems.append(CellProblem(row.line, column, name, "", self._absence(cell)))
                    ended = ended or (self.fixed and cell is None)  # reported once a row
                continue
            if cell[0] == "=" and cell[1:2] == cell[-1] == '"' and len(cell) > 3:  # Excel's way to keep a code's zeros
                cell = cell[2:-1]
            try:
                value = reader[cell]
            except ValueError as error:
                problems.append(CellProblem(row.line, column, name, str(cell), str(error)))
            else:
                if value is not None:
                    values[member] = value
        return values


def plan_for(
    table: Table,
    target: ItemType,
    mapping: Mapping[str, str],
    constants: Mapping[str, Any],
    options: ReadingOptions | None = None,
    *,
    by_name: bool = True,
) -> ColumnPlan:
    """Return the plan by which rows of ``table`` become items.

    ``mapping`` names the column of each field; columns with a field's own name need none, and a constant goes before
    such a column. ``by_name`` False takes no column by its name. ``options`` say what is otherwise found out.

    Raises:
        ConfigurationError: Fields and columns do not match.
    """
    options = options or ReadingOptions()
    options = replace(options, literal=frozenset(map(target.full_name, options.literal)))
    named = _canonical(target, mapping)
    fixed_values = {name: _constant(target, name, value) for name, value in _canonical(target, constants).items()}
    if both := sorted(named.keys() & fixed_values.keys()):
        raise ConfigurationError(f"both mapped to a column and set to a value: {', '.join(both)}")
    if table.columns is None:
        own = {name: name for name in target.fields if name not in fixed_values}
        named = {name: target.find(column) or snake(column) for name, column in named.items()}
        return ColumnPlan(target, own | named, fixed_values, fixed=False, options=options)
    header = table.columns
    _check_header(table, target, named)
    given = named.keys() | fixed_values.keys()
    found = (_by_name(table, target, header, given) if by_name else {}) | named
    for whole, parts in target.parts_of.items():
        if whole in found and not given.isdisjoint(parts) and whole not in named:
            del found[whole]
    columns = {name: found[name] for name in target.fields if name in found}
    columns |= {name: column for name, column in named.items() if name not in columns}
    _check_complete(table, target, columns.keys() | fixed_values.keys())
    used = {*columns.values(), *options.statuses}
    unused = [name for name in header if name and name not in used and not name.startswith(RESERVED)]
    return ColumnPlan(target, columns, fixed_values, fixed=True, options=options, unused=unused)


def header_fits(
    target: ItemType, mapping: Mapping[str, str], constants: Mapping[str, Any]
) -> Callable[[Sequence[str]], bool]:
    """Return a function that tells by a header if a sheet of a workbook can hold items of this kind."""
    named, fixed_values = _canonical(target, mapping), _canonical(target, constants)

    def fits(header: Sequence[str]) -> bool:
        columns = {name.strip() for name in header}
        given = {target.find(name) for name in columns} | fixed_values.keys()
        given |= {name for name, column in named.items() if column in columns}
        return columns.issuperset(named.values()) and not _lacking(target, given)

    return fits


def _by_name(table: Table, target: ItemType, header: Sequence[str], given: AbstractSet[str]) -> dict[str, str]:
    """Return the columns that bear the name of a field that is not given otherwise."""
    found: dict[str, str] = {}
    for column in header:
        if column and not column.startswith(RESERVED) and (name := target.find(column)) and name not in given:
            if name in found:
                raise ConfigurationError(
                    f"{table.path}: the columns {found[name]!r} and {column!r} can both be {name}: say which one is "
                    f"with --map {name}=COLUMN"
                )
            found[name] = column
    return found


def _check_header(table: Table, target: ItemType, mapping: Mapping[str, str]) -> None:
    header = table.columns or ()
    columns = ", ".join(name or "(no name)" for name in header)
    names = mapping.values() or [name.rpartition(".")[2] for name in target.fields]
    if not any(column in header for column in names) and not any(map(target.find, header)):
        raise ConfigurationError(
            f"{table.path} has none of the columns {', '.join(names)}; its first line is: {columns}. "
            "Name its columns with --map FIELD=COLUMN"
        )
    if unknown := [column for column in mapping.values() if column not in header]:
        raise ConfigurationError(f"{table.path} has no column {', '.join(unknown)}; there are {columns}")


def _check_complete(table: Table, target: ItemType, given: AbstractSet[str]) -> None:
    if lacking := _lacking(target, given):
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


def _lacking(target: ItemType, given: AbstractSet[str]) -> list[str]:
    """Return the needed fields that are not given."""
    whole = {part for name, parts in target.parts_of.items() if name in given for part in parts}
    lacking = [name for name in target.fields if name in target.needed and name not in given and name not in whole]
    if target.any_of and given.isdisjoint(target.any_of):
        lacking.insert(0, target.any_of[0])
    return lacking


def _canonical(target: ItemType, named: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in named.items():
        turned = target.find(str(value)) and not (name.startswith(EXTRA) or target.find(name))
        if turned and not get_close_matches(name, [str(value)]):  # else it is misspelled
            raise ConfigurationError(f"no field {name}: the field comes first: {value}={name}")
    full = [target.full_name(name) for name in named]
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
