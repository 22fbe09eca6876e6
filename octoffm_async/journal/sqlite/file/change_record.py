"""Detection of a journal file that was restored from an older state.

An older state that is copied and restored later is a whole file, and knows nothing of what was sent since. The content
of the file cannot show this, but the file system can: a file that is restored, in place or under its name, with or
without its times, gets a new time of change (``ctime``), which no user can set. The journal therefore stores in itself
the time of its last change; if its file or its log was changed later, something else changed it. The cause is an older
state, a copy, or the same content whose mode, owner or name was changed; these cannot be distinguished. So:

- The journal logs a warning and stores the *gap*: the time from the last change that it knows of until now.
- For ``KEPT`` after the gap, each order that is new to the journal is looked up before it is sent, as with
  ``verify_first``.
- A backup (:mod:`.backup`) is marked as one: its gap begins at the time of the backup.
- A file without its log is normally refused; a caller that sets ``verify_first`` may open it, as an older state.

The journal does not detect: the state of a whole disk or of a virtual machine, which comes back with all its times; a
file restored within ``TOLERANCE`` of its last change; a journal that was deleted, which looks like a first run; and a
journal in PostgreSQL, where the server keeps no such time. For these cases there is ``verify_first``
(``--verify-first``).
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...states import LONG_AGO

if TYPE_CHECKING:
    import os
    import sqlite3
    from pathlib import Path

__all__ = ["KNOWN", "ChangeRecord", "Gap", "touched_at"]

KNOWN = """CREATE TABLE IF NOT EXISTS known (
        one INTEGER PRIMARY KEY CHECK (one = 1), changed_at INTEGER NOT NULL, gap_since INTEGER, gap_until INTEGER)"""
"""Statement for a table that older versions do not update: their changes look like changes by another program."""
TOLERANCE = 2.0
"""Tolerance, in seconds, between the last recorded change and the file's own: the longest time that a commit takes."""
EVERY = 0.25
"""Interval in seconds between two recorded changes: most transactions need not record one."""
KEPT = timedelta(days=30)
"""Period after a detected gap in which orders are looked up first: orders sent in the gap may be submitted again."""

logger: logging.Logger = logging.getLogger("octoffm_async")


class Gap(NamedTuple):
    """Period in which orders may have been sent that the journal does not know of."""

    since: datetime
    until: datetime


def touched_at(lock: Path, *paths: Path) -> float:
    """Return the latest time of change of these files, by this process's clock, in seconds since 1970 (0: no file).

    ``lock`` was written a moment ago: it shows how far the file system's clock (of a file server, say) is ahead.
    """
    ahead = max(0.0, lock.stat().st_mtime - time.time())
    found: list[os.stat_result] = []
    for path in paths:
        with suppress(FileNotFoundError):
            found.append(path.stat())
    return max((one.st_ctime for one in found if one.st_size), default=0.0) - ahead


class ChangeRecord:
    """Record of an open journal's own changes. ``gap`` is the period that may be missing in it, or ``None``."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        touched: float,
        *,
        backup_at: datetime | None,
        lacks_log: bool,
    ) -> None:
        self._connection = connection
        self._noted_at = 0.0
        self.gap: Gap | None = None
        connection.execute(KNOWN)
        found = connection.execute("SELECT changed_at, gap_since, gap_until FROM known").fetchone()
        if found is None and backup_at is None and not lacks_log:
            return  # new, or of an older version
        changed_at, known_since, known_until = found or (int(LONG_AGO.timestamp() * 1000), None, None)
        known = None if known_since is None or known_until is None else Gap(_moment(known_since), _moment(known_until))
        now = datetime.now(UTC)
        if known is not None and now - known.until < KEPT:
            self.gap = known
        if backup_at is not None or lacks_log or touched - changed_at / 1000 > TOLERANCE:
            since = backup_at or _moment(changed_at)
            self.gap = Gap(since if self.gap is None else min(since, self.gap.since), now)
            values = tuple(int(moment.timestamp() * 1000) for moment in self.gap)
            self.note_now()
            connection.execute("UPDATE known SET gap_since = ?, gap_until = ?", values)
            what = "is a backup" if backup_at else "was put back, copied or changed by something else"
            when = "an unknown time" if since <= LONG_AGO else since.isoformat(" ", "seconds")
            logger.warning(
                "the journal %s %s: what was sent since %s may not be known to it; so each order that is new to it is "
                "looked up before it is sent, for %d days",
                path,
                what,
                when,
                KEPT.days,
            )

    def note(self) -> None:
        """Record that the journal is changed now, unless that is recorded already, in a transaction or without one."""
        now = time.time()
        if not 0 <= now - self._noted_at < EVERY:
            self._connection.execute(
                "INSERT INTO known (one, changed_at) VALUES (1, ?) "
                "ON CONFLICT (one) DO UPDATE SET changed_at = excluded.changed_at",
                (int(now * 1000),),
            )
            self._noted_at = now

    def note_now(self) -> None:
        """Record a change now, even if one was recorded a moment ago."""
        self._noted_at = 0.0
        self.note()


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
