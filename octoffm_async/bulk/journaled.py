"""A job whose items go through the journal: what was decided is not sent, what is sent is written down first.

1. *Screening*: keys are looked up, a few hundred at a time. Items that were created or refused before are skipped; the
   same key with another payload is refused; an item whose sending is undecided waits for reconciliation. The rest is
   written down as ``sent``, durably and together, before the first of it leaves.
2. *Sending*: what came of each is written behind.
3. *Reconciliation*, in the end: everything of this seller and operation that is undecided, from whichever run, is
   looked for remotely. What exists is decided; what is surely absent is sent, if it is in the input. What another
   process is busy with is left to that one; its decision is waited for.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..errors import CallError, ClosedError, ValidationError, is_outcome_unknown
from .claims import Claims, claims_of
from .job import RUN_ENDING, Job
from .journal import IllegalTransitionError, Journal, Sending, State, Verdict, judge, payload_hash
from .journaling import encode, known_outcome, sending_of, settle
from .loose_ends import LooseEnds
from .outcomes import Failed, Unknown, refused_locally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..session.scope import Scope
    from .finding import Finder
    from .following import Follower
    from .job import Deliver
    from .journal import Book
    from .journaling import Journaling
    from .outcomes import Outcome

T = TypeVar("T")

LOOK_AHEAD = 256
"""Items that are looked up, and written down as sent, together."""
ROUNDS = 3
"""How often an item is sent again by one run after it was shown to be absent."""
AGAIN_AT_ONCE = 8
"""Calls under way when items are sent again."""
NOTHING_LEFT = (CallError, asyncio.CancelledError, *RUN_ENDING)
"""Errors that tell whether a request may have left; after any other, it may."""


class Journaled(Job[T]):
    """A job around a job. ``scope`` is what the inner one alone calls through: the journal's fence is set there."""

    look_ahead = LOOK_AHEAD

    def __init__(
        self,
        inner: Job[T],
        finder: Finder,
        journaling: Journaling,
        follower: Follower | None = None,
        *,
        scope: Scope,
    ) -> None:
        self.batch = inner.batch
        self._inner = inner
        self._finder = finder
        self._follower = follower
        self._how = journaling
        self._scope = scope
        self._opened = AsyncExitStack()
        self._open: tuple[Book, Claims, LooseEnds[T]] | None = None
        self._complete = False

    @property
    def book(self) -> Book:
        """The run's view of the journal."""
        return self._parts()[0]

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
        if self._open is not None:
            self._open[2].hurry()

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(Journal.open(journal))
        self._scope.options = self._scope.options.changed(fence=journal.fence)
        book = await journal.book(seller=how.seller_id, operation=how.operation, run=how.run, source=how.source)
        claims = claims_of(journal, how.seller_id, how.operation)
        ends = LooseEnds[T](book, claims, finder=self._finder, follower=self._follower, alone_since=journal.opened_at)
        self._open = book, claims, ends
        if self.hurried:
            ends.hurry()
        await self._inner.start()

    async def screen(self, items: list[T]) -> tuple[list[T], list[Outcome]]:
        book, claims, ends = self._parts()
        outcomes: list[Outcome] = []
        encoded: list[tuple[T, str, bytes, bytes]] = []
        key_of = self._inner.key
        for item in items:
            try:
                payload = encode(item)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                outcomes += self._refused(item) or [Failed(key=self.key(item), error=error)]
            else:
                encoded.append((item, key_of(item), payload_hash(payload), payload))
        wanted: list[tuple[T, Sending]] = []
        entries = await book.look_up([key for _, key, _, _ in encoded])
        busy = claims.held_by_others((key for _, key, _, _ in encoded), ends)
        for (item, key, given, payload), entry in zip(encoded, entries, strict=True):
            verdict = judge(entry, given)
            if busy and key in busy:
                ends.wait_for(item, key, "another call is busy with it")
            elif verdict is Verdict.SEND:
                if refused := self._refused(item):
                    outcomes += refused
                else:
                    wanted.append((item, Sending(key, given, payload)))
            elif verdict is Verdict.UNDECIDED or entry is None:
                ends.wait_for(item, key, "it was sent before, and what became of it is not known")
            elif verdict is not Verdict.ALREADY_CREATED or not ends.needs_following(entry):
                outcomes.append(known_outcome(entry, verdict, given))
        return await self._written_down(wanted), outcomes

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        book, claims, ends = self._parts()
        key_of = self._inner.key
        left = {key_of(item): item for item in items}
        known: list[Outcome] = []

        async def record(outcome: Outcome) -> None:
            key = outcome.key
            item = left.pop(key)
            ends.again.pop(key, None)
            settle(book, outcome)
            if isinstance(outcome, Unknown):
                ends.wait_for(item, key, outcome.reason)
            else:
                known.append(outcome)

        keys = list(left)
        try:
            await self._inner.handle(items, record)
        except BaseException as error:
            self._break_off(left, error)
            raise
        finally:
            claims.release([key for key in keys if not ends.is_waiting(key)], ends)
            tell = ends.teller(deliver)
            for outcome in known:  # what came of all is noted before the first is delivered
                await tell(outcome)

    def put_back(self, items: Iterable[T]) -> None:
        """These were written down and will not be sent: they may be, another time."""
        book, claims, ends = self._parts()
        for key in map(self.key, items):
            book.settle(key, State.PENDING)
            claims.release([key], ends)

    async def finish(self, deliver: Deliver) -> None:
        """Read back what the inner job reads back, then reconcile all that is undecided, from whichever run."""
        _, _, ends = self._parts()

        tell = ends.teller(deliver)

        async def record(outcome: Outcome) -> None:
            ends.settle(outcome)
            await tell(outcome)

        await self._inner.finish(record)
        for _ in range(ROUNDS):
            if self.hurried:
                break
            await ends.reconcile(deliver, patience=self._how.patience, resend_unknown=self._how.resend_unknown)
            if not ends.again:
                break
            await self._send_again(deliver)
        await ends.follow(deliver)
        self._complete = not self.hurried

    def undecided(self) -> list[Outcome]:
        return [*self._inner.undecided(), *(self._open[2].undecided() if self._open is not None else [])]

    async def close(self) -> None:
        try:
            await self._inner.close()
            if self._open is not None:
                book, _, ends = self._open
                ends.let_go()
                await (book.finish() if self._complete else book.flush())
        finally:
            await self._opened.aclose()

    def _parts(self) -> tuple[Book, Claims, LooseEnds[T]]:
        if self._open is None:
            raise ClosedError("the journal of this run is not open")
        return self._open

    def _refused(self, item: T) -> list[Outcome]:
        """The outcome of an item that cannot be right."""
        try:
            self._inner.check(item)
        except ValidationError as error:
            return [refused_locally(error)]
        return []

    async def _written_down(self, wanted: list[tuple[T, Sending]]) -> list[T]:
        """Those of the items that are durably marked as sent, and ours to send."""
        if not wanted:
            return []
        book, claims, ends = self._parts()
        keys = [sending.key for _, sending in wanted]
        claims.take(keys, ends)
        if any(not claims.held_by(key, ends) for key in keys):
            return await self._one_by_one(wanted)
        try:
            await book.sent([sending for _, sending in wanted])
        except IllegalTransitionError:  # another call sent one of them since they were looked up
            claims.release(keys, ends)
            return await self._one_by_one(wanted)
        except asyncio.CancelledError:
            self.put_back(item for item, _ in wanted)  # it is written behind what was asked for, and none has left
            raise
        except BaseException:
            claims.release(keys, ends)
            raise
        return [item for item, _ in wanted]

    async def _one_by_one(self, wanted: list[tuple[T, Sending]]) -> list[T]:
        if len(wanted) > 1:
            return [item for one in wanted for item in await self._written_down([one])]
        (item, sending), ends = wanted[0], self._parts()[2]
        ends.wait_for(item, sending.key, "another call is busy with it, or was meanwhile")
        return []

    def _break_off(self, left: dict[str, T], error: BaseException) -> None:
        """Items whose handling ended with an error: to be sent another time if none of them can have left."""
        book, _, ends = self._parts()
        taken = {outcome.key for outcome in self._inner.undecided()}
        for key in left.keys() - taken:
            if isinstance(error, NOTHING_LEFT) and not is_outcome_unknown(error):
                book.settle(key, State.PENDING)
            elif key in ends.again:
                ends.wait_for(ends.again[key], key, f"broken off: {type(error).__name__} {error}")
            else:
                book.release([key])

    async def _send_again(self, deliver: Deliver) -> None:
        """Send what is absent. A run that is hurried leaves it for another."""
        _, _, ends = self._parts()
        items = list(ends.again.values())
        batches = iter([items[start : start + self.batch] for start in range(0, len(items), self.batch)])
        errors: list[Exception] = []

        async def work() -> None:
            for batch in batches:
                if self.hurried or errors:
                    return
                try:
                    ready = await self._written_down([(item, sending_of(self.key(item), item)) for item in batch])
                    if ready:
                        await self.handle(ready, deliver)
                except Exception as error:  # noqa: BLE001  (raised below, without a group around it)
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(AGAIN_AT_ONCE, len(items))):
                group.start_soon(work)
        if errors:
            raise errors[0]
