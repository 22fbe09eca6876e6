"""Deadlines without a timer per call: one timer serves all calls with a deadline of the same length.

Calls with the same deadline length end in the order in which they began, so a dict in that order is the whole schedule:
a call is added when it begins and removed when it ends, and one timer checks the first that remains. A task that
is overdue is cancelled, as by :func:`asyncio.timeout`, which costs ten times as much per call.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

GRAIN = 0.001
"""Seconds by which a deadline may come early, so that calls that began together end by one timer."""


class CancellableTask(msgspec.Struct, eq=False):
    """A task that must end in time, by the loop's clock; ``cancelling`` is the number of its cancellations before."""

    task: asyncio.Task[Any]
    deadline: float
    cancelling: int
    expired: bool = False
    taken_back: bool = False

    def expire(self) -> None:
        """Cancel the task."""
        self.expired = True
        self.task.cancel()

    def is_own_cancellation(self) -> bool:
        """Return True if only the deadline requested the cancellation that was raised; withdraw the request."""
        self.take_back()
        return self.expired and self.task.cancelling() <= self.cancelling

    def take_back(self) -> None:
        """Withdraw the deadline's request for cancellation, if there was one, because it has taken effect."""
        if self.expired and not self.taken_back:
            self.taken_back = True
            self.task.uncancel()


class Deadlines:
    """The calls that run, by the length of their deadline in seconds.

    Schedules of the ``usual`` lengths are kept when they are empty; others, of calls with a deadline of their own, are
    removed.
    """

    def __init__(self, *usual: float) -> None:
        self._usual = frozenset(usual)
        self._schedules: dict[float, dict[CancellableTask, None]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def add(self, seconds: float, due: CancellableTask) -> None:
        """Expire ``due`` at its deadline, which is in ``seconds``, unless :meth:`done` is called before."""
        schedule = self._schedules.get(seconds)
        if schedule is None:
            schedule = self._schedules[seconds] = {}
        schedule[due] = None
        if seconds not in self._timers:
            self._timers[seconds] = asyncio.get_running_loop().call_at(due.deadline, self._expire, seconds)

    def done(self, seconds: float, due: CancellableTask) -> None:
        """Remove ``due``, which has ended."""
        schedule = self._schedules[seconds]
        schedule.pop(due, None)
        if not schedule and seconds not in self._usual:
            del self._schedules[seconds]
            if (timer := self._timers.pop(seconds, None)) is not None:
                timer.cancel()

    def close(self) -> None:
        """Cancel all timers but the timers of running calls."""
        for seconds, schedule in self._schedules.items():
            if not schedule and (timer := self._timers.pop(seconds, None)) is not None:
                timer.cancel()

    def _expire(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        schedule = self._schedules[seconds]
        due = loop.time() + GRAIN
        for one in schedule:
            if one.expired:
                continue
            if one.deadline > due:
                self._timers[seconds] = loop.call_at(one.deadline, self._expire, seconds)
                return
            one.expire()
        del self._timers[seconds]
