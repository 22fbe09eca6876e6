"""The rate control alone: what it allows, by table and by property. Times are passed in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.ratelimit.adaptive_rate import (
    CUT,
    FLOWING,
    RATE_LEAST,
    RATE_MOST,
    STEADY,
    THROTTLINGS_KEPT,
    AdaptiveRate,
)

STEPS = st.lists(
    st.tuples(st.sampled_from(["accepted", "throttled"]), st.floats(0.0, 40.0), st.floats(0.0, 2.0)), max_size=200
)


def learned(
    rate: float, *, ceiling: float | None = None, seconds: int = 120, cold: bool = True
) -> tuple[AdaptiveRate, float]:
    """A control that had ``rate`` accepted per second, a 429 at the end, and was let go again; and the time then."""
    control = AdaptiveRate(ceiling)
    control.start = control.start if cold else None
    for number in range(round(rate * seconds)):
        control.accepted(epoch=control.epoch, sent_at=number / rate, now=number / rate)
    assert control.throttled(epoch=control.epoch, now=float(seconds))
    assert control.accepted(epoch=control.epoch, sent_at=seconds + 0.1, now=seconds + 0.1)
    return control, seconds + 0.1


def test_nothing_is_learned_before_the_first_429() -> None:
    for ceiling in (None, 20.0):
        control = AdaptiveRate(ceiling)
        for number in range(1000):
            control.accepted(epoch=control.epoch, sent_at=number / 10, now=number / 10)
        assert (control.rate(100.0), control.learned) == (ceiling, False)


@pytest.mark.parametrize("rate", [1.0, 5.0, 100.0])
def test_after_a_429_the_average_is_where_it_begins(rate: float) -> None:
    control, now = learned(rate)
    assert control.rate(now) == pytest.approx(rate * (1 - CUT), rel=0.03)
    assert control.learned


def test_it_grows_to_the_plateau_stays_there_and_then_probes_faster_and_faster() -> None:
    control, now = learned(50.0)
    rates = [control.rate(now + second) or 0.0 for second in range(120)]
    assert rates == sorted(rates)
    assert rates[8] == pytest.approx(50.0, rel=0.04)
    assert rates[16] / rates[0] < 1.05
    assert rates[119] > 500.0


@given(STEPS, st.none() | st.floats(0.1, 1000.0))
def test_the_rate_is_never_above_the_ceiling_nor_below_the_floor(
    steps: list[tuple[str, float, float]], ceiling: float | None
) -> None:
    control, now = AdaptiveRate(ceiling), 1000.0
    for kind, gap, age in steps:
        now += gap
        if kind == "accepted":
            control.accepted(epoch=control.epoch, sent_at=now - age, now=now)
        else:
            control.throttled(epoch=control.epoch, now=now)
        rate = control.rate(now)
        if rate is None:
            assert ceiling is None
            assert not control.learned or control.blocked_since is not None
        else:
            assert min(RATE_LEAST * (1 - CUT), ceiling or RATE_MOST) <= rate <= (ceiling or RATE_MOST)


def test_a_ceiling_that_falls_holds_at_once() -> None:
    control, now = learned(50.0)
    control.ceiling = 10.0
    assert control.rate(now + 5) == 10.0


def test_a_block_ends_only_by_a_request_that_was_sent_after_it_and_accepted() -> None:
    control, now = learned(50.0)
    before = control.epoch
    assert control.throttled(epoch=before, now=now + 1.1)
    assert not control.accepted(epoch=before, sent_at=now + 1.1, now=now + 1.1)
    assert control.blocked_since == now + 1.1
    assert control.accepted(epoch=control.epoch, sent_at=now + 1.2, now=now + 1.2)
    assert control.blocked_since is None


def test_429s_of_one_burst_count_once() -> None:
    control, now = learned(50.0)
    before = control.throttlings
    sent_in = control.epoch
    news = [control.throttled(epoch=sent_in, now=now + 1) for _ in range(10)]  # all in one turn of the loop
    assert news == [True] + [False] * 9
    assert control.throttlings == before + 1


def test_a_429_of_a_request_from_before_the_last_block_is_no_news() -> None:
    control, now = learned(50.0)
    rate = control.rate(now + 1)
    assert not control.throttled(epoch=0, now=now + 1)
    assert (control.rate(now + 1), control.blocked_since) == (rate, None)


def test_each_refused_probe_makes_the_next_pause_longer_and_what_is_accepted_shortens_it() -> None:
    control, now = learned(50.0)
    before = control.throttlings
    for number in range(8):
        assert control.throttled(epoch=control.epoch, now=now + 1.05 + number)
    series = before + 8
    assert control.throttlings == series
    for number in range(FLOWING):
        assert control.throttlings == series
        control.accepted(epoch=control.epoch, sent_at=now + 20 + number / 50, now=now + 20 + number / 50)
    control.accepted(epoch=control.epoch, sent_at=now + 20, now=now + 20)
    assert control.throttlings == THROTTLINGS_KEPT
    for number in range(2 * STEADY - FLOWING):
        control.accepted(epoch=control.epoch, sent_at=now + 20 + number / 50, now=now + 20 + number / 50)
    assert control.throttlings == THROTTLINGS_KEPT // 4


@pytest.mark.parametrize("seed", range(1, 13))
def test_429s_that_ignore_the_rate_do_not_bring_a_key_to_a_stand(seed: int) -> None:
    rng, control, now, accepted = random.Random(seed), AdaptiveRate(None), 0.0, 0
    while now < 120.0:
        rate = control.rate(now)
        now += 0.001 if rate is None else 1 / rate
        if rng.random() < 0.05:
            if control.throttled(epoch=control.epoch, now=now + 0.05):
                now += 0.05 + rng.uniform(0.0, min(20.0, 0.1 * 2 ** (control.throttlings - 1)))
        else:
            accepted += 1
            control.accepted(epoch=control.epoch, sent_at=now, now=now)
    assert accepted > 1000


def test_a_pause_before_a_429_is_not_taken_for_a_low_rate() -> None:
    control, now = learned(100.0, ceiling=1000.0)
    control.throttled(epoch=control.epoch, now=now + 1.0)
    now += 6.0
    control.accepted(epoch=control.epoch, sent_at=now, now=now)
    before = control.rate(now) or 0.0
    control.throttled(epoch=control.epoch, now=now + 0.2)
    control.accepted(epoch=control.epoch, sent_at=now + 0.3, now=now + 0.3)
    assert (control.rate(now + 0.3) or 0.0) >= 0.8 * before


def test_early_429s_cut_more_and_more_but_never_below_the_average() -> None:
    control, now = learned(100.0)
    control.ceiling = 1000.0
    rates: list[float] = []
    for _ in range(6):
        control.throttled(epoch=control.epoch, now=now + 0.55)
        now += 0.6
        control.accepted(epoch=control.epoch, sent_at=now, now=now)
        rates.append(control.rate(now) or 0.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] >= 0.9 * 100 * (1 - CUT)


def rate_after_early_block(probes: int) -> float:
    """What is left of 100 per second after five early 429s and a block in which so many probes were refused, too."""
    control, now = learned(100.0, seconds=3, cold=False)
    for _ in range(5):
        now += 0.3
        control.throttled(epoch=control.epoch, now=now + 0.05)
        now += 0.2
        control.accepted(epoch=control.epoch, sent_at=now, now=now)
    for number in range(60):
        control.accepted(epoch=control.epoch, sent_at=now + number / 30, now=now + number / 30)
    for number in range(1 + probes):
        control.throttled(epoch=control.epoch, now=now + 2.05 + number)
    now += 6
    control.accepted(epoch=control.epoch, sent_at=now, now=now)
    return control.rate(now) or 0.0


def test_a_block_that_meets_probe_after_probe_cuts_more_than_a_429_that_may_be_chance() -> None:
    chance, once, row = map(rate_after_early_block, (0, 1, 3))
    assert row < 0.8 * chance
    assert once == pytest.approx(chance, rel=0.1)


def grown_within_a_minute(control: AdaptiveRate, now: float) -> float:
    return (control.rate(now + 60) or 0.0) / (control.rate(now) or 1.0)


def test_a_window_that_had_slack_for_far_more_than_its_average_is_probed_more_slowly() -> None:
    steady, now = learned(10.0)
    known = grown_within_a_minute(steady, now)
    slack, then = learned(10.0)
    for second in range(50):  # most at the end: accepted all the same, so the window is long
        for _ in range(1 if second < 45 else 40):
            slack.accepted(epoch=slack.epoch, sent_at=then + second, now=then + second)
    slack.throttled(epoch=slack.epoch, now=then + 50.1)
    slack.accepted(epoch=slack.epoch, sent_at=then + 50.5, now=then + 50.5)
    assert grown_within_a_minute(slack, then + 50.5) < known / 2


def test_a_block_longer_than_what_was_sent_before_it_brings_the_rate_down_to_the_average_at_once() -> None:
    control, now = learned(100.0)
    for second in range(1, 63):
        control.throttled(epoch=control.epoch, now=now + second + 0.05)
    control.accepted(epoch=control.epoch, sent_at=now + 64, now=now + 64)
    assert (control.rate(now + 64) or 0.0) < 10.0


def test_a_rate_that_was_allowed_but_not_used_is_not_what_was_refused() -> None:
    control = AdaptiveRate(100_000.0)
    for number in range(100):
        control.accepted(epoch=control.epoch, sent_at=number / 100, now=number / 100)
    control.throttled(epoch=control.epoch, now=1.05)
    control.accepted(epoch=control.epoch, sent_at=1.5, now=1.5)
    assert (control.rate(1.5) or 0.0) < 250.0
