"""Adaptive rate control: it finds the fastest rate that the API accepts, without knowing its limit. Pure.

**Problem.** The limit (N requests in some window T) is unknown, may change at any time, and is visible only through
429s. The feedback is late: when T is a minute, a rate that is too high is accepted until the window is full.

**Model.** A *cycle* runs from one throttling to the next. At its end the window is full, so over a span that is a
multiple of T, or long against it, *accepted requests / elapsed time*, pauses included, is the limit itself. Over a
shorter span it is not: it depends on the requests that the window held before. So two bounds are known after a 429: the
rate that was being sent, which was too high (or only just, when T is short), and the average that was accepted over
the last :data:`SPAN` seconds, which was not. "Being sent" is the measured rate: where calls or concurrency slots were
too few for the allowed rate, that rate was never tried.

**After a 429** the key is *blocked*: no request is sent during the pause, then one request at a time, until one is
accepted. The length of a block counts up to its last 429, because the rest was the client's own pause. Then

- if the 429 came when the curve had reached its plateau, that plateau was right: start again a little
  (:data:`CUT`) below the rate that was refused. If a block has recently lasted long (the sign of a long window,
  whose slack hides a rate that is too high), the rate is trusted up to :data:`TRUST` times the average only.
- if it came early, the plateau was too high: cut by 4, 8, 16, 32, 50 % while that goes on, but by no more than twice
  the share of 429s among the responses, and never below the average: some 429s may have nothing to do with the rate.
  Those do not come in a row, though: where a block met probe after probe, cut by its share of the time.
  If many come early one after another, the rate goes a little below the best that was accepted meanwhile. If they go
  on, they are chance: then twice that rate is tried, again and again, until a higher one brings no more.
  If the block lasted longer than the sending before it, the limit itself has fallen: back to the average at once.

Pauses double while 429s follow each other closely, and shorten again with each request accepted in between, so that a
window whose places become free more slowly at first than later on costs few 429s.

**Growth** is CUBIC's (RFC 9438), as in botocore's adaptive mode: concave up to the plateau, flat around it, then
probing, with ever larger steps, so that a limit that was raised a hundredfold is found in minutes. Its time scale is
the larger of a few seconds, 100 requests (so 429s stay about one in a hundred) and half of a recent long block or
window: the feedback delay. A window counts as long when it takes long to empty, or when it had the slack for a rate
far above its average: it is then as long as that cycle, or longer. Netflix's concurrency-limits does the same for
latency; see :mod:`.adaptive_concurrency`.

**The start** without a ceiling is that of :mod:`.cold_start`: it finds the first rate, and mends it.

The configured limit, and the API's rate headers, are ceilings to all of this. A key that never met a 429 runs at its
ceiling and none of the above takes place.
"""

from __future__ import annotations

from collections import deque

from .cold_start import ANY, Bounds, ColdStart

CUT = 0.02
"""The part of the plateau by which a cycle starts below it; the flat part of the curve ends as far above it."""
SPAN = 60.0
"""Seconds of the past that an average covers: the longest window that APIs commonly have."""
MARK_EVERY, MARKS = 2.0, 32
"""Seconds between the marks from which an average is taken; how many are kept, a little more than that span."""
TRUST, TRUST_AT_A_PRICE = 1.1, 1.05
"""The factor above the average up to which a refused rate is trusted when windows are long; the second, lower one if
more than one request in :data:`BEARABLE` was refused."""
UNUSED = 2.0
"""The factor between an allowed rate and the rate really sent above which the allowed rate was not what was refused."""
SHORT = 1.0
"""Seconds within which no rate can be measured."""
SLACK = 1.5
"""The factor of the average from which on a rate is accepted only at the expense of a long window's slack."""
LONG_BLOCK = 5.0
"""Seconds: a block that lasted longer is the sign of a long window."""
BLOCK_MEMORY = 0.995
"""The part of the longest block that still counts a second later."""
PLATEAU_SECONDS, PLATEAU_SECONDS_MOST, PLATEAU_REQUESTS = 8.0, 20.0, 100
"""Seconds, the maximum of seconds, and requests: the curve's time scale."""
PROBES = 2
"""Probes refused in one block that show that the block has to do with the rate."""
EARLY = 0.7
"""A 429 within this part of the time scale is early."""
BEARABLE = 100
"""A 429 after so many accepted requests is not early at any time: it may have nothing to do with the rate."""
SERIES, LOW = 4, 0.91
"""Early 429s in a row, and the part of the best rate accepted meanwhile: if more come below it, they are chance."""
RAISE, RAISED = 2.0, 1.4
"""The factor of that best rate which is tried then; a refused rate above the second factor was such a trial: it failed.
"""
GROWTH = 0.25
"""Doublings after one, and four times as many after two, time scales beyond the flat part."""
STEADY = 20
"""Requests accepted in a row that halve the count of a series of throttlings, and with it the next pause."""
FLOWING, THROTTLINGS_KEPT = 5, 3
"""Requests accepted in a row after which at most the second number of a series count towards the next pause."""
BURST = 8
"""429s in one block; twice as many, as at high rates, where many requests are in flight, multiply :data:`STEADY`."""
RATE_LEAST, RATE_MOST = 0.05, 1e5
"""Requests per second."""


class AdaptiveRate:
    """The rate that one key may send, learned from its responses. Rates are in requests per second."""

    __slots__ = (
        "_accepted",
        "_best",
        "_blocked_after",
        "_blocked_at",
        "_early",
        "_in_cycle",
        "_longest_block",
        "_marks",
        "_plateau",
        "_probes_refused",
        "_refusals",
        "_refused_at",
        "_refused_rate",
        "_steady",
        "_window",
        "blocked_since",
        "ceiling",
        "epoch",
        "resumed",
        "start",
        "throttlings",
    )

    def __init__(self, ceiling: float | None) -> None:
        self.ceiling: float | None = ceiling
        """The lower of the configured rate and that of the API's headers; None is no limit."""
        self._plateau: float | None = None
        self.start: ColdStart | None = ColdStart() if ceiling is None else None
        """The start without a ceiling, while it lasts."""
        self._blocked_after = 0
        self.resumed: float = 0.0
        """The time at which requests were accepted again after the last block."""
        self._blocked_at = 0.0
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)
        self._accepted = 0
        self._in_cycle = 0
        self._refused_rate: float | None = None
        self._refused_at = 0.0
        self._refusals = 0
        self._probes_refused = 0
        self._best = 0.0
        self._steady = STEADY
        self._longest_block = 0.0
        self._window = 0.0
        self._early = 0
        self.blocked_since: float | None = None
        """The time of the 429 after which no request was accepted yet."""
        self.epoch: int = 0
        """A number that a 429 raises, and the request that ends its block. Each request is stamped with it when it is
        sent; by the clock no order can be told, because it stands still within a turn of the loop."""
        self.throttlings: int = 0
        """429s since requests were last accepted steadily; those of one burst count as one."""

    @property
    def learned(self) -> bool:
        """True if a 429 has taught more than the configuration says."""
        return self._plateau is not None or self.blocked_since is not None

    def rate(self, now: float) -> float | None:
        """Return the rate that is allowed now; None is no limit."""
        plateau = self._plateau
        if plateau is None:
            return self.ceiling
        x = (now - self.resumed) / self._time_scale(plateau) - 1.0
        # CUBIC: concave up to the plateau, flat around it (x near 1), then probing in doubling steps.
        growth = 1 + CUT * x**3 if x <= 1.0 else (1 + CUT) * 2.0 ** min(60.0, GROWTH * (x - 1.0) ** 2)
        return min(plateau * growth, RATE_MOST if self.ceiling is None else self.ceiling)

    def accepted(self, *, epoch: int, sent_at: float, now: float, waiting: int = 0) -> bool:
        """Record that the limit accepted a request sent in ``epoch``; return True if that ended a block."""
        self._mark(sent_at)
        if self.start is not None and (self.blocked_since is None or epoch != self.epoch):
            self.start.accepted(sent_at, now)
        self._accepted += 1
        self._in_cycle += 1
        if self._in_cycle == FLOWING:
            self.throttlings = min(self.throttlings, THROTTLINGS_KEPT)
        if self._in_cycle % self._steady == 0:
            self.throttlings //= 2
        blocked = self.blocked_since
        if blocked is None or epoch != self.epoch:
            return False
        self._resume(sent_at, blocked, waiting)
        return True

    def throttled(self, *, epoch: int, now: float) -> bool:
        """Record a 429; return False if its request was sent before the last 429 or the end of its block was known."""
        self._refusals += 1
        if epoch != self.epoch:
            return False
        self.epoch += 1
        if self.blocked_since is None:
            self._refused_rate = self._sent_rate(now)
            self.blocked_since = now
            self._probes_refused = 0
            self._blocked_after = self._accepted
        else:
            self._probes_refused += 1
        self._refused_at = now
        self.throttlings += 1
        return True

    def pause_bounds(self, now: float, waiting: int) -> Bounds:
        """Return the least and the longest pause after a 429, while so many calls wait."""
        if self.start is None or self.blocked_since is None or self.ceiling is not None:
            return ANY
        return self.start.pause_bounds(now, self.blocked_since, self._probes_refused, waiting)

    def _time_scale(self, plateau: float) -> float:
        if self.start is not None and self.start.scale:
            return self.start.scale
        by_requests = min(PLATEAU_REQUESTS / plateau, PLATEAU_SECONDS_MOST)
        return max(PLATEAU_SECONDS, by_requests, self._longest_block / 2, self._window / 2)

    def _resume(self, now: float, blocked_since: float, waiting: int) -> None:
        refused, plateau, start = self._refused_rate, self._plateau, self.start
        average = self._average(now)
        block = self._refused_at - blocked_since
        self._longest_block = max(self._longest_block * BLOCK_MEMORY ** (now - self.resumed), block)
        self._window *= BLOCK_MEMORY ** (now - self.resumed)
        if block >= LONG_BLOCK or (refused is not None and refused > SLACK * average):
            self._window = max(self._window, min(SPAN, self._refused_at - self.resumed))
        soon = plateau is not None and blocked_since - self.resumed < EARLY * self._time_scale(plateau)
        early = soon and self._in_cycle < BEARABLE
        short = self._in_cycle < PLATEAU_REQUESTS or blocked_since - self.resumed < 1.0
        self._early = 0 if not early else self._early + 1 if short else 1
        kept = self._in_cycle / max(blocked_since - self._blocked_at, SHORT)
        self._best = max(self._best, kept) if self._early > 1 else 0.0
        found = 0.0
        if start is not None:
            marked = self._blocked_after
            if refused is None:
                found = start.first_rate(now, blocked_since, self._refused_at, waiting)
            elif block < max(LONG_BLOCK, blocked_since - self.resumed):
                found = start.next_rate(refused, blocked_since, marked, self._refusals, closed=block, soon=soon)
            if plateau is None and start.is_short and self._marks[0][1] == 0:  # a burst may be all that it tells of
                self._marks = deque([(blocked_since, marked)], maxlen=MARKS)
            if start.resumed(now, blocked_since, self._refused_at, marked):
                self.start = None
        found = found or self._find(refused, average, blocked_since, early=early)
        self._plateau = min(max(found, RATE_LEAST), RATE_MOST)
        self.resumed, self._blocked_at = now, blocked_since
        self._in_cycle = 0
        self._steady = STEADY * max(1, self._refusals // BURST)
        self._refusals = 0
        self.blocked_since = None
        self.epoch += 1

    def _find(self, refused: float | None, average: float, blocked_since: float, *, early: bool) -> float:
        """Return the rate after a block, from the one that was refused and the average before."""
        block = self._refused_at - blocked_since
        if refused is None:
            return average
        if early and block < max(LONG_BLOCK, blocked_since - self.resumed):
            best, floor = self._best, average
            if self._early > SERIES and best > average * LOW:
                if refused < best * LOW * (1 + CUT):
                    return best * RAISE
                if refused > best * RAISED:
                    self._early = SERIES - 1
                    return max(best, average)
                floor = best * LOW
            # Some 429s may have nothing to do with the rate: cut by no more than twice their share.
            share = 2 / (1 + self._in_cycle)
            if self._probes_refused >= PROBES:
                share = max(share, block / (block + blocked_since - self.resumed))
            cut: float = min(0.5, CUT * 2.0**self._early, max(2 * CUT, share))
            return max(refused * (1 - cut), floor)
        if self._longest_block < LONG_BLOCK:
            return refused
        # The slack of a long window hides a rate that is too high: trust little more than the average.
        cheap = self._refusals * BEARABLE <= self._in_cycle
        return min(refused, average * (TRUST if cheap else TRUST_AT_A_PRICE))

    def _sent_rate(self, now: float) -> float | None:
        """Return the rate that was refused: the allowed one, unless far less was sent for want of calls or slots."""
        allowed = self.rate(now)
        if allowed is None or not self._marks or now - self.resumed < SHORT:
            return allowed
        marks = self._marks[-1], self._marks[max(-2, -len(self._marks))]
        sent = max((self._accepted - accepted + 1) / max(now - since, 1e-3) for since, accepted in marks)
        return min(allowed, UNUSED * sent)

    def _mark(self, now: float) -> None:
        marks = self._marks
        if not marks or now - marks[-1][0] >= MARK_EVERY:
            marks.append((now, self._accepted))

    def _average(self, now: float) -> float:
        marks = self._marks
        while len(marks) > 1 and now - marks[1][0] >= SPAN:
            marks.popleft()
        since, accepted = marks[0]
        return (self._accepted - accepted) / max(now - since, 1e-3)
