"""What the event loop asks of the journal's thread, in the order in which it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from .protocol import Sending
    from .sheet import Spot
    from .states import State
    from .store import Store

__all__ = ["Answer", "Call", "Flush", "Follow", "LookUp", "Send", "Settle", "Step"]

Answer: TypeAlias = "tuple[asyncio.Future[Any], Any, Exception | None]"
"""Who waits, and what to tell: a result or an error."""


@dataclass(slots=True)
class Send:
    """Mark items as sent."""

    writes: ClassVar[bool] = True
    waited_for: ClassVar[bool] = True
    scope: int
    run_id: int
    items: Sequence[Sending]
    waiter: asyncio.Future[Any]

    @property
    def spots(self) -> list[Spot]:
        """The rows that it touches."""
        return [(self.scope, item.key) for item in self.items]


@dataclass(slots=True)
class Settle:
    """Write what became of an item. Nobody waits; the next flush of ``run_id`` tells of a mistake."""

    writes: ClassVar[bool] = True
    waited_for: ClassVar[bool] = False
    scope: int
    run_id: int
    key: str
    state: State
    remote_id: str | None
    code: str
    message: str

    @property
    def spots(self) -> list[Spot]:
        """The row that it touches."""
        return [(self.scope, self.key)]


@dataclass(slots=True)
class Follow:
    """Note a followed status. Nobody waits."""

    writes: ClassVar[bool] = True
    waited_for: ClassVar[bool] = False
    scope: int
    key: str
    status: str

    @property
    def spots(self) -> list[Spot]:
        """The row that it touches."""
        return [(self.scope, self.key)]


@dataclass(slots=True)
class LookUp:
    """Read entries."""

    writes: ClassVar[bool] = False
    waited_for: ClassVar[bool] = True
    scope: int
    keys: Sequence[str]
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class Flush:
    """Tell what went wrong in the steps that nobody waited for, of one run or (``None``) of all."""

    writes: ClassVar[bool] = False
    waited_for: ClassVar[bool] = True
    run_id: int | None
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class Call:
    """Anything else, on the store itself. It raises errors of its own only before it writes."""

    waited_for: ClassVar[bool] = True
    work: Callable[[Store], Any]
    waiter: asyncio.Future[Any]
    writes: bool = False


Step: TypeAlias = LookUp | Send | Settle | Follow | Flush | Call
