"""A writer's lease on a journal: the right to send, for some seconds after its last renewal.

A journal with several writers gives each of them a lease. For the writer itself the lease ends earlier than for the
others: it counts from before its renewal, and gives up a tenth of the time; the others wait ``GRACE`` seconds longer.
A process that was suspended therefore finds its lease expired as soon as it continues, and at no instant does another
writer take over an item that this one may still send.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, FencedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GRACE", "LEASE", "Lease"]

logger: logging.Logger = logging.getLogger("octoffm_async")

LEASE = 15.0
"""Seconds for which a lease is valid without a renewal."""
GRACE = 2.0
"""Seconds for which other writers leave an expired lease alone."""
_LOOKS = 100
"""Number of times that a late renewal is looked for, within the seconds of a lease."""
_MARGIN = 0.1


class Lease:
    """The lease of one writer: the fence that each request passes. ``name`` is the journal's."""

    def __init__(self, name: str, seconds: float, *, clock: Callable[[], float]) -> None:
        if not seconds > 0:
            raise ConfigurationError(f"a lease is a number of seconds above 0, not {seconds!r}")
        self.writer_id: int = 0
        self.seconds = seconds
        self._name = name
        self._clock = clock
        self._until = 0.0
        self._end = "the journal is not open"

    @property
    def takeover_seconds(self) -> float:
        """Maximum seconds after which other writers take over the items of a process that was killed or suspended."""
        return self.seconds + 2 * GRACE

    @property
    def is_dead(self) -> bool:
        """True if the lease has ended for good."""
        return bool(self._end)

    @property
    def is_lost(self) -> bool:
        """True if the lease was valid, and has ended for good."""
        return bool(self._end and self.writer_id)

    @property
    def is_over(self) -> bool:
        """True if the lease has ended, for good or until a late renewal."""
        return bool(self._end) or self._clock() >= self._until

    def check(self) -> None:
        """Check that a request may be sent.

        Raises:
            FencedError: the lease has ended.
        """
        if self._clock() >= self._until or self._end:
            raise self.error()

    async def recovers(self) -> bool:
        """Wait for a late renewal, up to as long as a lease is valid; return True if requests may be sent.

        No other writer has taken an item of a lease that is renewed late: it would have ended it for good.
        """
        for _ in range(_LOOKS):
            if not self.is_over or self.is_dead:
                break
            await asyncio.sleep(self.seconds / _LOOKS)
        return not self.is_over

    def error(self) -> FencedError:
        """Return the error that says why nothing may be sent."""
        if self._end:
            return FencedError(self._end)
        late = self._clock() - self._until
        return FencedError(f"not sent: the lease on {self._name} ended {late:.1f} s ago and was not renewed yet")

    def kill(self, reason: str = "") -> None:
        """End the lease for good, because another writer has ended it."""
        if not self._end:
            self._end = reason or (
                f"writer {self.writer_id} of {self._name} did not renew its lease in time: open the journal again"
            )
            logger.error("%s", self._end)

    def _renewed(self, asked: float) -> None:
        """Extend the lease, whose renewal began at ``asked``."""
        self._until = max(self._until, asked + self.seconds * (1 - _MARGIN))
