"""A sliding window, which keeps a limit exactly, and a leaky bucket, which spreads requests. See :mod:`.limiter`."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Limit

TIMER_LAG = 0.01
"""Seconds of late wake-up for which a bucket compensates."""
HANDFUL = 0.001
"""Seconds' worth of requests that a bucket gives out at once: a timer has no finer resolution."""
LOOK_AGAIN = 60_000
"""Milliseconds after which a request that waits for a bucket looks again at the latest."""
KEPT_FREE = 0.01
"""The part of a window that bulk calls leave free for interactive calls while such calls come."""
KEPT_FREE_FOR = 30.0
"""Seconds after an interactive call for which they do."""
SMALL = 6
"""Windows of at most so many requests need two free places: with one, bulk calls are too far apart for another soon."""

LATE_MOST = 0.01
"""The part of a window by which a request that was late on its way lengthens it at most, so that 97 % of a limit can be
used."""
LATE_MOST_WHEN_BUSY = 0.1
"""The same part while this process itself is late: on a busy machine, where requests are late for as long."""
TERM = 30.0
"""Seconds for which the fastest round trip and the latest wake-up count, at least; and for as long again."""


def timer_delay(wait: float) -> float:
    """Return a wait in seconds, rounded up to whole milliseconds.

    A timer of uvloop ends up to a millisecond early. What is left of the wait is then too short for another timer, so
    that one who waits for the exact time would look at the clock in every turn of the loop, on a whole processor.
    """
    return ceil(wait * 1000) / 1000


def burst_for(rate: float, burst: int | None = None) -> float:
    """Return the burst of a bucket that spreads requests at ``rate``: ``burst``, or what makes up for late wake-ups."""
    return max(1.0, 1.0 + TIMER_LAG * rate if burst is None else float(burst))


class SlidingWindow:
    """The times of the requests of the last window: exact for every window of ``limit``, lengthened by ``jitter``.

    A request whose round trip takes longer than the fastest of late (:meth:`answered`) may have been received later by
    that time. While it counts, it lengthens the window: requests travel unevenly from a busy machine, or to a busy
    server. An API that needs long for some responses shows the same, so this is bounded: by :data:`LATE_MOST`, and on a
    busy machine, which is known from late timers (:meth:`woke_late`), by as much as those are late.
    """

    __slots__ = (
        "_fastest",
        "_fastest_before",
        "_left",
        "_per",
        "_slowest",
        "_term_ends_at",
        "_wake_up",
        "_wake_up_before",
        "add",
        "calls",
        "late_most",
        "period",
        "places",
        "small",
    )

    def __init__(self, limit: Limit, *, jitter: float) -> None:
        self._fastest = self._fastest_before = inf
        self._wake_up = self._wake_up_before = 0.0
        self._term_ends_at = -inf
        self._slowest: deque[tuple[float, float]] = deque()
        """Times of responses and their round trips: of the last window, and only if none took longer since."""
        self._per = limit.per
        self.late_most: float = LATE_MOST * limit.per
        """Seconds by which late requests lengthen the window at most."""
        self.calls: int = limit.calls
        self.period: float = limit.per + jitter
        self.places: int = 0 if limit.calls == 1 else ceil(limit.calls * KEPT_FREE)
        """The number by which interactive calls may be ahead of the bucket; bulk calls leave as many free at least."""
        self.small: bool = 2 < limit.calls <= SMALL
        """Bulk calls leave one more place free for the length of a window after an interactive call."""
        self._left: deque[float] = deque()
        self.add: Callable[[float], None] = self._left.append
        """Record the time at which a request is sent."""

    @property
    def rate(self) -> float:
        """Requests per second that fill every window."""
        return self.calls / self.period

    def wait(self, now: float, *, spare: int = 0) -> float:
        """Return the seconds until one more request may be sent and ``spare`` places stay free; 0 or less is now."""
        left = self._left
        horizon = now - self.period
        longest = horizon - self.late_most
        while left and left[0] <= longest:
            left.popleft()
        if len(left) - self.calls + spare < 0:  # there is room, whatever was late
            return 0.0
        horizon -= self.late(now)
        while left and left[0] <= horizon:
            left.popleft()
        # The wait ends when the oldest request that makes the window too full is a period old (:mod:`.limiter`).
        over = len(left) - self.calls + spare
        return left[over] - horizon if over >= 0 and left else 0.0

    def connected(self, sent_at: float, now: float) -> None:
        """Record the response to a request that waited for a new connection: it was received by now at the latest."""
        left = self._left
        if left and left[0] <= sent_at:
            del left[bisect_right(left, sent_at) - 1]
        left.append(now)

    def answered(self, seconds: float, now: float) -> None:
        """Record a round trip."""
        if now >= self._term_ends_at:
            self._begin_term(now)
        if seconds < self._fastest:  # noqa: PLR1730  (min is slow, and every call asks)
            self._fastest = seconds
        slowest = self._slowest
        while slowest and slowest[-1][1] <= seconds:
            slowest.pop()
        slowest.append((now, seconds))

    def woke_late(self, seconds: float, now: float) -> None:
        """Record by how much a timer of this process was late."""
        if now >= self._term_ends_at:
            self._begin_term(now)
        if seconds > self._wake_up:
            self._wake_up = seconds
            self._set_late_most()

    def late(self, now: float) -> float:
        """Return the seconds by which late requests lengthen the window."""
        slowest = self._slowest
        while slowest and slowest[0][0] <= now - self.period - self.late_most:
            slowest.popleft()
        if not slowest:
            return 0.0
        return min(slowest[0][1] - min(self._fastest, self._fastest_before), self.late_most)

    def idle(self, now: float) -> bool:
        """Return True if no request of the last window needs to be remembered."""
        return not self._left or self._left[-1] <= now - self.period - self.late(now)

    def _begin_term(self, now: float) -> None:
        self._term_ends_at = now + max(TERM, 2 * self.period)  # the fastest counts for as long as the slowest
        self._fastest, self._fastest_before = inf, self._fastest
        self._wake_up, self._wake_up_before = 0.0, self._wake_up
        self._set_late_most()

    def _set_late_most(self) -> None:
        wake_up = max(self._wake_up, self._wake_up_before) / self._per
        self.late_most = min(max(LATE_MOST, wake_up), LATE_MOST_WHEN_BUSY) * self._per


class LeakyBucket:
    """A leaky bucket that holds seconds instead of requests: each costs 1 / rate of them, and one leaks per second.

    Therefore the rate may change at any time. A bucket of requests would have to be created again, and an empty one
    lets a request through that the old one would have held back: with a rate that always changes a little, that is one
    too many at every change.

    Above one request per :data:`HANDFUL` seconds, that much is taken out of the bucket at once and kept for the next
    requests: it is part of the late wake-up for which the bucket compensates anyway.
    """

    __slots__ = ("_cost", "_in_hand", "_limiter", "_spare")

    def __init__(self) -> None:
        self._cost = 0.0
        self._spare = 0.0
        self._in_hand = 0.0
        self._limiter = AsyncLimiter(1.0, 1.0)

    def ready(self, rate: float, burst: int | None, *, ahead: int = 0) -> bool:
        """Set the rate; return True if a request may be sent now, or up to ``ahead`` requests before its time."""
        cost = self._cost = 1.0 / rate
        self._spare = max(0.0, HANDFUL - cost) if burst is None else 0.0
        room = (burst_for(rate, burst) + ahead) * cost - self._spare
        self._limiter.max_rate = room
        return self._limiter.has_capacity(cost)

    def take_from_hand(self, rate: float) -> bool:
        """Use one of the permits that were taken out of the bucket before; return True if there was one."""
        cost = 1.0 / rate
        if self._in_hand < cost:
            return False
        self._in_hand -= cost
        return True

    def give(self, seconds: float) -> None:
        """Give permits that are worth so many seconds, beyond the rate."""
        self._in_hand += seconds

    async def take(self) -> None:
        """Take the permit of a request that is :meth:`ready`, and those kept for the next ones; it does not wait."""
        amount = self._cost + self._spare
        if self._spare and self._limiter.has_capacity(amount):
            self._in_hand += self._spare
        else:
            amount = self._cost
        await self._limiter.acquire(amount)

    async def acquire(self) -> float:
        """Wait for a permit and take it; return the seconds by which a timer was late. Only one task may wait."""
        loop, late = asyncio.get_running_loop(), 0.0
        while not self._limiter.has_capacity(self._cost):  # not by the limiter's own wait, see `timer_delay`
            due_at = loop.time() + (wait := self._wait() / 1000)
            await asyncio.sleep(wait)
            late = max(late, loop.time() - due_at)
        await self._limiter.acquire(self._cost)
        return late

    def _wait(self) -> int:
        """Return the milliseconds after which the bucket has room for a request, or :data:`LOOK_AGAIN`."""
        limiter, cost = self._limiter, self._cost
        return 1 + bisect_left(range(1, LOOK_AGAIN), x=True, key=lambda wait: limiter.has_capacity(cost - wait / 1000))
