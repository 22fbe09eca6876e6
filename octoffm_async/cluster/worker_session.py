"""The session of a worker: one procrastinate worker, one journal and one client, until one of them fails for good."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from procrastinate.worker import Worker as EngineWorker

from ..errors import CredentialsRefusedError, FencedError, OtherEnvironmentError, StoreError
from ..journal.postgres.journal import LEASE
from . import queue
from .chunk_runner import WORKER_ERRORS, ChunkRunner, FollowingRunner, is_worker_error
from .heartbeat import Heartbeat, WorkerCounters
from .mirror import schedule_mirrors
from .scheduling import CHUNK_SECONDS, CHUNK_TASK, ChunkReport, ChunkScheduler, LostLeaseError

if TYPE_CHECKING:
    from procrastinate import JobContext

    from ..bulk.outcomes import Outcome
    from ..client import FulfillmentClient
    from ..config import Secret
    from ..journal.postgres.journal import PostgresJournal
    from ..stores.database import Database
    from .metrics import ChunkResult, WorkerMetrics
    from .scheduling import ChunkLease

DEFAULT_CONCURRENCY = 32
"""Chunks that a worker processes at once: a chunk mostly waits for its seller's limit."""
END_WITHIN = 60.0
"""Seconds for which a worker tries to write the end of a chunk while the database is unreachable."""
logger: logging.Logger = logging.getLogger("octoffm_async")


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The options of a worker. Times are in seconds, except ``mirror_every``."""

    concurrency: int = DEFAULT_CONCURRENCY
    lease: float = LEASE
    slice: float = CHUNK_SECONDS
    polling: float = 5.0
    until_done: bool = False
    """End when no job has anything left to do, instead of waiting for more."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    redis: str | Secret | None = None
    """The address of the Redis server that holds limits and tokens, instead of the database."""
    mirror_every: int | None = None
    """Minutes between two updates of the mirrors; ``None`` makes no mirrors."""

    @property
    def silent(self) -> float:
        """Seconds without a heartbeat after which a worker counts as dead.

        They are longer than the lease, so that the worker that takes over finds the lease expired.
        """
        return self.lease + 3.0


class WorkerSession:
    """The session of a worker: the time for which it uses one journal."""

    def __init__(
        self,
        database: Database,
        client: FulfillmentClient,
        journal: PostgresJournal,
        options: WorkerOptions,
        metrics: WorkerMetrics | None,
    ) -> None:
        self.items: int = 0
        self._database = database
        self._client = client
        self._journal = journal
        self._options = options
        self._metrics = metrics
        self._renewals = 0
        app, self._manager = queue.queue_app(database, chunk_task=CHUNK_TASK)
        self._scheduler = ChunkScheduler(database, app, self._manager)
        self._runners: dict[ChunkRunner, asyncio.Task[Any]] = {}
        self._error: Exception | None = None
        self._stopped = False
        app.task(name=CHUNK_TASK, queue=queue.QUEUE, pass_context=True)(self._run_chunk)
        if options.mirror_every is not None:
            schedule_mirrors(app, database, client, minutes=options.mirror_every)
        self._engine = EngineWorker(
            app=app,
            queues=[queue.QUEUE],
            concurrency=options.concurrency,
            fetch_job_polling_interval=options.polling,
            abort_job_polling_interval=3600.0,
            install_signal_handlers=False,
            update_heartbeat_interval=options.lease / 3,
            stalled_worker_timeout=10 * options.silent,
        )
        self._heartbeat = Heartbeat(
            database,
            self._scheduler,
            self._manager,
            places=options.concurrency,
            silent=options.silent,
            counters=self._counters,
            jobs=lambda: {runner.lease.job for runner in self._runners},
            cancel=self._cancel,
            on_all_done=self.stop if options.until_done else None,
        )

    def stop(self) -> None:
        """Lease no more chunks; stop the chunks in work."""
        self._stopped = True
        self._engine.stop()  # type: ignore[no-untyped-call]
        for runner in self._runners:
            runner.stop()

    async def run(self) -> bool:
        """Process chunks; return True if the worker is done, False if it must start a new session."""
        ticking = asyncio.create_task(self._heartbeat.keep(), name="octoffm_async worker")
        try:
            if not self._stopped:
                await self._work()
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await self._heartbeat.sign_off()
        if isinstance(self._error, CredentialsRefusedError | OtherEnvironmentError):
            raise self._error
        if self._error is not None:
            logger.warning("the worker starts a new session: %s", self._error)
        return self._stopped and self._error is None

    async def _work(self) -> None:
        """Run procrastinate's worker; if cancelled, cancel the chunks in work, for which procrastinate would wait."""
        running = asyncio.create_task(self._engine.run(), name="octoffm_async engine")  # type: ignore[no-untyped-call]
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            self.stop()
            for _ in range(2):  # the first cancellation lets the requests in flight finish
                tasks = list(self._runners.values())
                for task in tasks:
                    task.cancel()
                if tasks:
                    await asyncio.wait(tasks, timeout=0.2)
            with suppress(Exception):
                await running
            raise

    async def _run_chunk(self, context: JobContext, *, lane: int) -> None:
        """Process the next chunk of a partition: the task of a queue job."""
        try:
            lease = await self._scheduler.lease_next_chunk(queue.JobClaim.of(context.job), lane)
        except LostLeaseError as error:
            logger.warning("%s", error)
            return
        if lease is None:
            return
        began = asyncio.get_running_loop().time()
        kind = ChunkRunner if lease.items else FollowingRunner
        runner = kind(lease, self._client, self._journal, on_outcome=partial(self._count, lease))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._runners[runner] = task
        if self._stopped:
            runner.stop()
        try:
            report = await self._report_of(runner)
        finally:
            del self._runners[runner]
        try:
            await self._end(lease, report)
        except LostLeaseError as error:
            logger.warning("chunk %d of job %s: %s", lease.number, lease.job, error)
        if self._metrics is not None:
            seconds = asyncio.get_running_loop().time() - began
            self._metrics.chunk(lease.operation, self._result(report), seconds=seconds)

    async def _report_of(self, runner: ChunkRunner) -> ChunkReport:
        try:
            return await runner.run(seconds=self._options.slice, keep_run=self._scheduler.set_run)
        except Exception as error:
            if not is_worker_error(error) and not isinstance(error, StoreError):
                logger.exception("chunk %d of job %s", runner.lease.number, runner.lease.job)
                return runner.broken_off(error, is_postponed=False)
            if isinstance(error, WORKER_ERRORS):
                self._give_up(error)
            else:
                logger.warning("chunk %d of job %s is put off: %s", runner.lease.number, runner.lease.job, error)
            return runner.broken_off(error, is_postponed=True)

    def _give_up(self, error: CredentialsRefusedError | FencedError | OtherEnvironmentError) -> None:
        if self._error is None:
            self._error = error
            if self._metrics is not None and isinstance(error, FencedError):
                self._metrics.lease("lost")
        self.stop()

    async def _end(self, lease: ChunkLease, report: ChunkReport) -> None:
        """Write the end of a chunk, also if the database is unreachable for a moment."""
        async with asyncio.timeout(END_WITHIN):
            while True:
                try:
                    return await self._scheduler.end_chunk(lease, report)
                except StoreError as error:
                    if not error.away:
                        raise
                    logger.debug("the end of a chunk is not written yet: %s", error)
                    await asyncio.sleep(queue.RETRY_SECONDS)

    def _count(self, lease: ChunkLease, outcome: Outcome) -> None:
        self.items += 1
        if self._metrics is not None:
            self._metrics.item(lease.operation, outcome, seller=lease.seller)

    def _result(self, report: ChunkReport) -> ChunkResult:
        if isinstance(self._error, FencedError):
            return "fenced"
        if not report.counts.left and not report.is_incomplete:
            return "done"
        return "cancelled" if report.is_postponed and not report.is_incomplete else "failed"

    def _cancel(self, job: str) -> None:
        for runner in self._runners:
            if runner.lease.job == job:
                runner.stop()

    def _counters(self) -> WorkerCounters:
        if self._metrics is not None:
            renewals = self._journal.fence.renewals
            for _ in range(renewals - self._renewals):
                self._metrics.lease("renewed")
            self._renewals = renewals
        stats = self._client.stats(keys=False)  # each second, on the loop
        return WorkerCounters(turns=len(self._runners), items=self.items, calls=stats.calls, throttled=stats.throttled)
