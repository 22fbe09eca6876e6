"""A scan of all stocks of a seller, with several concurrent calls: by windows of their time of change.

**Invariant.** Every stock that exists throughout a scan is emitted at least once, in a state not older than the scan's
beginning; a stock that changes meanwhile is emitted in its newer state as well, or in that only. No state is emitted
twice, unless the API shows it in many windows where it does not belong. :mod:`.window_reader` says how.

If the stocks fit on a page, the scan is one call. If they show no time of change (assumed), or with
``delivery_country``, which the API combines with no other filter (documented), the list is read by cursor.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from ..contract.operations import LIST_STOCKS
from ..contract.requests.checks import FieldProblem
from ..contract.stocks import Stock, StockFilters
from ..errors import ValidationError
from ..settings.values import is_above_zero, is_whole
from .window_reader import TimedList, WindowReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from ..contract.common import StorageCountry
    from ..session.seller_session import SellerSession

LAST = 8
"""Pages whose stocks are remembered, in case that another window shows them."""


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
        filters = {"storage_country": storage_country, "delivery_country": delivery_country, "limit": limit}
        self._list = TimedList(scope, LIST_STOCKS, StockFilters, "updated_at", "updated_at", "id", filters)
        self._list.pager(None, None)  # raises for wrong filters
        self._windowed = delivery_country is None
        self._limit = limit
        self._concurrency = concurrency
        self._overlap = timedelta(seconds=overlap)

    def __aiter__(self) -> AsyncIterator[Stock]:
        return _Stocks(self._lists())

    def pages(self) -> AsyncIterator[list[Stock]]:
        """Iterate over the stocks, a page at a time."""
        return self._lists()

    def _lists(self) -> _Lists:
        reader = WindowReader[Stock](
            self._list,
            since=None,
            overlap=self._overlap,
            limit=self._limit,
            concurrency=self._concurrency,
            windowed=self._windowed,
        )
        return _Lists(reader)


class _Lists:
    """Iterator of pages; dropping it ends the calls."""

    def __init__(self, reader: WindowReader[Stock]) -> None:
        self._reader = reader
        self._loose: set[tuple[str, datetime | None]] = set()
        self._last: deque[list[tuple[Stock, datetime | None]]] = deque(maxlen=LAST)
        weakref.finalize(self, _drop, reader, asyncio.get_running_loop()).atexit = False

    def __aiter__(self) -> _Lists:
        return self

    async def __anext__(self) -> list[Stock]:
        while True:
            found, loose = await self._reader.next()
            if self._loose:
                found = [(stock, at) for stock, at in found if (stock.id, at) not in self._loose]
            self._last.append(found)
            stocks = [stock for stock, _ in found]
            if loose:  # any window may have found them
                given = {(stock.id, at) for rows in self._last for stock, at in rows} | self._loose
                stocks += [stock for stock, at in loose if (stock.id, at) not in given]
                self._loose.update((stock.id, at) for stock, at in loose)
            if stocks:
                return stocks

    async def aclose(self) -> None:
        """End the scan."""
        self._reader.check_home()
        self._reader.end()


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


def _drop(reader: WindowReader[Stock], loop: asyncio.AbstractEventLoop) -> None:  # in the garbage collector's thread
    if not loop.is_closed():
        loop.call_soon_threadsafe(reader.end)
