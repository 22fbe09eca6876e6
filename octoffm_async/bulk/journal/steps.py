"""What the event loop asks of the journal's thread, in the order in which it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .states import State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from .protocol import Sending
    from .store import Store

__all__ = ["Answer", "Call", "Flush", "Follow", "LookUp", "Send", "Settle", "Step"]

Answer: TypeAlias = "tuple[asyncio.Future[Any], Any, Exception | None]"
"""Who waits, and what to tell: a result or an error."""

Settle: TypeAlias = tuple[int, int, str, State, str | None, str, str]
"""What became of an item: its scope, the run that found out, its key, state, remote id, code and message.

Nobody waits; the next flush of the run tells of a mistake. There is one for every item: a bare tuple costs least.
"""


@dataclass(slots=True)
class Send:
    """Mark items as sent."""

    scope: int
    run_id: int
    items: Sequence[Sending]
    waiter: asyncio.Future[Any]


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

    work: Callable[[Store], Any]
    waiter: asyncio.Future[Any]
    writes: bool = False


Step: TypeAlias = LookUp | Send | Settle | Follow | Flush | Call
