"""The client of a fleet: submits, watches, cancels and retries jobs from any machine."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, LiteralString, Self

from anyio import to_thread

from ..bulk.durable.settings import PATIENCE
from ..bulk.durable.status_tracking import FOLLOW_FOR
from ..errors import ClosedError, ConfigurationError
from ..stores.database import as_database
from ..tabular.column_plan import plan_for
from ..tabular.formats.open import open_table
from ..tabular.item_reader import ItemReader
from ..tabular.item_types import ORDERS, PRODUCTS, SUPPLIES
from ..tabular.rejects import RejectsFile
from . import jobs, queue
from . import status as watching
from .jobs import CHUNK, JobOptions, creation_type_of
from .scheduling import CHUNK_TASK, ChunkScheduler
from .status import export
from .submission import load, numbered

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
    from os import PathLike
    from types import TracebackType

    from ..bulk.durable.status_tracking import InboundGoal, OutboundGoal
    from ..config import Secret
    from ..stores.database import Database
    from ..tabular.cells.notes import ReadingNotes
    from ..tabular.column_plan import ColumnPlan
    from ..tabular.item_types import ItemType
    from ..tabular.rows import Table
    from .jobs import CreationKind, JobRecord
    from .status import FleetStatus, ItemRecord
    from .submission import OnProgress

__all__ = ["Cluster"]

_TARGETS: dict[str, ItemType] = {"products": PRODUCTS, "orders": ORDERS, "inbound": SUPPLIES}
_CANCEL: LiteralString = """
WITH gone AS (
    UPDATE octoffm_chunks SET state = 'cancelled', ended_at = now() WHERE job = %(job)s AND state = 'ready' RETURNING 1
)
UPDATE octoffm_jobs SET state = 'cancelled', ended = ended + (SELECT count(*) FROM gone),
    ended_at = CASE WHEN ended + (SELECT count(*) FROM gone) >= chunks THEN now() END
WHERE job = %(job)s
"""
_RETRY: LiteralString = """
WITH again AS (
    UPDATE octoffm_chunks SET state = 'ready', tries = 0, begun = 0, ready_at = now(), ended_at = NULL, problem = ''
    WHERE job = %(job)s AND (state IN ('stuck', 'cancelled') OR (items = 0 AND state = 'done' AND EXISTS (
        SELECT FROM octoffm_chunks WHERE job = %(job)s AND state IN ('stuck', 'cancelled')))) RETURNING 1
)
UPDATE octoffm_jobs SET ended = ended - (SELECT count(*) FROM again), stuck = 0,
    state = CASE WHEN ended - (SELECT count(*) FROM again) < chunks THEN 'open' ELSE 'done' END,
    ended_at = CASE WHEN ended - (SELECT count(*) FROM again) < chunks THEN NULL ELSE coalesce(ended_at, now()) END
WHERE job = %(job)s RETURNING lane, (SELECT count(*) FROM again)
"""


class Cluster:
    """The client of a fleet, given the address of its database: ``async with Cluster("postgresql://…") as cluster``.

    Workers (``octoffm cluster worker``) process the jobs that it submits. Entering creates missing tables.
    """

    def __init__(self, database: str | Secret | Database) -> None:
        self._database = as_database(database)
        self._opened: AsyncExitStack | None = None
        app, manager = queue.queue_app(self._database, chunk_task=CHUNK_TASK)
        self._scheduler = ChunkScheduler(self._database, app, manager)

    async def __aenter__(self) -> Self:
        opened = AsyncExitStack()
        await opened.enter_async_context(self._database)
        try:
            await queue.prepare(self._database)
            await jobs.prepare(self._database)
        except BaseException:
            await opened.aclose()
            raise
        self._opened = opened
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._database.name}>"

    async def submit(
        self,
        kind: CreationKind,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        seller: str,
        source: str = "",
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        follow: OutboundGoal | InboundGoal | None = None,
        follow_for: float = FOLLOW_FOR,
        chunk: int = CHUNK,
        on_progress: OnProgress | None = None,
    ) -> JobRecord:
        """Submit requests as one job, and count requests whose key came before in the same input as ``faulty``.

        Workers start when all requests are loaded; if the input raises, none of them is sent. A plain iterable is read
        on this event loop. ``source`` describes the input to people; ``chunk`` is the number of items of a chunk;
        ``patience`` (seconds), ``resend_unknown``, ``follow`` and ``follow_for`` are those of ``client.bulk``. A job
        that follows is open until each order that it created has reached the status, or was refused, or
        ``follow_for`` seconds after it was sent, when it counts as unknown. ``on_progress`` is called with the number
        of items loaded so far.

        Raises:
            StoreError: the database is unreachable, or refuses.
        """
        return await self._submit(
            kind,
            items,
            seller=seller,
            source=source,
            how=JobOptions(patience=patience, resend_unknown=resend_unknown, follow=follow, follow_for=follow_for),
            chunk=chunk,
            on_progress=on_progress,
        )

    async def submit_file(
        self,
        kind: CreationKind,
        path: str | PathLike[str],
        *,
        seller: str,
        columns: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        rejects: str | PathLike[str] | None = None,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        follow: OutboundGoal | InboundGoal | None = None,
        follow_for: float = FOLLOW_FOR,
        chunk: int = CHUNK,
        on_progress: Callable[[int, float], None] | None = None,
    ) -> JobRecord:
        """Submit a file as one job: CSV, JSON lines, Parquet or XLSX; write faulty rows to ``rejects`` instead.

        ``columns`` maps each field to its column where the column has another name; ``values`` gives fields that are
        the same for all rows. ``on_progress`` is called with the number of items so far and the share of the file that
        was read (0 to 1). The other parameters are those of :meth:`submit`.

        Raises:
            ConfigurationError: the file cannot be read, or fields and columns do not fit.
            StoreError: the database is unreachable, or refuses.
        """
        table = open_table(path, delimiter=delimiter, encoding=encoding)
        plan = plan_for(table, _TARGETS[creation_type_of(kind).kind], columns or {}, values or {})
        return await self.submit_table(
            kind,
            table,
            plan,
            seller=seller,
            rejects=rejects,
            patience=patience,
            resend_unknown=resend_unknown,
            follow=follow,
            follow_for=follow_for,
            chunk=chunk,
            on_progress=on_progress,
        )

    async def submit_table(
        self,
        kind: CreationKind,
        table: Table,
        plan: ColumnPlan,
        *,
        seller: str,
        rejects: str | PathLike[str] | None = None,
        patience: float = PATIENCE,
        resend_unknown: bool = False,
        follow: OutboundGoal | InboundGoal | None = None,
        follow_for: float = FOLLOW_FOR,
        chunk: int = CHUNK,
        on_progress: Callable[[int, float], None] | None = None,
        on_read: Callable[[ReadingNotes], None] | None = None,
    ) -> JobRecord:
        """Submit the rows of a table that was opened and planned; the parameters are those of :meth:`submit_file`.

        ``on_read`` is called at the end with everything that was found out about the file or mended in it.

        Raises:
            StoreError: the database is unreachable, or refuses.
        """
        reject = None if rejects is None else RejectsFile(rejects, table)
        items = ItemReader(table, plan, reject)

        def progress(count: int) -> None:
            if on_progress is not None:
                on_progress(count, items.share)

        try:
            await to_thread.run_sync(items.prepare)
            record = await self._submit(
                kind,
                items,
                seller=seller,
                source=str(table.path),
                how=JobOptions(patience=patience, resend_unknown=resend_unknown, follow=follow, follow_for=follow_for),
                chunk=chunk,
                on_progress=progress,
                faulty=lambda: items.faulty,
            )
            if on_read is not None:
                on_read(items.notes)
            return record
        finally:
            items.close()
            if reject is not None:
                reject.close()

    async def status(self, *, last: int = watching.LAST_JOBS) -> FleetStatus:
        """Return the current status of the fleet: its workers, all jobs that are not over, and the ``last`` jobs."""
        return await watching.status(self._open(), last=last)

    async def job(self, name: str) -> JobRecord:
        """Return one job, by its id or a prefix of it that no other job has.

        Raises:
            ConfigurationError: no job has it, or several do.
        """
        async with self._open().connection() as connection:
            return await watching.find_job(connection, name)

    async def cancel(self, name: str) -> JobRecord:
        """Cancel a job; workers finish the requests that are in flight. :meth:`retry` continues the job."""
        async with self._open().connection() as connection:
            record = await watching.find_job(connection, name)
            async with connection.transaction():
                state = await _locked_state(connection, record.job)
                if state == "open":
                    await connection.execute(_CANCEL, {"job": record.job})
            return await watching.find_job(connection, record.job)

    async def retry(self, name: str) -> JobRecord:
        """Retry the stuck and the cancelled chunks of a job. Workers do not send decided items again."""
        async with self._open().connection() as connection:
            record = await watching.find_job(connection, name)
            async with connection.transaction():
                if await _locked_state(connection, record.job) in ("open", "done", "cancelled"):
                    row = await (await connection.execute(_RETRY, {"job": record.job})).fetchone()
                    if row is not None and row[1]:
                        await self._scheduler.queue_partition(connection, int(row[0]))
            return await watching.find_job(connection, record.job)

    async def forget(self, name: str) -> JobRecord:
        """Delete a job that is over, and return its last record; the journal keeps the entries of its items.

        Raises:
            ConfigurationError: the job is not over.
        """
        async with self._open().connection() as connection:
            record = await watching.find_job(connection, name)
            if not record.is_over:
                raise ConfigurationError(f"job {record.job} is {record.state}: cancel it first")
            await connection.execute("DELETE FROM octoffm_jobs WHERE job = %s", (record.job,))
        return record

    async def export(self, name: str) -> AsyncIterator[ItemRecord]:
        """Yield every item of a job in the order of its file, with its line and its outcome so far."""
        database = self._open()
        async with database.connection() as connection:
            record = await watching.find_job(connection, name)
        async for item in export(database, record):
            yield item

    async def _submit(
        self,
        kind: str,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        seller: str,
        source: str,
        how: JobOptions,
        chunk: int,
        on_progress: OnProgress | None,
        faulty: Callable[[], int] = lambda: 0,
    ) -> JobRecord:
        loaded = await load(
            self._open(),
            self._scheduler,
            creation_type_of(kind),
            numbered(items),
            seller=seller,
            source=source,
            how=how,
            chunk=chunk,
            faulty=faulty,
            on_progress=on_progress,
        )
        return await self.job(loaded.job)

    def _open(self) -> Database:
        if self._opened is None:
            raise ClosedError("the cluster is not open: async with Cluster(…) as cluster")
        return self._database


async def _locked_state(connection: Any, job: str) -> str:
    """Lock a job's partition and its row, in the order of :mod:`.scheduling`, and return its state."""
    await connection.execute(
        "SELECT FROM octoffm_lanes JOIN octoffm_jobs USING (lane) WHERE job = %s FOR UPDATE OF octoffm_lanes", (job,)
    )
    found = await connection.execute("SELECT state FROM octoffm_jobs WHERE job = %s FOR UPDATE", (job,))
    row = await found.fetchone()
    return "" if row is None else str(row[0])
