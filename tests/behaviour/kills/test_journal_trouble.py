"""A journal that another process writes too, and one whose disk is full: told clearly, and nothing leaves unwritten."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from octoffm_async import Created, Failed, JournalWriteError, Outcome, Skipped
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
from octoffm_async.journal import Journal, OutgoingItem, payload_hash

async def main():
    async with Journal.open(sys.argv[1]) as journal:
        journal_run = await journal.begin_run(seller="12345", operation="outbound.create")
        await journal_run.mark_sent([OutgoingItem("theirs", payload_hash(b"{}"), b"{}")])
        print("sent", flush=True)
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


async def test_a_run_goes_on_beside_another_process_and_takes_over_when_that_is_killed(path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(path)), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"sent\n"
        async with serving() as (sandbox, client):
            outcomes, error = await all_of(client.bulk.create_outbound(orders(3)[1:], journal=path, patience=0))
            assert error is None
            assert {type(outcome) for outcome in outcomes} == {Created}
            async with Journal.open(path) as journal:
                journal_run = await journal.begin_run(seller="12345", operation="outbound.create")
                assert await journal_run.undecided() == []  # the other process lives
                assert len(await journal_run.undecided_keys()) == 1
                child.send_signal(signal.SIGKILL)
                await child.wait()
                assert len(await journal_run.undecided()) == 1
            outcomes, error = await all_of(client.bulk.create_outbound(orders(3), journal=path, patience=0))
            assert error is None
            assert {type(outcome) for outcome in outcomes} == {Created, Skipped}
            assert sandbox.effects.outbound == {order.reference: 1 for order in orders(3)}
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_two_processes_that_start_together_share_the_work(tmp_path: Path) -> None:
    """Two whole runs at once on one journal: each tells the outcome of every order, and each order is sent once."""
    with Forks("tests.support.killed") as forks:
        async with SandboxProcess(catalogue=1, stock=1_000_000) as sandbox:
            campaign = Campaign(sandbox, forks, tmp_path, kind="outbound", count=40, rng=random.Random(1))
            reports = [report for report, _ in await asyncio.gather(*(campaign._run() for _ in range(2)))]
            outcomes = Counter[str]()
            for report in reports:
                assert report is not None
                assert (report.error, report.total) == ("", 40)
                outcomes.update(report.outcomes)
            assert outcomes == {"Created": 40, "Skipped Created": 40}
            await campaign.check(await campaign.end())


@pytest.mark.parametrize(
    "pages", [16, pytest.param(20, marks=pytest.mark.soak), pytest.param(24, marks=pytest.mark.soak)]
)
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
