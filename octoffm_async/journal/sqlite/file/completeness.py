"""A completeness mark: it distinguishes a journal's file that lacks its log from one that needs none.

SQLite keeps the last commits in ``FILE-wal`` (the log) until it copies them into the file. The file alone, copied or
restored while the journal was open or after its process was killed, looks whole and does not know the last orders; all
of those would be sent a second time. The file therefore says by itself that there is a log:

- Before the first change, the journal commits ``PART`` and copies it into the file. Only then it commits ``WHOLE``,
  which stays in the log. A reader of the file with its log, or after another program has copied the log into it, sees
  ``WHOLE``: the journal is complete. A reader that sees ``PART`` and finds no log has an incomplete journal.
- Each copying of the log (checkpoint) goes the same way, so that the file itself always says ``PART``. Therefore SQLite
  must not copy the log by itself. The log is never empty while the file says ``PART``, at whatever instant the process
  dies: it is begun anew, and truncated, with the commit of ``WHOLE``.
- A clean close of the last writer copies the log, with ``WHOLE`` in it, and SQLite removes it.
- Of several processes only the one that holds the journal's lock (:mod:`.lock`) changes the mark.

A reader that is reading delays the copying: the mark stays ``PART``, and the next change tries again. A backup
(:mod:`.backup`) is marked with its time. A whole file of an older state is detected by :mod:`.change_record`, where
possible.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .change_record import ChangeRecord
    from .lock import JournalLock

__all__ = ["STANDING", "VERIFY", "CompletenessMark", "backup_time", "is_part", "log_of", "note_backup"]

VERIFY = "send the same again with --verify-first (verify_first=True)"
"""Cure that messages give where a journal does not know which orders were sent."""
WHOLE, PART = range(2)
"""Values of the mark; a greater value is the time of a backup, in milliseconds since 1970."""
STANDING = "CREATE TABLE standing (one INTEGER PRIMARY KEY CHECK (one = 1), mark INTEGER NOT NULL)"

_MARK_WAIT, _COPY_WAIT = 1000, 50
"""Milliseconds for which the marks wait for transactions of other processes, and the copying for readers too."""
_COPY_AT = 16 * 1024 * 1024
"""Bytes of the log at which it is copied: a page that many commits change is copied only once."""


class CompletenessMark:
    """Completeness mark of a journal that is open for writing."""

    def __init__(self, path: Path, connection: sqlite3.Connection, memory: ChangeRecord, lock: JournalLock) -> None:
        self._lock = lock
        self._log = log_of(path)
        self._connection = connection
        self._memory = memory
        self._is_marked = False
        self._copy_at = _COPY_AT
        for pragma in ("wal_autocheckpoint = 0", "journal_size_limit = 0"):
            connection.execute(f"PRAGMA {pragma}")

    def before_change(self) -> None:
        """Mark the file as having a log, before any change is written to the log."""
        if not self._is_marked:
            self._is_marked = self._copy()

    def after_change(self) -> None:
        """Copy the log into the file if it has become long."""
        if (size := self._log.stat().st_size) >= self._copy_at:
            copied = self._copy()
            self._copy_at = _COPY_AT if copied else size + _COPY_AT // 4

    def close(self, *, alone: bool) -> None:
        """Remove the mark after the last write, with the lock held.

        The last writer copies the log, even if a reader keeps it in use.
        """
        if _mark(self._connection) == PART:  # a reader delayed the last copying
            self._set(WHOLE)
        if not alone:
            return
        if self._log.exists() and self._log.stat().st_size:
            self._memory.note_now()  # the copying changes the file
        self._checkpoint()

    def _copy(self) -> bool:
        """Copy the log into the file, and set the marks; return True if the whole log was copied."""
        if not self._lock.try_acquire():  # another process does the same, or opens or closes the journal
            return False
        (waits,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {_MARK_WAIT}")
            self._set(PART)
            if not self._checkpoint():
                return False
            self._set(WHOLE)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {waits}")
            self._lock.release()
        return True

    def _set(self, mark: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._memory.note_now()
        self._connection.execute("REPLACE INTO standing (one, mark) VALUES (1, ?)", (mark,))
        self._connection.execute("COMMIT")

    def _checkpoint(self) -> bool:
        """Copy the log, hardly waiting for others; return True if all of it is durable in the file."""
        (waits,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
        self._connection.execute(f"PRAGMA busy_timeout = {_COPY_WAIT}")
        try:
            busy, pages, copied = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {waits}")
        return not busy and pages == copied


def log_of(path: Path) -> Path:
    """Return the path of the log, in which SQLite keeps the last commits of a file."""
    return path.with_name(path.name + "-wal")


def is_part(connection: sqlite3.Connection, *, has_log: bool) -> bool:
    """Return True if a file lacks its log. ``has_log``: a log that is not empty is beside it."""
    return not has_log and _mark(connection) == PART


def backup_time(connection: sqlite3.Connection) -> int | None:
    """Return the time of a backup that was not written to yet, in milliseconds since 1970; else ``None``."""
    mark = _mark(connection)
    return mark if mark > PART else None


def note_backup(connection: sqlite3.Connection, now: float) -> None:
    """Mark a copy of a journal as a backup."""
    connection.execute("REPLACE INTO standing (one, mark) VALUES (1, ?)", (int(now * 1000),))


def _mark(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT mark FROM standing").fetchone()
    return WHOLE if found is None else int(found[0])
