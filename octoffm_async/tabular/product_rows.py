"""Deprecated names of one release: :func:`read_products` reads products, and writes rejected rows to a file."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TextIO, TypeAlias

from ..contract.requests.checks import FieldProblem
from ..disk.private_file import create_file, open_safely
from ..errors import ConfigurationError
from .column_plan import plan_for
from .formats.csv_table import CsvTable
from .item_reader import ItemReader
from .item_types import PRODUCTS
from .rejected_row import RejectedRow
from .rejects import ClosedAtExit, harmless

if TYPE_CHECKING:
    from os import PathLike

    from ..contract.products import FulfillmentProduct
    from .column_plan import ColumnPlan
    from .item_reader import RejectedItem

__all__ = ["ProductRowIterator", "ProductRows", "RejectsReport"]

OnReject: TypeAlias = Callable[[RejectedRow], None]
ConstantValue: TypeAlias = str | float | bool
COLUMNS = ("line", "key", "field", "value", "reason")


class ProductRows:
    """The products of a CSV file, deprecated: :func:`octoffm_async.tabular.read_products` reads all formats.

    It can be iterated several times; each iteration reads the file again.

    ``mapping`` names the column of each field; columns with a field's own name need none. ``constants`` are values for
    every row. ``on_reject`` is called with every row that cannot be sent.

    Raises:
        ConfigurationError: at once if the file cannot be read, is empty, has no header or is not UTF-8, or if fields
            and columns do not fit.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        mapping: Mapping[str, str] | None = None,
        constants: Mapping[str, ConstantValue] | None = None,
        on_reject: OnReject | None = None,
        delimiter: str | None = None,
    ) -> None:
        _deprecated("ProductRows", "read_products")
        self.path: Path = Path(path)
        self._on_reject = on_reject
        self._table = CsvTable(path, delimiter=delimiter)
        self._plan = plan_for(self._table, PRODUCTS, mapping or {}, constants or {})

    def __iter__(self) -> ProductRowIterator:
        return ProductRowIterator(self._table, self._plan, self._on_reject)


class ProductRowIterator(ItemReader):
    """One pass over the file. ``rows`` were read, ``rejected`` of them; ``line`` is the start of the last one."""

    def __init__(self, table: CsvTable, plan: ColumnPlan, on_reject: OnReject | None) -> None:
        super().__init__(table, plan, None if on_reject is None else lambda one: on_reject(_row_of(one)))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FulfillmentProduct:
        product: FulfillmentProduct = super().__next__()
        return product


def _row_of(one: RejectedItem) -> RejectedRow:
    found = [FieldProblem(problem.field.removeprefix("packaging."), *problem[3:]) for problem in one.problems]
    return RejectedRow(one.line, one.key, tuple(found))


class RejectsReport(ClosedAtExit):
    """Writer of rejected rows to ``path``, one line per problem, deprecated: ``read_products(…, rejects=path)``.

    The file is created (replacing an older one) at the first reject, so a run without rejects leaves none. Every line
    is flushed: a report survives a crash. The object itself is a callback: ``ProductRows(..., on_reject=report)``.
    ``rows`` counts rejected rows, not lines.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        _deprecated("RejectsReport", "read_products(…, rejects=…)")
        self.path: Path = Path(path)
        self.rows: int = 0
        self._file: TextIO | None = None
        self._writer: Any = None

    def __call__(self, row: RejectedRow) -> None:
        """Report a row.

        Raises:
            ConfigurationError: the file cannot be created.
        """
        if self._file is None:
            self._open()
        self.rows += 1
        for problem in row.problems or (FieldProblem("", "", "no reason was given"),):
            cells = ("" if row.line is None else row.line, row.key, problem.field, problem.value, problem.reason)
            self._writer.writerow([harmless(cell) for cell in cells])

    def add(self, key: str, reason: str, *, line: int | None = None) -> None:
        """Report an item that was refused as a whole, for instance by the API."""
        self(RejectedRow(line, key, (FieldProblem("", "", reason),)))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        try:
            raw: BinaryIO
            if self.rows:  # a report after closing is appended
                raw = os.fdopen(open_safely(self.path, os.O_WRONLY | os.O_APPEND, what="rejects file"), "ab")
            else:
                raw = create_file(self.path)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None
        # The byte order mark makes spreadsheets read the file as UTF-8.
        encoding = "utf-8" if self.rows else "utf-8-sig"
        self._file = file = TextIOWrapper(raw, encoding, newline="", line_buffering=True)
        self._writer = csv.writer(file)
        if not self.rows:
            self._writer.writerow(COLUMNS)


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"{name} is deprecated: use octoffm_async.tabular.{instead}", DeprecationWarning, stacklevel=3)
