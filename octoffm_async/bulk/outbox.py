"""A bounded queue between workers and consumer, so that a slow consumer slows the workers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """Bounded queue that can be closed, and unbounded when the consumer stops reading."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._news = asyncio.Event()
        self._space = asyncio.Event()
        self._idle = False
        self._closed = False

    async def put(self, item: T) -> None:
        """Put an item, waiting for room; it is put even if the wait is cancelled."""
        try:
            while len(self._items) >= self._room:
                self._space.clear()
                await self._space.wait()
        finally:
            self.put_nowait(item)

    def get_nowait(self) -> T | None:
        """Get an item, if there is one and no worker waits for room."""
        items = self._items
        return items.popleft() if items and len(items) < self._room else None

    async def get(self) -> T:
        """Get an item, waiting for one.

        Raises:
            StopAsyncIteration: the queue is closed and empty.
        """
        items = self._items
        while not items:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            self._idle = True
            await self._news.wait()
        if len(items) >= self._room:
            self._space.set()
        return items.popleft()

    async def drain(self) -> None:
        """Discard all items until the queue is closed."""
        self._items = deque(maxlen=0)
        self._space.set()
        while not self._closed:
            self._news.clear()
            await self._news.wait()

    def has_room(self, count: int) -> bool:
        """Return True if :meth:`put` would not wait, ``count`` times."""
        return len(self._items) + count <= self._room

    def put_nowait(self, item: T) -> None:
        """Put an item beyond the bound."""
        self._items.append(item)
        if self._idle:
            self._tell()

    def put_all_nowait(self, items: Iterable[T]) -> None:
        """Put items beyond the bound."""
        self._items += items
        if self._idle:
            self._tell()

    def widen(self) -> None:
        """Remove the bound: further items are limited by the number of calls in flight."""
        self._room = 1 << 62
        self._space.set()

    def close(self) -> None:
        """Close the queue: no further items follow."""
        self._closed = True
        self._news.set()

    def rest(self) -> list[T]:
        """Get all remaining items."""
        left = list(self._items)
        self._items.clear()
        return left

    def _tell(self) -> None:
        """Wake the waiting consumer, once."""
        self._idle = False
        self._news.set()
