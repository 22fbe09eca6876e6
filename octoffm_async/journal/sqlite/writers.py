"""The writers of a journal's file: the processes of one machine that write it, each with a row and a lease.

A process registers as a writer in the transaction of its first change, and makes a side file that it keeps locked
(:mod:`.file.lock`). The row exists for as long as the writer may send: another writer deletes it, and takes the
undecided items, when the operating system has dropped the lock, because the process ended, or when the process has
given no sign of life for the length of its lease and ``GRACE``, because it is suspended. It deletes the row within a
transaction, and the writer looks for its row within each transaction; so the two cannot happen at once.

Signs of life are written to the side file and not to the journal: no transaction of another process holds them up. They
count in ``time.monotonic``, which stands still while the machine sleeps: then no process of the machine sends, and none
is to be taken over. A process in another time namespace, where the clock differs, is taken over only when it has ended.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from ...affinity import watch_forks
from ..lease import GRACE, Lease
from . import schema
from .file.lock import WriterFile, side_file, side_files, sign_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FORKED", "FileLease", "dead_writers", "has_live_writers", "is_live", "remove_leftovers"]

FORKED = "the journal belongs to the process that opened it: open it in this process"
_LATE_SECONDS = 1.0
"""Seconds for which a late writer waits for the file before it gives up a request."""
_CLOCK = Path("/proc/self/ns/time")


class FileLease(Lease):
    """The lease of one writer of a file. A thread gives the signs of life; a late one asks the file first."""

    def __init__(self, path: Path, seconds: float, *, clock: Callable[[], float]) -> None:
        super().__init__(f"the journal {path}", seconds, clock=clock)
        self._path = path
        self._file: WriterFile | None = None
        self._stop = Event()

    @property
    def now(self) -> float:
        """The current time by the clock of leases."""
        return self._clock()

    def begin(self, connection: sqlite3.Connection, now: int) -> None:
        """Register a writer, within a transaction. ``now`` is in milliseconds since 1970."""
        values = (_place_of(self._path), clock_name(), os.getpid(), now, int(self.seconds * 1000))
        cursor = connection.execute(
            "INSERT INTO writers (place, clock, pid, started_at, lease) VALUES (?, ?, ?, ?, ?)", values
        )
        asked = self._clock()
        self.writer_id = int(cursor.lastrowid or 0)
        self._file = WriterFile(self._path, self.writer_id, asked)
        self._end = ""
        self._renewed(asked)
        watch_forks(self)
        Thread(target=self._beat_for_ever, name="octoffm_async journal lease", daemon=True).start()

    def check(self) -> None:
        """Check that a request may be sent; after a pause, ask the file whether another process has taken over.

        Raises:
            FencedError: the lease has ended.
        """
        if self._clock() >= self._until and not self._end:
            self._renew_late()
        super().check()

    def beat(self) -> None:
        """Give a sign of life, which renews the lease if it has not ended yet."""
        asked = self._clock()
        if self._end or self._file is None:
            return
        if not self._file.is_in_place:
            self.kill(f"{self._file.path} was removed while the journal was open: no more orders are sent")
        elif asked < self._until:
            until = self._until
            self._file.beat(asked)
            if self._clock() < until:  # else the process was suspended, and the sign may have come too late
                self._renewed(asked)
        else:
            self._renew_late()

    def confirm(self, connection: sqlite3.Connection) -> None:
        """End the lease if another process has ended it, else renew it. Within a writing transaction only."""
        asked = self._clock()
        found = connection.execute("SELECT 1 FROM writers WHERE writer_id = ?", (self.writer_id,)).fetchone()
        if found is None:
            self.kill()
        elif self._file is not None and not self._end:
            self._file.beat(asked)
            self._renewed(asked)

    def end(self, *, remove: bool = False) -> None:
        """End the lease and release the side file; ``remove`` it after the writer's row was deleted."""
        self._end = self._end or "the journal is closed"
        self._stop.set()
        if self._file is not None:
            (self._file.remove if remove else self._file.abandon)()

    def abandon(self) -> None:
        """End this copy of the lease in a forked process."""
        self._end = FORKED

    def _renew_late(self) -> None:
        """Renew an expired lease, unless another process has ended it."""
        with suppress(sqlite3.Error), closing(schema.connect(self._path)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {int(_LATE_SECONDS * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                self.confirm(connection)
            finally:
                connection.execute("ROLLBACK")

    def _beat_for_ever(self) -> None:
        while not self._stop.wait(self.seconds / 3):
            self.beat()


def dead_writers(
    connection: sqlite3.Connection, path: Path, own: FileLease, seen: dict[int, float]
) -> tuple[set[int], set[int]]:
    """Return the other writers that cannot send any more, and all writers. Within a writing transaction only.

    ``seen`` remembers since when a side file has been missing: its writer may still be suspended, and finds that out at
    its next sign of life.
    """
    found, known = set[int](), {own.writer_id}
    now = own.now
    place, our_clock = _place_of(path), clock_name()
    for number, its_place, its_clock, lease in connection.execute(
        "SELECT writer_id, place, clock, lease FROM writers WHERE writer_id <> ?", (own.writer_id,)
    ).fetchall():
        known.add(number)
        try:
            sign = sign_of(side_file(path, number))
            beat = None if sign is None else sign.beat
        except FileNotFoundError:  # of another file, of which this one is a copy, or removed
            beat = seen.setdefault(number, now) if its_place == place else None
        if beat is None or (its_clock == our_clock and now >= beat + lease / 1000 + GRACE):
            found.add(number)
    return found, known


def has_live_writers(connection: sqlite3.Connection, path: Path) -> bool:
    """Return True if another process that has not ended may write the file, suspended or not."""
    return any(is_live(path, number) for (number,) in connection.execute("SELECT writer_id FROM writers").fetchall())


def is_live(path: Path, number: int) -> bool:
    """Return True if a writer's process has not ended."""
    try:
        return sign_of(side_file(path, number)) is not None
    except FileNotFoundError:  # another process has just buried that writer
        return False


def remove_leftovers(connection: sqlite3.Connection, path: Path) -> None:
    """Delete the side files of writers that have ended and have no row any more."""
    known = {number for (number,) in connection.execute("SELECT writer_id FROM writers")}
    for number, leftover in side_files(path).items():
        if number not in known:
            with suppress(FileNotFoundError):
                sign_of(leftover, remove=True)


def clock_name() -> str:
    """Return the name of the clock of leases: processes in different time namespaces read different clocks."""
    try:
        return str(_CLOCK.readlink())
    except OSError:
        return sys.platform


def _place_of(path: Path) -> str:
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"
