"""What was asked of the journal, put together so that a few statements carry out much of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..bulk.journal.steps import Flush, Follow, LookUp, Settle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from ..bulk.journal.protocol import Sending
    from .database import Connection

__all__ = ["Ask", "Release", "Send", "Step", "Wave", "waves"]


class Send(NamedTuple):
    """Mark items as sent."""

    scope: int
    run_id: int
    items: Sequence[Sending]
    waiter: asyncio.Future[Any]
    api_at: datetime | None = None
    """What the API's clock shows."""
    first_at: datetime | None = None
    """When they may have been sent first; now, if it is ``None``."""


class Release(NamedTuple):
    """Let go of an item, if it is undecided. Nobody waits."""

    scope: int
    run_id: int
    key: str


class Ask(NamedTuple):
    """Anything else, on a connection. It may be repeated."""

    work: Callable[[Connection], Awaitable[Any]]
    waiter: asyncio.Future[Any]


Step: TypeAlias = LookUp | Send | Settle | Follow | Flush | Ask | Release
Spot: TypeAlias = tuple[int, str]


class Wave:
    """Changes of different items, which may so be made in any order, and then what is asked about them."""

    def __init__(self) -> None:
        self.settled: dict[Spot, Settle | Release] = {}
        self.followed: dict[Spot, Follow] = {}
        self.sent: defaultdict[tuple[int, datetime | None], list[Send]] = defaultdict(list)
        """By scope, and by when they may have been sent first."""
        self.flushes: list[Flush] = []
        self.questions: list[LookUp | Ask] = []
        self._touched: set[Spot] = set()

    def takes(self, step: Step) -> bool:
        """Add a step, unless it is on an item that another one is on."""
        match step:
            case Send(scope=scope, items=items, first_at=first_at):
                spots = {(scope, item.key) for item in items}
                if not self._touched.isdisjoint(spots):
                    return False
                self._touched |= spots
                self.sent[scope, first_at].append(step)
            case Flush():
                self.flushes.append(step)
            case LookUp() | Ask():
                self.questions.append(step)
            case Follow(scope=scope, key=key):
                return self._takes_one((scope, key), self.followed, step)
            case Release(scope=scope, key=key):
                return self._takes_one((scope, key), self.settled, step)
            case _:
                return self._takes_one((step[0], step[2]), self.settled, step)
        return True

    def _takes_one(self, spot: Spot, where: dict[Spot, Any], step: Step) -> bool:
        if spot in self._touched:
            return False
        self._touched.add(spot)
        where[spot] = step
        return True


def waves(steps: Iterable[Step]) -> list[Wave]:
    """Steps in their order, as few waves."""
    found = [Wave()]
    for step in steps:
        if not found[-1].takes(step):
            found.append(Wave())
            found[-1].takes(step)
    return found
