"""Places that are given out by lane: interactive calls before bulk ones, without starving bulk.

A web request must not queue behind a thousand calls of a nightly job on the same key. While both lanes wait, one place
in :data:`BULK_EVERY` goes to bulk, so that a busy site does not stop the job for good. Within a lane it is first come,
first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Literal

Lane = Literal["interactive", "bulk"]

BULK_EVERY = 4
"""While both lanes wait, every so-manieth place is bulk's: a quarter of the rate."""


class Places:
    """A semaphore with two queues."""

    __slots__ = ("_bulk", "_interactive", "_since_bulk", "free")

    def __init__(self, count: int) -> None:
        self.free = count
        self._interactive: deque[asyncio.Future[None]] = deque()
        self._bulk: deque[asyncio.Future[None]] = deque()
        self._since_bulk = 0

    async def take(self, lane: Lane) -> None:
        """Wait for a place."""
        if self.free > 0 and not self._interactive and not self._bulk:
            self.free -= 1
            return
        queue = self._bulk if lane == "bulk" else self._interactive
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it was given just when the wait was cancelled
                self.give_back()
            raise

    def give_back(self) -> None:
        """Hand the place to whoever is next."""
        while (queue := self._next_queue()) is not None:
            place = queue.popleft()
            if not place.done():  # else its wait was cancelled
                place.set_result(None)
                return
        self.free += 1

    def _next_queue(self) -> deque[asyncio.Future[None]] | None:
        if not self._bulk:
            return self._interactive or None
        if not self._interactive:
            return self._bulk
        self._since_bulk = (self._since_bulk + 1) % BULK_EVERY
        return self._bulk if self._since_bulk == 0 else self._interactive
