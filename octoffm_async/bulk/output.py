"""A bounded queue between workers and consumer, so that a slow consumer slows the workers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from msgspec.structs import replace

from ..errors import ErrorBudgetExceededError
from .outcomes import Created, Outcome, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .job import RunOptions

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


PROGRESS_SECONDS = 0.25  # fast enough for a person's eye
OUTBOX_ROOM = 1024


class OutcomeQueue(BoundedQueue[Outcome]):
    """Queue of one run's outcomes. ``end`` is called with an error that must end the run."""

    def __init__(self, options: RunOptions, end: Callable[[Exception], None]) -> None:
        super().__init__(OUTBOX_ROOM)
        self._options = options
        self._end = end
        self._progress_at = 0.0
        self._started = 0.0
        self._watched = options.max_failures is not None or options.on_progress is not None
        self.summary: Summary = Summary()

    def begin(self) -> None:
        """Start the clock."""
        self._started = asyncio.get_running_loop().time()

    def keep_time(self) -> None:
        """Write the elapsed time into the summary."""
        self.summary.seconds = asyncio.get_running_loop().time() - self._started

    async def in_turn(self, outcome: Outcome) -> None:
        """Put an outcome into the queue when there is room."""
        try:
            await self.put(outcome)
        finally:  # the outcome is queued even if waiting for room was cancelled
            self.summary.count(outcome)
            if self._watched:
                self._look()

    def offer(self, outcome: Outcome) -> bool:
        """Put an outcome into the queue if there is room; return True if there was.

        Called for each item of a large run.
        """
        items, summary = self._items, self.summary
        if len(items) >= self._room:
            return False
        items.append(outcome)
        if self._idle:
            self._tell()
        if type(outcome) is Created:  # nearly all
            summary.total += 1
            summary.created += 1
        else:
            summary.count(outcome)
        if self._watched:
            self._look()
        return True

    def now(self, outcome: Outcome) -> None:
        """Put an outcome into the queue, room or not."""
        self.put_nowait(outcome)
        self.summary.count(outcome)
        if self._watched:
            self._look()

    def all_now(self, outcomes: list[Outcome]) -> None:
        """Put outcomes of unsent items into the queue, room or not: the error budget does not count them."""
        self.put_all_nowait(outcomes)
        self.summary.count_all(outcomes)
        if outcomes and self._options.on_progress is not None:
            self.report()

    def report(self, *, last: bool = False) -> None:
        """Report the progress, if it is time."""
        now = asyncio.get_running_loop().time()
        if last or now >= self._progress_at:
            self._progress_at = now + PROGRESS_SECONDS
            self.summary.seconds = now - self._started
            if self._options.on_progress is not None:
                try:
                    self._options.on_progress(replace(self.summary))
                except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
                    self._end(error)

    def _look(self) -> None:
        """Check the error budget and report progress after one more outcome."""
        allowed = self._options.max_failures
        if allowed is not None and self.summary.bad > allowed:
            self._end(
                ErrorBudgetExceededError(f"stopped: {self.summary.bad} items were not created, {allowed} allowed")
            )
        if self._options.on_progress is not None:
            self.report()


_NO_ITEM: Final = object()
"""Mark of an outcome whose item is ``None`` itself, so that it does not get the item of another one with its key."""


class ItemOutcomeQueue(OutcomeQueue):
    """Queue that puts the items of the input onto their outcomes.

    Keys of accepted items are unique in a run, so that the outcome of such an item is recognised by its key. Outcomes
    of other items (invalid ones, duplicates, those of a stopped run) are made by the input, which knows the item
    (:meth:`of_item`). Only items without an outcome are kept.
    """

    def __init__(self, options: RunOptions, end: Callable[[Exception], None]) -> None:
        super().__init__(options, end)
        self._kept: dict[str, object] = {}

    def keep(self, key: str, item: object) -> None:
        """Keep an accepted item until its outcome is put into the queue."""
        self._kept[key] = item

    @staticmethod
    def of_item(outcome: Outcome, item: object) -> Outcome:
        """Return the outcome with its item."""
        return replace(outcome, item=_NO_ITEM if item is None else item)

    async def in_turn(self, outcome: Outcome) -> None:
        await super().in_turn(self._with_item(outcome))

    def offer(self, outcome: Outcome) -> bool:
        return self.has_room(1) and super().offer(self._with_item(outcome))

    def now(self, outcome: Outcome) -> None:
        super().now(self._with_item(outcome))

    def all_now(self, outcomes: list[Outcome]) -> None:
        super().all_now(list(map(self._with_item, outcomes)))

    def close(self) -> None:
        self._kept.clear()
        super().close()

    def _with_item(self, outcome: Outcome) -> Outcome:
        item: Any = outcome.item
        if item is not None:
            return replace(outcome, item=None) if item is _NO_ITEM else outcome
        return replace(outcome, item=self._kept.pop(outcome.key, None))
