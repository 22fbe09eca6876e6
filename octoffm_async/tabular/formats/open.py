"""Choice of the kind of table by a file's name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from .csv_table import CsvTable
from .encodings import open_bytes
from .jsonl_table import JsonlTable
from .sheet_table import SheetTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from ..rows import Table

_SHEETS = (".parquet", ".xlsx", ".xlsm", ".xls", ".ods")
_LINES = (".jsonl", ".ndjson")
_OTHER_KINDS = {
    "is a spreadsheet's or Parquet's format: name it .xlsx, .ods, .xls or .parquet": re.compile(
        rb"PK\x03\x04|PAR1|\xd0\xcf\x11\xe0"
    ),
    "is compressed: unpack it first": re.compile(rb"\x1f\x8b|BZh\d|\xfd7zXZ|7z\xbc\xaf|\x28\xb5\x2f\xfd|Rar!"),
    "is JSON: write one object a line, and name it .jsonl": re.compile(rb'\[?\s*\{\s*"'),
    "is a web page or XML: open it, and save it as CSV": re.compile(rb"<[?!a-zA-Z]"),
    "is a PDF: export the data as CSV": re.compile(rb"%PDF-"),
}


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

    ``quoted`` is False for files in which quotes mean nothing. ``sheet`` names the sheet of a workbook; without it
    ``fits`` tells by its header if a sheet can be meant.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    file = Path(path)
    ending = file.suffix.casefold()
    if sheet is not None and ending not in _SHEETS[1:]:
        raise ConfigurationError(f"{file} is no workbook, which alone has sheets (--sheet)")
    if file.exists() and not file.is_file() and not file.is_dir():
        raise ConfigurationError(f"{file} is a pipe or a device, and it is read more than once: save it as a file")
    if ending in _LINES:
        return JsonlTable(file)
    if ending in _SHEETS:
        return SheetTable(file, sheet=sheet, fits=fits)
    if kind := _other_kind(file):
        raise ConfigurationError(f"{file} is not CSV: it {kind}")
    return CsvTable(file, delimiter=delimiter, encoding=encoding, quoted=quoted)


def _other_kind(path: Path) -> str:
    """Return what a file is by its beginning, and what to do, whatever its name is; empty if it may be CSV."""
    with open_bytes(path) as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((kind for kind, form in _OTHER_KINDS.items() if form.match(start)), "")
