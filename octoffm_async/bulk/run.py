"""A bulk run: workers pull from one shared iterator, and every item gets exactly one outcome.

``async with client.bulk.create_outbound(orders) as run: async for outcome in run: ...``

The way of an item through a run:

1. *Input.* The run pulls the item from the caller's iterable (:mod:`.item_source`), and never reads further ahead than
its workers need.
2. *Checks* (:mod:`.intake`). The job validates the item: an invalid one is ``Refused`` and never sent.
   The run compares its key with all earlier keys of the input (:mod:`..disk.seen_keys`): a duplicate is ``Skipped``,
   and a duplicate with another payload is ``Refused``.
3. *Screening*, in jobs that look items up before they send them (with a journal or ``verify_first``). The run
   prefetches a few hundred items at a time (:mod:`.prefetch`). The job looks up their keys in the journal, delivers
   the outcomes of decided items, keeps undecided ones for the end, and writes the others to the journal as sent,
   durably, before a worker gets them (:mod:`.durable.job`).
4. *Call.* One of ``concurrency`` workers takes the item and sends it through the session, which applies limits and
   retries. A job that is ``one_by_one`` makes one call per item; others, such as products, handle a batch in one call.
5. *Outcome.* The job turns the response or the error into an outcome and writes it behind to the journal. The run
   counts it and puts it into a bounded queue (:mod:`.output`). If the consumer is slow, the queue fills and the
   workers wait, and so does the reading of the input.
6. *End.* After the last item, the job's ``finish`` decides the pending items: it reconciles undecided ones with the
   remote side, sends absent ones again, and tracks created ones to their status (:mod:`.durable.pending_items`). Items
   that still have no outcome get one from ``undecided``.

The end of a run:

- Leaving the block without having iterated finishes the run. Leaving it in the middle of the iteration (``break``, an
  exception, a cancellation) stops it: the run reads no more items, finishes the calls in flight within ``drain``
  seconds, and reports items that it read but did not send as ``Skipped``. Outcomes that the consumer did not take are
  in ``run.leftover``.
- An error of the input iterable, of the credentials or of the journal ends the run and is raised after the outcomes
  known so far. So does an exceeded error budget (``max_failures``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from ..affinity import Affinity
from ..errors import ClosedError, is_outcome_unknown
from .intake import RunInput
from .item_source import END, broken_off
from .job import RUN_ENDING
from .outcomes import Failed, Outcome, Skipped, Unknown
from .output import ItemOutcomeQueue, OutcomeQueue
from .prefetch import end_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from types import TracebackType

    from ..session.run_trace import RunTrace
    from .job import Job, RunOptions
    from .odd_references import OddReferences
    from .outcomes import Summary
    from .output import BoundedQueue

T = TypeVar("T")
OutcomeT_co = TypeVar("OutcomeT_co", bound=Outcome, covariant=True)


class Run(Generic[T, OutcomeT_co]):
    """One bulk run; enter it once, and iterate it for outcomes in the order in which they become known.

    ``Run[Item, Outcome]`` names the type of the items and that of their outcomes: a ``match`` over the outcomes that
    this run has is exhaustive, and ``assert_never`` passes in its last case.

    ``check`` raises if the client is not open here. A run belongs to the event loop on which it was entered.
    """

    def __init__(
        self,
        job: Job[T],
        items: Iterable[T] | AsyncIterable[T],
        options: RunOptions,
        check: Callable[[], None] = lambda: None,
        trace: RunTrace | None = None,
    ) -> None:
        self.leftover: list[OutcomeT_co] = []
        self._affinity = Affinity("the run")
        self._check = check
        self._job = job
        self._options = options
        self._delivery = (ItemOutcomeQueue if options.with_items else OutcomeQueue)(options, self._end)
        self._outcomes = cast("BoundedQueue[OutcomeT_co]", self._delivery)  # a job makes the outcomes of its kind only
        self._items = items
        self._intake = RunInput(job, items, options, self._delivery)
        self._main: asyncio.Task[None] | None = None
        self._taken = False
        self._error: Exception | None = None
        self._trace = trace

    async def __aenter__(self) -> Self:
        if self._main is not None:
            raise ClosedError("a run can be entered only once")
        self._check()
        self._affinity.bind()
        self._delivery.begin()
        context = None if self._trace is None else self._trace.start()
        self._main = asyncio.create_task(self._run(), name="octoffm_async bulk run", context=context)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._affinity.is_elsewhere():  # of a fork within the block: an exit of the child must remain an exit
            if exc is None:
                self._affinity.refuse()
            return
        try:
            if exc is None and not self._taken:
                await self.wait()
        finally:
            self.stop()
            try:
                await self._settle()
            finally:
                self.leftover = self._outcomes.rest()
                self._affinity.release()
        if exc is None:
            self._raise_error()

    @property
    def _odd(self) -> OddReferences | None:
        """Check of odd references; ``None`` where items have no reference of their own."""
        return self._job.odd

    @property
    def run_id(self) -> str | None:
        """Name of the run in its journal; ``None`` before its first item is read, and without a journal."""
        return self._job.run_id

    @property
    def summary(self) -> Summary:
        """The counts so far."""
        if self._main is not None and not self._main.done():
            self._delivery.keep_time()
        self._count_input()
        self._delivery.summary.looking_up, self._delivery.summary.following = self._job.awaited()
        return self._delivery.summary

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> OutcomeT_co:
        # The loop is compared only where this waits: asking for the running one is a system call in Python 3.11.
        if self._taken and self._affinity.loop is not None and (outcome := self._outcomes.get_nowait()) is not None:
            return outcome
        if self._main is None:
            raise ClosedError("a run must be entered before it is iterated: async with … as run")
        self._affinity.check_home()
        self._taken = True
        try:
            return await self._outcomes.get()
        except StopAsyncIteration:
            self._raise_error()
            raise

    async def wait(self) -> Summary:
        """Finish the run and discard the outcomes; return the counts.

        Raises:
            ErrorBudgetExceededError, CredentialsRefusedError: the error that ended the run.
        """
        if self._main is None:
            raise ClosedError("a run must be entered before it is waited for: async with … as run")
        self._affinity.check_home()
        self._taken = True
        await self._delivery.drain()
        self._raise_error()
        return self._delivery.summary

    def stop(self) -> None:
        """Stop reading items; calls in flight are finished."""
        self._affinity.check_home()
        self._intake.stop()
        self._delivery.widen()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def _settle(self) -> None:
        """Let calls in flight finish within ``drain`` seconds, then cancel them.

        A second cancellation cancels them at once.
        """
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
                if self._trace is not None:
                    self._trace.finish(self._delivery.summary.counts(), self._error)
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
            self._count_input()
            if self._job.odd is not None:
                self._job.odd.tell_all()

    def _count_input(self) -> None:
        summary = self._delivery.summary
        if self._job.odd is not None:
            summary.odd_references = self._job.odd.count
        rejected = getattr(self._items, "rejected", 0)  # of a file of items; another input has none
        summary.rejected = rejected if isinstance(rejected, int) else 0

    async def _handle_batches(self) -> None:
        try:
            while not self._intake.stopping and (batch := await self._intake.collect()):
                await self._handle(batch)
        except Exception as error:  # noqa: BLE001  (raised to the consumer, behind the outcomes)
            self._end(error)

    async def _decide_items(self) -> None:
        """Handle items one by one, in each worker; attributes are looked up once, as the loop runs for every item."""
        job, intake, delivery, summary = self._job, self._intake, self._delivery, self._delivery.summary
        send, outcome_of = job.send, job.outcome
        outcome_before = intake.outcome_before_with_item if self._options.with_items else intake.outcome_before
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
        """Return the outcome of an item whose response could not be written to the journal, and end the run."""
        self._end(error)
        return Unknown(key=self._job.key(item), reason=f"its response could not be recorded: {error}", error=error)

    def _outcome_of_error(self, item: T, error: BaseException) -> Outcome | None:
        """Return the outcome that an error means for the item; ``None`` if the error ends the run."""
        try:
            outcome = self._job.outcome_of_error(item, error)
        except BaseException as raised:
            self._settle_rest([item], set(), error if is_outcome_unknown(error) else raised)
            if not isinstance(raised, RUN_ENDING):
                raise
            self._end(raised)
            return None
        # A kept outcome must not reference this worker, and so the whole run. Each frame may reference its caller's.
        error.__traceback__ = None
        return outcome

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
        """Deliver outcomes of interrupted items: unknown if they may have changed something, else failed or skipped."""
        decided |= self._job.undecided_keys()  # these get their outcomes at the end
        for key in [key for item in batch if (key := self._job.key(item)) not in decided]:
            if isinstance(error, RUN_ENDING):
                self._delivery.now(Failed(key=key, error=error))
            elif isinstance(error, asyncio.CancelledError) and not is_outcome_unknown(error):
                self._delivery.now(Skipped(key=key, reason="the run was stopped before it was sent"))
            elif self._job.reads_only:
                self._delivery.now(Failed(key=key, error=error if isinstance(error, Exception) else broken_off()))
            else:
                cause = error if isinstance(error, Exception) else None
                self._delivery.now(Unknown(key=key, reason=f"broken off: {type(error).__name__} {error}", error=cause))

    def _end(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self._intake.hurry()
