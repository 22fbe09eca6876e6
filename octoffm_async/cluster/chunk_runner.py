"""The processing of one chunk: a bulk run with the journal over its items, and the counts of their outcomes.

The last chunk of a job that follows its orders has no items (:class:`FollowingRunner`): one scan of the changes serves
all orders of the job, where a scan for each chunk would read the same list a thousand times.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..bulk.durable.settings import JournalOptions, outcome_of_match, settle
from ..bulk.job import RUN_ENDING
from ..bulk.outcomes import Created, Failed, Refused, Skipped, Unknown
from ..bulk.reconciliation.reconcile import utc_now
from ..errors import CallError, CredentialsRefusedError, FencedError, JournalError, OtherEnvironmentError
from ..journal.base import LOOK_UP_MOST
from ..journal.environment import environment_of
from ..journal.states import State
from .jobs import ItemCounts, creation_type_of
from .scheduling import CHUNK_SECONDS, ChunkReport
from .submission import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..bulk.outcomes import Outcome
    from ..bulk.run import Run
    from ..client import FulfillmentClient
    from ..journal.base import Journal, JournalRun
    from .scheduling import ChunkLease

DRAIN = 20.0
"""Seconds for which a worker that must stop waits for the requests in flight."""
FIRST_LOOK, LAST_LOOK = 2.0, 300.0
"""Least and most seconds between two looks at the orders of a job, a tenth of the time since the last was sent."""
WORKER_ERRORS = (CredentialsRefusedError, FencedError, OtherEnvironmentError)
"""Errors that would end every further chunk of this worker too."""
logger: logging.Logger = logging.getLogger("octoffm_async")


class TimedIterator:
    """An iterator over a chunk's items that ends early when its time is over or :meth:`stop` is called."""

    def __init__(self, items: Iterable[Any], *, seconds: float) -> None:
        self.out: int = 0
        self.ended_early: bool = False
        self._items = iter(items)
        self._ends = asyncio.get_running_loop().time() + seconds

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if not self.ended_early and asyncio.get_running_loop().time() > self._ends:
            self.ended_early = True
        if self.ended_early:
            raise StopIteration
        item = next(self._items)
        self.out += 1
        return item

    def stop(self) -> None:
        """End the iteration."""
        self.ended_early = True


class ChunkRunner:
    """The processing of one chunk by this worker. ``on_outcome`` is called with each item's outcome."""

    def __init__(
        self, lease: ChunkLease, client: FulfillmentClient, journal: Journal, *, on_outcome: Callable[[Outcome], None]
    ) -> None:
        self.lease: ChunkLease = lease
        self._client = client
        self._journal = journal
        self._on_outcome = on_outcome
        self._counts = ItemCounts()
        self._created_before: list[str] = []
        self._items: TimedIterator | None = None
        self._run: Run[Any, Any] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Stop reading items, and let the requests in flight finish."""
        self._stopped = True
        if self._items is not None:
            self._items.stop()
        if self._run is not None:
            self._run.stop()

    async def run(self, *, seconds: float = CHUNK_SECONDS, keep_run: Callable[[str, str], Any]) -> ChunkReport:
        """Process the chunk, or as much of it as ``seconds`` allow. ``keep_run`` stores the journal's run of a job.

        Raises:
            CredentialsRefusedError, FencedError, OtherEnvironmentError: this worker can process no further chunk.
            JournalError: the journal cannot be used now.
        """
        lease = self.lease
        try:
            chunk = unpack(lease.payload, creation_type_of(lease.operation))
        except ValueError as error:
            return ChunkReport(counts=ItemCounts(unsent=lease.items), problem=str(error))
        journal_run = await self._begin_run()
        if lease.run is None:
            await keep_run(lease.job, journal_run.run)
        self._items = items = TimedIterator((one.item for one in chunk), seconds=seconds)
        if self._stopped:
            items.stop()
        problem = await self._send_items(items, journal_run)
        await self._count_already_created(journal_run)
        self._counts.unsent += len(chunk) - sum(self._counts.as_dict().values())
        return ChunkReport(counts=self._counts, problem=problem, is_postponed=items.ended_early)

    def broken_off(self, error: Exception, *, is_postponed: bool) -> ChunkReport:
        """Return the result of a chunk that an error ended; the chunk is not done, for outcomes may be unwritten."""
        self._counts.unsent += self.lease.items - sum(self._counts.as_dict().values())
        return ChunkReport(
            counts=self._counts, problem=str(error) or repr(error), is_postponed=is_postponed, is_incomplete=True
        )

    async def _begin_run(self) -> JournalRun:
        lease = self.lease
        return await self._journal.begin_run(
            seller=lease.seller,
            operation=lease.operation,
            run=lease.run,
            source=f"{lease.source} (job {lease.job})",
            environment=environment_of(self._client.config),
        )

    async def _send_items(self, items: TimedIterator, journal_run: JournalRun) -> str:
        """Send the items; return the last problem as text, or an empty text."""
        lease, problem = self.lease, ""
        journaling = JournalOptions(
            journal=self._journal,
            seller_id=lease.seller,
            operation=lease.operation,
            patience=lease.how.patience,
            resend_unknown=lease.how.resend_unknown,
            run=journal_run.run,
        )
        # One run of the journal is shared by many workers, which no other program can do.
        create = self._client.seller(lease.seller).bulk._create  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        run = create(lease.operation, items, journaling=journaling, drain=DRAIN)
        self._run = run
        try:
            async with run:
                async for outcome in run:
                    problem = self._note(outcome) or problem
        finally:
            self._run = None
            for outcome in run.leftover:
                problem = self._note(outcome) or problem
        return problem

    def _note(self, outcome: Outcome) -> str:
        """Count an outcome; return its problem if a retry may solve it, else an empty text."""
        counts = self._counts
        match outcome:
            case Created():
                counts.created += 1
            case Refused() | Skipped(earlier=Refused()):
                counts.refused += 1
            case Skipped(key=key, earlier=Created()):
                self._created_before.append(key)
                counts.created += 1
            case Failed(error=error) if isinstance(error, RUN_ENDING):
                return ""
            case Failed(key=key, error=error):
                counts.failed += 1
                return f"{key}: {error}"
            case Unknown(key=key, reason=reason):
                counts.unknown += 1
                return f"{key}: {reason}"
            case _:
                return ""
        self._on_outcome(outcome)
        return ""

    async def _count_already_created(self, journal_run: JournalRun) -> None:
        """Count the items as ``already`` that another job or call created before."""
        for start in range(0, len(self._created_before), LOOK_UP_MOST):
            entries = await journal_run.look_up(self._created_before[start : start + LOOK_UP_MOST])
            others = sum(entry is not None and entry.run != journal_run.run for entry in entries)
            self._counts.created -= others
            self._counts.already += others


class FollowingRunner(ChunkRunner):
    """The processing of a job's last chunk, which has no items: one look at the statuses of all orders of the job."""

    async def run(self, *, seconds: float = CHUNK_SECONDS, keep_run: Callable[[str, str], Any]) -> ChunkReport:  # noqa: ARG002  (one scan, however long)
        """Scan once for the orders that are not there yet; the report says when to look again.

        Raises:
            CredentialsRefusedError, FencedError, OtherEnvironmentError: this worker can process no further chunk.
            JournalError: the journal cannot be used now.
        """
        lease, began = self.lease, asyncio.get_running_loop().time()
        counts = self._counts = msgspec.structs.replace(lease.counts, unknown=0)
        kind, goal = creation_type_of(lease.operation).followed_as, lease.how.follow
        if self._stopped or lease.run is None or kind is None or goal is None:
            again_in = None if lease.is_last and not self._stopped else FIRST_LOOK  # else nothing was sent yet
            return ChunkReport(counts=lease.counts, again_in=again_in, is_final=again_in is None)
        journal_run = await self._begin_run()
        bulk = self._client.seller(lease.seller).bulk
        tracker = bulk._tracker(kind, goal, seconds=lease.how.follow_for)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        awaited: dict[str, str | None] = {}
        over, first, last = 0, utc_now(), None
        given_up_before = first - timedelta(seconds=lease.how.follow_for)
        async for entry in self._journal.entries(lease.run, State.CREATED):
            if tracker.has_arrived(entry.followed):
                continue
            if entry.sent_at <= given_up_before:
                over += 1
                continue
            awaited[entry.key] = entry.remote_id
            first, last = min(first, entry.sent_at), max(last or entry.sent_at, entry.sent_at)
        try:
            async for key, match, status, _ in tracker.follow(awaited, since=first, rest=_never):
                if match is not None and match.refused:
                    settle(journal_run, outcome_of_match(key, match))
                    counts.refused += 1
                elif match is not None:
                    journal_run.record_status(key, status)
        except CallError as error:
            if isinstance(error, WORKER_ERRORS):
                raise
            logger.warning("the orders of job %s were not looked at: %s", lease.job, error)
        await (journal_run.finish() if lease.is_last else journal_run.flush())
        counts.unknown = over
        counts.created = -counts.refused - over
        if lease.is_last and not awaited:
            return ChunkReport(counts=counts, is_final=True, problem=f"{over} never were {goal}" if over else "")
        age = 0.0 if last is None else (utc_now() - last).total_seconds()
        spent = asyncio.get_running_loop().time() - began
        again_in = max(FIRST_LOOK, 10 * spent, min(LAST_LOOK, age / 10))
        return ChunkReport(counts=counts, again_in=again_in, problem=f"{len(awaited)} are not {goal} yet")


async def _never(_seconds: float) -> bool:
    return False


def is_worker_error(error: BaseException) -> bool:
    """Return True if an error is one of the journal or of this worker, and not one of the chunk."""
    return isinstance(error, (JournalError, *WORKER_ERRORS))
