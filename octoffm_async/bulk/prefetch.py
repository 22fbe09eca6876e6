"""A prefetcher: items are prepared ahead of the workers that handle them, in chunks.

While one chunk is looked up the next is read, and when few prepared items are left the next are prepared: workers and
journal do not wait for each other. The number of prepared items is bounded by two chunks and a low-water mark.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from .item_source import END, End, broken_off

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

T = TypeVar("T")

FILLERS = 2


async def end_all(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until all have ended. A cancellation meanwhile is raised at the caller's next await."""
    for task in tasks:
        task.cancel()
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and (current := asyncio.current_task()) is not None:
        current.cancel()


class Prefetcher(Generic[T]):
    """Queue of prepared items.

    ``fill`` prepares the next chunk when at most ``low`` are left, and returns ``None`` at the end.
    """

    def __init__(self, fill: Callable[[], Awaitable[list[T] | None]], *, low: int) -> None:
        self.low = low
        self._fill = fill
        self._items: deque[T] = deque()
        self._fillers: list[asyncio.Task[None]] = []
        self._filling = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._error: Exception | None = None
        self.ready: Iterator[T | End] = self._taken()
        """Iterator over items that are available without waiting; it yields ``END`` each time there is none."""

    async def next(self) -> T:
        """Return the next item.

        Raises:
            StopAsyncIteration: there is none.
        """
        if not self._fillers:
            self._filling = FILLERS
            self._fillers = [
                asyncio.create_task(self._work(), name="octoffm_async bulk look-ahead") for _ in range(FILLERS)
            ]
        while not self._items:
            if not self._filling:
                self._raise_error()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        item = next(self.ready)
        assert item is not END  # noqa: S101
        return item

    async def close(self) -> list[T]:
        """Stop reading ahead; return the items that no worker took."""
        await end_all(self._fillers)
        left = list(self._items)
        self._items.clear()
        return left

    def _taken(self) -> Iterator[T | End]:
        items = self._items
        while True:
            if not items:
                yield END
                continue
            item = items.popleft()
            if len(items) <= self.low:
                self._room.set()
            yield item

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _work(self) -> None:
        try:
            while (some := await self._fill()) is not None:
                if some:  # else each waiting worker would wake for nothing: a resumed run may skip a million items
                    self._items += some
                    self._news.set()
                while len(self._items) > self.low:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # noqa: BLE001  (raised to a worker)
            self._error = self._error or error
        except BaseException:
            self._error = self._error or broken_off()
            raise
        finally:
            self._filling -= 1
            self._news.set()
