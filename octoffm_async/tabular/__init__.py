"""Tables: answers as rows for data frames, and files of rows as items (CSV, JSON lines, Parquet and XLSX)."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .flat_rows import Rows, as_rows
    from .item_file import ItemFile, ReadSettings, RejectedItem, read_orders, read_products, read_supply_orders
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.tabular.flat_rows": ("Rows", "as_rows"),
            "octoffm_async.tabular.item_file": (
                "ItemFile",
                "ReadSettings",
                "RejectedItem",
                "read_orders",
                "read_products",
                "read_supply_orders",
            ),
        },
    )

__all__ = [
    "ItemFile",
    "ReadSettings",
    "RejectedItem",
    "Rows",
    "as_rows",
    "read_orders",
    "read_products",
    "read_supply_orders",
]
