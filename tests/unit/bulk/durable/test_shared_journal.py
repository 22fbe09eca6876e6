"""Runs that share a journal within one process, at the same time, on the same keys. Virtual time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Created, FulfillmentClient, Outcome, Skipped, Unknown
from tests.support.crashing import Fate, Remote, SteppedJournal, Trouble, World
from tests.support.items import IN_MEMORY, all_of, order
from tests.unit.bulk.durable.test_crash_model import FATES, LIVES, PATIENCE, check_all, check_once, creating
from tests.unit.sizes import tries

pytestmark = pytest.mark.one_loop

RunEnd = tuple[list[Outcome], Exception | None]

SOME = st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)


def together(inputs: list[list[int]], pauses: list[float]) -> Any:
    """Runs over orders of these numbers, one call at a time, each begun after so many seconds."""

    async def main(client: FulfillmentClient, journal: SteppedJournal) -> list[RunEnd]:
        async def one(numbers: list[int], pause: float) -> RunEnd:
            await asyncio.sleep(pause)
            items = [order(f"O-{number}") for number in numbers]
            return await all_of(client.bulk.create_outbound(items, journal=journal, patience=PATIENCE, concurrency=1))

        return await asyncio.gather(*map(one, inputs, pauses))

    return main


@settings(max_examples=tries(60))
@given(
    st.lists(st.lists(FATES, max_size=3), min_size=4, max_size=4),
    st.lists(SOME, min_size=2, max_size=3),
    st.lists(st.floats(0, 7) | st.floats(0, 0.05), min_size=3, max_size=3),
    st.none() | st.integers(0, 120),
)
def test_runs_on_the_same_keys_create_exactly_one_of_each(
    troubles: list[list[Fate]], inputs: list[list[int]], pauses: list[float], crash: int | None
) -> None:
    remote = Remote({f"O-{number}": fates for number, fates in enumerate(troubles)})
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        world = World(remote, Path(folder) / "orders.sqlite")
        with world.in_its_time():
            if crash is not None:
                world.live(creating(4, 2), steps=crash)
            ends = world.live(together(inputs, pauses))
            check_once(world)
            for numbers, (outcomes, error) in zip(inputs, ends, strict=False):
                assert error is None
                assert sorted(outcome.key for outcome in outcomes) == sorted(f"O-{number}" for number in numbers)
            for _ in range(LIVES):
                outcomes, summary = world.live(creating(4, 2))
                check_once(world)
                if not any(isinstance(outcome, Unknown) for outcome in outcomes):
                    break
                world.settle_absent(outcomes)
            check_all(world, outcomes, summary, 4)


def test_runs_on_other_keys_do_not_disturb_each_other(tmp_path: Path) -> None:
    remote = Remote({"O-2": [Fate(Trouble.RESET_AFTER, 0.5)], "O-0": [Fate(Trouble.STALL)]})
    world = World(remote, tmp_path / "orders.sqlite")
    with world.in_its_time():
        ends = world.live(together([[0, 1], [2, 3], [4]], [0.0, 0.005, 20.0]))
    check_once(world)
    assert remote.effects.keys() == {f"O-{number}" for number in range(5)}
    assert [error for _, error in ends] == [None] * 3


def test_a_key_whose_request_another_run_lost_is_not_sent_again(tmp_path: Path) -> None:
    remote = Remote({"O-0": [Fate(Trouble.RESET_AFTER, 4.0)], "O-1": [Fate(Trouble.STALL)]})
    world = World(remote, tmp_path / "orders.sqlite")
    with world.in_its_time():
        world.live(together([[1, 0], [0]], [0.0, 0.1]))
    check_once(world)


def test_a_key_that_another_run_created_meanwhile_is_skipped(tmp_path: Path) -> None:
    world = World(Remote({"O-1": [Fate(Trouble.STALL)]}), tmp_path / "orders.sqlite")
    with world.in_its_time():
        first, second = world.live(together([[1, 0], [0]], [0.0, 0.1]))
    assert (first[1], second[1]) == (None, None)
    assert {outcome.key: type(outcome) for outcome in first[0]} == {"O-0": Created, "O-1": Created}
    assert {outcome.key: type(outcome) for outcome in second[0]} == {"O-0": Skipped}


def test_runs_that_reconcile_the_same_key_at_once_agree(tmp_path: Path) -> None:
    world = World(Remote({"O-0": [Fate(Trouble.RESET_AFTER, 2.0)]}), tmp_path / "orders.sqlite")
    with world.in_its_time():
        first, second = world.live(together([[0], [1]], [0.0, 0.5]))
    assert first == ([Created(key="O-0", id="S-0")], None)
    assert second == ([Created(key="O-1", id="S-1")], None)


def test_leftovers_of_a_crash_are_reconciled_by_one_of_two_runs(tmp_path: Path) -> None:
    world = World(Remote({"O-0": [Fate(Trouble.RESET_BEFORE)]}), tmp_path / "orders.sqlite")
    with world.in_its_time():
        step = 0
        while not world.remote.departed:
            step += 1
            world.live(creating(1, 1), steps=step)
        (_, one), (_, other) = world.live(together([[0], [1]], [0.0, 0.005]))
        assert (one, other) == (None, None)
    check_once(world)
    assert world.remote.effects == {"O-0": 1, "O-1": 1}
