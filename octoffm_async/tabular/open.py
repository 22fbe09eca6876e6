"""Choice of the kind of table by a file's name."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .formats.csv_table import CsvTable, looks_binary
from .formats.encodings import open_bytes
from .formats.jsonl_table import JsonlTable
from .formats.sheet_table import SheetTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from .rows import Table

_SHEETS = (".parquet", ".xlsx", ".xlsm", ".xls", ".ods")
_LINES = (".jsonl", ".ndjson")


def open_table(
    path: str | PathLike[str],
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    quoted: bool = True,
    sheet: str | None = None,
    fits: Callable[[Sequence[str]], bool] | None = None,
) -> Table:
    """Open a file as a table: ``.jsonl`` and ``.ndjson``, ``.parquet``, ``.xlsx`` and the like; all others are CSV.

    A pipe is read once, into a private temporary file, since a table is looked through before its first row is used.
    ``quoted`` is False for files in which quotes mean nothing. ``sheet`` names the sheet of a workbook; without it
    ``fits`` tells by its header if a sheet can be meant.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    file = Path(path)
    if file.exists() and not file.is_file() and not file.is_dir():
        raise ConfigurationError(f"{file} is a pipe or a device, and it is read more than once: save it as a file")
    ending = file.suffix.casefold()
    if sheet is not None and ending not in _SHEETS[1:]:
        raise ConfigurationError(f"{file} is no workbook, which alone has sheets (--sheet)")
    source = _copied(file) if _is_pipe(file) else file
    table: Table
    if ending in _LINES:
        table = JsonlTable(file, source=source)
    elif ending in _SHEETS:
        table = SheetTable(file, sheet=sheet, fits=fits, source=source)
    elif looks_binary(source):
        raise ConfigurationError(
            f"{file} is not CSV but a spreadsheet's or Parquet's format: name it .xlsx, .ods, .xls or .parquet"
        )
    else:
        table = CsvTable(file, delimiter=delimiter, encoding=encoding, quoted=quoted, source=source)
    if source is not file:
        weakref.finalize(table, source.unlink, missing_ok=True)
    return table


def _is_pipe(path: Path) -> bool:
    """Return True if a path names a pipe, a terminal or the like, whose content can be read once."""
    try:
        return path.is_fifo() or path.is_char_device() or path.is_socket()
    except OSError:
        return False


def _copied(path: Path) -> Path:
    """Return a temporary file with the content of a pipe, which nobody else can read."""
    with open_bytes(path) as pipe, tempfile.NamedTemporaryFile(prefix="octoffm-", delete=False) as copy:
        target = Path(copy.name)
        try:
            shutil.copyfileobj(pipe, copy)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return target
