"""The simulation of a fleet, held against the policy that :mod:`octoffm_async.cluster.scheduling` describes."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet_simulation import Policy, Seller, simulate
from octoffm_async.cluster.scheduling import LONGEST_PAUSE, MAX_CHUNK_ATTEMPTS, chunk_backoff

COUNT = 10_000
PLACES = 256
LARGE = [number for number in range(COUNT) if number % 100 == 0]
LATE = [number for number in range(COUNT) if number % 100 == 1]
SLOW = [number for number in range(COUNT) if number % 10 == 2]
SMALL = [number for number in range(COUNT) if number % 100 > 1 and number % 10 != 2]


def fleet(*, slow: float = 25.0) -> list[Seller]:
    """A hundredth has a hundred times as much, another hundredth comes late, a tenth may be slow."""
    return [
        Seller(
            chunks=200 if number % 100 == 0 else 2,
            seconds=slow if number % 10 == 2 else 25.0,
            arrives=4000.0 if number % 100 == 1 else 0.0,
        )
        for number in range(COUNT)
    ]


def test_turns_come_round_so_large_sellers_wait_as_long_as_small_ones() -> None:
    seen = simulate(fleet(), places=PLACES)
    small, large = seen.waits(SMALL), seen.waits(LARGE)
    one_round = COUNT / PLACES * 25.0
    assert abs(small[0] - large[0]) < 0.02 * one_round
    assert max(small[2], large[2]) <= 1.05 * one_round  # nobody ever waits longer than one round
    assert seen.waits(LATE)[2] <= one_round


def test_serving_files_as_they_came_makes_all_wait_for_all() -> None:
    files, turns = simulate(fleet(), places=PLACES, policy="files"), simulate(fleet(), places=PLACES)
    assert files.waits(SMALL)[0] > 2 * turns.waits(SMALL)[0]
    assert abs(files.seconds - turns.seconds) < 0.1 * turns.seconds  # the same work


def test_short_turns_keep_places_from_sellers_with_low_limits() -> None:
    whole = simulate(fleet(slow=500.0), places=PLACES, slice_after=None)
    short = simulate(fleet(slow=500.0), places=PLACES)
    assert whole.waits(SMALL)[0] > 2 * short.waits(SMALL)[0]
    assert mean(whole.fates[number].last for number in SMALL) > 2 * mean(short.fates[number].last for number in SMALL)
    assert short.seconds <= whole.seconds
    assert short.busy >= whole.busy


@pytest.mark.parametrize(("policy", "starved"), [("numbers", True), ("turns", False)])
def test_numbers_as_priority_let_those_who_come_late_go_before_everybody(policy: Policy, *, starved: bool) -> None:
    early = [Seller(chunks=200) for _ in range(64)]
    late = [Seller(chunks=100, arrives=5000.0) for _ in range(64)]
    seen = simulate(early + late, places=16, policy=policy)
    longest = seen.waits(range(64))[2]
    caught_up = 64 * 50 * 25.0 / 16
    assert (longest >= caught_up) is starved
    assert starved or longest <= 2 * 64 / 16 * 25.0


@given(
    sellers=st.lists(
        st.builds(
            Seller,
            chunks=st.integers(0, 5),
            seconds=st.sampled_from([1.0, 7.0, 45.0]),
            arrives=st.sampled_from([0.0, 3.0, 50.0]),
        ),
        max_size=12,
    ),
    places=st.integers(1, 4),
    slice_after=st.sampled_from([None, 2.0, 30.0]),
    policy=st.sampled_from(["files", "numbers", "turns"]),
)
def test_all_work_is_done_once_and_places_are_never_idle_for_nothing(
    sellers: list[Seller], places: int, slice_after: float | None, policy: Policy
) -> None:
    seen = simulate(sellers, places=places, policy=policy, slice_after=slice_after)
    work = sum(seller.chunks * seller.seconds for seller in sellers)
    assert seen.busy * places * seen.seconds == pytest.approx(work)
    for seller, fate in zip(sellers, seen.fates, strict=True):
        if seller.chunks:
            assert fate.last >= seller.chunks * seller.seconds - 1e-6
            assert fate.first <= fate.longest
            assert fate.longest <= work + 50.0


def test_pauses_grow_and_end() -> None:
    assert [chunk_backoff(tries) for tries in range(1, 7)] == [2.0, 8.0, 32.0, 128.0, 300.0, 300.0]
    assert chunk_backoff(MAX_CHUNK_ATTEMPTS + 40) == LONGEST_PAUSE
