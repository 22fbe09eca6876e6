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

from ..errors import CallError, ClosedError, ConfigurationError, is_outcome_unknown
from .claims import Claims, claims_of
from .journal import IllegalTransitionError, Journal, Sending, State, Verdict, judge, open_journal, payload_hash
from .journal.states import UNDECIDED
from .outcomes import Created, Failed, Refused, Skipped, Unknown
from .reconcile import reconcile, utc_now
from .run import RUN_ENDING, Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from .finding import Finder, Match
    from .journal import Book, Entry
    from .outcomes import Outcome
    from .run import Deliver

T = TypeVar("T")
logger = logging.getLogger("octoffm_async")
_ENCODER = msgspec.json.Encoder()

LOOK_AHEAD = 256
PATIENCE = 60.0
"""Seconds after which what has left and is not visible counts as absent: longer than an answer is awaited, and more
than replicas lag."""
ROUNDS = 3
"""How often an item is sent again by one run after it was shown to be absent."""
OTHERS = 0.1
"""Seconds between looks at whether another run is done with an item."""
AGAIN_AT_ONCE = 8
"""Calls under way when items are sent again."""
NOTHING_LEFT = (CallError, asyncio.CancelledError, *RUN_ENDING)
"""Errors that tell whether a request may have left; after any other, it may."""


class Journaling(msgspec.Struct, frozen=True, kw_only=True):
    """How a run uses its journal. Times are in seconds."""

    journal: Journal | str | PathLike[str]
    seller_id: str
    operation: str
    patience: float = PATIENCE
    resend_unknown: bool = False
    run: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.patience >= 0:
            raise ConfigurationError(f"patience must be a number of seconds from 0 on, not {self.patience!r}")


class _Waiting(NamedTuple, Generic[T]):
    """An item of this run whose sending is undecided."""

    item: T
    outcome: Unknown


class Journaled(Job[T]):
    """A job around a job."""

    look_ahead = LOOK_AHEAD

    def __init__(self, inner: Job[T], finder: Finder, journaling: Journaling) -> None:
        self.batch = inner.batch
        self._inner = inner
        self._finder = finder
        self._how = journaling
        self._opened: AsyncExitStack = AsyncExitStack()
        self._book: Book | None = None
        self._claims: Claims | None = None
        self._sendings: dict[str, Sending] = {}
        self._waiting: dict[str, _Waiting[T]] = {}
        self._again: dict[str, T] = {}
        self._complete = False
        self._alone_since: datetime | None = None  # no other process, and no other run of this one, sends since then

    @property
    def book(self) -> Book:
        """The run's view of the journal."""
        if self._book is None:
            raise ClosedError("the journal of this run is not open")
        return self._book

    def key(self, item: T) -> str:
        return self._inner.key(item)

    def check(self, item: T) -> None:
        self._inner.check(item)

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(open_journal(journal))
            self._alone_since = utc_now()
        self._book = await journal.book(seller=how.seller_id, operation=how.operation, run=how.run, source=how.source)
        self._claims = claims_of(journal, how.seller_id, how.operation)
        await self._inner.start()

    async def screen(self, items: list[T], deliver: Deliver) -> list[T]:
        wanted: list[T] = []
        keys = [self.key(item) for item in items]
        for item, key, entry in zip(items, keys, await self.book.look_up(keys), strict=True):
            payload = _ENCODER.encode(item)
            sending = Sending(key, payload_hash(payload), payload)
            verdict = judge(entry, sending.payload_hash)
            if verdict is Verdict.SEND:
                self._sendings[key] = sending
                wanted.append(item)
            elif entry is not None and verdict is Verdict.UNDECIDED:
                self._wait_for(item, key, "it was sent before, and what became of it is not known")
            elif entry is not None:
                await deliver(_known(entry, verdict, sending.payload_hash))
        return wanted

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        left = {self.key(item): item for item in items}
        keys = list(left)
        self._claim(keys)
        try:
            await self._write_down(left, deliver)
            if left:
                await self._carry_out(list(left.values()), left, deliver)
        finally:
            self._release(keys)

    async def _write_down(self, left: dict[str, T], deliver: Deliver) -> None:
        """Write that the items are sent. Those that another run got at since they were looked up are taken out."""
        sendings = {key: self._sendings.pop(key) for key in left}
        for key in [key for key in left if self._is_claimed(key)]:
            self._wait_for(left.pop(key), key, "another run is sending it")
        while left:
            try:
                await self.book.sent([sendings[key] for key in left])
            except IllegalTransitionError:
                entries = await self.book.look_up(list(left))
                overtaken = [
                    entry
                    for entry in entries
                    if entry is not None and judge(entry, sendings[entry.key].payload_hash) is not Verdict.SEND
                ]
                if not overtaken:
                    raise
                for entry in overtaken:
                    await self._take_over(left.pop(entry.key), entry, sendings[entry.key].payload_hash, deliver)
            else:
                return

    async def _take_over(self, item: T, entry: Entry, given: bytes, deliver: Deliver) -> None:
        """What another run has made of an item of this one."""
        self._again.pop(entry.key, None)
        verdict = judge(entry, given)
        if verdict is Verdict.UNDECIDED:
            self._wait_for(item, entry.key, "another run sent it, and what became of it is not known")
        else:
            await deliver(_known(entry, verdict, given))

    async def _carry_out(self, items: Sequence[T], left: dict[str, T], deliver: Deliver) -> None:
        """Let the inner job send what is written down. What came of all is noted before the first is delivered."""
        known: list[Outcome] = []

        async def record(outcome: Outcome) -> None:
            item = left.pop(outcome.key)
            self._again.pop(outcome.key, None)
            self._settle(outcome)
            if isinstance(outcome, Unknown):
                self._waiting[outcome.key] = _Waiting(item, outcome)
            else:
                known.append(outcome)

        try:
            await self._inner.handle(items, record)
        except BaseException as error:
            self._break_off(left, error)
            raise
        finally:
            for outcome in known:
                await deliver(outcome)

    def _break_off(self, left: dict[str, T], error: BaseException) -> None:
        """Items whose handling ended with an error: to be sent another time if none of them can have left."""
        taken = {outcome.key for outcome in self._inner.undecided()}
        for key in left.keys() - taken:
            if isinstance(error, NOTHING_LEFT) and not is_outcome_unknown(error):
                self.book.settle(key, State.PENDING)
            elif (item := self._again.pop(key, None)) is not None:
                reason = f"broken off: {type(error).__name__} {error}"
                self._waiting[key] = _Waiting(item, Unknown(key=key, reason=reason))

    async def finish(self, deliver: Deliver) -> None:
        """Read back what the inner job reads back, then reconcile all that is undecided, from whichever run."""

        async def record(outcome: Outcome) -> None:
            self._settle(outcome)
            await deliver(outcome)

        self._inner.hurried = self.hurried
        await self._inner.finish(record)
        for _ in range(ROUNDS):
            if self.hurried or not await self._reconcile(deliver):
                break
        self._complete = not self.hurried

    def undecided(self) -> list[Outcome]:
        reason = "the run ended before it was sent again"
        return [
            *self._inner.undecided(),
            *(waiting.outcome for waiting in self._waiting.values()),
            *(Skipped(key=key, reason=reason) for key in self._again),
        ]

    async def close(self) -> None:
        try:
            if self._claims is not None:
                self._claims.release([*self._waiting, *self._again], self)
            await self._inner.close()
            if self._book is not None:
                await (self._book.finish() if self._complete else self._book.flush())
        finally:
            await self._opened.aclose()

    async def _reconcile(self, deliver: Deliver) -> bool:
        """One round; whether some were sent again and another round may be needed."""
        await self.book.flush()
        await self._see_what_others_did(deliver)
        entries = [entry for entry in await self.book.undecided() if not self._is_claimed(entry.key)]
        self._claim(entry.key for entry in entries)
        try:
            sent_at = {entry.key: entry.sent_at for entry in entries}
            left_by = {entry.key: self._left_by(entry) for entry in entries}
            async for key, matches in reconcile(self._finder, sent_at, patience=self._how.patience, left_by=left_by):
                if self.hurried:
                    return False
                waiting = self._waiting.pop(key, None)
                if matches:
                    outcome = _outcome_of(key, matches[0])
                    self._settle(outcome)
                    if waiting is not None:
                        await deliver(outcome)
                else:
                    self.book.settle(key, State.PENDING)
                    if waiting is not None:
                        self._again[key] = waiting.item
        except CallError as error:
            logger.warning("%d items stay unknown, reconciliation failed: %s", len(self._waiting), error)
            if self._how.resend_unknown:
                await self._give_up_waiting()
        finally:
            self._release([entry.key for entry in entries if entry.key not in self._again])
        await self.book.flush()
        return await self._send_again(deliver)

    async def _see_what_others_did(self, deliver: Deliver) -> None:
        """Take over what other runs decided of the items that wait here, once they are done with them."""
        until = utc_now().timestamp() + 2 * self._how.patience
        theirs = [key for key in self._waiting if self._claims is None or not self._claims.held_by(key, self)]
        while not self.hurried and utc_now().timestamp() < until and any(map(self._is_claimed, theirs)):  # noqa: ASYNC110
            await asyncio.sleep(OTHERS)
        for start in range(0, len(theirs), LOOK_AHEAD):
            for entry in await self.book.look_up(theirs[start : start + LOOK_AHEAD]):
                if entry is None or entry.state in UNDECIDED:
                    continue
                item = self._waiting.pop(entry.key).item
                given = payload_hash(_ENCODER.encode(item))
                if (verdict := judge(entry, given)) is Verdict.SEND:
                    self._again[entry.key] = item
                else:
                    await deliver(_known(entry, verdict, given))

    def _left_by(self, entry: Entry) -> datetime:
        """When a request of an undecided item can have left at the latest: ``sent`` is written before it waits for its
        turn, which may take as long as the call's deadline."""
        now = utc_now()
        if entry.state is State.UNKNOWN:
            return min(entry.changed_at, now)
        if self._alone_since is not None and entry.changed_at < self._alone_since:
            return self._alone_since
        return now

    async def _give_up_waiting(self) -> None:
        """Send the items that wait again although nothing is known of them: the user asked for it."""
        entries = await self.book.look_up(list(self._waiting))
        for entry in entries:
            if entry is not None and entry.state is State.SENT:
                self.book.settle(entry.key, State.UNKNOWN)
        self._again |= {key: waiting.item for key, waiting in self._waiting.items()}
        self._waiting.clear()

    async def _send_again(self, deliver: Deliver) -> bool:
        """Send what is absent; whether there was any. A run that is hurried leaves it for another."""
        items = list(self._again.values())
        batches = iter([items[start : start + self.batch] for start in range(0, len(items), self.batch)])
        errors: list[Exception] = []

        async def work() -> None:
            for batch in batches:
                if self.hurried or errors:
                    return
                for item in batch:
                    payload = _ENCODER.encode(item)
                    self._sendings[self.key(item)] = Sending(self.key(item), payload_hash(payload), payload)
                try:
                    await self.handle(batch, deliver)
                except Exception as error:  # noqa: BLE001  (raised below, without a group around it)
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(AGAIN_AT_ONCE, len(items))):
                group.start_soon(work)
        if errors:
            raise errors[0]
        return bool(items)

    def _wait_for(self, item: T, key: str, reason: str) -> None:
        self._again.pop(key, None)
        self._waiting[key] = _Waiting(item, Unknown(key=key, reason=reason))
        self._claim([key])

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

    def _claim(self, keys: Iterable[str]) -> None:
        if self._claims is not None:
            self._claims.take(keys, self)

    def _release(self, keys: Iterable[str]) -> None:
        """Let others have keys; what waits here is decided here."""
        if self._claims is not None:
            self._claims.release([key for key in keys if key not in self._waiting], self)

    def _is_claimed(self, key: str) -> bool:
        return self._claims is not None and self._claims.held_by_other(key, self)


def _known(entry: Entry, verdict: Verdict, given: bytes) -> Outcome:
    """The outcome of an item that the journal has decided."""
    key = entry.key
    match verdict:
        case Verdict.CHANGED:
            message = (
                f"{key!r} was sent before with another payload (hash {entry.payload_hash.hex()}, now {given.hex()}), "
                f"and is {entry.state}: what exists under a reference is not changed by sending it again"
            )
            return Refused(key=key, code="PayloadChanged", message=message)
        case Verdict.ALREADY_REFUSED:
            earlier: Created | Refused = Refused(key=key, code=entry.code, message=entry.message)
        case _:
            earlier = Created(key=key, id=entry.remote_id)
    return Skipped(key=key, reason=f"{entry.state} already, in run {entry.run}", earlier=earlier)


def _outcome_of(key: str, match: Match) -> Outcome:
    if match.refused:
        return Refused(key=key, code=match.code, message=match.message)
    return Created(key=key, id=match.id)
