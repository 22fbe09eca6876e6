"""A job whose items go through the journal: what was decided is not sent, what is sent is written down first.

1. *Screening*: keys are looked up, a few hundred at a time. Items that were created or refused before are skipped; the
   same key with another payload is refused; an item whose sending is undecided waits for reconciliation.
2. *Sending*: ``sent`` is durable before a request leaves, and what came of it is written behind.
3. *Reconciliation*, in the end: everything of this seller and operation that is undecided, from whichever run, is
   looked for remotely. What exists is decided; what is surely absent is sent, if it is in the input.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from os import PathLike
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio
import msgspec

from ..errors import CallError, ClosedError, ConfigurationError, is_outcome_unknown
from .claims import Claim, Claims, claims_of
from .journal import Journal, Sending, State, Verdict, judge, open_journal, payload_hash
from .outcomes import Created, Failed, Refused, Skipped, Unknown
from .reconcile import reconcile, utc_now
from .run import Job

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
"""Seconds after which what was sent and is not visible counts as absent: a call's own deadline, and more than replicas
lag."""
ROUNDS = 3
"""How often an item is sent again by one run after it was shown to be absent."""
AGAIN_AT_ONCE = 8
"""Calls under way when items are sent again."""


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
    sent_at: datetime
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
        self._absent: dict[str, T] = {}
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
        self._inner.check(item)

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(open_journal(journal))
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
                self._wait_for(item, key, entry.sent_at, "it was sent before, and what became of it is not known")
            elif entry is not None:
                await deliver(_known(entry, verdict, sending.payload_hash))
        return wanted

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        left = {self.key(item): item for item in items}
        sent_at = utc_now()
        claimed = self._claim(left)
        try:
            await self.book.sent([self._sendings.pop(key) for key in left])

            async def record(outcome: Outcome) -> None:
                item = left.pop(outcome.key)
                self._settle(outcome)
                if isinstance(outcome, Unknown):
                    self._waiting[outcome.key] = _Waiting(item, sent_at, outcome)
                else:
                    await deliver(outcome)

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
            await deliver(outcome)

        self._inner.hurried = self.hurried
        await self._inner.finish(record)
        for _ in range(ROUNDS):
            if self.hurried or not await self._reconcile(deliver):
                break
        self._complete = not self.hurried

    def undecided(self) -> list[Outcome]:
        reason = "the run was stopped before it was sent again"
        absent = [Skipped(key=key, reason=reason) for key in self._absent.keys() - self._waiting.keys()]
        return [*self._inner.undecided(), *(waiting.outcome for waiting in self._waiting.values()), *absent]

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
        entries = [entry for entry in await self.book.undecided() if not self._is_claimed(entry.key)]
        try:
            sent_at = {entry.key: entry.sent_at for entry in entries}
            found = reconcile(self._finder, sent_at, patience=self._how.patience, stopped=lambda: self.hurried)
            async for key, matches in found:
                if self.hurried:
                    break
                waiting = self._waiting.pop(key, None)
                if matches:
                    outcome = _outcome_of(key, matches[0])
                    self._settle(outcome)
                    if waiting is not None:
                        await deliver(outcome)
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

    async def _give_up_waiting(self) -> None:
        """Let the items that wait be sent although nothing is known of them: the user asked for it."""
        entries = await self.book.look_up(list(self._waiting))
        for entry in entries:
            if entry is not None and entry.state is State.SENT:
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
                for item in batch:
                    payload = _ENCODER.encode(item)
                    self._sendings[self.key(item)] = Sending(self.key(item), payload_hash(payload), payload)
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
