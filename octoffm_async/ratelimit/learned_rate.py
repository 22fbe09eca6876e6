"""The rate of a hidden limit, found from 429s and from the counts of accepted calls. Pure: time is passed in.

**Problem.** The limit (N calls in a window T) is unknown, may change at any time, and is visible only through 429s. The
feedback is late: when T is a minute, a rate that is too high is accepted until the window is full.

**Model.** Calls are spread evenly, so only N / T matters. At a 429 the window is full: the calls accepted in the last T
are N, whatever rates were tried, so their average is N / T exactly. Over a longer span the average is about N / T where
calls were never wanting, and hardly more; over a shorter one it may be higher. Therefore the estimate is the highest
average among the spans that are not shorter than T.

**The window.** How long T may be is learned from two signs: a block that lasts, because a place becomes free only when
the oldest call leaves the window; and a 429 that comes early, before the curve has reached the rate that was found,
which shows that the average was over too short a span. The sign fades while 429s confirm the rate, and faster when one
comes far above it.

**After a 429** the limit is *blocked* until a call is accepted again. Then the rate is the estimate, at most that
which was refused. After early 429s it falls to the estimate in steps of 8, 16, 32 and 50 %, but by no more than twice
the share of 429s. While a window that was overfull empties, the rate stays at the estimate; where the limit has fallen,
the estimate falls with the seconds that it covers. If early 429s go on for longer than :data:`PATIENCE`, no average
explains them, and the rate is cut below it.

**Growth** is CUBIC's (RFC 9438): concave up to the rate that was found, flat around it, then probing in doubling steps,
so that a limit that was raised a hundredfold is found in minutes. Its time scale keeps what probing costs at about one
call in a hundred: it is at least as long as 100 calls take, 20 times the last block, and half of the window. While the
rate is not sure the scale is shorter.
"""

from __future__ import annotations

import msgspec

SECOND = 1_000_000
SPAN = 60
"""Seconds of the longest window that APIs commonly have."""
HISTORY = 90
"""Seconds of the past for which accepted calls are counted: the longest window, and a pause after it."""
SPANS = (2, 4, 8, 16, 30, SPAN)
"""Seconds over which averages are compared."""
EDGES = 1
"""Calls by which a count may be too high: that which ended the block is in it."""
CUT = 0.02
"""The part of the found rate by which a cycle starts below it; the flat part of the curve ends as far above it."""
STEPS_MOST = 0.5
"""The largest part by which an early 429 cuts the rate."""
PATIENCE, STEP_UNEXPLAINED = SPAN * SECOND, 0.2
"""Microseconds of early 429s that no average explains; the part by which each of them cuts the rate from then on."""
WINDOW_KEPT, WINDOW_KEPT_FAR = 0.95, 0.7
"""The part of the window that remains after a 429 that confirms the rate; after one that comes far above it."""
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
"""Accepted calls that end a series of 429s; those after which at most the third number count for the next pause."""
RATE_LEAST, RATE_MOST = 0.05, 1e5
"""Calls per second."""


class LearnedRate(msgspec.Struct, array_like=True):
    """The state of a rate that is found. Times are microseconds of any clock, 0 is none; rates are calls per second."""

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
    early_since: int = 0
    """Early 429s in a row, and the time of the first."""
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
            self.counts = (self.counts + [0] * min(passed, HISTORY + 1))[-HISTORY - 1 :]
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
            if self.used >= SCALE_CALLS:
                self.early = self.early_since = 0
            self.early, self.early_since = self.early + 1, self.early_since or self.blocked_at
            self.window = SPAN
        else:
            self.early = self.early_since = 0
            self.window = max(self.window * (WINDOW_KEPT if is_near else WINDOW_KEPT_FAR), min(block, SPAN))
        self.block = block
        found = max((rate for span, rate in self._averages(now) if span >= self.window), default=0.0)
        if not is_early:
            found = min(found, self.refused or found)
        elif now - self.early_since < PATIENCE:
            step = min(STEPS_MOST, 2 * CUT * 2.0**self.early, 2.0 / (1 + self.used))
            found = min(max(found, self.refused * (1.0 - step)), self.found)
        else:
            found = min(found, self.refused * (1.0 - STEP_UNEXPLAINED))
        found = min(max(found, RATE_LEAST), RATE_MOST)
        self.is_sure = is_near and found * SURE >= self.found
        self.found = found
        self.resumed, self.used, self.blocked_at = now, 0, 0

    def rate(self, now: int) -> float:
        """Return the rate that is allowed now; 0 is no limit."""
        if self.found == 0.0:
            return 0.0
        x = max(now - self.resumed, 0) / SECOND / self._scale() - 1.0  # the clock may have been set back
        growth: float = 1.0 + CUT * x**3 if x <= 1.0 else (1.0 + CUT) * 2.0 ** min(60.0, GROWTH * (x - 1.0) ** 2)
        return min(self.found * growth, RATE_MOST)

    def _scale(self) -> float:
        scale = max(SCALE, self.window / 2, min(SCALE_CALLS / self.found, SCALE_MOST if self.is_sure else SCALE_UNSURE))
        return max(scale, min(SCALE_BLOCKS * self.block, SCALE_BY_BLOCKS_MOST)) if self.is_sure else scale

    def _averages(self, now: int) -> list[tuple[float, float]]:
        """Return spans, in seconds, and the rate that was accepted in each, up to the last 429."""
        waited, part = (now - self.refused_at) / SECOND, (now - self.second) / SECOND
        found: list[tuple[float, float]] = []
        for span in SPANS:
            seconds = min(span + int(waited), len(self.counts) - 1)
            if (covered := seconds + part - waited) > 0:
                found.append((span, max(sum(self.counts[-seconds - 1 :]) - EDGES, 0) / max(covered, 0.5)))
        # The window had room at some time between the last 429 and now.
        cycle = max(((now + self.refused_at) / 2 - self.resumed) / SECOND, 0.001)
        return [*found, ((now - self.resumed) / SECOND, self.used / cycle)]
