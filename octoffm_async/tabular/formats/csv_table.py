"""CSV files, row by row: delimiter, encoding and byte order mark are detected, and the file is never held as a whole.

A line number is the physical line on which a row begins, counted from 1 (the header's), so that an editor finds it
even when cells hold line breaks.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

from ...errors import ConfigurationError
from ..cells.signs import UNSEEN
from ..rows import REASON_COLUMN, TableRow, table_row
from .encodings import described, encoding_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike

LONGEST_LINE = 1 << 20
"""Characters. No CSV file has such a line; a file that has one would fill the memory."""
DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NOTHING: frozenset[str] = frozenset()
BLOCK = 4096
"""Bytes. A file whose writing or transfer broke off ends at a multiple of them."""
_FETCHED = 1 << 16
"""Characters of the lines that are separated together."""
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
        self.all_longer: bool = False
        """True if each row is longer than the header, by empty cells; found when the file is looked through."""
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
        """Return a reader of cells by the row, from the beginning of the file; the header comes first."""
        for _ in range(self.skip):
            next(lines, None)
        return self.cells(lines)

    def cells(self, lines: Iterable[str]) -> Any:
        """Return a reader of cells by the row."""
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


class PlainRows(NamedTuple):
    """Rows of which each stands on one line and has at most one cell for each column; a blank row may be among them."""

    line: int
    """The number of the first line."""
    cells: list[list[str]]
    lines: list[str]
    joint: str
    """The delimiter, if a blank follows it somewhere."""

    def column(self, place: int) -> list[str]:
        """Return the cells of a column, with the blanks around them."""
        try:
            return [cells[place] for cells in self.cells]
        except IndexError:
            return [cells[place] if place < len(cells) else "" for cells in self.cells]

    def split_at(self, place: int) -> int:
        """Return the place of the last cell of a row in which a separator may have split a text; else 0."""
        return _split_at(self.cells[place], self.lines[place], self.joint) if self.joint else 0

    def rows(self, columns: Sequence[str], first: int, end: int) -> Iterator[TableRow]:
        """Yield some of the rows, but for blank ones."""
        for place in range(first, end):
            cells = self.cells[place]
            if (cells and cells[0] and cells[0][0].isalnum()) or not is_blank_row(cells):
                yield table_row(self.line + place, columns, cells, split=self.split_at(place))


class CsvRows:
    """One pass over a CSV file."""

    def __init__(self, table: CsvTable) -> None:
        self.table = table
        self._size = table.path.stat().st_size
        self._file: TextIO | None = None
        self._done = False

    @property
    def share(self) -> float:
        if self._file is None or self._file.closed:
            return float(self._done)
        return min(1.0, self._file.buffer.tell() / max(1, self._size))

    def __iter__(self) -> Iterator[TableRow]:
        columns = self.table.columns
        for batch in self.batches():
            yield from batch.rows(columns, 0, len(batch.cells)) if isinstance(batch, PlainRows) else batch

    def batches(self) -> Iterator[PlainRows | list[TableRow]]:
        """Yield the rows, some hundreds at a time: as lists of cells if each stands on a line of its own."""
        table, width = self.table, len(self.table.columns)
        joint = "" if table.spaced or table.delimiter.isspace() else f"{table.delimiter} "
        with table.open() as self._file:
            lines = _Lines(self._file, table.delimiter)
            for cells in table.reader(lines.read()):
                if cells:
                    break
            while ahead := lines.fetch():
                try:
                    rows: list[list[str]] | None = list(table.cells(ahead))
                except csv.Error:
                    rows = None
                if rows is None or len(rows) != len(ahead) or table.mended or self._odd(rows, ahead, width):
                    yield list(self._each(lines, joint))
                    continue
                split = table.delimiter if joint and any(joint in line for line in ahead) else ""
                yield PlainRows(lines.drop(), rows, ahead, split)
        self._done = True

    def _odd(self, rows: Sequence[Sequence[str]], lines: Sequence[str], width: int) -> bool:
        """Return True if some row is too long, or cut off, or if a line is."""
        lengths = set(map(len, rows))
        if max(lengths) > width or max(map(len, lines)) == LONGEST_LINE:
            return True
        return not lines[-1].endswith(("\n", "\r")) and (min(lengths) < width or self._size % BLOCK == 0)

    def _each(self, lines: _Lines, joint: str) -> Iterator[TableRow]:
        """Yield the rows that begin on the lines that were fetched, each with its problem."""
        table, width, taken = self.table, len(self.table.columns), lines.taken
        reader = table.cells(lines.read())
        while lines.ahead:
            taken.clear()
            line = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                reason = lines.reason or str(error)
                span = f"lines {line} to {lines.number} cannot be separated"
                maybe = lines.rest_of(error)
                yield TableRow(line, {}, [], f"{span}: {reason}; is a quote not closed?", maybe=maybe)
                continue
            if not (cells and cells[0] and cells[0][0].isalnum()) and is_blank_row(cells):
                continue  # spreadsheets add rows of mere delimiters at the end of a file
            if table.mended:
                cells = [_unharmed(cell) for cell in cells]
            # Excel omits empty cells at the end of some rows: a needed field is found missing later.
            problem = ""
            if len(cells) > width and not (table.all_longer and is_blank_row(cells[width:])):
                problem = f"the row has {len(cells)} columns, the header {width}"
            elif not taken[-1].endswith(("\n", "\r")) and (len(cells) < width or self._size % BLOCK == 0):
                problem = "the file ends in the middle of this row"
                if len(cells) == width:
                    problem = f"the file ends here without a line end, after {self._size:,} bytes, as one that was cut "
                    problem += "off does: fetch it again, or add a line end if it is whole"
            maybe = frozenset(map(str.strip, cells)) if problem else _NOTHING
            split = 0
            if joint and (joint in taken[0] or len(taken) > 1):
                split = _split_at(cells, "".join(taken), joint[0])
            yield table_row(line, table.columns, cells, problem, maybe=maybe, split=split)


class _Lines:
    """The physical lines of a file; those of the current row are kept, so that a row that is broken can be searched."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._readline = partial(file.readline, LONGEST_LINE)
        self._delimiter = delimiter
        self.ahead: deque[str] = deque()
        """Lines that were fetched, and not read."""
        self.number = 0
        """The number of the last line that was read."""
        self.taken: list[str] = []
        self.reason = ""

    def fetch(self) -> list[str]:
        """Return the next lines without reading them; none at the end of the file."""
        size = 0
        for line in iter(self._readline, ""):
            self.ahead.append(line)
            size += len(line)
            if size >= _FETCHED:
                break
        return list(self.ahead)

    def drop(self) -> int:
        """Take the lines that were fetched for read, and return the number of the first."""
        first = self.number + 1
        self.number += len(self.ahead)
        self.ahead.clear()
        return first

    def _next(self) -> str:
        return self.ahead.popleft() if self.ahead else self._readline()

    def read(self) -> Iterator[str]:
        """Yield the lines; one of more than :data:`LONGEST_LINE` characters is skipped, and its row is an error."""
        keep = self.taken.append
        for line in iter(self._next, ""):
            self.number += 1
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
                self.number += len(line) < LONGEST_LINE or line[-1] in "\r\n"
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
