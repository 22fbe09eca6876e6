"""A bulk run: workers pull one shared iterator, and every item gets exactly one outcome.

``async with client.bulk.create_outbound(orders) as run: async for outcome in run: ...``

- Leaving the block without having iterated finishes the run. Leaving it in the middle of the iteration (``break``, an
  exception, a cancellation) stops it: nothing more is read, what is in flight is finished within ``drain`` seconds,
  and what was read but not sent is ``Skipped``. Outcomes that nobody took are in ``run.leftover``.
- An error of the input iterable or of the credentials ends the run and is raised after the outcomes known so far.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from ..errors import ClosedError, is_outcome_unknown
from .delivery import Delivery
from .intake import Intake
from .job import RUN_ENDING
from .look_ahead import end_all
from .outcomes import Failed, Outcome, Skipped, Unknown
from .source import END, broken_off

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from types import TracebackType

    from .job import Job, Options
    from .oddities import OddReferences
    from .outcomes import Summary

T = TypeVar("T")


class Run(Generic[T]):
    """One bulk run; enter it once, iterate it for outcomes in the order in which they are known."""

    def __init__(self, job: Job[T], items: Iterable[T] | AsyncIterable[T], options: Options) -> None:
        self.leftover: list[Outcome] = []
        self._job = job
        self._options = options
        self._delivery = Delivery(options, self._end)
        self._intake = Intake(job, items, options, self._delivery)
        self._main: asyncio.Task[None] | None = None
        self._taken = False
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        if self._main is not None:
            raise ClosedError("a run can be entered only once")
        self._delivery.begin()
        self._main = asyncio.create_task(self._run(), name="octoffm_async bulk run")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._taken:
                await self.wait()
        finally:
            self.stop()
            try:
                await self._settle()
            finally:
                self.leftover = self._delivery.rest()
        if exc is None:
            self._raise_error()

    @property
    def odd(self) -> OddReferences | None:
        """What tells of odd references; none where items have no reference of their own."""
        return self._job.odd

    @property
    def summary(self) -> Summary:
        """The counts so far."""
        if self._main is not None and not self._main.done():
            self._delivery.keep_time()
        self._count_odd()
        return self._delivery.summary

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._main is None:
            raise ClosedError("a run must be entered before it is iterated: async with … as run")
        self._taken = True
        if (outcome := self._delivery.get_nowait()) is not None:
            return outcome
        try:
            return await self._delivery.get()
        except StopAsyncIteration:
            self._raise_error()
            raise

    async def wait(self) -> Summary:
        """Finish the run without looking at the outcomes; the counts.

        Raises:
            ErrorBudgetExceededError, CredentialsRefusedError: what ended the run.
        """
        if self._main is None:
            raise ClosedError("a run must be entered before it is waited for: async with … as run")
        self._taken = True
        await self._delivery.drain()
        self._raise_error()
        return self._delivery.summary

    def stop(self) -> None:
        """Read no more items; what is in flight is finished."""
        self._intake.stop()
        self._delivery.widen()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _settle(self) -> None:
        """Let what is in flight finish, for so long; then cancel it. A second cancellation cancels it at once."""
        main = self._main
        if main is None or main.done():
            return
        try:
            await asyncio.wait([main], timeout=self._options.drain)
        finally:
            main.cancel()
            while not main.done():
                await asyncio.wait([main])

    async def _run(self) -> None:
        workers: list[asyncio.Task[None]] = []
        try:
            await self._job.start()
            self._intake.begin()
            work = self._decide_items if self._job.one_by_one else self._handle_batches
            workers += [
                asyncio.create_task(work(), name="octoffm_async bulk worker") for _ in range(self._options.workers)
            ]
            await asyncio.wait(workers)
            if any(worker.cancelled() or worker.exception() is not None for worker in workers):
                self._end(broken_off())
            await self._job.finish(self._delivery.in_turn)
        except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
            self._end(error)
        finally:
            try:
                await self._wind_up(workers)
            except Exception as error:  # noqa: BLE001  (of the input's own clean-up: raised to the consumer too)
                self._end(error)
            finally:
                self._delivery.report(last=True)
                self._delivery.close()

    async def _wind_up(self, workers: list[asyncio.Task[None]]) -> None:
        await end_all(workers)
        try:
            await self._intake.end()
            for outcome in self._job.undecided():
                self._delivery.now(outcome)
            await self._intake.close()
        finally:
            await self._job.close()
            self._count_odd()
            if self._job.odd is not None:
                self._job.odd.tell_all()

    def _count_odd(self) -> None:
        if self._job.odd is not None:
            self._delivery.summary.odd_references = self._job.odd.count

    async def _handle_batches(self) -> None:
        try:
            while not self._intake.stopping and (batch := await self._intake.collect()):
                await self._handle(batch)
        except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
            self._end(error)

    async def _decide_items(self) -> None:
        """What each item of a large run passes: whatever can be looked up once is looked up before."""
        job, intake, delivery, summary = self._job, self._intake, self._delivery, self._delivery.summary
        send, outcome_of, outcome_before = job.send, job.outcome, intake.outcome_before
        screened, ready, offer = intake.is_screened, intake.ready, delivery.offer
        try:
            while not intake.stopping:
                item = next(ready, END)
                if item is END and (item := await intake.awaited()) is END:
                    return
                outcome = None if screened else outcome_before(item)
                if outcome is None:
                    summary.in_flight += 1
                    try:
                        answer = await send(item)
                    except BaseException as error:  # noqa: BLE001  (raised again, unless it is the item's outcome)
                        outcome = self._outcome_of_error(item, error)
                    else:
                        try:
                            outcome = outcome_of(item, answer)
                        except Exception as error:  # noqa: BLE001  (ends the run)
                            outcome = self._not_noted(item, error)
                    finally:
                        summary.in_flight -= 1
                if outcome is not None and not offer(outcome):
                    await delivery.in_turn(outcome)
        except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
            self._end(error)

    def _not_noted(self, item: T, error: Exception) -> Outcome:
        """The outcome of an item that was answered when that could not be written down: the run ends."""
        self._end(error)
        return Unknown(key=self._job.key(item), reason=f"it was answered, and that was not noted: {error}", error=error)

    def _outcome_of_error(self, item: T, error: BaseException) -> Outcome | None:
        """The item's outcome, if that is what the error means."""
        if error.__traceback__ is not None:  # an outcome that is kept must not hold the worker, and so the whole run
            error.__traceback__ = error.__traceback__.tb_next
        try:
            return self._job.outcome_of_error(item, error)
        except BaseException as raised:
            self._settle_rest([item], set(), error if is_outcome_unknown(error) else raised)
            if not isinstance(raised, RUN_ENDING):
                raise
            self._end(raised)
            return None

    async def _handle(self, batch: list[T]) -> None:
        decided: set[str] = set()

        async def deliver(outcome: Outcome) -> None:
            decided.add(outcome.key)
            await self._delivery.in_turn(outcome)

        self._delivery.summary.in_flight += len(batch)
        try:
            await self._job.handle(batch, deliver)
        except BaseException as error:
            self._settle_rest(batch, decided, error)
            if not isinstance(error, RUN_ENDING):
                raise
            self._end(error)
        finally:
            self._delivery.summary.in_flight -= len(batch)

    def _settle_rest(self, batch: list[T], decided: set[str], error: BaseException) -> None:
        """Items whose handling broke off: unknown if they may have been sent, else failed or skipped."""
        decided |= self._job.undecided_keys()  # these get theirs in the end
        for key in [key for item in batch if (key := self._job.key(item)) not in decided]:
            if isinstance(error, RUN_ENDING):
                self._delivery.now(Failed(key=key, error=error))
            elif isinstance(error, asyncio.CancelledError) and not is_outcome_unknown(error):
                self._delivery.now(Skipped(key=key, reason="the run was stopped before it was sent"))
            else:
                cause = error if isinstance(error, Exception) else None
                self._delivery.now(Unknown(key=key, reason=f"broken off: {type(error).__name__} {error}", error=cause))

    def _end(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self._intake.hurry()
