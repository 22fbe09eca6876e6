"""Tables: answers as rows for data frames, and files of rows as items (CSV, JSON lines, Parquet and XLSX)."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .flat_rows import Rows, as_rows
else:
    __getattr__, __dir__ = lazy_names(__name__, {"octoffm_async.tabular.flat_rows": ("Rows", "as_rows")})

__all__ = ["Rows", "as_rows"]
