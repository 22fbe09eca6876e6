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
from typing import TYPE_CHECKING, Any, get_args

from ...errors import ConfigurationError
from ..base import Durability
from ..commands import MarkSent
from ..lease import LEASE
from ..stored_journal import Backend, StoredJournal, StoredJournalRun
from . import queries as reading
from . import runs as sql_runs
from .batches import packed
from .engine import Store
from .settlement import SQLiteManualSettlement
from .writer_thread import Writer
from .writers import FileLease

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from ..base import OutgoingItem, RunRecord
    from ..environment import Environment
    from ..states import Entry, State

__all__ = ["SQLiteBackend", "SQLiteJournal", "SQLiteJournalRun"]


class SQLiteBackend(Writer):
    """The thread that executes commands on a file, and its queries; see :class:`..stored_journal.Backend`."""

    def __init__(self, make: Callable[[FileLease], Store], lease: FileLease) -> None:
        super().__init__(lambda: make(lease))
        self.lease = lease
        self.settlement = SQLiteManualSettlement(self)

    def mark_sent(
        self,
        numbers: tuple[int, int],
        items: Sequence[OutgoingItem],
        waiter: asyncio.Future[Any],
        api_at: datetime | None,
        first_at: datetime | None,
    ) -> None:
        at, since = (None if moment is None else reading.milliseconds(moment) for moment in (api_at, first_at))
        hashes = {item.key: item.payload_hash for item in items}
        self.submit(MarkSent(*numbers, hashes, packed(items), waiter, at, since))

    async def begin(
        self, names: tuple[str, str], run: str | None, source: str, environment: Environment | None
    ) -> tuple[int, int, str]:
        return await self.call(lambda store: sql_runs.begin(store, names, run, source, environment), writes=True)

    async def finish(self, run_id: int) -> None:
        await self.call(lambda store: sql_runs.finish(store, run_id), writes=True)

    async def rebind(self, seller: str, environment: Environment) -> Environment | None:
        return await self.call(lambda store: sql_runs.rebind(store, seller, environment), writes=True)

    async def records(self) -> list[RunRecord]:
        return await self.call(sql_runs.records)

    async def run_of(self, run: str) -> tuple[int, int]:
        return await self.call(lambda store: sql_runs.of_name(store, run))

    async def after(
        self, numbers: tuple[int, int], states: list[State], key: str | None, most: int, code: str | None
    ) -> list[Entry]:
        return await self.call(lambda store: reading.after(store, *numbers, states, key=key, most=most, code=code))

    async def forget_some(self, run: str, key: str | None, *, force: bool) -> tuple[int, str | None]:
        return await self.call(lambda store: sql_runs.forget_some(store, run, key, force=force), writes=True)

    async def undecided(self, scope: int, keys: Sequence[str] | None) -> tuple[int, list[Entry]]:
        def take(store: Store) -> tuple[int, list[Entry]]:
            return store.take(scope, keys), reading.undecided(store, scope, keys, store.lease.writer_id)

        return await self.call(take, writes=True)

    async def undecided_keys(self, scope: int) -> list[str]:
        return await self.call(lambda store: reading.undecided_keys(store, scope))

    async def created_near(self, scope: int, first: datetime, last: datetime, ripe: datetime) -> list[Entry]:
        return await self.call(lambda store: reading.created_near(store, scope, first=first, last=last, ripe=ripe))

    async def count_created(self, scope: int, since: datetime, ripe: datetime) -> int:
        return await self.call(lambda store: reading.count_created(store, scope, since=since, ripe=ripe))

    async def payloads(self, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
        return await self.call(lambda store: reading.payloads(store, scope, keys))

    async def ids(self, scope: int) -> dict[str, str]:
        return await self.call(lambda store: reading.ids(store, scope))

    async def keys_of_ids(self, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        return await self.call(lambda store: reading.keys_of_ids(store, scope, remote_ids))

    async def scopes(self) -> list[int]:
        return await self.call(lambda store: store.tables.scopes())

    async def oldest_undecided(self, scope: int) -> datetime | None:
        return await self.call(lambda store: reading.oldest_undecided(store, scope))

    async def youngest_created(self, scope: int, key: Any, most: int) -> tuple[list[datetime], Any]:
        return await self.call(lambda store: reading.youngest_created(store, scope, key, most))

    async def prune_some(self, scope: int, key: Any, before: datetime, *, dry_run: bool) -> tuple[int, Any]:
        return await self.call(
            lambda store: sql_runs.prune_some(store, scope, key, before, dry_run=dry_run), writes=not dry_run
        )

    async def doubt(self, scope: int, id_by_key: Mapping[str, str], message: str) -> list[str]:
        return await self.call(lambda store: sql_runs.doubt(store, scope, id_by_key, message), writes=True)


class SQLiteJournalRun(StoredJournalRun):
    """One run's view of a :class:`SQLiteJournal`."""

    in_thread = True


class SQLiteJournal(StoredJournal):
    """A journal in the file at ``path``, which is created if it does not exist; its folder must exist.

    ``lease`` is in seconds: when a process has given no sign of life for that long, other processes continue with its
    items. ``read_only`` reads beside the writers, and creates nothing. ``clock`` returns seconds since 1970;
    ``lease_clock`` the seconds in which leases are measured, the same in all processes of the machine.
    """

    _run_type = SQLiteJournalRun
    _writer: SQLiteBackend | None

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
        super().__init__(str(self.path), read_only=read_only)
        self._new_lease: Callable[[], FileLease] = lambda: FileLease(self.path.resolve(), lease, clock=lease_clock)
        self._lease = self._new_lease()
        self._store: Callable[[FileLease], Store] = lambda lease: Store(
            self.path.resolve(),
            durability=durability,
            read_only=read_only,
            clock=clock,
            lease=lease,
            verify_first=verify_first,
        )

    @property
    def fence(self) -> FileLease:
        """The lease, which the client checks right before it sends a request."""
        return self._lease

    async def _enter(self) -> Backend:
        self._lease = self._new_lease()
        backend = SQLiteBackend(self._store, self._lease)
        self.gap = await backend.open()
        self.opened_at = datetime.now(UTC)
        self.opened_on = asyncio.get_running_loop().time()
        return backend
