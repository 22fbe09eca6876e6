"""The start without a ceiling: from the first 429 to a rate that is sure. Pure: time is passed in.

**The first 429** tells nearly all: the API's window is full, so it holds what was accepted in the window before. Its
length is unknown, but APIs have few (:data:`PERIODS`). A probe is sent when half of what a window of each length
holds has left it; the first that is accepted tells the length, and with it the rate. Then half of the window is free,
so that what was sent unevenly before cannot refuse what is sent evenly now. In a long window the calls that wait go
first, all at once if they are few (:attr:`ColdStart.spare`), because their deadlines are near.

A first probe comes after :data:`BRIEF` already. If it is accepted although every window would be full, the limit is a
bucket that is refilled all the time, or a window has just ended. Then the rate is looked for: it begins with what was
accepted in the last second, and grows quickly until the next 429.

**The first rate may be too high**: a bucket gave its burst besides, or two fixed windows were met at once. Early 429s
that refuse a good part of what is sent show that. Between two 429s a bucket gives what it was refilled with, and
windows give what they hold, so that the average of the cycle is the rate, if pauses were not longer than needed. The
first cycle has such a pause; so the rate is set between its average and what was refused, at most half-way, and only
as far as requests in flight were refused: few of them if the rate was a little too high, all if it was far too high.
"""

from __future__ import annotations

from collections import deque
from math import inf

BRIEF = 0.1
"""Seconds until the first probe."""
PERIODS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds of the windows that APIs have."""
LONG = 10.0
"""Seconds of a window from which on calls may wait for its end until their deadlines."""
HALF, FEW = 0.5, 0.25
"""Parts of a window: that which is free when calls go on; that which waiting calls may use at once."""
SHARP = 0.02
"""Seconds between two counts."""
GRACE = 0.01
"""Seconds that a probe comes later than it might, besides an eighth of a round trip: clocks and ways have a grain."""
CYCLES = 6
"""Blocks after which the start is over."""
GROWN = 0.75
"""The weight of the average of a cycle in which the rate grew for long: much of it is of lower rates."""
ENOUGH, SHORT = 10, 0.5
"""Accepted requests, and seconds, of which an average is taken at least."""
CLOSED = 0.3
"""The part of the requests in flight whose refusal shows that a rate is too high: fewer may have come too close."""
CHANCE = 0.8
"""The part of an unsure rate that the average of a cycle reaches if its one 429 may be chance: then it is doubled."""
STEP_LEAST, LEFT_LEAST = 0.04, 0.25
"""The least part by which such a rate is cut; the least part that is left of it."""
UNSURE, UNSURE_LATER = 1.0, 4.0
"""Seconds of the curve's time scale for a rate that may be far too low; for one found from few requests, or lately."""
PROBES_SOON = 5
"""Refused probes of a block after which pauses may be longer than half of the window."""

Bounds = tuple[float, float]
ANY: Bounds = (0.0, inf)


class ColdStart:
    """The state of a start: what was accepted when, and the cycles since the first 429."""

    __slots__ = ("_blocks", "_count", "_marks", "_period", "_trip", "hold_until", "scale", "spare")

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self._blocks: deque[tuple[float, int]] = deque(maxlen=CYCLES)
        self._count = 0
        self._trip = self._period = 0.0
        self.hold_until: float = 0.0
        """The time until which the first rate must wait for room."""
        self.scale: float = 0.0
        """Seconds of the curve's time scale while the rate is not sure; 0: it is."""
        self.spare: int = 0
        """Calls that may be sent at once after the first block."""

    @property
    def is_short(self) -> bool:
        """True if the window found is too short for the calls before it to tell of the rate."""
        return self._period < LONG

    def accepted(self, sent_at: float, now: float) -> None:
        """Record an accepted request, other than a probe."""
        self._trip = now - sent_at
        if self._blocks:
            return
        marks = self._marks
        if not marks or sent_at - marks[-1][0] >= SHARP:
            marks.append((sent_at, self._count))
            while sent_at - marks[0][0] >= PERIODS[-1] + 1.0:
                marks.popleft()
        self._count += 1

    def pause_bounds(self, now: float, blocked_since: float, probes_refused: int, waiting: int) -> Bounds:
        """Return the least and the longest pause, while the limit is blocked and ``waiting`` calls wait."""
        if self._blocks:
            return (0.0, self._period * HALF) if self._period and probes_refused < PROBES_SOON else ANY
        rooms = [blocked_since + BRIEF]
        rooms += [self._room(blocked_since, each, self._places(blocked_since, each, waiting)) for each in PERIODS]
        pause = min((room - now for room in rooms if room > now + GRACE / 2), default=None)
        return ANY if pause is None else (pause, pause)

    def first_rate(self, now: float, blocked_since: float, refused_at: float, waiting: int) -> float:
        """Return the rate after the first block, which a probe sent at ``now`` has ended."""
        found, distance = 0.0, inf
        for period in PERIODS:
            places = self._places(blocked_since, period, waiting)
            room = self._room(blocked_since, period, places)
            is_explained = refused_at <= room and self._room(blocked_since, period, 0) <= now + GRACE
            if is_explained and abs(room - now) < distance:
                found = self._held(blocked_since, period) / (period + GRACE + self._trip / 8)
                distance, self._period, self.hold_until = abs(room - now), period, room
                self.spare = int(places) if period >= LONG else 0
        if not found:
            self.scale = UNSURE
            found = max(1, self._held(blocked_since, PERIODS[0])) / PERIODS[0]
        self._marks.clear()
        return found

    def next_rate(
        self, refused: float, blocked_since: float, accepted: int, refusals: int, *, closed: float, soon: bool
    ) -> float:
        """Return the rate after a later block, or 0 if it is found as usual.

        ``accepted`` are the requests accepted so far, ``refusals`` those refused since the last block;
        ``closed`` are the seconds from the first to the last of these.
        """
        was_sure, is_tried = not self.scale, self.scale == UNSURE
        self.scale = 0.0
        if was_sure and not (soon and refusals >= max(2.0, CLOSED * refused * self._trip)):
            return 0.0
        latest = blocked_since - SHORT
        marks = (mark for mark in reversed(self._blocks) if mark[0] <= latest and accepted - mark[1] >= ENOUGH)
        since, before = next(marks, self._blocks[0])
        average = (accepted - before) / max(blocked_since - since, BRIEF)
        if is_tried or accepted - before < ENOUGH:
            self.scale = UNSURE_LATER
        if is_tried and refusals == 1 and average >= CHANCE * refused:
            self.scale = UNSURE
            return 2.0 * refused
        trust = 1.0
        if was_sure:
            most = HALF if len(self._blocks) == 1 or closed > 2.0 / refused else 1.0
            trust = min(most, refusals / max(refusals, refused * self._trip))
        elif not (is_tried or soon):
            trust = GROWN
        found: float = refused * (average / refused) ** trust
        return min(refused * (1.0 - STEP_LEAST), max(found, refused * LEFT_LEAST))

    def resumed(self, now: float, blocked_since: float, refused_at: float, accepted: int) -> bool:
        """Record the end of a block, without what its last pause was too long; return True if the start is over."""
        wasted = max(0.0, now - refused_at - BRIEF)
        marks = [*self._blocks, (blocked_since, accepted)]
        self._blocks = deque([(since + wasted, count) for since, count in marks], maxlen=CYCLES)
        return len(marks) >= CYCLES

    def _held(self, blocked_since: float, period: float) -> int:
        """Return what a window of this length held at the first 429."""
        since = blocked_since - self._trip - period
        return self._count - next((count for at, count in self._marks if at >= since), self._count)

    def _places(self, blocked_since: float, period: float, waiting: int) -> float:
        """Return how many places must be free: half; in a long window those for the waiting calls, if they are few."""
        held = self._held(blocked_since, period)
        if period < LONG:
            return held * HALF
        return waiting if waiting <= held * FEW else 0

    def _room(self, blocked_since: float, period: float, places: float) -> float:
        """Return the time at which so many places are free, and one."""
        most = self._count - self._held(blocked_since, period) + places
        at = next((at for at, count in reversed(self._marks) if count <= most), blocked_since - period)
        return at + period + GRACE + self._trip / 8
