"""Windows of time that hold a page each: pure arithmetic for :mod:`.scanning`.

A window is half open, on whole seconds. Nothing says whether the API's bounds are inclusive, or whether it compares
seconds or finer times: so a little more is asked for, and what lies outside is dropped. Then no row falls between two
windows or into both, whichever it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

FINEST = timedelta(seconds=1)
"""Windows are not made shorter: times of the API may have no finer grain."""
MARGIN = timedelta(milliseconds=1)
"""What is asked for beyond each bound."""
FILL = 0.9
"""Part of a page that a window is meant to fill: rows are never spread quite evenly, and an overfull page is wasted."""
GROWTH = 8.0
"""How much longer than the last a window may be."""
LEAP = 512.0
"""The same after an empty window; after two all that is left is asked for. Too long a window costs one request, and its
page shows where the rows lie."""
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class Window(NamedTuple):
    """From ``low`` on and before ``high``; ``None`` is without a bound."""

    low: datetime | None
    high: datetime | None

    @property
    def asked_from(self) -> datetime | None:
        """The lower bound as it is asked for."""
        return None if self.low is None else self.low - MARGIN

    @property
    def asked_to(self) -> datetime | None:
        """The upper bound as it is asked for."""
        return None if self.high is None else self.high + MARGIN

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Its bounds, given or not; the second is outside."""
        return self.low or EARLIEST, self.high or LATEST


class Stretch:
    """A part of the axis of time that one worker reads, window after window; the rest can be given to another.

    ``until`` is where the window ends that is read now. ``cursor`` is where the reading of an overfull second goes on,
    ``recent`` what it gave last.
    """

    __slots__ = ("_begin", "_empty", "_last", "_rows", "_span", "cursor", "high", "low", "recent", "target", "until")

    def __init__(self, low: datetime | None, high: datetime | None, *, limit: int) -> None:
        self.low = low
        self.high = high
        self.until = high
        self.target = max(1, int(limit * FILL))
        self.cursor: str | None = None
        self.recent: dict[object, None] = {}
        self._begin: datetime | None = None
        self._empty = 0
        self._rows = 0.0
        self._span = 0.0
        self._last = 0.0

    @property
    def window(self) -> Window:
        """What is to be read next."""
        return Window(self.low, self.until)

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.low is not None and self.high is not None and self.low >= self.high

    def narrow(self, times: Sequence[datetime]) -> bool:
        """Make the window shorter, because it holds more than the page with these ``times``; false: it cannot be.

        The page is taken as a sample. If it is in the order of time, it shows the beginning of the window; else it may
        come from anywhere in it.
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
            cut = max(cut, low + FINEST)
        begin = whole_second(min(times)) if times else low
        self._begin = None if begin is None or begin >= cut else begin
        self._rows, self._span = float(self.target), 1.0 if self._begin is None else (cut - self._begin).total_seconds()
        self.until = cut
        return True

    def advance(self, rows: int, *, besides: int = 0) -> None:
        """The window was read: it held so many rows; ``besides`` came with the page and lay outside."""
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

    def share(self) -> Stretch | None:
        """Give away a part that is not being read; ``None`` if there is not enough, or nothing was found lately."""
        if self.until is None or self.high is None or self._empty:
            return None
        left = (self.high - self.until).total_seconds()
        width = 0.0 if self.low is None else (self.until - self.low).total_seconds()
        if left < max(1.0, width / 2):
            return None
        taken = left if left < 2 * width else max(1, left // 2)
        given = Stretch(self.high - timedelta(seconds=taken), self.high, limit=1)
        given.target, given._rows, given._span, given._last = self.target, self._rows, self._span, self._last
        given._aim(0)
        self.high = given.low
        return given

    @property
    def expected(self) -> tuple[float, float]:
        """How much is left beyond the window: rows, if they go on as densely, and seconds."""
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
    """The second that a time lies in."""
    return moment.replace(microsecond=0)
