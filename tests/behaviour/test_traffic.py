"""What is promised of traffic, in small: the simulations of ``benchmarks/traffic`` with fixed seeds."""

from __future__ import annotations

import pytest

from benchmarks.traffic import lanes, outage, quota, sellers
from benchmarks.traffic.quota import REFUSED_MOST, USED_LEAST, USED_LEAST_TOLD, Case
from octoffm_async import Limit

pytestmark = pytest.mark.one_loop

QUOTAS = [
    *(Case(5, 1.0), Case(20, 60.0, seed=3)),
    *(Case(20, 1.0, then=5), Case(5, 1.0, processes=4)),
]
MORE_QUOTAS = [
    *(Case(5, 10.0, then=20), Case(5, 60.0, processes=2)),
    *(Case(5, 60.0), Case(20, 10.0), Case(20, 60.0, then=5)),
    *(Case(5, 10.0, processes=8), Case(5, 60.0, processes=8)),
    Case(20, 1.0, ceiling=Limit(100_000)),  # which is of no use
]


@pytest.mark.parametrize(
    "case",
    [*QUOTAS, *(pytest.param(case, marks=pytest.mark.soak) for case in MORE_QUOTAS)],
    ids=lambda case: case.name,
)
def test_a_quota_that_nobody_announced_is_found_and_held(case: Case) -> None:
    found = quota.measure(case)
    assert found.used >= USED_LEAST
    assert found.refused <= REFUSED_MOST


@pytest.mark.parametrize("case", [Case(5, 1.0, told=True), Case(20, 10.0, told=True)], ids=lambda case: case.name)
def test_a_quota_that_was_announced_is_used_without_a_single_429(case: Case) -> None:
    found = quota.measure(case)
    assert found.used >= USED_LEAST_TOLD
    assert found.refusals == 0


@pytest.mark.parametrize("rate", [20, 100])
def test_interactive_calls_wait_less_than_an_interval_and_a_fifth_beside_a_bulk_run(rate: int) -> None:
    waits = lanes.measure(rate, calls=500)
    assert waits.p99 < lanes.WAIT_MOST
    assert waits.used >= 0.92


def test_bulk_keeps_its_share_when_interactive_calls_ask_for_everything() -> None:
    assert lanes.measure_flood(20, seconds=30.0).bulk == pytest.approx(0.25, abs=0.02)


def test_idle_sellers_cost_little_and_are_forgotten() -> None:
    memory = sellers.memory(300)
    assert memory.keys_idle >= 300
    assert memory.idle < 8192
    assert memory.keys_forgotten < 5
    assert memory.forgotten < 0.2 * memory.idle


def test_a_throttled_seller_does_not_slow_another() -> None:
    found = sellers.throttled()
    assert found.refused > 0
    assert found.beside >= 0.99 * found.alone


@pytest.mark.parametrize("work", ["orders", "look-ups"])
@pytest.mark.parametrize("way", outage.WAYS)
def test_an_outage_costs_little_and_ends_without_a_storm(work: outage.Work, way: outage.Way) -> None:
    found = outage.measure(outage.Outage(work, way, rate=5))
    assert found.extra <= 0.1
    assert found.first <= 1.0
    assert found.peak <= 1.0
    assert (found.failed, found.twice) == (0, 0)
    assert found.done + found.unknown == found.items
    if work == "look-ups" or way.startswith("refused"):
        assert found.unknown == 0
