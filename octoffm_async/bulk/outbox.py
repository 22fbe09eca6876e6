"""Where workers leave outcomes and the consumer takes them: bounded, so that a slow consumer slows the workers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Outbox(Generic[T]):
    """A bounded hand-over that can be closed, and widened when nobody takes any more."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[T] = deque()
        self._news = asyncio.Event()
        self._space = asyncio.Event()
        self._idle = False
        self._closed = False

    async def put(self, item: T) -> None:
        """Leave an item, waiting for room; it is left even if the waiting is cancelled."""
        try:
            while len(self._items) >= self._room:
                self._space.clear()
                await self._space.wait()
        finally:
            self.put_nowait(item)

    def get_nowait(self) -> T | None:
        """Take an item, if there is one and nobody waits for room."""
        items = self._items
        return items.popleft() if items and len(items) < self._room else None

    async def get(self) -> T:
        """Take an item, waiting for one.

        Raises:
            StopAsyncIteration: it is closed and empty.
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
        """Take everything until it is closed, and look at nothing."""
        self._items = deque(maxlen=0)
        self._space.set()
        while not self._closed:
            self._news.clear()
            await self._news.wait()

    def has_room(self, count: int) -> bool:
        """Whether :meth:`put` would not wait, so many times."""
        return len(self._items) + count <= self._room

    def put_nowait(self, item: T) -> None:
        """Leave an item beyond the bound."""
        self._items.append(item)
        if self._idle:
            self._tell()

    def put_all_nowait(self, items: Iterable[T]) -> None:
        """Leave items beyond the bound."""
        self._items += items
        if self._idle:
            self._tell()

    def widen(self) -> None:
        """Stop bounding: what is still to come is bounded by what is in flight."""
        self._room = 1 << 62
        self._space.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()

    def rest(self) -> list[T]:
        """Take all that is left."""
        left = list(self._items)
        self._items.clear()
        return left

    def _tell(self) -> None:
        """Wake who waits for news; it is told once."""
        self._idle = False
        self._news.set()
