"""Two nightly jobs at once: ``octoffm orders create`` twice with one file and one journal, and one of them killed.

A failure names its seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import Fault, SandboxProcess
from tests.behaviour.kills.test_kills import OPERATIONS
from tests.support.forks import OCTOFFM, Fork, Forks

pytestmark = pytest.mark.one_loop

COLUMNS = "reference,product,quantity,first_name,last_name,address_line1,postal_code,city,country_code"
OPTIONS = ["--map", "seller_product_reference=product", "--set", "delivery_mode=TrackedHomeDelivery"]
OPTIONS += ["--set", "storage_country=FR", "--journal", "orders.sqlite", "--patience", "1", "--json"]


class Event(msgspec.Struct):
    """A line of what the command prints."""

    event: str
    key: str = ""
    outcome: str = ""
    id: str | None = None
    counts: dict[str, int] = {}
    rows: int = 0
    run: str | None = None


class Job:
    """One process of the command, and what it printed."""

    def __init__(self, child: Fork) -> None:
        self.child = child
        self.events: list[Event] = []

    async def read(self, *, outcomes: float = float("inf")) -> None:
        """Read until it has printed so many outcomes, or has ended."""
        while len(self.outcomes) < outcomes and (line := await asyncio.to_thread(self.child.stdout.readline)):
            if line.endswith(b"\n"):  # else it was killed in the middle of it
                self.events.append(msgspec.json.decode(line, type=Event))

    async def end(self) -> int:
        await self.read()
        errors = (await asyncio.to_thread(self.child.stderr.read)).decode()
        assert "Traceback" not in errors
        return await asyncio.to_thread(self.child.wait)

    @property
    def outcomes(self) -> list[Event]:
        return [each for each in self.events if each.event == "outcome"]

    @property
    def created(self) -> set[str]:
        return {each.key for each in self.outcomes if each.outcome == "created"}

    def check(self, keys: set[str]) -> None:
        """One outcome for each order, and a summary that counts just these."""
        assert Counter(each.key for each in self.outcomes) == dict.fromkeys(keys, 1)
        (summary,) = [each for each in self.events if each.event == "summary"]
        assert Counter(each.outcome for each in self.outcomes) == {k: n for k, n in summary.counts.items() if n}
        assert summary.rows == len(keys)


class Night:
    """A file of orders, and the jobs that were started for it."""

    def __init__(self, forks: Forks, sandbox: SandboxProcess, folder: Path, *, count: int, limit: str) -> None:
        self.keys = {f"N-{number:05}" for number in range(count)}
        rows = [f"{key},SKU-000001,1,Ann,Doe,1 rue de la Paix,75001,Paris,FR" for key in sorted(self.keys)]
        (folder / "orders.csv").write_text("\n".join([COLUMNS, *rows]), encoding="utf-8")
        self.folder = folder
        self.sandbox = sandbox
        self.jobs: list[Job] = []
        self._forks = forks
        self._arguments = ["octoffm", "orders", "create", "orders.csv", *OPTIONS, "--rate", limit]

    async def start(self) -> Job:
        settings = {**self.sandbox.environment(), "OCTOFFM_STORE": "state.sqlite", "PATH": os.environ["PATH"]}
        child = await asyncio.to_thread(
            self._forks.start, "octoffm_async.cli.app:run", self._arguments, cwd=self.folder, env=settings
        )
        self.jobs.append(Job(child))
        return self.jobs[-1]

    async def check(self) -> None:
        """Each order exists once, was created by one job, and has one id in all that was told."""
        assert (await self.sandbox.effects())["outbound"] == dict.fromkeys(self.keys, 1)
        told = {(each.key, each.id) for job in self.jobs for each in job.outcomes}
        assert {key for key, _ in told} == self.keys
        assert len(told) == len({order_id for _, order_id in told}) == len(self.keys)
        ended = [job for job in self.jobs if job.events[-1].event == "summary"]  # killed ones tell before they write
        assert sum(len(job.created) for job in ended) == len(set().union(*(job.created for job in ended)))
        async with Journal.open(self.folder / "orders.sqlite", read_only=True) as journal:
            records = await journal.runs()
        assert sum(record.counts[State.CREATED] for record in records) == len(self.keys)
        assert sum(record.undecided for record in records) == 0
        runs = {job.events[-1].run for job in ended}
        assert runs <= {record.id for record in records}
        assert len(runs) == len(ended)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks(*OCTOFFM) as forks:
        yield forks


async def test_two_jobs_at_once_share_the_orders_and_each_tells_what_it_did(forks: Forks, tmp_path: Path) -> None:
    async with SandboxProcess(catalogue=1, stock=10_000) as sandbox:
        night = Night(forks, sandbox, tmp_path, count=700, limit="off")
        jobs = [await night.start(), await night.start()]
        assert await asyncio.gather(*(job.end() for job in jobs)) == [0, 0]
        for job in jobs:
            job.check(night.keys)
        await night.check()
        assert jobs[0].created | jobs[1].created == night.keys
        async with Journal.open(tmp_path / "orders.sqlite", read_only=True) as journal:
            counts = {record.id: record.counts[State.CREATED] for record in await journal.runs()}
        assert counts == {job.events[-1].run: len(job.created) for job in jobs}


async def test_one_job_goes_on_with_what_a_killed_one_had_in_hand(forks: Forks, tmp_path: Path) -> None:
    async with SandboxProcess(catalogue=1, stock=10_000) as sandbox:
        night = Night(forks, sandbox, tmp_path, count=120, limit="100/1")
        first, second = await night.start(), await night.start()
        await first.read(outcomes=10)
        first.child.kill()
        assert await asyncio.gather(first.end(), second.end()) == [-signal.SIGKILL, 0]
        second.check(night.keys)
        await night.check()


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_jobs_of_many_nights_that_are_killed_at_random(
    forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    kills = 0
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with SandboxProcess(catalogue=1, stock=10_000, seed=rng.randrange(1 << 32)) as sandbox:
            night = Night(forks, sandbox, folder, count=1000, limit="400/1")
            faults = {Fault.LATENCY: (0.3, 0.1), Fault.RESET_AFTER: 0.01, Fault.LATE_VISIBILITY: (0.1, 0.3)}
            await sandbox.set_fault_rates(faults, operations=OPERATIONS["outbound"])

            async def place(night: Night = night) -> None:
                nonlocal kills
                for _ in range(4):
                    job = await night.start()
                    await job.read(outcomes=rng.randrange(1, 120))
                    job.child.kill()
                    kills += await job.end() == -signal.SIGKILL

            await asyncio.gather(place(), place())
            last = [await night.start(), await night.start()]
            assert await asyncio.gather(*(job.end() for job in last)) == [0, 0]
            for job in last:
                job.check(night.keys)
            await night.check()
    with capsys.disabled():
        print(f"\nseed {seed}: {kills} kills of two jobs at a time, 10 files of 1,000 orders")
