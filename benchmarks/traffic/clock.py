"""An event loop whose clock jumps to the next timer: an hour of waiting takes no time. It has no sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Jump:
    """A replacement of the selector: instead of waiting, it moves the clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        self.now += max(timeout, 1e-7)  # code that computes takes time too, so rounding cannot stop the clock
        return []

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop on which time passes only while every task waits."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Jump()
        self._clock_resolution = 1e-9
        self.slow_callback_duration = 1e9

    def time(self) -> float:
        """Return the simulated clock, in seconds."""
        return self._selector.now

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there are no events."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread waits."""


def simulate(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` on a simulated clock."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)
