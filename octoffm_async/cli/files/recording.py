"""Statistics of a run for its report, collected while it goes on: a few hundred numbers, however long it takes."""

from __future__ import annotations

import time
from math import ceil, log
from typing import TYPE_CHECKING, NamedTuple

from ...events import AttemptFinished, Event, RetryScheduled, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

BINS = 120
EXAMPLES = 5
MOST_CODES = 100
MOST_UNDECIDED = 200
_SHORTEST = 0.0001
_STEP = 1.25
_BUCKETS = 72
"""Of durations, from a tenth of a millisecond to a quarter of an hour."""
_LISTENS: frozenset[type[Event]] = frozenset({AttemptFinished, Throttled, RetryScheduled})


class RejectedExample(NamedTuple):
    """One item that was rejected."""

    key: str
    line: int | None
    message: str


class RateHistogram:
    """Counts over time, in a bounded number of bins; the bins get wider as time goes on."""

    def __init__(self, *, bins: int = BINS, width: float = 0.01) -> None:
        self.width: float = width
        self._bins = bins
        self.counts: list[int] = [0]

    def add(self, moment: float, count: int = 1) -> None:
        """Add ``count`` at ``moment`` seconds from the start."""
        while moment >= self.width * self._bins:
            pairs = [*self.counts, 0]
            self.counts = [pairs[place] + pairs[place + 1] for place in range(0, len(self.counts), 2)]
            self.width *= 2
        place = int(max(0.0, moment) / self.width)
        if place >= len(self.counts):
            self.counts += [0] * (place + 1 - len(self.counts))
        self.counts[place] += count


class RunStats:
    """A hook that collects statistics, and a place where outcomes are noted."""

    events = _LISTENS

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self.decided: RateHistogram = RateHistogram()
        self.throttled: RateHistogram = RateHistogram()
        self.statuses: dict[int, int] = {}
        self.buckets: list[int] = [0] * _BUCKETS
        self.slowest: float = 0.0
        self.retries: int = 0
        self.pauses: int = 0
        self.paused: float = 0.0
        self.codes: dict[tuple[str, str], int] = {}
        self.examples: dict[tuple[str, str], list[RejectedExample]] = {}
        self.undecided: list[RejectedExample] = []
        self.undecided_count: int = 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def __call__(self, event: Event, /) -> None:
        match event:
            case AttemptFinished(operation=operation, status=status, seconds=seconds):
                if operation.startswith("token."):
                    return
                self.statuses[status] = self.statuses.get(status, 0) + 1
                self.buckets[_bucket(seconds)] += 1
                self.slowest = max(self.slowest, seconds)
                if status == 429:
                    self.throttled.add(self.seconds)
            case RetryScheduled():
                self.retries += 1
            case Throttled(pause=pause):
                self.pauses += 1
                self.paused += pause
            case _:
                pass

    def count_decided(self, count: int = 1) -> None:
        """Count items that were decided."""
        self.decided.add(self.seconds, count)

    def record_rejected(self, kind: str, code: str, example: RejectedExample) -> None:
        """Record an item that was rejected."""
        if kind == "unknown":
            self.undecided_count += 1
            if len(self.undecided) < MOST_UNDECIDED:
                self.undecided.append(example)
            return
        name = (kind, code)
        if name not in self.codes and len(self.codes) >= MOST_CODES:
            name = (kind, "others")
        self.codes[name] = self.codes.get(name, 0) + 1
        some = self.examples.setdefault(name, [])
        if len(some) < EXAMPLES:
            some.append(example)

    def latency_quantile(self, share: float) -> float:
        """Return the seconds that this share of the attempts did not exceed, to within a quarter."""
        total = sum(self.buckets)
        left = ceil(total * share)
        for place, count in enumerate(self.buckets):
            left -= count
            if left <= 0 and total:
                return min(bucket_end(place), self.slowest)
        return 0.0


def _bucket(seconds: float) -> int:
    if seconds <= _SHORTEST:
        return 0
    return min(_BUCKETS - 1, ceil(log(seconds / _SHORTEST, _STEP)))


def bucket_end(place: int) -> float:
    """Return the longest time that belongs to a bucket."""
    return _SHORTEST * _STEP**place
