"""The half of a journal that all stores share: the journal and its runs as programs use them, over a back-end.

A back-end executes commands in their order, in batches (:mod:`.commands`), and answers queries; it writes for one
process, which has a lease. This module checks arguments, and waits. What the methods do is described in :mod:`.base`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..errors import ClosedError, ConfigurationError, JournalError, JournalWriteError
from .base import LOOK_UP_MOST, Journal, OutgoingItem, RunRecord
from .commands import NOT_OPEN, Flush, ReadEntries, RecordStatus, ReleaseItem
from .manual_settlement import choose, manual_decision, settle_by_hand
from .retention import Prunable, prune
from .states import Entry, IllegalTransitionError, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Sized
    from datetime import datetime, timedelta
    from types import TracebackType

    from .base import Known
    from .commands import RecordOutcome
    from .environment import Environment
    from .lease import Lease
    from .manual_settlement import ManualSettlement

__all__ = ["Backend", "StoredJournal", "StoredJournalRun"]

_CHUNK = 500


class Backend(Prunable, Protocol):
    """An open store of journals, with its SQL dialect. ``scope`` is the number of a seller and operation."""

    @property
    def lease(self) -> Lease:
        """The lease of this process."""
        ...

    @property
    def settlement(self) -> ManualSettlement:
        """The reads and writes for manual settlement."""
        ...

    async def close(self) -> None:
        """Execute all commands, and close the store."""
        ...

    def future(self) -> asyncio.Future[Any]:
        """Return a future for a command's result; raises ClosedError where the journal is not open."""
        ...

    def submit(self, command: Flush) -> None:
        """Submit a command that a caller waits for."""
        ...

    def look_up(self, command: ReadEntries) -> None:
        """Submit a look-up."""
        ...

    def mark_sent(
        self,
        numbers: tuple[int, int],
        items: Sequence[OutgoingItem],
        waiter: asyncio.Future[Any],
        api_at: datetime | None,
        first_at: datetime | None,
    ) -> None:
        """Submit the command to mark different items as sent. ``numbers`` are of the scope and the run."""
        ...

    def queue(self, key: str, command: RecordOutcome | RecordStatus | ReleaseItem) -> None:
        """Queue a command on an item that no caller waits for."""
        ...

    def queue_created(self, scope: int, run_id: int, key: str, remote_id: str | None) -> None:
        """Queue the creation of an item."""
        ...

    async def begin(
        self, names: tuple[str, str], run: str | None, source: str, environment: Environment | None
    ) -> tuple[int, int, str]:
        """Begin or continue a run of a seller and operation; return its scope, its number and its id."""
        ...

    async def finish(self, run_id: int) -> None:
        """Write the end of a run."""
        ...

    async def rebind(self, seller: str, environment: Environment) -> Environment | None:
        """Assign a seller's part to an environment; return the one before."""
        ...

    async def records(self) -> list[RunRecord]:
        """Return all runs."""
        ...

    async def run_of(self, run: str) -> tuple[int, int]:
        """Return the numbers of a run's scope and of the run."""
        ...

    async def after(
        self, numbers: tuple[int, int], states: list[State], key: str | None, most: int, code: str | None
    ) -> list[Entry]:
        """Return up to ``most`` items of a run behind ``key``, by key."""
        ...

    async def forget_some(self, run: str, key: Any, *, force: bool) -> tuple[int, Any]:
        """Delete some of a run's items behind ``key``; return their number and the last key, ``None`` at the end."""
        ...

    async def undecided(self, scope: int, keys: Sequence[str] | None) -> tuple[int, list[Entry]]:
        """Take over what may be; return the number of items taken, and the items to reconcile."""
        ...

    async def undecided_keys(self, scope: int) -> list[str]:
        """Return the keys of all undecided items."""
        ...

    async def created_near(self, scope: int, first: datetime, last: datetime, ripe: datetime) -> list[Entry]:
        """Return created items next to the period between two times."""
        ...

    async def count_created(self, scope: int, since: datetime, ripe: datetime) -> int:
        """Return the number of items with an id."""
        ...

    async def payloads(self, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
        """Return stored requests."""
        ...

    async def ids(self, scope: int) -> dict[str, str]:
        """Return sample ids of created items."""
        ...

    async def keys_of_ids(self, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the keys of created items by id."""
        ...

    async def doubt(self, scope: int, id_by_key: Mapping[str, str], message: str) -> list[str]:
        """Reset created items to unknown; return their keys."""
        ...


class StoredJournalRun:
    """One run's view of a journal; see :class:`.base.JournalRun`."""

    in_thread: bool

    def __init__(
        self, journal: StoredJournal, backend: Backend, numbers: tuple[int, int], names: tuple[str, str, str]
    ) -> None:
        self.run: str
        self.seller: str
        self.operation: str
        self.run, self.seller, self.operation = names
        self.takeover_seconds: float = backend.lease.takeover_seconds
        self._journal = journal
        self._writer = backend
        self._numbers = self._scope, self._run_id = numbers

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        _check_number(keys)
        waiter = self._writer.future()
        self._writer.look_up(ReadEntries(self._scope, keys, waiter))
        entries: list[Entry | None] = await waiter
        return entries

    async def mark_sent(
        self, items: Sequence[OutgoingItem], *, api_at: datetime | None = None, first_at: datetime | None = None
    ) -> None:
        seen = set[str]()
        for item in items:
            if item.key in seen:
                raise IllegalTransitionError(item.key, None, State.SENT)
            seen.add(item.key)
        if items:
            waiter = self._writer.future()
            self._writer.mark_sent(self._numbers, items, waiter, api_at, first_at)
            await waiter

    def record_outcome(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        self._writer.queue(key, (self._scope, self._run_id, key, state, remote_id, code, message))

    def record_created(self, key: str, remote_id: str | None) -> None:
        self._writer.queue_created(self._scope, self._run_id, key, remote_id)

    def release(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._writer.queue(key, ReleaseItem(self._scope, self._run_id, key))

    def record_status(self, key: str, status: str) -> None:
        self._writer.queue(key, RecordStatus(self._scope, key, status))

    async def flush(self) -> None:
        waiter = self._writer.future()
        self._writer.submit(Flush(self._run_id, waiter))
        await waiter

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        taken, entries = await self._writer.undecided(self._scope, keys)
        if taken:
            self._journal.taken_on = asyncio.get_running_loop().time()
        return entries

    async def undecided_keys(self) -> list[str]:
        return await self._writer.undecided_keys(self._scope)

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        return await self._writer.created_near(self._scope, first, last, ripe)

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        return await self._writer.count_created(self._scope, since, ripe)

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        _check_number(keys)
        return await self._writer.payloads(self._scope, keys)

    async def ids(self) -> dict[str, str]:
        return await self._writer.ids(self._scope)

    async def keys_of_ids(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        _check_number(remote_ids)
        return await self._writer.keys_of_ids(self._scope, remote_ids)

    async def reset_to_unknown(self, id_by_key: Mapping[str, str], message: str) -> list[str]:
        _check_number(id_by_key)
        return await self._writer.doubt(self._scope, id_by_key, message)

    async def finish(self) -> None:
        await self._writer.finish(self._run_id)
        self._journal.end_run(self.run)


class StoredJournal(Journal):
    """A journal over a back-end; see :class:`.base.Journal`. ``name`` is its name in messages."""

    _run_type: type[StoredJournalRun]

    def __init__(self, name: str, *, read_only: bool) -> None:
        self.opened_at: datetime | None = None
        self._name = name
        self._read_only = read_only
        self._writer: Any = None
        self._live: set[str] = set()

    async def _enter(self) -> Backend:
        """Open the back-end."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            raise ConfigurationError(f"the journal {self._name} is already entered")
        self._writer = await self._enter()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        backend, self._writer = self._backend, None
        self._live.clear()
        try:
            await backend.close()
        except (JournalError, IllegalTransitionError):
            if exc is None:
                raise

    async def begin_run(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> StoredJournalRun:
        self._check_writable()
        backend = self._backend
        scope, run_id, name = await backend.begin((seller, operation), run, source, environment)
        self._live.add(name)
        return self._run_type(self, backend, (scope, run_id), (name, seller, operation))

    def end_run(self, run: str) -> None:
        """Note that this process is done with a run."""
        self._live.discard(run)

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        self._check_writable()
        return await self._backend.rebind(seller, environment)

    async def runs(self) -> list[RunRecord]:
        return await self._backend.records()

    async def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        states = [state] if isinstance(state, State) else list(State if state is None else state)
        numbers = await self._backend.run_of(run)
        key: str | None = None
        while True:
            chunk = await self._backend.after(numbers, states, key, _CHUNK, code)
            for entry in chunk:
                yield entry
            if len(chunk) < _CHUNK:
                return
            key = chunk[-1].key

    async def forget(self, run: str, *, force: bool = False) -> int:
        self._check_writable()
        if run in self._live:
            raise JournalError(f"run {run} is under way in this process: finish it before it is forgotten")
        total, key = 0, None
        while True:
            gone, key = await self._backend.forget_some(run, key, force=force)
            total += gone
            if key is None:
                return total

    async def prune(self, *, older_than: timedelta, dry_run: bool = False) -> int:
        if not dry_run:
            self._check_writable()
        return await prune(self._backend, older_than, dry_run=dry_run)

    async def find(self, keys: Sequence[str]) -> list[Known]:
        _check_number(keys)
        return await self._backend.settlement.find(keys)

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
        word = manual_decision(keys, absent=absent, created=created, seller=seller, operation=operation, note=note)
        _check_number(word.keys)
        settling = self._backend.settlement
        if dry_run:
            return await choose(settling, word)
        self._check_writable()
        return await settle_by_hand(self, settling, word)

    @property
    def _backend(self) -> Backend:
        if self._writer is None:
            raise ClosedError(NOT_OPEN)
        backend: Backend = self._writer
        return backend

    def _check_writable(self) -> None:
        if self._read_only:
            raise JournalWriteError(f"the journal {self._name} was opened for reading only")
        if self._writer is not None and self._writer.lease.is_lost:
            raise self._writer.lease.error()


def _check_number(keys: Sized) -> None:
    if len(keys) > LOOK_UP_MOST:
        raise ConfigurationError(f"a look-up names up to {LOOK_UP_MOST} keys, not {len(keys)}")
