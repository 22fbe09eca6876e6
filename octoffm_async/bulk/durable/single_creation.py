"""Single creation through a journal: an order of a web backend that survives a crash of the backend.

Repeated calls for the same order return the same id: the order is sent once, however often it is requested, by any of
the processes that write the journal. A call waits while another one is working on the order; an earlier request with an
unknown outcome is reconciled before anything is sent.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from msgspec import structs

from ...contract.operations import CREATE_OUTBOUND
from ...errors import (
    CallError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    UnprocessableError,
    UnusableAnswerError,
    is_outcome_unknown,
    mark_journaled,
)
from ...journal import ABSENT, LONG_AGO, IllegalTransitionError, State, Verdict, decide_known_key, environment_of
from ...journal.key_claims import key_claims_of
from ...journal.retention import SINGLE_CALLS
from ...resources.believing import IdVerifier
from ...resources.inbound import send_supply_order
from ...resources.outbound import send_shipment
from ...session.seller_session import SellerSession
from ..outcomes import Refused, Unknown, outcome_of
from ..reconciliation.reconcile import braked, controls_of, left_ago, one_first_of, reconcile
from ..reconciliation.remote_lookup import OrderLookup, QueuedLookup
from ..reconciliation.taken_reference import says_taken, to_look_for, weigh, with_refusal
from .job import NOTHING_LEFT
from .revocation import CreationRevoker
from .settings import api_clock_before, conflict_of, outcome_of_match, outgoing_of, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import msgspec

    from ...contract.operations import Operation
    from ...journal import Entry, Environment, Journal, JournalRun
    from ...session.session import Result
    from ..reconciliation.remote_lookup import RemoteLookup

_journal_runs: WeakKeyDictionary[Journal, dict[tuple[str, str, Environment], asyncio.Future[JournalRun]]] = (
    WeakKeyDictionary()
)
_FIRST_LOOK, _LONGEST_LOOK = 0.02, 1.0
"""Seconds between checks of an order that another process is working on."""
_call_locks: WeakValueDictionary[tuple[int, str, str, str], asyncio.Lock] = WeakValueDictionary()


class ProtectedCreation:
    """One creation, with its key in the journal and its remote look-up."""

    def __init__(
        self,
        scope: SellerSession,
        operation: Operation[str],
        *,
        key: str,
        request: msgspec.Struct,
        send: Callable[[Any], Awaitable[Result[str]]],
        lookup: RemoteLookup,
        journal: Journal,
        patience: float,
        verify_first: bool = False,
    ) -> None:
        self._names = (scope.seller_id, operation.name)
        self._session = scope.session
        self._environment = environment_of(scope.session.config)
        self._deadline = scope.options.deadline or scope.session.config.deadline
        self._outgoing = outgoing_of(key, request)
        self._request = request
        self._send = send
        self._id_verifier = IdVerifier(scope, operation)
        self._lookup = lookup
        self._journal = journal
        self._patience = patience
        gap = journal.gap
        self._trusts = not verify_first and gap is None
        self._first_at = LONG_AGO if verify_first or gap is None else gap.since
        self._may_exist = False
        """True if the order was sent, and its outcome is not known."""
        self._refusal: CallError | None = None
        """Response of the API that says that the reference is used."""

    async def create(self) -> str:
        """Return the id of the order: of a new one, or of the one that was created before.

        Raises:
            PayloadConflictError: another payload was sent under this reference; nothing was sent.
            UnprocessableError: this very payload was refused before; nothing was sent.
            DeadlineExceededError: the outcome of an earlier request was not found in time; nothing was sent.
            FencedError: this process was silent for longer than its lease on the journal; nothing was sent.
            ConflictError: another order has its reference.
            CallError: the call did not succeed; see ``outcome_unknown``.
            JournalError: the journal could not be read or written; nothing was sent, or a note says otherwise.

        Any error that is raised while the order may exist says so, and asks to make the same call again with the same
        journal.
        """
        key = self._outgoing.key
        claims = key_claims_of(self._journal, *self._names)
        call_lock = _call_locks.setdefault((id(self._journal), *self._names, key), asyncio.Lock())
        async with call_lock:  # two concurrent calls for the same order send it once
            try:
                async with asyncio.timeout(self._deadline):  # a run of this process may be working on the same key
                    await claims.wait_for(key, self)
            except TimeoutError:
                said = f"another call of this process is working on {key!r}, and did not end in time"
                raise self._unknown(DeadlineExceededError(said), seconds=_LONGEST_LOOK) from None
            claims.take([key], self)
            try:
                return await self._created(key)
            except BaseException as error:
                if self._may_exist:
                    self._mark(error)
                raise
            finally:
                claims.release([key], self)

    async def _created(self, key: str) -> str:
        ends_at = asyncio.get_running_loop().time() + self._deadline
        pause = 0.0
        while True:
            journal_run, entry = await self._looked_up(key)
            verdict = decide_known_key(entry, self._outgoing.payload_hash)
            self._may_exist = verdict is Verdict.UNDECIDED
            try:
                if entry is not None and verdict is Verdict.UNDECIDED:
                    await self._decide(journal_run, entry, pause=pause, ends_at=ends_at)
                    self._trusts = True
                elif (entry is None or verdict is Verdict.SEND) and not self._trusts:
                    doubted = await self._doubt(journal_run, key)
                    self._may_exist = True
                    await self._decide(journal_run, doubted, pause=pause, ends_at=ends_at, is_sent=False)
                    self._trusts = True
                elif entry is None or verdict is Verdict.SEND:
                    if (order_id := await self._sent(journal_run, key)) is not None:
                        return order_id
                else:
                    return await self._known(journal_run, entry, verdict)
            except IllegalTransitionError:
                pass  # another process was faster: its outcome is ours too
            except BaseException:
                with suppress(ClosedError):
                    journal_run.release([key])
                raise
            pause = min(_LONGEST_LOOK, max(_FIRST_LOOK, 2 * pause))

    async def _looked_up(self, key: str) -> tuple[JournalRun, Entry | None]:
        try:
            return await self._looked_up_in(await self._journal_run(), key)
        except ClosedError:  # the journal was closed since, and may have been opened again
            _journal_runs.pop(self._journal, None)
            return await self._looked_up_in(await self._journal_run(), key)

    async def _looked_up_in(self, journal_run: JournalRun, key: str) -> tuple[JournalRun, Entry | None]:
        revoker = CreationRevoker(journal_run, self._id_verifier.given)
        await revoker.learn()
        await revoker.revoke()
        return journal_run, (await journal_run.look_up([key]))[0]

    async def _journal_run(self) -> JournalRun:
        journal_runs = _journal_runs.setdefault(self._journal, {})
        seller, operation = self._names
        names = seller, operation, self._environment
        opening = journal_runs.get(names)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            begun = self._journal.begin_run(
                seller=seller, operation=operation, source=SINGLE_CALLS, environment=self._environment
            )
            opening = journal_runs[names] = asyncio.ensure_future(begun)
        return await asyncio.shield(opening)

    async def _doubt(self, journal_run: JournalRun, key: str) -> Entry:
        """Write the order as one that may have been sent before: it is looked up first, whatever happens."""
        await journal_run.mark_sent([self._outgoing], first_at=self._first_at)
        journal_run.record_outcome(key, State.UNKNOWN, message="it is to be looked up before it is sent")
        return cast("Entry", (await journal_run.look_up([key]))[0])

    async def _sent(self, journal_run: JournalRun, key: str) -> str | None:
        """Send the order and return its id; ``None`` if it must be looked up, because its reference is used."""
        await journal_run.mark_sent([self._outgoing], api_at=await api_clock_before(self._session))
        self._may_exist = True
        try:
            order_id = await self._id_verifier.verified_id(key, await self._send(self._request))
        except CallError as error:
            if error.outcome_unknown:
                mark_journaled(error, seconds=self._patience)
            outcome = outcome_of(key, error)
            if isinstance(outcome, Refused) and says_taken(error):
                self._refusal, outcome = error, to_look_for(outcome)
            self._may_exist = isinstance(outcome, Unknown)
            settle(journal_run, outcome)
            if self._may_exist:
                key_claims_of(self._journal, *self._names).is_over(key)
            await journal_run.flush()
            if error is self._refusal:
                return None
            raise
        except BaseException as error:
            self._may_exist = is_outcome_unknown(error) or not isinstance(error, NOTHING_LEFT)
            if not self._may_exist:
                journal_run.record_outcome(key, State.PENDING)
            raise
        journal_run.record_created(key, order_id)
        await journal_run.flush()
        return order_id

    async def _decide(
        self, journal_run: JournalRun, entry: Entry, *, pause: float, ends_at: float, is_sent: bool = True
    ) -> None:
        """Find the outcome of a request, or wait a little if another process is doing that.

        ``is_sent`` is False if this process knows of no request: other processes sent theirs before they released the
        journal.

        Raises:
            DeadlineExceededError: the outcome was not found in time.
            UnusableAnswerError: the order was not found, and its absence is not proven.
        """
        try:
            async with asyncio.timeout_at(ends_at):
                if ours := await journal_run.undecided([entry.key]):
                    await self._reconcile(journal_run, ours[0], is_sent=is_sent, ends_at=ends_at)
                else:
                    await asyncio.sleep(pause)
        except CallError as error:
            if not error.in_journal:  # an error of the look-up itself
                was = "was" if is_sent else "may have been"
                error.message = f"{entry.key!r} {was} sent, and could not be looked for: {error.message}"
            raise
        except TimeoutError:
            said = f"{entry.key!r} was sent before, and its outcome was not found in time"
            over_for = key_claims_of(self._journal, *self._names).over_for(entry.key)
            left = self._patience - left_ago(entry, self._journal, over_for=over_for)
            raise self._unknown(DeadlineExceededError(said), seconds=max(left, _LONGEST_LOOK)) from self._refusal

    async def _reconcile(self, journal_run: JournalRun, entry: Entry, *, is_sent: bool, ends_at: float) -> None:
        key = entry.key
        left = entry
        if not is_sent and self._journal.opened_at is not None:
            left = structs.replace(entry, state=State.SENT, changed_at=entry.sent_at, latest_sent_at=None)
        over_for = key_claims_of(self._journal, *self._names).over_for(key)
        revoker = CreationRevoker(journal_run, self._id_verifier.given)
        decided = reconcile(
            self._lookup,
            {key: entry.sent_at},
            patience=self._patience,
            ago={key: left_ago(left, self._journal, over_for=over_for)},
            api_at={} if entry.api_at is None else {key: entry.api_at},
            api_clock=lambda: self._session.api_clock,
            look_up=journal_run.look_up,
            controls=controls_of(journal_run, self._patience),
            one_first=one_first_of(journal_run, key_claims_of(self._journal, *self._names), {key: entry}, (key,)),
            owners=revoker.owners,
            rivals=await journal_run.undecided_keys(),
            ends_at=ends_at,
        )
        async for _, found, doubt in decided:
            await revoker.revoke()  # the list may show that other responses had wrong ids
            matches, refused, unsaid = weigh(entry, found, api_now=self._session.api_clock)
            doubted = "" if matches or refused else braked(entry) or revoker.doubt_of_absence(entry.remote_id)
            if doubt := doubt or unsaid or doubted:
                reason = with_refusal(entry, doubt)
                if entry.state is State.SENT or entry.message != reason:
                    journal_run.record_outcome(key, State.UNKNOWN, code=entry.code, message=reason)
                    await journal_run.flush()
                raise self._unknown(UnusableAnswerError(f"{key!r}: {reason}"), seconds=self._patience)
            if refused is not None:
                settle(journal_run, refused)
            elif matches:
                settle(journal_run, outcome_of_match(key, matches[0]))
            else:
                journal_run.record_outcome(
                    key, State.PENDING, code=ABSENT if is_sent else ""
                )  # an absence needs a request
        await journal_run.flush()

    def _unknown(self, error: CallError, *, seconds: float) -> CallError:
        """Return the error, marked with an unknown outcome and the time after which a new call makes sense."""
        error.outcome_unknown = True
        mark_journaled(error, seconds=seconds)
        return self._named(error)

    def _mark(self, error: BaseException) -> None:
        """Mark any error that ends the call in the same way; an error of the look-up is not marked by itself."""
        if isinstance(error, CallError):
            error.outcome_unknown = True
            if error.in_journal:
                return
        mark_journaled(error, seconds=self._patience)

    def _named(self, error: CallError) -> CallError:
        error.seller_id, error.operation = self._names
        return error

    async def _known(self, journal_run: JournalRun, entry: Entry, verdict: Verdict) -> str:
        if verdict is Verdict.CHANGED:
            raise self._named(await conflict_of(journal_run, entry, self._request, self._outgoing))
        if verdict is Verdict.ALREADY_REFUSED:
            if self._refusal is not None:
                raise self._refusal
            raise UnprocessableError(f"refused before, in run {entry.run}: {entry.message}", code=entry.code)
        if entry.remote_id is None:
            raise ConflictError(f"{entry.key!r} was created before, and its id is not known")
        return entry.remote_id


async def protect(
    scope: SellerSession,
    operation: Operation[str],
    request: Any,
    *,
    journal: Journal,
    patience: float,
    verify_first: bool = False,
) -> str:
    """Create one order through a journal; see :meth:`ProtectedCreation.create`.

    Raises:
        ConfigurationError: ``journal`` is an address; a single creation would have to open it each time.
    """
    scope.session.affinity.check()
    if isinstance(journal, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"journal={os.fspath(journal)!r} is an address: a single creation needs the journal opened, once for all "
            "calls: async with Journal.open(…) as journal"
        )
    is_outbound = operation is CREATE_OUTBOUND
    if journal.fence is not None:
        scope = SellerSession(scope.session, scope.seller_id, scope.options.changed(fence=journal.fence))
    creation = ProtectedCreation(
        scope,
        operation,
        key=request.reference,
        request=request,
        send=partial(send_shipment if is_outbound else send_supply_order, scope),
        lookup=QueuedLookup(OrderLookup(scope, "outbound" if is_outbound else "inbound"), scope),
        journal=journal,
        patience=patience,
        verify_first=verify_first,
    )
    return await creation.create()
