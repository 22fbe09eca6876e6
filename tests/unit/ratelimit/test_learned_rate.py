"""The rate of a hidden limit, on a clock that is driven: found, held, followed when it changes, within its price."""

from __future__ import annotations

import random

import pytest

from octoffm_async.ratelimit.learned_rate import RATE_MOST, SECOND, LearnedRate
from octoffm_async.sandbox.http.rate_limit import SlidingLog

PROBE = SECOND // 2
START = 10**15


class Caller:
    """Calls at the learned rate, and as fast as it can without one; what it met is counted from ``reset`` on."""

    def __init__(self, log: SlidingLog, *, fastest: float = 500.0, seed: int = 1) -> None:
        self.log = log
        self.now = START
        self.rate = LearnedRate(resumed=START, second=START)
        self.fastest = fastest
        self.rng = random.Random(seed)
        self.reset()

    def reset(self) -> None:
        self.since, self.accepted, self.refused = self.now, 0, 0

    def run(self, seconds: float) -> None:
        until = self.now + int(seconds * SECOND)
        while self.now < until:
            if self.log.admit(self.now / SECOND) == 0.0:
                self.accepted += 1
                self.rate.count(1, self.now)
                if self.rate.blocked_at:
                    self.rate.resume(self.now)
                self.now += int(SECOND / min(self.rate.rate(self.now) or RATE_MOST, self.fastest))
            else:
                self.refused += 1
                self.rate.refuse(self.now)
                pause = self.rng.uniform(0.0, min(20.0, 0.1 * 2 ** (self.rate.throttlings - 1)))
                self.now += max(int(pause * SECOND), PROBE)

    @property
    def used(self) -> float:
        """The used part of the limit."""
        return self.accepted / ((self.now - self.since) / SECOND * self.log.most / self.log.period)


LIMITS = [(5, 1.0), (20, 1.0), (100, 1.0), (50, 10.0), (200, 10.0), (50, 60.0), (300, 60.0), (1200, 60.0)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("calls", "period"), LIMITS)
def test_a_hidden_limit_is_found_and_held(calls: int, period: float, seed: int) -> None:
    caller = Caller(SlidingLog(calls, period), seed=seed)
    caller.run(300)
    caller.reset()
    caller.run(600)
    assert caller.used >= 0.92
    assert caller.refused <= 0.02 * caller.accepted


@pytest.mark.parametrize("period", [1.0, 10.0, 60.0])
@pytest.mark.parametrize(("before", "after"), [(20, 5), (5, 20), (50, 5), (5, 50)])
def test_a_limit_that_changes_is_followed(before: int, after: int, period: float) -> None:
    caller = Caller(SlidingLog(int(before * period), period))
    caller.run(300)
    caller.log.most = int(after * period)
    caller.run(300)
    caller.reset()
    caller.run(600)
    assert caller.used >= 0.88
    assert caller.refused <= 0.02 * caller.accepted


def test_a_limit_that_ends_is_forgotten_within_minutes() -> None:
    caller = Caller(SlidingLog(20, 1.0))
    caller.run(300)
    caller.log.most = 10**6
    caller.run(300)
    caller.reset()
    caller.run(10)
    assert caller.accepted >= 0.9 * 10 * caller.fastest


class Unfair(SlidingLog):
    """A limit that refuses one call in a hundred, whatever the rate."""

    rng = random.Random(1)

    def admit(self, now: float) -> float:
        return 1.0 if self.rng.random() < 0.01 else super().admit(now)


def test_429s_that_have_nothing_to_do_with_the_rate_do_not_end_the_traffic() -> None:
    caller = Caller(Unfair(10**6, 1.0), fastest=50.0)
    caller.run(300)
    caller.reset()
    caller.run(600)
    assert caller.accepted >= 0.1 * 600 * caller.fastest


def test_a_client_that_was_idle_is_not_taken_for_a_slow_one() -> None:
    caller = Caller(SlidingLog(20, 1.0))
    for _ in range(60):
        caller.run(0.001)
        caller.now += 60 * SECOND
    caller.run(60)
    caller.reset()
    caller.run(60)
    assert caller.used >= 0.85
