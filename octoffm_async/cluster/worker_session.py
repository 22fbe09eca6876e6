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
from . import queue as engine
from .chunk_runner import ChunkRunner, is_worker_error
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
        app, self._manager = engine.queue_app(database, turn=CHUNK_TASK)
        self._turns = ChunkScheduler(database, app, self._manager)
        self._doing: dict[ChunkRunner, asyncio.Task[Any]] = {}
        self._error: Exception | None = None
        self._stopped = False
        app.task(name=CHUNK_TASK, queue=engine.QUEUE, pass_context=True)(self._turn)
        if options.mirror_every is not None:
            schedule_mirrors(app, database, client, minutes=options.mirror_every)
        self._engine = EngineWorker(
            app=app,
            queues=[engine.QUEUE],
            concurrency=options.concurrency,
            fetch_job_polling_interval=options.polling,
            abort_job_polling_interval=3600.0,
            install_signal_handlers=False,
            update_heartbeat_interval=options.lease / 3,
            stalled_worker_timeout=10 * options.silent,
        )
        self._presence = Heartbeat(
            database,
            self._turns,
            places=options.concurrency,
            silent=options.silent,
            doings=self._doings,
            jobs=lambda: {doing.turn.job for doing in self._doing},
            cancel=self._cancel,
            on_all_done=self.stop if options.until_done else None,
        )

    def stop(self) -> None:
        """Lease no more chunks; stop those in work."""
        self._stopped = True
        self._engine.stop()  # type: ignore[no-untyped-call]
        for doing in self._doing:
            doing.stop()

    async def run(self) -> bool:
        """Process chunks; return True if the worker is done, False if it must start a new session."""
        ticking = asyncio.create_task(self._presence.keep(), name="octoffm_async worker")
        try:
            if not self._stopped:
                await self._work()
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await self._presence.sign_off()
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
                tasks = list(self._doing.values())
                for task in tasks:
                    task.cancel()
                if tasks:
                    await asyncio.wait(tasks, timeout=0.2)
            with suppress(Exception):
                await running
            raise

    async def _turn(self, context: JobContext, *, lane: int) -> None:
        """Process the next chunk of a partition: the task of a queue job."""
        try:
            turn = await self._turns.lease_next_chunk(engine.JobClaim.of(context.job), lane)
        except LostLeaseError as error:
            logger.warning("%s", error)
            return
        if turn is None:
            return
        began = asyncio.get_running_loop().time()
        doing = ChunkRunner(turn, self._client, self._journal, on_outcome=partial(self._count, turn))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._doing[doing] = task
        if self._stopped:
            doing.stop()
        try:
            ending = await self._do(doing)
        finally:
            del self._doing[doing]
        try:
            await self._end(turn, ending)
        except LostLeaseError as error:
            logger.warning("chunk %d of job %s: %s", turn.number, turn.job, error)
        if self._metrics is not None:
            seconds = asyncio.get_running_loop().time() - began
            self._metrics.chunk(turn.operation, self._result(ending), seconds=seconds)

    async def _do(self, doing: ChunkRunner) -> ChunkReport:
        try:
            return await doing.run(seconds=self._options.slice, keep_run=self._turns.set_run)
        except Exception as error:
            if not is_worker_error(error) and not isinstance(error, StoreError):
                logger.exception("chunk %d of job %s", doing.turn.number, doing.turn.job)
                return doing.broken_off(error, put_off=False)
            if isinstance(error, CredentialsRefusedError | FencedError | OtherEnvironmentError):
                self._give_up(error)
            else:
                logger.warning("chunk %d of job %s is put off: %s", doing.turn.number, doing.turn.job, error)
            return doing.broken_off(error, put_off=True)

    def _give_up(self, error: CredentialsRefusedError | FencedError | OtherEnvironmentError) -> None:
        if self._error is None:
            self._error = error
            if self._metrics is not None and isinstance(error, FencedError):
                self._metrics.lease("lost")
        self.stop()

    async def _end(self, turn: ChunkLease, ending: ChunkReport) -> None:
        """Write the end of a chunk, also if the database is unreachable for a moment."""
        async with asyncio.timeout(END_WITHIN):
            while True:
                try:
                    return await self._turns.end_chunk(turn, ending)
                except StoreError as error:
                    if not error.away:
                        raise
                    logger.debug("the end of a chunk is not written yet: %s", error)
                    await asyncio.sleep(engine.AGAIN)

    def _count(self, turn: ChunkLease, outcome: Outcome) -> None:
        self.items += 1
        if self._metrics is not None:
            self._metrics.item(turn.operation, outcome, seller=turn.seller)

    def _result(self, ending: ChunkReport) -> ChunkResult:
        if isinstance(self._error, FencedError):
            return "fenced"
        if not ending.counts.left and not ending.is_incomplete:
            return "done"
        return "cancelled" if ending.is_postponed and not ending.is_incomplete else "failed"

    def _cancel(self, job: str) -> None:
        for doing in self._doing:
            if doing.turn.job == job:
                doing.stop()

    def _doings(self) -> WorkerCounters:
        if self._metrics is not None:
            renewals = self._journal.fence.renewals
            for _ in range(renewals - self._renewals):
                self._metrics.lease("renewed")
            self._renewals = renewals
        stats = self._client.stats()
        return WorkerCounters(turns=len(self._doing), items=self.items, calls=stats.calls, throttled=stats.throttled)
