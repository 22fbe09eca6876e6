"""Parquet and XLSX files, by way of polars (extra ``tabular``). Parquet is read a piece at a time; a worksheet is
held as a whole, since that is how its format is read, and it has at most 1,048,576 rows."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .encodings import open_bytes
from .jsonl_table import cell_text
from .rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

PIECE = 5_000
"""Rows read together."""


class SheetTable:
    """A Parquet or XLSX file; ``line`` of its rows is the row's number, the header being row 1.

    Raises:
        ConfigurationError: it cannot be read, or the extra is missing.
    """

    delimiter = ","

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        open_bytes(self.path).close()
        polars = _polars("polars")
        try:
            if self.path.suffix.casefold() == ".parquet":
                self._frame: Any = polars.scan_parquet(self.path)
                self.columns: tuple[str, ...] = tuple(self._frame.collect_schema().names())
                self.height = int(self._frame.select(polars.len()).collect().item())
            else:
                _polars("fastexcel")
                self._frame = polars.read_excel(self.path, infer_schema_length=0, raise_if_empty=False).lazy()
                self.columns = tuple(self._frame.collect_schema().names())
                self.height = int(self._frame.select(polars.len()).collect().item())
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001  (polars has many kinds, none of them public as one)
            told = " ".join(str(error).split())[:200]
            raise ConfigurationError(f"cannot read {self.path}: {type(error).__name__}: {told}") from None
        if not self.columns:
            raise ConfigurationError(f"{self.path} is empty")

    def rows(self) -> SheetRows:
        """Begin a pass."""
        return SheetRows(self)

    def piece(self, start: int) -> list[tuple[Any, ...]]:
        """The rows from ``start`` on, a few thousand."""
        rows: list[tuple[Any, ...]] = self._frame.slice(start, PIECE).collect().rows()
        return rows


class SheetRows:
    """One pass over such a file."""

    def __init__(self, table: SheetTable) -> None:
        self._table = table
        self._read = 0

    @property
    def share(self) -> float:
        return self._read / self._table.height if self._table.height else 1.0

    def __iter__(self) -> Iterator[Row]:
        columns = [name.strip() for name in self._table.columns]
        for start in range(0, self._table.height, PIECE):
            for values in self._table.piece(start):
                self._read += 1
                cells = [cell_text(value) for value in values]
                if any(cells):
                    found = dict(zip(columns, map(str.strip, cells), strict=True))
                    yield Row(self._read + 1, found, cells)


def _polars(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{name} is missing, which reads Parquet and XLSX: pip install 'octoffm-async[tabular]'"
        ) from None
