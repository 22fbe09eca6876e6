"""Batching of the journal's commands, so that a few statements carry out many of them. Pure functions."""

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
    """The command to mark items as sent."""

    scope: int
    run_id: int
    items: Sequence[Sending]
    waiter: asyncio.Future[Any]
    api_at: datetime | None = None
    """The time of the API's own clock, if known."""
    first_at: datetime | None = None
    """The earliest time at which the items may have been sent; ``None`` is now."""


class Release(NamedTuple):
    """The command to release an item if it is undecided. No caller waits for it."""

    scope: int
    run_id: int
    key: str


class Ask(NamedTuple):
    """Any other function of a connection, with the future of its result. It may be called more than once."""

    work: Callable[[Connection], Awaitable[Any]]
    waiter: asyncio.Future[Any]


Step: TypeAlias = LookUp | Send | Settle | Follow | Flush | Ask | Release
Spot: TypeAlias = tuple[int, str]


class Wave:
    """A batch of changes to different items, in any order, followed by the reads that may see them."""

    def __init__(self) -> None:
        self.settled: dict[Spot, Settle | Release] = {}
        self.followed: dict[Spot, Follow] = {}
        self.sent: defaultdict[tuple[int, datetime | None], list[Send]] = defaultdict(list)
        """The commands by scope and by the earliest time at which their items may have been sent."""
        self.flushes: list[Flush] = []
        self.questions: list[LookUp | Ask] = []
        self._touched: set[Spot] = set()

    def takes(self, step: Step) -> bool:
        """Add a command, unless the batch changes the same item already; return True if it was added."""
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
    """Return commands in their order as few batches."""
    found = [Wave()]
    for step in steps:
        if not found[-1].takes(step):
            found.append(Wave())
            found[-1].takes(step)
    return found
