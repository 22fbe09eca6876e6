"""One iterator from which many workers pull, over a sync or an async iterable."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from enum import Enum, auto
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class End(Enum):
    """Sentinel: end of the input."""

    END = auto()


END = End.END


def broken_off() -> RuntimeError:
    """Return the error for an input that raised a ``BaseException``."""
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
        self._anext_lock = asyncio.Lock()
        self._ended = self._stopped = False
        self._readers: set[asyncio.Task[Any]] = set()

    @property
    def is_ready(self) -> bool:
        """True if the next item is available without waiting: of a sync input, or one whose ``ready`` is True."""
        return self._async is None or getattr(self._async, "ready", False) is True

    def take_ready(self, items: list[T], most: int) -> None:
        """Add items of a sync input to ``items``, up to ``most`` in all; of another input, none.

        Errors of the input are raised as they are; items before the error are added.
        """
        if self._async is not None or len(items) >= most:
            return
        for item in self._sync:
            items.append(item)
            if len(items) >= most or self._stopped:
                return

    @property
    def ready(self) -> Iterator[T]:
        """Items of a sync input, which are available without waiting; of another input, none."""
        return self._sync

    async def next(self) -> T:
        """Return the next item.

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
            async with self._anext_lock:  # an async generator allows one anext() at a time
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
        """Close a generator, or an iterator made here, now rather than when it is collected.

        An iterator of the caller's own (a file, a stream) stays open.
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
        """Return no more items; a waiting worker gets the end of the input."""
        self._ended = self._stopped = True
        for reader in self._readers:
            reader.cancel()
