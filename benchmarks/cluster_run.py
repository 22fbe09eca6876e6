"""Orders of some sellers through a plain process, or through a fleet over PostgreSQL, against one sandbox.

The PostgreSQL server is started for this with the defaults of a new one (``fsync`` on), each run has a new database,
and the workers are the real command. The cost of a run in the database is read from the server's own counters.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from benchmarks.servers import PostgresServer
from octoffm_async import Config, FulfillmentClient, Journal, Limit
from octoffm_async.cluster.cluster import Cluster
from octoffm_async.sandbox.thread import SandboxThread
from octoffm_async.stores.database import Database

from .child import ROOT, Child
from .journaled_run import orders
from .measuring import MIB, timed

if TYPE_CHECKING:
    from collections.abc import Mapping

SELLERS = 8
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_COST = """
SELECT pg_current_wal_lsn() - '0/0', (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
    (SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables WHERE relname LIKE 'octoffm%'),
    (SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables WHERE relname = 'octoffm_chunks')
"""
_REQUESTS = """
SELECT pg_total_relation_size(relid), n_dead_tup FROM pg_stat_user_tables WHERE relname = 'octoffm_journal_payloads'
"""


class Cost(NamedTuple):
    """The server's counters at one moment: bytes of WAL, commits, bytes on disk, and of those in chunks."""

    wal: float
    commits: float
    disk: float
    chunks: float


class Plain:
    """See :class:`~benchmarks.child.Subject`: all sellers' orders in one process, with one SQLite journal."""

    def __init__(self, config: dict[str, Any], rate: int | None) -> None:
        self._config = Config(**config, limit=None if rate is None else Limit(rate))
        self._folder = tempfile.TemporaryDirectory()
        self._runs = count()

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        path = Path(self._folder.name) / f"{next(self._runs)}.sqlite"
        spent = await timed(lambda: self._send(path, order["first"], order["each"]))
        return spent | {"disk": float(path.stat().st_size)}

    async def close(self) -> None:
        """See Subject."""
        self._folder.cleanup()

    async def _send(self, path: Path, first: int, each: int) -> None:
        async with Journal.open(path) as journal, FulfillmentClient(self._config, logging=False) as client:

            async def one(seller: int) -> None:
                bulk = client.seller(f"S{seller}").bulk
                async with bulk.create_outbound(orders(first + seller * each, each), journal=journal) as run:
                    await run.wait()

            await asyncio.gather(*(one(seller) for seller in range(SELLERS)))


class ClusterBench:
    """The servers and the plain process of one comparison. ``rate`` is calls a second for each seller."""

    def __init__(self, *, rate: int | None, loop: Any) -> None:
        self._rate = rate
        self._stack = ExitStack()
        self._databases = count()
        self._first = count(step=1_000_000)
        self.server = self._stack.enter_context(PostgresServer())
        with_fsync(self.server)
        sellers = [f"S{number}" for number in range(SELLERS)]
        self.sandbox = self._stack.enter_context(SandboxThread(sellers=sellers))
        names = ("client_id", "client_secret", "seller_id", "base_url", "token_url")
        config = {name: getattr(self.sandbox, name) for name in names}
        self._plain = self._stack.enter_context(
            Child("benchmarks.cluster_run:Plain", {"config": config, "rate": rate}, loop=loop)
        )
        self._plain.wait_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def plain(self, items: int) -> dict[str, float]:
        """Run one plain process."""
        before = self._created()
        spent = self._plain.measure(first=next(self._first), each=items // SELLERS)
        self._check(before, items)
        figures = {"rate": items / spent["wall"], "cpu": spent["cpu"] / items * 1e6, "disk": spent["disk"] / items}
        return figures | self._share(items / spent["wall"])

    def fleet(self, workers: int, items: int) -> dict[str, float]:
        """Run a fleet of ``workers`` workers."""
        before = self._created()
        figures = asyncio.run(self._fleet(workers, items))
        self._check(before, items)
        return figures | self._share(figures["rate"])

    async def _fleet(self, workers: int, items: int) -> dict[str, float]:
        address = self.server.address(f"bench_{next(self._databases)}")
        children: list[subprocess.Popen[bytes]] = []
        async with Cluster(address) as cluster, Database(address) as database:
            try:
                children = [self._worker(address) for _ in range(workers)]
                while len((await cluster.status()).workers) < workers:  # noqa: ASYNC110  (other processes)
                    await asyncio.sleep(0.1)
                cost = await _cost(database)
                spent = [_cpu(child.pid) for child in children]
                server = self._server_cpu()
                began, first, each = time.perf_counter(), next(self._first), items // SELLERS
                for seller in range(SELLERS):
                    some = orders(first + seller * each, each)
                    await cluster.submit("orders", some, seller=f"S{seller}")
                loaded, requests, dead = time.perf_counter(), 0, 0
                while not all(record.is_over for record in (await cluster.status()).jobs):
                    async with database.connection() as connection:
                        row = await (await connection.execute(_REQUESTS)).fetchone()
                    size, unused = row or (0, 0)
                    requests, dead = max(requests, size), max(dead, unused)
                    await asyncio.sleep(0.1)
                wall = time.perf_counter() - began
                cpu = sum(_cpu(child.pid) - was for child, was in zip(children, spent, strict=True))
                server = self._server_cpu() - server
                after = await _cost(database)
            finally:
                _end(children)
        return {
            "rate": items / wall,
            "load": items / (loaded - began),
            "cpu": cpu / items * 1e6,
            "server": server / items * 1e6,
            "wal": (after.wal - cost.wal) / items,
            "commits": (after.commits - cost.commits) / items,
            "disk": (after.disk - cost.disk) / items,
            "chunks": (after.chunks - cost.chunks) / items,
            "requests": requests / MIB,
            "dead": dead,
        }

    def _worker(self, address: str) -> subprocess.Popen[bytes]:
        limit = "off" if self._rate is None else f"{self._rate}/1"
        command = [sys.executable, "-m", "octoffm_async.cli", "cluster", "worker", "--rate", limit]
        environment = os.environ | self.sandbox.environment()
        environment |= {"OCTOFFM_CLUSTER": address, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _share(self, rate: float) -> dict[str, float]:
        return {} if self._rate is None else {"used": 100 * rate / (self._rate * SELLERS)}

    def _server_cpu(self) -> float:
        """Return the CPU seconds of the server's live processes; a backend lives as long as its connection."""
        postmaster = int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
        return sum(_cpu(int(pid)) for pid in children.read_text().split()) if children.exists() else 0.0

    def _created(self) -> int:
        return len(self.sandbox.effects.outbound)

    def _check(self, before: int, items: int) -> None:
        effects = self.sandbox.effects.outbound
        if len(effects) - before != items or max(effects.values()) > 1:
            raise RuntimeError(f"of {items} orders {len(effects) - before} were created")


def _cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def _cost(database: Database) -> Cost:
    async with database.connection() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await (await connection.execute(_COST)).fetchone()
    return Cost(*map(float, row or (0, 0, 0, 0)))


def with_fsync(server: PostgresServer) -> None:
    """Make a server of the tests force its commits to disk."""
    import psycopg

    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = on")
        connection.execute("SELECT pg_reload_conf()")


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
