"""Parquet files and workbooks, read by polars (extra ``tabular``).

Parquet is read in pieces. Of a workbook one sheet is read, and held as a whole, since its format allows nothing else:
it has at most 1,048,576 rows.
"""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from ..cells.codes import EXACT_DIGITS
from ..cells.numbers import NumberCell
from ..rows import TableRow
from .csv_table import header_of, is_blank_row
from .encodings import open_bytes
from .jsonl_table import cell_text
from .ods_facts import facts_of_ods
from .xlsx_facts import NO_FACTS, SheetFacts, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from os import PathLike

PIECE = 5_000
"""Rows that are read together."""
_HIDDEN = "is hidden in the sheet, perhaps by a filter: show the row if it is to be sent, else delete it"


class SheetTable:
    """A Parquet file or a workbook.

    ``line`` is the row's number: in Parquet the header is 1; in a workbook it is the number that the spreadsheet shows,
    and the header is the first row that holds something. Hidden sheets are not read unless ``sheet`` names one; of
    several visible ones the one is read whose header ``fits``.

    Raises:
        ConfigurationError: The file cannot be read, it is not clear which sheet is meant, or the extra is missing.
    """

    delimiter = ","

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        sheet: str | None = None,
        fits: Callable[[Sequence[str]], bool] | None = None,
    ) -> None:
        self.path: Path = Path(path)
        open_bytes(self.path).close()
        polars = _polars("polars")
        self.guesses: Mapping[str, str] = {}
        self.facts: SheetFacts = NO_FACTS
        self.rounded: bool = False
        try:
            if self.path.suffix.casefold() == ".parquet":
                self._frame: Any = polars.scan_parquet(self.path)
                names: Sequence[str] = self._frame.collect_schema().names()
                self._skipped = 0
            else:
                fastexcel = _polars("fastexcel")
                check_workbook(self.path)
                named, self._frame, others = _chosen(fastexcel.read_excel(self.path), self.path, sheet, fits)
                names, self._skipped = _header(self._frame)
                told = f" (not read: {', '.join(others)})" if others else ""
                self.guesses = {"sheet": f"{named}{told}"}
                if self.path.suffix.casefold() in {".xlsx", ".xlsm"}:
                    self.facts = facts_of(self.path, named)
                else:
                    self.rounded = True
                    if self.path.suffix.casefold() == ".ods":
                        self.facts = facts_of_ods(self.path, named)
            self.columns: tuple[str, ...] = header_of(self.path, names)
            if hidden := [name for place, name in enumerate(self.columns) if place in self.facts.columns and name]:
                self.guesses = {**self.guesses, "hidden columns": ", ".join(hidden)}
            self.height: int = int(self._frame.select(polars.len()).collect().item()) - self._skipped
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001  (polars has many kinds, none of them public as one)
            raise self._damaged(error) from None
        if not any(self.columns):
            raise ConfigurationError(f"{self.path} is empty")
        self.first_line: int = self._skipped or 1

    def rows(self) -> SheetRows:
        """Start a pass."""
        return SheetRows(self)

    def piece(self, start: int) -> list[tuple[Any, ...]]:
        """Return the rows from ``start`` on, a few thousand."""
        try:
            rows: list[tuple[Any, ...]] = self._frame.slice(self._skipped + start, PIECE).collect().rows()
        except Exception as error:  # noqa: BLE001  (as above)
            raise self._damaged(error) from None
        return rows

    def _damaged(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"cannot read {self.path}: it is damaged, cut off or no {self.path.suffix} file "
            f"({type(error).__name__}); open it in its program and save it again"
        )


class SheetRows:
    """One pass over a Parquet file or a workbook."""

    def __init__(self, table: SheetTable) -> None:
        self._table = table
        self._read = 0

    @property
    def share(self) -> float:
        return self._read / self._table.height if self._table.height else 1.0

    def __iter__(self) -> Iterator[TableRow]:
        columns, (typed, hidden, _) = self._table.columns, self._table.facts
        for start in range(0, self._table.height, PIECE):
            for values in self._table.piece(start):
                self._read += 1
                cells = [cell_text(value) for value in values]
                line = self._table.first_line + self._read
                if self._table.rounded:
                    cells = [_doubted(cell) for cell in cells]
                if typed:
                    cells = [typed.get((line, place), cell) for place, cell in enumerate(cells)]
                if not is_blank_row(cells):
                    yield TableRow(
                        line, dict(zip(columns, cells, strict=True)), cells, _HIDDEN if line in hidden else ""
                    )


def _chosen(
    book: Any, path: Path, wanted: str | None, fits: Callable[[Sequence[str]], bool] | None
) -> tuple[str, Any, list[str]]:
    """Return the name and the cells of the sheet to read, and the names of the sheets that are left out."""
    names: list[str] = list(book.sheet_names)
    if wanted is not None:
        if wanted not in names:
            raise ConfigurationError(f"{path} has no sheet {wanted!r}; there are {', '.join(names)}")
        return wanted, _cells(book, wanted)[0], []
    found: dict[str, Any] = {}
    hidden: list[str] = []
    for name in names:
        frame, visible = _cells(book, name)
        if not visible:
            hidden.append(f"{name}, hidden")
        elif _header(frame)[1]:
            found[name] = frame
    if not found:
        raise ConfigurationError(f"{path} is empty{f' but for hidden sheets ({hidden[0]} …)' if hidden else ''}")
    fitting = [name for name in found if len(found) == 1 or (fits is not None and fits(_header(found[name])[0]))]
    if len(fitting) != 1:
        which = "none of them has" if not fitting else f"{' and '.join(fitting)} have"
        raise ConfigurationError(
            f"{path} has the sheets {', '.join(found)}, and {which} the columns: name the sheet with --sheet"
        )
    return fitting[0], found[fitting[0]], [name for name in found if name != fitting[0]] + hidden


def _cells(book: Any, name: str) -> tuple[Any, bool]:
    """Return the cells of a sheet as texts, each row where it is in the sheet, and True if the sheet is visible."""
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
    return sheet.to_polars().lazy(), sheet.visible == "visible"


def check_workbook(path: Path) -> None:
    """Refuse a file that is no workbook, in words that say what it is.

    Raises:
        ConfigurationError: The file is of another kind, empty, cut off or locked by a password.
    """
    with open_bytes(path) as file:
        start = file.read(512)
    ending = path.suffix.casefold()
    bare = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    reason = ""
    if not start:
        reason = "is empty"
    elif path.name.startswith("~$"):
        reason = f"is the lock file of an open workbook: name {path.name[2:]}"
    elif bare.startswith((b"<html", b"<!doctype", b"<table", b"<head", b"<meta", b"<body", b"<style")):
        reason = "is a web page (HTML) and no workbook: open it, and save it as .xlsx or CSV"
    elif bare.startswith(b"<?xml"):
        reason = "is XML and no workbook of this kind: open it, and save it as .xlsx or CSV"
    elif start.startswith(b"\xd0\xcf\x11\xe0") and ending != ".xls":
        reason = f"is locked by a password, or an old .xls that is called {ending}: save it without one, as .xlsx"
    elif start.startswith(b"PK") and ending == ".xls":
        reason = "is an .xlsx or .ods that is called .xls: give it its right name"
    elif not start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\t\x08", b"\t\x04", b"\t\x02", b"\t\0")):
        kind = "is text" if b"\0" not in start else "is no workbook"
        reason = f"{kind}, though it is called {ending}: name it .csv, or save it as .xlsx"
    elif start.startswith(b"PK") and not zipfile.is_zipfile(path):
        reason = "is cut off: its end is missing; fetch or save it again"
    if reason:
        raise ConfigurationError(f"cannot read {path}: it {reason}")


def _doubted(cell: str) -> str:
    """Return a cell of many digits as the rounded number that it is where a spreadsheet can hold it as a number."""
    if len(cell) > EXACT_DIGITS and cell.isascii() and cell.isdigit() and int(float(cell)) == int(cell):
        return NumberCell(f"{float(cell):.14e}")
    return cell


def _header(frame: Any) -> tuple[Sequence[str], int]:
    """Return the first row that holds something, and the number of rows up to it."""
    for number, values in enumerate(frame.head(PIECE).collect().iter_rows(), start=1):
        cells = [cell_text(value) for value in values]
        if not is_blank_row(cells):
            return cells, number
    return (), 0


def _polars(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{name} is missing, which reads Parquet and XLSX: pip install 'octoffm-async[tabular]'"
        ) from None
