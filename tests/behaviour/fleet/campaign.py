"""Worker processes over one database and one sandbox, some of which are killed or frozen while they work."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.servers import PostgresServer
from octoffm_async import FulfillmentClient, FulfillmentProduct
from octoffm_async.cluster import Cluster
from octoffm_async.errors import OctoffmError
from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import Fault, SandboxProcess
from tests.support.worked import Settings

from ...unit.cluster.items import eventually, orders

ROOT = Path(__file__).parents[3]
ANEW = "the worker starts a new session"
_ASKS = "octoffm jobs settle"
FAULTS: dict[Fault, Any] = {
    Fault.RESET_BEFORE: 0.01,
    Fault.RESET_AFTER: 0.01,
    Fault.STALL_AFTER: 0.002,
    Fault.THROTTLE: (0.002, 0.1),
    Fault.ERROR_500: 0.01,
    Fault.UNAVAILABLE_HTML: 0.005,
    Fault.TRUNCATED: 0.005,
    Fault.LATE_VISIBILITY: (0.1, 0.3),
}


class Campaign:
    """A fleet at work, and what is done to it."""

    def __init__(
        self,
        server: PostgresServer,
        address: str,
        sandbox: SandboxProcess,
        folder: Path,
        *,
        sellers: list[str],
        rng: random.Random,
        patience: float = 1.5,
        **settings: Any,
    ) -> None:
        config = sandbox.config()
        client = {name: getattr(config, name) for name in ("client_id", "seller_id", "base_url", "token_url")}
        client["client_secret"] = config.secret.reveal()
        self.settings = Settings(address=address, client=client, **settings)
        self.patience = patience
        self.server = server
        self.sandbox = sandbox
        self.sellers = sellers
        self.rng = rng
        self.counts: Counter[str] = Counter()
        self.began = time.monotonic()
        self.workers: list[asyncio.subprocess.Process] = []
        self._log = (folder / "workers.log").open("ab")
        self._path = folder / "workers.log"
        self._keys = set[str]()
        self._looked = 0.0
        self._frozen: asyncio.subprocess.Process | None = None

    async def begin(self, cluster: Cluster, *, count: int, chunk: int) -> None:
        """Register each seller's product, then submit that many orders, and let things go wrong."""
        async with FulfillmentClient(self.sandbox.config()) as client:
            for seller in self.sellers:
                product = FulfillmentProduct(
                    gtin="4006381333931", seller_product_reference="SKU-000001", title="A thing"
                )
                await client.seller(seller).products.create([product])
                await self.sandbox.add_stock("SKU-000001", quantity=10_000_000, seller=seller)
        share = count // len(self.sellers)
        for seller in self.sellers:
            prefix = f"{seller}-{self.rng.randrange(1 << 32):08x}"
            self._keys |= {f"{prefix}-{number}" for number in range(share)}
            await cluster.submit("orders", orders(share, prefix), seller=seller, patience=self.patience, chunk=chunk)
        await self.sandbox.set_fault_rates(FAULTS, operations=["outbound.create", "outbound.list"])

    async def hire(self) -> None:
        """One more worker."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.worked", msgspec.json.encode(self.settings).decode()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.workers.append(child)

    async def kill(self) -> None:
        """Kill a worker, and hire another one in its place."""
        victim = self.rng.choice([worker for worker in self.workers if worker is not self._frozen])
        self.workers.remove(victim)
        victim.kill()
        assert await victim.wait() == -signal.SIGKILL, "it had ended before"
        self.counts["kills"] += 1
        await self.hire()

    async def freeze(self) -> None:
        """Stop a worker for longer than its lease, let it go on, and do not kill it before it has begun anew."""
        before = self.log_text.count(ANEW)
        victim = self._frozen = self.rng.choice(self.workers)
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2.0 * self.settings.lease + 6.0)
        victim.send_signal(signal.SIGCONT)

        async def begun_anew() -> bool:
            return self.log_text.count(ANEW) > before

        await eventually(begun_anew, within=60)
        self._frozen = None
        self.counts["freezes"] += 1

    async def crash_database(self) -> None:
        """Crash PostgreSQL and start it again."""
        await asyncio.to_thread(self.server.restart)
        self.counts["restarts"] += 1

    async def share_done(self, cluster: Cluster) -> float:
        """How much of all is decided."""
        try:
            records = (await cluster.status(last=len(self.sellers))).jobs
        except Exception:  # noqa: BLE001  (the database may be away just now)
            return 0.0
        decided = sum(record.counts.decided for record in records)
        return 1.0 if all(record.is_over for record in records) else decided / len(self._keys) * 0.999

    async def reach(self, cluster: Cluster, share: float, *, within: float) -> None:
        """Wait until so much is decided; 1 is all."""

        async def reached() -> bool:
            if share == 1.0 and time.monotonic() - self._looked > 1.0:
                self._looked = time.monotonic()
                with suppress(OctoffmError):  # the database is away, or a worker is busy with it
                    await self._look_for_twice_lost(cluster)
            return await self.share_done(cluster) >= share

        await eventually(reached, within=within)

    async def _look_for_twice_lost(self, cluster: Cluster) -> None:
        """Do what a person does of whom a run asks it: look for what was absent twice, and say that it may be sent."""
        asked: set[str] = set()
        async with Journal.open(self.settings.address) as journal:
            for run in await journal.runs():
                entries = journal.entries(run.id, State.UNKNOWN) if run.undecided else None
                keys = [entry.key async for entry in entries if _ASKS in entry.message] if entries is not None else []
                if keys:
                    assert not (await self.sandbox.effects())["outbound"].keys() & keys
                    await journal.settle(keys, absent=True, seller=run.seller, operation=run.operation)
                    asked.update(keys)
        if asked:
            self.counts["twice lost"] += len(asked)
        for record in (await cluster.status(last=len(self.sellers))).jobs:
            if record.stuck:
                await cluster.retry(record.job)

    async def check(self, cluster: Cluster) -> None:
        """Exactly one shipment a reference, every item decided, nothing undecided in the journal."""
        everything = (await self.sandbox.effects())["outbound"]
        twice = {key: times for key, times in everything.items() if times != 1}
        assert twice == {}, twice
        assert everything.keys() == self._keys
        for record in (await cluster.status(last=len(self.sellers))).jobs:
            assert record.state == "done"
            assert (record.counts.created, record.left, record.stuck) == (record.items, 0, 0), record
        async with Journal.open(self.settings.address, read_only=True) as journal:
            assert sum(run.undecided for run in await journal.runs()) == 0

    async def dismiss(self) -> None:
        """Stop all workers in order."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            assert await asyncio.wait_for(worker.wait(), 30) == 0
        self.workers.clear()

    async def close(self) -> None:
        """Leave no process behind."""
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
        self._log.close()

    @property
    def log_text(self) -> str:
        """What the workers said."""
        return self._path.read_text(encoding="utf-8", errors="replace")

    def summary(self) -> str:
        """What was done to them, in a line."""
        log_text = self.log_text
        self.counts["takeovers told"] = log_text.count("were given to others")
        self.counts["sessions begun anew"] = log_text.count(ANEW)
        done = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return f"{len(self._keys):,} orders, {time.monotonic() - self.began:.0f} s: {done}"
