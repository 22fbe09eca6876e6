"""Output of items as they come: one JSON object a line, or a table that streams and fits the terminal."""

from __future__ import annotations

import shutil
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import click
import msgspec
from rich.cells import cell_len

from .fields import as_fields, cell
from .text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from ..contract.common import Refusal
    from .remote import Remote

ROWS_MEASURED = 200
"""Rows that are kept back to measure the width of their columns."""
_GAP = "  "


class Column(NamedTuple):
    """A column of a table: its title, and its value for an item (an attribute's path, or a function of the item)."""

    title: str
    value: str | Callable[[Any], object]
    right: bool = False

    def text(self, item: object) -> str:
        """Return the text of the column for an item."""
        value: object = attrgetter(self.value)(item) if isinstance(self.value, str) else self.value(item)
        return printable(cell(value))


class TablePrinter:
    """A table whose rows come one by one: the first rows decide the width of the columns.

    A terminal that is too narrow gets the first columns only, because half an id can neither be read nor copied.
    """

    def __init__(self, columns: Sequence[Column], *, at_once: bool = False) -> None:
        self._columns = columns
        self._first = 1 if at_once else ROWS_MEASURED
        self._at_once = at_once
        self._waiting: list[list[str]] = []
        self._widths: list[int] = []
        self._hidden = ""
        self.count = 0

    def add(self, item: object) -> None:
        """Add one row."""
        self.count += 1
        cells = [column.text(item) for column in self._columns]
        if self._widths:
            self._write(cells)
            return
        self._waiting.append(cells)
        if len(self._waiting) >= self._first:
            self._begin()

    def close(self) -> None:
        """Write the rows that were kept back, and name the columns that had no room."""
        if self._waiting and not self._widths:
            self._begin()
        self._tell_hidden()

    def _begin(self) -> None:
        titles = [column.title for column in self._columns]
        lines = [titles, *self._waiting]
        self._widths = [max(cell_len(line[place]) for line in lines) for place in range(len(titles))]
        self._fit()
        self._write(titles, bold=True)
        for cells in self._waiting:
            self._write(cells)
        self._waiting.clear()

    def _fit(self) -> None:
        if not sys.stdout.isatty():
            return
        width, shown = shutil.get_terminal_size().columns, len(self._widths)
        while shown > 1 and sum(self._widths[:shown]) + len(_GAP) * (shown - 1) > width:
            shown -= 1
        self._hidden = ", ".join(column.title for column in self._columns[shown:])
        self._widths = self._widths[:shown]
        if self._at_once:
            self._tell_hidden()

    def _tell_hidden(self) -> None:
        if self._hidden:
            click.echo(f"octoffm: no room for {self._hidden} (--json)", err=True)
            self._hidden = ""

    def _write(self, cells: Sequence[str], *, bold: bool = False) -> None:
        padded: list[str] = []
        for column, text, width in zip(self._columns, cells, self._widths, strict=False):
            blanks = " " * max(0, width - cell_len(text))
            padded.append(blanks + text if column.right else text + blanks)
        line = _GAP.join(padded).rstrip()
        click.echo(click.style(line, bold=True) if bold and sys.stdout.isatty() else line)
        if self._at_once:
            sys.stdout.flush()


async def print_rows(remote: Remote, items: AsyncIterator[Any], columns: Sequence[Column], *, nothing: str) -> int:
    """Print items as they come and return their number. ``nothing`` is printed if there is none."""
    rows = TablePrinter(columns)
    count = 0
    try:
        async for item in items:
            count += 1
            if remote.as_json:
                print_json_line(as_fields(item))
            else:
                rows.add(item)
    finally:
        rows.close()
    if not count and not remote.as_json:
        click.echo(f"octoffm: {nothing}", err=True)
    return count


def print_json_line(fields: dict[str, Any]) -> None:
    """Print one line of JSON; half a surrogate pair, which JSON cannot carry, becomes a question mark."""
    try:
        line = msgspec.json.encode(fields).decode()
    except UnicodeEncodeError:
        line = msgspec.json.encode(_encodable(fields)).decode()
    sys.stdout.write(line + "\n")


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {name: _encodable(part) for name, part in cast("dict[str, Any]", value).items()}
        case [*parts]:
            return [_encodable(part) for part in parts]
        case _:
            return value


def print_facts(facts: dict[str, object]) -> None:
    """Print titles and values below each other; unknown values are left out."""
    known = {title: printable(cell(fact)) for title, fact in facts.items()}
    known = {title: text for title, text in known.items() if text}
    width = max(map(len, known), default=0) + 2
    for title, text in known.items():
        click.echo(f"{title:{width}}{text}")


def print_table(items: Sequence[Any], columns: Sequence[Column]) -> None:
    """Print a table of the parts of an item, after an empty line; nothing if there are none."""
    if not items:
        return
    click.echo()
    rows = TablePrinter(columns)
    for item in items:
        rows.add(item)
    rows.close()


def refusal_text(refusal: Refusal | None) -> str:
    """Return a refusal's code and message."""
    return "" if refusal is None else ": ".join(part for part in (refusal.code, refusal.message) if part)


class Refusable(Protocol):
    """An item that the warehouse may refuse."""

    @property
    def refusal(self) -> Refusal | None: ...


def refusal_of(row: Refusable) -> str:
    """Return an item's refusal, for a column."""
    return refusal_text(row.refusal)


def quantity_of(row: Any) -> int | None:
    """Return the quantity of an order, a return or a parcel; ``None`` if the quantity of a line is unknown."""
    return _sum(line.quantity for line in row.lines)


def received_of(row: Any) -> int | None:
    """Return the quantity that was received; ``None`` if that of a line is unknown."""
    return _sum(line.received_quantity for line in row.lines)


def _sum(parts: Iterable[int | None]) -> int | None:
    told = list(parts)
    numbers = [part for part in told if part is not None]
    return sum(numbers) if numbers and len(numbers) == len(told) else None
