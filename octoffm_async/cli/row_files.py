"""Files of rows that are written as they come: CSV and Parquet with named columns. No more than some rows are held."""

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
Kind: TypeAlias = Literal["text", "count", "moment"]
Columns: TypeAlias = "Mapping[str, Kind]"
Write: TypeAlias = "Callable[[Iterable[Mapping[str, Any]]], None]"
"""Takes some rows: values by column, ``None`` where there is none."""

ENDINGS = (".csv", ".jsonl", ".parquet")
PART = 10_000
"""Rows of one row group of a Parquet file. With 20,000 a million stocks take 15 MiB more, with 5,000 8 MiB less."""


def rows_output(*, required: bool) -> Callable[[F], F]:
    """``-o FILE``, whose ending says what it becomes; the command gets ``output: Path | None``."""
    otherwise = "" if required else " Without it a table is shown."
    told = f"stocks.csv, .jsonl or .parquet: the ending says what it becomes.{otherwise}"
    return output_option(told, required=required, callback=_checked)


def ending_of(path: Path) -> str:
    """One of :data:`ENDINGS`."""
    return path.suffix.casefold()


def rows_file(ending: str, path: Path, columns: Columns) -> AbstractContextManager[Write]:
    """The file that an ending stands for, ``.csv`` or ``.parquet``; it gives a function that takes some rows."""
    return csv_file(path, columns) if ending == ".csv" else parquet_file(path, columns)


@contextmanager
def csv_file(path: Path, columns: Columns) -> Generator[Write]:
    """Comma-separated values; the byte order mark makes spreadsheets read UTF-8 as such, and no cell is a formula."""
    names = tuple(columns)
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)

        def write(rows: Iterable[Mapping[str, Any]]) -> None:
            writer.writerows([_csv_cell(row.get(name)) for name in names] for row in rows)

        yield write


@contextmanager
def parquet_file(path: Path, columns: Columns) -> Generator[Write]:
    """Parquet. Parts are written to a folder of their own as they fill, and streamed into one file in the end."""
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
    """The module polars.

    Raises:
        ClickException: it is not installed; says what to install.
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
