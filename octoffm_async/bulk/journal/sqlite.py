"""The journal in a SQLite file: one writer, many readers.

- ``durability="process"``: what was awaited survives the death of this process, however sudden; a commit is handed to
  the operating system and not forced to the disk. A power cut may lose the last commits.
- ``durability="power"``: it survives a power cut too; every commit is forced to the disk.

The file and those that SQLite puts beside it are readable by their owner only: requests hold people's addresses.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args

from ...errors import ConfigurationError, JournalError, JournalWriteError
from . import by_hand, doubting, reading
from . import runs as sql_runs
from .batches import packed
from .protocol import LOOK_UP_MOST, Durability, Journal, RunRecord, Sending
from .settling import choose, settle_by_hand, word_of
from .states import UNDECIDED, Entry, IllegalTransitionError, State
from .steps import Flush, Follow, LookUp, Send
from .store import Store
from .writer import Writer

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Sized
    from types import TracebackType

    from ...session.fences import Fence
    from .environment import Environment
    from .gap import Gap
    from .protocol import Known

__all__ = ["SQLiteBook", "SQLiteJournal"]

_CHUNK = 500


class SQLiteJournal(Journal):
    """A journal in the file at ``path``, which is made if it is not there; its folder must be.

    ``read_only`` reads beside a writer, and makes nothing. ``clock`` tells seconds since 1970.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "process",
        read_only: bool = False,
        verify_first: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if durability not in get_args(Durability):
            raise ConfigurationError(f"a journal's durability is 'process' or 'power', not {durability!r}")
        self.path = Path(path).absolute()
        self.opened_at: datetime | None = None
        self.opened_on: float | None = None
        self._read_only = read_only
        self.gap: Gap | None = None
        self._store = lambda: Store(
            self.path.resolve(), durability=durability, read_only=read_only, clock=clock, verify_first=verify_first
        )
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
    def fence(self) -> Fence | None:
        """None: its writer cannot lose the right to write."""
        return None

    async def book(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> SQLiteBook:
        """Begin a run, or go on with the run named. ``source`` tells people where the items come from.

        ``environment`` is where its items will be sent. The seller's part of the journal belongs to the first one.

        Raises:
            OtherEnvironmentError: it belongs to another one.
            ConfigurationError: no such run, or one of another seller or operation.
        """
        self._check_writable()
        scope, run_id, name = await self._thread.call(
            lambda store: sql_runs.begin(store, (seller, operation), run, source, environment), writes=True
        )
        self._live.add(name)
        return SQLiteBook(self._thread, scope, run_id, (name, seller, operation), self._live)

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Say that what is known of a seller belongs to this environment; the one that it belonged to before.

        Right only for the same API and account under a new address or name: else items would be skipped, or sent twice.
        """
        self._check_writable()
        return await self._thread.call(lambda store: sql_runs.rebind(store, seller, environment), writes=True)

    async def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        return await self._thread.call(sql_runs.records)

    async def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """A run's items by key, read a few at a time; those with this ``code`` only, if given.

        Items that another run sent again belong to that one.
        """
        wanted = [state] if isinstance(state, State) else list(State if state is None else state)
        scope, run_id = await self._thread.call(lambda store: sql_runs.of_name(store, run))
        key: str | None = None
        while True:
            chunk = await self._thread.call(_reading(scope, run_id, wanted, key, code))
            for entry in chunk:
                yield entry
            if len(chunk) < _CHUNK:
                return
            key = chunk[-1].key

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; how many they were. A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided and ``force`` is not set, or it is being written right now.
            ConfigurationError: no such run.
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
        """What is known of up to ``LOOK_UP_MOST`` keys, of whichever seller and operation."""
        _check_number(keys)
        return await by_hand.ByHand(self._thread).find(keys)

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
        settling = by_hand.ByHand(self._thread)
        if dry_run:
            return await choose(settling, word)
        self._check_writable()
        return await settle_by_hand(self, settling, word)

    @property
    def _thread(self) -> Writer:
        if self._writer is None:
            return Writer(self._store)  # not open, and says so
        return self._writer

    def _check_writable(self) -> None:
        if self._read_only:
            raise JournalWriteError(f"the journal {self.path} was opened for reading only")


class SQLiteBook:
    """One run's view of a :class:`SQLiteJournal`."""

    in_thread = True
    others_within = 0.0

    def __init__(self, writer: Writer, scope: int, run_id: int, names: tuple[str, str, str], live: set[str]) -> None:
        self._writer = writer
        self._scope = scope
        self._run_id = run_id
        self._live = live
        self.run, self.seller, self.operation = names

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is known of up to ``LOOK_UP_MOST`` keys, in their order."""
        _check_number(keys)
        waiter = self._writer.future()
        self._writer.look_up(LookUp(self._scope, keys, waiter))
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
            JournalWriteError: it could not be written; nothing of it was, and nothing may be sent.
            IllegalTransitionError: one of them may not be sent.
        """
        hashes = {item.key: item.payload_hash for item in items}
        if len(hashes) < len(items):
            keys = [item.key for item in items]
            raise IllegalTransitionError(next(key for key in keys if keys.count(key) > 1), None, State.SENT)
        waiter = self._writer.future()
        at, since = (None if moment is None else reading.milliseconds(moment) for moment in (api_at, first_at))
        self._writer.submit(Send(self._scope, self._run_id, hashes, packed(items), waiter, at, since))
        await waiter

    def settle(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue what became of an item, after all that was queued before. ``None`` keeps the remote id known."""
        self._writer.queue(key, (self._scope, self._run_id, key, state, remote_id, code, message))

    def settle_created(self, key: str, remote_id: str | None) -> None:
        """The same for an item that was created, as most are."""
        self._writer.queue_created(self._scope, self._run_id, key, remote_id)

    def release(self, keys: Iterable[str]) -> None:
        """Nothing: no other process is there to take them."""

    def follow(self, key: str, status: str) -> None:
        """Queue the status that following a created item saw last."""
        self._writer.queue(key, Follow(self._scope, key, status))

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
        """The items of this seller and operation that must be reconciled, from any run, by key; those of ``keys`` only.

        Another process has none: there is one writer.
        """
        if keys is not None:
            return [entry for entry in await self.look_up(keys) if entry is not None and entry.state in UNDECIDED]
        return await self._writer.call(lambda store: reading.undecided(store, self._scope))

    async def undecided_keys(self) -> list[str]:
        """The keys of all those items, whoever is busy with them."""
        return [entry.key for entry in await self.undecided()]

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Up to two created items, by our clock: the last known before ``first``, and one known after ``last``."""
        return await self._writer.call(
            lambda store: reading.created_near(store, self._scope, first=first, last=last, ripe=ripe)
        )

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """How many items with an id were sent since then and created until ``ripe``, by our clock."""
        return await self._writer.call(lambda store: reading.count_created(store, self._scope, since=since, ripe=ripe))

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The encoded requests of those of up to ``LOOK_UP_MOST`` keys that have one: all but created and refused."""
        _check_number(keys)
        return await self._writer.call(lambda store: reading.payloads(store, self._scope, keys))

    async def ids(self) -> dict[str, str]:
        """Ids of some created items of this seller and operation, by key, from any run."""
        return await self._writer.call(lambda store: doubting.ids(store, self._scope))

    async def holders(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """The keys of the created items, from any run, that have one of up to ``LOOK_UP_MOST`` ids, by id."""
        _check_number(remote_ids)
        return await self._writer.call(lambda store: doubting.holders(store, self._scope, remote_ids))

    async def doubt(self, told: Mapping[str, str], message: str) -> list[str]:
        """Make unknown, durably, what is created with the very id that its key was told; the keys of those."""
        _check_number(told)
        return await self._writer.call(lambda store: doubting.doubt(store, self._scope, told, message), writes=True)

    async def finish(self) -> None:
        """Write that the run is over, after all that was queued before; returns when that is durable."""
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
