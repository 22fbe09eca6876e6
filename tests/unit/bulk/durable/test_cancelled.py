"""Runs that are cancelled at any moment and resumed: exactly one of each, and no outcome lost or doubled.

Virtual time.
"""

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
from tests.support.items import IN_MEMORY, Counted, orders
from tests.unit.bulk.durable.test_crash_model import FATES, LIVES, PATIENCE, check_all, check_once, creating
from tests.unit.sizes import tries

MOMENTS = st.lists(st.floats(0.0, 20.0) | st.floats(0.0, 0.1) | st.integers(1, 12), max_size=4)
"""When a run is cut short: after so many seconds, or (a whole number) when so many creations have left."""


class Cut:
    """What a run that was cut short gave: all its outcomes, how many items it read, and how long it took to end."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.total = 0
        self.read = 0
        self.cancelled = False
        self.began = self.ending = 0.0


def cutting(world: World, count: int, moment: float, drain: float, *, stop: bool) -> Any:
    """Cancel (or stop) a run at a moment."""
    remote = world.remote

    async def main(client: FulfillmentClient, journal: SteppedJournal) -> Cut:
        now = asyncio.get_running_loop().time
        cut, source = Cut(), Counted(orders(count))
        run = client.bulk.create_outbound(source, journal=journal, patience=PATIENCE, concurrency=2, drain=drain)

        async def consume() -> None:
            async with run:
                async for outcome in run:
                    cut.outcomes.append(outcome)

        def end() -> None:
            cut.began, cut.cancelled = now(), True
            if stop:
                run.stop()
            else:
                task.cancel()

        task = asyncio.create_task(consume())
        cut.began = now()
        if isinstance(moment, int):
            remote.departures = {remote.departed + moment: end}
        else:
            asyncio.get_running_loop().call_later(moment, lambda: task.done() or end())
        await asyncio.wait([task])
        remote.departures = {}
        cut.ending = now() - cut.began
        cut.outcomes += run.leftover
        cut.total, cut.read = run.summary.total, source.read
        return cut

    return main


@pytest.mark.one_loop
@settings(max_examples=tries(80))
@given(st.lists(st.lists(FATES, max_size=3), min_size=1, max_size=6), MOMENTS, st.sampled_from([0.0, 0.05, 8.0]))
def test_cancelled_runs_lose_nothing(troubles: list[list[Fate]], moments: list[float], drain: float) -> None:
    count = len(troubles)
    remote = Remote({f"O-{number}": fates for number, fates in enumerate(troubles)})
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        world = World(remote, Path(folder) / "orders.sqlite")
        with world.in_its_time():
            for moment in moments:
                cut: Cut = world.live(cutting(world, count, moment, drain, stop=False))
                check_once(world)
                assert len(cut.outcomes) == len({outcome.key for outcome in cut.outcomes}) == cut.total == cut.read
                assert cut.ending <= drain + 0.001 or not cut.cancelled
                for outcome in cut.outcomes:
                    if isinstance(outcome, Created):
                        assert remote.effects[outcome.key] == 1
            for _ in range(LIVES):
                outcomes, summary = world.live(creating(count, 2))
                if not any(isinstance(outcome, Unknown) for outcome in outcomes):
                    break
                world.settle_absent(outcomes)
            check_all(world, outcomes, summary, count)


@pytest.mark.one_loop
@settings(max_examples=tries(80))
@given(st.lists(st.lists(FATES, max_size=3), min_size=1, max_size=6), st.floats(0.0, 20.0) | st.integers(1, 12))
def test_stopped_runs_account_for_every_item_they_read(troubles: list[list[Fate]], moment: float) -> None:
    count = len(troubles)
    remote = Remote({f"O-{number}": fates for number, fates in enumerate(troubles)})
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        world = World(remote, Path(folder) / "orders.sqlite")
        with world.in_its_time():
            cut: Cut = world.live(cutting(world, count, moment, 30.0, stop=True))
            check_once(world)
    assert len(cut.outcomes) == len({outcome.key for outcome in cut.outcomes}) == cut.total == cut.read
    for outcome in cut.outcomes:
        assert not (isinstance(outcome, Skipped) and remote.effects[outcome.key])


@pytest.mark.one_loop
@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("nth", range(1, 13))
def test_a_run_that_is_cut_short_while_it_sends_again_accounts_for_every_item(
    tmp_path: Path, *, stop: bool, nth: int
) -> None:
    remote = Remote({f"O-{number}": [Fate(Trouble.RESET_BEFORE)] for number in range(20)})
    world = World(remote, tmp_path / "orders.sqlite")
    with world.in_its_time():
        cut: Cut = world.live(cutting(world, 20, 20 + nth, 0.0, stop=stop))
        assert cut.cancelled
        assert sorted(outcome.key for outcome in cut.outcomes) == sorted(f"O-{number}" for number in range(20))
        assert cut.total == 20
        outcomes, summary = world.live(creating(20, 2))
        check_all(world, outcomes, summary, 20)
