"""Files of rows written as rows come: CSV and Parquet with named columns, a bounded number of rows in memory."""

from __future__ import annotations

import csv
import importlib
import shutil
import sys
import tempfile
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

import click

from ..contract.contract_file.encoding import RequestEncoder
from ..contract.contract_file.translation import Translation
from ..disk.private_file import replacing_file, write_file, write_new_file
from ..errors import OctoffmError
from ..tabular.flat_rows import polars_schema
from ..tabular.rejects import harmless
from ..text import printable
from .errors import ExitCode
from .output import bytes_output, print_json_line, print_json_text, text_output

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from contextlib import AbstractContextManager
    from typing import TextIO

    from ..contract.common import Document
    from ..contract.operations import Operation
    from ..tabular.flat_rows import ColumnTypes
    from ..text import SafeStream
    from .remote import Remote

F = TypeVar("F", bound="Callable[..., Any]")
RowWriter: TypeAlias = "Callable[[Iterable[Mapping[str, Any]]], None]"
"""A function that writes some rows: values by column, ``None`` for an empty cell."""

ENDINGS = (".csv", ".jsonl", ".parquet")
PART = 10_000
"""Rows of one row group of a Parquet file. With 20,000 a million stocks take 15 MiB more, with 5,000 8 MiB less."""


def rows_output(*, required: bool) -> Callable[[F], F]:
    """Add ``-o FILE``, whose suffix decides the format; the command receives ``output: Path | None``."""
    otherwise = "" if required else " Without it a table is shown."
    help_text = f"stocks.csv, .jsonl or .parquet: the suffix decides the format.{otherwise}"
    return output_option(help_text, required=required, callback=_checked)


def ending_of(path: Path) -> str:
    """Return a file's suffix in lower case; a checked one is in :data:`ENDINGS`."""
    return path.suffix.casefold()


def rows_file(ending: str, file: BinaryIO, columns: ColumnTypes) -> AbstractContextManager[RowWriter]:
    """Begin the format of a suffix, ``.csv`` or ``.parquet``, and give a function that writes some rows."""
    return csv_file(file, columns) if ending == ".csv" else parquet_file(file, columns)


@contextmanager
def csv_file(file: BinaryIO, columns: ColumnTypes) -> Generator[RowWriter]:
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
def parquet_file(file: BinaryIO, columns: ColumnTypes) -> Generator[RowWriter]:
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
                waiting.append(row)
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
    return harmless(value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value)


def _checked(context: click.Context, option: click.Parameter, given: Path | None) -> Path | None:
    if given is None:
        return None
    if ending_of(given) not in ENDINGS:
        raise click.BadParameter(f"{given} ends in none of {', '.join(ENDINGS)}", context, option)
    if not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given


STDOUT = Path("-")


def save_document(remote: Remote, document: Document, output: Path | None, *, of: str) -> None:
    """Write a document to ``output``, to standard output (``-``), or under its own name, which must be free.

    Only its owner can read it: a label has a customer's address.
    """
    if output == STDOUT:
        if sys.stdout.isatty():
            raise click.ClickException("standard output is a terminal: name a file with -o")
        with bytes_output() as stream:
            stream.write(document.content)
        return
    path = output or Path(document.file_name)
    try:
        if output is None:
            write_new_file(path, document.content)
        else:
            write_file(path, document.content)
    except FileExistsError:
        raise click.ClickException(f"{path} exists already: name the file with -o") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from None
    size = len(document.content)
    if remote.as_json:
        print_json_line({"id": of, "file": str(path), "media_type": document.media_type, "bytes": size})
    else:
        click.echo(f"{printable(str(path))}: {document.media_type}, {size:,} bytes")


@contextmanager
def atomic_replace(path: Path, *, private: bool) -> Generator[BinaryIO]:
    """Give a file to write to; at the end it replaces ``path``, and after an error nothing remains of it.

    Raises:
        ClickException: The file cannot be written.
    """
    try:
        with replacing_file(path, private=private) as file:
            yield file
    except OctoffmError:  # a time-out of the API is an OSError too
        raise
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from None


@contextmanager
def text_rows(output: Path | None, form: str) -> Generator[SafeStream | TextIO]:
    """Give a file for CSV or JSON lines that only its owner can read, or standard output, for text.

    The byte order mark makes spreadsheets read CSV as UTF-8.
    """
    encoding = "utf-8-sig" if form == "csv" else "utf-8"
    if output is None:
        with text_output(encoding) as file:
            yield file
        return
    with atomic_replace(output, private=True) as raw:
        text = TextIOWrapper(raw, encoding, errors="backslashreplace", newline="")
        yield text
        text.detach()


def output_option(
    help_text: str, *, required: bool = False, callback: Callable[..., Any] | None = None
) -> Callable[[F], F]:
    """Add ``-o FILE``; the command receives ``output: Path | None``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        required=required,
        callback=callback,
        metavar="FILE",
        help=help_text,
    )


def dry_run_option(command: F) -> F:
    """Add ``--dry-run``; the command receives ``dry_run: bool``."""
    return click.option("--dry-run", is_flag=True, help="Check it and show what would be sent; send nothing.")(command)


def print_request(remote: Remote, operation: Operation[Any], body: object) -> int:
    """Print a request as it would be sent, under the API's names if a contract file gives some."""
    translation = Translation(remote.config.contract_file)
    call = f"{operation.method} {translation.path(operation)}"
    click.echo(f"octoffm: nothing was sent; this would be the body of {call}:", err=True)
    print_json_text(RequestEncoder(translation).encode(operation, body).decode())
    return ExitCode.DONE
