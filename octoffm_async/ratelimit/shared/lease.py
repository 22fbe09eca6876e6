"""The part of a shared limit (:mod:`.gcra`) that one client holds: its leased slots, and a fallback limit. Pure.

**Clocks.** A slot is a time of the store's clock. How far the client's clock is ahead of it (:class:`ClockOffset`) is
known from each reply to lie between two bounds: the store decided after the request was sent and before its reply came.
The client uses a slot not before the upper bound says that its time has come, which is never too early, and not later
than ``slack`` after the lower bound says so, which is never too late. Therefore the fastest recent round trip reduces
the slack, a slow reply costs nothing, and it does not matter what the clocks show.
"""

from __future__ import annotations

import random
from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from ..learned_rate import SECOND
from . import gcra as slots

if TYPE_CHECKING:
    from ...config import Limit
    from .gcra import LeaseReply

SLACK, SLACK_LEAST, SLACK_MOST = 0.015, 0.005, 0.1
"""The time by which a slot may be used late: a part of the window, within bounds in seconds. It costs as much of the
limit."""
FRESH = slots.FRESH / SECOND
DRIFT = 1e-4
"""Seconds that two clocks may drift apart in one second."""
LEAD, LEAD_LEAST, CHECK_LEAD = 0.03, 0.015, 0.1
"""Seconds before the last slot in hand at which to ask for many more, and for few; and before a slot whose limit had
no recent reply."""
BATCH = 0.05
"""Seconds' worth of the rate that are leased at once, at most."""
EAGER, EAGER_GAP, EAGER_LEAD = 0.1, 0.01, 0.005
"""Seconds' worth of the rate to hold before calls wait, the gap between calls below which to do so, and seconds before
the last slot in hand at which to ask. Longer, and another client that begins would wait too long for its first slot."""
GAP_MOST = 0.05
"""Seconds: longer gaps between calls count as this one."""
FREE_RATE = 1.0
"""Calls per second and process while the store is unavailable, where no limit is configured."""


def slack_for(limit: Limit) -> float:
    """Return the seconds by which a slot of this limit may be used late."""
    return min(max(SLACK * limit.per, SLACK_LEAST), SLACK_MOST)


def interval_for(limit: Limit, *, jitter: float) -> int:
    """Return the microseconds between two slots, rounded up."""
    period = limit.per + jitter + slack_for(limit)
    return ceil(period * SECOND / (limit.calls - burst_of(limit) + 1))


def burst_of(limit: Limit) -> int:
    """Return how many calls may be sent at once."""
    return min(limit.burst or 1, max(1, limit.calls // 2))


class ClockOffset:
    """The lead of a client's clock over a store's clock: two bounds that each reply tightens and time widens."""

    __slots__ = ("_at", "_least", "_most")

    def __init__(self) -> None:
        self._least, self._most, self._at = -inf, inf, 0.0

    def width(self, now: float) -> float:
        """Return the uncertainty of the offset in seconds."""
        return self._most - self._least + 2 * (now - self._at) * DRIFT

    def update(self, there: float, *, sent: float, received: float) -> tuple[float, float]:
        """Apply a reply decided at ``there`` on the store's clock, between two times here; return the new bounds."""
        drift = (received - self._at) * DRIFT
        # The store decided after the request was sent and before its reply came: two bounds of the offset.
        least, most = max(self._least - drift, sent - there), min(self._most + drift, received - there)
        if least > most:  # a clock was set forward or back
            least, most = sent - there, received - there
        self._least, self._most, self._at = least, most, received
        return least, most


class Slot(NamedTuple):
    """A leased slot: two loop times between which one call may be sent; ``place`` and ``step`` for its return."""

    first: float
    last: float
    place: int
    step: int


class Leases:
    """The leased slots of one limit that one client holds."""

    __slots__ = (
        "_slack",
        "_slots",
        "crowded",
        "end",
        "epoch",
        "expired",
        "free_at",
        "free_until",
        "last_reply_at",
        "step",
    )

    def __init__(self, slack: float, step: int) -> None:
        self._slack = slack
        self._slots: deque[Slot] = deque()
        self.step: int = step
        self.epoch: int = 0
        self.last_reply_at: float = -inf
        """The time at which the request was sent whose reply last confirmed the slots."""
        self.free_until: float = -inf
        """The time until which no slot is needed."""
        self.free_at: float = -inf
        """The time of the store's next free slot, by its last reply."""
        self.end: int = 0
        self.crowded: bool = False
        """True if other clients lease slots, so that this client would have to wait for its own."""
        self.expired: int = 0
        """Slots that expired before they were used."""

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def batch(self) -> int:
        """The number of slots to lease at once, at most."""
        return max(1, int(BATCH * SECOND / self.step)) if self.step else 1

    def apply_reply(self, reply: LeaseReply, *, sent: float, received: float, ahead: tuple[float, float]) -> int:
        """Take the slots that the store leased; return how many are still usable.

        ``ahead``: see :class:`ClockOffset`.
        """
        if reply.epoch != self.epoch:
            self._slots.clear()
            self.epoch = reply.epoch
        self.last_reply_at = sent
        self.step = reply.step
        self.free_until = sent + reply.free / SECOND if reply.free else -inf
        here = len(self._slots)
        least, most = ahead
        for number in range(reply.granted):
            moment = (reply.now + max(reply.floor, reply.start + number * reply.step)) / SECOND
            # Never too early by the upper bound, never too late by the lower: see "Clocks" above.
            first, last = moment + most, moment + least + self._slack
            if max(first, received) <= last:
                self._slots.append(Slot(first, last, reply.place + number * reply.step, reply.step))
            else:
                self.expired += 1
        self.crowded = reply.place != self.end and reply.start > EAGER_LEAD * SECOND
        if reply.granted:
            self.end = reply.place + reply.granted * reply.step
        self.free_at = (reply.now + reply.start + reply.granted * reply.step) / SECOND + most
        return len(self._slots) - here

    def wait(self, now: float) -> float:
        """Return the seconds until a slot can be used, as far as known; 0 or less is now."""
        held = self._slots
        while held and held[0].last < now:
            held.popleft()
            self.expired += 1
        if not held or max(held[0].first, now) > self.last_reply_at + FRESH:
            return inf
        return held[0].first - now

    def take(self) -> None:
        """Use the first slot."""
        self._slots.popleft()

    def eager(self, now: float, *, lead: float = EAGER) -> int:
        """Return how many more slots to lease for expected calls, if the last in hand is at most ``lead`` ahead."""
        ahead = max(0.0, self._slots[-1].first - now) if self._slots else 0.0
        return 0 if self.crowded or not self.step or ahead > lead else int((EAGER - ahead) * SECOND / self.step)

    def check_at(self, now: float) -> float:
        """Return when to ask whether the first slot is still valid; ``inf`` if it is known to be, or there is none."""
        if self._slots and max(self._slots[0].first, now) > self.last_reply_at + FRESH:
            return self._slots[0].first - CHECK_LEAD
        return inf

    def short_at(self, needed: int) -> float:
        """Return when to lease ``needed`` more slots."""
        if needed <= 0:
            return inf
        lead = LEAD if 4 * needed >= self.batch else LEAD_LEAST
        return self._slots[-1].first - lead if self._slots else -inf

    def give_back(self, keep: int) -> tuple[int, int]:
        """Remove the slots beyond the first ``keep``, to be returned; return their first place and the end of the last.

        The store takes them back if no slot was leased behind them. Only slots that follow each other without a gap can
        be returned at once; the others stay in hand.
        """
        end = place = self.end
        while len(self._slots) > keep and self._slots[-1].place + self._slots[-1].step == place:
            place = self._slots.pop().place
        self.end = place
        return (place, end) if place < end else (0, 0)

    def drop(self) -> None:
        """Forget all slots: the epoch is over, or the store is unavailable."""
        self._slots.clear()
        self.free_until = self.free_at = self.last_reply_at = -inf


class FallbackLimiter:
    """The limit of one client while the store is unavailable: one call every ``interval`` seconds."""

    __slots__ = ("_next", "interval")

    def __init__(self, interval: float) -> None:
        self.interval: float = interval
        self._next = -inf

    def begin(self, now: float, reserved_from: float) -> None:
        """Start after a random delay: other clients begin too; and an interval after the client's share is reserved."""
        self._next = max(self._next, now + FRESH + random.random() * self.interval, reserved_from + self.interval)

    def wait(self, now: float) -> float:
        """Return the seconds until one call may be sent."""
        return self._next - now

    def add(self, now: float) -> float:
        """Record that a call is sent; return the time from which it counts no more."""
        self._next = max(self._next, now) + self.interval
        return self._next
