"""How outcomes leave a run: counted, reported, and handed to the consumer as fast as it takes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from ..errors import ErrorBudgetExceededError
from .outbox import Outbox
from .outcomes import Created, Outcome, Summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from .job import Options

PROGRESS_SECONDS = 0.25  # a person's eye, not the loop, is who reads it
OUTBOX_ROOM = 1024


class Delivery(Outbox[Outcome]):
    """The outcomes of one run. ``end`` is called with what must end it."""

    def __init__(self, options: Options, end: Callable[[Exception], None]) -> None:
        super().__init__(OUTBOX_ROOM)
        self._options = options
        self._end = end
        self._progress_at = 0.0
        self._started = 0.0
        self._watched = options.max_failures is not None or options.on_progress is not None
        self.summary = Summary()

    def begin(self) -> None:
        """The time counts from now on."""
        self._started = asyncio.get_running_loop().time()

    def keep_time(self) -> None:
        """Note how long it takes so far."""
        self.summary.seconds = asyncio.get_running_loop().time() - self._started

    async def in_turn(self, outcome: Outcome) -> None:
        """Leave an outcome when there is room."""
        try:
            await self.put(outcome)
        finally:  # it is left even if the waiting for room was cancelled
            self.summary.count(outcome)
            if self._watched:
                self._look()

    def offer(self, outcome: Outcome) -> bool:
        """Leave an outcome if there is room; whether there was. Each item of a large run comes here."""
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
        """Leave an outcome, room or not."""
        self.put_nowait(outcome)
        self.summary.count(outcome)
        if self._watched:
            self._look()

    def all_now(self, outcomes: list[Outcome]) -> None:
        """Leave outcomes of items that were not sent, room or not: no error budget counts them."""
        self.put_all_nowait(outcomes)
        self.summary.count_all(outcomes)
        if outcomes and self._options.on_progress is not None:
            self.report()

    def report(self, *, last: bool = False) -> None:
        """Tell of the progress, if it is time."""
        now = asyncio.get_running_loop().time()
        if last or now >= self._progress_at:
            self._progress_at = now + PROGRESS_SECONDS
            self.summary.seconds = now - self._started
            if self._options.on_progress is not None:
                try:
                    self._options.on_progress(msgspec.structs.replace(self.summary))
                except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
                    self._end(error)

    def _look(self) -> None:
        """See what one more outcome means for the error budget and for those who watch."""
        allowed = self._options.max_failures
        if allowed is not None and self.summary.bad > allowed:
            self._end(
                ErrorBudgetExceededError(f"stopped: {self.summary.bad} items were not created, {allowed} allowed")
            )
        if self._options.on_progress is not None:
            self.report()
