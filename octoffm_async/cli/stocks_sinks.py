"""The files that stocks are exported to. Each takes page after page and holds no more than a few thousand rows."""

from __future__ import annotations

import csv
import importlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import msgspec

from ..bulk.rejects import harmless
from .fields import as_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from ..contract.stocks import Stock

Write: TypeAlias = "Callable[[Sequence[Stock]], None]"
Look: TypeAlias = "Callable[[str], str | None]"
"""The seller's reference of a stock's id, if it has one."""

QUANTITIES = ("available", "allocated", "blocked", "litigation", "removal", "return", "logistic_operations")
TEXTS = ("id", "product_id", "product_state", "product_condition", "gtin")
REFERENCE = "seller_product_reference"
COLUMNS = (*TEXTS, "updated_at", *QUANTITIES, "available_by_country")
PART = 20_000
"""Rows of one part of a Parquet file: some megabytes."""


def columns_of(look: Look | None) -> tuple[str, ...]:
    """The columns of a flat row; with ``look``, the seller's reference is the first."""
    return COLUMNS if look is None else (REFERENCE, *COLUMNS)


def _own(stock: Stock, look: Look | None) -> dict[str, Any]:
    return {} if look is None else {REFERENCE: look(stock.id)}


def row_of(stock: Stock, look: Look | None = None) -> dict[str, Any]:
    """A stock as one flat row."""
    fields = as_fields(stock)
    row = _own(stock, look)
    row |= {name: fields[name] for name in TEXTS} | {"updated_at": stock.updated_at}
    row |= {name: fields["quantities"][name] for name in QUANTITIES}
    places = [f"{part.storage_country}={part.quantities.available}" for part in stock.localizations]
    return row | {"available_by_country": " ".join(places)}


@contextmanager
def csv_sink(path: Path, look: Look | None = None) -> Generator[Write]:
    """Comma-separated values; the byte order mark makes spreadsheets read UTF-8 as such."""
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns_of(look))

        def write(stocks: Sequence[Stock]) -> None:
            for row in (row_of(stock, look) for stock in stocks):
                if row["updated_at"] is not None:
                    row["updated_at"] = row["updated_at"].isoformat(timespec="seconds")
                writer.writerow([cell if isinstance(cell, int) else harmless(cell) for cell in row.values()])

        yield write


@contextmanager
def json_sink(path: Path, look: Look | None = None) -> Generator[Write]:
    """One JSON object a line, with all that the API tells of a stock."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:

        def write(stocks: Sequence[Stock]) -> None:
            file.writelines(encoder.encode(_own(stock, look) | as_fields(stock)) + b"\n" for stock in stocks)

        yield write


@contextmanager
def parquet_sink(path: Path, look: Look | None = None) -> Generator[Write]:
    """Parquet. Parts are written to a folder of their own as they fill, and streamed into one file in the end."""
    polars = load_polars()
    texts = dict.fromkeys((REFERENCE, *TEXTS, "available_by_country"), polars.String)
    moments = {"updated_at": polars.Datetime("us", "UTC")}
    types = texts | moments | dict.fromkeys(QUANTITIES, polars.Int64)
    schema = {name: types[name] for name in columns_of(look)}
    waiting: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        parts: list[Path] = []

        def put_away() -> None:
            parts.append(Path(folder) / f"{len(parts):06d}.parquet")
            polars.DataFrame(waiting, schema=schema, orient="row").write_parquet(parts[-1])
            waiting.clear()

        def write(stocks: Sequence[Stock]) -> None:
            waiting.extend(row_of(stock, look) for stock in stocks)
            if len(waiting) >= PART:
                put_away()

        yield write
        if waiting or not parts:
            put_away()
        polars.scan_parquet(parts, glob=False).sink_parquet(path)


_SINKS: dict[str, Callable[[Path, Look | None], AbstractContextManager[Write]]] = {
    ".csv": csv_sink,
    ".jsonl": json_sink,
    ".parquet": parquet_sink,
}
ENDINGS = tuple(_SINKS)


def sink_for(ending: str, path: Path, look: Look | None = None) -> AbstractContextManager[Write]:
    """The file that an ending stands for; it gives a function that takes some stocks."""
    return _SINKS[ending](path, look)


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
