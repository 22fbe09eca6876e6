"""The pending items of a journalled run, which have no outcome yet, and the way to their outcomes.

- *Waiting*: undecided items. They are looked up on the remote side.
- *Again*: items that are proven absent and are to be sent again.
- *Followed*: created items that have not reached the status that the run waits for.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from ...contract.operations import CREATE_PRODUCTS
from ...errors import ASK_AGAIN, CallError, mark_journaled
from ...journal import ABSENT, LONG_AGO, LOOK_UP_MOST, UNDECIDED, State, Verdict, decide_known_key, is_long_ago
from ..creations import exists_already
from ..outcomes import Created, Refused, Skipped, Unknown
from ..reconciliation.reconcile import ONE_FIRST, braked, controls_of, left_ago, one_first_of, reconcile, utc_now
from ..reconciliation.taken_reference import weigh, with_refusal
from .revocation import WHY
from .settings import conflict_of, known_outcome, outcome_of_match, outgoing_of, refused_conflict, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from ...journal import Entry, Journal, JournalRun
    from ...journal.key_claims import KeyClaims
    from ..job import Deliver
    from ..outcomes import Outcome
    from ..reconciliation.lookup_findings import LookupFindings
    from ..reconciliation.remote_lookup import RemoteLookup
    from .revocation import CreationRevoker
    from .status_tracking import StatusTracker

T = TypeVar("T")
logger: logging.Logger = logging.getLogger("octoffm_async")

_FIRST_LOOK, _LONGEST_LOOK = 0.1, 2.0
"""Seconds between checks of items that another process is working on."""


_WAITING_MOST = 10_000
"""Maximum number of items that were looked up before sending and wait for another look-up: all are held in memory."""
_NOT_LOOKED_FOR = "; it could not be looked for"
_ABSENT_WRONG_ID = "its response had the id of another order, and it does not exist: run again to send it"


class _Waiting(NamedTuple, Generic[T]):
    item: T
    outcome: Unknown
    since: float


def _with_retry_after(outcome: Unknown, left: float, patience: float) -> Unknown:
    """Add to an unknown outcome that the same run settles it, and when; after the patience, in as much time again."""
    seconds = left if left > 0 else patience
    if isinstance(outcome.error, CallError):
        outcome.error.outcome_unknown = True  # not yet set for a refusal because the reference is used
        mark_journaled(outcome.error, seconds=seconds)
    reason = outcome.reason if ASK_AGAIN in outcome.reason else f"{outcome.reason}; {ASK_AGAIN}"
    return replace(outcome, reason=reason, retry_after=seconds)


class PendingItems(Generic[T]):
    """The pending items of one run."""

    def __init__(
        self,
        journal_run: JournalRun,
        claims: KeyClaims,
        *,
        lookup: RemoteLookup,
        tracker: StatusTracker | None,
        journal: Journal,
        api_clock: Callable[[], datetime | None],
        revoker: CreationRevoker,
    ) -> None:
        self.to_resend: dict[str, T] = {}
        self.revoker = revoker
        self._journal_run = journal_run
        self._claims = claims
        self._lookup = lookup
        self._tracker = tracker
        self._journal = journal
        self._api_clock = api_clock
        self._waiting: dict[str, _Waiting[T]] = {}
        self._are_orders = journal_run.operation != CREATE_PRODUCTS.name
        self._resent: set[str] = set()
        self._followed: dict[str, str | None] = {}
        self._looking_up: AbstractSet[str] = frozenset()
        self._is_following = False
        self._followed_since = utc_now()
        self._stop_requested = asyncio.Event()

    def request_stop(self) -> None:
        """End all waiting."""
        self._stop_requested.set()

    def wait_for(self, item: T, key: str, reason: str, error: Exception | None = None) -> None:
        """Add an item of the input that is undecided."""
        self.to_resend.pop(key, None)
        now = asyncio.get_running_loop().time()
        self._waiting[key] = _Waiting(item, Unknown(key=key, reason=reason, error=error), now)
        self._claims.take([key], self)

    def found_first(self, item: T, key: str, found: LookupFindings) -> Outcome | None:
        """Record what a look-up before sending found of an item; return its outcome, unless it is still pending."""
        if matches := found.matches.get(key):
            outcome = exists_already(key, matches)
            settle(self._journal_run, outcome_of_match(key, matches[0]))
            self._claims.release_one(key, self)
            if outcome.earlier is None or not self.keeps(outcome.earlier):
                return outcome
            self._followed_since = LONG_AGO  # it may have reached the status long ago
            return None
        doubted = Unknown(key=key, reason=found.doubt_of(key))
        self.settle(doubted)
        if len(self._waiting) >= _WAITING_MOST:
            self._journal_run.release([key])
            self._claims.release_one(key, self)
            return doubted
        self.wait_for(item, key, doubted.reason)
        return None

    def is_waiting(self, key: str) -> bool:
        """Return True if an item waits for reconciliation."""
        return key in self._waiting

    def needs_following(self, entry: Entry) -> bool:
        """Return True if a created entry has not reached the status that the run waits for; it is then tracked."""
        if self._tracker is None or self._tracker.has_arrived(entry.followed):
            return False
        self._followed[entry.key] = entry.remote_id
        self._followed_since = min(self._followed_since, entry.sent_at)
        return True

    def settle(self, outcome: Outcome) -> None:
        """Write an outcome behind."""
        settle(self._journal_run, outcome)

    def keeps(self, outcome: Outcome) -> bool:
        """Return True if this creation must be tracked to its status first; its outcome is then delivered later."""
        if self._tracker is None or not isinstance(outcome, Created):
            return False
        self._followed[outcome.key] = outcome.id
        return True

    async def deliver_unless_tracked(self, outcome: Outcome, deliver: Deliver) -> None:
        """Deliver an outcome, unless it is delivered later."""
        if not self.keeps(outcome):
            await deliver(outcome)

    def release_pending(self) -> None:
        """Release the items that are still pending, for other runs."""
        keys = [key for key in (*self._waiting, *self.to_resend) if self._claims.held_by(key, self)]
        self._journal_run.release(keys)
        self._claims.release(keys, self)

    @property
    def awaited(self) -> tuple[int, int]:
        """The numbers of items that are being looked up, and of those whose status is awaited."""
        return len(self._looking_up), len(self._followed) if self._is_following else 0

    def undecided(self, patience: float) -> list[Outcome]:
        """Return the outcomes of items that stay pending; the same run again settles the unknown ones."""
        now = asyncio.get_running_loop().time()
        absent = "it was absent, and the run ended before it was sent again"
        return [
            *(
                _with_retry_after(outcome, since + patience - now, patience)
                for _, outcome, since in self._waiting.values()
            ),
            *(Skipped(key=key, reason=absent) for key in self.to_resend),
            *(Unknown(key=key, reason=WHY) for key in self._followed if key in self.revoker.revoked_ids),
            *(
                Created(key=key, id=remote_id)
                for key, remote_id in self._followed.items()
                if key not in self.revoker.revoked_ids
            ),
        ]

    async def reconcile(
        self, deliver: Deliver, *, patience: float, resend_unknown: bool, resend: Callable[[], Awaitable[None]]
    ) -> bool:
        """Decide the undecided items of all runs; absent items of this input are then in :attr:`to_resend`.

        While the run waits for other processes, ``resend`` sends those items: the others may be waiting for them.
        Return True if it did.
        """
        decide = partial(self._decide, deliver, patience=patience, resend_unknown=resend_unknown)
        await self._journal_run.flush()
        await self.revoker.revoke()
        await self._learn(deliver, patience)
        entries = await self._undecided_entries()
        if await decide(entries):
            await decide([entry for entry in await self._undecided_entries() if entry.key in self.revoker.revoked_ids])
        self._looking_up = frozenset()
        has_sent = False
        theirs = self._waiting.keys() - {entry.key for entry in entries}
        if theirs and self._journal_run.takeover_seconds:
            seconds = 2 * patience + self._journal_run.takeover_seconds
            has_sent = await self._wait_for_others(theirs, deliver, decide, resend, seconds=seconds)
        await self._journal_run.flush()
        return has_sent

    async def follow(self, deliver: Deliver) -> None:
        """Scan until all created items have reached their status, or were refused."""
        if self._tracker is None or not self._followed or self._stop_requested.is_set():
            return
        self._is_following = True
        arrivals = self._tracker.follow(self._followed, since=self._followed_since, rest=self._rest)
        async for key, match, status, reason in arrivals:
            if match is None:  # the journal keeps it as created: another run tracks it again
                await deliver(Unknown(key=key, reason=reason))
                continue
            outcome = outcome_of_match(key, match)
            if isinstance(outcome, Refused):
                self.settle(outcome)
            else:
                self._journal_run.record_status(key, status)
            await deliver(outcome)

    async def _decide(
        self, deliver: Deliver, entries: Sequence[Entry], *, patience: float, resend_unknown: bool
    ) -> bool:
        """Look up entries that this run may decide; return True if the list shows orders with other ids than expected.

        An expected id is the one that the order's response had. Those orders are revoked before the findings are
        written: the findings lead to them, and no trace would be left if this process were killed between the two.
        """
        journal_run = self._journal_run
        entry_of = {entry.key: entry for entry in entries}
        self._claims.take(entry_of, self)
        self._looking_up = undecided = set(entry_of)
        doubted: set[str] = set()
        is_any_other = False
        try:
            decided = reconcile(
                self._lookup,
                {entry.key: entry.sent_at for entry in entries},
                patience=patience,
                ago={
                    entry.key: left_ago(entry, self._journal, over_for=self._claims.over_for(entry.key))
                    for entry in entries
                },
                api_at={entry.key: entry.api_at for entry in entries if entry.api_at is not None},
                api_clock=self._api_clock,
                rest=self._rest,
                look_up=journal_run.look_up,
                controls=controls_of(journal_run, patience)
                if self._are_orders
                else None,  # products may be listed much later
                one_first=one_first_of(journal_run, self._claims, entry_of, self._waiting),
                owners=self.revoker.owners,
                rivals=await journal_run.undecided_keys() if entries and self.revoker.owners is not None else (),
            )
            async for key, found, doubt in decided:
                is_any_other |= await self.revoker.revoke()
                waiting, entry = self._waiting.get(key), entry_of[key]
                error = None if waiting is None else waiting.outcome.error
                matches, refused, unsaid = weigh(entry, found, api_now=self._api_clock(), error=error)
                if doubt := doubt or unsaid or ("" if matches or refused else self._doubt_of_absence(entry)):
                    doubted.add(key)
                    await self._doubt(entry, doubt, deliver)
                    continue
                undecided.discard(key)
                self._waiting.pop(key, None)
                self.revoker.compare(key, matches)
                if matches or refused is not None:
                    outcome = refused or outcome_of_match(key, matches[0])
                    self.settle(outcome)
                    if waiting is not None or self._is_kept(key):
                        await self.deliver_unless_tracked(outcome, deliver)
                else:
                    await self._absent(entry_of[key], waiting, deliver)
        except CallError as error:
            logger.warning("%d items stay unknown, reconciliation failed: %s", len(self._waiting), error)
            await self._not_looked_for([entry_of[key] for key in undecided.difference(doubted)], error, deliver)
            if resend_unknown:
                await self._give_up_waiting(self._waiting.keys())
        else:
            if doubted:
                logger.warning("the absence of %d items is not proven: they stay unknown", len(doubted))
            if doubted and resend_unknown:
                await self._give_up_waiting(doubted)
        finally:
            keys = [
                entry.key for entry in entries if entry.key not in self.to_resend and entry.key not in self._waiting
            ]
            self._journal_run.release(undecided.intersection(keys))
            self._claims.release(keys, self)
        return await self.revoker.revoke() or is_any_other

    async def _not_looked_for(self, entries: Iterable[Entry], error: CallError, deliver: Deliver) -> None:
        """Leave entries unknown, because the remote side could not be read."""
        for entry in entries:
            first = "it was sent" if (lost := self._waiting.get(entry.key)) is None else lost.outcome.reason
            reason = f"{first.partition(_NOT_LOOKED_FOR)[0]}{_NOT_LOOKED_FOR}: {error}"
            await self._doubt(entry, reason, deliver)

    async def _wait_for_others(
        self,
        theirs: set[str],
        deliver: Deliver,
        decide: Callable[[Sequence[Entry]], Awaitable[bool]],
        resend: Callable[[], Awaitable[None]],
        *,
        seconds: float,
    ) -> bool:
        """Take over the decisions of other processes on waiting items; decide the items that they released or lost.

        Return True if something was sent again meanwhile.
        """
        now = asyncio.get_running_loop().time
        until, pause, has_sent = now() + seconds, 0.0, False
        while theirs and await self._rest(pause):
            if self.to_resend:
                await resend()
                has_sent = True
            await self._learn_of(list(theirs), deliver)
            theirs &= self._waiting.keys()
            keys = list(theirs)
            for start in range(0, len(keys), LOOK_UP_MOST):
                free = await self._journal_run.undecided(keys[start : start + LOOK_UP_MOST])
                theirs.difference_update(entry.key for entry in free)
                await decide([entry for entry in free if not self._claims.held_by_other(entry.key, self)])
            if now() >= until:
                break
            pause = min(_LONGEST_LOOK, max(_FIRST_LOOK, 2 * pause))
        return has_sent

    async def _learn(self, deliver: Deliver, patience: float) -> None:
        """Take over the decisions of other calls of this process on waiting items, once those calls have ended."""
        theirs = [key for key in self._waiting if not self._claims.held_by(key, self)]
        try:
            async with asyncio.timeout(3 * patience):  # the other calls may need twice the patience
                for key in theirs:
                    await self._claims.wait_for(key, self)
        except TimeoutError:
            pass
        await self._learn_of(theirs, deliver)

    async def _learn_of(self, keys: Sequence[str], deliver: Deliver) -> None:
        """Take over decisions of others on waiting items."""
        for start in range(0, len(keys), LOOK_UP_MOST):
            for entry in await self._journal_run.look_up(keys[start : start + LOOK_UP_MOST]):
                if entry is None or entry.state in UNDECIDED:
                    continue
                item = self._waiting.pop(entry.key).item
                outgoing = outgoing_of(entry.key, item)
                if (verdict := decide_known_key(entry, outgoing.payload_hash)) is Verdict.SEND:
                    self.to_resend[entry.key] = item
                elif verdict is Verdict.CHANGED:
                    await deliver(refused_conflict(await conflict_of(self._journal_run, entry, item, outgoing)))
                else:
                    await deliver(known_outcome(entry, verdict))

    async def _undecided_entries(self) -> list[Entry]:
        """Return the undecided entries that no other call of this process is working on."""
        found: list[Entry] = []
        keys = [entry.key for entry in await self._journal_run.undecided()]
        for start in range(0, len(keys), LOOK_UP_MOST):
            # Looked up again: an entry that was in use when it was read may have been decided and released since.
            free = [key for key in keys[start : start + LOOK_UP_MOST] if not self._claims.held_by_other(key, self)]
            found += [
                entry
                for entry in await self._journal_run.look_up(free)
                if entry is not None and entry.state in UNDECIDED and not self._claims.held_by_other(entry.key, self)
            ]
        return found

    def _is_kept(self, key: str) -> bool:
        """Return True for an item that was tracked when its creation was revoked: its outcome is not delivered yet."""
        is_kept = key in self._followed
        self._followed.pop(key, None)
        return is_kept

    async def _absent(self, entry: Entry, waiting: _Waiting[T] | None, deliver: Deliver) -> None:
        """Mark an absent item as one that may be sent, now or later."""
        key = entry.key
        # An absence counts only after a request: an item sent at an unknown time may have had none
        # (bulk/reconciliation/absence.py).
        self._journal_run.record_outcome(key, State.PENDING, code="" if is_long_ago(entry.sent_at) else ABSENT)
        if waiting is not None:
            self.to_resend[key] = waiting.item
            self._resent.add(key)
        if self._is_kept(key):
            await deliver(Skipped(key=key, reason=_ABSENT_WRONG_ID))

    def _doubt_of_absence(self, entry: Entry) -> str:
        """Return the reason why an absent item is not sent again automatically, or "".

        A product exists once at most, so each run may try twice.
        """
        is_braked = self._are_orders or entry.key in self._resent
        return (braked(entry) if is_braked else "") or self.revoker.doubt_of_absence(entry.remote_id)

    async def _doubt(self, entry: Entry, reason: str, deliver: Deliver) -> None:
        """Keep an item that may exist waiting: its outcome is unknown at the end.

        An item that only waits until another one was sent again stays as it is in the journal: ``sent`` says less than
        ``unknown``.
        """
        waits = reason is ONE_FIRST
        key, reason = entry.key, with_refusal(entry, reason)
        if (waiting := self._waiting.get(key)) is not None:
            self._waiting[key] = waiting._replace(outcome=replace(waiting.outcome, reason=reason))
        if not waits and (entry.state is State.SENT or entry.message != reason):
            self._journal_run.record_outcome(key, State.UNKNOWN, code=entry.code, message=reason)
        if self._is_kept(key):
            await deliver(Unknown(key=key, reason=reason))

    async def _give_up_waiting(self, keys: Collection[str]) -> None:
        """Send waiting items again although nothing is known of them, as the user asked."""
        given_up = {key: waiting.item for key, waiting in self._waiting.items() if key in keys}
        for entry in await self._journal_run.undecided():
            if entry.key in given_up and entry.state is State.SENT:
                self._journal_run.record_outcome(entry.key, State.UNKNOWN)
        for key in given_up:
            del self._waiting[key]
        self.to_resend |= given_up

    async def _rest(self, seconds: float) -> bool:
        """Wait, unless the run is to end; return True to continue."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop_requested.wait()
        except TimeoutError:
            return True
        return False
