"""The journal: what was sent and what became of it, in a store that outlives the process: nothing is sent twice."""

from __future__ import annotations

from .environment import Environment, environment_of
from .protocol import LOOK_UP_MOST, Book, Journal, RunRecord, Sending
from .sqlite import SQLiteJournal
from .states import (
    ABSENT,
    ABSENT_MOST,
    HASH_SIZE,
    UNDECIDED,
    Entry,
    IllegalTransitionError,
    State,
    Verdict,
    judge,
    payload_hash,
)

__all__ = [
    "ABSENT",
    "ABSENT_MOST",
    "HASH_SIZE",
    "LOOK_UP_MOST",
    "UNDECIDED",
    "Book",
    "Entry",
    "Environment",
    "IllegalTransitionError",
    "Journal",
    "RunRecord",
    "SQLiteJournal",
    "Sending",
    "State",
    "Verdict",
    "environment_of",
    "judge",
    "payload_hash",
]
