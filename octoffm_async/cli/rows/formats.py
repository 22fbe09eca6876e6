"""The formats of rows: CSV, JSON lines, Parquet and XLSX, with named columns and a bounded number of rows in memory."""

from __future__ import annotations

import csv
import importlib
import shutil
import tempfile
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ...tabular.flat_rows import polars_schema
from ...tabular.rejects import harmless
from .xlsx import RowWriter, xlsx_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from contextlib import AbstractContextManager

    from ...tabular.flat_rows import ColumnTypes

PART = 10_000
"""Rows of one row group of a Parquet file. With 20,000 a million stocks take 15 MiB more, with 5,000 8 MiB less."""


@contextmanager
def csv_rows(file: BinaryIO, columns: ColumnTypes) -> Generator[RowWriter]:
    """Begin a CSV file; the byte order mark makes spreadsheets read UTF-8 as such, and no cell is a formula."""
    names = tuple(columns)
    text = TextIOWrapper(file, "utf-8-sig", errors="backslashreplace", newline="")
    writer = csv.writer(text)
    writer.writerow(names)

    def write(rows: Iterable[Mapping[str, Any]]) -> None:
        writer.writerows([_csv_cell(row.get(name)) for name in names] for row in rows)

    yield write
    text.detach()


@contextmanager
def parquet_rows(file: BinaryIO, columns: ColumnTypes) -> Generator[RowWriter]:
    """Begin a Parquet file. Full parts go to a private temporary folder, and are put together at the end."""
    polars = load_polars()
    schema = polars_schema(columns, polars)
    waiting: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="octoffm-") as folder:
        parts: list[Path] = []

        def put_away() -> None:
            parts.append(Path(folder) / f"{len(parts):06d}.parquet")
            polars.DataFrame(waiting, schema=schema, orient="row").write_parquet(parts[-1])
            waiting.clear()

        def write(rows: Iterable[Mapping[str, Any]]) -> None:
            for row in rows:
                waiting.append({name: row.get(name) for name in schema})
                if len(waiting) >= PART:
                    put_away()

        yield write
        if waiting or not parts:
            put_away()
        whole = Path(folder) / "whole.parquet"
        polars.scan_parquet(parts, glob=False).sink_parquet(whole, row_group_size=PART)
        with whole.open("rb") as written:
            shutil.copyfileobj(written, file, 1 << 20)


def load_polars() -> Any:
    """Import the module polars.

    Raises:
        ClickException: It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module("polars")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "polars":
            raise
        raise click.ClickException(
            "Parquet needs polars, which is not installed: pip install 'octoffm-async[tabular]'"
        ) from None


def _csv_cell(value: Any) -> object:
    if isinstance(value, int):
        return value
    if hasattr(value, "isoformat"):
        value = value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return harmless(value)


FORMATS: dict[str, Callable[[BinaryIO, ColumnTypes], AbstractContextManager[RowWriter]]] = {
    "csv": csv_rows,
    "parquet": parquet_rows,
    "xlsx": xlsx_rows,
}
"""The formats of flat rows. The other one, ``jsonl``, has all fields of an item."""
