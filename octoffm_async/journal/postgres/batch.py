"""Batching of the journal's commands, so that a few statements carry out many of them. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..commands import Flush, ReadEntries, RecordOutcome, RecordStatus, ReleaseItem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from ...stores.database import Connection
    from ..base import OutgoingItem

__all__ = ["ConnectionCall", "MarkItemsSent", "PostgresCommand", "WriteBatch", "waves"]


class MarkItemsSent(NamedTuple):
    """The command to mark items as sent."""

    scope: int
    run_id: int
    items: Sequence[OutgoingItem]
    waiter: asyncio.Future[Any]
    api_at: datetime | None = None
    """The time of the API's own clock, if known."""
    first_at: datetime | None = None
    """The earliest time at which the items may have been sent; ``None`` is now."""


class ConnectionCall(NamedTuple):
    """Any other function of a connection, with the future of its result. It may be called more than once."""

    work: Callable[[Connection], Awaitable[Any]]
    waiter: asyncio.Future[Any]


PostgresCommand: TypeAlias = (
    ReadEntries | MarkItemsSent | RecordOutcome | RecordStatus | Flush | ConnectionCall | ReleaseItem
)
ScopedKey: TypeAlias = tuple[int, str]


class WriteBatch:
    """A batch of changes to different items, in any order, followed by the reads that may see them."""

    def __init__(self) -> None:
        self.settled: dict[ScopedKey, RecordOutcome | ReleaseItem] = {}
        self.followed: dict[ScopedKey, RecordStatus] = {}
        self.sent: defaultdict[tuple[int, datetime | None], list[MarkItemsSent]] = defaultdict(list)
        """The commands by scope and by the earliest time at which their items may have been sent."""
        self.flushes: list[Flush] = []
        self.questions: list[ReadEntries | ConnectionCall] = []
        self._touched: set[ScopedKey] = set()

    def takes(self, command: PostgresCommand) -> bool:
        """Add a command, unless the batch changes the same item already; return True if it was added."""
        match command:
            case MarkItemsSent(scope=scope, items=items, first_at=first_at):
                scoped_keys = {(scope, item.key) for item in items}
                if not self._touched.isdisjoint(scoped_keys):
                    return False
                self._touched |= scoped_keys
                self.sent[scope, first_at].append(command)
            case Flush():
                self.flushes.append(command)
            case ReadEntries() | ConnectionCall():
                self.questions.append(command)
            case RecordStatus(scope=scope, key=key):
                return self._takes_one((scope, key), self.followed, command)
            case ReleaseItem(scope=scope, key=key):
                return self._takes_one((scope, key), self.settled, command)
            case _:
                return self._takes_one((command[0], command[2]), self.settled, command)
        return True

    def _takes_one(self, scoped_key: ScopedKey, where: dict[ScopedKey, Any], command: PostgresCommand) -> bool:
        if scoped_key in self._touched:
            return False
        self._touched.add(scoped_key)
        where[scoped_key] = command
        return True


def waves(commands: Iterable[PostgresCommand]) -> list[WriteBatch]:
    """Return commands in their order as few batches."""
    found = [WriteBatch()]
    for command in commands:
        if not found[-1].takes(command):
            found.append(WriteBatch())
            found[-1].takes(command)
    return found
