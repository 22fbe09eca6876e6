"""A scan of all stocks of a seller, with several concurrent calls: by windows of their time of change.

**Invariant.** Every stock that exists throughout a scan is emitted at least once, in a state not older than the scan's
beginning; a stock that changes meanwhile is emitted in its newer state as well, or in that only. No state is emitted
twice. Method:

- *Windows.* A list of several pages may skip rows while others change, so each window is as long as one page holds: one
  response, one moment. Window lengths follow the density of the rows. Windows do not overlap and each row lies in one,
  so no rows need to be remembered. Only a second that holds more than a page is read by cursor, as safely as the API's
  lists are.
- *Tail.* A changed row gets a new time, behind all windows. Therefore the windows end ``overlap`` seconds before the
  scan's beginning by the API's clock (its ``Date`` header), and later rows are read when the windows are done, in the
  same way, until the rest is one page.
- *Sharing.* A worker without a range takes half of the rest of another worker's range.

If the stocks fit on a page, the scan is one call. If they show no time of change (assumed), or with
``delivery_country``, which the API combines with no other filter (documented), the list is read by cursor.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..contract.operations import LIST_STOCKS
from ..contract.requests.checks import FieldProblem
from ..contract.stocks import Stock, StockFilters
from ..errors import ValidationError
from ..session.pagination import paginate
from ..settings.values import is_above_zero, is_whole
from .time_windows import FINEST, TimeRange, Window, whole_second

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..contract.common import StorageCountry
    from ..session.pagination import Page, Pager
    from ..session.seller_session import SellerSession

PAGES_UNDER_WAY = 8
"""Concurrent calls: at 50 ms each, they read some 150,000 stocks a second."""
PAGES_READY = 2  # pages that wait for the reader, besides one for each call
OVERLAP = 60.0
"""Overlap in seconds: more than the clocks of one site differ and than a read replica lags."""
RECENT = 20_000  # states from a reading by cursor that are remembered, in case its pages overlap


class StockScan:
    """Async iterable of all stocks, in no order; :meth:`pages` yields lists of them.

    Each iteration is a scan of its own.

    Workers may share one iterator. At most a few pages are prefetched; a slow reader slows the calls down. Dropping an
    iterator (after a ``break``) ends its calls; ``aclose()`` ends them at once.

    Raises (while iterated):
        CallError: a page could not be read. The next step asks for it again; no stock is lost or emitted twice.
    """

    def __init__(
        self,
        scope: SellerSession,
        *,
        storage_country: StorageCountry | None,
        delivery_country: str | None,
        concurrency: int,
        overlap: float,
        limit: int,
    ) -> None:
        problems: list[FieldProblem] = []
        if not is_whole(concurrency) or concurrency < 1:
            problems.append(FieldProblem("concurrency", concurrency, "is not a whole number from 1 on"))
        if not is_above_zero(overlap) and overlap != 0:
            problems.append(FieldProblem("overlap", overlap, "is not a number of seconds from 0 on"))
        if problems:
            raise ValidationError("scan_stocks", problems=problems)
        self._list = _List(scope, storage_country, delivery_country, limit)
        self._list.pager(Window(None, None))  # raises for wrong filters
        self._concurrency = concurrency
        self._overlap = timedelta(seconds=overlap)

    def __aiter__(self) -> AsyncIterator[Stock]:
        return _Stocks(self._lists())

    def pages(self) -> AsyncIterator[list[Stock]]:
        """Iterate over the stocks, a page at a time."""
        return self._lists()

    def _lists(self) -> _Lists:
        return _Lists(_Scan(self._list, concurrency=self._concurrency, overlap=self._overlap))


class _List:
    """The list of stocks with the filters of a scan."""

    def __init__(self, scope: SellerSession, storage: str | None, delivery: str | None, limit: int) -> None:
        self.scope = scope
        self.windowed = delivery is None
        self.limit = limit
        self._filters: dict[str, Any] = {"storage_country": storage, "delivery_country": delivery, "limit": limit}

    def pager(self, window: Window, cursor: str | None = None) -> Pager[Stock]:
        """Return the rows of a window."""
        filters = StockFilters(
            updated_at_min=window.asked_from, updated_at_max=window.asked_to, cursor=cursor, **self._filters
        )
        return paginate(self.scope, LIST_STOCKS, filters)


class _Scan:
    """One scan: its unread ranges, the ranges being read, and the prefetched pages."""

    def __init__(self, stocks: _List, *, concurrency: int, overlap: timedelta) -> None:
        self._stocks = stocks
        self._concurrency = concurrency
        self._overlap = overlap
        self._idle: list[TimeRange] = []
        self._read_now: list[TimeRange] = []
        self._tail: datetime | None = None
        self._walk: AsyncIterator[Page[Stock]] | None = None
        self._undated: set[str] = set()
        self._ended = False
        self._ends_with_these = False
        self._ready: deque[list[Stock]] = deque()
        self._room = asyncio.Semaphore(PAGES_READY)
        self._page_ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None

    async def next(self) -> list[Stock]:
        """Return the stocks of a page, at least one."""
        self._stocks.scope.session.affinity.check()
        while True:
            if self._ready:
                self._room.release()
                return self._ready.popleft()
            if self._driver is not None and self._driver.done():
                driver, self._driver = self._driver, None
                if not driver.cancelled():  # else the client was closed, and the next call raises
                    driver.result()
            if self._ended:
                raise StopAsyncIteration
            if self._driver is None:
                self._driver = self._stocks.scope.session.background.start(self._drive(), name="octoffm_async scan")
                self._driver.add_done_callback(lambda _: self._page_ready.set())
            self._page_ready.clear()
            await self._page_ready.wait()

    def check_home(self) -> None:
        """Check that the scan is not used on another event loop, nor in a forked child."""
        self._stocks.scope.session.affinity.check_home()

    def end(self) -> None:
        """End the scan."""
        self._ended = True
        self._ready.clear()
        if self._driver is not None:
            self._driver.cancel()
        self._page_ready.set()

    async def _drive(self) -> None:
        """Continue where the last driver stopped, to the end or an error."""
        if self._tail is None and self._walk is None:
            await self._begin()
        if self._walk is not None:
            async for page in self._walk:
                await self._give(page.items)
            self._ended = True
        while not self._ended:
            await self._read_idle()
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

    async def _begin(self) -> None:
        """Read the first page, which shows whether one is enough, and the distribution of the rows in time."""
        whole = self._stocks.pager(Window(None, None))
        if not self._stocks.windowed:
            self._walk = whole.pages()
            return
        page = await whole
        if page.next_cursor is None:
            await self._give(page.items)
            self._ended = True
        elif not page.items or any(stock.updated_at is None for stock in page.items):
            await self._give(page.items)
            self._walk = self._stocks.pager(Window(None, None), page.next_cursor).pages()
        else:
            self._tail = whole_second(page.served_at or datetime.now(UTC)) - self._overlap
            self._plan(TimeRange(None, self._tail, limit=self._stocks.limit), page)

    def _plan(self, stretch: TimeRange, sample: Page[Stock]) -> None:
        """Plan to read ``stretch``, which is known to hold more than a page."""
        stretch.narrow(_times(_within(stretch.window, sample)))
        self._idle = [stretch]

    async def _close_in(self) -> None:
        """Read rows that are newer than the windows, if they fit on a page; else plan windows for the older ones."""
        window = Window(self._tail, None)
        page = await self._stocks.pager(window)
        if page.next_cursor is None:
            await self._give(_within(window, page))
            self._ended = True
            return
        assert self._tail is not None  # noqa: S101  (set before the first window)
        now = whole_second(page.served_at or datetime.now(UTC))
        ends = max(now - self._overlap, whole_second(self._tail + (now - self._tail) * 0.75))
        if ends - self._tail < FINEST:  # more than a page within a second or two
            self._idle = [TimeRange(self._tail, None, limit=self._stocks.limit)]
            self._ends_with_these = True
        else:
            self._plan(TimeRange(self._tail, ends, limit=self._stocks.limit), page)
            self._tail = ends

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
                page = await self._stocks.pager(window)
                rows = _within(window, page)
                if page.next_cursor is not None and stretch.narrow(_times(rows)):
                    self._changed.set()  # other workers may take the rest
                    continue
                await self._give(rows)
                if page.next_cursor is None:
                    stretch.advance(len(rows), besides=len(page.items) - len(rows))
                    continue
                _remember(stretch.recent, rows)
                stretch.cursor = page.next_cursor
            await self._read_by_cursor(stretch, window)

    async def _read_by_cursor(self, stretch: TimeRange, window: Window) -> None:
        recent = stretch.recent
        async for page in self._stocks.pager(window, stretch.cursor).pages():
            rows = [stock for stock in _within(window, page) if (stock.id, stock.updated_at) not in recent]
            await self._give(rows)
            _remember(recent, rows)
            stretch.cursor = page.next_cursor
        stretch.advance(stretch.target)

    async def _give(self, rows: list[Stock]) -> None:
        await self._room.acquire()
        undated = {stock.id for stock in rows if stock.updated_at is None}  # any window may have found them
        if undated and self._walk is None:
            rows = [stock for stock in rows if stock.updated_at is not None or stock.id not in self._undated]
            self._undated |= undated
        if not rows:
            self._room.release()
            return
        self._ready.append(rows)
        self._page_ready.set()


def _within(window: Window, page: Page[Stock]) -> list[Stock]:
    """Return the rows that lie in the window, and those without a time."""
    low, high = window.bounds
    return [stock for stock in page.items if (at := stock.updated_at) is None or low <= at < high]


def _remember(recent: dict[object, None], rows: list[Stock]) -> None:
    recent |= dict.fromkeys((stock.id, stock.updated_at) for stock in rows)
    while len(recent) > RECENT:
        del recent[next(iter(recent))]


def _times(rows: list[Stock]) -> list[datetime]:
    return [stock.updated_at for stock in rows if stock.updated_at is not None]


class _Lists:
    """Iterator of pages; dropping it ends the calls."""

    def __init__(self, scan: _Scan) -> None:
        self._scan = scan
        weakref.finalize(self, _drop, scan, asyncio.get_running_loop()).atexit = False

    def __aiter__(self) -> _Lists:
        return self

    async def __anext__(self) -> list[Stock]:
        return await self._scan.next()

    async def aclose(self) -> None:
        """End the scan."""
        self._scan.check_home()
        self._scan.end()


class _Stocks:
    """Iterator of stocks."""

    __slots__ = ("_lists", "_page_lock", "_rows")

    def __init__(self, lists: _Lists) -> None:
        self._lists = lists
        self._rows: Iterator[Stock] = iter(())
        self._page_lock = asyncio.Lock()

    def __aiter__(self) -> _Stocks:
        return self

    async def __anext__(self) -> Stock:
        for stock in self._rows:
            return stock
        return await self._first_of_next()

    async def _first_of_next(self) -> Stock:
        async with self._page_lock:  # one of the workers that share this iterator waits for the page
            while True:
                for stock in self._rows:
                    return stock
                self._rows = iter(await anext(self._lists))

    async def aclose(self) -> None:
        """End the scan."""
        self._rows = iter(())
        await self._lists.aclose()


def _drop(scan: _Scan, loop: asyncio.AbstractEventLoop) -> None:  # in the thread of the garbage collector
    if not loop.is_closed():
        loop.call_soon_threadsafe(scan.end)
