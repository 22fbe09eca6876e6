"""The report of a reading: everything that was found out, guessed or mended rather than taken as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class MendedCells(msgspec.Struct):
    """Cells of one field that were read as another value for one reason: their number and the first of them."""

    field: str
    kind: str
    count: int
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        after = f" → {self.after!r}" if self.after else ""
        return f"{self.field}: {self.kind}, {self.count:,} × (line {self.line}: {_short(self.before)}{after})"


class ReadingNotes:
    """Facts of the file by name, and changes of cells by field and kind: their number does not grow with the file."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.facts: dict[str, str] = dict(facts)
        self.line: int = 0
        """The line of the row that is read."""
        self._changes: dict[tuple[str, str], MendedCells] = {}

    def changed(self, field: str, kind: str, before: str, after: str) -> None:
        """Note that a cell of the current row was read as another value."""
        known = self._changes.get((field, kind))
        if known is None:
            # A cell that is a number in its file is of a type of its own.
            self._changes[field, kind] = MendedCells(field, kind, 1, self.line, str(before), str(after))
        else:
            known.count += 1

    @property
    def changes(self) -> list[MendedCells]:
        """The changes, in the order in which each kind came first."""
        return list(self._changes.values())

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        return [f"{name}: {fact}" for name, fact in self.facts.items()] + [str(change) for change in self.changes]

    def as_fields(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return self.facts | {"mended": [msgspec.to_builtins(change) for change in self.changes]}


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
