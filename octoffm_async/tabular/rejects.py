"""The rejects file: faulty rows as they were, each with its line and reason, to be corrected and sent again.

Two columns come before the file's own, ``octoffm_line`` and ``octoffm_reason``; reading such a file ignores them. A
cell that a spreadsheet could take for a formula gets an apostrophe, which is removed again when the file is read.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import msgspec

from ..disk.private_file import create_file
from ..errors import ConfigurationError
from ..text import UnwritableOutputError, printable
from .formats.csv_table import escape_formula
from .rows import LINE_COLUMN, REASON_COLUMN, RESERVED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from types import TracebackType

    from .item_reader import RejectedItem
    from .rows import Table, TableRow


class ClosedAtExit:
    """A base for files that are closed when their ``with`` block is left."""

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class RejectsFile(ClosedAtExit):
    """A writer of rows of ``table`` to ``path``: JSON lines if the table is, else CSV with the table's delimiter.

    The file is created (and an older one replaced) at the first reject, so a run without rejects makes none; only its
    owner can read it, because its rows hold people's addresses. ``items`` counts the items that were written.
    """

    def __init__(self, path: str | PathLike[str], table: Table) -> None:
        self.path: Path = Path(path)
        self.items: int = 0
        self._table = table
        self._file: TextIO | None = None
        self._writer: Any = None
        self._places = [place for place, column in enumerate(table.columns or ()) if not column.startswith(RESERVED)]
        self._dropped = set(range(len(table.columns or ()))) - set(self._places)

    def __call__(self, faulty: RejectedItem) -> None:
        """Write the rows of a faulty item, each with the problems of its line."""
        reasons: dict[int, list[str]] = {}
        for problem in faulty.problems:
            reasons.setdefault(problem.line, []).append(problem.without_line())
        where = ", ".join(str(line) for line in reasons)
        self._write(faulty.rows, reasons, f"see line {where} of the same item")

    def add(self, rows: Sequence[TableRow], reason: str) -> None:
        """Write the rows of an item that the API refused."""
        self._write(rows, {}, reason)

    def close(self) -> None:
        """Close the file, if there is one."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise UnwritableOutputError(f"cannot write {self.path}: {error.strerror}") from None

    def _write(self, rows: Sequence[TableRow], reasons: dict[int, list[str]], otherwise: str) -> None:
        file = self._file or self._open()
        try:
            self._write_rows(file, rows, reasons, otherwise)
        except OSError as error:
            self._file = None
            with suppress(OSError):
                file.close()
            raise UnwritableOutputError(f"cannot write {self.path}: {error.strerror}") from None
        self.items += 1

    def _write_rows(
        self, file: TextIO, rows: Sequence[TableRow], reasons: dict[int, list[str]], otherwise: str
    ) -> None:
        last: int | None = None
        for row in rows:
            reason = printable("; ".join(reasons.get(row.line, ())) or otherwise)
            if isinstance(row.raw, str):
                if row.line != last:
                    file.write(_with_reason(row, reason))
            else:
                own = [cell for place, cell in enumerate(row.raw) if place not in self._dropped]
                self._writer.writerow([str(row.line), *map(escape_formula, [reason, *own])])
            last = row.line
        file.flush()

    def _open(self) -> TextIO:
        encoding = "utf-8" if self._table.columns is None else "utf-8-sig"
        try:
            raw = create_file(self.path)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None
        self._file = file = TextIOWrapper(raw, encoding, errors="surrogatepass", newline="")
        if self._table.columns is not None:
            self._writer = csv.writer(file, delimiter=self._table.delimiter)
            header = [self._table.columns[place] for place in self._places]
            self._writer.writerow([LINE_COLUMN, REASON_COLUMN, *map(escape_formula, header)])
        return file


def _with_reason(row: TableRow, reason: str) -> str:
    """Return a line of JSON with the reason in it; a line that is not an object is kept as text."""
    raw = str(row.raw)
    try:
        fields: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        fields = None
    whole: dict[str, Any] = cast("dict[str, Any]", fields) if isinstance(fields, dict) else {"octoffm_text": raw}
    return msgspec.json.encode({LINE_COLUMN: row.line, REASON_COLUMN: reason} | _without_ours(whole)).decode() + "\n"


def _without_ours(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in {LINE_COLUMN, REASON_COLUMN}}


_OBEYED = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tabs and line ends, and signs that turn the direction of writing."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: object) -> str:
    """Return a cell's text in a form that no spreadsheet evaluates as a formula, and no terminal obeys."""
    text = "" if cell is None else _OBEYED.sub("\N{REPLACEMENT CHARACTER}", str(cell))
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
