"""Public names of the journal: the durable record of each item sent and its outcome, so that no item is sent twice."""

from __future__ import annotations

from .environment import Environment, environment_of
from .opening import open_journal
from .protocol import LOOK_UP_MOST, Book, Journal, Known, RunRecord, Sending
from .sqlite import SQLiteJournal
from .states import (
    ABSENT,
    ABSENT_MOST,
    BY_HAND,
    HASH_SIZE,
    LONG_AGO,
    UNDECIDED,
    Entry,
    IllegalTransitionError,
    State,
    Verdict,
    is_long_ago,
    judge,
    payload_hash,
)

__all__ = [
    "ABSENT",
    "ABSENT_MOST",
    "BY_HAND",
    "HASH_SIZE",
    "LONG_AGO",
    "LOOK_UP_MOST",
    "UNDECIDED",
    "Book",
    "Entry",
    "Environment",
    "IllegalTransitionError",
    "Journal",
    "Known",
    "RunRecord",
    "SQLiteJournal",
    "Sending",
    "State",
    "Verdict",
    "environment_of",
    "is_long_ago",
    "judge",
    "open_journal",
    "payload_hash",
]
