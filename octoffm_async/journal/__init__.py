"""Public names of the journal: the durable record of each item sent and its outcome, so that no item is sent twice.

A program opens a journal with :meth:`Journal.open` and reads it; the author of a store implements :class:`Journal` and
:class:`JournalRun`, with :func:`decide_known_key` and the states as the common rules.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .base import LOOK_UP_MOST, Durability, JournalRun, Known, OutgoingItem, RunRecord
    from .environment import Environment, environment_of
    from .open import Journal, open_journal
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
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.journal.base": (
                "Durability",
                "JournalRun",
                "Known",
                "LOOK_UP_MOST",
                "OutgoingItem",
                "RunRecord",
            ),
            "octoffm_async.journal.environment": (
                "Environment",
                "environment_of",
            ),
            "octoffm_async.journal.open": (
                "Journal",
                "open_journal",
            ),
            "octoffm_async.journal.sqlite.journal": ("SQLiteJournal",),
            "octoffm_async.journal.states": (
                "ABSENT",
                "ABSENT_MOST",
                "BY_HAND",
                "Entry",
                "HASH_SIZE",
                "IllegalTransitionError",
                "LONG_AGO",
                "State",
                "UNDECIDED",
                "Verdict",
                "decide_known_key",
                "is_long_ago",
                "payload_hash",
            ),
        },
    )

__all__ = [
    "ABSENT",
    "ABSENT_MOST",
    "BY_HAND",
    "HASH_SIZE",
    "LONG_AGO",
    "LOOK_UP_MOST",
    "UNDECIDED",
    "Durability",
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
