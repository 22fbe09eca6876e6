"""The queue of calls that wait for a permit: interactive calls before bulk calls, without starving bulk.

A web request must not queue behind a thousand calls of a nightly job on the same key. Therefore interactive calls go
first, and each permit that they take while a bulk call waits adds to a debt: once the debt amounts to bulk's share of
the permits, a bulk call goes first. As long as interactive calls are rarer than that, they never wait for bulk calls;
however many they are, bulk calls get their share. Within a priority the order is first in, first out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

Priority = Literal["interactive", "bulk"]
"""The priority of a call: ``"interactive"`` before ``"bulk"``."""

CREDIT = 4.0
"""Bulk calls, admitted while no interactive call waited, that count in advance against bulk's share, at most."""


class PriorityQueue:
    """Two queues, one for each priority. ``bulk_share`` is the part (0 to 1) for bulk while calls of both wait."""

    __slots__ = ("_bulk", "_debt", "_interactive", "_share", "deadlines", "waiting")

    def __init__(self, bulk_share: float) -> None:
        self._share = bulk_share
        self._debt = 0.0
        self._interactive: deque[asyncio.Future[bool]] = deque()
        self._bulk: deque[asyncio.Future[bool]] = deque()
        self.deadlines: dict[asyncio.Future[bool], float] = {}
        """The deadlines of the calls whose permits are awaited."""
        self.waiting: dict[Priority, int] = {"interactive": 0, "bulk": 0}
        """The number of these calls, by priority."""

    def must_wait(self, lane: Priority) -> bool:
        """Return True if calls stand in the queue before a call of this priority that comes now."""
        return bool(self._interactive or (self._bulk and lane == "bulk"))

    def certainly_ahead_of(self, lane: Priority) -> int:
        """Return how many calls go before a call of this priority that comes now, whatever calls come later."""
        interactive, bulk, share = self.waiting["interactive"], self.waiting["bulk"], self._share
        if lane == "interactive":
            return interactive
        return bulk + (min(interactive, int(bulk * (1.0 - share) / share)) if share else interactive)

    async def wait(self, place: asyncio.Future[bool], lane: Priority, until: float) -> bool:
        """Wait for the permit of a call with this deadline; return its result."""
        self.waiting[lane] += 1
        self.deadlines[place] = until
        try:
            return await place
        finally:
            self.waiting[lane] -= 1
            del self.deadlines[place]

    def add(self, lane: Priority, *, first: bool = False) -> asyncio.Future[bool]:
        """Add a call to the queue of its priority, at its head if ``first``; return the future of its permit."""
        queue = self._bulk if lane == "bulk" else self._interactive
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if first:
            queue.appendleft(place)
        else:
            queue.append(place)
        return place

    def any(self) -> bool:
        """Return True if any call still waits."""
        for queue in (self._interactive, self._bulk):
            while queue and queue[0].done():  # its wait was cancelled
                queue.popleft()
        return bool(self._interactive or self._bulk)

    def next_lane(self) -> Priority:
        """Return the priority of the call that is next."""
        return "bulk" if self.any() and self._next_is_bulk() else "interactive"

    def admit(self, *, probe: bool) -> None:
        """Give a permit to the next call, with ``probe`` as its result. Only to be called if :meth:`any` is true."""
        self._next_queue().popleft().set_result(probe)

    def fail(self, error: Exception) -> None:
        """Let all waiting calls fail with ``error``."""
        for queue in (self._interactive, self._bulk):
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_exception(error)

    def _next_is_bulk(self) -> bool:
        # Less a small tolerance: many small shares do not add up exactly.
        return bool(self._bulk) and not (self._interactive and self._debt < 1.0 - self._share - 1e-9)

    def _next_queue(self) -> deque[asyncio.Future[bool]]:
        # Shares of 1 - s and s: the debt stays bounded if bulk gets the part s of the permits.
        if self._next_is_bulk():
            self._debt = max(self._debt - (1.0 - self._share), -CREDIT)
            return self._bulk
        if self._bulk:
            self._debt += self._share
        return self._interactive
