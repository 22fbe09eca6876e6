"""A job whose items go through the journal: decided items are not sent, others are written to it before they are sent.

1. *Screening*: the job looks up keys in the journal, a few hundred at a time. It skips items that were created or
   refused before and refuses a known key with another payload; an undecided item waits for reconciliation. It writes
   the remaining items to the journal as ``sent``, durably and together, before it sends the first of them.
2. *Sending*: the outcome of each item is written behind.
3. *Reconciliation*, at the end: all undecided items of this seller and operation, from any run, are looked up remotely.
   An item that exists is decided; one that is proven absent is sent, if it is in the input. An item that another
   process is working on is left to that process, and its decision is awaited.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from msgspec import Raw

from ...errors import CallError, ClosedError, ValidationError, is_outcome_unknown, mark_journaled
from ...journal import LONG_AGO, IllegalTransitionError, Journal, State, Verdict, decide_known_key, environment_of
from ...journal.key_claims import KeyClaims, key_claims_of
from ..creations import not_looked_up
from ..job import RUN_ENDING, Job
from ..outcomes import Refused, Unknown, refused_locally
from ..reconciliation.reconcile import controls_of, utc_now
from ..reconciliation.taken_reference import says_taken, to_look_for
from ..reconciliation.verification import KINDS, Verification
from .pending_items import PendingItems
from .settings import api_clock_before, conflict_of, encodable, known_outcome, refused_conflict, sendings_of, settle
from .taking_back import CreationRevoker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from ...journal import JournalRun, OutgoingItem
    from ...session.seller_session import SellerSession
    from ..job import Deliver
    from ..odd_references import OddReferences
    from ..outcomes import Outcome
    from ..reconciliation.remote_lookup import RemoteLookup
    from .settings import JournalOptions
    from .status_tracking import StatusTracker

T = TypeVar("T")

LOOK_AHEAD = 256
"""Number of items that are looked up, and written as sent, together."""
ROUNDS = 3
"""Maximum number of rounds of looking up undecided items and sending absent ones; each is resent once at most."""
AGAIN_AT_ONCE = 8
"""Number of concurrent calls when items are sent again."""
NOTHING_LEFT = (CallError, asyncio.CancelledError, *RUN_ENDING)
"""Errors that show whether a request may have been sent; after any other error, it may have been."""


class JournaledJob(Job[T]):
    """Job that adds the journal to an inner job.

    Only the inner job calls through ``scope``: the journal's fence is set there.
    """

    look_ahead = LOOK_AHEAD

    def __init__(
        self,
        inner: Job[T],
        finder: RemoteLookup,
        journaling: JournalOptions,
        follower: StatusTracker | None = None,
        *,
        scope: SellerSession,
    ) -> None:
        self.batch: int = inner.batch
        self.one_by_one: bool = inner.one_by_one
        self._inner = inner
        self._finder = finder
        self._follower = follower
        self._how = journaling
        self._scope = scope
        self._opened = AsyncExitStack()
        self.key: Callable[[T], str] = inner.key
        self.odd: OddReferences | None = inner.odd
        self._open: tuple[JournalRun, KeyClaims, PendingItems[T]] | None = None
        self._complete = False
        self._verification: Verification | None = None
        self._encoded: dict[str, bytes] = {}
        """Encoded requests of items that are written to the journal and not sent yet."""

    @property
    def journal_run(self) -> JournalRun:
        """The run's view of the journal."""
        return self._parts()[0]

    def check(self, item: T) -> None:
        """Check that an item can be looked up; other checks follow only before it is sent, as a known item is valid."""
        try:
            key: object = self.key(item)
        except AttributeError:
            key = None
        if not isinstance(key, str) or not key.strip():
            self._inner.check(item)

    def fingerprints(self, items: Sequence[T]) -> list[bytes]:
        return self._inner.fingerprints(items)

    def request_stop(self) -> None:
        super().request_stop()
        self._inner.request_stop()
        if self._open is not None:
            self._open[2].hurry()
        if self._verification is not None:
            self._verification.hurry()

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(Journal.open(journal, verify_first=how.verify_first))
        self._scope.options = self._scope.options.changed(fence=journal.fence)
        book = await journal.begin_run(
            seller=how.seller_id,
            operation=how.operation,
            run=how.run,
            source=how.source,
            environment=environment_of(self._scope.session.config),
        )
        self.low: int = 0 if book.in_thread else self.look_ahead // 2
        claims = key_claims_of(journal, how.seller_id, how.operation)
        await self._inner.start()
        back = CreationRevoker(book, self._inner.given)
        ends = PendingItems[T](
            book,
            claims,
            finder=self._finder,
            follower=self._follower,
            journal=journal,
            api_clock=lambda: self._scope.session.api_clock,
            back=back,
        )
        self._open = book, claims, ends
        if (how.verify_first or journal.gap is not None) and (kind := KINDS.get(how.operation)) is not None:
            gone_by = 0.0
            if not how.verify_first and journal.gap is not None:
                gone_by = max(0.0, (utc_now() - journal.gap.until).total_seconds())
            self._verification = Verification(
                self._scope,
                kind,
                patience=how.patience,
                look_up=book.look_up,
                controls=controls_of(book, how.patience),
                owners=back.owners,
                passed=gone_by,
            )
        if self.stop_requested:
            self.request_stop()
        await back.learn()

    async def screen(self, items: list[T], prints: list[bytes]) -> tuple[list[T], list[Outcome]]:
        book, claims, ends = self._parts()
        await ends.back.revoke()
        outcomes: list[Outcome] = []
        items, sendings = encodable(self._inner, items, prints, outcomes)
        keys = self.keys(items)
        entries = await book.look_up(keys)
        busy = claims.held_by_others(keys, ends)
        check = self._inner.check
        wanted: list[T] = []
        to_send: list[OutgoingItem] = []
        for item, sending, entry in zip(items, sendings, entries, strict=True):
            if sending.key in busy:
                ends.wait_for(item, sending.key, "another call is busy with it")
            elif entry is None or (verdict := decide_known_key(entry, sending.payload_hash)) is Verdict.SEND:
                try:
                    check(item)
                except ValidationError as error:
                    outcomes.append(refused_locally(error))
                else:
                    wanted.append(item)
                    to_send.append(sending)
            elif verdict is Verdict.UNDECIDED:
                ends.wait_for(item, sending.key, "it was sent before, and what became of it is not known")
            elif verdict is Verdict.CHANGED:
                outcomes.append(refused_conflict(await conflict_of(book, entry, item, sending)))
            elif verdict is not Verdict.ALREADY_CREATED or not ends.needs_following(entry):
                outcomes.append(known_outcome(entry, verdict))
        if self._verification is not None and wanted:
            wanted, to_send = await self._verified(self._verification, wanted, to_send, outcomes)
        return await self._written_down(wanted, to_send), outcomes

    def send(self, item: T) -> Awaitable[Any]:
        encoded = self._encoded.pop(self.key(item), None)
        return self._inner.send(item if encoded is None else Raw(encoded))

    def outcome(self, item: T, answer: Any) -> Outcome | None:
        outcome = self._inner.outcome(item, answer)
        return None if outcome is None else self._noted(item, outcome)

    def outcome_of_error(self, item: T, error: BaseException) -> Outcome | None:
        if is_outcome_unknown(error):
            mark_journaled(error, seconds=self._how.patience)
        try:
            outcome = self._inner.outcome_of_error(item, error)
        except BaseException:
            key = self.key(item)
            self._break_off({key: item}, error)
            self._release([key])
            raise
        return None if outcome is None else self._noted(item, outcome)

    async def handle(self, items: Sequence[T], deliver: Deliver) -> None:
        left = dict(zip(self.keys(items), items, strict=True))
        for key in left:
            self._encoded.pop(key, None)  # these are encoded again
        told: list[Outcome] = []

        async def record(outcome: Outcome) -> None:
            if self._noted(left.pop(outcome.key), outcome) is not None:
                told.append(outcome)

        try:
            await self._inner.handle(items, record)
        except BaseException as error:
            self._break_off(left, error)
            raise
        finally:
            self._release(left)
            for outcome in told:  # all outcomes are written before the first is delivered
                await deliver(outcome)

    def return_unsent(self, items: Iterable[T]) -> None:
        """Mark items that were written to the journal and will not be sent as pending."""
        book, claims, ends = self._parts()
        keys = self.keys(items)
        for key in keys:
            self._encoded.pop(key, None)
            book.record_outcome(key, State.PENDING)
        claims.release(keys, ends)

    async def finish(self, deliver: Deliver) -> None:
        """Read back what the inner job reads back, then reconcile all undecided items, from any run."""
        _, _, ends = self._parts()

        async def record(outcome: Outcome) -> None:
            ends.settle(outcome)
            await ends.tell(outcome, deliver)

        await self._inner.finish(record)
        patience, resend_unknown = self._how.patience, self._how.resend_unknown
        send_again = partial(self._send_again, deliver)
        for _ in range(ROUNDS):
            if self.stop_requested:
                break
            has_sent = await ends.reconcile(
                deliver, patience=patience, resend_unknown=resend_unknown, send_again=send_again
            )
            if not ends.to_resend and not has_sent:
                break
            await send_again()
        await ends.follow(deliver)
        self._complete = not self.stop_requested

    def undecided(self) -> list[Outcome]:
        ours = [] if self._open is None else self._open[2].undecided(self._how.patience)
        return [*self._inner.undecided(), *ours]

    async def close(self) -> None:
        try:
            await self._inner.close()
            if self._verification is not None:
                self._verification.close()
            if self._open is not None:
                book, _, ends = self._open
                ends.release_pending()
                await ends.back.revoke()
                await (book.finish() if self._complete else book.flush())
        finally:
            await self._opened.aclose()

    def _parts(self) -> tuple[JournalRun, KeyClaims, PendingItems[T]]:
        if self._open is None:
            raise ClosedError("the journal of this run is not open")
        return self._open

    def _noted(self, item: T, outcome: Outcome) -> Outcome | None:
        """Write an item's outcome behind; return it, or ``None`` if it is delivered at the end."""
        book, claims, ends = self._open or self._parts()
        key = outcome.key
        ends.to_resend.pop(key, None)
        claims.release_one(key, ends)
        if isinstance(outcome, Refused) and says_taken(outcome.error):
            outcome = to_look_for(outcome)
        settle(book, outcome)
        if isinstance(outcome, Unknown):
            claims.is_over(key)
            ends.wait_for(item, key, outcome.reason, outcome.error)
            return None
        return outcome if self._follower is None or not ends.keeps(outcome) else None

    def _release(self, keys: Iterable[str]) -> None:
        """Release the keys of items that do not wait, so that other calls of this process may handle them."""
        _, claims, ends = self._parts()
        claims.release([key for key in keys if not ends.is_waiting(key)], ends)

    async def _verified(
        self, verification: Verification, items: list[T], sendings: list[OutgoingItem], outcomes: list[Outcome]
    ) -> tuple[list[T], list[OutgoingItem]]:
        """Return the items that are proven absent, and their requests.

        An existing item is written as created. An item that may exist is written as sent long ago before its outcome is
        reported: whatever happens from then on, it is looked for among all orders before it is sent.
        """
        found = await verification.findings([sending.key for sending in sendings])
        if found is None:
            outcomes += [not_looked_up(sending.key) for sending in sendings]
            return [], []
        pairs = list(zip(items, sendings, strict=True))
        there = [pair for pair in pairs if found.matches.get(pair[1].key) or found.doubt_of(pair[1].key)]
        if there:
            some, how = [item for item, _ in there], [sending for _, sending in there]
            kept = await self._written_down(some, how, first_at=LONG_AGO)
            ends = self._parts()[2]
            await ends.back.revoke()  # whom the list shows with another id, before what leads to them is decided
            told = [ends.found_first(item, key, found) for item, key in zip(kept, self.keys(kept), strict=True)]
            outcomes += [outcome for outcome in told if outcome is not None]
        gone = {sending.key for _, sending in there}
        left = [pair for pair in pairs if pair[1].key not in gone]
        return [item for item, _ in left], [sending for _, sending in left]

    async def _written_down(
        self, items: list[T], sendings: list[OutgoingItem], *, first_at: datetime | None = None
    ) -> list[T]:
        """Return the items that this job claimed and durably marked as sent; with ``first_at``, not to be sent now."""
        if not items:
            return []
        book, claims, ends = self._parts()
        keys = [sending.key for sending in sendings]
        # Of what may have been sent long ago, the API's clock now says nothing.
        api_at = await api_clock_before(self._scope.session) if first_at is None else None
        if not claims.take(keys, ends):
            return await self._one_by_one(items, sendings, first_at)
        try:
            await book.mark_sent(sendings, api_at=api_at, first_at=first_at)
        except IllegalTransitionError:  # another call sent one of them since the look-up
            claims.release(keys, ends)
            return await self._one_by_one(items, sendings, first_at)
        except asyncio.CancelledError:
            if first_at is None:
                self.return_unsent(items)  # written after the cancelled command; none was sent
            else:
                claims.release(keys, ends)
            raise
        except BaseException:
            claims.release(keys, ends)
            raise
        if self._inner.takes_encoded and first_at is None:
            self._encoded.update([(sending.key, sending.payload) for sending in sendings])
        return items

    async def _one_by_one(self, items: list[T], sendings: list[OutgoingItem], first_at: datetime | None) -> list[T]:
        if len(items) > 1:
            each = [
                await self._written_down([item], [sending], first_at=first_at)
                for item, sending in zip(items, sendings, strict=True)
            ]
            return [written for some in each for written in some]
        self._parts()[2].wait_for(items[0], sendings[0].key, "another call is busy with it, or was meanwhile")
        return []

    def _break_off(self, left: dict[str, T], error: BaseException) -> None:
        """Settle items whose handling ended with an error: pending, if none of them can have been sent."""
        book, _, ends = self._parts()
        taken = self._inner.undecided_keys()
        for key in left.keys() - taken:
            if isinstance(error, NOTHING_LEFT) and not is_outcome_unknown(error):
                book.record_outcome(key, State.PENDING)
            elif key in ends.to_resend:
                ends.wait_for(ends.to_resend[key], key, f"broken off: {type(error).__name__} {error}")
            else:
                book.release([key])

    async def _send_again(self, deliver: Deliver) -> None:
        """Send absent items. A run that is to end leaves them to the next one."""
        _, _, ends = self._parts()
        items = list(ends.to_resend.values())
        batches = iter([items[start : start + self.batch] for start in range(0, len(items), self.batch)])
        errors: list[Exception] = []

        async def work() -> None:
            for batch in batches:
                if self.stop_requested or errors:
                    return
                try:
                    if ready := await self._written_down(batch, sendings_of(self.keys(batch), batch)):
                        await self.handle(ready, deliver)
                except Exception as error:  # noqa: BLE001  (raised below, without a group around it)
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(AGAIN_AT_ONCE, len(items))):
                group.start_soon(work)
        if errors:
            raise errors[0]
