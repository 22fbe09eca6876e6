"""Products out of a CSV file, row by row: what can be sent is yielded, what cannot is reported with its reason.

The file is UTF-8, with or without a byte order mark, and has a header. It is never held as a whole, so its length does
not matter; keys already seen move to disk when they are many. A line number is the physical line on which a row
begins, counted from 1 (the header's), so that an editor finds it even when cells hold line breaks.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TextIO, TypeAlias

from ..contract.checks import FieldProblem
from ..contract.products import FulfillmentProduct, Packaging
from ..contract.validation import product_problems
from ..errors import ConfigurationError
from .rejects import RejectedRow
from .seen import SeenKeys

if TYPE_CHECKING:
    from _csv import Reader as _Reader
    from os import PathLike

__all__ = ["FIELDS", "ProductRows", "Reading"]

OnReject: TypeAlias = Callable[[RejectedRow], None]
Value: TypeAlias = str | float | bool

LONGEST_LINE = 1 << 20
"""Characters. A CSV file has no such line; whatever has would fill the memory."""
DELIMITERS = (",", ";", "\t", "|")

_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _text(cell: str) -> str:
    return cell


def _number(cell: str) -> float:
    if _PLAIN_NUMBER.fullmatch(cell):
        return float(cell)
    raise ValueError("is not a number" + (" (the decimal mark is a point)" if "," in cell else ""))


def _flag(cell: str) -> bool:
    try:
        return _FLAGS[cell.casefold()]
    except KeyError:
        raise ValueError("is not true or false, yes or no, 1 or 0") from None


_PACKAGING: Final = Packaging.__struct_fields__
FIELDS: Final[Mapping[str, Callable[[str], Value]]] = {
    "gtin": _text,
    "seller_product_reference": _text,
    "title": _text,
    "product_condition": _text,
    **dict.fromkeys(_PACKAGING, _number),
    "origin_country": _text,
    "customs_code": _text,
    "un_code": _text,
    "icpe_code": _text,
    "is_traceable": _flag,
}
"""What a row can tell of a product, and how its cells are read."""

_NEVER_EMPTY = {"gtin", "seller_product_reference", "title", *_PACKAGING}


class ProductRows:
    """The products of a CSV file. Iterate it as often as you like; each iteration reads the file anew.

    ``mapping`` names the column of each field; columns that bear a field's own name need none. ``constants`` are
    values that hold for every row. Fields are those of :data:`FIELDS` (``weight_g`` or ``packaging.weight_g``). Without
    ``seller_product_reference`` the GTIN is the reference. ``on_reject`` is told of every row that cannot be sent:
    wrong number of columns, a cell that cannot be read, an empty one where the field is mapped, whatever the API's
    documented rules exclude, a reference that was yielded before.

    Raises:
        ConfigurationError: at once if the file cannot be read, is empty or has no header, or if fields and columns do
            not fit; while iterating if a line is not UTF-8.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        mapping: Mapping[str, str] | None = None,
        constants: Mapping[str, Value] | None = None,
        on_reject: OnReject | None = None,
        delimiter: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._on_reject = on_reject
        self._delimiter = delimiter or _guess_delimiter(self.path)
        header = _read_header(self.path, self._delimiter)
        self._plan = _plan(self.path, header, _canonical(mapping or {}), _canonical(constants or {}))

    def __iter__(self) -> Reading:
        return Reading(self.path, self._delimiter, self._plan, self._on_reject)


class Reading(Iterator[FulfillmentProduct]):
    """One pass over the file. ``rows`` were read, ``rejected`` of them; ``line`` is where the last one began."""

    def __init__(self, path: Path, delimiter: str, plan: _Plan, on_reject: OnReject | None) -> None:
        self.rows = 0
        self.rejected = 0
        self.line = 0
        self._path = path
        self._delimiter = delimiter
        self._plan = plan
        self._on_reject = on_reject
        self._size = path.stat().st_size
        self._file: TextIO | None = None
        self._products = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FulfillmentProduct:
        return next(self._products)

    @property
    def share(self) -> float:
        """How much of the file was read, from 0 to 1."""
        if self._file is None or self._file.closed:
            return float(self.rows > 0)
        return min(1.0, self._file.buffer.tell() / max(1, self._size))

    def close(self) -> None:
        """End the pass early. It ends by itself at the end of the file."""
        self._products.close()

    def _read(self) -> Generator[FulfillmentProduct]:
        with _open(self._path) as self._file, closing(SeenKeys()) as sent:
            reader = csv.reader(_checked_lines(self._path, self._file), delimiter=self._delimiter, strict=True)
            _skip_header(reader)
            for cells in self._rows(reader):
                found = self._plan.product(cells)
                if isinstance(found, FulfillmentProduct) and not sent.add(found.seller_product_reference):
                    reference = found.seller_product_reference
                    found = [FieldProblem("seller_product_reference", reference, "came before in this file")]
                if isinstance(found, FulfillmentProduct):
                    yield found
                else:
                    self._reject(self._plan.key(cells), found)

    def _rows(self, reader: _Reader) -> Iterator[list[str]]:
        """Rows that can be told apart; empty lines are no rows."""
        while True:
            self.line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.rows += 1
                span = f"lines {self.line} to {reader.line_num} cannot be told apart: {error}; is a quote not closed?"
                self._reject("", [FieldProblem("", "", span)])
                continue
            if cells:
                self.rows += 1
                yield cells

    def _reject(self, key: str, problems: Sequence[FieldProblem]) -> None:
        self.rejected += 1
        if self._on_reject is not None:
            self._on_reject(RejectedRow(self.line, key, tuple(problems)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a row becomes a product: which cell is which field, and what is the same for all rows."""

    header: Sequence[str]
    places: Mapping[str, int]
    constants: Mapping[str, Value]

    def product(self, cells: Sequence[str]) -> FulfillmentProduct | list[FieldProblem]:
        """The product, or what is wrong with the row."""
        if len(cells) != len(self.header):
            reason = f"the row has {len(cells)} columns, the header {len(self.header)}"
            return [FieldProblem("", "", reason)]
        values: dict[str, Any] = dict(self.constants)
        problems: list[FieldProblem] = []
        for field, place in self.places.items():
            if not (cell := cells[place].strip()):
                if field in _NEVER_EMPTY:
                    problems.append(FieldProblem(field, "", "is empty"))
                continue
            try:
                values[field] = FIELDS[field](cell)
            except ValueError as error:
                problems.append(FieldProblem(field, cell, str(error)))
        if problems:
            return problems
        product = _assemble(values)
        return [_short(problem) for problem in product_problems(product)] or product

    def key(self, cells: Sequence[str]) -> str:
        """The business reference of a row that may be broken, as far as it can be told."""
        for field in ("seller_product_reference", "gtin"):
            place = self.places.get(field)
            if place is not None and place < len(cells) and (cell := cells[place].strip()):
                return cell
        return ""


def _assemble(values: dict[str, Any]) -> FulfillmentProduct:
    measures = {name: values.pop(name) for name in _PACKAGING if name in values}
    values.setdefault("seller_product_reference", values["gtin"])
    return FulfillmentProduct(packaging=Packaging(**measures) if measures else None, **values)


def _short(problem: FieldProblem) -> FieldProblem:
    return problem._replace(field=problem.field.removeprefix("packaging."))


def _plan(path: Path, header: Sequence[str], mapping: Mapping[str, str], constants: Mapping[str, Value]) -> _Plan:
    _check_header(path, header, mapping)
    if both := sorted(mapping.keys() & constants.keys()):
        raise ConfigurationError(f"both mapped to a column and set to a value: {', '.join(both)}")
    by_name = {field: field for field in FIELDS if field in header and field not in constants}
    places = {field: header.index(column) for field, column in (by_name | dict(mapping)).items()}
    given = places.keys() | constants.keys()
    if "gtin" not in given:
        raise ConfigurationError(f"no column is mapped to gtin; {path} has the columns {', '.join(header)}")
    if (lacking := [name for name in _PACKAGING if name not in given]) and len(lacking) < len(_PACKAGING):
        raise ConfigurationError(f"packaging is all or nothing; neither mapped nor set: {', '.join(lacking)}")
    return _Plan(header, places, {field: _constant(field, value) for field, value in constants.items()})


def _check_header(path: Path, header: Sequence[str], mapping: Mapping[str, str]) -> None:
    columns = ", ".join(name or "(no name)" for name in header)
    wanted = mapping.values() or FIELDS
    if not any(column in header for column in wanted):
        raise ConfigurationError(f"{path} has none of the columns {', '.join(wanted)}; its first line is: {columns}")
    if unknown := [column for column in mapping.values() if column not in header]:
        raise ConfigurationError(f"{path} has no column {', '.join(unknown)}; there are {columns}")
    if twice := [name for name, times in Counter(header).items() if times > 1 and name]:
        raise ConfigurationError(f"{path} has more than one column {', '.join(twice)}")


def _canonical(named: Mapping[str, Any]) -> dict[str, Any]:
    """The same with short names, all of them known and none twice."""
    short = [field.removeprefix("packaging.") for field in named]
    if unknown := [field for field in short if field not in FIELDS]:
        raise ConfigurationError(f"no field {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    if len(set(short)) < len(short):
        raise ConfigurationError(f"a field is named more than once: {', '.join(named)}")
    return dict(zip(short, named.values(), strict=True))


def _constant(field: str, value: Value) -> Value:
    try:
        return FIELDS[field](str(value).strip())
    except ValueError as error:
        raise ConfigurationError(str(FieldProblem(field, value, str(error)))) from None


def _open(path: Path) -> TextIO:
    try:
        # Undecodable bytes come through as surrogates, so that the line that has them can be named.
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None


def _checked_lines(path: Path, file: TextIO) -> Iterator[str]:
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), start=1):
        if len(line) == LONGEST_LINE:
            raise ConfigurationError(f"{path}, line {number} has more than {LONGEST_LINE:,} characters: is it CSV?")
        if not line.isascii() and (match := re.search("[\udc80-\udcff]", line)):
            byte = ord(match[0]) - 0xDC00
            raise ConfigurationError(f"{path}, line {number} is not UTF-8 (byte 0x{byte:02X}): save the file as UTF-8")
        yield line


def _guess_delimiter(path: Path) -> str:
    """Spreadsheets of some countries write semicolons: the header tells."""
    with _open(path) as file:
        first = next(_checked_lines(path, file), "")
    return max(DELIMITERS, key=first.count)


def _skip_header(reader: _Reader) -> list[str]:
    for cells in reader:
        if cells:
            return cells
    return []


def _read_header(path: Path, delimiter: str) -> list[str]:
    with _open(path) as file:
        try:
            header = _skip_header(csv.reader(_checked_lines(path, file), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise ConfigurationError(f"{path}: the header cannot be read: {error}") from None
    if not header:
        raise ConfigurationError(f"{path} is empty")
    return [name.strip() for name in header]
