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
from .revocation import CreationRevoker
from .settings import (
    api_clock_before,
    conflict_of,
    encodable,
    known_outcome,
    outgoing_items_of,
    outgoing_of,
    refused_conflict,
    settle,
    with_fields,
)

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
RESEND_CONCURRENCY = 8
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
        lookup: RemoteLookup | None,
        journaling: JournalOptions,
        tracker: StatusTracker | None = None,
        *,
        scope: SellerSession,
    ) -> None:
        self._inner = inner
        if lookup is not None:  # else the start knows the inner job
            self._send_through(inner, lookup)
        self._tracker = tracker
        self._how = journaling
        self._scope = scope
        self._opened = AsyncExitStack()
        self._open: tuple[JournalRun, KeyClaims, PendingItems[T]] | None = None
        self._complete = False
        self._verification: Verification | None = None
        self._encoded: dict[str, bytes] = {}
        """Encoded requests of items that are written to the journal and not sent yet."""

    def _send_through(self, inner: Job[T], lookup: RemoteLookup) -> None:
        self._inner, self._lookup = inner, lookup
        self.batch: int = inner.batch
        self.one_by_one: bool = inner.one_by_one
        self.key: Callable[[T], str] = inner.key
        self.odd: OddReferences | None = inner.odd

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
            self._open[2].request_stop()
        if self._verification is not None:
            self._verification.request_stop()

    async def start(self) -> None:
        how = self._how
        journal = how.journal
        if isinstance(journal, str | PathLike):
            journal = await self._opened.enter_async_context(Journal.open(journal, verify_first=how.verify_first))
        self._scope.options = self._scope.options.changed(fence=journal.fence)
        journal_run = await journal.begin_run(
            seller=how.seller_id,
            operation=how.operation,
            run=how.run,
            source=how.source,
            environment=environment_of(self._scope.session.config),
        )
        self.run_id = journal_run.run
        self.low: int = 0 if journal_run.in_thread else self.look_ahead // 2
        claims = key_claims_of(journal, how.seller_id, how.operation)
        await self._inner.start()
        revoker = CreationRevoker(journal_run, self._inner.given)
        pending = PendingItems[T](
            journal_run,
            claims,
            lookup=self._lookup,
            tracker=self._tracker,
            journal=journal,
            api_clock=lambda: self._scope.session.api_clock,
            revoker=revoker,
        )
        self._open = journal_run, claims, pending
        if (how.verify_first or journal.gap is not None) and (kind := KINDS.get(how.operation)) is not None:
            gone_by = 0.0
            if not how.verify_first and journal.gap is not None:
                gone_by = max(0.0, (utc_now() - journal.gap.until).total_seconds())
            self._verification = Verification(
                self._scope,
                kind,
                patience=how.patience,
                look_up=journal_run.look_up,
                controls=controls_of(journal_run, how.patience),
                owners=revoker.owners,
                passed=gone_by,
            )
        if self.stop_requested:
            self.request_stop()
        await revoker.learn()

    async def screen(self, items: list[T], prints: dict[str, bytes | None]) -> tuple[list[T], list[Outcome]]:
        journal_run, claims, pending = self._parts()
        await pending.revoker.revoke()
        outcomes: list[Outcome] = []
        items, outgoing_items = encodable(self._inner, items, outcomes)
        keys = self.keys(items)
        entries = await journal_run.look_up(keys)
        busy = claims.held_by_others(keys, pending)
        check = self._inner.check
        unsent: list[T] = []
        to_send: list[OutgoingItem] = []
        for item, key, outgoing, entry in zip(items, keys, outgoing_items, entries, strict=True):
            if key in busy:
                pending.wait_for(item, key, "another call is working on it")
            elif entry is None or (verdict := decide_known_key(entry, outgoing.payload_hash)) is Verdict.SEND:
                try:
                    check(item)
                except ValidationError as error:
                    outcomes.append(refused_locally(error))
                else:
                    unsent.append(item)
                    to_send.append(outgoing)
            elif verdict is Verdict.UNDECIDED:
                pending.wait_for(item, key, "it was sent before, and its outcome is not known")
            elif verdict is Verdict.CHANGED:
                outcomes.append(refused_conflict(await conflict_of(journal_run, entry, item, outgoing_of(key, item))))
            elif verdict is not Verdict.ALREADY_CREATED:
                outcomes.append(known_outcome(entry, verdict))
            elif not pending.needs_following(entry):
                outcomes.append(known_outcome(entry, verdict))
                prints[key] = None
        to_send = with_fields(to_send, self.fingerprints(unsent), prints)
        if self._verification is not None and unsent:
            unsent, to_send = await self._verified(self._verification, unsent, to_send, outcomes)
        return await self._written_down(unsent, to_send), outcomes

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
        decided: list[Outcome] = []

        async def record(outcome: Outcome) -> None:
            if self._noted(left.pop(outcome.key), outcome) is not None:
                decided.append(outcome)

        try:
            await self._inner.handle(items, record)
        except BaseException as error:
            self._break_off(left, error)
            raise
        finally:
            self._release(left)
            for outcome in decided:  # all outcomes are written before the first is delivered
                await deliver(outcome)

    def return_unsent(self, items: Iterable[T]) -> None:
        """Mark items that were written to the journal and will not be sent as pending."""
        journal_run, claims, pending = self._parts()
        keys = self.keys(items)
        for key in keys:
            self._encoded.pop(key, None)
            journal_run.record_outcome(key, State.PENDING)
        claims.release(keys, pending)

    async def finish(self, deliver: Deliver) -> None:
        """Read back what the inner job reads back, then reconcile all undecided items, from any run."""
        _, _, pending = self._parts()

        async def record(outcome: Outcome) -> None:
            pending.settle(outcome)
            await pending.deliver_unless_tracked(outcome, deliver)

        await self._inner.finish(record)
        patience, resend_unknown = self._how.patience, self._how.resend_unknown
        resend = partial(self._resend, deliver)
        for _ in range(ROUNDS):
            if self.stop_requested:
                break
            has_sent = await pending.reconcile(deliver, patience=patience, resend_unknown=resend_unknown, resend=resend)
            if not pending.to_resend and not has_sent:
                break
            await resend()
        await pending.follow(deliver)
        self._complete = not self.stop_requested

    def awaited(self) -> tuple[int, int]:
        return (0, 0) if self._open is None else self._open[2].awaited

    def undecided(self) -> list[Outcome]:
        ours = [] if self._open is None else self._open[2].undecided(self._how.patience)
        return [*self._inner.undecided(), *ours]

    async def close(self) -> None:
        try:
            await self._inner.close()
            if self._verification is not None:
                self._verification.close()
            if self._open is not None:
                journal_run, _, pending = self._open
                pending.release_pending()
                await pending.revoker.revoke()
                await (journal_run.finish() if self._complete else journal_run.flush())
        finally:
            await self._opened.aclose()

    def _parts(self) -> tuple[JournalRun, KeyClaims, PendingItems[T]]:
        if self._open is None:
            raise ClosedError("the journal of this run is not open")
        return self._open

    def _noted(self, item: T, outcome: Outcome) -> Outcome | None:
        """Write an item's outcome behind; return it, or ``None`` if it is delivered at the end."""
        journal_run, claims, pending = self._open or self._parts()
        key = outcome.key
        pending.to_resend.pop(key, None)
        claims.release_one(key, pending)
        if isinstance(outcome, Refused) and says_taken(outcome.error):
            outcome = to_look_for(outcome)
        settle(journal_run, outcome)
        if isinstance(outcome, Unknown):
            claims.is_over(key)
            pending.wait_for(item, key, outcome.reason, outcome.error)
            return None
        return outcome if self._tracker is None or not pending.keeps(outcome) else None

    def _release(self, keys: Iterable[str]) -> None:
        """Release the keys of items that do not wait, so that other calls of this process may handle them."""
        _, claims, pending = self._parts()
        claims.release([key for key in keys if not pending.is_waiting(key)], pending)

    async def _verified(
        self, verification: Verification, items: list[T], outgoing_items: list[OutgoingItem], outcomes: list[Outcome]
    ) -> tuple[list[T], list[OutgoingItem]]:
        """Return the items that are proven absent, and their requests.

        An existing item is written as created. An item that may exist is written as sent long ago before its outcome is
        reported: whatever happens from then on, it is looked for among all orders before it is sent.
        """
        found = await verification.findings([outgoing.key for outgoing in outgoing_items])
        if found is None:
            outcomes += [not_looked_up(outgoing.key) for outgoing in outgoing_items]
            return [], []
        pairs = list(zip(items, outgoing_items, strict=True))
        there = [pair for pair in pairs if found.matches.get(pair[1].key) or found.doubt_of(pair[1].key)]
        if there:
            some, how = [item for item, _ in there], [outgoing for _, outgoing in there]
            kept = await self._written_down(some, how, first_at=LONG_AGO)
            pending = self._parts()[2]
            await (
                pending.revoker.revoke()
            )  # orders that the list shows with another id, before the orders that they point to are decided
            found_outcomes = [
                pending.found_first(item, key, found) for item, key in zip(kept, self.keys(kept), strict=True)
            ]
            outcomes += [outcome for outcome in found_outcomes if outcome is not None]
        gone = {outgoing.key for _, outgoing in there}
        left = [pair for pair in pairs if pair[1].key not in gone]
        return [item for item, _ in left], [outgoing for _, outgoing in left]

    async def _written_down(
        self, items: list[T], outgoing_items: list[OutgoingItem], *, first_at: datetime | None = None
    ) -> list[T]:
        """Return the items that this job claimed and durably marked as sent; with ``first_at``, not to be sent now."""
        if not items:
            return []
        journal_run, claims, pending = self._parts()
        keys = [outgoing.key for outgoing in outgoing_items]
        # Of what may have been sent long ago, the API's clock now says nothing.
        api_at = await api_clock_before(self._scope.session) if first_at is None else None
        if not claims.take(keys, pending):
            return await self._one_by_one(items, outgoing_items, first_at)
        try:
            await journal_run.mark_sent(outgoing_items, api_at=api_at, first_at=first_at)
        except IllegalTransitionError:  # another call sent one of them since the look-up
            claims.release(keys, pending)
            return await self._one_by_one(items, outgoing_items, first_at)
        except asyncio.CancelledError:
            if first_at is None:
                self.return_unsent(items)  # written after the cancelled command; none was sent
            else:
                claims.release(keys, pending)
            raise
        except BaseException:
            claims.release(keys, pending)
            raise
        if self._inner.takes_encoded and first_at is None:
            self._encoded.update([(outgoing.key, outgoing.payload) for outgoing in outgoing_items])
        return items

    async def _one_by_one(
        self, items: list[T], outgoing_items: list[OutgoingItem], first_at: datetime | None
    ) -> list[T]:
        if len(items) > 1:
            each = [
                await self._written_down([item], [outgoing], first_at=first_at)
                for item, outgoing in zip(items, outgoing_items, strict=True)
            ]
            return [written for some in each for written in some]
        self._parts()[2].wait_for(items[0], outgoing_items[0].key, "another call is working on it, or was a moment ago")
        return []

    def _break_off(self, left: dict[str, T], error: BaseException) -> None:
        """Settle items whose handling ended with an error: pending, if none of them can have been sent."""
        journal_run, _, pending = self._parts()
        taken = self._inner.undecided_keys()
        for key in left.keys() - taken:
            if isinstance(error, NOTHING_LEFT) and not is_outcome_unknown(error):
                journal_run.record_outcome(key, State.PENDING)
            elif key in pending.to_resend:
                pending.wait_for(pending.to_resend[key], key, f"broken off: {type(error).__name__} {error}")
            else:
                journal_run.release([key])

    async def _resend(self, deliver: Deliver) -> None:
        """Send absent items. A run that is to end leaves them to the next one."""
        _, _, pending = self._parts()
        items = list(pending.to_resend.values())
        batches = iter([items[start : start + self.batch] for start in range(0, len(items), self.batch)])
        errors: list[Exception] = []

        async def work() -> None:
            for batch in batches:
                if self.stop_requested or errors:
                    return
                try:
                    if ready := await self._written_down(batch, outgoing_items_of(self.keys(batch), batch)):
                        await self.handle(ready, deliver)
                except Exception as error:  # noqa: BLE001  (raised below, without a group around it)
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(RESEND_CONCURRENCY, len(items))):
                group.start_soon(work)
        if errors:
            raise errors[0]
