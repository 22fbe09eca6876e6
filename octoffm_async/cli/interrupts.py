"""Ctrl-C while a run is under way: once stops it and lets what is in flight finish, twice ends it at once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

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
        self.count = 0

    def interrupt(self) -> None:
        """One more: stop, or cancel."""
        self.count += 1
        if self.count == 1:
            self._say("octoffm: stopping, what is in flight is finished; Ctrl-C again stops at once")
            self._stop()
            self._timer = self._loop.call_later(self._drain, self._cancel)
        elif self.count == 2:
            self._cancel()

    def close(self) -> None:
        """No more of them."""
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
    """The first Ctrl-C calls ``stop``; a second one, or ``drain`` seconds, cancel this task.

    The cancellation that it made itself ends with the block: see ``count`` for whether there was one.
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
