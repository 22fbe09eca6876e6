"""Files of rows as items for a program: orders, products and supply orders, in all the formats that the command reads.

>>> with read_orders("orders.xlsx", values={"storage_country": "FR"}, rejects="orders.rejects.csv") as orders:
...     async with client.bulk.create_outbound(orders, journal="orders.sqlite") as run:
...         async for outcome in run: ...

Nothing ambiguous is guessed into an order: see ``octoffm guide nightly-job``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack, cast

from anyio import to_thread

from ..errors import ConfigurationError
from .cells.readers import ReadingOptions
from .column_plan import header_fits, plan_for
from .exports import read_export
from .formats.open import open_table
from .item_reader import ItemReader, RejectedItem
from .item_types import ORDERS, PRODUCTS, SUPPLIES
from .mapping_file import Mapping, load_mapping
from .rejects import ClosedAtExit, RejectsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Mapping as Pairs
    from types import TracebackType

    from ..contract.inbound import InboundShipmentRequest
    from ..contract.outbound import OutboundShipmentRequest
    from ..contract.products import FulfillmentProduct
    from .column_plan import ColumnPlan
    from .item_reader import OnRejected
    from .item_types import ItemType
    from .rows import Table

__all__ = ["ItemFile", "ReadSettings", "RejectedItem", "read_orders", "read_products", "read_supply_orders"]

ItemT = TypeVar("ItemT")
AnyPath: TypeAlias = str | PathLike[str]


class ReadSettings(TypedDict, total=False):
    """The settings of ``read_orders`` and its like; those of the command's options.

    Attributes:
        mapping: The column of each field, or the path of a saved mapping; columns with a field's own name need none.
        values: Values that hold for all rows, by field.
        export: The shop whose export the file is: its columns are known.
        rejects: The file that rejected rows are written to, each with its reason, or a function that is called with
            each rejected item.
        keep: Keep the rows of each item that was yielded until ``release`` or ``reject`` is called for it.
        delimiter: The delimiter of CSV cells; found out by default.
        encoding: The encoding of a CSV file; found out by default.
        sheet: The sheet of a workbook, where several may be meant.
        decimal: The decimal sign of all numbers; found out by default.
        literal: Fields whose cells are taken as they stand, although they look like a number, a date or a word for
            nothing.
        fill_zeros: Give postal codes back the zeros that a spreadsheet dropped.
        fill_down: Take rows without a reference for rows of the order above.
    """

    mapping: Pairs[str, str] | AnyPath
    values: Pairs[str, str | float | bool]
    export: Literal["amazon", "magento", "prestashop", "shopify", "woocommerce"]
    rejects: AnyPath | Callable[[RejectedItem], None]
    keep: bool
    delimiter: str
    encoding: str
    sheet: str
    decimal: Literal[".", ","]
    literal: Iterable[str]
    fill_zeros: bool
    fill_down: bool


class ItemFile(ItemReader, ClosedAtExit, Generic[ItemT]):
    """The items of a file, once: an iterator, and a context manager that closes the file and the rejects file.

    A run takes it as its items; ``run.summary.rejected`` is then the number of items that the file could not give. The
    file is looked through before the first item is given: ``async with`` does it in a thread.
    """

    def __init__(self, path: AnyPath, target: ItemType, settings: ReadSettings) -> None:
        options = ReadingOptions(
            decimal=settings.get("decimal", ""),
            literal=frozenset(settings.get("literal", ())),
            fill_zeros=settings.get("fill_zeros", False),
            fill_down=settings.get("fill_down", False),
        )
        table, plan = open_items(
            Path(path),
            target,
            _mapping_of(settings),
            options,
            export=settings.get("export"),
            delimiter=settings.get("delimiter"),
            encoding=settings.get("encoding"),
            sheet=settings.get("sheet"),
        )
        rejects = settings.get("rejects")
        self._rejects = None if rejects is None or callable(rejects) else RejectsFile(rejects, table)
        on_rejected = cast("OnRejected | None", rejects if self._rejects is None else self._rejects)
        super().__init__(table, plan, on_rejected, keep=settings.get("keep", False))

    @property
    def guesses(self) -> list[str]:
        """Everything that was found out or mended, in words; complete when the file was read to its end."""
        return self.notes.lines()

    def reject(self, key: str, reason: str) -> None:
        """Write the rows of an item that the API refused to the rejects file; for a file read with ``keep``."""
        rows = self.release(key)
        if rows and self._rejects is not None:
            self._rejects.add(rows, reason)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        item: ItemT = super().__next__()
        return item

    def close(self) -> None:
        """End the reading, and close the rejects file."""
        super().close()
        if self._rejects is not None:
            self._rejects.close()

    async def __aenter__(self) -> Self:
        try:
            await to_thread.run_sync(self.prepare)
        except BaseException:
            with suppress(OSError):
                self.close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_orders(path: AnyPath, **settings: Unpack[ReadSettings]) -> ItemFile[OutboundShipmentRequest]:
    """Read shipping orders from CSV, JSON lines, Parquet or a workbook; the formats but CSV and JSON need ``tabular``.

    Rows with the same reference are one order, and must stand together. The fields are those of
    ``octoffm orders create --help``; the last part of a name is enough where it is unambiguous.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    return ItemFile(path, ORDERS, settings)


def read_products(path: AnyPath, **settings: Unpack[ReadSettings]) -> ItemFile[FulfillmentProduct]:
    """Read products, as :func:`read_orders` reads orders; without a reference of the seller the GTIN is the reference.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    return ItemFile(path, PRODUCTS, settings)


def read_supply_orders(path: AnyPath, **settings: Unpack[ReadSettings]) -> ItemFile[InboundShipmentRequest]:
    """Read supply orders, as :func:`read_orders` reads orders.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    return ItemFile(path, SUPPLIES, settings)


def open_items(
    path: Path,
    target: ItemType,
    given: Mapping,
    options: ReadingOptions,
    *,
    export: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> tuple[Table, ColumnPlan]:
    """Open a file, and plan the reading of its rows by the mapping that is given, or by the columns of a shop's export.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    known = None if export is None else read_export(export, target.plural)
    table = open_table(
        path,
        delimiter=delimiter or (None if known is None else known.delimiter),
        encoding=encoding,
        quoted=known is None or known.quoted,
        sheet=sheet,
        fits=header_fits(target, given.columns, given.values) if known is None else known.fits,
    )
    if known is None:
        return table, plan_for(table, target, given.columns, given.values, options)
    if table.columns is None:
        raise ConfigurationError(f"{path} has no columns: the export of a shop is a CSV file or a workbook")
    mapping = Mapping(known.mapping(table.columns), {}).with_(given.columns, given.values)
    options = replace(options, statuses=known.rules(table.columns))
    plan = plan_for(table, target, mapping.columns, mapping.values, options, by_name=False)
    return table, replace(plan, unused=known.unknown(plan.unused))


def _mapping_of(settings: ReadSettings) -> Mapping:
    given = settings.get("mapping", {})
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.get("values", {}).items()
    }
    if isinstance(given, str | PathLike):
        return load_mapping(given).with_({}, values)
    return Mapping({}, {}).with_(given, values)
