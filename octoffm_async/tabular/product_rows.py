"""Products from a CSV file, row by row: valid rows are yielded, others are reported with their reason.

The file is UTF-8, with or without a byte order mark, and has a header. It is never held as a whole, so its length does
not matter; the keys seen move to disk when they are many. A line number is the physical line on which a row begins,
counted from 1 (the header's), so that an editor finds it even when cells hold line breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from ..contract.requests.checks import FieldProblem
from .column_plan import plan_for
from .formats.csv_table import CsvTable
from .item_reader import ItemReader
from .item_types import PRODUCTS
from .rejected_row import RejectedRow

if TYPE_CHECKING:
    from os import PathLike

    from ..contract.products import FulfillmentProduct
    from .column_plan import ColumnPlan
    from .item_reader import RejectedItem

__all__ = ["ProductRowIterator", "ProductRows"]

OnReject: TypeAlias = Callable[[RejectedRow], None]
ConstantValue: TypeAlias = str | float | bool


class ProductRows:
    """The products of a CSV file.

    It can be iterated several times; each iteration reads the file again.

    ``mapping`` names the column of each field; columns with a field's own name need none. ``constants`` are values for
    every row. Fields are those of :class:`FulfillmentProduct` (``weight_g`` or ``packaging.weight_g``). Without
    ``seller_product_reference`` the GTIN is the reference. ``on_reject`` is called with every row that cannot be sent:
    wrong number of columns, an unreadable cell, an empty cell of a mapped field, a violation of the API's documented
    rules, a reference that was yielded before.

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
        self.path: Path = Path(path)
        self._on_reject = on_reject
        self._table = CsvTable(path, delimiter=delimiter)
        self._plan = plan_for(self._table, PRODUCTS, mapping or {}, constants or {})

    def __iter__(self) -> ProductRowIterator:
        return ProductRowIterator(self._table, self._plan, self._on_reject)


class ProductRowIterator(Iterator["FulfillmentProduct"]):
    """One pass over the file. ``rows`` were read, ``rejected`` of them; ``line`` is the start of the last one."""

    def __init__(self, table: CsvTable, plan: ColumnPlan, on_reject: OnReject | None) -> None:
        self._on_reject = on_reject
        self._items = ItemReader(table, plan, self._reject)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FulfillmentProduct:
        product: FulfillmentProduct = next(self._items)
        return product

    @property
    def rows(self) -> int:
        """Number of rows read so far."""
        return self._items.rows

    @property
    def rejected(self) -> int:
        """Number of rows that were not yielded."""
        return self._items.faulty

    @property
    def line(self) -> int:
        """Line on which the last row begins."""
        return self._items.line

    @property
    def share(self) -> float:
        """Fraction of the file that was read, from 0 to 1."""
        return self._items.share

    def close(self) -> None:
        """End the pass early. It ends by itself at the end of the file."""
        self._items.close()

    def _reject(self, faulty: RejectedItem) -> None:
        if self._on_reject is not None:
            problems = [
                FieldProblem(problem.field.removeprefix("packaging."), problem.value, problem.reason)
                for problem in faulty.problems
            ]
            self._on_reject(RejectedRow(faulty.line, faulty.key, tuple(problems)))
