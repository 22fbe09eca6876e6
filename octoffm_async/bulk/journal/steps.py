"""What the event loop asks of the journal's thread, in the order in which it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .states import State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

__all__ = ["Answer", "Call", "Flush", "Follow", "LookUp", "Send", "Settle", "SettleCreated", "Step"]

Answer: TypeAlias = "tuple[asyncio.Future[Any], Any, Exception | None]"
"""Who waits, and what to tell: a result or an error."""

Settle: TypeAlias = tuple[int, int, str, State, str | None, str, str]
"""What became of an item: its scope, the run that found out, its key, state, remote id, code and message.

Nobody waits; the next flush of the run tells of a mistake. There may be one for every item: a bare tuple costs least.
"""


@dataclass(slots=True)
class SettleCreated:
    """These items were created, by key, each with its remote id. Nobody waits."""

    scope: int
    run_id: int
    keys: list[str]
    remote_ids: list[str | None]


@dataclass(slots=True)
class Send:
    """Mark items as sent: the hash of each by its key, and all of them as the file keeps them.

    They are packed where they were encoded, on the event loop: what another core need not touch it need not fetch.
    """

    scope: int
    run_id: int
    hashes: dict[str, bytes]
    packed: bytes
    waiter: asyncio.Future[Any]
    api_at: int | None = None
    """What the API's clock shows."""
    first_at: int | None = None
    """When they may have been sent first; now, if it is ``None``. Both are milliseconds since 1970."""


@dataclass(slots=True)
class Follow:
    """Note a followed status. Nobody waits."""

    scope: int
    key: str
    status: str


@dataclass(slots=True)
class LookUp:
    """Read entries."""

    scope: int
    keys: Sequence[str]
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class Flush:
    """Tell what went wrong in the steps that nobody waited for, of one run or (``None``) of all."""

    run_id: int | None
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class Call:
    """Anything else, on the store itself. It raises errors of its own only before it writes."""

    work: Callable[[Any], Any]
    """It gets the store, and runs in its thread."""
    waiter: asyncio.Future[Any]
    writes: bool = False


Step: TypeAlias = LookUp | Send | Settle | SettleCreated | Follow | Flush | Call
