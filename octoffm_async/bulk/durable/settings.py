"""Journal options of a run, and conclusions from journal entries on an item. Values and pure functions."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from operator import add
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ...contract.requests.fingerprints import differing_fields, differing_paths, fingerprints, shortened
from ...errors import ConfigurationError, OctoffmError, PayloadConflictError, ValidationError
from ...journal import HASH_SIZE, UNDECIDED, Journal, OutgoingItem, State, Verdict, payload_hash
from ..outcomes import Created, Failed, Refused, Skipped, Unknown, refused_locally
from ..reconciliation.taken_reference import taken_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from ...journal import Entry, JournalRun
    from ...session.session import Session
    from ..job import Job
    from ..outcomes import Outcome
    from ..reconciliation.lookup_findings import RemoteMatch

T = TypeVar("T")
UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError)
encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
"""Encoder of a request as it is sent."""

PATIENCE = 60.0
"""Seconds after which an order that was sent and is not visible may count as absent.

This is longer than the client awaits a response, and more than replicas lag.
"""


OTHER_SERVER = timedelta(seconds=30)
"""Longest time by which the clock of the token server may be ahead of the API's."""


class JournalOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Journal options of a run. Times are in seconds."""

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


async def api_clock_before(session: Session) -> datetime | None:
    """Return a time that the API's own clock has passed before something is sent, for the journal.

    Before the first call of a process only the token response shows that clock. So the token is fetched first: it is
    needed anyway, and without a time an old copy of a list cannot be distinguished from a new one.
    """
    if (shown := session.api_clock) is not None:
        return shown
    with suppress(OctoffmError):  # the request itself will show the error
        await session.check()
    shown = session.api_clock
    return None if shown is None else shown - OTHER_SERVER


def outgoing_of(key: str, item: object) -> OutgoingItem:
    return outgoing_items_of([key], [item])[0]


def outgoing_items_of(
    keys: Iterable[str], items: Sequence[object], prints: Sequence[bytes] | None = None
) -> list[OutgoingItem]:
    """Return the journal's form of items; ``prints`` are their fingerprints, if they exist already."""
    payloads = [encode(item) for item in items]
    halves = map(shortened, fingerprints(items) if prints is None else prints)
    return list(map(OutgoingItem, keys, map(add, map(payload_hash, payloads), halves), payloads))


def encodable(job: Job[T], items: list[T], outcomes: list[Outcome]) -> tuple[list[T], list[OutgoingItem]]:
    """Return the items that can be encoded, and their journal form without fields; add the outcomes of the others."""
    try:
        return items, outgoing_items_of(job.keys(items), items, [b""] * len(items))
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


def with_fields(
    outgoing_items: list[OutgoingItem], fingerprints: list[bytes], prints: dict[str, bytes | None]
) -> list[OutgoingItem]:
    """Return items with the hashes of their fields, which only items that are sent need; add them to ``prints``."""
    keys = [outgoing.key for outgoing in outgoing_items]
    prints.update(zip(keys, fingerprints, strict=True))
    return [
        OutgoingItem(outgoing.key, outgoing.payload_hash + shortened(print_), outgoing.payload)
        for outgoing, print_ in zip(outgoing_items, fingerprints, strict=True)
    ]


def settle(journal_run: JournalRun, outcome: Outcome) -> None:
    """Write an item's outcome behind."""
    key = outcome.key
    if isinstance(outcome, Created):
        journal_run.record_created(key, outcome.id)
        return
    match outcome:
        case Refused(code=code, message=message):
            journal_run.record_outcome(key, State.REFUSED, code=code, message=message)
        case Failed(error=error):
            journal_run.record_outcome(key, State.FAILED, message=str(error))
        case Unknown(reason=reason, error=error):
            journal_run.record_outcome(key, State.UNKNOWN, code=taken_code(error), message=reason)
        case _:
            raise AssertionError(f"no outcome of a creation: {outcome}")


async def conflict_of(
    journal_run: JournalRun, entry: Entry, item: object, outgoing: OutgoingItem
) -> PayloadConflictError:
    """Return the error for an item whose reference was used for another one, with the names of the differing fields.

    The journal has the request of an undecided item, which is compared; of others it has hashes of the fields.
    """
    fields: tuple[str, ...] = ()
    if entry.state in UNDECIDED and (kept := (await journal_run.payloads([entry.key])).get(entry.key)) is not None:
        try:
            fields = differing_paths(msgspec.json.decode(kept, type=type(item)), item)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    fields = fields or differing_fields(item, entry.field_hashes, outgoing.payload_hash[HASH_SIZE:])
    given = outgoing.payload_hash[:HASH_SIZE]
    message = (
        f"{entry.key!r} was sent before with another payload (hash {entry.payload_hash.hex()}, now {given.hex()}), "
        f"and is {entry.state}{_differ(fields)}: sending it again does not change what exists under a reference; "
        "send a different order under a reference of its own"
    )
    return PayloadConflictError(message, key=entry.key, fields=fields)


def conflict_within(key: str, item: object, before: bytes, now: bytes) -> PayloadConflictError:
    """Return the error for an item whose reference came before in the same input, for another item."""
    fields = differing_fields(item, before, now)
    message = (
        f"{key!r} came before in this input with another payload{_differ(fields)}: only the first is sent; send "
        "a different order under a reference of its own"
    )
    return PayloadConflictError(message, key=key, fields=fields)


def _differ(fields: Sequence[str]) -> str:
    return f" (different: {', '.join(fields)})" if fields else ""


def refused_conflict(error: PayloadConflictError) -> Refused:
    """Return the outcome of an item whose reference was used for another one."""
    return Refused(key=error.key, code=error.code, message=error.message, error=error)


def known_outcome(entry: Entry, verdict: Verdict) -> Skipped:
    """Return the outcome of an item that the journal has decided, and whose payload is unchanged."""
    key = entry.key
    if verdict is Verdict.ALREADY_REFUSED:
        earlier: Created | Refused = Refused(key=key, code=entry.code, message=entry.message)
    else:
        earlier = Created(key=key, id=entry.remote_id)
    return Skipped(key=key, reason=_reason(entry.state, entry.run), earlier=earlier)


@lru_cache(maxsize=64)
def _reason(state: State, run: str) -> str:
    return f"{state.value} already, in run {run}"


def outcome_of_match(key: str, match: RemoteMatch) -> Created | Refused:
    if match.refused:
        return Refused(key=key, code=match.code, message=match.message)
    return Created(key=key, id=match.id)
