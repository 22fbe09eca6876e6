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
from typing import TYPE_CHECKING, Self

from ...errors import ClosedError, ConfigurationError, JournalError, JournalWriteError, StoreError
from ...stores.database import Database, as_database
from ..base import LOOK_UP_MOST, Journal, OutgoingItem, RunRecord
from ..commands import Flush, ReadEntries, RecordStatus, ReleaseItem
from ..lease import GRACE, LEASE
from ..manual_settlement import choose, manual_decision, settle_by_hand
from ..sqlite.batches import stored
from ..states import Entry, IllegalTransitionError, State
from . import changes, environments
from . import queries as reading
from .batch import MarkItemsSent
from .forgetting import forget_some
from .runs import begun, reopen_run
from .schema import PART, STATEMENTS, VERSION
from .settlement import PostgresManualSettlement
from .writer import JournalWriter
from .writer_lease import WriterLease, boot_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Sized
    from types import TracebackType

    from ...config import Secret
    from ...stores.database import Connection
    from ..environment import Environment
    from ..manual_settlement import Known

__all__ = ["LEASE", "PostgresJournal", "PostgresJournalRun"]

_CHUNK = 500


class PostgresJournal(Journal):
    """A journal in a PostgreSQL database, given by its address or as a shared :class:`Database`.

    The journal creates its tables on first use. ``lease`` is in seconds: when a process has not renewed its lease for
    that long, other processes continue with its items. ``read_only`` reads beside the writers, and creates nothing.
    ``clock`` returns the seconds in which the lease is measured.
    """

    def __init__(
        self,
        database: str | Secret | Database,
        *,
        lease: float = LEASE,
        read_only: bool = False,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.opened_at: datetime | None = None
        self.database: Database = as_database(database)
        self._lease = WriterLease(self.database, lease, clock=clock)
        self._seconds = lease
        self._read_only = read_only
        self._clock = clock
        self._writer: JournalWriter | None = None
        self._live: set[str] = set()

    @property
    def fence(self) -> WriterLease:
        """The lease, which the client checks right before it sends a request."""
        return self._lease

    @property
    def writer_id(self) -> int:
        """The number of this process as a writer."""
        return self._lease.writer_id

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            raise ConfigurationError(f"the journal {self.database.name} is already entered")
        await self.database.__aenter__()
        try:
            if not self._read_only:
                await self.database.prepare(PART, VERSION, STATEMENTS)
                self._lease = WriterLease(self.database, self._seconds, clock=self._clock)
                await self._lease.begin()
            else:
                await self._check_exists()
            self._writer = JournalWriter(self.database, None if self._read_only else self._lease)
        except BaseException as error:
            await self.database.__aexit__(None, None, None)
            if isinstance(error, StoreError):
                raise JournalError(f"the journal cannot be opened: {error}") from error
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        writer, self._writer = self._open, None
        self._live.clear()
        try:
            await writer.close()
        except (JournalError, IllegalTransitionError):
            if exc is None:
                raise
        finally:
            try:
                if not self._read_only:
                    await self._lease.end()
            finally:
                await self.database.__aexit__(None, None, None)

    async def _check_exists(self) -> None:
        async with self.database.connection() as connection:
            found = await connection.execute("SELECT to_regclass('octoffm_journal_runs') IS NULL")
            if await found.fetchone() == (True,):
                raise JournalError(f"there is no journal in {self.database.name}")

    async def begin_run(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> PostgresJournalRun:
        """Begin a run, or continue the run named, alone or beside other processes. ``source`` describes it to people.

        ``environment`` is the API and account to which the items will be sent. The seller's part of the journal belongs
        to the first environment that writes to it.

        Raises:
            OtherEnvironmentError: the seller's part belongs to another environment.
            ConfigurationError: the run does not exist, or is one of another seller or operation.
        """
        self._check_writable()
        name = run or f"{datetime.now(UTC) - self._lease.shift.least:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        names = (stored(seller), stored(operation))

        async def begin(connection: Connection) -> tuple[int, int]:
            if run is not None:
                await reading.run_of(connection, run)
            if environment is not None:
                await environments.bind(connection, self.database.name, seller, environment)
            if run is None:
                return await begun(connection, names, name, stored(source))
            return await reopen_run(connection, names, run, f"seller {seller}, operation {operation}")

        scope, run_id = await self._open.call(begin)
        self._live.add(name)
        return PostgresJournalRun(self._open, self._lease, (scope, run_id), (name, seller, operation), self._live)

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Assign a seller's part of the journal to an environment; return the one that it belonged to before.

        This is right only for the same API and account under a new address or name: else a run would skip items, or
        send them twice.
        """
        self._check_writable()
        return await self._open.call(lambda connection: environments.rebind(connection, seller, environment))

    async def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        return await self._open.call(reading.records)

    async def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """Yield a run's items by key, read a few at a time; only those with this ``state`` and ``code``, if given.

        An item that another run sent again belongs to that run.
        """
        states = [state] if isinstance(state, State) else list(State if state is None else state)
        scope, run_id = await self._open.call(lambda connection: reading.run_of(connection, run))
        key: str | None = None
        while True:

            async def read(connection: Connection, key: str | None = key) -> list[Entry]:
                shift = self._lease.shift
                return await reading.after(
                    connection, scope, run_id, states, key=key, most=_CHUNK, shift=shift, code=code
                )

            chunk = await self._open.call(read)
            for entry in chunk:
                yield entry
            if len(chunk) < _CHUNK:
                return
            key = chunk[-1].key

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; return their number. A later run may send a deleted key again.

        Raises:
            JournalError: items of the run are undecided and ``force`` is not set, or this process is writing to it.
            ConfigurationError: the run does not exist.
        """
        self._check_writable()
        if run in self._live:
            raise JournalError(f"run {run} is under way in this process: finish it before it is forgotten")
        total = 0
        key: bytes | None = None
        while True:

            async def work(connection: Connection, key: bytes | None = key) -> tuple[int, bytes | None]:
                return await forget_some(connection, self.writer_id, run, key, force=force)

            gone, key = await self._open.call(work)
            total += gone
            if key is None:
                return total

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, of any seller and operation."""
        _check_number(keys)
        return await PostgresManualSettlement(self._open, self._lease).find(keys)

    async def settle(
        self,
        keys: str | Sequence[str],
        *,
        absent: bool = False,
        created: str | None = None,
        seller: str | None = None,
        operation: str | None = None,
        note: str = "",
        dry_run: bool = False,
    ) -> list[Known]:
        """Record the outcomes that a person found for undecided items; return their entries. See :class:`Journal`."""
        word = manual_decision(keys, absent=absent, created=created, seller=seller, operation=operation, note=note)
        _check_number(word.keys)
        settling = PostgresManualSettlement(self._open, self._lease)
        if dry_run:
            return await choose(settling, word)
        self._check_writable()
        return await settle_by_hand(self, settling, word)

    @property
    def _open(self) -> JournalWriter:
        if self._writer is None:
            raise ClosedError("the journal is not open: async with Journal.open(…) as journal")
        return self._writer

    def _check_writable(self) -> None:
        if self._read_only:
            raise JournalWriteError(f"the journal {self.database.name} was opened for reading only")
        if self._writer is not None and self._lease.is_dead:
            raise self._lease.error()


class PostgresJournalRun:
    """One run's view of a :class:`PostgresJournal`."""

    in_thread = False
    takeover_seconds: float = 0.0
    run: str
    seller: str
    operation: str

    def __init__(
        self,
        writer: JournalWriter,
        lease: WriterLease,
        numbers: tuple[int, int],
        names: tuple[str, str, str],
        live: set[str],
    ) -> None:
        self._writer = writer
        self._lease = lease
        self._scope, self._run_id = numbers
        self._live = live
        self.run, self.seller, self.operation = names
        self.takeover_seconds = lease.takeover_seconds

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, in their order; ``None`` for an unknown key."""
        _check_number(keys)
        waiter = self._writer.future()
        self._writer.submit(ReadEntries(self._scope, keys, waiter))
        entries: list[Entry | None] = await waiter
        return entries

    async def mark_sent(
        self, items: Sequence[OutgoingItem], *, api_at: datetime | None = None, first_at: datetime | None = None
    ) -> None:
        """Mark items as sent, all or none, before the caller sends them; return when that is durable.

        ``api_at`` is the time of the API's own clock, if known. ``first_at`` is the earliest time at which the items
        may have been sent, if that is not now: a look-up starts there. If the caller is cancelled while it waits, the
        items may be marked or not.

        Raises:
            FencedError: this process did not renew its lease in time; nothing may be sent.
            JournalWriteError: the journal could not be written; nothing may be sent.
            IllegalTransitionError: an item may not be sent in its state.
        """
        if not items:
            return
        seen = set[str]()
        for item in items:
            if item.key in seen:
                raise IllegalTransitionError(item.key, None, State.SENT)
            seen.add(item.key)
        waiter = self._writer.future()
        self._writer.submit(MarkItemsSent(self._scope, self._run_id, items, waiter, api_at, first_at))
        await waiter

    def record_outcome(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue the outcome of an item, behind all commands before. ``None`` keeps the known remote id."""
        self._writer.queue((self._scope, self._run_id, key, state, remote_id, code, message))

    def record_created(self, key: str, remote_id: str | None) -> None:
        """Queue the outcome of a created item: the common case of :meth:`record_outcome`."""
        self.record_outcome(key, State.CREATED, remote_id=remote_id)

    def release(self, keys: Iterable[str]) -> None:
        """Queue the release of items: other writers may then take over those that are undecided."""
        for key in keys:
            self._writer.queue(ReleaseItem(self._scope, self._run_id, key))

    def record_status(self, key: str, status: str) -> None:
        """Queue the last status that the status tracker saw of a created item."""
        self._writer.queue(RecordStatus(self._scope, key, status))

    async def flush(self) -> None:
        """Wait until all queued commands are durable.

        Raises:
            JournalError: a command could not be written.
            IllegalTransitionError: a command was not legal, and was ignored.
        """
        waiter = self._writer.future()
        self._writer.submit(Flush(self._run_id, waiter))
        await waiter

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """Return the items of this seller and operation that this process must reconcile, by key.

        Takes over the undecided items that no writer holds, or that a dead writer holds. Only those of ``keys``, if
        given.
        """

        async def take(connection: Connection) -> list[Entry]:
            await changes.take(connection, self._lease.writer_id, self._scope, keys, timedelta(seconds=GRACE))
            return await reading.undecided(
                connection, self._scope, self._lease.writer_id, keys, shift=self._lease.shift
            )

        return await self._writer.call(take)

    async def undecided_keys(self) -> list[str]:
        """Return the keys of all undecided items of this seller and operation, without taking any over."""
        return await self._writer.call(lambda connection: reading.undecided_keys(connection, self._scope))

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Return up to two created items: the last known before ``first`` (our clock), and one known after ``last``."""

        async def read(connection: Connection) -> list[Entry]:
            shift = self._lease.shift
            return await reading.created_near(connection, self._scope, first=first, last=last, ripe=ripe, shift=shift)

        return await self._writer.call(read)

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """Return the number of items with an id, sent from ``since`` on and created until ``ripe`` (our clock)."""

        async def read(connection: Connection) -> int:
            shift = self._lease.shift
            return await reading.count_created(connection, self._scope, since=since, ripe=ripe, shift=shift)

        return await self._writer.call(read)

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the encoded requests of up to ``LOOK_UP_MOST`` keys; created and refused items have none."""
        _check_number(keys)
        return await self._writer.call(lambda connection: reading.payloads(connection, self._scope, keys))

    async def ids(self) -> dict[str, str]:
        """Return the ids of some created items of this seller and operation, by key, from any run."""
        return await self._writer.call(lambda connection: reading.ids(connection, self._scope))

    async def keys_of_ids(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the keys of created items, from any run, by up to ``LOOK_UP_MOST`` remote ids."""
        _check_number(remote_ids)
        return await self._writer.call(lambda connection: reading.holders(connection, self._scope, remote_ids))

    async def reset_to_unknown(self, id_by_key: Mapping[str, str], message: str) -> list[str]:
        """Make created items unknown, durably, that still have the id given for their key; return their keys."""
        _check_number(id_by_key)
        return await self._writer.call(
            lambda connection: changes.doubt(connection, self._lease.writer_id, self._scope, id_by_key, message)
        )

    async def finish(self) -> None:
        """Mark the run as finished, after all queued commands; return when that is durable."""

        async def stamp(connection: Connection) -> None:
            statement = "UPDATE octoffm_journal_runs SET finished_at = clock_timestamp() WHERE run_id = %s"
            await connection.execute(statement, (self._run_id,))

        await self._writer.call(stamp)
        self._live.discard(self.run)


def _check_number(keys: Sized) -> None:
    if len(keys) > LOOK_UP_MOST:
        raise ConfigurationError(f"a look-up names up to {LOOK_UP_MOST} keys, not {len(keys)}")
