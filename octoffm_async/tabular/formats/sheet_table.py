"""Parquet files and workbooks, read by polars (extra ``tabular``).

Parquet is read in pieces. Of a workbook the first sheet is read, and held as a whole, since its format allows nothing
else: it has at most 1,048,576 rows.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from ..rows import TableRow
from .csv_table import header_of, is_blank_row
from .encodings import open_bytes
from .jsonl_table import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

PIECE = 5_000
"""Rows that are read together."""


class SheetTable:
    """A Parquet file or a workbook.

    ``line`` is the row's number: in Parquet the header is 1; in a workbook it is the number that the spreadsheet shows,
    and the header is the first row that holds something.

    Raises:
        ConfigurationError: The file cannot be read, or the extra is missing.
    """

    delimiter = ","

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path: Path = Path(path)
        open_bytes(self.path).close()
        polars = _polars("polars")
        try:
            if self.path.suffix.casefold() == ".parquet":
                self._frame: Any = polars.scan_parquet(self.path)
                names: Sequence[str] = self._frame.collect_schema().names()
                self._skipped = 0
            else:
                _polars("fastexcel")
                self._frame = _first_sheet(polars, self.path)
                names, self._skipped = _header(self._frame)
            self.columns: tuple[str, ...] = header_of(self.path, names)
            self.height: int = int(self._frame.select(polars.len()).collect().item()) - self._skipped
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001  (polars has many kinds, none of them public as one)
            reason = " ".join(str(error).split())[:200]
            raise ConfigurationError(f"cannot read {self.path}: {type(error).__name__}: {reason}") from None
        if not any(self.columns):
            raise ConfigurationError(f"{self.path} is empty")
        self.first_line: int = self._skipped or 1

    def rows(self) -> SheetRows:
        """Start a pass."""
        return SheetRows(self)

    def piece(self, start: int) -> list[tuple[Any, ...]]:
        """Return the rows from ``start`` on, a few thousand."""
        rows: list[tuple[Any, ...]] = self._frame.slice(self._skipped + start, PIECE).collect().rows()
        return rows


class SheetRows:
    """One pass over a Parquet file or a workbook."""

    def __init__(self, table: SheetTable) -> None:
        self._table = table
        self._read = 0

    @property
    def share(self) -> float:
        return self._read / self._table.height if self._table.height else 1.0

    def __iter__(self) -> Iterator[TableRow]:
        columns = self._table.columns
        for start in range(0, self._table.height, PIECE):
            for values in self._table.piece(start):
                self._read += 1
                cells = [cell_text(value) for value in values]
                if not is_blank_row(cells):
                    found = dict(zip(columns, map(str.strip, cells), strict=True))
                    yield TableRow(self._table.first_line + self._read, found, cells)


def _first_sheet(polars: Any, path: Path) -> Any:
    """Return the cells of a workbook as texts, each row where it is in the sheet."""
    return polars.read_excel(
        path,
        infer_schema_length=0,
        has_header=False,
        drop_empty_rows=False,
        drop_empty_cols=False,
        raise_if_empty=False,
        read_options={"skip_rows": 0},
    ).lazy()


def _header(frame: Any) -> tuple[Sequence[str], int]:
    """Return the first row that holds something, and the number of rows up to it."""
    for number, values in enumerate(frame.head(PIECE).collect().iter_rows(), start=1):
        cells = [cell_text(value) for value in values]
        if not is_blank_row(cells):
            return cells, number
    return (), 0


def _polars(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{name} is missing, which reads Parquet and XLSX: pip install 'octoffm-async[tabular]'"
        ) from None
