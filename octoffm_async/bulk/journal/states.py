"""The states of a journalled item, which may follow which, and what a known key means for a new sending. All pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ABSENT",
    "ABSENT_MOST",
    "BY_HAND",
    "HASH_SIZE",
    "KEEPS_PAYLOAD",
    "LEGAL",
    "LONG_AGO",
    "UNDECIDED",
    "Entry",
    "IllegalTransitionError",
    "State",
    "Verdict",
    "absences_after",
    "check",
    "is_long_ago",
    "judge",
    "payload_hash",
]


class State(StrEnum):
    """What is known of one item."""

    PENDING = "pending"
    """Nothing of it exists remotely: it was looked for and not found. It may be sent."""
    SENT = "sent"
    """It is about to be sent, or was; how that ended is not known."""
    CREATED = "created"
    REFUSED = "refused"
    FAILED = "failed"
    """It was surely not created; it may be sent again."""
    UNKNOWN = "unknown"
    """It was sent, and no answer told what became of it."""


LEGAL: Mapping[State | None, frozenset[State]] = MappingProxyType(
    {
        None: frozenset({State.SENT}),
        State.PENDING: frozenset({State.SENT}),
        State.SENT: frozenset({State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN, State.PENDING}),
        State.UNKNOWN: frozenset({State.CREATED, State.REFUSED, State.PENDING, State.SENT, State.UNKNOWN}),
        State.FAILED: frozenset({State.SENT}),
        State.REFUSED: frozenset({State.SENT}),
        State.CREATED: frozenset({State.REFUSED}),
    }
)
"""The states that may follow each state; ``None`` is a key that was never seen.

``unknown`` → ``sent`` happens only when the user asks for it, ``refused`` → ``sent`` only with another payload;
``created`` → ``refused`` is a late refusal. ``unknown`` → ``unknown`` tells anew why, and keeps since when. What is
created with an id that turns out to be another one's becomes ``unknown`` again, by ``Book.doubt`` only.
"""

ABSENT = "Absent"
"""The code of an item that is pending because it was looked for and declared absent."""
BY_HAND = "ByHand"
"""The code of an item that a person settled."""
_LEFT, _MAY_HAVE_LEFT = 2, 1
ABSENT_MOST = 2
"""What its absences may come to before an item is not sent again: see :func:`absences_after`."""


def absences_after(absences: int, before: State, after: State, code: str) -> int:
    """The absences of an item that goes from one state to another.

    An absence after a sending that has left counts 2; one after a sending of a process that was killed counts 1,
    because it may have been killed before that left. Another order under the same reference begins anew, and so does
    one that a person looked for and said to be absent.
    """
    if after in (State.CREATED, State.REFUSED) or (after is State.PENDING and code == BY_HAND):
        return 0
    if after is State.PENDING and code == ABSENT:
        return absences + (_LEFT if before is State.UNKNOWN else _MAY_HAVE_LEFT)
    return absences


UNDECIDED = frozenset({State.SENT, State.UNKNOWN})
"""The states that must be reconciled with the remote side before the item may be sent again."""

KEEPS_PAYLOAD = frozenset(State) - {State.CREATED, State.REFUSED}
"""The states in which the encoded request is kept, so that it can be sent without the input."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""When an item was sent of which only that is known that it may exist: before any order of any account."""

HASH_SIZE = 16
"""Bytes of a payload's hash. What stands behind them are the hashes of its fields, in journals that have them."""


def is_long_ago(moment: datetime) -> bool:
    """Whether nothing is known of when an item was sent: it is looked for among all orders."""
    return moment <= LONG_AGO + timedelta(days=1)


class IllegalTransitionError(AssertionError):
    """A state was to follow another that it may not follow: a mistake in the program, never in its input."""

    def __init__(self, key: str, before: State | None, after: State) -> None:
        super().__init__(key, before, after)
        self.key = key
        self.before = before
        self.after = after

    def __str__(self) -> str:
        return f"{self.key!r} cannot go from {self.before or 'nothing'} to {self.after}"


def check(before: State | None, after: State, *, key: str = "") -> None:
    """Let a legal transition pass.

    Raises:
        IllegalTransitionError: ``after`` may not follow ``before``.
    """
    if after not in LEGAL[before]:
        raise IllegalTransitionError(key, before, after)


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One item as the journal knows it."""

    key: str
    """Its business reference."""
    state: State
    payload_hash: bytes
    run: str
    """The run that sent it last."""
    changed_at: datetime
    sent_at: datetime
    """When it was sent; of several sendings of which none is decided, the first."""
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    """Why it was refused, failed or is unknown."""
    followed: str = ""
    """The last status that following it saw."""
    field_hashes: bytes = b""
    """Short hashes of the request's fields; none where an older version sent it."""
    left_by: datetime | None = None
    """When an undecided item's request has left at the latest, by this machine's clock, if the journal knows."""
    api_at: datetime | None = None
    """What the API's own clock showed before it was sent, if that was known."""
    absences: int = 0
    """How often it was declared absent, weighed: see :func:`absences_after`."""


class Verdict(Enum):
    """What to do with an item whose key was looked up."""

    SEND = auto()
    ALREADY_CREATED = auto()
    ALREADY_REFUSED = auto()
    CHANGED = auto()
    """The key was used with another payload, and that one exists or may exist."""
    UNDECIDED = auto()
    """It must be reconciled first."""


def judge(entry: Entry | None, payload_hash: bytes) -> Verdict:
    """What to do with an item whose encoded request hashes to ``payload_hash``; hashes of its fields may follow."""
    if entry is None:
        return Verdict.SEND
    same = entry.payload_hash == payload_hash[:HASH_SIZE]
    match entry.state:
        case State.CREATED:  # the most frequent one comes first
            return Verdict.ALREADY_CREATED if same else Verdict.CHANGED
        case State.PENDING | State.FAILED:
            return Verdict.SEND
        case State.REFUSED:
            return Verdict.ALREADY_REFUSED if same else Verdict.SEND
        case State.SENT | State.UNKNOWN:
            return Verdict.UNDECIDED if same else Verdict.CHANGED


def payload_hash(payload: bytes) -> bytes:
    """So many bytes as ``HASH_SIZE`` that tell one encoded request from another."""
    return blake2b(payload, digest_size=HASH_SIZE).digest()
