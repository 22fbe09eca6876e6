"""The journal: what was sent and what became of it, in a store that outlives the process: nothing is sent twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from .protocol import LOOK_UP_MOST, Book, Journal, RunRecord, Sending
from .sqlite import SQLiteJournal
from .states import UNDECIDED, Entry, IllegalTransitionError, State, Verdict, judge, payload_hash

if TYPE_CHECKING:
    from .store import Durability

__all__ = [
    "LOOK_UP_MOST",
    "UNDECIDED",
    "Book",
    "Entry",
    "IllegalTransitionError",
    "Journal",
    "RunRecord",
    "SQLiteJournal",
    "Sending",
    "State",
    "Verdict",
    "judge",
    "open_journal",
    "payload_hash",
]


def open_journal(
    path: str | os.PathLike[str], *, durability: Durability = "process", read_only: bool = False
) -> Journal:
    """The journal at ``path``, to be entered with ``async with``.

    Raises:
        ConfigurationError: ``path`` is the address of something that is no file.
    """
    if "://" in os.fspath(path):
        raise ConfigurationError(f"a journal is a file, not {os.fspath(path)}")
    return SQLiteJournal(path, durability=durability, read_only=read_only)
