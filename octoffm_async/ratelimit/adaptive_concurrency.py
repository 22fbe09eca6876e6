"""An adaptive concurrency limit: how many requests of one key may be in flight, by latency. Pure.

By Little's law more requests in flight than *rate times latency* only lengthen the API's queue. Therefore, as in the
gradient algorithm of Netflix's concurrency-limits, the recent latency is compared with the usual one: while it is less
than :data:`TOLERANCE` times the usual latency, the limit grows a little; when it climbs, the limit falls in proportion.
The usual latency follows slowly, so an API that became slower for good is accepted as it is.

Without a ceiling it starts slowly: with :data:`FIRST`, later a third of what was accepted, so that a small hidden limit
refuses few requests at first. Responses that take longer than :data:`PATIENCE` double it: they hold up no others.
"""

from __future__ import annotations

from math import sqrt

TOLERANCE = 2.0
"""The factor of the usual latency up to which a latency counts as usual."""
SHORT, LONG = 10, 3000
"""Responses over which the recent latency, and the usual one, are averaged."""
SMOOTHING = 0.2
"""The part of a change that is applied at once."""
LEAST = 4
"""The smallest limit, unless the configuration is lower: one slow response must not stop the other calls."""
FIRST, PART = 2, 3
"""Requests in flight at a slow start; accepted requests for each one more."""
PATIENCE = 0.5
"""Seconds that a call waits for a slot in a slow start before the limit is doubled."""


class AdaptiveConcurrency:
    """The concurrency limit of one key, between :data:`LEAST` and ``most``."""

    __slots__ = ("_goal", "_least", "_limit", "_most", "_samples", "_short", "_usual", "is_slow_start", "limit")

    def __init__(self, most: int, *, slow_start: bool = False) -> None:
        self._most = float(most)
        self._least = min(float(LEAST), self._most)
        self._limit = self._goal = self._most
        self._short = 0.0
        self._usual = 0.0
        self._samples = 0
        self.is_slow_start: bool = slow_start and most > FIRST
        self.limit: int = FIRST if self.is_slow_start else most

    def answered(self, seconds: float, in_flight: int) -> None:
        """Record the latency of a response, and how many requests were in flight."""
        if self.is_slow_start:
            self._samples += 1
            self._start_with(max(self.limit, self._samples // PART))
            return
        if self._usual == 0.0:
            self._short = self._usual = seconds
        self._short += (seconds - self._short) / SHORT
        self._usual += (seconds - self._usual) / LONG
        self._samples += 1
        if self._samples >= self.limit and in_flight * 2 >= self.limit:  # else the limit did not hold calls back
            self._samples = 0
            self._adapt()

    def hasten(self) -> None:
        """Double the limit of a slow start: the responses take long."""
        if self.is_slow_start:
            self._start_with(self.limit * 2)

    def end_slow_start(self) -> None:
        """End a slow start: a 429 came, and the rate answers it."""
        if self.is_slow_start:
            self._start_with(int(self._most))

    def restart(self) -> None:
        """Begin with one after an outage and double up to the old limit, so that waiting calls do not start at once."""
        self.is_slow_start = False
        self._goal = max(self._least, self._limit, self._goal if self._limit < self._goal else 0.0)
        self._limit = 1.0
        self.limit = 1
        self._samples = 0

    def _start_with(self, limit: int) -> None:
        self.limit = min(limit, int(self._most))
        if self.limit == self._most:
            self.is_slow_start, self._samples = False, 0

    def _adapt(self) -> None:
        short, usual = self._short, self._usual
        if usual > 2 * short:  # the average was exceptional: forget it sooner
            self._usual = usual * 0.95
        gradient = min(1.0, max(0.5, TOLERANCE * usual / short)) if short > 0 else 1.0
        if self._limit < self._least or (self._limit < self._goal and gradient == 1.0):  # it was restarted
            self._limit = min(self._limit * 2, self._goal)
        else:
            self._goal = self._least
            # The root leaves room for a queue, and more for a larger limit, as in the gradient algorithm.
            proposed = self._limit * gradient + sqrt(self._limit)
            self._limit = max(self._least, self._limit + SMOOTHING * (proposed - self._limit))
        self._limit = min(self._limit, self._most)
        self.limit = int(self._limit)
