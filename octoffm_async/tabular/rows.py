"""The common form of all files: rows of text cells by column, each with the line on which it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

RESERVED = "octoffm_"
"""Prefix of this package's own columns: a rejects file has them, and no field is read from them."""
LINE_COLUMN = "octoffm_line"
REASON_COLUMN = "octoffm_reason"


class TableRow(NamedTuple):
    """One row. ``raw`` is the file's text: cells in the header's order, or a line of JSON.

    ``whole`` is True if the row stands alone or belongs to one JSON object, so that no other line adds to it;
    ``problem`` is the reason why the row cannot be split into cells, and ``maybe`` the cells that it may have then: a
    reference among them shows which order the row may be of.
    """

    line: int
    cells: Mapping[str, str]
    raw: Sequence[str] | str
    problem: str = ""
    whole: bool = False
    maybe: frozenset[str] = frozenset()
    split: int = 0
    """The place of the last cell without quotes that begins with a blank: a separator may have split a text there."""


def table_row(line: int, columns: Sequence[str], cells: Sequence[str], problem: str = "", **more: Any) -> TableRow:
    """Return the row of some cells of a CSV file, which may have fewer cells than there are columns."""
    return TableRow(line, dict(zip(columns, map(str.strip, cells), strict=False)), cells, problem, **more)


class RowReader(Protocol):
    """One pass over a file."""

    def __iter__(self) -> Iterator[TableRow]: ...

    @property
    def share(self) -> float:
        """The fraction of the file that was read, from 0 to 1."""
        ...


class Table(Protocol):
    """A file of rows. Each call of ``rows`` reads it anew."""

    @property
    def path(self) -> Path: ...

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The header; ``None`` where each row names its own columns."""
        ...

    @property
    def delimiter(self) -> str:
        """The delimiter of cells in a CSV file; a comma for all other files."""
        ...

    @property
    def guesses(self) -> Mapping[str, str]:
        """Facts of the file by name, with the way in which each was found out: encoding, delimiter, sheet."""
        ...

    def rows(self) -> RowReader:
        """Start a pass."""
        ...
