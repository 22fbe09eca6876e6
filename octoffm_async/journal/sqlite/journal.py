"""The journal in a SQLite file, for the processes of one machine: many writers and readers.

- A process becomes a *writer* with a lease (:mod:`.writers`). It writes each item to the journal, durably, before it
  sends it; right before the bytes of a request go out, it checks the lease (:attr:`SQLiteJournal.fence`). The items of
  a writer that has ended, or gave no sign of life for the length of its lease, go to the next writer that asks for
  undecided items, which looks for them on the remote side.
- ``durability="process"``: a write that was awaited survives the death of this process, however sudden; a commit is
  handed to the operating system and not forced to the disk. A power cut may lose the last commits.
- ``durability="power"``: it survives a power cut too; every commit is forced to the disk.

The file and the side files of SQLite are readable by their owner only: requests hold people's addresses.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args

from ...errors import ConfigurationError, JournalError, JournalWriteError
from ..base import LOOK_UP_MOST, Durability, Journal, OutgoingItem, RunRecord
from ..commands import Flush, MarkSent, ReadEntries, RecordStatus, ReleaseItem
from ..lease import LEASE
from ..manual_settlement import choose, manual_decision, settle_by_hand
from ..states import Entry, IllegalTransitionError, State
from . import queries as reading
from . import runs as sql_runs
from . import settlement as by_hand
from .batches import packed
from .engine import Store
from .writer_thread import Writer
from .writers import FileLease

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Sized
    from types import TracebackType

    from ..base import Known
    from ..environment import Environment
    from .file.change_record import Gap

__all__ = ["SQLiteJournal", "SQLiteJournalRun"]

_CHUNK = 500


class SQLiteJournal(Journal):
    """A journal in the file at ``path``, which is created if it does not exist; its folder must exist.

    ``lease`` is in seconds: when a process has given no sign of life for that long, other processes continue with its
    items. ``read_only`` reads beside the writers, and creates nothing. ``clock`` returns seconds since 1970;
    ``lease_clock`` the seconds in which leases are measured, the same in all processes of the machine.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "process",
        lease: float = LEASE,
        read_only: bool = False,
        verify_first: bool = False,
        clock: Callable[[], float] = time.time,
        lease_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if durability not in get_args(Durability):
            raise ConfigurationError(f"a journal's durability is 'process' or 'power', not {durability!r}")
        self.path: Path = Path(path).absolute()
        self.opened_at: datetime | None = None
        self.opened_on: float | None = None
        self.taken_on: float | None = None
        self._read_only = read_only
        self.gap: Gap | None = None
        self._lease = FileLease(self.path.resolve(), lease, clock=lease_clock)

        def store() -> Store:
            path = self.path.resolve()
            self._lease = FileLease(path, lease, clock=lease_clock)
            return Store(
                path,
                durability=durability,
                read_only=read_only,
                clock=clock,
                lease=self._lease,
                verify_first=verify_first,
            )

        self._store = store
        self._writer: Writer | None = None
        self._live: set[str] = set()

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            raise ConfigurationError(f"the journal {self.path} is already entered")
        writer = Writer(self._store)
        self._writer = writer
        try:
            self.gap = await writer.open()
        except BaseException:
            self._writer = None
            raise
        self.opened_at = datetime.now(UTC)
        self.opened_on = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        writer, self._writer = self._thread, None
        self._live.clear()
        try:
            await writer.close()
        except (JournalError, IllegalTransitionError):
            if exc is None:
                raise

    @property
    def fence(self) -> FileLease:
        """The lease, which the client checks right before it sends a request."""
        return self._lease

    async def begin_run(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> SQLiteJournalRun:
        """Begin a run, or continue the run named.

        ``source`` describes to people where the items come from.

        ``environment`` is the API and account to which the items are sent. The seller's part of the journal belongs to
        the first environment that it is used with.

        Raises:
            OtherEnvironmentError: it belongs to another one.
            ConfigurationError: the run does not exist, or is of another seller or operation.
        """
        self._check_writable()
        scope, run_id, name = await self._thread.call(
            lambda store: sql_runs.begin(store, (seller, operation), run, source, environment), writes=True
        )
        self._live.add(name)
        return SQLiteJournalRun(self, self._thread, (scope, run_id), (name, seller, operation), self._live)

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Assign a seller's part of the journal to this environment; return the one that it belonged to before.

        This is right only for the same API and account under a new address or name: otherwise items would be skipped or
        sent twice.
        """
        self._check_writable()
        return await self._thread.call(lambda store: sql_runs.rebind(store, seller, environment), writes=True)

    async def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        return await self._thread.call(sql_runs.records)

    async def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """Iterate over a run's items by key, read in chunks; only those in ``state`` and with ``code``, if given.

        Items that another run sent again belong to that run.
        """
        states = [state] if isinstance(state, State) else list(State if state is None else state)
        scope, run_id = await self._thread.call(lambda store: sql_runs.of_name(store, run))
        key: str | None = None
        while True:
            chunk = await self._thread.call(_reading(scope, run_id, states, key, code))
            for entry in chunk:
                yield entry
            if len(chunk) < _CHUNK:
                return
            key = chunk[-1].key

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; return the number of items.

        A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided and ``force`` is not set, or this process is writing it.
            ConfigurationError: the run does not exist.
        """
        self._check_writable()
        if run in self._live:
            raise JournalError(f"run {run} is under way in this process: finish it before it is forgotten")
        total, key = 0, None
        while True:
            gone, key = await self._thread.call(_forgetting(run, key, force=force), writes=True)
            total += gone
            if key is None:
                return total

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, of any seller and operation."""
        _check_number(keys)
        return await by_hand.SQLiteManualSettlement(self._thread).find(keys)

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
        """Record a person's decision on undecided items; return the items as they were before.

        See :meth:`Journal.settle`.
        """
        word = manual_decision(keys, absent=absent, created=created, seller=seller, operation=operation, note=note)
        _check_number(word.keys)
        settling = by_hand.SQLiteManualSettlement(self._thread)
        if dry_run:
            return await choose(settling, word)
        self._check_writable()
        return await settle_by_hand(self, settling, word)

    @property
    def _thread(self) -> Writer:
        if self._writer is None:
            return Writer(self._store)  # not open: its calls raise
        return self._writer

    def _check_writable(self) -> None:
        if self._read_only:
            raise JournalWriteError(f"the journal {self.path} was opened for reading only")
        if self._writer is not None and self._lease.writer_id and self._lease.is_dead:
            raise self._lease.error()


class SQLiteJournalRun:
    """One run's view of a :class:`SQLiteJournal`."""

    in_thread = True
    takeover_seconds: float
    run: str
    seller: str
    operation: str

    def __init__(
        self,
        journal: SQLiteJournal,
        writer: Writer,
        numbers: tuple[int, int],
        names: tuple[str, str, str],
        live: set[str],
    ) -> None:
        self._journal = journal
        self._writer = writer
        self._scope, self._run_id = numbers
        self._live = live
        self.run, self.seller, self.operation = names
        self.takeover_seconds = journal.fence.takeover_seconds

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, in their order; ``None`` for a key without one."""
        _check_number(keys)
        waiter = self._writer.future()
        self._writer.look_up(ReadEntries(self._scope, keys, waiter))
        entries: list[Entry | None] = await waiter
        return entries

    async def mark_sent(
        self, items: Sequence[OutgoingItem], *, api_at: datetime | None = None, first_at: datetime | None = None
    ) -> None:
        """Write that these items are about to be sent, all or none; return when that is durable.

        ``api_at`` is the time that the API's own clock shows, if known. ``first_at`` is the earliest time at which the
        items may have been sent, if not now: reconciliation looks for them from then on. A cancelled call may or may
        not have written them.

        Raises:
            FencedError: this process was suspended for longer than its lease; nothing may be sent.
            JournalWriteError: the write failed; nothing was written, and nothing may be sent.
            IllegalTransitionError: one of the items may not be sent.
        """
        hashes = {item.key: item.payload_hash for item in items}
        if len(hashes) < len(items):
            keys = [item.key for item in items]
            raise IllegalTransitionError(next(key for key in keys if keys.count(key) > 1), None, State.SENT)
        waiter = self._writer.future()
        at, since = (None if moment is None else reading.milliseconds(moment) for moment in (api_at, first_at))
        self._writer.submit(MarkSent(self._scope, self._run_id, hashes, packed(items), waiter, at, since))
        await waiter

    def record_outcome(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue the outcome of an item, after all that was queued before. ``None`` keeps the known remote id."""
        self._writer.queue(key, (self._scope, self._run_id, key, state, remote_id, code, message))

    def record_created(self, key: str, remote_id: str | None) -> None:
        """Queue the outcome "created" for an item: the common case of :meth:`settle`."""
        self._writer.queue_created(self._scope, self._run_id, key, remote_id)

    def release(self, keys: Iterable[str]) -> None:
        """Queue the release of items: other writers may then take over those that are undecided."""
        for key in keys:
            self._writer.queue(key, ReleaseItem(self._scope, self._run_id, key))

    def record_status(self, key: str, status: str) -> None:
        """Queue the last status that status tracking saw for a created item."""
        self._writer.queue(key, RecordStatus(self._scope, key, status))

    async def flush(self) -> None:
        """Return when everything that was queued is durable.

        Raises:
            JournalError: some of it could not be written.
            IllegalTransitionError: some of it was not legal, and was skipped.
        """
        waiter = self._writer.future()
        self._writer.submit(Flush(self._run_id, waiter))
        await waiter

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """Return the items of this seller and operation that this process must reconcile, by key.

        Takes over the undecided items that no writer holds, or that a writer holds which has ended. Only those of
        ``keys``, if given.
        """

        def take(store: Store) -> tuple[int, list[Entry]]:
            taken = store.take(self._scope, keys)
            return taken, reading.undecided(store, self._scope, keys, store.lease.writer_id)

        taken, entries = await self._writer.call(take, writes=True)
        if taken:
            self._journal.taken_on = asyncio.get_running_loop().time()
        return entries

    async def undecided_keys(self) -> list[str]:
        """Return the keys of all items that must be reconciled, of every process, without taking any over."""
        return await self._writer.call(lambda store: reading.undecided_keys(store, self._scope))

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Return up to two created items, by the local clock: the last before ``first``, and one after ``last``."""
        return await self._writer.call(
            lambda store: reading.created_near(store, self._scope, first=first, last=last, ripe=ripe)
        )

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """Return the number of items with an id, sent since ``since`` and created by ``ripe``, on the local clock."""
        return await self._writer.call(lambda store: reading.count_created(store, self._scope, since=since, ripe=ripe))

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the stored requests of up to ``LOOK_UP_MOST`` keys; created and refused items have none."""
        _check_number(keys)
        return await self._writer.call(lambda store: reading.payloads(store, self._scope, keys))

    async def ids(self) -> dict[str, str]:
        """Return sample ids of created items of this seller and operation, by key, from any run."""
        return await self._writer.call(lambda store: reading.ids(store, self._scope))

    async def keys_of_ids(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return, by id, the keys of the created items from any run that have one of up to ``LOOK_UP_MOST`` ids."""
        _check_number(remote_ids)
        return await self._writer.call(lambda store: reading.keys_of_ids(store, self._scope, remote_ids))

    async def reset_to_unknown(self, id_by_key: Mapping[str, str], message: str) -> list[str]:
        """Reset to unknown, durably, each key that is created with exactly its id in ``id_by_key``; return those."""
        _check_number(id_by_key)
        return await self._writer.call(
            lambda store: sql_runs.doubt(store, self._scope, id_by_key, message), writes=True
        )

    async def finish(self) -> None:
        """Write the end of the run, after everything queued before; return when that is durable."""
        await self._writer.call(lambda store: sql_runs.finish(store, self._run_id), writes=True)
        self._live.discard(self.run)


def _reading(
    scope: int, run_id: int, states: list[State], key: str | None, code: str | None
) -> Callable[[Store], list[Entry]]:
    return lambda store: reading.after(store, scope, run_id, states, key=key, most=_CHUNK, code=code)


def _forgetting(run: str, key: str | None, *, force: bool) -> Callable[[Store], tuple[int, str | None]]:
    return lambda store: sql_runs.forget_some(store, run, key, force=force)


def _check_number(keys: Sized) -> None:
    if len(keys) > LOOK_UP_MOST:
        raise ConfigurationError(f"a look-up names up to {LOOK_UP_MOST} keys, not {len(keys)}")
