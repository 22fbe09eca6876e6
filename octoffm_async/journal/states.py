"""The states of an item in a journal, and the legal steps between them: the same in a file and in PostgreSQL.

::

    (none) ─► sent ─┬─► created ─┬─► refused, by a late refusal
                    │            └─► unknown, if its id turns out to be another order's
                    ├─► refused ───► sent, with another payload
                    ├─► failed ────► sent        (certainly not created)
                    ├─► pending ───► sent        (not sent after all, or absent: looked for, or by a person's word)
                    └─► unknown ─┬─► created, refused, pending
                                 └─► sent, on the user's request

``sent`` and ``unknown`` are *undecided*, and have a *holder*: the writer that sent the item, or that took it over from
one that ended, was suspended beyond its lease, or released it. Only the holder decides the item, or sends it again
after ``unknown``; any other writer may only report that it was created. The step to ``sent`` is durable before the
request leaves, and of several writers one takes it. All functions are pure.
"""

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
    "decide_known_key",
    "is_long_ago",
    "payload_hash",
]


class State(StrEnum):
    """The state of one item."""

    PENDING = "pending"
    """State of an item that does not exist remotely, as a look-up or a person declared. It may be sent."""
    SENT = "sent"
    """State of an item that is about to be sent or was sent, with an unknown outcome."""
    CREATED = "created"
    REFUSED = "refused"
    FAILED = "failed"
    """State of an item that was certainly not created; it may be sent again."""
    UNKNOWN = "unknown"
    """State of an item that was sent, and of which no response shows the outcome."""


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
"""Legal next states of each state; ``None`` is a key without an entry.

``unknown`` → ``sent`` happens only on the user's request, ``refused`` → ``sent`` only with another payload; ``created``
→ ``refused`` is a late refusal. ``unknown`` → ``unknown`` records a new reason, and keeps the time. A created item
whose id turns out to be another item's becomes ``unknown`` again, by ``JournalRun.reset_to_unknown`` only.
"""

ABSENT = "Absent"
"""Code of an item that is pending because it was looked for and declared absent."""
BY_HAND = "ByHand"
"""Code of an item that a person settled."""
_LEFT, _MAY_HAVE_LEFT = 2, 1
ABSENT_MOST = 2
"""Limit of an item's absences: at this value the item is not sent again automatically (:func:`absences_after`)."""


def absences_after(absences: int, before: State, after: State, code: str) -> int:
    """Return the weighted absences of an item after a transition.

    An absence of a request that was certainly sent counts 2. An absence of a request of a killed process counts 1,
    because the process may have been killed before it sent the request. The count starts again for another order under
    the same reference, and for an item that a person declared absent.
    """
    if after in (State.CREATED, State.REFUSED) or (after is State.PENDING and code == BY_HAND):
        return 0
    if after is State.PENDING and code == ABSENT:
        return absences + (_LEFT if before is State.UNKNOWN else _MAY_HAVE_LEFT)
    return absences


UNDECIDED = frozenset({State.SENT, State.UNKNOWN})
"""States that must be reconciled with the remote side before the item may be sent again."""

KEEPS_PAYLOAD = frozenset(State) - {State.CREATED, State.REFUSED}
"""States in which the encoded request is stored, so that it can be sent without the input."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Time of sending of an item that may exist and of which nothing else is known: before any order of any account."""

HASH_SIZE = 16
"""Bytes of a payload's hash. The hashes of the request's fields follow it, in journals that have them."""


def is_long_ago(moment: datetime) -> bool:
    """Return True if the time of sending is unknown (``LONG_AGO``): the item is looked for among all orders."""
    return moment <= LONG_AGO + timedelta(days=1)


class IllegalTransitionError(AssertionError):
    """An illegal transition of an item's state: an error of the program, never of its input."""

    def __init__(self, key: str, before: State | None, after: State) -> None:
        super().__init__(key, before, after)
        self.key = key
        self.before = before
        self.after = after

    def __str__(self) -> str:
        return f"{self.key!r} cannot go from {self.before or 'nothing'} to {self.after}"


def check(before: State | None, after: State, *, key: str = "") -> None:
    """Check that a transition is legal.

    Raises:
        IllegalTransitionError: ``after`` may not follow ``before``.
    """
    if after not in LEGAL[before]:
        raise IllegalTransitionError(key, before, after)


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One item as recorded in the journal."""

    key: str
    """The item's business reference."""
    state: State
    payload_hash: bytes
    run: str
    """Id of the run that sent it last."""
    changed_at: datetime
    sent_at: datetime
    """Time of sending; of several undecided requests, the first."""
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    """Reason why it was refused, failed or is unknown."""
    followed: str = ""
    """Last status that status tracking saw."""
    field_hashes: bytes = b""
    """Short hashes of the request's fields; empty if an older version sent it."""
    latest_sent_at: datetime | None = None
    """Latest time at which an undecided item's request was sent, by the local clock, if known."""
    api_at: datetime | None = None
    """Time of the API's own clock before the request was sent, if known."""
    absences: int = 0
    """Weighted number of times that it was declared absent: see :func:`absences_after`."""


class Verdict(Enum):
    """Decision for an item whose key was looked up."""

    SEND = auto()
    ALREADY_CREATED = auto()
    ALREADY_REFUSED = auto()
    CHANGED = auto()
    """Decision for a key that was used with another payload, which exists or may exist."""
    UNDECIDED = auto()
    """Decision for an item that must be reconciled first."""


def decide_known_key(entry: Entry | None, payload_hash: bytes) -> Verdict:
    """Decide on an item whose encoded request hashes to ``payload_hash``; hashes of its fields may follow."""
    if entry is None:
        return Verdict.SEND
    same = entry.payload_hash == payload_hash[:HASH_SIZE]
    match entry.state:
        case State.CREATED:  # the most frequent state first
            return Verdict.ALREADY_CREATED if same else Verdict.CHANGED
        case State.PENDING | State.FAILED:
            return Verdict.SEND
        case State.REFUSED:
            return Verdict.ALREADY_REFUSED if same else Verdict.SEND
        case State.SENT | State.UNKNOWN:
            return Verdict.UNDECIDED if same else Verdict.CHANGED


def payload_hash(payload: bytes) -> bytes:
    """Return a hash of ``HASH_SIZE`` bytes of an encoded request."""
    return blake2b(payload, digest_size=HASH_SIZE).digest()
