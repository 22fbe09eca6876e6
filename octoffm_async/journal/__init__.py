"""Public names of the journal: the durable record of each item sent and its outcome, so that no item is sent twice."""

from __future__ import annotations

from .base import LOOK_UP_MOST, Journal, JournalRun, Known, OutgoingItem, RunRecord
from .environment import Environment, environment_of
from .open import open_journal
from .sqlite.journal import SQLiteJournal
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
    decide_known_key,
    is_long_ago,
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
    "Entry",
    "Environment",
    "IllegalTransitionError",
    "Journal",
    "JournalRun",
    "Known",
    "OutgoingItem",
    "RunRecord",
    "SQLiteJournal",
    "State",
    "Verdict",
    "decide_known_key",
    "environment_of",
    "is_long_ago",
    "open_journal",
    "payload_hash",
]
