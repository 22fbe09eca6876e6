"""The rate of a limit that many processes share, as one of them sees it: found by the store, not by its own answers."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .adaptive import RateControl
from .slots import SECOND

if TYPE_CHECKING:
    from .slots import Answer


class SharedRate(RateControl):
    """What the store said last, and what is still to be told to it.

    Only what left in the epoch that the store is in counts, and of several 429s in one epoch the first. While the store
    is away (``alone`` is the rate then) 429s count one by one, so that the pauses grow.
    """

    __slots__ = ("_epoch", "_paced", "_since", "accepting", "alone", "refusing")

    def __init__(self, ceiling: float | None) -> None:
        super().__init__(ceiling)
        self._paced: float | None = None
        self._epoch: int = 0
        self._since = -inf
        self.alone: float | None = None
        self.refusing = False
        """Whether the store is still to be told of a 429."""
        self.accepting = False
        """Whether it is still to be told that a request was accepted after one."""

    @property
    def learned(self) -> bool:
        """Whether a 429 has told more than the configuration."""
        return self._paced is not None or self.blocked_since is not None

    def rate(self, now: float) -> float | None:  # noqa: ARG002  (the store's answer is of late)
        """What may be sent now, by all who share it; alone, by this client. ``None`` is no limit."""
        if self.alone is not None:
            return self.alone
        known = [rate for rate in (self._paced, self.ceiling) if rate is not None]
        return min(known, default=None)

    def accepted(self, *, sent_at: float) -> bool:
        """A request got past the limit; whether that ends a block."""
        blocked = self.blocked_since
        if blocked is None or self.refusing or self.accepting or sent_at < max(blocked, self._since):
            return False
        if self.alone is not None:
            self.blocked_since, self.throttlings, self._since = None, 0, sent_at
        else:
            self.accepting = True
        return True

    def throttled(self, *, sent_at: float, now: float) -> bool:
        """A 429 came; whether it is news."""
        if self.refusing or sent_at < self._since:
            return False
        self.throttlings += 1
        self.blocked_since = self._since = now
        self.refusing, self.accepting = self.alone is None, False
        return True

    def hear(self, answer: Answer, *, epoch_since: float) -> None:
        """What the store said."""
        self.alone = None
        self._paced = SECOND / answer.pace if answer.pace else None
        if answer.epoch != self._epoch:
            self._epoch, self.refusing, self.accepting = answer.epoch, False, False  # others told of it before
        if self.refusing:
            return  # the store does not know yet
        self._since = epoch_since
        self.throttlings = answer.throttlings
        if not answer.blocked:
            self.blocked_since = None
        elif self.blocked_since is None:
            self.blocked_since = epoch_since

    def told(self) -> None:
        """All that was to be told is on its way: nothing that left before the answer is news to the store."""
        if self.refusing or self.accepting:
            self.refusing = self.accepting = False
            self._since = inf

    def unheard(self, now: float, *, alone: float) -> None:
        """The store is away: go on alone at this rate."""
        self.alone = alone
        self.refusing = self.accepting = False
        self._since = min(self._since, now)
