"""A list read by windows of its rows' time of change, with several concurrent calls.

- *Windows.* A list of several pages may skip rows while others change, so each window is as long as one page holds: one
  response, one moment. Window lengths follow the density of the rows. Windows do not overlap and each row lies in one,
  so no rows need to be remembered. Only a second that holds more than a page is read by cursor, as safely as the API's
  lists are.
- *Tail.* A changed row gets a new time, behind all windows. Therefore the windows end ``overlap`` seconds before the
  reading's beginning by the API's clock (its ``Date`` header), and later rows are read when the windows are done, in
  the same way, until the rest is one page.
- *Sharing.* A worker without a range takes half of the rest of another worker's range.
- *Loose rows.* A row without a time, or with one far outside the window that was asked for, may lie in any window: it
  is delivered apart. Where most rows of a page that is too full are such rows, or windows show the same rows again and
  again, the filter has no effect, and the list is read by cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..session.pagination import paginate
from .time_windows import FINEST, MARGIN, TimeRange, Window, earlier, whole_second

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from ..contract.operations import Operation
    from ..session.pagination import Page, Pager
    from ..session.seller_session import SellerSession

OVERLAP = 60.0
"""Overlap in seconds: more than the clocks of one site differ and than a read replica lags."""
PAGES_UNDER_WAY = 8
"""Concurrent calls: at 50 ms each, they read some 150,000 rows a second."""
PAGES_READY = 2  # pages that wait for the reader, besides one for each call
RECENT = 20_000  # states from a reading by cursor that are remembered, in case its pages overlap
FRUITLESS_MOST = 40
"""Maximum number of consecutive windows of more than a page that show no new row; a scan of ten years has 29."""
WALKS = 3
"""Maximum number of times that a list without windows is read until it shows nothing new."""

RowT = TypeVar("RowT")


class TimedList(NamedTuple):
    """A list call whose filters select rows by their time of change."""

    scope: SellerSession
    operation: Operation[list[Any]]
    filters: type[Any]
    bound: str
    """The filter's name without ``_min`` and ``_max``."""
    time: str
    id: str
    fixed: Mapping[str, Any]
    """The other filters."""

    def pager(self, low: datetime | None, high: datetime | None, cursor: str | None = None) -> Pager[Any]:
        """Return the list between two times."""
        bounds = {f"{self.bound}_min": low, f"{self.bound}_max": high}
        return paginate(self.scope, self.operation, self.filters(cursor=cursor, **bounds, **self.fixed))


class PageRows(NamedTuple, Generic[RowT]):
    """The rows of a page with their times: ``rows`` lie in the page's window, ``loose`` ones may come again."""

    rows: list[tuple[RowT, datetime | None]]
    loose: list[tuple[RowT, datetime | None]]


class _NoEffectError(Exception):
    """The filter on times has no effect."""


class WindowReader(Generic[RowT]):
    """One reading of a list: its unread ranges, the ranges being read, and the prefetched pages.

    ``since`` is the earliest time of change. Without ``windowed`` the list is read by cursor, once. With
    ``walk_again``, a list whose filter has no effect is read until it shows nothing new, and its rows are loose.

    After an error, or :meth:`pause`, the reading continues where it was: no row is lost or delivered twice.
    """

    def __init__(
        self,
        timed: TimedList,
        *,
        since: datetime | None,
        overlap: timedelta,
        limit: int,
        concurrency: int = PAGES_UNDER_WAY,
        windowed: bool = True,
        walk_again: bool = False,
    ) -> None:
        self.began: datetime | None = None
        """Start of the reading by the API's clock, else no later than the newest row of its first page."""
        self._list = timed
        self._time: Callable[[Any], datetime | None] = attrgetter(timed.time)
        self._id: Callable[[Any], str] = attrgetter(timed.id)
        self._since = since
        self._overlap = overlap
        self._limit = limit
        self._concurrency = concurrency
        self._walk_again = walk_again
        self._margin = MARGIN
        self._first = True
        self._idle: list[TimeRange] = []
        self._read_now: list[TimeRange] = []
        self._tail = since
        self._walk: AsyncIterator[Page[Any]] | None = None if windowed else timed.pager(None, None).pages()
        self._walks = 0
        self._walked: set[str] = set()
        self._known = 0  # number of ids that the earlier walks showed
        self._overfull: set[str] = set()  # ids of the last page that was too full
        self._fruitless = 0
        self._ended = False
        self._ends_with_these = False
        self._ready: deque[PageRows[RowT]] = deque()
        self._room = asyncio.Semaphore(PAGES_READY)
        self._page_ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None

    async def next(self) -> PageRows[RowT]:
        """Return the rows of a page, at least one.

        Raises:
            StopAsyncIteration: All rows were delivered.
            CallError: A page could not be read.
        """
        session = self._list.scope.session
        session.affinity.check()
        while True:
            if self._ready:
                self._room.release()
                return self._ready.popleft()
            if self._driver is not None and self._driver.done():
                driver, self._driver = self._driver, None
                if not driver.cancelled():  # else it was paused, or the client was closed
                    driver.result()
            if self._ended:
                raise StopAsyncIteration
            if self._driver is None:
                self._driver = session.background.start(self._drive(), name="octoffm_async scan")
                self._driver.add_done_callback(lambda _: self._page_ready.set())
            self._page_ready.clear()
            await self._page_ready.wait()

    def check_home(self) -> None:
        """Check that the reading is not used on another event loop, nor in a forked child."""
        self._list.scope.session.affinity.check_home()

    def pause(self) -> None:
        """End the calls under way; :meth:`next` makes them again."""
        if self._driver is not None:
            self._driver.cancel()

    def end(self) -> None:
        """End the reading."""
        self._ended = True
        self._ready.clear()
        self.pause()
        self._page_ready.set()

    async def _drive(self) -> None:
        """Continue where the last driver stopped, to the end or an error."""
        while not self._ended:
            if self._walk is not None:
                await self._walk_on(self._walk)
                continue
            try:
                await self._read_idle()
            except _NoEffectError:
                self._begin_walk()
                continue
            if self._ends_with_these:
                self._ended = True
            else:
                await self._close_in()

    async def _read_idle(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency if self._idle else 0):
                    group.create_task(self._work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _close_in(self) -> None:
        """Read the rows from the tail on, if they fit on a page; else plan windows for the older ones."""
        window = Window(self._tail, None)
        page = await self._pager(window)
        times = [at for row in page.items if (at := self._time(row)) is not None]
        served_at = page.served_at
        if self._first:
            self._first = False
            self.began = served_at or max(times, default=None)
            self._limit = min(self._limit, len(page.items) or self._limit)  # a server may give smaller pages
            if times and not any(at.microsecond for at in times):
                self._margin = FINEST  # whole seconds may be rounded ones, up to a second from what is compared
        if page.next_cursor is None:
            await self._give(self._sorted(window, page))
            self._ended = True
            return
        if self._tail is None and len(times) < max(1, len(page.items)):  # nothing to cut windows by
            await self._give(PageRows([(row, self._time(row)) for row in page.items], []))
            self._walk = self._pager(window, page.next_cursor).pages()
            return
        now = whole_second(served_at or datetime.now(UTC))
        ends = now - self._overlap
        if self._tail is not None:
            ends = max(ends, whole_second(self._tail + (now - self._tail) * 0.75))
        if self._tail is not None and ends - self._tail < FINEST:  # more than a page within a second or two
            self._idle = [TimeRange(self._tail, None, limit=self._limit)]
            self._ends_with_these = True
            return
        planned = TimeRange(self._tail, ends, limit=self._limit)
        low, high = planned.window.bounds
        planned.narrow([at for at in times if low <= at < high])
        self._idle = [planned]
        self._tail = ends

    def _begin_walk(self) -> None:
        self._idle.clear()
        self._known = len(self._walked)
        self._walks += 1
        self._walk = self._list.pager(self._since, None).pages()

    async def _walk_on(self, walk: AsyncIterator[Page[Any]]) -> None:
        while True:
            await self._room.acquire()  # before the page is requested: a page that was read is always delivered
            try:
                page = await anext(walk)
            except StopAsyncIteration:
                self._room.release()
                break
            except BaseException:
                self._room.release()
                raise
            rows = [(row, self._time(row)) for row in page.items]
            if self._walk_again:
                self._walked.update(map(self._id, page.items))
            self._put(PageRows([], rows) if self._walk_again else PageRows(rows, []))
        if self._walk_again and self._walks < WALKS and len(self._walked) > self._known:
            self._begin_walk()
        else:
            self._ended = True

    async def _work(self) -> None:
        while True:
            stretch = self._take()
            if stretch is None:
                if not self._read_now:
                    return
                self._changed.clear()
                await self._changed.wait()
                continue
            self._read_now.append(stretch)
            try:
                await self._read(stretch)
            except BaseException:
                self._idle.append(stretch)
                raise
            finally:
                self._read_now.remove(stretch)
                self._changed.set()

    def _take(self) -> TimeRange | None:
        if self._idle:
            return self._idle.pop()
        richest = sorted(self._read_now, key=lambda stretch: stretch.expected, reverse=True)
        return next(filter(None, (stretch.share() for stretch in richest)), None)

    async def _read(self, stretch: TimeRange) -> None:
        while not stretch.done:
            window = stretch.window
            if stretch.cursor is None:
                page = await self._pager(window)
                batch = self._sorted(window, page)
                if page.next_cursor is not None:
                    self._check_effect(page, batch)
                    if stretch.narrow([at for _, at in batch.rows if at is not None]):
                        self._changed.set()  # other workers may take the rest
                        continue
                await self._give(batch)
                if page.next_cursor is None:
                    stretch.advance(len(batch.rows), besides=len(page.items) - len(batch.rows))
                    continue
                self._remember(stretch.recent, batch)
                stretch.cursor = page.next_cursor
            await self._read_by_cursor(stretch, window)

    async def _read_by_cursor(self, stretch: TimeRange, window: Window) -> None:
        recent = stretch.recent
        async for page in self._pager(window, stretch.cursor).pages():
            found = self._sorted(window, page)
            fresh = [(row, at) for row, at in found.rows if (self._id(row), at) not in recent]
            await self._give(PageRows(fresh, found.loose))
            self._remember(recent, found)
            stretch.cursor = page.next_cursor
        stretch.advance(stretch.target)

    def _remember(self, recent: dict[object, None], batch: PageRows[RowT]) -> None:
        recent |= dict.fromkeys((self._id(row), at) for row, at in batch.rows)
        while len(recent) > RECENT:
            del recent[next(iter(recent))]

    def _check_effect(self, page: Page[Any], batch: PageRows[RowT]) -> None:
        """Raise if a page that is too full shows that the filter has no effect."""
        far = sum(at is not None for _, at in batch.loose)
        ids = set(map(self._id, page.items))
        self._fruitless = self._fruitless + 1 if ids <= self._overfull else 0
        self._overfull = ids
        if far * 2 > len(ids) or self._fruitless >= FRUITLESS_MOST:
            raise _NoEffectError

    def _pager(self, window: Window, cursor: str | None = None) -> Pager[Any]:
        """Return the rows of a window, and of a margin beyond each bound that is not the reading's own."""
        low, high = window
        asked_from = low if low is None or low == self._since else low - self._margin
        return self._list.pager(asked_from, None if high is None else high + self._margin, cursor)

    def _sorted(self, window: Window, page: Page[Any]) -> PageRows[RowT]:
        """Return the rows that lie in the window, and the loose ones; drop those of the neighbouring windows."""
        low, high = window.bounds
        near = FINEST + self._margin
        lowest = earlier(low, near)
        highest = high if window.high is None else high + near
        if low == self._since:
            low = lowest  # no window lies before it
        rows: list[tuple[RowT, datetime | None]] = []
        loose: list[tuple[RowT, datetime | None]] = []
        time = self._time
        for row in page.items:
            at = time(row)
            if at is None or not lowest <= at < highest:
                loose.append((row, at))
            elif low <= at < high:
                rows.append((row, at))
        return PageRows(rows, loose)

    async def _give(self, batch: PageRows[RowT]) -> None:
        if batch.rows or batch.loose:
            await self._room.acquire()
            self._put(batch)

    def _put(self, batch: PageRows[RowT]) -> None:
        self._ready.append(batch)
        self._page_ready.set()
