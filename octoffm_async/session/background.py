"""Work that runs ahead of its demand, such as the request for a next page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class Background:
    """Tasks that nobody may come to await. An error of such a one is dropped: it is met again by whoever asks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start work; await the task for its result."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Somebody awaits this one now: leave it alone."""
        self._tasks.discard(task)

    def cancel(self) -> None:
        """Cancel all that is under way."""
        for task in self._tasks:
            task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
