"""Progress and results of a command: bars and a table on a terminal, plain lines in a pipe, or JSON lines."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click
import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..text import SafeStream, printable, safe_text
from .options import is_quiet, note
from .output import items, print_json_line, span

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
    from typing import TextIO

    from ..bulk.outcomes import Summary
    from ..ratelimit.stats import Stats

PROGRESS_INTERVAL = 30.0
"""Seconds between lines of a long step in a pipe: a log then shows that the command is alive."""
_SAMPLE = 0.25
"""Seconds between two looks at a run: fast enough for a person's eye."""
_STYLES = {"refused": "yellow", "rejected": "yellow", "failed": "red", "unknown": "red", "missing": "yellow"}


class SafeConsole(Console):
    """A console that obeys no control character in what it shows; its own styles and moves pass."""

    def __init__(self, **settings: Any) -> None:
        stream = sys.stdout
        file = stream.trusted() if isinstance(stream, SafeStream) else stream
        super().__init__(highlight=False, file=cast("TextIO", file), **settings)

    @classmethod
    def plain(cls, width: int) -> SafeConsole:
        """Return a console for a pipe or a file."""
        return cls(width=width, color_system=None, force_terminal=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, shown, control in super().render(renderable, options):
            yield Segment(text if control else safe_text(text), shown, control)


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one step. ``counts`` by outcome; ``throttled`` counts 429 answers, ``drift`` differences."""

    step: str
    counts: dict[str, int]
    calls: int
    throttled: int
    retries: int
    seconds: float
    drift: int = 0

    @property
    def per_second(self) -> float:
        """Items per second."""
        return sum(self.counts.values()) / self.seconds if self.seconds > 0 else 0.0


class CommandResults(NamedTuple):
    """CommandResults of a command: a table for people, fields for programs, and for both facts by their titles."""

    table: Table
    fields: Mapping[str, Any]
    facts: Mapping[str, Any]
    next_steps: str = ""
    """Text to be copied."""


def counts_text(counts: Mapping[str, int], *, styled: bool = False) -> str:
    """Return the outcomes that occurred, such as ``19,744 created, 2 refused``."""
    parts: list[str] = []
    for outcome, count in counts.items():
        if count:
            text = f"{count:,} {outcome.replace('_', ' ')}"
            style = _STYLES.get(outcome) if styled else None
            parts.append(f"[{style}]{text}[/]" if style else text)
    return ", ".join(parts) or "nothing"


def wait_text(stats: Stats, summary: Summary, *, deadline: float, patience: float, follow_for: float) -> str:
    """Return what the calls of a run wait for at present, and how long that may last; empty if for nothing."""
    paused = max((key.paused_for for key in stats.keys), default=0.0)
    if stats.circuit != "closed":
        return f"the API fails: calls wait until it answers, {span(deadline)} at most"
    if paused:
        return f"paused by the API for {span(ceil(paused))}"
    if not stats.token_left:
        return f"waiting for a token, {span(deadline)} at most"
    if summary.looking_up:  # twice the patience where no order is known that the list must show
        return f"looking up {items(summary.looking_up, 'undecided')}, about {span(2 * patience)} at most"
    if summary.following:
        return f"following {items(summary.following)}, {span(follow_for)} at most"
    return ""


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
        if now - self._at < _SAMPLE:
            return self._text
        rate = (accepted - self._accepted) / (now - self._at)
        self._at, self._accepted = now, accepted
        ceilings = [key.ceiling for key in stats.keys if key.ceiling is not None and key.accepted]
        self._text = f"{min(1.0, rate / sum(ceilings)):.0%} of the limit" if ceilings else "no limit"
        return self._text


@asynccontextmanager
async def refreshing(show: Callable[[], None]) -> AsyncGenerator[None]:
    """Call ``show`` some times a second while the block runs: nothing else would in a wait, which has no outcomes."""

    async def repeat() -> None:
        while True:
            show()
            await asyncio.sleep(_SAMPLE)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Display:
    """A display for a pipe: plain lines, of which those of the progress are rare and go to standard error."""

    def __init__(self) -> None:
        self._step = ""
        self._spoken = 0.0

    def begin(self, step: str) -> None:
        """Show that a step begins."""
        self._step = step
        self._spoken = time.monotonic()

    def progress(self, share: float, counts: Mapping[str, int], text: str = "") -> None:
        """Show the fraction of the step that is done, the outcomes so far, and a text about the rate or a wait."""
        if time.monotonic() - self._spoken >= PROGRESS_INTERVAL:
            self._spoken = time.monotonic()
            note(f"{self._step}: {share:.0%}, {counts_text(counts)}{text and '; '}{text}")

    def outcome(self, fields: Mapping[str, Any]) -> None:
        """Report the outcome of one item, to a program."""

    def message(self, text: str) -> None:
        """Print a text that a person should read now."""
        click.echo(text, err=True)

    def end(self, result: StepResult) -> None:
        """Show that a step has ended."""
        click.echo(f"{result.step}: {counts_text(result.counts)} in {result.seconds:.1f} s")

    def summary(self, results: CommandResults) -> None:
        """Show the results at the end."""
        _print_summary(SafeConsole.plain(160), results)

    def close(self) -> None:
        """Restore the terminal, also after an error."""


class QuietDisplay(Display):
    """A display of errors only."""

    def end(self, result: StepResult) -> None:
        pass

    def summary(self, results: CommandResults) -> None:
        pass


class JsonDisplay(QuietDisplay):
    """A display of JSON lines: ``{"event": "outcome", …}``, ``{"event": "step", …}``, ``{"event": "summary", …}``."""

    def outcome(self, fields: Mapping[str, Any]) -> None:
        print_json_line({"event": "outcome", **{name: value for name, value in fields.items() if value is not None}})

    def end(self, result: StepResult) -> None:
        rate = {"items_per_second": round(result.per_second, 1)}
        print_json_line({"event": "step"} | msgspec.structs.asdict(result) | rate)
        sys.stdout.flush()

    def summary(self, results: CommandResults) -> None:
        facts = {name.replace(" ", "_"): fact for name, fact in results.facts.items()}
        print_json_line({"event": "summary", **results.fields, **facts})
        sys.stdout.flush()


class TerminalDisplay(Display):
    """A display of two lines for the running step, progress and counts; a line for each that has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._console = SafeConsole()
        self._repeats = not sys.stderr.isatty()
        self._counts = Text(no_wrap=True, overflow="ellipsis")
        self._bar: Progress | None = None
        self._live: Live | None = None

    def begin(self, step: str) -> None:
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[text]}"),
            console=self._console,
        )
        self._bar.add_task(step.capitalize(), total=1.0, text="")
        self._counts.plain = ""
        self._live = Live(Group(self._bar, self._counts), console=self._console, transient=True)
        self._live.start()

    def progress(self, share: float, counts: Mapping[str, int], text: str = "") -> None:
        if self._bar is None:
            return
        self._bar.update(TaskID(0), completed=share, text=text)
        self._counts.plain = f"{sum(counts.values()):,} done"
        if any(counts.values()):
            self._counts.append(": ").append_text(Text.from_markup(counts_text(counts, styled=True)))

    def message(self, text: str) -> None:
        if self._repeats:
            super().message(text)
        else:
            self._console.print(text, markup=False, soft_wrap=True)

    def end(self, result: StepResult) -> None:
        self.close()
        counts = counts_text(result.counts, styled=True)
        self._console.print(f"[green]✓[/] [bold]{result.step.capitalize():9}[/] {result.seconds:6.1f} s  {counts}")

    def summary(self, results: CommandResults) -> None:
        self.close()
        _print_summary(self._console, results)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = self._bar = None


def display_for(*, json: bool) -> Display:
    """Return the display that fits standard output and the options."""
    if json:
        return JsonDisplay()
    if is_quiet():
        return QuietDisplay()
    # Once for nothing: rich loads parts of itself late, when the connections may have used up all descriptors.
    console = SafeConsole.plain(160)
    with console.capture():
        _print_summary(console, CommandResults(counts_table("", {"": 0}), {}, {}))
    return TerminalDisplay() if sys.stdout.isatty() else Display()


def _print_summary(console: Console, results: CommandResults) -> None:
    console.print(results.table)
    console.print()
    known = {
        name: f"{fact:,}" if isinstance(fact, int) else printable(str(fact))
        for name, fact in results.facts.items()
        if fact is not None
    }
    width = max(map(len, known), default=0)
    for name, fact in known.items():  # a path that is cut or wrapped cannot be copied
        console.print(f"{name:{width}}  {fact}", markup=False, soft_wrap=True)
    if results.next_steps:
        console.print()
        console.print(results.next_steps, markup=False, soft_wrap=True)


def counts_table(title: str, counts: Mapping[str, int]) -> Table:
    """Return a table of outcomes."""
    table = Table(title, "", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = "right"
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def steps_table(results: Sequence[StepResult]) -> Table:
    """Return a table of steps."""
    table = Table("step", "outcomes", box=None, pad_edge=False, header_style="bold")
    for title in ("calls", "429s", "retries", "seconds", "items/s"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        numbers = (result.calls, result.throttled, result.retries)
        table.add_row(
            result.step,
            counts_text(result.counts),
            *(f"{number:,}" for number in numbers),
            f"{result.seconds:.1f}",
            f"{result.per_second:,.0f}" if result.calls else "",
        )
    return table
