"""Whether a journal's file is as it was left, or an older state of it that was put back.

A state that was copied before and put back is whole, and knows nothing of what was sent since. The file cannot tell by
its content, and the file system can: whoever puts a file back, in place or under its name, with its times or without,
gives it a new time of change (``ctime``), which nobody can set. So the journal keeps, in itself, when it was changed
last; if its file or log was changed later, something else did it. That is an older state, a copy, or the same content
that was touched (its mode, owner or name was changed), which cannot be told apart. So:

- It is told as a warning, and the *gap* is kept in the journal: from the last change it knows of until now.
- For ``KEPT`` after it, each order that is new to the journal is looked up before it is sent, as ``verify_first`` does.
- A backup (:mod:`.backup`) says itself what it is: its gap begins with its own time.
- A file without its log, which is refused, is an older state too for who asks for ``verify_first``.

Not noticed are: the state of a whole disk or of a virtual machine, which comes back with all its times; what is put
back within ``TOLERANCE`` of its last change; a journal that is gone altogether, which looks like a first run; and a
journal in PostgreSQL, of which the server keeps no such time. For those there is ``verify_first`` (``--verify-first``).
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from .states import LONG_AGO

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["KNOWN", "Gap", "Memory", "touched_at"]

KNOWN = """CREATE TABLE IF NOT EXISTS known (
        one INTEGER PRIMARY KEY CHECK (one = 1), changed_at INTEGER NOT NULL, gap_since INTEGER, gap_until INTEGER)"""
"""Older versions leave this table alone: what they change then looks as if others had changed it."""
TOLERANCE = 2.0
"""Seconds between the last change that is noted and the file system's time of the file: a commit takes that at most."""
EVERY = 0.25
"""Seconds between two notes: most transactions need none."""
KEPT = timedelta(days=30)
"""For so long after a gap was noticed, orders are looked up first: what was sent in it may be asked for again."""

logger = logging.getLogger("octoffm_async")


class Gap(NamedTuple):
    """A time of which the journal may not know what was sent."""

    since: datetime
    until: datetime


def touched_at(lock: Path, *paths: Path) -> float:
    """When the newest of these files was changed, by this process's clock, in seconds since 1970; 0 if none is there.

    ``lock`` was written a moment ago: it tells how far the file system's clock is ahead, as that of a server may be.
    """
    ahead = max(0.0, lock.stat().st_mtime - time.time())
    times = [path.stat().st_ctime for path in paths if path.exists() and path.stat().st_size]
    return max(times, default=0.0) - ahead


class Memory:
    """What an open journal knows of its own changes. ``gap`` is what may be missing in it, if anything."""

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
        """Write down that the journal is changed now, unless that is known; with what is committed next, or alone."""
        now = time.time()
        if not 0 <= now - self._noted_at < EVERY:
            self._connection.execute(
                "INSERT INTO known (one, changed_at) VALUES (1, ?) "
                "ON CONFLICT (one) DO UPDATE SET changed_at = excluded.changed_at",
                (int(now * 1000),),
            )
            self._noted_at = now

    def note_now(self) -> None:
        """The same, however long ago it was noted."""
        self._noted_at = 0.0
        self.note()


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
