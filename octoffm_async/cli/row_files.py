"""Files of rows written as rows come: CSV and Parquet with named columns, a bounded number of rows in memory."""

from __future__ import annotations

import csv
import importlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import click

from ..bulk.rejects import harmless
from .saving import output_option

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from contextlib import AbstractContextManager

F = TypeVar("F", bound="Callable[..., Any]")
ColumnType: TypeAlias = Literal["text", "count", "moment"]
ColumnTypes: TypeAlias = "Mapping[str, ColumnType]"
RowWriter: TypeAlias = "Callable[[Iterable[Mapping[str, Any]]], None]"
"""A function that writes some rows: values by column, ``None`` for an empty cell."""

ENDINGS = (".csv", ".jsonl", ".parquet")
PART = 10_000
"""Rows of one row group of a Parquet file. With 20,000 a million stocks take 15 MiB more, with 5,000 8 MiB less."""


def rows_output(*, required: bool) -> Callable[[F], F]:
    """Add ``-o FILE``, whose suffix decides the format; the command receives ``output: Path | None``."""
    otherwise = "" if required else " Without it a table is shown."
    told = f"stocks.csv, .jsonl or .parquet: the suffix decides the format.{otherwise}"
    return output_option(told, required=required, callback=_checked)


def ending_of(path: Path) -> str:
    """Return a file's suffix in lower case; a checked one is in :data:`ENDINGS`."""
    return path.suffix.casefold()


def rows_file(ending: str, path: Path, columns: ColumnTypes) -> AbstractContextManager[RowWriter]:
    """Open a file in the format of a suffix, ``.csv`` or ``.parquet``, and give a function that writes some rows."""
    return csv_file(path, columns) if ending == ".csv" else parquet_file(path, columns)


@contextmanager
def csv_file(path: Path, columns: ColumnTypes) -> Generator[RowWriter]:
    """Open a CSV file; the byte order mark makes spreadsheets read UTF-8 as such, and no cell is a formula."""
    names = tuple(columns)
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)

        def write(rows: Iterable[Mapping[str, Any]]) -> None:
            writer.writerows([_csv_cell(row.get(name)) for name in names] for row in rows)

        yield write


@contextmanager
def parquet_file(path: Path, columns: ColumnTypes) -> Generator[RowWriter]:
    """Open a Parquet file. Full parts go to a temporary folder, and are streamed into one file at the end."""
    polars = load_polars()
    types = {"text": polars.String, "count": polars.Int64, "moment": polars.Datetime("us", "UTC")}
    schema = {name: types[kind] for name, kind in columns.items()}
    waiting: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        parts: list[Path] = []

        def put_away() -> None:
            parts.append(Path(folder) / f"{len(parts):06d}.parquet")
            polars.DataFrame(waiting, schema=schema, orient="row").write_parquet(parts[-1])
            waiting.clear()

        def write(rows: Iterable[Mapping[str, Any]]) -> None:
            for row in rows:
                waiting.append(row)
                if len(waiting) >= PART:
                    put_away()

        yield write
        if waiting or not parts:
            put_away()
        polars.scan_parquet(parts, glob=False).sink_parquet(path, row_group_size=PART)


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
    return harmless(value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value)


def _checked(context: click.Context, option: click.Parameter, given: Path | None) -> Path | None:
    if given is None:
        return None
    if ending_of(given) not in ENDINGS:
        raise click.BadParameter(f"{given} ends in none of {', '.join(ENDINGS)}", context, option)
    if not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given
