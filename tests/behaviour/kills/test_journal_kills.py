"""Processes over one journal are stopped at chosen instants, for longer than their leases, or killed.

Another one goes on with their items. When a stopped one wakes up, it finds that it may not send any more.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.servers import PostgresServer
from octoffm_async import Created, Skipped
from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import SandboxProcess
from tests.support.forks import Fork, Forks
from tests.support.inside import outgoing_items_of
from tests.support.items import all_of, order
from tests.support.out_of_step import Api, Link, speaking
from tests.support.stopping import INSTANTS, STOPPING, Plan, Report

pytestmark = pytest.mark.one_loop

AFTER = {"before sent": 1, "after sent": 1, "before write": 9, "after write": 5, "before settle": 1}
"""Of the times that each instant comes, the one at which a process stops."""
SHORT, LONG = 2.0, 6.0
"""Seconds of the lease of a process that is stopped, which others wait for, and of one that goes on."""
PATIENCE = 2.0
"""Seconds within which, however busy the machine is, a process that goes on reads the list while no other one sends."""


def keys_of(instant: str) -> list[str]:
    """References of which none is the beginning of another: a killed batch may show the shorter ones only."""
    return [f"{instant}-{number:02}" for number in range(40)]


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[SandboxProcess, dict[str, str]]]:
    async with SandboxProcess(catalogue=1, stock=10_000_000) as sandbox:
        config = sandbox.config()
        yield (
            sandbox,
            {
                "client_id": config.client_id,
                "client_secret": config.secret.reveal(),
                "seller_id": config.seller_id or "",
                "base_url": config.base_url,
                "token_url": config.token_url,
            },
        )


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.support.stopping") as forks:
        yield forks


async def started(forks: Forks, plan: Plan) -> Fork:
    arguments = ["stopping", msgspec.json.encode(plan).decode()]
    return await asyncio.to_thread(forks.start, "tests.support.stopping:work", arguments)


async def read_with_limit(child: Fork, read: Callable[[], bytes]) -> bytes:
    """What it says within a time; without it, it is killed."""
    deadline = asyncio.get_running_loop().call_later(50, child.kill)
    try:
        return await asyncio.to_thread(read)
    except asyncio.CancelledError:
        child.kill()  # another one failed: the thread that reads would wait for this one
        raise
    finally:
        deadline.cancel()


async def report_of(child: Fork) -> Report:
    output = await read_with_limit(child, child.stdout.read)
    print((await read_with_limit(child, child.stderr.read)).decode(), end="")
    assert await asyncio.to_thread(child.wait) == 0
    return msgspec.json.decode(output, type=Report)


async def stopped(forks: Forks, plan: Plan) -> Fork:
    """A process that has come to its instant."""
    child = await started(forks, plan)
    assert await read_with_limit(child, child.stdout.readline) == STOPPING, plan.instant
    return child


async def creations(sandbox: SandboxProcess) -> int:
    """How many have come so far, all that were refused or failed among them."""
    total: int = (await sandbox.stats())["by_operation"]["outbound.create"]
    return total


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a journal."""
    if request.param == "sqlite":
        return str(tmp_path / "orders.sqlite")
    address: str = request.getfixturevalue("postgres")
    return address


async def check(address: str, sandbox: SandboxProcess, keys: list[str]) -> None:
    """Exactly one of each, and the journal knows of all of them."""
    effects = (await sandbox.effects())["outbound"]
    assert {key: n for key, n in effects.items() if n != 1} == {}
    assert sorted(effects) == sorted(keys)
    async with Journal.open(address, read_only=True) as journal:
        runs = await journal.runs()
        assert {state: n for state in State if (n := sum(run.counts[state] for run in runs))} == {
            State.CREATED: len(keys)
        }


async def test_processes_that_wake_up_too_late_send_nothing(forks: Forks, shared: str) -> None:
    """One for each instant. A sixth takes over what they had under way, before they wake up."""
    async with serving() as (sandbox, addresses):
        parts = {instant: keys_of(instant) for instant in INSTANTS}
        plans = [
            Plan(journal=shared, addresses=addresses, keys=keys, instant=instant, after=AFTER[instant], lease=SHORT)
            for instant, keys in parts.items()
        ]
        frozen = await asyncio.gather(*(stopped(forks, plan) for plan in plans))
        try:
            everything = [key for keys in parts.values() for key in keys]
            report = await report_of(
                await started(forks, Plan(journal=shared, addresses=addresses, keys=everything, lease=LONG))
            )
            assert report.error == ""
            assert set(report.outcomes) <= {"Created", "Skipped Created"}, report
            assert sum(report.outcomes.values()) == len(everything)
            await check(shared, sandbox, everything)
            sent = await creations(sandbox)
        finally:
            for child in frozen:
                os.kill(child.pid, signal.SIGCONT)
        for child in frozen:
            woken = await report_of(child)
            assert "FencedError" in woken.error, woken
        await check(shared, sandbox, everything)
        assert await creations(sandbox) == sent


async def test_what_killed_processes_left_is_gone_on_with(forks: Forks, shared: str) -> None:
    async with serving() as (sandbox, addresses):
        parts = {instant: keys_of(instant) for instant in INSTANTS}
        plans = [
            Plan(
                journal=shared,
                addresses=addresses,
                keys=keys,
                instant=instant,
                after=AFTER[instant],
                signal=signal.SIGKILL,
                lease=SHORT,
            )
            for instant, keys in parts.items()
        ]
        for child in await asyncio.gather(*(stopped(forks, plan) for plan in plans)):
            assert await asyncio.to_thread(child.wait) == -signal.SIGKILL
        everything = [key for keys in parts.values() for key in keys]
        some = [everything[: len(everything) * 2 // 3], everything[len(everything) // 3 :]]
        children = await asyncio.gather(
            *(
                started(forks, Plan(journal=shared, addresses=addresses, keys=keys, lease=LONG, patience=PATIENCE))
                for keys in some
            )
        )
        for child, keys in zip(children, some, strict=True):
            report = await report_of(child)
            assert report.error == ""
            assert set(report.outcomes) <= {"Created", "Skipped Created"}, report
            assert sum(report.outcomes.values()) == len(keys)
        await check(shared, sandbox, everything)


async def test_what_is_absent_is_sent_before_others_are_waited_for(shared: str) -> None:
    """Of two processes that go on with the items of a third one, each would wait for what the other is to send."""
    resent = asyncio.Event()

    def honest(_: Api, __: Link, reference: str, answer: bytes) -> list[bytes]:
        if reference == "O-1":
            resent.set()
        return [answer]

    ours, theirs = order("O-1"), order("O-2")
    async with (
        speaking(honest) as (api, client),
        Journal.open(shared) as journal,
        Journal.open(shared) as another,
    ):

        async def run(*items: Any) -> Any:
            return await all_of(client.bulk.create_outbound(items, journal=journal, patience=0))

        assert await run(order("O-0")) == ([Created(key="O-0", id=next(iter(api.ids)))], None)
        async with Journal.open(shared) as gone:
            journal_run = await gone.begin_run(seller="12345", operation="outbound.create")
            await journal_run.mark_sent(outgoing_items_of(["O-1"], [ours]))
        journal_run = await another.begin_run(seller="12345", operation="outbound.create")
        await journal_run.mark_sent(outgoing_items_of(["O-2"], [theirs]))
        running = asyncio.create_task(run(ours, theirs))
        async with asyncio.timeout(10):
            await resent.wait()
        journal_run.record_created("O-2", "another's")
        await journal_run.flush()
        outcomes, error = await running
        assert error is None
        assert {outcome.key: type(outcome) for outcome in outcomes} == {"O-1": Created, "O-2": Skipped}


async def test_processes_that_order_the_same_at_once_get_the_same_ids(forks: Forks, shared: str) -> None:
    """Four processes, ten calls each, for one reference after the other."""
    async with serving() as (sandbox, addresses):
        keys = [f"O-{number}" for number in range(12)]
        plan = Plan(journal=shared, addresses=addresses, keys=keys, single=10)
        reports = await asyncio.gather(*[report_of(child) for child in [await started(forks, plan) for _ in range(4)]])
        assert [report.error for report in reports] == [""] * 4
        for key in keys:
            assert len({one for report in reports for one in report.ids[key]}) == 1
        await check(shared, sandbox, keys)


async def test_the_server_crashes_while_processes_order(
    forks: Forks, postgres_server: PostgresServer, postgres: str
) -> None:
    rng = random.Random(7)
    async with serving() as (sandbox, addresses):
        keys = [f"O-{number}" for number in range(400)]
        plan: dict[str, Any] = {"journal": postgres, "addresses": addresses, "lease": 6.0, "pace": 100}
        halves = (keys[:250], keys[150:])
        children = [await started(forks, Plan(keys=half, **plan)) for half in halves]
        await asyncio.sleep(1.5)
        for _ in range(2):
            await asyncio.sleep(rng.uniform(0.2, 0.6))
            await asyncio.to_thread(postgres_server.restart)
        for child in children:
            report = await report_of(child)
            assert report.error == "", report
            assert set(report.outcomes) <= {"Created", "Skipped Created"}, report
        await check(postgres, sandbox, keys)
