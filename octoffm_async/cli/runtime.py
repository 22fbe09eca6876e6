"""The event loop that commands run on."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..disk.private_file import check_descriptor
from ..errors import ConfigurationError
from .options import LineFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on uvloop where it is installed (extra ``speed``), else on the standard loop.

    Raises:
        SystemExit: SIGTERM ended it, in order; a second SIGTERM ends the process at once.
    """
    if (last := logging.lastResort) is not None:
        last.setFormatter(LineFormatter("%(message)s"))
    terminated: list[bool] = []

    async def work() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def end() -> None:
            loop.remove_signal_handler(signal.SIGTERM)
            terminated.append(True)
            if task is not None:
                task.cancel()

        handled = _handle(loop, signal.SIGTERM, end)
        _on_sigterm.set(end if handled else None)
        try:
            return await main
        finally:
            if handled:
                loop.remove_signal_handler(signal.SIGTERM)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(work())
        except asyncio.CancelledError:
            if not terminated:
                raise
    raise SystemExit(128 + signal.SIGTERM)


_on_sigterm: ContextVar[Callable[[], None] | None] = ContextVar("_on_sigterm", default=None)


def _handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[..., None], *given: object) -> bool:
    try:
        loop.add_signal_handler(number, call, *given)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        return False
    return True


def check_stdout() -> None:
    """Check that standard output can be written, before anything is sent.

    Raises:
        ConfigurationError: It cannot.
    """
    try:
        check_descriptor(sys.stdout.fileno())
    except UnsupportedOperation:
        pass  # an object in its place
    except OSError as error:
        raise ConfigurationError(f"nothing was sent: cannot write standard output: {error.strerror}") from None


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
        self.exit_code: int = 0
        """128 and the number of the first signal."""

    def interrupt(self, number: signal.Signals) -> None:
        """Handle one interruption: the first stops the run, the second cancels the task, a third ends the process."""
        self.count += 1
        if self.count == 1:
            self.exit_code = 128 + number
            self._say("octoffm: stopping when calls in flight are finished; Ctrl-C again stops at once")
            self._stop()
            self._timer = self._loop.call_later(self._drain, self._cancel)
        elif self.count == 2:
            self._cancel()
        else:
            self._loop.remove_signal_handler(number)
            signal.raise_signal(number)

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
    handled = [number for number in SIGNALS if _handle(loop, number, interrupts.interrupt, number)]
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
        if handled and (outer := _on_sigterm.get()) is not None:
            _handle(loop, signal.SIGTERM, outer)
