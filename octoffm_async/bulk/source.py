"""One iterator that many workers pull from, whether the caller gave a sync or an async iterable."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from enum import Enum, auto
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class End(Enum):
    """What no item is."""

    END = auto()


END = End.END


def broken_off() -> RuntimeError:
    """What to tell of an input that raised what is no ``Exception``."""
    return RuntimeError("the input was cancelled before it was read to its end")


class Source(Generic[T]):
    """Items one by one, each to one worker. The input is never read ahead of the workers."""

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        if isinstance(items, AsyncIterable):
            self._async: AsyncIterator[T] | None = aiter(items)
            self._sync: Iterator[T] = iter(())
        else:
            self._async = None
            self._sync = iter(items)
        made = self._sync if self._async is None else self._async
        self._ours = made is not items or inspect.isgenerator(made) or inspect.isasyncgen(made)
        self._turn = asyncio.Lock()
        self._ended = self._stopped = False
        self._readers: set[asyncio.Task[Any]] = set()

    @property
    def is_ready(self) -> bool:
        """Whether the next item is there without waiting: of a sync input, or one that says so by ``ready``."""
        return self._async is None or getattr(self._async, "ready", False) is True

    def take_ready(self, items: list[T], most: int) -> None:
        """Add to ``items`` what a sync input has, up to ``most`` in all; of another input, nothing.

        Raises whatever the input does; what it gave before is there.
        """
        if self._async is not None or len(items) >= most:
            return
        for item in self._sync:
            items.append(item)
            if len(items) >= most or self._stopped:
                return

    @property
    def ready(self) -> Iterator[T]:
        """The items of a sync input, which are there without waiting; of another input, none."""
        return self._sync

    async def next(self) -> T:
        """The next item.

        Raises:
            StopAsyncIteration: there are no more.
        """
        if self._async is None:
            for item in self._sync:
                return item
            raise StopAsyncIteration
        if self._ended:
            raise StopAsyncIteration
        reader = cast("asyncio.Task[Any]", asyncio.current_task())
        self._readers.add(reader)
        try:
            async with self._turn:  # an async generator must not be asked twice at once
                return await self._next(self._async)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            reader.uncancel()
            raise StopAsyncIteration from None
        finally:
            self._readers.discard(reader)

    async def _next(self, items: AsyncIterator[T]) -> T:
        if self._ended:
            raise StopAsyncIteration
        try:
            return await anext(items)
        except BaseException:
            self._ended = True
            raise

    async def close(self) -> None:
        """Let a generator, or an iterator made here, end now rather than when it is collected.

        What the caller handed over as an iterator of its own (a file, a stream) stays open.
        """
        if not self._ours:
            return
        if self._async is None:
            close: Callable[[], None] | None = getattr(self._sync, "close", None)
            if close is not None:
                close()
        else:
            aclose: Callable[[], Awaitable[None]] | None = getattr(self._async, "aclose", None)
            if aclose is not None:
                await aclose()

    def stop(self) -> None:
        """Give no more items; whoever waits for one is told that there are none."""
        self._ended = self._stopped = True
        for reader in self._readers:
            reader.cancel()
