"""A journal that another process writes, and one whose disk is full: told clearly, and nothing leaves unwritten."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from octoffm_async import Created, Failed, JournalInUseError, JournalWriteError, Outcome, Skipped
from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import Fault, SandboxProcess
from tests.behaviour.kills.test_kills import Campaign
from tests.support.forks import Forks
from tests.support.inside import JournaledJob
from tests.support.inside import sqlite_engine as store
from tests.support.items import all_of, orders, serving

pytestmark = pytest.mark.one_loop

HOLDER = """
import asyncio, sys
from octoffm_async.journal import Journal

async def main():
    async with Journal.open(sys.argv[1]):
        print("open", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, pages: int) -> Iterator[None]:
    """Let no database grow beyond so many pages."""
    real = store.schema.connect

    def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = real(path, read_only=read_only)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(store.schema, "connect", connect)
        yield


async def in_file(path: Path) -> set[str]:
    async with Journal.open(path, read_only=True) as journal:
        return {entry.key for run in await journal.runs() async for entry in journal.entries(run.id)}


async def test_a_journal_of_another_process_is_refused_and_free_when_that_is_killed(path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(path)), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"open\n"
        async with serving() as (sandbox, client):
            run = client.bulk.create_outbound(orders(3), journal=path)
            outcomes, error = await all_of(run)
            assert isinstance(error, JournalInUseError)
            assert f"is being written by process {child.pid}: wait until it ends" in str(error)
            assert "another file" not in str(error)  # which would not know what this one has sent
            assert outcomes == []
            assert sandbox.effects.outbound.total() == 0
            child.send_signal(signal.SIGKILL)
            await child.wait()
            outcomes, error = await all_of(client.bulk.create_outbound(orders(3), journal=path))
            assert error is None
            assert {type(outcome) for outcome in outcomes} == {Created}
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_of_two_processes_that_start_together_one_creates_all(tmp_path: Path) -> None:
    """Two whole runs at once on one journal: the loser says so and has sent nothing."""
    with Forks("tests.support.killed") as forks:
        async with SandboxProcess(catalogue=1, stock=1_000_000) as sandbox:
            campaign = Campaign(sandbox, forks, tmp_path, kind="outbound", count=40, rng=random.Random(1))
            reports = [report for report, _ in await asyncio.gather(*(campaign._run() for _ in range(2)))]
            assert all(report is not None for report in reports)
            lost = [report for report in reports if report is not None and "JournalInUseError" in report.error]
            assert len(lost) <= 1
            assert all(report.total == 0 for report in lost)
            await campaign.check(await campaign.end())


@pytest.mark.parametrize("pages", [16, 20, 24])
async def test_a_full_disk_ends_the_run_and_nothing_leaves_unwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    async with serving() as (sandbox, client):
        await client.check()
        sandbox.faults.set_rates({Fault.RESET_AFTER: 0.05}, operations=["outbound.create"])
        monkeypatch.setattr(JournaledJob, "look_ahead", 8)
        with full_disk(monkeypatch, pages):
            run = client.bulk.create_outbound(orders(600), journal=path, patience=0.2)
            outcomes, error = await all_of(run)
        assert isinstance(error, JournalWriteError), error
        assert "full" in str(error)
        assert 0 < sandbox.effects.outbound.total() < 600
        assert sandbox.effects.outbound.keys() <= await in_file(path)
        assert run.summary.total == len(outcomes) == len({outcome.key for outcome in outcomes})
        for outcome in outcomes:
            if isinstance(outcome, Failed | Skipped):
                assert sandbox.effects.outbound[outcome.key] == 0, outcome
        again, error = await all_of(client.bulk.create_outbound(orders(600), journal=path, patience=0.2))
        assert error is None
        assert_all_created(again, 600)
        assert set(sandbox.effects.outbound.values()) == {1}
    async with Journal.open(path, read_only=True) as journal:
        runs = await journal.runs()
    assert sum(run.counts[State.CREATED] for run in runs) == 600
    assert sum(run.undecided for run in runs) == 0


def assert_all_created(outcomes: list[Outcome], count: int) -> None:
    assert len(outcomes) == count
    assert all(isinstance(getattr(outcome, "earlier", outcome), Created) for outcome in outcomes)
