"""A run is crashed at a chosen step of the event loop, and run again, until one ends: exactly one of each exists.

The steps of the loop, the troubles of each creation and how late each becomes visible are chosen by hypothesis, so a
failure shrinks to the crash that matters.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoffm_async import Created, FulfillmentClient, Outcome, Skipped, Summary, Unknown
from octoffm_async.journal import State
from tests.support.crashing import Fate, Remote, SteppedJournal, Trouble, World, ended
from tests.support.items import IN_MEMORY, orders
from tests.unit.sizes import THOROUGH, tries

PATIENCE = 5.0
LIVES = 8

FATES = st.builds(Fate, st.sampled_from(Trouble), st.sampled_from([0.0, 0.5, 4.0]))
TROUBLES = st.lists(st.lists(FATES, max_size=3), min_size=1, max_size=5)
CRASHES = st.lists(st.integers(0, 250), max_size=4)
PAUSES = st.sampled_from([0.0, 1.0, 100.0])


def creating(count: int, concurrency: int) -> Any:
    async def main(client: FulfillmentClient, journal: SteppedJournal) -> tuple[list[Outcome], Summary]:
        run = client.bulk.create_outbound(
            orders(count), journal=journal, patience=PATIENCE, concurrency=concurrency, drain=5.0
        )
        return await ended(run)

    return main


def check_once(world: World) -> None:
    assert {key: count for key, count in world.remote.effects.items() if count > 1} == {}


def check_all(world: World, outcomes: list[Outcome], summary: Summary, count: int) -> None:
    """Every item exists once and is decided, here and in the journal."""
    keys = [f"O-{number}" for number in range(count)]
    ids = {shipment.reference: shipment.id for shipment in world.remote.shipments}
    assert sorted(outcome.key for outcome in outcomes) == sorted(keys)
    assert summary.total == count
    assert world.remote.effects == dict.fromkeys(keys, 1)
    for outcome in outcomes:
        created = outcome.earlier if isinstance(outcome, Skipped) else outcome
        assert created == Created(key=outcome.key, id=ids[outcome.key])

    async def counts(client: FulfillmentClient, journal: SteppedJournal) -> int:
        runs = await journal.runs()
        assert sum(run.undecided for run in runs) == 0
        return sum(run.counts[State.CREATED] for run in runs)

    assert world.live(counts) == count


def survive(troubles: list[list[Fate]], crashes: list[int], concurrency: int, pause: float) -> None:
    count = len(troubles)
    remote = Remote({f"O-{number}": fates for number, fates in enumerate(troubles)})
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        world = World(remote, Path(folder) / "orders.sqlite")
        with world.in_its_time():
            for steps in crashes:
                world.live(creating(count, concurrency), steps=steps)
                check_once(world)
                world.now += pause
            for _ in range(LIVES):
                outcomes, summary = world.live(creating(count, concurrency))
                check_once(world)
                if not any(isinstance(outcome, Unknown) for outcome in outcomes):
                    break
                world.settle_absent(outcomes)
            check_all(world, outcomes, summary, count)


@pytest.mark.one_loop
@settings(max_examples=tries(120), suppress_health_check=[HealthCheck.too_slow])
@given(TROUBLES, CRASHES, st.integers(1, 3), PAUSES)
def test_a_crash_at_any_step_leaves_exactly_one_of_each(
    troubles: list[list[Fate]], crashes: list[int], concurrency: int, pause: float
) -> None:
    survive(troubles, crashes, concurrency, pause)


@pytest.mark.soak
@pytest.mark.one_loop
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, suppress_health_check=[HealthCheck.too_slow])
@given(TROUBLES, CRASHES, st.integers(1, 3), PAUSES)
def test_many_crashes_leave_exactly_one_of_each(
    troubles: list[list[Fate]], crashes: list[int], concurrency: int, pause: float
) -> None:
    survive(troubles, crashes, concurrency, pause)


@pytest.mark.one_loop
def test_each_step_of_a_run_is_a_place_to_crash() -> None:
    """Every third step, or, thoroughly, every single one, of a run with every trouble in it and of the run after it."""
    troubles = [[Fate(Trouble.RESET_AFTER, 0.5)], [Fate(Trouble.ERROR)], [Fate(Trouble.NONE, 4.0)]]
    step = 0
    while True:
        remote = Remote({f"O-{number}": fates for number, fates in enumerate(troubles)})
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            world = World(remote, Path(folder) / "orders.sqlite")
            with world.in_its_time():
                first = world.live(creating(3, 2), steps=step)
                world.live(creating(3, 2), steps=step // 2)
                check_once(world)
                outcomes, summary = world.live(creating(3, 2))
                if summary.unknown:
                    check_once(world)
                    world.settle_absent(outcomes)
                    outcomes, summary = world.live(creating(3, 2))
                check_all(world, outcomes, summary, 3)
        if first is not None:
            break
        step += 1 if THOROUGH else 3
    assert step > 50
