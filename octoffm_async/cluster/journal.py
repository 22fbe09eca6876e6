"""The journal in PostgreSQL: many writers at once, on many machines, also on the same seller and operation.

- Who enters it for writing registers as a *writer* and has a lease, which is renewed every third of it. What is sent is
  written down before, durably, under the writer's name; the last thing before a request's bytes leave is a look at the
  lease (:attr:`PostgresJournal.fence`).
- A writer whose lease has ended is given ``GRACE`` seconds more by the database's clock. Then another one that asks for
  what is undecided marks it as dead, for ever, and takes its items over; they have left by the end of that lease, and
  are looked for on the remote side as after any crash. What the dead one still says is left out, unless it is that an
  item was created.
- A writer that closes the journal, or lets go of an item, leaves it to others at once.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from ..bulk.journal.batches import stored
from ..bulk.journal.protocol import LOOK_UP_MOST, Journal, RunRecord, Sending
from ..bulk.journal.settling import choose, settle_by_hand, word_of
from ..bulk.journal.states import Entry, IllegalTransitionError, State
from ..bulk.journal.steps import Flush, Follow, LookUp
from ..errors import ClosedError, ConfigurationError, JournalError, JournalWriteError, StoreError
from . import journal_changes as changes
from . import journal_environments as environments
from . import journal_reading as reading
from .database import Database, as_database
from .journal_forgetting import forget_some
from .journal_runs import begun, gone_on_with
from .journal_schema import PART, STATEMENTS, VERSION
from .journal_settling import ByHand
from .journal_waves import Release, Send
from .journal_writer import JournalWriter
from .lease import GRACE, Lease, boot_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Sized
    from types import TracebackType

    from ..bulk.journal.environment import Environment
    from ..bulk.journal.settling import Known
    from ..config import Secret
    from .database import Connection

__all__ = ["LEASE", "PostgresBook", "PostgresJournal"]

LEASE = 15.0
_CHUNK = 500


class PostgresJournal(Journal):
    """A journal in the database at ``database``, an address or one that is shared. Its tables are made on first use.

    ``lease`` is in seconds: so long after a process was silent, others go on with its items. ``read_only`` reads beside
    the writers, and makes nothing. ``clock`` tells the seconds that the lease is measured in.
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
        self.database = as_database(database)
        self._lease = Lease(self.database, lease, clock=clock)
        self._seconds = lease
        self._read_only = read_only
        self._clock = clock
        self._writer: JournalWriter | None = None
        self._live: set[str] = set()

    @property
    def fence(self) -> Lease:
        """The lease, which each sending passes right before it leaves."""
        return self._lease

    @property
    def writer_id(self) -> int:
        """The number under which this process writes."""
        return self._lease.writer_id

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            raise ConfigurationError(f"the journal {self.database.name} is already entered")
        await self.database.__aenter__()
        try:
            if not self._read_only:
                await self.database.prepare(PART, VERSION, STATEMENTS)
                self._lease = Lease(self.database, self._seconds, clock=self._clock)
                await self._lease.begin()
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

    async def book(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> PostgresBook:
        """Begin a run, or go on with the run named, with others or alone. ``source`` is told to people.

        ``environment`` is where its items will be sent. The seller's part of the journal belongs to the first one.

        Raises:
            OtherEnvironmentError: it belongs to another one.
            ConfigurationError: no such run, or one of another seller or operation.
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
            return await gone_on_with(connection, names, run, f"seller {seller}, operation {operation}")

        scope, run_id = await self._open.ask(begin)
        self._live.add(name)
        return PostgresBook(self._open, self._lease, (scope, run_id), (name, seller, operation), self._live)

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Say that what is known of a seller belongs to this environment; the one that it belonged to before.

        Right only for the same API and account under a new address or name: else items would be skipped, or sent twice.
        """
        self._check_writable()
        return await self._open.ask(lambda connection: environments.rebind(connection, seller, environment))

    async def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        return await self._open.ask(reading.records)

    async def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """A run's items by key, read a few at a time; those with this ``code`` only, if given.

        Items that another run sent again belong to that one.
        """
        wanted = [state] if isinstance(state, State) else list(State if state is None else state)
        scope, run_id = await self._open.ask(lambda connection: reading.run_of(connection, run))
        key: str | None = None
        while True:

            async def read(connection: Connection, key: str | None = key) -> list[Entry]:
                shift = self._lease.shift
                return await reading.after(
                    connection, scope, run_id, wanted, key=key, most=_CHUNK, shift=shift, code=code
                )

            chunk = await self._open.ask(read)
            for entry in chunk:
                yield entry
            if len(chunk) < _CHUNK:
                return
            key = chunk[-1].key

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; how many they were. A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided and ``force`` is not set, or this process writes it right now.
            ConfigurationError: no such run.
        """
        self._check_writable()
        if run in self._live:
            raise JournalError(f"run {run} is under way in this process: finish it before it is forgotten")
        total = 0
        key: bytes | None = None
        while True:

            async def work(connection: Connection, key: bytes | None = key) -> tuple[int, bytes | None]:
                return await forget_some(connection, self.writer_id, run, key, force=force)

            gone, key = await self._open.ask(work)
            total += gone
            if key is None:
                return total

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """What is known of up to ``LOOK_UP_MOST`` keys, of whichever seller and operation."""
        _check_number(keys)
        return await ByHand(self._open, self._lease).find(keys)

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
        """Say what became of undecided items, for whoever has looked; what they were. See :class:`Journal`."""
        word = word_of(keys, absent=absent, created=created, seller=seller, operation=operation, note=note)
        _check_number(word.keys)
        settling = ByHand(self._open, self._lease)
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


class PostgresBook:
    """One run's view of a :class:`PostgresJournal`."""

    in_thread = False
    others_within = 0.0

    def __init__(
        self, writer: JournalWriter, lease: Lease, numbers: tuple[int, int], names: tuple[str, str, str], live: set[str]
    ) -> None:
        self._writer = writer
        self._lease = lease
        self._scope, self._run_id = numbers
        self._live = live
        self.run, self.seller, self.operation = names
        self.others_within = lease.seconds + 2 * GRACE

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is known of up to ``LOOK_UP_MOST`` keys, in their order."""
        _check_number(keys)
        waiter = self._writer.future()
        self._writer.submit(LookUp(self._scope, keys, waiter))
        entries: list[Entry | None] = await waiter
        return entries

    async def sent(
        self, items: Sequence[Sending], *, api_at: datetime | None = None, first_at: datetime | None = None
    ) -> None:
        """Write that these items are about to be sent; returns when that is durable. All of them or none.

        ``api_at`` is what the API's own clock shows, if that is known. ``first_at`` is when they may have been sent
        first, if that is not now: they are looked for from then on. Cancelled while it waits, it may have written them
        or not.

        Raises:
            FencedError: this process was silent for longer than its lease; nothing may be sent.
            JournalWriteError: it could not be written; nothing may be sent.
            IllegalTransitionError: one of them may not be sent.
        """
        if not items:
            return
        seen = set[str]()
        for item in items:
            if item.key in seen:
                raise IllegalTransitionError(item.key, None, State.SENT)
            seen.add(item.key)
        waiter = self._writer.future()
        self._writer.submit(Send(self._scope, self._run_id, items, waiter, api_at, first_at))
        await waiter

    def settle(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue what became of an item, after all that was queued before. ``None`` keeps the remote id known."""
        self._writer.queue((self._scope, self._run_id, key, state, remote_id, code, message))

    def settle_created(self, key: str, remote_id: str | None) -> None:
        """The same for an item that was created, as most are."""
        self.settle(key, State.CREATED, remote_id=remote_id)

    def release(self, keys: Iterable[str]) -> None:
        """Queue that nobody here is busy with these any more: what is undecided of them may be taken by others."""
        for key in keys:
            self._writer.queue(Release(self._scope, self._run_id, key))

    def follow(self, key: str, status: str) -> None:
        """Queue the status that following a created item saw last."""
        self._writer.queue(Follow(self._scope, key, status))

    async def flush(self) -> None:
        """Return when all that was queued is durable.

        Raises:
            JournalError: some of it could not be written.
            IllegalTransitionError: some of it was not legal, and was left out.
        """
        waiter = self._writer.future()
        self._writer.submit(Flush(self._run_id, waiter))
        await waiter

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """The items of this seller and operation that this process must reconcile, by key; those of ``keys`` only.

        What is in nobody's hands, or in those of a process that is gone, is taken over.
        """

        async def take(connection: Connection) -> list[Entry]:
            await changes.take(connection, self._lease.writer_id, self._scope, keys, timedelta(seconds=GRACE))
            return await reading.undecided(
                connection, self._scope, self._lease.writer_id, keys, shift=self._lease.shift
            )

        return await self._writer.ask(take)

    async def undecided_keys(self) -> list[str]:
        """The keys of all those items, whoever is busy with them. Nothing is taken over."""
        return await self._writer.ask(lambda connection: reading.undecided_keys(connection, self._scope))

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Up to two created items, by our clock: the last known before ``first``, and one known after ``last``."""

        async def read(connection: Connection) -> list[Entry]:
            shift = self._lease.shift
            return await reading.created_near(connection, self._scope, first=first, last=last, ripe=ripe, shift=shift)

        return await self._writer.ask(read)

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """How many items with an id were sent since then and created until ``ripe``, by our clock."""

        async def read(connection: Connection) -> int:
            shift = self._lease.shift
            return await reading.count_created(connection, self._scope, since=since, ripe=ripe, shift=shift)

        return await self._writer.ask(read)

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The encoded requests of those of up to ``LOOK_UP_MOST`` keys that have one: all but created and refused."""
        _check_number(keys)
        return await self._writer.ask(lambda connection: reading.payloads(connection, self._scope, keys))

    async def ids(self) -> dict[str, str]:
        """Ids of some created items of this seller and operation, by key, from any run."""
        return await self._writer.ask(lambda connection: reading.ids(connection, self._scope))

    async def holders(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """The keys of the created items, from any run, that have one of up to ``LOOK_UP_MOST`` ids, by id."""
        _check_number(remote_ids)
        return await self._writer.ask(lambda connection: reading.holders(connection, self._scope, remote_ids))

    async def doubt(self, told: Mapping[str, str], message: str) -> list[str]:
        """Make unknown, durably, what is created with the very id that its key was told; the keys of those."""
        _check_number(told)
        return await self._writer.ask(
            lambda connection: changes.doubt(connection, self._lease.writer_id, self._scope, told, message)
        )

    async def finish(self) -> None:
        """Write that the run is over, after all that was queued before; returns when that is durable."""

        async def stamp(connection: Connection) -> None:
            statement = "UPDATE octoffm_journal_runs SET finished_at = clock_timestamp() WHERE run_id = %s"
            await connection.execute(statement, (self._run_id,))

        await self._writer.ask(stamp)
        self._live.discard(self.run)


def _check_number(keys: Sized) -> None:
    if len(keys) > LOOK_UP_MOST:
        raise ConfigurationError(f"a look-up names up to {LOOK_UP_MOST} keys, not {len(keys)}")
