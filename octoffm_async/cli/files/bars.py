"""Progress of a command that reads a file: a live bar on a terminal, nothing in a pipe, JSON lines on request."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ...text import printable
from ..jobs.show import write_json
from ..progress import SafeConsole, counts_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...ratelimit.stats import Stats

_SOME = 0.2
"""Seconds between two samples of the limit's use."""


class LimitUsage:
    """The fraction of the limit that was used lately."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._accepted = 0
        self._text = ""

    def __call__(self, stats: Stats) -> str:
        """Return a text such as ``83 % of the limit``; empty before the first sample."""
        now = time.monotonic()
        accepted = sum(key.accepted for key in stats.keys)
        if now - self._at < _SOME:
            return self._text
        rate = (accepted - self._accepted) / (now - self._at)
        self._at, self._accepted = now, accepted
        ceilings = [key.ceiling for key in stats.keys if key.ceiling is not None and key.accepted]
        paused = max((key.paused_for for key in stats.keys), default=0.0)
        self._text = f"{min(1.0, rate / sum(ceilings)):.0%} of the limit" if ceilings else "no limit"
        if paused:
            self._text = f"paused by the API for {paused:.0f} s"
        return self._text


class FileDisplay:
    """A display that prints nothing before the end, for a pipe."""

    def progress(self, share: float, counts: Mapping[str, int], rate: float, limit: str) -> None:
        """Show the fraction of the file that was read, and the counts of outcomes so far."""

    def outcome(self, fields: Mapping[str, Any]) -> None:
        """Report the outcome of one item."""

    def print_message(self, text: str) -> None:
        """Print a text that a person should read now."""
        click.echo(text, err=True)

    def end(self, title: str, counts: Mapping[str, int], facts: Mapping[str, Any]) -> None:
        """Print the summary at the end."""
        _print_end(SafeConsole.plain(160), title, counts, facts)

    def close(self) -> None:
        """Restore the terminal."""


class JsonFileDisplay(FileDisplay):
    """A display of JSON lines: ``{"event": "outcome", …}`` for each item, ``{"event": "summary", …}`` at the end."""

    def outcome(self, fields: Mapping[str, Any]) -> None:
        write_json({"event": "outcome", **{name: value for name, value in fields.items() if value is not None}})

    def end(self, title: str, counts: Mapping[str, int], facts: Mapping[str, Any]) -> None:
        named = {name.replace(" ", "_"): fact for name, fact in facts.items()}
        write_json({"event": "summary", "what": title, "counts": dict(counts), **named})


class BarDisplay(FileDisplay):
    """A display of two fixed lines on a terminal: progress and rate, and the counts of outcomes."""

    def __init__(self, title: str) -> None:
        self._console = SafeConsole()
        self._names_counts = not sys.stderr.isatty()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[speed]}"),
            console=self._console,
        )
        self._task: TaskID = self._bar.add_task(title, total=1.0, speed="")
        self._counts = Text(no_wrap=True, overflow="ellipsis")
        self._live = Live(Group(self._bar, self._counts), console=self._console, transient=True)
        self._live.start()

    def print_message(self, text: str) -> None:
        if self._names_counts:
            super().print_message(text)
        else:
            self._console.print(text, markup=False, soft_wrap=True)

    def progress(self, share: float, counts: Mapping[str, int], rate: float, limit: str) -> None:
        self._bar.update(
            self._task, completed=share, speed=" · ".join(part for part in (f"{rate:,.0f}/s", limit) if part)
        )
        counts_line = Text.from_markup(counts_text(counts, styled=True)) if any(counts.values()) else Text()
        self._counts.plain = f"{sum(counts.values()):,} done"
        if counts_line:
            self._counts.append(": ").append_text(counts_line)

    def end(self, title: str, counts: Mapping[str, int], facts: Mapping[str, Any]) -> None:
        self.close()
        _print_end(self._console, title, counts, facts)

    def close(self) -> None:
        self._live.stop()


def file_display_for(title: str, *, json: bool) -> FileDisplay:
    """Return the display that fits standard output."""
    if json:
        return JsonFileDisplay()
    # Once for nothing: rich loads parts of itself late, when the connections may have used up all descriptors.
    console = SafeConsole.plain(160)
    with console.capture():
        _print_end(console, title, {"": 0}, {})
    return BarDisplay(title) if sys.stdout.isatty() else FileDisplay()


def _print_end(console: Console, title: str, counts: Mapping[str, int], facts: Mapping[str, Any]) -> None:
    table = Table(title, "", box=None, pad_edge=False, header_style="bold", show_header=True)
    table.columns[1].justify = "right"
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print()
    known = {
        name: f"{fact:,}" if isinstance(fact, int) else printable(str(fact))
        for name, fact in facts.items()
        if fact is not None
    }
    width = max(map(len, known), default=0)
    for name, fact in known.items():  # a path that is cut or wrapped cannot be copied
        console.print(f"{name:{width}}  {fact}", markup=False, soft_wrap=True)
