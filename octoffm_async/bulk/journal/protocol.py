"""What a journal is: the memory of what was sent, that outlives the process. Any store may take its place."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import msgspec

from .states import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from types import TracebackType

    from .states import Entry

__all__ = ["LOOK_UP_MOST", "Book", "Journal", "RunRecord", "Sending"]

LOOK_UP_MOST = 1000
"""Keys that one look-up may name."""


class Sending(NamedTuple):
    """An item that is about to be sent."""

    key: str
    payload_hash: bytes
    payload: bytes


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the journal knows it. ``counts`` has every state; an item belongs to the run that sent it last."""

    id: str
    seller: str
    operation: str
    source: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[State, int]

    @property
    def undecided(self) -> int:
        """Items that must be reconciled."""
        return self.counts[State.SENT] + self.counts[State.UNKNOWN]


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

    async def look_up(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is known of up to ``LOOK_UP_MOST`` keys, in their order."""
        ...

    async def sent(self, items: Sequence[Sending]) -> None:
        """Write that these items are about to be sent; returns when that is durable. All of them or none.

        Cancelled while it waits, it may have written them or not.

        Raises:
            JournalWriteError: it could not be written; nothing of it was, and nothing may be sent.
            IllegalTransitionError: one of them may not be sent.
        """
        ...

    def settle(
        self, key: str, state: State, *, remote_id: str | None = None, code: str = "", message: str = ""
    ) -> None:
        """Queue what became of an item, after all that was queued before. ``None`` keeps the remote id known."""
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

    async def undecided(self) -> list[Entry]:
        """The items of this seller and operation that must be reconciled, from any run, by key."""
        ...

    async def payloads(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The encoded requests of those of up to ``LOOK_UP_MOST`` keys that have one: all but created and refused."""
        ...

    async def finish(self) -> None:
        """Write that the run is over, after all that was queued before; returns when that is durable."""
        ...


class Journal(Protocol):
    """A store of many runs. Enter it to open it; leaving it writes what is queued.

    ``opened_at`` is since when nobody but this process writes it: what another one sent had left by then.
    """

    opened_at: datetime | None

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def book(self, *, seller: str, operation: str, run: str | None = None, source: str = "") -> Book:
        """Begin a run, or go on with the run named. ``source`` tells people where the items come from.

        Raises:
            ConfigurationError: no such run, or one of another seller or operation.
        """
        ...

    async def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        ...

    def entries(self, run: str, state: State | Iterable[State] | None = None) -> AsyncIterator[Entry]:
        """A run's items by key, read a few at a time. Items that another run sent again belong to that one."""
        ...

    async def forget(self, run: str, *, force: bool = False) -> int:
        """Delete a run and its items; how many they were. A forgotten key may be sent again.

        Raises:
            JournalError: items of it are undecided, and ``force`` is not set.
            ConfigurationError: no such run.
        """
        ...
