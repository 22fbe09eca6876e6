"""Deadlines without a timer per call: one timer stands for all calls whose deadline is as long.

Calls with the same deadline length end in the order in which they began, so a dict in that order is the whole schedule:
a call is put in when it begins and taken out when it ends, and one timer looks at the first that is left. What is
overdue is cancelled, as :func:`asyncio.timeout` does it, which costs ten times as much per call.
"""

from __future__ import annotations

import asyncio
from typing import Any

GRAIN = 0.001
"""Seconds that a deadline may be met early, so that calls that began together end by one timer."""


class Watched:
    """A task that must end in time."""

    __slots__ = ("_cancelling", "_taken_back", "deadline", "expired", "task")

    def __init__(self, task: asyncio.Task[Any], deadline: float) -> None:
        self.task = task
        self.deadline = deadline
        self.expired = False
        self._cancelling = task.cancelling()
        self._taken_back = False

    def is_ours(self) -> bool:
        """Whether a cancellation that arrived is that of the deadline alone, which is then taken back."""
        self.take_back()
        return self.expired and self.task.cancelling() <= self._cancelling

    def take_back(self) -> None:
        """The deadline's cancellation, if there was one, has done its work."""
        if self.expired and not self._taken_back:
            self._taken_back = True
            self.task.uncancel()


class Deadlines:
    """The tasks under way, by the length of their deadline in seconds.

    Schedules of the ``usual`` lengths are kept when they are empty; others, of calls with a deadline of their own, go.
    """

    def __init__(self, *usual: float) -> None:
        self._usual = frozenset(usual)
        self._schedules: dict[float, dict[Watched, None]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def watch(self, seconds: float, now: float, task: asyncio.Task[Any]) -> Watched:
        """Cancel ``task``, which is the running one, in ``seconds``, unless :meth:`done` comes first."""
        watched = Watched(task, now + seconds)
        schedule = self._schedules.get(seconds)
        if schedule is None:
            schedule = self._schedules[seconds] = {}
        schedule[watched] = None
        if seconds not in self._timers:
            loop = task.get_loop()
            self._timers[seconds] = loop.call_at(watched.deadline, self._expire, seconds)
        return watched

    def done(self, seconds: float, watched: Watched) -> None:
        """It ended, one way or another."""
        watched.take_back()  # it is still there if something turned the cancellation into another error
        schedule = self._schedules[seconds]
        schedule.pop(watched, None)
        if not schedule and seconds not in self._usual:
            del self._schedules[seconds]
            if (timer := self._timers.pop(seconds, None)) is not None:
                timer.cancel()

    def close(self) -> None:
        """Keep no timer but for calls that are still under way."""
        for seconds, schedule in self._schedules.items():
            if not schedule and (timer := self._timers.pop(seconds, None)) is not None:
                timer.cancel()

    def _expire(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        schedule = self._schedules[seconds]
        due = loop.time() + GRAIN
        for watched in schedule:
            if watched.expired:
                continue
            if watched.deadline > due:
                self._timers[seconds] = loop.call_at(watched.deadline, self._expire, seconds)
                return
            watched.expired = True
            watched.task.cancel()
        del self._timers[seconds]
