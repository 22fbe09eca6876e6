"""The rate of a limit that many processes share, as one of them sees it: the store finds it, not one client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..adaptive_rate import AdaptiveRate
from ..learned_rate import SECOND

if TYPE_CHECKING:
    from .gcra import LeaseReply


class SharedRate(AdaptiveRate):
    """The last state of the rate from the store, and the reports that the store has yet to get.

    Only requests sent in the present epoch of the store count, and of several 429s in one epoch the first. While the
    store is unavailable (``alone`` is the rate then), 429s count one by one, so that the pauses grow.
    """

    __slots__ = ("_is_reported", "_paced", "_store_epoch", "accepting", "alone", "refusing")

    def __init__(self, ceiling: float | None) -> None:
        super().__init__(ceiling)
        self.start = None  # the store counts, not one client
        self._paced: float | None = None
        self._store_epoch = 0
        self._is_reported = False
        self.alone: float | None = None
        self.refusing: bool = False
        """True if a 429 is yet to be reported to the store."""
        self.accepting: bool = False
        """True if it is yet to be reported that a request was accepted after a 429."""

    @property
    def learned(self) -> bool:
        """True if a 429 has taught more than the configuration says."""
        return self._paced is not None or self.blocked_since is not None

    def rate(self, now: float) -> float | None:  # noqa: ARG002  (the store's reply is recent)
        """Return the rate for all clients together, or for this one while it is alone; None is no limit."""
        if self.alone is not None:
            return self.alone
        known = [rate for rate in (self._paced, self.ceiling) if rate is not None]
        return min(known, default=None)

    def accepted(self, *, epoch: int, sent_at: float, now: float, waiting: int = 0) -> bool:  # noqa: ARG002  (the store counts by its own clock)
        """Record that the limit accepted a request sent in ``epoch``; return True if that ends a block."""
        if self.blocked_since is None or self.refusing or self.accepting or self._is_reported or epoch != self.epoch:
            return False
        if self.alone is not None:
            self.blocked_since, self.throttlings = None, 0
            self.epoch += 1
        else:
            self.accepting = True
        return True

    def throttled(self, *, epoch: int, now: float) -> bool:
        """Record a 429; return True if it is new."""
        if self.refusing or self._is_reported or epoch != self.epoch:
            return False
        self.throttlings += 1
        self.blocked_since = now
        self.epoch += 1
        self.refusing, self.accepting = self.alone is None, False
        return True

    def apply_reply(self, reply: LeaseReply, *, now: float) -> None:
        """Apply the store's reply."""
        self.alone = None
        self._paced = SECOND / reply.pace if reply.pace else None
        if reply.epoch != self._store_epoch:
            self.epoch += 1
            self._store_epoch, self.refusing, self.accepting = (
                reply.epoch,
                False,
                False,
            )  # other clients reported it before
        if self.refusing:
            return  # the store does not know yet
        self._is_reported = False
        self.throttlings: int = reply.throttlings
        if not reply.blocked:
            self.blocked_since = None
        elif self.blocked_since is None:
            self.blocked_since = now

    def mark_reported(self) -> None:
        """Mark the reports as sent: the store needs no report about requests sent before its reply."""
        if self.refusing or self.accepting:
            self.refusing = self.accepting = False
            self._is_reported = True

    def on_store_unavailable(self, *, alone: float) -> None:
        """Go on at this rate while the store is unavailable."""
        self.alone = alone
        self.refusing = self.accepting = False
        if self._is_reported:
            self._is_reported = False
            self.epoch += 1
