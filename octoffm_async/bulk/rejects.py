"""The report of rejected items: a CSV file in which a person finds what to correct."""

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
    """A rejected row: its line in the file, its business reference as far as known, and its problems.

    ``line`` is a physical line number, counted from 1; ``None`` when it is no longer known.
    """

    line: int | None
    key: str
    problems: tuple[FieldProblem, ...]


class RejectsReport:
    """Writer of rejected rows to ``path``, one line per problem: line, key, field, value, reason.

    The file is created (replacing an older one) at the first reject, so a run without rejects leaves none. Every line
    is flushed: a report survives a crash. The object itself is a callback: ``ProductRows(..., on_reject=report)``.
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
            ConfigurationError: the file cannot be created.
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
        mode: Literal["a", "w"] = "a" if self.rows else "w"  # a report after closing is appended
        try:
            # The byte order mark makes spreadsheets read the file as UTF-8.
            self._file = file = self.path.open(mode, encoding="utf-8-sig", newline="", buffering=1)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}") from None
        self._writer = csv.writer(file)
        if mode == "w":
            self._writer.writerow(COLUMNS)


def harmless(cell: object) -> str:
    """Return a cell's text in a form that no spreadsheet evaluates as a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
