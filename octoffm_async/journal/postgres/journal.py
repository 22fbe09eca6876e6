"""The journal in PostgreSQL: many writers at once, on many machines, also on the same seller and operation.

- A process that enters the journal for writing registers as a *writer* with a lease, and renews it every third of the
  lease. It writes each item to the journal, durably and under its writer's id, before it sends it; right before the
  bytes of a request go out, it checks the lease (:attr:`PostgresJournal.fence`).
- The other writers leave a writer alone for ``GRACE`` seconds after its lease ended, by the database's clock. Then the
  next writer that asks for undecided items marks it as dead, for ever, and takes its items over. The dead writer sent
  them before the end of its lease at the latest; the new one looks for them on the remote side as after any crash. The
  journal ignores what the dead writer reports afterwards, except that an item was created.
- A writer that closes the journal, or releases an item, makes its items available to others at once.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, JournalError, StoreError
from ...stores.database import Database, as_database
from ..lease import GRACE, LEASE
from ..sqlite.batches import stored
from ..states import State
from ..stored_journal import Backend, StoredJournal, StoredJournalRun
from . import changes, retention
from . import queries as reading
from . import runs as sql_runs
from .batch import MarkItemsSent
from .schema import PART, STATEMENTS, VERSION
from .settlement import PostgresManualSettlement
from .writer import JournalWriter
from .writer_lease import WriterLease, boot_time

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from ...config import Secret
    from ...stores.database import Connection
    from ..base import OutgoingItem, RunRecord
    from ..commands import ReadEntries
    from ..environment import Environment
    from ..states import Entry

__all__ = ["LEASE", "PostgresBackend", "PostgresJournal", "PostgresJournalRun"]


class PostgresBackend(JournalWriter):
    """The task that executes commands in the database, and its queries; see :class:`..stored_journal.Backend`."""

    def __init__(self, database: Database, lease: WriterLease, *, read_only: bool) -> None:
        super().__init__(database, None if read_only else lease)
        self.lease = lease
        self.settlement = PostgresManualSettlement(self, lease)

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            try:
                if self._lease is not None:
                    await self._lease.end()
            finally:
                await self._database.__aexit__(None, None, None)

    def look_up(self, command: ReadEntries) -> None:
        self.submit(command)

    def queue_created(self, scope: int, run_id: int, key: str, remote_id: str | None) -> None:
        self.queue(key, (scope, run_id, key, State.CREATED, remote_id, "", ""))

    def mark_sent(
        self,
        numbers: tuple[int, int],
        items: Sequence[OutgoingItem],
        waiter: asyncio.Future[Any],
        api_at: datetime | None,
        first_at: datetime | None,
    ) -> None:
        self.submit(MarkItemsSent(*numbers, items, waiter, api_at, first_at))

    async def begin(
        self, names: tuple[str, str], run: str | None, source: str, environment: Environment | None
    ) -> tuple[int, int, str]:
        name = run or f"{datetime.now(UTC) - self.lease.shift.least:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        seller, operation = names

        async def begin(connection: Connection) -> tuple[int, int]:
            numbers = None if run is None else await reading.run_of(connection, run)
            if environment is not None:
                await sql_runs.bind(connection, self._database.name, seller, environment)
            keys = (stored(seller), stored(operation))
            if numbers is None:
                return await sql_runs.begun(connection, keys, name, stored(source))
            if not await sql_runs.reopen_run(connection, keys, numbers[1]):
                raise ConfigurationError(f"run {run} is not one of seller {seller}, operation {operation}")
            return numbers

        return *await self.call(begin), name

    async def finish(self, run_id: int) -> None:
        async def stamp(connection: Connection) -> None:
            statement = "UPDATE octoffm_journal_runs SET finished_at = clock_timestamp() WHERE run_id = %s"
            await connection.execute(statement, (run_id,))

        await self.call(stamp)

    async def rebind(self, seller: str, environment: Environment) -> Environment | None:
        return await self.call(lambda connection: sql_runs.rebind(connection, seller, environment))

    async def records(self) -> list[RunRecord]:
        return await self.call(reading.records)

    async def run_of(self, run: str) -> tuple[int, int]:
        return await self.call(lambda connection: reading.run_of(connection, run))

    async def after(
        self, numbers: tuple[int, int], states: list[State], key: str | None, most: int, code: str | None
    ) -> list[Entry]:
        return await self.call(
            lambda connection: reading.after(
                connection, *numbers, states, key=key, most=most, shift=self.lease.shift, code=code
            )
        )

    async def forget_some(self, run: str, key: bytes | None, *, force: bool) -> tuple[int, bytes | None]:
        return await self.call(
            lambda connection: sql_runs.forget_some(connection, self.lease.writer_id, run, key, force=force)
        )

    async def undecided(self, scope: int, keys: Sequence[str] | None) -> tuple[int, list[Entry]]:
        async def take(connection: Connection) -> list[Entry]:
            await changes.take(connection, self.lease.writer_id, scope, keys, timedelta(seconds=GRACE))
            return await reading.undecided(connection, scope, self.lease.writer_id, keys, shift=self.lease.shift)

        return 0, await self.call(take)

    async def undecided_keys(self, scope: int) -> list[str]:
        return await self.call(lambda connection: reading.undecided_keys(connection, scope))

    async def created_near(self, scope: int, first: datetime, last: datetime, ripe: datetime) -> list[Entry]:
        return await self.call(
            lambda connection: reading.created_near(
                connection, scope, first=first, last=last, ripe=ripe, shift=self.lease.shift
            )
        )

    async def count_created(self, scope: int, since: datetime, ripe: datetime) -> int:
        return await self.call(
            lambda connection: reading.count_created(connection, scope, since=since, ripe=ripe, shift=self.lease.shift)
        )

    async def payloads(self, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
        return await self.call(lambda connection: reading.payloads(connection, scope, keys))

    async def ids(self, scope: int) -> dict[str, str]:
        return await self.call(lambda connection: reading.ids(connection, scope))

    async def keys_of_ids(self, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        return await self.call(lambda connection: reading.holders(connection, scope, remote_ids))

    async def scopes(self) -> list[int]:
        return await self.call(retention.scopes)

    async def oldest_undecided(self, scope: int) -> datetime | None:
        return await self.call(lambda connection: retention.oldest_undecided(connection, scope, shift=self.lease.shift))

    async def youngest_created(self, scope: int, key: Any, most: int) -> tuple[list[datetime], Any]:
        return await self.call(
            lambda connection: retention.youngest_created(connection, scope, key, most, shift=self.lease.shift)
        )

    async def prune_some(self, scope: int, key: Any, before: datetime, *, dry_run: bool) -> tuple[int, Any]:
        moment, writer = before - self.lease.shift.most, self.lease.writer_id
        return await self.call(
            lambda connection: retention.prune_some(connection, writer, scope, key, moment, dry_run=dry_run)
        )

    async def doubt(self, scope: int, id_by_key: Mapping[str, str], message: str) -> list[str]:
        return await self.call(
            lambda connection: changes.doubt(connection, self.lease.writer_id, scope, id_by_key, message)
        )


class PostgresJournalRun(StoredJournalRun):
    """One run's view of a :class:`PostgresJournal`."""

    in_thread = False


class PostgresJournal(StoredJournal):
    """A journal in a PostgreSQL database, given by its address or as a shared :class:`Database`.

    The journal creates its tables on first use. ``lease`` is in seconds: when a process has not renewed its lease for
    that long, other processes continue with its items. ``read_only`` reads beside the writers, and creates nothing.
    ``clock`` returns the seconds in which the lease is measured.
    """

    _run_type = PostgresJournalRun
    _writer: PostgresBackend | None

    def __init__(
        self,
        database: str | Secret | Database,
        *,
        lease: float = LEASE,
        read_only: bool = False,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.database: Database = as_database(database)
        super().__init__(self.database.name, read_only=read_only)
        self._new_lease: Callable[[], WriterLease] = lambda: WriterLease(self.database, lease, clock=clock)
        self._lease = self._new_lease()

    @property
    def fence(self) -> WriterLease:
        """The lease, which the client checks right before it sends a request."""
        return self._lease

    @property
    def writer_id(self) -> int:
        """The number of this process as a writer."""
        return self._lease.writer_id

    async def _enter(self) -> Backend:
        await self.database.__aenter__()
        try:
            if not self._read_only:
                await self.database.prepare(PART, VERSION, STATEMENTS)
                self._lease = self._new_lease()
                await self._lease.begin()
            else:
                await self._check_exists()
            return PostgresBackend(self.database, self._lease, read_only=self._read_only)
        except BaseException as error:
            await self.database.__aexit__(None, None, None)
            if isinstance(error, StoreError):
                raise JournalError(f"the journal cannot be opened: {error}") from error
            raise

    async def _check_exists(self) -> None:
        async with self.database.connection() as connection:
            found = await connection.execute("SELECT to_regclass('octoffm_journal_runs') IS NULL")
            if await found.fetchone() == (True,):
                raise JournalError(f"there is no journal in {self.database.name}")
