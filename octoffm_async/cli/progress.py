"""Progress of a command: bars and a table on a terminal, plain lines in a pipe, or JSON lines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from ..text import SafeStream, printable, safe_text
from .output import print_json_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

PROGRESS_INTERVAL = 10.0
"""Seconds between lines of a long step in a pipe: a log then shows that the command is alive."""
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


class ProgressDisplay(Protocol):
    """A display of steps and of the final summary."""

    def begin(self, step: str) -> None:
        """Show that a step begins."""
        ...

    def progress(self, share: float, counts: Mapping[str, int]) -> None:
        """Show the fraction of the step that is done, from 0 to 1."""
        ...

    def end(self, result: StepResult) -> None:
        """Show that the step has ended."""
        ...

    def summary(self, results: Sequence[StepResult], facts: Mapping[str, Any], next_steps: str) -> None:
        """Show the summary: ``facts`` by their titles, ``next_steps`` as text to be copied."""
        ...

    def close(self) -> None:
        """Restore the terminal, also after an error."""
        ...


def counts_text(counts: Mapping[str, int], *, styled: bool = False) -> str:
    """Return the outcomes that occurred, such as ``19,744 created, 2 refused``."""
    parts: list[str] = []
    for outcome, count in counts.items():
        if count:
            text = f"{count:,} {outcome.replace('_', ' ')}"
            style = _STYLES.get(outcome) if styled else None
            parts.append(f"[{style}]{text}[/]" if style else text)
    return ", ".join(parts) or "nothing"


class TerminalDisplay:
    """A display with a bar for the running step, a line for each step that has ended, and a table at the end."""

    def __init__(self) -> None:
        self._console = SafeConsole()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def begin(self, step: str) -> None:
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counts]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(step.capitalize().ljust(9), total=1.0, counts="")
        self._bar.start()

    def progress(self, share: float, counts: Mapping[str, int]) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=share, counts=counts_text(counts, styled=True))

    def end(self, result: StepResult) -> None:
        self.close()
        counts = counts_text(result.counts, styled=True)
        self._console.print(f"[green]✓[/] [bold]{result.step.capitalize():9}[/] {result.seconds:6.1f} s  {counts}")

    def summary(self, results: Sequence[StepResult], facts: Mapping[str, Any], next_steps: str) -> None:
        self._console.print()
        self._console.print(_table(results, styled=True))
        for title, fact in facts.items():
            # A path that is cut or wrapped cannot be clicked on or copied.
            self._console.print(f"[bold]{title}:[/]", end=" ")
            self._console.print(_plain(fact), markup=False, soft_wrap=True)
        self._console.print()
        self._console.print(next_steps, markup=False, soft_wrap=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class PlainDisplay:
    """A display of lines of plain text."""

    def __init__(self) -> None:
        self._step = ""
        self._spoken = 0.0

    def begin(self, step: str) -> None:
        self._step = step
        self._spoken = time.monotonic()
        _line(f"{step} ...")

    def progress(self, share: float, counts: Mapping[str, int]) -> None:
        if time.monotonic() - self._spoken >= PROGRESS_INTERVAL:
            self._spoken = time.monotonic()
            _line(f"{self._step}: {share:.0%}, {counts_text(counts)}")

    def end(self, result: StepResult) -> None:
        _line(f"{result.step}: {counts_text(result.counts)} in {result.seconds:.1f} s")

    def summary(self, results: Sequence[StepResult], facts: Mapping[str, Any], next_steps: str) -> None:
        _line("")
        SafeConsole.plain(160).print(_table(results))
        for title, fact in facts.items():
            _line(f"{title}: {_plain(fact)}")
        _line(f"\n{next_steps}")

    def close(self) -> None:
        pass


class JsonDisplay:
    """A display of JSON lines: ``{"event": "step", …}`` for each step, ``{"event": "summary", …}`` at the end."""

    def begin(self, step: str) -> None:
        pass

    def progress(self, share: float, counts: Mapping[str, int]) -> None:
        pass

    def end(self, result: StepResult) -> None:
        rate = {"items_per_second": round(result.per_second, 1)}
        self._write({"event": "step"} | msgspec.structs.asdict(result) | rate)

    def summary(self, results: Sequence[StepResult], facts: Mapping[str, Any], next_steps: str) -> None:  # noqa: ARG002
        self._write({"event": "summary"} | {title.replace(" ", "_"): fact for title, fact in facts.items()})

    def close(self) -> None:
        pass

    def _write(self, event: Mapping[str, Any]) -> None:
        print_json_line(event)
        sys.stdout.flush()


def display_for(*, json: bool) -> ProgressDisplay:
    """Return the display that fits standard output."""
    if json:
        return JsonDisplay()
    return TerminalDisplay() if sys.stdout.isatty() else PlainDisplay()


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _plain(fact: object) -> str:
    match fact:
        case None:
            return "none"
        case int():
            return f"{fact:,}"
        case _:
            return printable(str(fact))


def _table(results: Sequence[StepResult], *, styled: bool = False) -> Table:
    table = Table("step", "outcomes", box=None, pad_edge=False, header_style="bold" if styled else "")
    for title in ("calls", "429s", "retries", "seconds", "items/s"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        numbers = (result.calls, result.throttled, result.retries)
        table.add_row(
            result.step,
            counts_text(result.counts, styled=styled),
            *(f"{number:,}" for number in numbers),
            f"{result.seconds:.1f}",
            f"{result.per_second:,.0f}" if result.calls else "",
        )
    return table
