"""Commands of the event loop to the journal's thread, which carries them out in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from ..errors import OctoffmError
from .states import IllegalTransitionError, State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

ErrorT = TypeVar("ErrorT", bound=Exception)

__all__ = [
    "NOT_OPEN",
    "Command",
    "CommandReply",
    "Flush",
    "MarkSent",
    "ReadEntries",
    "RecordCreated",
    "RecordOutcome",
    "RecordStatus",
    "ReleaseItem",
    "StoreFunction",
    "copy_of",
]

NOT_OPEN = "the journal is not open: async with Journal.open(…) as journal"

CommandReply: TypeAlias = "tuple[asyncio.Future[Any], Any, Exception | None]"
"""Reply to a waiting caller: its future, and a result or an error."""

RecordOutcome: TypeAlias = tuple[int, int, str, State, str | None, str, str]
"""Command that records an item's outcome: scope, run that found it, key, state, remote id, code and message.

No caller waits; the run's next flush reports errors. There may be one command for every item: a plain tuple costs
least.
"""


@dataclass(slots=True)
class RecordCreated:
    """Command that records items as created, each key with its remote id. No caller waits."""

    scope: int
    run_id: int
    keys: list[str]
    remote_ids: list[str | None]


@dataclass(slots=True)
class MarkSent:
    """Command that marks items as sent: the hash of each by its key, and all of them packed for the file.

    The items are packed on the event loop, where they were encoded: data that another core need not touch need not be
    transferred to it.
    """

    scope: int
    run_id: int
    hashes: dict[str, bytes]
    packed: bytes
    waiter: asyncio.Future[Any]
    api_at: int | None = None
    """Time of the API's clock, in milliseconds since 1970."""
    first_at: int | None = None
    """Earliest time at which the items may have been sent, in milliseconds since 1970; ``None`` is now."""


@dataclass(slots=True)
class RecordStatus:
    """Command that records a tracked status. No caller waits."""

    scope: int
    key: str
    status: str


class ReleaseItem(NamedTuple):
    """The command to release an item if it is undecided. No caller waits for it."""

    scope: int
    run_id: int
    key: str


@dataclass(slots=True)
class ReadEntries:
    """Command that reads entries."""

    scope: int
    keys: Sequence[str]
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class Flush:
    """Command that reports errors of commands without a waiting caller, of one run or (``None``) of all."""

    run_id: int | None
    waiter: asyncio.Future[Any]


@dataclass(slots=True)
class StoreFunction:
    """Any other command: a function of the store. It raises errors of its own only before it writes."""

    work: Callable[[Any], Any]
    """A function of the store, which runs in the store's thread."""
    waiter: asyncio.Future[Any]
    writes: bool = False


Command: TypeAlias = (
    ReadEntries | MarkSent | RecordOutcome | RecordCreated | RecordStatus | ReleaseItem | Flush | StoreFunction
)


def copy_of(error: ErrorT) -> ErrorT:
    """Copy an error for one more waiting caller: each raises its own, with its own traceback."""
    if not isinstance(error, OctoffmError | IllegalTransitionError):
        return error
    copy = type(error)(*error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
