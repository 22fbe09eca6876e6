"""How a run uses its journal, and what the journal's knowledge means for an item. Values and pure functions."""

from __future__ import annotations

from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import ConfigurationError, ValidationError
from .journal import Journal, Sending, State, Verdict, payload_hash
from .outcomes import Created, Failed, Refused, Skipped, Unknown, refused_locally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .gathering import Match
    from .job import Job
    from .journal import Book, Entry
    from .outcomes import Outcome

T = TypeVar("T")
UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)
encode = msgspec.json.Encoder().encode
"""A request as it is sent."""

PATIENCE = 60.0
"""Seconds after which what has left and is not visible counts as absent: longer than an answer is awaited, and more
than replicas lag."""


class Journaling(msgspec.Struct, frozen=True, kw_only=True):
    """How a run uses its journal. Times are in seconds."""

    journal: Journal | str | PathLike[str]
    seller_id: str
    operation: str
    patience: float = PATIENCE
    resend_unknown: bool = False
    run: str | None = None
    source: str = ""
    verify_first: bool = False

    def __post_init__(self) -> None:
        if not self.patience >= 0:
            raise ConfigurationError(f"patience must be a number of seconds from 0 on, not {self.patience!r}")


def sending_of(key: str, item: object) -> Sending:
    return sendings_of([key], [item])[0]


def sendings_of(keys: Iterable[str], items: Iterable[object]) -> list[Sending]:
    payloads = [encode(item) for item in items]
    return list(map(Sending, keys, map(payload_hash, payloads), payloads))


def encodable(job: Job[T], items: list[T], outcomes: list[Outcome]) -> tuple[list[T], list[Sending]]:
    """The items that can be encoded, and how they are sent; those that cannot get their outcomes."""
    try:
        return items, sendings_of(job.keys(items), items)
    except UNENCODABLE as error:
        if len(items) > 1:
            parts = [encodable(job, [item], outcomes) for item in items]
            return [item for some, _ in parts for item in some], [one for _, some in parts for one in some]
        try:
            job.check(items[0])
        except ValidationError as invalid:
            outcomes.append(refused_locally(invalid))
        else:
            outcomes.append(Failed(key=job.key(items[0]), error=error))
        return [], []


def settle(book: Book, outcome: Outcome) -> None:
    """Write what became of an item behind."""
    key = outcome.key
    if isinstance(outcome, Created):
        book.settle_created(key, outcome.id)
        return
    match outcome:
        case Refused(code=code, message=message):
            book.settle(key, State.REFUSED, code=code, message=message)
        case Failed(error=error):
            book.settle(key, State.FAILED, message=str(error))
        case Unknown(reason=reason):
            book.settle(key, State.UNKNOWN, message=reason)
        case _:
            raise AssertionError(f"no outcome of a creation: {outcome}")


def known_outcome(entry: Entry, verdict: Verdict, given: bytes) -> Outcome:
    """The outcome of an item that the journal has decided."""
    key = entry.key
    if verdict is Verdict.CHANGED:
        message = (
            f"{key!r} was sent before with another payload (hash {entry.payload_hash.hex()}, now {given.hex()}), "
            f"and is {entry.state}: what exists under a reference is not changed by sending it again"
        )
        return Refused(key=key, code="PayloadChanged", message=message)
    if verdict is Verdict.ALREADY_REFUSED:
        earlier: Created | Refused = Refused(key=key, code=entry.code, message=entry.message)
    else:
        earlier = Created(key=key, id=entry.remote_id)
    return Skipped(key=key, reason=_reason(entry.state, entry.run), earlier=earlier)


@lru_cache(maxsize=64)
def _reason(state: State, run: str) -> str:
    return f"{state.value} already, in run {run}"


def outcome_of_match(key: str, match: Match) -> Created | Refused:
    if match.refused:
        return Refused(key=key, code=match.code, message=match.message)
    return Created(key=key, id=match.id)
