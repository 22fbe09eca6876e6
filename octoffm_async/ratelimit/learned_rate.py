"""The rate of a hidden limit: it is found from 429s and from the counts of accepted calls. Pure: time is passed in.

**Problem.** The limit (N calls in some window T) is unknown, may change at any time, and is visible only through 429s.
The feedback is late: when T is a minute, a rate that is too high is accepted until the window is full.

**Model.** Calls are spread evenly, so only N / T matters. When the window is full, *accepted calls / elapsed time* over
a span that is a multiple of T, or long against it, is N / T: no span can hold more, whatever the rate was that was
tried. Over a span shorter than T it may be higher. Of the spans up to :data:`SPAN`, the best is that with the highest
average among those not shorter than T; how long T may be is learned from 429s that come early.

**After a 429** the limit is *blocked* until a call is accepted again. Then the rate is the best average, but not more
than what was refused. If it is refused again early, before the curve has reached it, T is taken to be long. Either that
explains it, and the average over the long span is lower; or the limit has fallen, and the average of the last seconds
is. So the rate becomes the lowest average, but in steps of 4, 8, 16, 32 and 50 %, since a block makes short averages
vague.

**Growth** is CUBIC's (RFC 9438): concave up to the rate that was found, flat around it, then probing in doubling steps,
so that a limit that was raised a hundredfold is found in minutes. The time scale is such that the 429s and the blocks
that probing costs stay about one in a hundred: 100 calls, and 20 times the last block, within bounds.
"""

from __future__ import annotations

import msgspec

SECOND = 1_000_000
SPAN = 60
"""Seconds of the past for which accepted calls are counted: the longest window that APIs commonly have."""
SPANS = (1, 2, 4, 8, 16, 30, SPAN)
"""Seconds over which averages are compared."""
CUT = 0.02
"""The part of the found rate by which a cycle starts below it; the flat part of the curve ends as far above it."""
PATIENT = 5
"""Early 429s in a row that the average explains; then the rate is cut by 4, 8, 16, 32, 50 %."""
STEPS_MOST = 0.5
"""The largest part by which one early 429 cuts the rate."""
SPAN_MEMORY = 0.95
"""The part of the learned length of the window that remains after a cycle without an early 429."""
SCALE, SCALE_MOST, SCALE_CALLS, SCALE_BLOCKS = 8.0, 90.0, 100.0, 20.0
"""Seconds that the curve takes to the found rate: within the first two, as long as so many calls or blocks take."""
SCALE_BY_BLOCKS_MOST = 40.0
"""Seconds: the largest scale for the sake of blocks, which may be those of a limit that has changed."""
SCALE_UNSURE = 20.0
"""The same for a rate that is not sure yet: it is found sooner, at the price of a few more 429s."""
SURE = 1.1
"""The factor above the found rate up to which a 429 confirms it."""
EARLY = 0.7
"""A 429 within this part of that time is early."""
GROWTH = 0.25
"""Doublings after one, and four times as many after two, time scales beyond the flat part."""
STEADY, FLOWING, THROTTLINGS_KEPT = 20, 5, 3
"""Accepted calls that end a series of 429s; those after which at most the third number count towards the next pause."""
RATE_LEAST, RATE_MOST = 0.05, 1e5
"""Calls per second."""


class LearnedRate(msgspec.Struct, array_like=True):
    """The state of a rate that is found. Times are microseconds, of any clock; 0 is none. Rates are calls per second."""

    resumed: int
    """The time at which calls were accepted again after the last block."""
    second: int
    """The beginning of the second that is being counted."""
    counts: list[int] = msgspec.field(default_factory=lambda: [0])
    """Accepted calls in each second, the current one last."""
    used: int = 0
    """Accepted calls since the last block."""
    blocked_at: int = 0
    refused_at: int = 0
    refused: float = 0.0
    """The rate that was refused; 0: calls were not limited."""
    found: float = 0.0
    """The rate that was found; 0: none yet."""
    block: float = 0.0
    """Seconds of the last block."""
    early: int = 0
    """Early 429s in a row."""
    window: float = 0.0
    """Seconds that the window may be long."""
    is_sure: bool = False
    """True if the last 429 came near the rate that was found before."""
    throttlings: int = 0
    """429s since calls were last accepted steadily."""

    def count(self, calls: int, now: int) -> None:
        """Count accepted calls."""
        passed = (now - self.second) // SECOND
        if passed > 0:
            self.counts = (self.counts + [0] * min(passed, SPAN + 1))[-SPAN - 1 :]
            self.second += passed * SECOND
        self.counts[-1] += calls
        self.used += calls

    def refuse(self, now: int, ceiling: float = 0.0) -> None:
        """Record a 429; the ceiling is the configured rate, 0 for none."""
        if self.blocked_at == 0:
            rate = self.rate(now)
            self.refused, self.blocked_at = min(rate or ceiling, ceiling or rate), now
            if self.used >= STEADY:
                self.throttlings = 0
            elif self.used >= FLOWING:
                self.throttlings = min(self.throttlings, THROTTLINGS_KEPT)
        self.refused_at = now
        self.throttlings += 1

    def resume(self, now: int) -> None:
        """Record that a call was accepted after 429s, and find the rate."""
        lasted, block = (self.blocked_at - self.resumed) / SECOND, (now - self.blocked_at) / SECOND
        is_early = self.found > 0 and lasted < EARLY * self._scale()
        is_near = 0 < self.refused <= SURE * self.found
        if is_early:
            self.early += 1
            self.window = SPAN
        else:
            self.early = 0
            self.window = max(self.window * (SPAN_MEMORY if is_near else 0.7), min(block, SPAN))
        self.block = block
        found = max((rate for span, rate in self._averages(now) if span >= self.window), default=0.0)
        if is_early:
            cut = CUT * 2.0 ** (self.early - PATIENT if self.early > PATIENT else self.early + 1)
            limits = found, self.refused * (1.0 - min(STEPS_MOST, cut))
            found = min(limits) if self.early > PATIENT else max(limits)
        if self.refused > 0:
            found = min(found, self.refused)
        found = min(max(found, RATE_LEAST), RATE_MOST)
        self.is_sure = is_near and found * SURE >= self.found
        self.found = found
        self.resumed, self.used, self.blocked_at = now, 0, 0

    def rate(self, now: int) -> float:
        """Return the rate that is allowed now; 0 is no limit."""
        if self.found == 0.0:
            return 0.0
        x = (now - self.resumed) / SECOND / self._scale() - 1.0
        growth: float = 1.0 + CUT * x**3 if x <= 1.0 else (1.0 + CUT) * 2.0 ** min(60.0, GROWTH * (x - 1.0) ** 2)
        return min(self.found * growth, RATE_MOST)

    def _scale(self) -> float:
        scale = max(SCALE, self.window / 2, min(SCALE_CALLS / self.found, SCALE_MOST if self.is_sure else SCALE_UNSURE))
        return max(scale, min(SCALE_BLOCKS * self.block, SCALE_BY_BLOCKS_MOST)) if self.is_sure else scale

    def _averages(self, now: int) -> list[tuple[float, float]]:
        """Return spans, in seconds, and the rate that was accepted in each, up to now."""
        part = (now - self.second) / SECOND
        age = len(self.counts) - 1
        found = [
            (span + part, sum(self.counts[-span - 1 :]) / (min(span, age) + part)) for span in SPANS if span <= age
        ]
        # The window had room at some time between the last 429 and now.
        cycle = max(((now + self.refused_at) / 2 - self.resumed) / SECOND, 0.001)
        return [*found, ((now - self.resumed) / SECOND if age >= SPAN else SPAN, self.used / cycle)]
