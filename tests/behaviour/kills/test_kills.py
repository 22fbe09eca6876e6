"""Processes are killed (SIGKILL) at random instants and run again until one lives: exactly one of each exists then.

The sandbox runs in a process of its own, in real time, with faults all the while. A failure names its seed.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import Fault, SandboxProcess
from tests.support.forks import Forks
from tests.support.killed import BEGUN, PACE, Kind, Plan, Report

PATIENCE = 0.8
LATE = 0.3
"""Seconds: how late things become visible; below the patience, with room for a busy machine."""

FAULTS: dict[Fault, Any] = {
    Fault.RESET_BEFORE: 0.03,
    Fault.RESET_AFTER: 0.03,
    Fault.STALL: 0.004,
    Fault.STALL_AFTER: 0.004,
    Fault.THROTTLE: 0.01,
    Fault.ERROR_500: 0.02,
    Fault.UNAVAILABLE_HTML: 0.01,
    Fault.TRUNCATED: 0.01,
    Fault.LATE_VISIBILITY: (0.2, LATE),
}
OPERATIONS = {
    "outbound": ["outbound.create", "outbound.list"],
    "inbound": ["inbound.create", "inbound.list"],
    "products": ["products.create", "products.references"],
}
ENDINGS = 8
"""So many runs may end by themselves with items that stay undecided, before that counts as a failure."""


class Campaign:
    """Runs over one journal, killed until enough is enough."""

    def __init__(
        self, sandbox: SandboxProcess, forks: Forks, folder: Path, *, kind: Kind, count: int, rng: random.Random
    ) -> None:
        self.sandbox = sandbox
        self.forks = forks
        self.kind: Kind = kind
        self.count = count
        self.rng = rng
        self.runs = self.kills = 0
        self.complete = False
        self.prefix = f"{kind}-{rng.randrange(1 << 32):08x}"
        self.journal = folder / f"{self.prefix}.sqlite"
        self.tally = folder / f"{self.prefix}.tally"
        config = sandbox.config()
        self.addresses = {
            "client_id": config.client_id,
            "client_secret": config.secret.reveal(),
            "seller_id": config.seller_id,
            "base_url": config.base_url,
            "token_url": config.token_url,
        }

    async def kill(self, most: int) -> None:
        """Run and kill, until so many kills are done."""
        while self.kills < most:
            self.runs += 1
            report, code = await self._run(**self._fate(most))
            self.complete |= report is not None and not report.undecided
            if report is not None and report.undecided:
                await self._settle_absent(report.undecided)
            self.kills += code == -signal.SIGKILL
            assert self.runs < 4 * most + 20, f"of {self.runs} runs only {self.kills} could be killed"

    async def end(self) -> Report:
        """Run until a run lives and leaves nothing undecided."""
        report = None
        for _ in range(ENDINGS):
            self.runs += 1
            report, code = await self._run()
            assert code == 0
            assert report is not None
            assert not report.error, report
            assert report.total == self.count, report
            if not report.undecided:
                return report
            await self._settle_absent(report.undecided)
        raise AssertionError(f"still undecided after {ENDINGS} runs: {report}")

    async def _settle_absent(self, keys: list[str]) -> None:
        """Say, as a person who looked would, what does not exist: what was absent twice is not sent again else."""
        effects = (await self.sandbox.effects())[self.kind]
        async with Journal.open(self.journal) as journal:
            last = (await journal.runs())[-1]
            journal_run = await journal.begin_run(seller=last.seller, operation=last.operation, run=last.id)
            await journal_run.undecided()
            for key in keys:
                if not effects.get(key):
                    journal_run.record_outcome(key, State.PENDING)
            await journal_run.finish()

    async def check(self, report: Report) -> None:
        """Exactly one of each, every outcome decided, nothing undecided in the journal."""
        everything = (await self.sandbox.effects())[self.kind]
        effects = {key: count for key, count in everything.items() if key.startswith(f"{self.prefix}-")}
        assert {key: count for key, count in effects.items() if count != 1} == {}
        assert effects.keys() == {f"{self.prefix}-{number}" for number in range(self.count)}
        assert set(report.outcomes) <= {"Created", "Skipped Created"}
        async with Journal.open(self.journal, read_only=True) as journal:
            runs = await journal.runs()
        assert sum(run.undecided for run in runs) == 0
        assert sum(run.counts[State.CREATED] for run in runs) == self.count
        assert runs[-1].finished_at is not None

    @property
    def reconciled(self) -> tuple[int, int]:
        """How many keys reconciliation found, and how many it missed."""
        printed = self.tally.read_bytes()
        return printed.count(b"F"), printed.count(b"A")

    def _fate(self, most: int) -> dict[str, Any]:
        """When the next run dies: first among its posts, a few each, so that the items last; then in its end."""
        rng = self.rng
        calls = self.count // 100 if self.kind == "products" else self.count
        among = max(1, round(0.9 * calls / most))
        first: dict[str, Any] = {"instant": "post", "after": 1, "delay": rng.choice([0.0, 0.0005, 0.003])}
        posting: dict[str, Any] = {"instant": "post", "after": rng.randint(1, among), "delay": rng.uniform(0, 0.005)}
        before: dict[str, Any] = {"instant": "post", "after": rng.randint(1, among)}
        at_random: dict[str, Any] = {"instant": "random", "delay": rng.uniform(0.0, 2 * among / PACE)}
        if self.kills < 0.7 * most and not self.complete:
            return rng.choice([first, posting, posting, before, at_random, at_random])
        reconciling = {"instant": "reconcile", "after": rng.randint(1, 3), "delay": rng.choice([0.0, 0.002])}
        again = {"instant": "absent", "after": rng.randint(1, 3), "delay": rng.choice([0.0, 0.003, 0.01])}
        finishing = {"instant": "finish", "delay": rng.choice([0.0, 0.0005])}
        return finishing if self.complete else rng.choice([posting, at_random, reconciling, reconciling, again, again])

    async def _run(self, *, instant: str = "never", after: int = 1, delay: float = 0.0) -> tuple[Report | None, int]:
        plan = Plan(
            kind=self.kind,
            count=self.count,
            prefix=self.prefix,
            journal=str(self.journal),
            tally=str(self.tally),
            addresses=self.addresses,
            patience=PATIENCE,
            instant="never" if instant == "random" else instant,  # type: ignore[arg-type]
            after=after,
            delay=delay,
        )
        arguments = ["killed", msgspec.json.encode(plan).decode()]
        child = await asyncio.to_thread(self.forks.start, "tests.support.killed:work", arguments)
        try:
            async with asyncio.timeout(60):
                begun = await asyncio.to_thread(child.stdout.readline)
                if instant == "random" and begun == BEGUN:
                    await asyncio.sleep(delay)
                    child.kill()
                printed = await asyncio.to_thread(child.stdout.read)
        except BaseException:
            child.kill()
            raise
        finally:
            print((await asyncio.to_thread(child.stderr.read)).decode(), end="")
            code = await asyncio.to_thread(child.wait)
        assert code in (0, -signal.SIGKILL)
        return (msgspec.json.decode(printed if begun == BEGUN else begun, type=Report) if code == 0 else None), code


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.support.killed") as forks:
        yield forks


@asynccontextmanager
async def troubled(kind: Kind, **settings: Any) -> AsyncIterator[SandboxProcess]:
    """A sandbox in which calls of one kind go wrong."""
    async with SandboxProcess(catalogue=1, stock=10_000_000, **settings) as sandbox:
        await sandbox.set_fault_rates(FAULTS, operations=OPERATIONS[kind])
        yield sandbox


@pytest.mark.one_loop
@pytest.mark.parametrize(("kind", "count", "kills"), [("outbound", 200, 10), ("inbound", 60, 4), ("products", 900, 4)])
async def test_killed_runs_leave_exactly_one_of_each(
    forks: Forks, tmp_path: Path, kind: Kind, count: int, kills: int
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with troubled(kind, seed=seed) as sandbox:
        campaign = Campaign(sandbox, forks, tmp_path, kind=kind, count=count, rng=rng)
        await campaign.kill(kills)
        await campaign.check(await campaign.end())


@pytest.mark.soak
@pytest.mark.one_loop
@pytest.mark.timeout(1800)
async def test_two_hundred_kills_over_runs_of_a_thousand_orders(
    forks: Forks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    runs = kills = orders = found = missed = 0
    began = time.monotonic()
    for retry_after in (None, "seconds") * 4:
        async with troubled("outbound", seed=rng.randrange(1 << 32), retry_after=retry_after) as sandbox:
            campaign = Campaign(sandbox, forks, tmp_path, kind="outbound", count=1000, rng=rng)
            await campaign.kill(26)
            await campaign.check(await campaign.end())
        runs, kills, orders = runs + campaign.runs, kills + campaign.kills, orders + campaign.count
        found, missed = found + campaign.reconciled[0], missed + campaign.reconciled[1]
        with capsys.disabled():
            print(
                f"\nseed {seed}: {kills} kills, {runs} runs, {orders} orders, {time.monotonic() - began:.0f} s; "
                f"reconciled: {found} found, {missed} missed, and sent again"
            )
    assert kills >= 200
