"""The report of what was not sent or not accepted: a CSV file that a person opens in a spreadsheet and mends by."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TextIO

from ..contract.checks import FieldProblem
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

__all__ = ["RejectedRow", "RejectsReport"]

COLUMNS = ("line", "key", "field", "value", "reason")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class RejectedRow(NamedTuple):
    """A row that was not taken: where it begins in the file, its business reference as far as known, what is wrong.

    ``line`` is a physical line number, counted from 1; ``None`` when it is not known any more.
    """

    line: int | None
    key: str
    problems: tuple[FieldProblem, ...]


class RejectsReport:
    """Writes rejected rows to ``path``, one line a problem: line, key, field, value, reason.

    The file is made (and an older one replaced) at the first reject, so a run without rejects leaves none. Every line
    is flushed: what was reported survives a crash. It is itself a sink: ``ProductRows(..., on_reject=report)``.
    ``rows`` counts rejected rows, not lines.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.rows = 0
        self._file: TextIO | None = None
        self._writer: Any = None

    def __call__(self, row: RejectedRow) -> None:
        """Report a row.

        Raises:
            ConfigurationError: the file cannot be made.
        """
        if self._file is None:
            self._open()
        self.rows += 1
        for problem in row.problems or (FieldProblem("", "", "no reason was given"),):
            cells = ("" if row.line is None else row.line, row.key, problem.field, problem.value, problem.reason)
            self._writer.writerow([harmless(cell) for cell in cells])

    def add(self, key: str, reason: str, *, line: int | None = None) -> None:
        """Report an item that was refused as a whole, for instance by the API."""
        self(RejectedRow(line, key, (FieldProblem("", "", reason),)))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        mode: Literal["a", "w"] = "a" if self.rows else "w"  # reported to again after it was closed: go on
        try:
            # The byte order mark is what makes spreadsheets read UTF-8 as such.
            self._file = file = self.path.open(mode, encoding="utf-8-sig", newline="", buffering=1)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None
        self._writer = csv.writer(file)
        if mode == "w":
            self._writer.writerow(COLUMNS)


def harmless(cell: object) -> str:
    """A cell's text that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
