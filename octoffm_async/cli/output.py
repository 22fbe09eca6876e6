"""Output of items as they come: one JSON object a line, or a table that streams and fits the terminal."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

import click
import msgspec
from rich.cells import cell_len

from ..text import OutputClosedError, UnwritableOutputError, is_unicode, printable, safe_json, style
from .options import note

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ..contract.common import Refusal

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
        self.count: int = 0

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
        self._print_hidden()

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
            self._print_hidden()

    def _print_hidden(self) -> None:
        if self._hidden:
            note(f"no room for {self._hidden} (--json)")
            self._hidden = ""

    def _write(self, cells: Sequence[str], *, bold: bool = False) -> None:
        padded: list[str] = []
        for column, text, width in zip(self._columns, cells, self._widths, strict=False):
            blanks = " " * max(0, width - cell_len(text))
            padded.append(blanks + text if column.right else text + blanks)
        line = _GAP.join(padded).rstrip()
        click.echo(style(line, "bold") if bold else line)
        if self._at_once:
            sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print one line of JSON: see :func:`json_line`."""
    print_json_text(json_line(value))


def print_json_text(text: str) -> None:
    """Print JSON, of which a terminal obeys nothing, in the encoding that standard output has."""
    sys.stdout.write(safe_json(text, ascii_only=not is_unicode(sys.stdout)) + "\n")


def json_line(value: Any) -> str:
    """Return one line of JSON; half a surrogate pair is in it as an escape."""
    try:
        return safe_json(msgspec.json.encode(value).decode())
    except UnicodeEncodeError:
        return json.dumps(value, default=msgspec.to_builtins, separators=(",", ":"))


@contextmanager
def bytes_output() -> Generator[BinaryIO]:
    """Give standard output for bytes.

    Raises:
        UnwritableOutputError: It cannot be written.
    """
    sys.stdout.flush()
    stream = getattr(sys.stdout, "stream", sys.stdout).buffer
    try:
        yield stream
        stream.flush()
    except OSError as error:
        kind = OutputClosedError if isinstance(error, BrokenPipeError) else UnwritableOutputError
        raise kind(f"cannot write standard output: {error.strerror}") from None


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


def print_item(
    item: Any, facts: dict[str, object], *tables: tuple[Sequence[Any], Sequence[Column]], as_json: bool
) -> None:
    """Print an answer: as JSON with all its fields, or for people as facts and the tables of its parts."""
    if as_json:
        print_json_line(as_fields(item))
        return
    print_facts(facts)
    for parts, columns in tables:
        print_table(parts, columns)


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
    amounts = list(parts)
    numbers = [part for part in amounts if part is not None]
    return sum(numbers) if numbers and len(numbers) == len(amounts) else None


def as_fields(item: Any) -> dict[str, Any]:
    """Return the fields of an answer as the library names them, those of nested objects too."""
    fields: dict[str, Any] = item.to_dict()
    return fields


def cell(value: object) -> str:
    """Return a value as a table shows it; times are in UTC, to the second."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86400, 3600, "h"))
_DAY = 86400


def age(then: datetime, now: datetime) -> str:
    """Return an age such as ``3 h ago``."""
    seconds = int((now - then).total_seconds())
    if seconds < 1:
        return "just now"
    for bound, unit, name in _STEPS:
        if seconds < bound:
            return f"{seconds // unit} {name} ago"
    return f"{seconds // _DAY:,} days ago"


def items(count: int, kind: str = "") -> str:
    """Return a count such as ``1 item``, ``2,000 items``, ``3 undecided items``."""
    return f"{count:,} {kind}{' ' if kind else ''}item{'' if count == 1 else 's'}"


def hanging(head: str, rest: str, width: int | None) -> str:
    """Return ``head`` and ``rest``, the latter wrapped beside or below it; a width of ``None`` wraps nothing."""
    if width is None or len(head) + len(rest) <= width:
        return f"{head}{rest}".rstrip()
    indent = len(head) if len(head) <= width // 2 else 6
    first = head if indent == len(head) else f"{head.rstrip()}\n{' ' * indent}"
    wrapped = textwrap.wrap(rest, max(20, width - indent), break_on_hyphens=False)
    return first + f"\n{' ' * indent}".join(wrapped)


def span(seconds: float) -> str:
    """Return a duration such as ``45 s``, ``4 min``, ``1 h 59 min``, ``2 days 3 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
