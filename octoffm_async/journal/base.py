"""The interface of a journal: the durable record of each item that is sent, which outlives the process.

**Guarantee.** No item with a known key is sent a second time, unless the first request certainly created nothing (it
failed, was refused, or is proven absent), a person says so, or the user accepts duplicates (``resend_unknown``). The
journal gives this guarantee by one order of writes: a run writes an item as ``sent`` (:meth:`JournalRun.mark_sent`
returns when that is durable), sends it, and then records its outcome (:meth:`JournalRun.record_outcome`, written
behind). If the process dies in between, the next run finds the item ``sent`` without an outcome, and must reconcile it
with the remote side before it may send it again. A lost outcome therefore costs a look-up and never a second order.
``durable`` means that it survives the death of the process; whether it survives a power cut too is the store's
``durability``.

**States.** An entry is identified by seller, operation and key (:mod:`.states` has the legal transitions):

- no entry: the key was never sent.
- ``sent``: the request is about to be sent or was sent; the outcome is not known.
- ``unknown``: the request was sent, and no response shows its outcome.
- ``created``, ``refused``: final. A late refusal may turn ``created`` into ``refused``.
- ``failed``: certainly not created; the item may be sent again.
- ``pending``: looked for and declared absent, settled as absent by a person, or never sent after all; it may be sent.

``sent`` and ``unknown`` are *undecided*: the journal keeps their requests, so that an absent item can be sent again
without the input. Each absence is counted, weighted by its certainty, and ends automatic retries at ``ABSENT_MOST``.

**Writers.** The journal rejects illegal transitions (:class:`.states.IllegalTransitionError`). Each legal one has one
writer:

- the run that sends an item: none, ``pending``, ``failed`` or ``refused`` → ``sent`` (on the user's request ``unknown``
  → ``sent``), then its outcome from the response, or ``pending`` if the request was not sent after all;
- the reconciliation of any run of the same seller and operation: ``sent`` or ``unknown`` → ``created``, ``refused``,
  ``pending`` or ``unknown``, for entries that no other run is working on. Within a process :mod:`.key_claims` excludes
  the other runs; between processes, the journal does, with leases and a fence (:mod:`.lease`);
- the status tracking of a run: ``created`` → ``refused``, for a late refusal;
- a person (:meth:`Journal.settle`): undecided → ``created`` or ``pending``;
- the check of ids (:meth:`JournalRun.reset_to_unknown`): ``created`` → ``unknown``, if the id turns out to belong to
  another order.

**Order.** The journal applies the writes of one run in the order in which they were queued; :meth:`JournalRun.flush`
and :meth:`JournalRun.finish` return after all earlier ones are durable. :meth:`JournalRun.mark_sent` applies to all its
items or to none. If a write fails, the waiting caller gets the error, and must not send.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self, TypeAlias

import msgspec

from .states import Entry, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from ..transport.fences import Fence
    from .environment import Environment
    from .sqlite.file.change_record import Gap

__all__ = ["LOOK_UP_MOST", "Durability", "Journal", "JournalRun", "Known", "OutgoingItem", "RunRecord"]

Durability: TypeAlias = Literal["process", "power"]
"""The end that written data survives: the end of the process, or a power cut."""
LOOK_UP_MOST = 1000
"""Maximum number of keys in one look-up."""


class OutgoingItem(msgspec.Struct, frozen=True, gc=False):
    """An item that is about to be sent: its key, the hash of its encoded request, and the request."""

    key: str
    payload_hash: bytes
    payload: bytes


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run in the journal.

    ``counts`` has every state; an item belongs to the run that sent it last.

    ``api`` is the address to which its seller's items were sent; empty where the journal does not know it.
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
        """Number of items that must be reconciled."""
        return self.counts[State.SENT] + self.counts[State.UNKNOWN]


class Known(NamedTuple):
    """An item in the journal, with its seller and operation."""

    seller: str
    operation: str
    entry: Entry


class JournalRun(Protocol):
    """One run's view of a journal: the keys of one seller and one operation, from all their runs."""

    @property
    def run(self) -> str:
        """The run's id; ids sort by the time of their start."""
        ...

    @property
    def seller(self) -> str:
        """The seller to whom the keys belong."""
        ...

    @property
    def operation(self) -> str:
        """The name of the operation, such as ``outbound.create``."""
        ...

    @property
    def in_thread(self) -> bool:
        """True if a thread of this process serves the journal: more calls from a busy event loop would slow it."""
        ...

    @property
    def takeover_seconds(self) -> float:
        """Maximum seconds after which the items of another, killed process can be taken over."""
        ...

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, in their order; ``None`` for a key without one."""
        ...

    async def mark_sent(
        self, items: Sequence[OutgoingItem], *, api_at: datetime | None = None, first_at: datetime | None = None
    ) -> None:
        """Write that these items are about to be sent, all or none; return when that is durable.

        ``api_at`` is the time that the API's own clock shows, if known. ``first_at`` is the earliest time at which the
        items may have been sent, if not now: reconciliation looks for them from then on. A cancelled call may or may
        not have written them.

        Raises:
            FencedError: this process was silent for longer than its lease; nothing may be sent.
            JournalWriteError: the write failed; nothing may be sent.
            IllegalTransitionError: one of the items may not be sent.
        """
        ...

    def record_outcome(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue the outcome of an item, after all that was queued before.

        ``None`` keeps the known remote id.

        Pending with the code ``ABSENT`` counts as an absence: the item was looked for and declared absent. With
        ``BY_HAND``, a person declared it absent, and the count starts again.
        """
        ...

    def record_created(self, key: str, remote_id: str | None) -> None:
        """Queue the outcome "created" for an item: the common case of :meth:`record_outcome`."""
        ...

    def release(self, keys: Iterable[str]) -> None:
        """Queue the release of these keys by this process: other processes may then take over the undecided ones."""
        ...

    def record_status(self, key: str, status: str) -> None:
        """Queue the last status that status tracking saw for a created item."""
        ...

    async def flush(self) -> None:
        """Return when everything that was queued is durable.

        Raises:
            JournalError: some of it could not be written.
            IllegalTransitionError: some of it was not legal, and was skipped.
        """
        ...

    async def undecided(self, keys: Sequence[str] | None = None) -> list[Entry]:
        """Return the items of this seller and operation, from any run, that must be reconciled, by key.

        ``keys`` restricts them. Where several processes write, this process gets its own items and takes over the items
        of dead processes; the items of other live processes are not returned.
        """
        ...

    async def undecided_keys(self) -> list[str]:
        """Return the keys of all items that must be reconciled, of every process. Nothing is taken over."""
        ...

    async def created_near(self, first: datetime, last: datetime, *, ripe: datetime) -> list[Entry]:
        """Return up to two created items, by the local clock: the last before ``first``, and one after ``last``.

        If there is none after ``last``, the second is the last one after ``first``. Items younger than ``ripe`` and
        items settled by a person are excluded.
        """
        ...

    async def count_created(self, since: datetime, *, ripe: datetime) -> int:
        """Return the number of items with an id, sent since ``since`` and created until ``ripe``, by the local clock.

        The count may scan all items; callers use it only before they declare an item absent.
        """
        ...

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the stored requests of up to ``LOOK_UP_MOST`` keys; created and refused items have none."""
        ...

    async def ids(self) -> dict[str, str]:
        """Return sample ids of created items of this seller and operation, by key, from any run."""
        ...

    async def keys_of_ids(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return, by id, the keys of the created items from any run that have one of up to ``LOOK_UP_MOST`` ids.

        The query may scan all items; callers use it only for ids that a look-up found.
        """
        ...

    async def reset_to_unknown(self, id_by_key: Mapping[str, str], message: str) -> list[str]:
        """Reset to unknown, durably, each key that is created with exactly its id in ``id_by_key``; return those.

        ``id_by_key`` has up to ``LOOK_UP_MOST`` keys. Their requests are no longer stored: an item that turns out not
        to exist can be sent again only from the input.
        """
        ...

    async def finish(self) -> None:
        """Write the end of the run, after everything queued before; return when that is durable."""
        ...


class Opener(Protocol):
    """The function behind :meth:`Journal.open`."""

    def __call__(self, address: str, *, durability: Durability, read_only: bool, verify_first: bool) -> Journal:
        """Return the journal at an address."""
        ...


openers: list[Opener] = []
"""The one opener, which :mod:`.open` puts here: it knows all kinds of journals, and they know this module."""


class Journal(Protocol):
    """A store of many runs.

    Use it with ``async with``; leaving the block writes what is queued.

    ``opened_at`` is the time since which every request of this machine goes through the journal's file, if it has one:
    a request of which the file knows nothing was sent by then. A process may lose its right to send: hence the
    ``fence``.
    """

    opened_at: datetime | None
    opened_on: float | None = None
    """The same time by the event loop's clock, which no user can set."""
    taken_on: float | None = None
    """The last time by that clock at which this process took over items of others."""
    gap: Gap | None = None
    """A period that may be missing after an older state was restored: orders are then looked up first."""

    def __init__(self, *_: object) -> None:
        if type(self) is Journal:
            raise TypeError("a journal is opened: async with Journal.open(…) as journal")

    @property
    def fence(self) -> Fence | None:
        """The fence that each request passes right before it is sent, or ``None``."""
        ...

    @staticmethod
    def open(
        address: str | os.PathLike[str],
        *,
        durability: Durability = "process",
        read_only: bool = False,
        verify_first: bool = False,
    ) -> Journal:
        """Return the journal at ``address``, to be entered with ``async with``: a file, or ``postgresql://…``.

        Many processes may write at once: a file on a local disk serves those of one machine, PostgreSQL those of many.
        ``durability="power"`` makes a file survive a power cut too; PostgreSQL sets its own durability.
        ``verify_first`` also opens a file that lacks its ``-wal``, for runs that look up every order first.

        Raises:
            ConfigurationError: the address is not one of a journal, or the packages for PostgreSQL are not installed.
        """
        (opener,) = openers
        return opener(os.fspath(address), durability=durability, read_only=read_only, verify_first=verify_first)

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def begin_run(
        self,
        *,
        seller: str,
        operation: str,
        run: str | None = None,
        source: str = "",
        environment: Environment | None = None,
    ) -> JournalRun:
        """Begin a run, or continue the run named. A bulk run calls this, a program has no need to.

        ``source`` describes to people where the items come from.

        ``environment`` is the API and account to which the items are sent. The seller's part of the journal belongs to
        the first environment that it is used with.

        Raises:
            OtherEnvironmentError: it belongs to another one.
            ConfigurationError: the run does not exist, or is of another seller or operation.
        """
        ...

    async def rebind(self, *, seller: str, environment: Environment) -> Environment | None:
        """Assign a seller's part of the journal to this environment; return the one that it belonged to before.

        This is right only for the same API and account under a new address or name: otherwise items would be skipped or
        sent twice.
        """
        ...

    async def runs(self) -> list[RunRecord]:
        """Return all runs, the oldest first."""
        ...

    def entries(
        self, run: str, state: State | Iterable[State] | None = None, *, code: str | None = None
    ) -> AsyncIterator[Entry]:
        """Iterate over a run's items by key, read in chunks; only those in ``state`` and with ``code``, if given.

        Items that another run sent again belong to that run.
        """
        ...

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the entries of up to ``LOOK_UP_MOST`` keys, of any seller and operation."""
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
        """Record a person's decision on undecided items; return the items as they were before.

        ``absent`` items do not exist: the next run sends them. ``created`` is the id of the one item that exists.
        Either all items are settled or none. ``seller`` and ``operation`` choose among several items with one key. The
        journal keeps the time, and a ``note`` on who decided and why. A ``dry_run`` checks that the decision is
        possible, and changes nothing.

        Raises:
            ConfigurationError: an item is not in the journal or is ambiguous, or the id is not plausible.
            JournalError: an item is decided already, a run is working on it, or another item has the id.
        """
        ...

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; return the number of items.

        A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided, and ``force`` is not set, or a process is writing it.
            ConfigurationError: the run does not exist.
        """
        ...

    async def prune(self, *, older_than: timedelta, dry_run: bool = False) -> int:
        """Delete created and refused items that changed longer ago than ``older_than``; return their number.

        A pruned key that is submitted again is sent again: choose an age beyond which no input comes back, 30 days at
        least. All that is undecided or may be sent stays, and what it takes to prove later that an order is absent
        (:mod:`.retention`). Other processes may write meanwhile. The space is used again by later items; a file keeps
        its size (a backup of it is as small as can be). A ``dry_run`` counts, and deletes nothing.

        Raises:
            ConfigurationError: the age is below 30 days.
        """
        ...
