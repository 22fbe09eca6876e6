"""Work that runs ahead of its demand, such as the request for a next page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class Background:
    """Tasks that may never be awaited. The error of such a task is dropped: the next request meets it again."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start a task; await it for its result."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Release a task from management, because a caller awaits it now."""
        self._tasks.discard(task)

    def cancel(self) -> None:
        """Cancel all tasks that run."""
        for task in self._tasks:
            task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
