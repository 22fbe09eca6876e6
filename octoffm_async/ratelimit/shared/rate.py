"""The rate of a limit that many processes share, as one of them sees it: the store finds it, not one client."""

from __future__ import annotations

from math import inf
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

    __slots__ = ("_epoch", "_paced", "_since", "accepting", "alone", "refusing")

    def __init__(self, ceiling: float | None) -> None:
        super().__init__(ceiling)
        self._paced: float | None = None
        self._epoch: int = 0
        self._since = -inf
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

    def accepted(self, *, sent_at: float) -> bool:
        """Record that the limit accepted a request; return True if that ends a block."""
        blocked = self.blocked_since
        if blocked is None or self.refusing or self.accepting or sent_at < max(blocked, self._since):
            return False
        if self.alone is not None:
            self.blocked_since, self.throttlings, self._since = None, 0, sent_at
        else:
            self.accepting = True
        return True

    def throttled(self, *, sent_at: float, now: float) -> bool:
        """Record a 429; return True if it is new."""
        if self.refusing or sent_at < self._since:
            return False
        self.throttlings += 1
        self.blocked_since = self._since = now
        self.refusing, self.accepting = self.alone is None, False
        return True

    def apply_reply(self, reply: LeaseReply, *, epoch_since: float) -> None:
        """Apply the store's reply."""
        self.alone = None
        self._paced = SECOND / reply.pace if reply.pace else None
        if reply.epoch != self._epoch:
            self._epoch, self.refusing, self.accepting = reply.epoch, False, False  # other clients reported it before
        if self.refusing:
            return  # the store does not know yet
        self._since = epoch_since
        self.throttlings: int = reply.throttlings
        if not reply.blocked:
            self.blocked_since = None
        elif self.blocked_since is None:
            self.blocked_since = epoch_since

    def mark_reported(self) -> None:
        """Mark the reports as sent: the store needs no report about requests sent before its reply."""
        if self.refusing or self.accepting:
            self.refusing = self.accepting = False
            self._since = inf

    def on_store_unavailable(self, now: float, *, alone: float) -> None:
        """Go on at this rate while the store is unavailable."""
        self.alone = alone
        self.refusing = self.accepting = False
        self._since = min(self._since, now)
