"""Who is next: interactive calls before bulk ones, without starving bulk.

A web request must not queue behind a thousand calls of a nightly job on the same key. So interactive calls go first,
and what goes to them at bulk's cost is noted as a debt: once it amounts to bulk's share of what was given out, a bulk
call goes first. As long as interactive calls are rarer than that they never wait for bulk; however many there are, bulk
gets its share. Within a lane it is first come, first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

Lane = Literal["interactive", "bulk"]

CREDIT = 4.0
"""So many calls of bulk, given out while nobody interactive waited, count in advance against its share."""


class Waiters:
    """Two queues. ``bulk_share`` is the part (0 to 1) that goes to bulk while both wait."""

    __slots__ = ("_bulk", "_debt", "_interactive", "_share")

    def __init__(self, bulk_share: float) -> None:
        self._share = bulk_share
        self._debt = 0.0
        self._interactive: deque[asyncio.Future[bool]] = deque()
        self._bulk: deque[asyncio.Future[bool]] = deque()

    def __len__(self) -> int:
        """Those that wait; calls that were cancelled while they waited may be among them for a while."""
        return len(self._interactive) + len(self._bulk)

    def ahead_of(self, lane: Lane) -> int:
        """How many certainly go before a call of ``lane`` that comes now."""
        before = len(self._interactive)
        return before if lane == "interactive" else before + len(self._bulk)

    def add(self, lane: Lane, *, first: bool = False) -> asyncio.Future[bool]:
        """One more that waits; ``first`` puts it at the head of its lane."""
        queue = self._bulk if lane == "bulk" else self._interactive
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if first:
            queue.appendleft(place)
        else:
            queue.append(place)
        return place

    def any(self) -> bool:
        """Whether anybody still waits."""
        for queue in (self._interactive, self._bulk):
            while queue and queue[0].done():  # its wait was cancelled
                queue.popleft()
        return bool(self._interactive or self._bulk)

    def next_lane(self) -> Lane:
        """Whose turn it is."""
        return "bulk" if self.any() and self._next_is_bulk() else "interactive"

    def admit(self, *, probe: bool) -> None:
        """Let the next one go, telling it whether it probes. Only when there is :meth:`any`."""
        self._next_queue().popleft().set_result(probe)

    def fail(self, error: Exception) -> None:
        """Nobody is let go any more."""
        for queue in (self._interactive, self._bulk):
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_exception(error)

    def _next_is_bulk(self) -> bool:
        # The little that is taken off: many small shares do not add up exactly.
        return bool(self._bulk) and not (self._interactive and self._debt < 1.0 - self._share - 1e-9)

    def _next_queue(self) -> deque[asyncio.Future[bool]]:
        if self._next_is_bulk():
            self._debt = max(self._debt - (1.0 - self._share), -CREDIT)
            return self._bulk
        if self._bulk:
            self._debt += self._share
        return self._interactive
