"""CSV files, row by row: delimiter, encoding and byte order mark are detected, and the file is never held as a whole.

A line number is the physical line on which a row begins, counted from 1 (the header's), so that an editor finds it
even when cells hold line breaks.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ...errors import ConfigurationError
from ..rows import REASON_COLUMN, TableRow
from .encodings import encoding_of, open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

LONGEST_LINE = 1 << 20
"""Characters. No CSV file has such a line; a file that has one would fill the memory."""
DELIMITERS = (",", ";", "\t", "|")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_QUOTED = re.compile('"[^"]*"')
_SEP = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


class CsvTable:
    """A CSV file with a header.

    Raises:
        ConfigurationError: The file cannot be read, is empty, or has a header that cannot be used.
    """

    def __init__(self, path: str | PathLike[str], *, delimiter: str | None = None, encoding: str | None = None) -> None:
        self.path: Path = Path(path)
        self.encoding: str = encoding_of(self.path, encoding)
        with self.open() as file:
            first = next(checked_lines(self.path, file), "")
        self.skip = 1 if _SEP.fullmatch(first) else 0
        self.delimiter: str = delimiter or _guess_delimiter(first, self)
        self.columns: tuple[str, ...] = self._header()
        self.mended: bool = REASON_COLUMN in self.columns

    def rows(self) -> CsvRows:
        """Start a pass."""
        return CsvRows(self)

    def open(self) -> TextIO:
        """Open the file as text."""
        try:
            return self.path.open(encoding=self.encoding, newline="")
        except OSError as error:
            raise ConfigurationError(f"cannot read {self.path}: {error.strerror}") from None

    def reader(self, file: TextIO) -> Any:
        """Return a reader of cells by the row; the header comes first."""
        lines = checked_lines(self.path, file)
        for _ in range(self.skip):
            next(lines, None)
        return csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _header(self) -> tuple[str, ...]:
        with self.open() as file:
            try:
                header: list[str] = next((cells for cells in self.reader(file) if cells), list[str]())
            except csv.Error as error:
                raise ConfigurationError(f"{self.path}: the header cannot be read: {error}") from None
        if not header:
            raise ConfigurationError(f"{self.path} is empty")
        return header_of(self.path, header)


class CsvRows:
    """One pass over a CSV file."""

    def __init__(self, table: CsvTable) -> None:
        self._table = table
        self._size = table.path.stat().st_size
        self._file: TextIO | None = None
        self._done = False

    @property
    def share(self) -> float:
        if self._file is None or self._file.closed:
            return float(self._done)
        return min(1.0, self._file.buffer.tell() / max(1, self._size))

    def __iter__(self) -> Iterator[TableRow]:
        table = self._table
        with table.open() as self._file:
            reader = table.reader(self._file)
            for cells in reader:
                if cells:
                    break
            columns, width = table.columns, len(table.columns)
            while True:
                line = reader.line_num + 1 + table.skip
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    span = f"lines {line} to {reader.line_num + table.skip} cannot be separated"
                    yield TableRow(line, {}, (), f"{span}: {error}; is a quote not closed?")
                    continue
                if is_blank_row(cells):  # spreadsheets add rows of mere delimiters at the end of a file
                    continue
                if table.mended:
                    cells = [_unharmed(cell) for cell in cells]
                found = dict(zip(columns, map(str.strip, cells), strict=False))
                problem = ""  # Excel omits empty cells at the end of some rows: a needed field is found missing later
                if len(cells) > width and not is_blank_row(cells[width:]):
                    problem = f"the row has {len(cells)} columns, the header {width}"
                yield TableRow(line, found, cells, problem)
        self._done = True


def header_of(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns; a column without a name has an empty one.

    Raises:
        ConfigurationError: Two columns have the same name.
    """
    names = tuple(name.strip() for name in cells)
    if twice := [name for name, times in Counter(names).items() if times > 1 and name]:
        raise ConfigurationError(f"{path} has more than one column {', '.join(twice)}")
    return names


def is_blank_row(cells: Sequence[str]) -> bool:
    """Return True if a row holds nothing visible."""
    return not any(cells) or not any(map(str.strip, cells))


def checked_lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield lines of bounded length.

    Raises:
        ConfigurationError: A line is longer, or is not of the file's encoding.
    """
    number = 0
    try:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), start=1):
            if len(line) == LONGEST_LINE:
                raise ConfigurationError(f"{path}, line {number} has more than {LONGEST_LINE:,} characters: is it CSV?")
            yield line
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}, near line {number + 1}: not {error.encoding} ({error.reason})") from None


def escape_formula(cell: str) -> str:
    """Escape a cell that a spreadsheet could take for a formula; :class:`CsvTable` reads it back as it was."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def _unharmed(cell: str) -> str:
    """Return the cell of a rejects file without the apostrophe that kept a spreadsheet from calculating it."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def _guess_delimiter(first: str, table: CsvTable) -> str:
    """Guess the delimiter (some countries' spreadsheets write semicolons) from the header or Excel's line ``sep=;``."""
    if named := _SEP.fullmatch(first):
        return named[1]
    if not first.strip():
        with table.open() as file:
            first = next((line for line in checked_lines(table.path, file) if line.strip()), "")
    bare = _QUOTED.sub("", first)
    return max(DELIMITERS, key=bare.count)


def looks_binary(path: Path) -> bool:
    """Return True if a file begins like a spreadsheet's or Parquet's own format, whatever its name is."""
    with open_bytes(path) as file:
        return file.read(4) in {b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0"}
