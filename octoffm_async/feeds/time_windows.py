"""Time windows that hold a page each: pure arithmetic for :mod:`.window_reader`.

A window is half open, on whole seconds (the first one begins where the reading does). The API does not say if its
bounds are inclusive, or if it compares seconds or finer times: therefore the client asks for a little more, and drops
the rows outside. In either case no row falls between two windows or into both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

FINEST = timedelta(seconds=1)
"""Minimum length of a window: the API's times may have no finer resolution."""
MARGIN = timedelta(milliseconds=1)
"""Margin that is requested beyond each bound."""
FILL = 0.9
"""Fraction of a page that a window should fill: rows are never spread evenly, and an overfull page is wasted."""
GROWTH = 8.0
"""Maximum ratio of a window's length to that of the last one."""
LEAP = 512.0
"""Maximum ratio after an empty window; after two the whole rest is requested.

Too long a window costs one request, and its page shows where the rows lie.
"""
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class Window(NamedTuple):
    """Time from ``low`` on and before ``high``; ``None`` is no bound."""

    low: datetime | None
    high: datetime | None

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Bounds of the window, given or not; the second is exclusive."""
        return self.low or EARLIEST, self.high or LATEST


class TimeRange:
    """A time range that one worker reads, window after window; the rest can be given to another worker.

    ``until`` is the end of the window that is read now. ``cursor`` is the position in an overfull second, ``recent``
    its latest rows.
    """

    __slots__ = ("_begin", "_empty", "_last", "_rows", "_span", "cursor", "high", "low", "recent", "target", "until")

    def __init__(self, low: datetime | None, high: datetime | None, *, limit: int) -> None:
        self.low = low
        self.high = high
        self.until = high
        self.target: int = max(1, int(limit * FILL))
        self.cursor: str | None = None
        self.recent: dict[object, None] = {}
        self._begin: datetime | None = None
        self._empty = 0
        self._rows = 0.0
        self._span = 0.0
        self._last = 0.0

    @property
    def window(self) -> Window:
        """The window to read next."""
        return Window(self.low, self.until)

    @property
    def done(self) -> bool:
        """True if no time is left to read."""
        return self.low is not None and self.high is not None and self.low >= self.high

    def narrow(self, times: Sequence[datetime]) -> bool:
        """Shorten the window, which holds more than the page with these ``times``; return False if that is impossible.

        The page serves as a sample. If it is in the order of time, it shows the beginning of the window; else its rows
        may come from anywhere in it.
        """
        low, until = self.low, self.until
        if until is None or (low is None and not times) or (low is not None and until - low <= FINEST):
            return False
        if times:
            ordered = all(times[place] <= times[place + 1] for place in range(len(times) - 1))
            found = times[int((len(times) - 1) * FILL)] if ordered else sorted(times)[len(times) // 2]
        else:
            assert low is not None  # noqa: S101  (see above)
            found = low + (until - low) / 2
        cut = min(whole_second(found), until - FINEST)
        if low is not None:
            cut = max(cut, whole_second(low) + FINEST)
        begin = whole_second(min(times)) if times else low
        self._begin = None if begin is None or begin >= cut else begin
        self._rows, self._span = float(self.target), 1.0 if self._begin is None else (cut - self._begin).total_seconds()
        self.until = cut
        return True

    def advance(self, rows: int, *, besides: int = 0) -> None:
        """Move on after the window was read: it held ``rows`` rows; ``besides`` rows of its page lay outside."""
        self.cursor = None
        self.recent.clear()
        self._empty = 0 if rows else self._empty + 1
        if self.until is None:
            self.low = self.high = LATEST
            return
        if self.low is not None:
            self._last = (self.until - max(self.low, self._begin or self.low)).total_seconds()
            self._rows = self._rows / 2 + rows
            self._span = self._span / 2 + self._last
        self.low, self._begin = self.until, None
        self._aim(besides)

    def share(self) -> TimeRange | None:
        """Split off a part that is not being read; ``None`` if too little is left, or the last window was empty."""
        if self.until is None or self.high is None or self._empty:
            return None
        left = (self.high - self.until).total_seconds()
        width = 0.0 if self.low is None else (self.until - max(self.low, self._begin or self.low)).total_seconds()
        if left < max(1.0, width / 2):
            return None
        taken = left if left < 2 * width else max(1, left // 2)
        given = TimeRange(self.high - timedelta(seconds=taken), self.high, limit=1)
        given.target, given._rows, given._span, given._last = self.target, self._rows, self._span, self._last
        given._aim(0)
        self.high = given.low
        return given

    @property
    def expected(self) -> tuple[float, float]:
        """Size of the rest beyond the window: rows, if their density stays the same, and seconds."""
        if self.until is None or self.high is None:
            return 0.0, 0.0
        left = (self.high - self.until).total_seconds()
        return (left * self._rows / self._span if self._span else 0.0), left

    def _aim(self, besides: int) -> None:
        """Set the end of the next window so that it fills a page."""
        if self.low is None or self.high is None or self.low >= self.high:
            self.until = self.high
            return
        left = (self.high - self.low).total_seconds()
        width = left
        if self._empty == 1:
            width = self._last * LEAP
        elif self._rows >= 1 and not self._empty:
            width = max(1, self.target - besides) * self._span / self._rows
            width = min(width, self._last * GROWTH) if self._last else width
        windows = max(1, ceil(left / max(1.0, width) - 0.05))
        self.until = min(self.high, self.low + timedelta(seconds=max(1, ceil(left / windows))))


def whole_second(moment: datetime) -> datetime:
    """Round a time down to the second."""
    return moment.replace(microsecond=0)


def earlier(moment: datetime, by: timedelta) -> datetime:
    """Return the time before a time; the beginning of time has none before it."""
    return moment - by if moment - EARLIEST > by else moment
