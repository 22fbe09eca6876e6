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
from typing import TYPE_CHECKING, Any, Literal, TextIO

from ...errors import ConfigurationError
from ..cells.signs import UNSEEN
from ..rows import REASON_COLUMN, TableRow
from .encodings import described, encoding_of, open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

LONGEST_LINE = 1 << 20
"""Characters. No CSV file has such a line; a file that has one would fill the memory."""
DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NOTHING: frozenset[str] = frozenset()
_MOST_CELLS = 100_000
_LONGEST_CELL = 200
"""Characters of a cell of a broken row that may be a reference."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_BLANK = " \t\r\n\0\x1a\u00a0\u200b\ufeff"
"""Signs of an empty cell; a file that was padded, or written by DOS, ends in some of them."""
_QUOTED = re.compile('"[^"]*"')
_SEP = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


class CsvTable:
    """A CSV file with a header.

    Raises:
        ConfigurationError: The file cannot be read, is empty, or has a header that cannot be used.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        quoted: bool = True,
    ) -> None:
        self.path: Path = Path(path)
        self._quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        self.encoding: str = encoding_of(self.path, encoding)
        with self.open() as file:
            first = next(checked_lines(self.path, file), "")
        self.skip = 1 if _SEP.fullmatch(first) else 0
        self.delimiter: str = delimiter or _guess_delimiter(first, self)
        self.columns: tuple[str, ...] = self._header()
        self.mended: bool = REASON_COLUMN in self.columns
        self.all_longer: bool | None = None
        """True if each row is longer than the header, by empty cells; None until the file was looked through."""
        self.guesses: Mapping[str, str] = {
            "encoding": described(self.encoding, given=encoding is not None),
            "delimiter": f"{_DELIMITER_NAMES.get(self.delimiter, self.delimiter)}{'' if delimiter else ' (detected)'}",
        }

    def rows(self) -> CsvRows:
        """Start a pass."""
        return CsvRows(self)

    def open(self) -> TextIO:
        """Open the file as text; bytes that are not of its encoding become a sign that no value may have."""
        try:
            return self.path.open(encoding=self.encoding, errors="replace", newline="")
        except OSError as error:
            raise ConfigurationError(f"cannot read {self.path}: {error.strerror}") from None

    def reader(self, lines: Iterator[str]) -> Any:
        """Return a reader of cells by the row; the header comes first."""
        for _ in range(self.skip):
            next(lines, None)
        return csv.reader(lines, delimiter=self.delimiter, quoting=self._quoting, strict=True)

    def _header(self) -> tuple[str, ...]:
        with self.open() as file:
            try:
                lines = checked_lines(self.path, file)
                header: list[str] = next((cells for cells in self.reader(lines) if cells), list[str]())
            except csv.Error as error:
                raise ConfigurationError(f"{self.path}: the header cannot be read: {error}") from None
        if not header:
            raise ConfigurationError(f"{self.path} is empty")
        self.spaced: bool = any(name[:1] == " " for name in header)
        return header_of(self.path, header)


class CsvRows:
    """One pass over a CSV file."""

    def __init__(self, table: CsvTable) -> None:
        self._table = table
        self._size = table.path.stat().st_size
        self._file: TextIO | None = None
        self._done = False
        self._taken: list[str] = []

    @property
    def share(self) -> float:
        if self._file is None or self._file.closed:
            return float(self._done)
        return min(1.0, self._file.buffer.tell() / max(1, self._size))

    def __iter__(self) -> Iterator[TableRow]:
        columns, joint = self._table.columns, f"{self._table.delimiter} "
        joint = "" if self._table.spaced or joint.isspace() else joint
        for line, cells, problem, maybe in self.parts():
            found = dict(zip(columns, map(str.strip, cells), strict=False))
            split = 0
            if joint and (joint in self._taken[0] or len(self._taken) > 1):
                split = _split_at(cells, "".join(self._taken), joint[0])
            yield TableRow(line, found, cells, problem, maybe=maybe, split=split)

    def parts(self) -> Iterator[tuple[int, list[str], str, frozenset[str]]]:
        """Yield the line, the cells, the problem and the possible cells of each row, which a row has by name."""
        table = self._table
        with table.open() as self._file:
            lines = _Lines(self._file, table.delimiter)
            reader = table.reader(lines.read())
            for cells in reader:
                if cells:
                    break
            width, taken = len(table.columns), lines.taken
            self._taken = taken
            while True:
                line = reader.line_num + table.skip + lines.skipped + 1
                taken.clear()
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    reason = lines.reason or str(error)
                    maybe = lines.rest_of(error)
                    span = f"lines {line} to {reader.line_num + table.skip + lines.skipped} cannot be separated"
                    yield line, [], f"{span}: {reason}; is a quote not closed?", maybe
                    continue
                if not (cells and cells[0] and cells[0][0].isalnum()) and is_blank_row(cells):
                    continue  # spreadsheets add rows of mere delimiters at the end of a file
                if table.mended:
                    cells = [_unharmed(cell) for cell in cells]
                # Excel omits empty cells at the end of some rows: a needed field is found missing later.
                if len(cells) == width:
                    yield line, cells, "", _NOTHING
                elif len(cells) > width and (table.all_longer is False or not is_blank_row(cells[width:])):
                    problem = f"the row has {len(cells)} columns, the header {width}"
                    yield line, cells, problem, frozenset(map(str.strip, cells))
                elif len(cells) < width and not taken[-1].endswith(("\n", "\r")):
                    yield line, cells, "the file ends in the middle of this row", frozenset(map(str.strip, cells))
                else:
                    yield line, cells, "", _NOTHING
        self._done = True


class _Lines:
    """The physical lines of a file; those of the current row are kept, so that a row that is broken can be searched."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._next = partial(file.readline, LONGEST_LINE)
        self._delimiter = delimiter
        self.taken: list[str] = []
        self.skipped = 0
        """Lines that no reader of cells saw."""
        self.reason = ""

    def read(self) -> Iterator[str]:
        """Yield the lines; one of more than :data:`LONGEST_LINE` characters is skipped, and its row is an error."""
        keep = self.taken.append
        for line in iter(self._next, ""):
            keep(line)
            if len(line) < LONGEST_LINE or line[-1] in "\r\n":
                yield line
                continue
            quotes = sum(one.count('"') for one in self.taken)
            while (more := self._next()) and len(more) == LONGEST_LINE and more[-1] not in "\r\n":
                quotes += more.count('"')
            self.reason = f"a line has more than {LONGEST_LINE:,} characters"
            self.taken[-1] = '"' if (quotes + more.count('"')) % 2 else ""
            yield '"a"b\n'  # an error for the reader of cells, within quotes and without

    def rest_of(self, error: csv.Error) -> frozenset[str]:
        """After an error, return the cells that the row may have; a cell that is too long is skipped to its quote.

        Otherwise each further line of the cell would be taken for a row.
        """
        found = {cell for line in self.taken for cell in _cells_of(line, self._delimiter)}
        too_long = self.reason or "limit" in str(error)
        self.reason = ""
        if too_long and sum(line.count('"') for line in self.taken) % 2:
            for line in iter(self._next, ""):
                self.skipped += len(line) < LONGEST_LINE or line[-1] in "\r\n"
                if len(found) < _MOST_CELLS:
                    found.update(_cells_of(line, self._delimiter))
                if line.count('"') % 2:
                    break
        return frozenset(found)


def _cells_of(line: str, delimiter: str) -> Iterator[str]:
    for cell in line.split(delimiter, _MOST_CELLS):
        if 0 < len(bare := cell.strip(' "\t\r\n')) <= _LONGEST_CELL:
            yield bare


def _split_at(cells: Sequence[str], text: str, delimiter: str) -> int:
    """Return the place of the last cell that begins with a blank and stands in the text without quotes; else 0."""
    for place in range(len(cells) - 1, 0, -1):
        cell = cells[place]
        if cell[:1] == " " and cell.strip() and f'{delimiter}"{cell[:1]}' not in text:
            return place
    return 0


def header_of(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns; a column without a name has an empty one.

    Raises:
        ConfigurationError: Two columns have the same name.
    """
    names = tuple(name.translate(UNSEEN).strip() for name in cells)
    if twice := [name for name, times in Counter(names).items() if times > 1 and name]:
        raise ConfigurationError(f"{path} has more than one column {', '.join(twice)}")
    return names


def is_blank_row(cells: Sequence[str]) -> bool:
    """Return True if a row holds nothing visible."""
    return not any(cells) or not any(cell.strip(_BLANK) for cell in cells)


def checked_lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield lines of bounded length.

    Raises:
        ConfigurationError: A line is longer.
    """
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), start=1):
        if len(line) == LONGEST_LINE:
            raise ConfigurationError(f"{path}, line {number} has more than {LONGEST_LINE:,} characters: is it CSV?")
        yield line


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
