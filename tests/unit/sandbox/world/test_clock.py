"""The clock runs by itself, at its speed, and jumps when told to."""

from datetime import UTC, datetime, timedelta

import pytest

from octoffm_async.sandbox import Clock


class Hand:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_starts_at_the_real_time_in_utc() -> None:
    before = datetime.now(UTC)
    now = Clock(speed=0).now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("speed", "elapsed"), [(1.0, 5.0), (60.0, 300.0), (0.0, 0.0)])
def test_runs_at_its_speed(speed: float, elapsed: float) -> None:
    hand = Hand()
    clock = Clock(speed=speed, monotonic=hand)
    start = clock.now()
    hand.at += 5
    assert clock.now() - start == timedelta(seconds=elapsed)
    assert clock.elapsed() == elapsed


def test_advance_adds_to_what_runs_and_notifies_the_listeners() -> None:
    hand = Hand()
    clock = Clock(monotonic=hand)
    seen: list[float] = []
    clock.on_advance(lambda: seen.append(clock.elapsed()))
    hand.at += 2
    clock.advance(10)
    clock.advance(0.5)
    assert seen == [12.0, 12.5]


def test_cannot_run_backwards() -> None:
    with pytest.raises(ValueError, match="speed = -1"):
        Clock(speed=-1)
    with pytest.raises(ValueError, match=r"seconds = -0\.1"):
        Clock().advance(-0.1)


@pytest.mark.parametrize("seconds", [1e12, 1e308])
def test_a_jump_past_the_last_date_is_refused_and_leaves_the_clock_as_it_was(seconds: float) -> None:
    clock = Clock(speed=0)
    clock.advance(86400 * 365 * 100)
    before = clock.now()
    with pytest.raises(ValueError, match="the clock ends with the year"):
        clock.advance(seconds)
    assert clock.now() == before
