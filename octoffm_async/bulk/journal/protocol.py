"""What a journal is: the memory of what was sent, that outlives the process. Any store may take its place."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self, TypeAlias

import msgspec

from .states import Entry, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from ...session.fences import Fence
    from .environment import Environment
    from .gap import Gap

__all__ = ["LOOK_UP_MOST", "Book", "Durability", "Journal", "Known", "RunRecord", "Sending"]

Durability: TypeAlias = Literal["process", "power"]
"""The end that what is written survives: that of the process, or that of the machine's power."""
LOOK_UP_MOST = 1000
"""Keys that one look-up may name."""


class Sending(msgspec.Struct, frozen=True, gc=False):
    """An item that is about to be sent."""

    key: str
    payload_hash: bytes
    payload: bytes


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the journal knows it. ``counts`` has every state; an item belongs to the run that sent it last.

    ``api`` is the address that its seller's items were sent to; empty where the journal does not know it.
    """

    id: str
    seller: str
    operation: str
    source: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[State, int]
    api: str = ""

    @property
    def undecided(self) -> int:
        """Items that must be reconciled."""
        return self.counts[State.SENT] + self.counts[State.UNKNOWN]


class Known(NamedTuple):
    """An item that the journal knows, and whose it is."""

    seller: str
    operation: str
    entry: Entry


class Book(Protocol):
    """One run's view of a journal: the keys of one seller and one operation, whichever run brought them."""

    @property
    def run(self) -> str:
        """The run's id; ids sort by the time of their start."""
        ...

    @property
    def seller(self) -> str:
        """Whose keys these are."""
        ...

    @property
    def operation(self) -> str:
        """What is done with them, such as ``outbound.create``."""
        ...

    @property
    def in_thread(self) -> bool:
        """Whether a thread of this process sees to it. Asked while the event loop is busy, that would only slow it."""
        ...

    @property
    def others_within(self) -> float:
        """Seconds after which the items of another process that was killed can be taken over, at the latest."""
        ...

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is known of up to ``LOOK_UP_MOST`` keys, in their order."""
        ...

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
        ...

    def settle(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue what became of an item, after all that was queued before. ``None`` keeps the remote id known.

        Pending with the code ``ABSENT`` is counted: it was looked for and declared absent. With ``BY_HAND``, a person
        has said so, and the count begins anew.
        """
        ...

    def settle_created(self, key: str, remote_id: str | None) -> None:
        """The same for an item that was created, as most are."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Queue that no call of this process is busy with these any more: what is undecided may be taken by others."""
        ...

    def follow(self, key: str, status: str) -> None:
        """Queue the status that following a created item saw last."""
        ...

    async def flush(self) -> None:
        """Return when all that was queued is durable.

        Raises:
            JournalError: some of it could not be written.
            IllegalTransitionError: some of it was not legal, and was left out.
        """
        ...

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """The items of this seller and operation that must be reconciled, from any run, by key; those of ``keys`` only.

        Where several processes write, those that are this one's to reconcile: the items of processes that are gone are
        taken over, those of others are not among them.
        """
        ...

    async def undecided_keys(self) -> list[str]:
        """The keys of all those items, whoever is busy with them. Nothing is taken over."""
        ...

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Up to two created items, by our clock: the last known before ``first``, and one known after ``last``.

        Where none is known after that, it is the last one after ``first``. What is younger than ``ripe`` is left out,
        and so is what a person settled.
        """
        ...

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """How many items with an id were sent since then and created until ``ripe``, by our clock.

        It may walk over all items, and is asked only before something is declared absent.
        """
        ...

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The encoded requests of those of up to ``LOOK_UP_MOST`` keys that have one: all but created and refused."""
        ...

    async def ids(self) -> dict[str, str]:
        """Ids of some created items of this seller and operation, by key, from any run: how such ids look."""
        ...

    async def holders(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """The keys of the created items, from any run, that have one of up to ``LOOK_UP_MOST`` ids, by id.

        It may walk over all items, and is asked only of what was looked for and found.
        """
        ...

    async def doubt(self, told: Mapping[str, str], message: str) -> list[str]:
        """Make unknown, durably, what is created with the very id that its key was told; the keys of those.

        ``told`` has up to ``LOOK_UP_MOST`` keys. Their requests are kept no more: what turns out not to exist can be
        sent again only from the input.
        """
        ...

    async def finish(self) -> None:
        """Write that the run is over, after all that was queued before; returns when that is durable."""
        ...


class Opener(Protocol):
    """The function behind :meth:`Journal.open`."""

    def __call__(self, address: str, *, durability: Durability, read_only: bool, verify_first: bool) -> Journal:
        """Return the journal at an address."""
        ...


openers: list[Opener] = []
"""The one opener, which :mod:`.opening` puts here: it knows all kinds of journals, and they know this module."""


class Journal(Protocol):
    """A store of many runs. Enter it to open it; leaving it writes what is queued.

    ``opened_at`` is since when nobody but this process writes it: what another one sent had left by then. ``None``
    where several may. Where a process may lose its right to send, there is a ``fence``.
    """

    opened_at: datetime | None
    opened_on: float | None = None
    """The same by the event loop's clock, which nobody sets."""
    gap: Gap | None = None
    """A time of which it may not know what was sent, where an older state was put back: then orders are looked up."""

    @property
    def fence(self) -> Fence | None:
        """What each sending passes right before it leaves."""
        ...

    @staticmethod
    def open(
        address: str | os.PathLike[str],
        *,
        durability: Durability = "process",
        read_only: bool = False,
        verify_first: bool = False,
    ) -> Journal:
        """The journal at ``address``, to be entered with ``async with``: a file, or ``postgresql://…``.

        A file has one writer at a time; ``durability="power"`` survives a power cut too. In PostgreSQL, which sees to
        that itself, many processes may write at once. For runs that look everything up first, ``verify_first`` opens
        a file, too, that lacks its ``-wal``.

        Raises:
            ConfigurationError: the address of something else, or what PostgreSQL needs is not installed.
        """
        (opener,) = openers
        return opener(os.fspath(address), durability=durability, read_only=read_only, verify_first=verify_first)

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def book(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> Book:
        """Begin a run, or go on with the run named. ``source`` tells people where the items come from.

        ``environment`` is where its items will be sent. The seller's part of the journal belongs to the first one.

        Raises:
            OtherEnvironmentError: it belongs to another one.
            ConfigurationError: no such run, or one of another seller or operation.
        """
        ...

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Say that what is known of a seller belongs to this environment; the one that it belonged to before.

        Right only for the same API and account under a new address or name: else items would be skipped, or sent twice.
        """
        ...

    async def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        ...

    def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """A run's items by key, read a few at a time; those with this ``code`` only, if given.

        Items that another run sent again belong to that one.
        """
        ...

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """What is known of up to ``LOOK_UP_MOST`` keys, of whichever seller and operation."""
        ...

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
        """Say what became of undecided items, for whoever has looked; what they were.

        ``absent`` items do not exist: the next run sends them. One that was ``created`` has this id. All are settled,
        or none. ``seller`` and ``operation`` choose where several items have a key. The journal keeps when, and a
        ``note`` on who and why. A ``dry_run`` sees that it could be done, and changes nothing.

        Raises:
            ConfigurationError: an item is not in the journal, it is not clear which is meant, or the id cannot be one.
            JournalError: an item is decided already, a run is busy with it, or another one has the id.
        """
        ...

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; how many they were. A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided, and ``force`` is not set.
            ConfigurationError: no such run.
        """
        ...
