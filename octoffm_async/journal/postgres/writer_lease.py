"""A writer's lease on the journal in PostgreSQL, which the database renews.

Its clock continues while the machine sleeps. The database's clock must not jump ahead by more than ``GRACE`` and the
tenth that the writer gives up, together (:mod:`..lease`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from ...errors import StoreError
from ..lease import Lease
from .queries import NO_SHIFT, ClockBounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...stores.database import Database

__all__ = ["WriterLease", "boot_time"]

logger: logging.Logger = logging.getLogger("octoffm_async")

_KEPT_DAYS = 30
_ATTEMPTS = 2
"""Maximum of concurrent renewals."""

_REGISTER = """
    WITH gone AS (
        DELETE FROM octoffm_journal_writers WHERE dead AND expires_at < clock_timestamp() - %s RETURNING writer_id
    ), forgotten AS (
        DELETE FROM octoffm_journal_waves WHERE writer_id IN (SELECT writer_id FROM gone)
    ), new AS (
        INSERT INTO octoffm_journal_writers (machine, pid, expires_at)
        VALUES (%s, %s, clock_timestamp() + %s) RETURNING writer_id
    )
    INSERT INTO octoffm_journal_waves (writer_id, wave) SELECT writer_id, 0 FROM new
    RETURNING writer_id, extract(epoch FROM clock_timestamp())::float8"""
_RENEW = """
    UPDATE octoffm_journal_writers SET expires_at = clock_timestamp() + %s WHERE writer_id = %s AND NOT dead
    RETURNING extract(epoch FROM clock_timestamp())::float8"""
_END = """
    UPDATE octoffm_journal_writers SET dead = true, expires_at = least(expires_at, clock_timestamp())
    WHERE writer_id = %s AND NOT dead"""


def boot_time() -> float:
    """Return the seconds of a clock that never steps and, where the system has one, runs while the machine sleeps."""
    if _BOOT_CLOCK is None:
        return time.monotonic()
    return time.clock_gettime(_BOOT_CLOCK)


_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class WriterLease(Lease):
    """A writer that is registered in the database, and its lease."""

    def __init__(self, database: Database, seconds: float, *, clock: Callable[[], float] = boot_time) -> None:
        super().__init__(database.name, seconds, clock=clock)
        self.shift: ClockBounds = NO_SHIFT
        self.renewals: int = 0
        self._database = database
        self._troubled = False
        self._attempts: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Register a writer, and renew its lease from now on.

        Raises:
            StoreError: the database is unreachable, or refuses.
        """
        asked = self._clock(), time.time()
        async with self._database.connection() as connection:
            days, machine, lease = timedelta(days=_KEPT_DAYS), platform.node(), timedelta(seconds=self.seconds)
            found = await connection.execute(_REGISTER, (days, machine, os.getpid(), lease))
            row = await found.fetchone()
        assert row is not None  # noqa: S101
        self.writer_id = int(row[0])
        self._end = ""
        self._told(asked, row[1])
        self._renewing = asyncio.create_task(self._renew_for_ever(), name="octoffm_async journal lease")

    async def end(self) -> None:
        """End the lease, so that others may take over at once."""
        self._end = self._end or "the journal is closed"
        tasks = [task for task in (self._renewing, *self._attempts) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with self._database.connection(wait=self.seconds) as connection:
                await connection.execute(_END, (self.writer_id,))
        except StoreError as error:
            logger.warning("the lease of writer %d was not ended, and expires by itself: %s", self.writer_id, error)

    async def _renew_for_ever(self) -> None:
        while not self._end:
            await asyncio.sleep(self.seconds / 3)
            if len(self._attempts) < _ATTEMPTS:  # one may hang on a connection that is dead
                attempt = asyncio.create_task(self._renew(), name="octoffm_async journal renewal")
                self._attempts.add(attempt)
                attempt.add_done_callback(self._attempts.discard)

    async def _renew(self) -> None:
        """Renew the lease, as soon as the database is reachable."""
        while not self._end:
            asked = self._clock(), time.time()
            try:
                async with self._database.connection(wait=self.seconds) as connection:
                    found = await connection.execute(_RENEW, (timedelta(seconds=self.seconds), self.writer_id))
                    row = await found.fetchone()
            except StoreError as error:
                if not self._troubled:
                    logger.warning("the journal's lease is not renewed: %s", error)
                self._troubled = True
                await asyncio.sleep(min(1.0, self.seconds / 20))
            else:
                if row is None:
                    self.kill()
                else:
                    self._told(asked, row[0])
                return

    def _told(self, asked: tuple[float, float], theirs: float) -> None:
        """Extend the lease: the database renewed it at its time ``theirs``."""
        self._renewed(asked[0])
        self.shift = ClockBounds(timedelta(seconds=asked[1] - theirs), timedelta(seconds=time.time() - theirs))
        self.renewals += 1
        self._troubled = False
