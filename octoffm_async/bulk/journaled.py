"""A job whose items go through the journal: what was decided is not sent, what is sent is written down first.

1. *Screening*: keys are looked up, a few hundred at a time. Items that were created or refused before are skipped; the
   same key with another payload is refused; an item whose sending is undecided waits for reconciliation.
2. *Sending*: ``sent`` is durable before a request leaves, and what came of it is written behind.
3. *Reconciliation*, in the end: everything of this seller and operation that is undecided, from whichever run, is
   looked for remotely. What exists is decided; what is surely absent is sent, if it is in the input.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from os import PathLike
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio
import msgspec

from ..errors import CallError, ClosedError, ValidationError, is_outcome_unknown
from .claims import Claim, Claims, claims_of
from .journal import (
    LOOK_UP_MOST,
    UNDECIDED,
    IllegalTransitionError,
    State,
    Verdict,
    judge,
    open_journal,
)
from .journaling import known_outcome, outcome_of_match, sending_of
from .outcomes import Created, Failed, Refused, Skipped, Unknown, refused_locally
from .reconcile import reconcile, utc_now
from .run import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from .finding import Finder
    from .following import Follower
    from .journal import Book, Entry, Sending
    from .journaling import Journaling
    from .outcomes import Outcome
    from .run import Deliver

T = TypeVar("T")
logger = logging.getLogger("octoffm_async")
_ENCODER = msgspec.json.Encoder()

LOOK_AHEAD = 256
ROUNDS = 3
"""How often an item is sent again by one run after it was shown to be absent."""
AGAIN_AT_ONCE = 8
"""Calls under way when items are sent again."""


class _Waiting(NamedTuple, Generic[T]):
    """An item of this run whose sending is undecided."""

    item: T
    sent_at: datetime
    outcome: Unknown


class Journaled(Job[T]):
    """A job around a job."""

    look_ahead = LOOK_AHEAD

    def __init__(self, inner: Job[T], finder: Finder, journaling: Journaling, follower: Follower | None = None) -> None:
        self.batch = inner.batch
        self._inner = inner
        self._finder = finder
        self._follower = follower
        self._how = journaling
        self._opened: AsyncExitStack = AsyncExitStack()
        self._book: Book | None = None
        self._claims: Claims | None = None
        self._sendings: dict[str, Sending] = {}
        self._waiting: dict[str, _Waiting[T]] = {}
        self._absent: dict[str, T] = {}
        self._followed: dict[str, str | None] = {}
        self._followed_since = utc_now()
        self._hurry = asyncio.Event()
        self._complete = False

    @property
    def book(self) -> Book:
        """The run's view of the journal."""
        if self._book is None:
            raise ClosedError("the journal of this run is not open")
        return self._book

    def key(self, item: T) -> str:
        return self._inner.key(item)

    def check(self, item: T) -> None:
        """Whether it can be looked up; the rest is checked only if it is to be sent, for what is known is right."""
        try:
            key: object = self._inner.key(item)
        except AttributeError:
            key = None
        if not isinstance(key, str) or not key.strip():
            self._inner.check(item)

    def hurry(self) -> None:
        super().hurry()
        self._inner.hurry()
        self._hurry.set()

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(open_journal(journal))
        self._book = await journal.book(seller=how.seller_id, operation=how.operation, run=how.run, source=how.source)
        self._claims = claims_of(journal, how.seller_id, how.operation)
        await self._inner.start()

    async def screen(self, items: list[T]) -> tuple[list[T], list[Outcome]]:
        outcomes: list[Outcome] = []
        sendings: list[tuple[T, Sending]] = []
        for item in items:
            try:
                sendings.append((item, sending_of(self.key(item), item)))
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                outcomes += self._refused(item) or [Failed(key=self.key(item), error=error)]
        entries = await self.book.look_up([sending.key for _, sending in sendings])
        wanted: list[T] = []
        for (item, sending), entry in zip(sendings, entries, strict=True):
            key, verdict = sending.key, judge(entry, sending.payload_hash)
            if self._is_claimed(key):
                self._wait_for(item, key, utc_now(), "it is being sent by another call")
            elif verdict is Verdict.SEND:
                if refused := self._refused(item):
                    outcomes += refused
                else:
                    self._sendings[key] = sending
                    wanted.append(item)
            elif entry is None or verdict is Verdict.UNDECIDED:
                sent_at = utc_now() if entry is None else entry.sent_at
                self._wait_for(item, key, sent_at, "it was sent before, and what became of it is not known")
            elif verdict is Verdict.ALREADY_CREATED and self._needs_following(entry):
                self._followed[key] = entry.remote_id
                self._followed_since = min(self._followed_since, entry.sent_at)
            else:
                outcomes.append(known_outcome(entry, verdict, sending.payload_hash))
        return wanted, outcomes

    def _refused(self, item: T) -> list[Outcome]:
        """The outcome of an item that cannot be right."""
        try:
            self._inner.check(item)
        except ValidationError as error:
            return [refused_locally(error)]
        return []

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        left = {self.key(item): item for item in items}
        sent_at = utc_now()
        claimed = self._claim(left)
        try:
            try:
                await self.book.sent([self._sendings.pop(key) for key in left])
            except IllegalTransitionError:  # a single call sent one of them since they were looked up
                for key, item in left.items():
                    self._wait_for(item, key, sent_at, "it was sent by another call at the same time")
                return

            async def record(outcome: Outcome) -> None:
                item = left.pop(outcome.key)
                self._settle(outcome)
                if isinstance(outcome, Unknown):
                    self._waiting[outcome.key] = _Waiting(item, sent_at, outcome)
                else:
                    await self._tell(outcome, deliver)

            try:
                await self._inner.handle(items, record)
            except BaseException as error:
                if not is_outcome_unknown(error):
                    for key in left:
                        self.book.settle(key, State.PENDING)
                raise
        finally:
            claimed.release()

    async def finish(self, deliver: Deliver) -> None:
        """Read back what the inner job reads back, then reconcile all that is undecided, from whichever run."""

        async def record(outcome: Outcome) -> None:
            self._settle(outcome)
            await self._tell(outcome, deliver)

        await self._inner.finish(record)
        for _ in range(ROUNDS):
            if self.hurried or not await self._reconcile(deliver):
                break
        await self._follow(deliver)
        self._complete = not self.hurried

    def undecided(self) -> list[Outcome]:
        waiting: list[Outcome] = [waiting.outcome for waiting in self._waiting.values()]
        followed = [Created(key=key, id=remote_id) for key, remote_id in self._followed.items()]
        reason = "the run was stopped before it was sent again"
        absent = [Skipped(key=key, reason=reason) for key in self._absent.keys() - self._waiting.keys()]
        return [*self._inner.undecided(), *waiting, *followed, *absent]

    async def close(self) -> None:
        try:
            await self._inner.close()
            if self._book is not None:
                await (self._book.finish() if self._complete else self._book.flush())
        finally:
            await self._opened.aclose()

    async def _reconcile(self, deliver: Deliver) -> bool:
        """One round; whether some were sent again and another round may be needed."""
        await self.book.flush()
        await self._learn(deliver)
        entries = await self._undecided_entries()
        try:
            sent_at = {entry.key: entry.sent_at for entry in entries}
            async for key, matches in reconcile(self._finder, sent_at, patience=self._how.patience, rest=self._rest):
                if self.hurried:
                    break
                waiting = self._waiting.pop(key, None)
                if matches:
                    outcome = outcome_of_match(key, matches[0])
                    self._settle(outcome)
                    if waiting is not None:
                        await self._tell(outcome, deliver)
                else:
                    self.book.settle(key, State.PENDING)
                    if waiting is not None:
                        self._absent[key] = waiting.item
        except CallError as error:
            logger.warning("%d items stay unknown, reconciliation failed: %s", len(self._waiting), error)
            if self._how.resend_unknown:
                await self._give_up_waiting()
        await self.book.flush()
        again = list(self._absent.values())
        await self._send_again(again, deliver)
        return bool(again)

    async def _undecided_entries(self) -> list[Entry]:
        """What is undecided and not in the hands of another call of this process."""
        found: list[Entry] = []
        keys = [entry.key for entry in await self.book.undecided()]
        for start in range(0, len(keys), LOOK_UP_MOST):
            # Looked up again: one that was under way when it was read may have been decided and let go of since.
            free = [key for key in keys[start : start + LOOK_UP_MOST] if not self._is_claimed(key)]
            found += [
                entry
                for entry in await self.book.look_up(free)
                if entry is not None and entry.state in UNDECIDED and not self._is_claimed(entry.key)
            ]
        return found

    async def _learn(self, deliver: Deliver) -> None:
        """Take what others decided meanwhile of the items that wait."""
        keys = list(self._waiting)
        for start in range(0, len(keys), LOOK_UP_MOST):
            for entry in await self.book.look_up(keys[start : start + LOOK_UP_MOST]):
                if entry is None or entry.state not in (State.CREATED, State.REFUSED):
                    continue
                given = sending_of(entry.key, self._waiting[entry.key].item).payload_hash
                if (verdict := judge(entry, given)) is not Verdict.SEND:
                    del self._waiting[entry.key]
                    await deliver(known_outcome(entry, verdict, given))

    async def _tell(self, outcome: Outcome, deliver: Deliver) -> None:
        """Deliver an outcome, unless it is a creation that is to be followed first."""
        if isinstance(outcome, Created) and self._follower is not None:
            self._followed[outcome.key] = outcome.id
        else:
            await deliver(outcome)

    async def _follow(self, deliver: Deliver) -> None:
        """Scan until all that was created has reached its goal, or was refused."""
        if self._follower is None or self.hurried or not self._followed:
            return
        follow = self._follower.follow(self._followed, since=self._followed_since, rest=self._rest)
        async for key, match, status in follow:
            outcome = outcome_of_match(key, match)
            if isinstance(outcome, Refused):
                self._settle(outcome)
            else:
                self.book.follow(key, status)
            await deliver(outcome)

    def _needs_following(self, entry: Entry) -> bool:
        return self._follower is not None and not self._follower.has_arrived(entry.followed)

    async def _rest(self, seconds: float) -> bool:
        """Wait, unless the run is to end soon; whether to go on."""
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return True
        return False

    async def _give_up_waiting(self) -> None:
        """Let the items that wait be sent although nothing is known of them: the user asked for it."""
        for entry in await self.book.undecided():
            if entry.key in self._waiting and entry.state is State.SENT:
                self.book.settle(entry.key, State.UNKNOWN)
        self._absent |= {key: waiting.item for key, waiting in self._waiting.items()}
        self._waiting.clear()

    async def _send_again(self, items: list[T], deliver: Deliver) -> None:
        batches = iter([items[start : start + self.batch] for start in range(0, len(items), self.batch)])

        async def told(outcome: Outcome) -> None:
            self._absent.pop(outcome.key, None)
            await deliver(outcome)

        async def work() -> None:
            for batch in batches:
                if self.hurried:
                    return
                sent_at = utc_now()
                self._sendings |= {self.key(item): sending_of(self.key(item), item) for item in batch}
                try:
                    await self.handle(batch, told)
                except BaseException as error:
                    if is_outcome_unknown(error):
                        for item in batch:
                            if self._absent.pop(self.key(item), None) is not None:
                                self._wait_for(item, self.key(item), sent_at, f"broken off: {type(error).__name__}")
                    raise
                for item in batch:
                    self._absent.pop(self.key(item), None)

        async with anyio.create_task_group() as group:
            for _ in range(min(AGAIN_AT_ONCE, len(items))):
                group.start_soon(work)

    def _wait_for(self, item: T, key: str, sent_at: datetime, reason: str) -> None:
        self._waiting[key] = _Waiting(item, sent_at, Unknown(key=key, reason=reason))

    def _settle(self, outcome: Outcome) -> None:
        key = outcome.key
        match outcome:
            case Created(id=remote_id):
                self.book.settle(key, State.CREATED, remote_id=remote_id)
            case Refused(code=code, message=message):
                self.book.settle(key, State.REFUSED, code=code, message=message)
            case Failed(error=error):
                self.book.settle(key, State.FAILED, message=str(error))
            case Unknown(reason=reason):
                self.book.settle(key, State.UNKNOWN, message=reason)
            case _:
                raise AssertionError(f"no outcome of a creation: {outcome}")

    def _claim(self, keys: Iterable[str]) -> Claim:
        assert self._claims is not None  # noqa: S101  (set where the book is)
        return self._claims.take(keys, self)

    def _is_claimed(self, key: str) -> bool:
        return self._claims is not None and self._claims.held_by_other(key, self)
