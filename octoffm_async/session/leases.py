"""What one client holds of a shared limit (:mod:`.slots`): slots in hand, and what to do without the store. Pure.

**Whose time.** A slot is a moment of the store's clock. How far ahead of it the client's is (:class:`Offset`) is known
from each answer to lie between two bounds: the store decided after it was asked and before its answer came. A slot is
used not before the upper bound says that it has come, which is never too early, and not later than ``slack`` after the
lower bound does, which is never too late. So the quickest way there and back of late costs slack, a slow answer
nothing, and it does not matter what the clocks show.
"""

from __future__ import annotations

import random
from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple

from . import slots

if TYPE_CHECKING:
    from ..config import Limit
    from .slots import Answer

SLACK, SLACK_LEAST, SLACK_MOST = 0.015, 0.005, 0.1
"""How late a slot may be used: a part of the window, within bounds in seconds. It costs as much of the limit."""
FRESH = slots.FRESH / slots.SECOND
DRIFT = 1e-4
"""Seconds that two clocks may drift apart in one."""
LEAD, LEAD_LEAST, CHECK_LEAD = 0.03, 0.015, 0.1
"""Seconds before the last slot in hand at which to ask for many more, and for few; and before a slot whose limit was
not heard of lately."""
BATCH = 0.05
"""Seconds of the rate that are leased at once, at most."""
EAGER, EAGER_GAP, EAGER_LEAD = 0.05, 0.01, 0.005
"""Seconds of the rate that are leased before anybody waits, so long ahead, if calls come that close to each other."""
GAP_MOST = 0.05
"""Seconds: calls that are further apart than that are all the same."""
FREE_RATE = 1.0
"""Calls per second and process while the store is away, where no limit is configured."""


def slack_for(limit: Limit) -> float:
    """Seconds by which a slot of this limit may be used late."""
    return min(max(SLACK * limit.per, SLACK_LEAST), SLACK_MOST)


def interval_for(limit: Limit, *, jitter: float) -> int:
    """Microseconds between two slots, rounded up."""
    period = limit.per + jitter + slack_for(limit)
    return ceil(period * slots.SECOND / (limit.calls - burst_of(limit) + 1))


def burst_of(limit: Limit) -> int:
    """How many may leave at once."""
    return min(limit.burst or 1, max(1, limit.calls // 2))


class Offset:
    """How far a client's clock is ahead of a store's: bounds that each answer tightens and time widens."""

    __slots__ = ("_at", "_least", "_most")

    def __init__(self) -> None:
        self._least, self._most, self._at = -inf, inf, 0.0

    def width(self, now: float) -> float:
        """How much is not known of it, in seconds."""
        return self._most - self._least + 2 * (now - self._at) * DRIFT

    def hear(self, there: float, *, sent: float, received: float) -> tuple[float, float]:
        """The bounds after an answer, decided at ``there`` between two moments here."""
        drift = (received - self._at) * DRIFT
        least, most = max(self._least - drift, sent - there), min(self._most + drift, received - there)
        if least > most:  # a clock was put ahead or back
            least, most = sent - there, received - there
        self._least, self._most, self._at = least, most, received
        return least, most


class Slot(NamedTuple):
    """One call may leave between two moments of the event loop's time. ``place`` and ``step`` are for giving back."""

    first: float
    last: float
    place: int
    step: int


class Leases:
    """The slots of one limit that one client holds."""

    __slots__ = (
        "_slack",
        "_slots",
        "crowded",
        "end",
        "epoch",
        "free_at",
        "free_until",
        "heard",
        "since",
        "step",
        "void",
    )

    def __init__(self, slack: float, step: int) -> None:
        self._slack = slack
        self._slots: deque[Slot] = deque()
        self.step = step
        self.epoch = 0
        self.since = -inf
        """When the epoch was first heard of."""
        self.heard = -inf
        """Before when the store said that what is held is good."""
        self.free_until = -inf
        """Until then no slot is needed."""
        self.free_at = -inf
        """When, by what was heard last, the store's next free slot is."""
        self.end: int = 0
        self.crowded: bool = False
        """Whether others lease slots that this client would have to wait for."""
        self.void = 0
        """Slots that were not used in time."""

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def batch(self) -> int:
        """How many to lease at once, at most."""
        return max(1, int(BATCH * slots.SECOND / self.step)) if self.step else 1

    def hear(self, answer: Answer, *, sent: float, received: float, ahead: tuple[float, float]) -> int:
        """Take what the store leased; how many slots of it can still be used. ``ahead``: see :class:`Offset`."""
        if answer.epoch != self.epoch:
            self._slots.clear()
            self.epoch, self.since = answer.epoch, received
        self.heard = sent
        self.step = answer.step
        self.free_until = sent + answer.free / slots.SECOND if answer.free else -inf
        here = len(self._slots)
        least, most = ahead
        for number in range(answer.granted):
            moment = (answer.now + max(answer.floor, answer.start + number * answer.step)) / slots.SECOND
            first, last = moment + most, moment + least + self._slack
            if max(first, received) <= last:
                self._slots.append(Slot(first, last, answer.place + number * answer.step, answer.step))
            else:
                self.void += 1
        self.crowded = answer.place != self.end and answer.start > EAGER_LEAD * slots.SECOND
        if answer.granted:
            self.end = answer.place + answer.granted * answer.step
        self.free_at = (answer.now + answer.start + answer.granted * answer.step) / slots.SECOND + most
        return len(self._slots) - here

    def wait(self, now: float) -> float:
        """Seconds until a slot can be used, as far as is known; 0 or less is now."""
        held = self._slots
        while held and held[0].last < now:
            held.popleft()
            self.void += 1
        if not held or max(held[0].first, now) > self.heard + FRESH:
            return inf
        return held[0].first - now

    def take(self) -> None:
        """Use the first one."""
        self._slots.popleft()

    def eager(self, now: float) -> int:
        """How many slots to have at hand for calls that are only to be expected."""
        if self.crowded or not self.step or (self._slots and self._slots[-1].first - now > EAGER_LEAD):
            return 0
        return int(EAGER * slots.SECOND / self.step)

    def check_at(self, now: float) -> float:
        """When to ask whether the first one is still good; ``inf`` if it is known to be, or there is none."""
        if self._slots and max(self._slots[0].first, now) > self.heard + FRESH:
            return self._slots[0].first - CHECK_LEAD
        return inf

    def short_at(self, needed: int) -> float:
        """When to lease so many more."""
        if needed <= 0:
            return inf
        lead = LEAD if 4 * needed >= self.batch else LEAD_LEAST
        return self._slots[-1].first - lead if self._slots else -inf

    def give_back(self, keep: int) -> tuple[int, int]:
        """Let go of what is not needed beyond the first ``keep``: the place it begins at and the place it ends at.

        The store takes it back if nothing was leased behind it. Only slots that follow each other without a gap can be
        told of at once; the others stay in hand.
        """
        end = place = self.end
        while len(self._slots) > keep and self._slots[-1].place + self._slots[-1].step == place:
            place = self._slots.pop().place
        self.end = place
        return (place, end) if place < end else (0, 0)

    def drop(self) -> None:
        """Forget all: the epoch is over, or the store is away."""
        self._slots.clear()
        self.free_until = self.free_at = self.heard = -inf


class Alone:
    """What one client may send while the store is away: one call every ``interval`` seconds."""

    __slots__ = ("_next", "interval")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._next = -inf

    def begin(self, now: float) -> None:
        """The store went away. Others notice it, too: so not all send at once, nor beside slots that are in use."""
        self._next = max(self._next, now + FRESH + random.random() * self.interval)

    def wait(self, now: float) -> float:
        """Seconds until one may leave."""
        return self._next - now

    def add(self, now: float) -> None:
        """One leaves."""
        self._next = max(self._next, now) + self.interval
