"""How many may be under way, by latency."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.ratelimit.adaptive_concurrency import FIRST, LEAST, AdaptiveConcurrency


def answers(limit: AdaptiveConcurrency, seconds: float, count: int) -> None:
    for _ in range(count):
        limit.answered(seconds, limit.limit)


def test_a_steady_latency_leaves_it_where_it_is() -> None:
    limit = AdaptiveConcurrency(50)
    answers(limit, 0.05, 2000)
    assert limit.limit == 50


def test_a_slow_api_lowers_it_and_recovery_raises_it() -> None:
    limit = AdaptiveConcurrency(50)
    answers(limit, 0.05, 1000)
    answers(limit, 1.0, 500)
    assert limit.limit < 20
    answers(limit, 0.05, 2000)
    assert limit.limit == 50


def test_an_api_that_became_slower_for_good_is_accepted() -> None:
    limit = AdaptiveConcurrency(50)
    answers(limit, 0.05, 1000)
    answers(limit, 0.5, 300)
    lowest = limit.limit
    answers(limit, 0.5, 10_000)
    assert lowest < limit.limit == 50


def test_answers_while_few_are_under_way_say_nothing() -> None:
    limit = AdaptiveConcurrency(50)
    answers(limit, 0.05, 500)
    for _ in range(1000):
        limit.answered(2.0, 1)
    assert limit.limit == 50


def test_after_an_outage_it_begins_with_one_and_doubles() -> None:
    limit = AdaptiveConcurrency(50)
    answers(limit, 0.05, 100)
    limit.restart()
    seen = [limit.limit]
    for _ in range(400):
        limit.answered(0.05, limit.limit)
        if limit.limit != seen[-1]:
            seen.append(limit.limit)
    assert seen == [1, 2, 4, 8, 16, 32, 50]


def test_a_slow_start_follows_what_was_accepted_and_slow_responses_hold_up_nobody() -> None:
    limit, seen = AdaptiveConcurrency(50, slow_start=True), list[int]()
    for number in range(150):
        seen.append(limit.limit)
        limit.answered(0.001 * number, 1)
    assert (seen[0], seen[30], seen[90], limit.limit, limit.is_slow_start) == (FIRST, 10, 30, 50, False)
    slow = AdaptiveConcurrency(50, slow_start=True)
    slow.hasten()
    assert slow.limit == 2 * FIRST
    slow.end_slow_start()
    assert (slow.limit, slow.is_slow_start) == (50, False)
    assert AdaptiveConcurrency(50).limit == 50


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(0, 100), st.booleans()), max_size=300),
)
def test_it_is_always_between_its_bounds(most: int, steps: list[tuple[float, int, bool]]) -> None:
    limit, restarted = AdaptiveConcurrency(most), False
    for seconds, in_flight, restart in steps:
        if restart and not restarted:
            limit.restart()
            restarted = True
        limit.answered(seconds, in_flight)
        assert (1 if restarted else min(LEAST, most)) <= limit.limit <= most
