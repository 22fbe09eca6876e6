"""The event loop that commands run on."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on uvloop where it is installed (extra ``speed``), else on the standard loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The interruptions of the current task so far."""

    def __init__(self, stop: Callable[[], None], drain: float, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self.count: int = 0

    def interrupt(self) -> None:
        """Handle one interruption: the first one stops the run, the second one cancels the task."""
        self.count += 1
        if self.count == 1:
            self._say("octoffm: stopping when calls in flight are finished; Ctrl-C again stops at once")
            self._stop()
            self._timer = self._loop.call_later(self._drain, self._cancel)
        elif self.count == 2:
            self._cancel()

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _cancel(self) -> None:
        self.close()
        if self._task is not None:
            self._task.cancel()


def _on_stderr(text: str) -> None:
    click.echo(text, err=True)


@contextmanager
def interruptible(
    stop: Callable[[], None], *, drain: float, say: Callable[[str], None] = _on_stderr
) -> Generator[Interrupts]:
    """Call ``stop`` at the first Ctrl-C; cancel this task at a second one, or ``drain`` seconds after the first.

    A cancellation of its own making ends with the block; ``count`` says whether there was an interruption.
    """
    interrupts = Interrupts(stop, drain, say)
    loop = asyncio.get_running_loop()
    handled: list[signal.Signals] = []
    for number in SIGNALS:
        try:
            loop.add_signal_handler(number, interrupts.interrupt)
        except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            break
        handled.append(number)
    try:
        yield interrupts
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not interrupts.count or (task is not None and task.uncancel() > 0):
            raise
    finally:
        interrupts.close()
        for number in handled:
            loop.remove_signal_handler(number)
