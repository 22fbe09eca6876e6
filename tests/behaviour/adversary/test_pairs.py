"""Two lies at a time, drawn at random: by the library, by single calls, with kills, and by the command.

The whole of it is left to the soak, once with journals in files and once in PostgreSQL; a failure names its seed.
``OCTOFFM_PAIRS`` is how many pairs it tries, and ``OCTOFFM_SEED`` which ones. A few commands are in every run.

Answers that are out of step on their connection are drawn like all others, and tried with kills in each soak. Whether
an id is the order's own is not judged where another lie of the pair allows that orders stay Unknown: the list, by
which it would be seen, is not true then. Whether the order exists is judged always.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers import PostgresServer
from tests.support.forks import OCTOFFM, Forks

from .campaign import by_bulk, by_calls, campaign
from .judge import Finding
from .lies.catalogue import PROVABLE, named
from .lies.lie import Lie
from .processes import by_command, by_process, killed

pytestmark = pytest.mark.one_loop

PAIRS = int(os.environ.get("OCTOFFM_PAIRS", "200"))
TOGETHER = 8
KILLS = 4
WORSE_WITH_KILLS = ("shifted", "old_date_cache")
"""Lies that led killed runs to what a run that lives to its end was not led to."""
TIMES_WORSE = 4


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.behaviour.adversary.processes", *OCTOFFM) as forks:
        yield forks


Journals = Callable[[], AbstractContextManager[str]]
"""The address of a new journal, empty for a file in the trial's folder."""
numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def journals(request: pytest.FixtureRequest) -> Journals:
    if request.param == "sqlite":
        return partial(nullcontext, "")
    server: PostgresServer = request.getfixturevalue("postgres_server")

    @contextmanager
    def database() -> Iterator[str]:
        name = f"adversary_{next(numbers)}"
        yield server.address(name)
        server.drop(name)

    return database


async def found(
    pairs: list[tuple[Lie, ...]], folder: Path, rng: random.Random, journals: Journals, **how: Any
) -> list[Finding]:
    """What is found of each pair. Those that move our own clock, which is this process's, are tried one by one."""
    turns = asyncio.Semaphore(TOGETHER)

    async def one(number: int, lies: tuple[Lie, ...]) -> Finding:
        own = folder / str(number)
        own.mkdir()
        async with turns:
            with journals() as journal:
                return await campaign(lies, own, seed=seeds[number], journal=journal, **how)

    seeds = [rng.randrange(1 << 32) for _ in pairs]
    moves_clock = {n for n, lies in enumerate(pairs) if any("ours" in lie.hooks for lie in lies)}
    findings = await asyncio.gather(*[one(n, lies) for n, lies in enumerate(pairs) if n not in moves_clock])
    return findings + [await one(n, pairs[n]) for n in moves_clock]


CUT_ALIKE = {"lost_not_listed", "count_missing"}
"""A list that leaves lost orders out, of which no count tells: like a list and a count that are cut alike, no client
sees through them together."""


def drawn(count: int, rng: random.Random) -> list[tuple[Lie, ...]]:
    pairs: list[tuple[Lie, ...]] = []
    while len(pairs) < count:
        pair = tuple(rng.sample(PROVABLE, 2))
        if {lie.name for lie in pair} != CUT_ALIKE:
            pairs.append(pair)
    return pairs


def judged(findings: list[Finding], seed: int) -> None:
    faults = [str(finding) for finding in findings if finding.faults]
    assert not faults, "\n".join([f"seed {seed}: {len(faults)} of {len(findings)}", *faults])


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("OCTOFFM_SEED") or random.randrange(1 << 32))
    print(f"seed {seed}")
    return seed


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("way", "share"), [(by_bulk, 0.6), (by_calls, 0.15)])
async def test_pairs_lead_to_nothing_wrong(
    tmp_path: Path, seed: int, journals: Journals, way: Any, share: float
) -> None:
    rng = random.Random(seed)
    judged(await found(drawn(round(PAIRS * share), rng), tmp_path, rng, journals, way=way), seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_pairs_lead_to_nothing_wrong_through_kills(
    forks: Forks, tmp_path: Path, seed: int, journals: Journals
) -> None:
    rng = random.Random(seed)
    pairs = drawn(round(PAIRS * 0.25), rng) + [tuple(named(name)) for name in WORSE_WITH_KILLS] * TIMES_WORSE
    before = killed(forks, kills=KILLS, rng=rng)
    judged(await found(pairs, tmp_path, rng, journals, way=by_process(forks), before=before), seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_runs_that_are_killed_while_rows_move_between_pages_leave_one_of_each(
    forks: Forks, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    how = {"before": killed(forks, kills=12, rng=rng, patience=4.0), "way": by_process(forks, patience=4.0)}
    findings = [
        await campaign(named("moving_in_25s"), tmp_path, seed=rng.randrange(1 << 32), count=300, **how)  # type: ignore[arg-type]
    ]
    judged(findings, seed)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_command_is_led_to_nothing_wrong(forks: Forks, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [lies for lies in drawn(round(PAIRS * 0.2), rng) if not any("ours" in lie.hooks for lie in lies)]
    judged(await found(pairs, tmp_path, rng, partial(nullcontext, ""), way=by_command(forks), plain=True), seed)


@pytest.mark.parametrize("name", ["empty", "upper", "login_page"])
async def test_the_command_is_not_led_to_anything_wrong_by_a_lie(forks: Forks, tmp_path: Path, name: str) -> None:
    finding = await campaign(named(name), tmp_path, seed=7, way=by_command(forks), plain=True, count=20)
    assert not finding.faults, str(finding)
