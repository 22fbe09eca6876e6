"""What holds a limit: a log that keeps every window exactly, and a bucket that spreads requests. See :mod:`.limits`."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from ..config import Limit

TIMER_LAG = 0.01
"""Seconds of late waking that a bucket makes up for."""
HANDFUL = 0.001
"""Seconds' worth of requests that a bucket gives out at once: a timer is no finer."""
KEPT_FREE = 0.01
"""The part of a window that bulk keeps free for interactive calls while they come."""
KEPT_FREE_FOR = 30.0
"""Seconds after an interactive call in which it does."""
SMALL = 6
"""Windows of so few places need a second one: with one place less, bulk is too far apart for the next to come soon."""


class Bucket(NamedTuple):
    """A leaky bucket: ``burst`` in requests, ``rate`` in requests per second."""

    burst: float
    rate: float


def bucket_for(rate: float, burst: int | None = None) -> Bucket:
    """The bucket that spreads requests at ``rate``; see the module's docstring."""
    return Bucket(max(1.0, 1.0 + TIMER_LAG * rate if burst is None else float(burst)), rate)


class Windows:
    """When the requests of the last window left: exact in every window of ``limit``, stretched by ``jitter``."""

    __slots__ = ("_left", "calls", "period", "places", "small")

    def __init__(self, limit: Limit, *, jitter: float) -> None:
        self.calls = limit.calls
        self.period = limit.per + jitter
        self.places = 0 if limit.calls == 1 else ceil(limit.calls * KEPT_FREE)
        """How far interactive calls may go ahead of their turn, and what bulk keeps free for them at least."""
        self.small = 2 < limit.calls <= SMALL
        """Whether bulk keeps one more place free for a window's time after such a call."""
        self._left: deque[float] = deque()

    @property
    def rate(self) -> float:
        """Requests per second that fill every window."""
        return self.calls / self.period

    def wait(self, now: float, *, spare: int = 0) -> float:
        """Seconds until one more may leave and ``spare`` places stay free; 0 or less is now."""
        left = self._left
        horizon = now - self.period
        while left and left[0] <= horizon:
            left.popleft()
        over = len(left) - self.calls + spare
        return left[over] - horizon if over >= 0 and left else 0.0

    def add(self, now: float) -> None:
        """One leaves."""
        self._left.append(now)

    def idle(self, now: float) -> bool:
        """Whether nothing of the last window needs to be remembered."""
        return not self._left or self._left[-1] <= now - self.period


class Pacer:
    """A leaky bucket that holds seconds instead of requests: each costs 1 / rate of them, and one leaks per second.

    So the rate may change at any time. A bucket of requests would have to be made anew, and an empty one lets a request
    through that the old one would have held back: with a rate that always moves a little, that is one too many at every
    move.

    At more than one request per :data:`HANDFUL` that much is taken out of the bucket at once, for those that come next:
    it is part of what the bucket makes up for anyway.
    """

    __slots__ = ("_cost", "_in_hand", "_limiter", "_spare", "_waiting")

    def __init__(self) -> None:
        self._cost = 0.0
        self._spare = 0.0
        self._in_hand = 0.0
        self._waiting = 0.0
        self._limiter = AsyncLimiter(1.0, 1.0)

    def ready(self, rate: float, burst: int | None, *, ahead: int = 0) -> bool:
        """Go on at ``rate``; whether one may leave now, or so many ``ahead`` of their turn."""
        cost = self._cost = 1.0 / rate
        self._spare = max(0.0, HANDFUL - cost) if burst is None else 0.0
        room = (bucket_for(rate, burst).burst + ahead) * cost - self._spare
        self._limiter.max_rate = max(
            room, self._waiting
        )  # with less room than it costs, who waits would do so for ever
        return self._limiter.has_capacity(cost)

    def take_from_hand(self, rate: float) -> bool:
        """Count one of those that were taken out of the bucket before; whether there was one."""
        cost = 1.0 / rate
        if self._in_hand < cost:
            return False
        self._in_hand -= cost
        return True

    async def take(self) -> None:
        """Count one that is :meth:`ready`, and what fits into the hand with it: it does not wait."""
        amount = self._cost + self._spare
        if self._spare and self._limiter.has_capacity(amount):
            self._in_hand += self._spare
        else:
            amount = self._cost
        await self._limiter.acquire(amount)

    async def acquire(self) -> None:
        """Wait until one may leave, and count it. One at a time may wait."""
        cost = self._cost
        if not self._limiter.has_capacity(cost):
            self._waiting = cost
        try:
            await self._limiter.acquire(cost)
        finally:
            if self._waiting == cost:
                self._waiting = 0.0
