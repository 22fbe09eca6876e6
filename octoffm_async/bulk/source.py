"""One iterator that many workers pull from, whether the caller gave a sync or an async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Source(Generic[T]):
    """Items one by one, each to one worker. The input is never read ahead of the workers."""

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        if isinstance(items, AsyncIterable):
            self._async: AsyncIterator[T] | None = aiter(items)
            self._sync: Iterator[T] = iter(())
        else:
            self._async = None
            self._sync = iter(items)
        self._turn = asyncio.Lock()
        self._ended = False

    async def next(self) -> T:
        """The next item.

        Raises:
            StopAsyncIteration: there are no more.
        """
        if self._async is None:
            for item in self._sync:
                return item
            raise StopAsyncIteration
        async with self._turn:  # an async generator must not be asked twice at once
            if self._ended:
                raise StopAsyncIteration
            try:
                return await anext(self._async)
            except BaseException:
                self._ended = True
                raise
