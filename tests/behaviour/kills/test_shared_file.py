"""Four processes order the same through one journal file, and are killed and suspended at random: exactly one of each.

The sandbox loses responses, and shows what was created late. A suspended process stays so beyond its lease, in the
middle of a transaction too, and then goes on. A failure names its seed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import SandboxProcess
from tests.behaviour.kills.test_kills import FAULTS, OPERATIONS, PATIENCE
from tests.support.forks import Fork, Forks
from tests.support.sharers import BEGUN, Plan, Report

pytestmark = pytest.mark.one_loop

LEASE = 1.0
BEYOND = 3.6
"""Seconds for which a process is suspended: its lease, the time that the others wait longer, and a little more."""


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.support.sharers") as forks:
        yield forks


class Sharing:
    """Four processes at a time over one file, until enough were killed and suspended and every order is decided."""

    def __init__(self, sandbox: SandboxProcess, forks: Forks, path: Path, *, count: int, rng: random.Random) -> None:
        self.sandbox = sandbox
        self.forks = forks
        self.path = path
        self.keys = [f"O-{number:05}" for number in range(count)]
        self.rng = rng
        self.kills = self.freezes = self.fenced = self.runs = self.complete = 0
        config = sandbox.config()
        self.addresses = {
            "client_id": config.client_id,
            "client_secret": config.secret.reveal(),
            "seller_id": config.seller_id or "",
            "base_url": config.base_url,
            "token_url": config.token_url,
        }

    async def run(self, *, kills: int, freezes: int, pace: int, longest: float) -> None:
        """Let four processes run at a time, kill and suspend them, and let them end at last."""
        self.plan = {"pace": pace, "longest": longest}
        await asyncio.gather(*(self._place(kills, freezes) for _ in range(4)))
        report = await self._live()
        for _ in range(8):
            await self._settle_absent(report)
            report = await self._live()
            if not report.unknown:
                break
        assert (report.error, report.unknown) == ("", {})
        assert set(report.outcomes) <= {"Created", "Skipped Created"}
        assert sum(report.outcomes.values()) == len(self.keys)

    async def _place(self, kills: int, freezes: int) -> None:
        while self.kills < kills or self.freezes < freezes:
            child = await self._started()
            assert (begun := await asyncio.to_thread(child.stdout.readline)) == BEGUN, begun
            await asyncio.sleep(self.rng.uniform(0, self.plan["longest"]))
            if self.freezes < freezes and (self.kills >= kills or self.rng.random() < 2 * freezes / kills):
                self.freezes += 1
                os.kill(child.pid, signal.SIGSTOP)
                await asyncio.sleep(BEYOND)
                os.kill(child.pid, signal.SIGCONT)
            else:
                child.kill()
            output = await asyncio.to_thread(child.stdout.read)
            if await self._end_of(child):
                self.kills += 1
                continue
            report = msgspec.json.decode(output, type=Report)
            self.fenced += "FencedError" in report.error
            self.complete += not report.error
            assert not report.error or "FencedError" in report.error, report

    async def _live(self) -> Report:
        child = await self._started()
        assert await asyncio.to_thread(child.stdout.readline) == BEGUN
        report = msgspec.json.decode(await asyncio.to_thread(child.stdout.read), type=Report)
        assert await self._end_of(child) == 0
        return report

    async def _started(self) -> Fork:
        self.runs += 1
        plan = Plan(
            journal=str(self.path),
            addresses=self.addresses,
            keys=self.keys,
            seed=self.rng.randrange(1 << 32),
            lease=LEASE,
            patience=PATIENCE,
            pace=int(self.plan["pace"]),
        )
        arguments = ["sharing", msgspec.json.encode(plan).decode()]
        return await asyncio.to_thread(self.forks.start, "tests.support.sharers:work", arguments)

    async def _end_of(self, child: Fork) -> int:
        errors = (await asyncio.to_thread(child.stderr.read)).decode()
        code = await asyncio.to_thread(child.wait)
        assert code in (0, -signal.SIGKILL), errors
        return code

    async def _settle_absent(self, report: Report) -> None:
        """Say, as a person who looked would, what does not exist: what was absent twice is not sent again else."""
        effects = (await self.sandbox.effects())["outbound"]
        if absent := [key for key in report.unknown if not effects.get(key)]:
            async with Journal.open(self.path) as journal:
                await journal.settle(absent, absent=True)

    async def check(self) -> None:
        effects = (await self.sandbox.effects())["outbound"]
        assert {key: n for key, n in effects.items() if n != 1} == {}
        assert sorted(effects) == self.keys
        async with Journal.open(self.path, read_only=True) as journal:
            runs = await journal.runs()
            assert {state: n for state in State if (n := sum(run.counts[state] for run in runs))} == {
                State.CREATED: len(self.keys)
            }


async def trial(
    forks: Forks, path: Path, rng: random.Random, *, count: int, kills: int, freezes: int, pace: int
) -> Sharing:
    async with SandboxProcess(catalogue=1, stock=10_000_000, seed=rng.randrange(1 << 32)) as sandbox:
        await sandbox.set_fault_rates(FAULTS, operations=OPERATIONS["outbound"])
        sharing = Sharing(sandbox, forks, path, count=count, rng=rng)
        await sharing.run(kills=kills, freezes=freezes, pace=pace, longest=0.8 * count / pace / 4)
        await sharing.check()
    return sharing


async def test_of_orders_that_killed_and_suspended_processes_share_each_exists_once(
    forks: Forks, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    await trial(forks, tmp_path / "orders.sqlite", random.Random(seed), count=60, kills=4, freezes=1, pace=60)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_two_hundred_kills_of_four_processes_over_a_thousand_orders(
    forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``KILLS``, ``FREEZES`` and ``ORDERS`` in the environment make it longer or shorter."""
    total, freezes, orders = (
        int(os.environ.get(name, default))
        for name, default in (("KILLS", "200"), ("FREEZES", "40"), ("ORDERS", "1000"))
    )
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    began = time.monotonic()
    kills = part = 0
    while kills < total:
        part += 1
        sharing = await trial(
            forks, tmp_path / f"{part}.sqlite", rng, count=orders, kills=25, freezes=freezes * 25 // total, pace=100
        )
        kills += sharing.kills
        with capsys.disabled():
            print(
                f"\nseed {seed}: {kills} kills, {sharing.freezes} freezes, {sharing.fenced} fenced, {sharing.runs} "
                f"processes, four at a time, {part * orders} orders, {time.monotonic() - began:.0f} s"
            )
