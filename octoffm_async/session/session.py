"""The session of one client account, and the path of every call through it.

Every call of every resource and seller goes through :meth:`Session.call`, the calls for tokens too. Its parts in order:

1. **Deadline.** The session creates the state of the call (:mod:`.call`) and registers it with the deadlines
   (:mod:`..transport.deadlines`). They cancel the task of the call when its time is over, and the session turns this
   one cancellation into :class:`~..errors.DeadlineExceededError`; any other cancellation goes on unchanged.
2. **Admission** (:mod:`.admission`). Before each attempt the call waits for the circuit, a token, and a permit of the
   rate limiter of its key (:mod:`..ratelimit.limiter`), which includes a slot among the requests in flight.
3. **Sending.** The session adds the headers (:mod:`.request_headers`), checks the caller's fence
   (:mod:`..transport.fences`) and hands the request to the transport (:mod:`..transport.aiohttp_transport`). It
   releases the slot when the attempt is over, however that ended.
4. **Classification.** :func:`~.retry.policy.classify` maps the result (a response, or an error that says whether the
   request may have reached the API) to a verdict.
5. **Feedback.** A response that the API's limit accepted is reported to the limiter, a success also to the retry
   budget and the circuit (:mod:`.retry.handler`).
6. **Result.** The session returns a decoded success (:mod:`.decoding.answers`). For any other result the retry policy
   (:mod:`.retry.policy`) either waits and goes back to step 2, or raises its error (:mod:`.error_mapping`).
7. **End.** :meth:`Session._finish` counts the call, completes its error and emits the last event, in every case.

**One function shows the whole path**, :meth:`Session.call`, since the guarantees are about the order of the steps:
the slot is released exactly once for each permit, only the token that an attempt used is invalidated, the limiter
learns of a response before it is decoded, and the outcome of a creation is unknown from the moment at which its attempt
starts. Of a chain of middlewares each would see a part of the order only.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec

from ..affinity import Affinity
from ..auth.source import Token, TokenSource
from ..auth.store import account_of
from ..contract.access import TokenRequest
from ..contract.contract_file.encoding import RequestEncoder
from ..contract.contract_file.translation import Translation
from ..contract.operations import CREATE_TOKEN, OPERATIONS, Repeatability
from ..contract.products import ProductResults
from ..errors import (
    BadRowError,
    CallError,
    DeadlineExceededError,
    FencedError,
    NotAnsweredError,
    OctoffmError,
    UnusableAnswerError,
    mark_unknown,
)
from ..ratelimit.registry import LimiterRegistry
from ..ratelimit.stats import SessionCounters, Stats
from ..transport.aiohttp_transport import AiohttpTransport, as_fencing, as_head_reporting
from ..transport.deadlines import Deadlines
from ..transport.headers import clock_of
from ..transport.response import Response
from .admission import Admission
from .background import Background
from .call import CallState
from .decoding.answers import Answers, BadRowsError, UnusableError
from .decoding.drift import DriftLog
from .decoding.identifiers import refuse_another
from .error_mapping import classify_token_answer, failure_of, unusable
from .event_emitter import EventEmitter
from .options import DEFAULTS
from .request_headers import RequestHeaders
from .retry.handler import RetryHandler
from .retry.policy import OK, AttemptResult, classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from multidict import MultiMapping

    from ..auth.store import TokenStore
    from ..config import Config
    from ..contract.access import TokenAnswer
    from ..contract.operations import Operation
    from ..events import Hook
    from ..ratelimit.shared.store import LimitStore
    from ..ratelimit.stats import KeysShown
    from ..transport.aiohttp_transport import Transport
    from .options import CallOptions

SECRET_HEADER = 8
"""Characters of a configured header's value from which it may be a secret, and is shown in no error."""
T = TypeVar("T")
Result: TypeAlias = tuple[T, Response]
"""The result of a call: the decoded value, and the response that contained it."""
logger: logging.Logger = logging.getLogger("octoffm_async")


class Session:
    """The session of one client account: transport, token, limits and retry budget, shared by all sellers."""

    def __init__(
        self,
        config: Config,
        transport: Transport,
        hooks: Sequence[Hook] = (),
        rng: random.Random | None = None,
        *,
        token_store: TokenStore | None = None,
        limit_store: LimitStore | None = None,
    ) -> None:
        self.config = config
        self.stats: SessionCounters = SessionCounters()
        self.tokens: TokenSource = TokenSource(
            self._fetch_token, store=token_store, account=account_of(config), lease=config.deadline
        )
        self.background: Background = Background()
        self.seller_cache: dict[tuple[str, str], Any] = {}
        """Objects that other modules keep for a seller until the session is closed, by name and seller id."""
        self._transport = transport
        self._head_reporting = as_head_reporting(transport)
        self._fencing = as_fencing(transport)
        self.events: EventEmitter = EventEmitter(hooks)
        self._limiters = LimiterRegistry(config, limit_store)
        self._retries = RetryHandler(config, self.stats, self.events, rng or random.Random(), self._limiters.restart)
        self._admission = Admission(self.tokens, self._retries.circuit)
        self._deadlines = Deadlines(config.deadline, config.bulk_deadline)
        self._heads = RequestHeaders(config)
        self.translation: Translation = Translation(config.contract_file)
        self.encode: Callable[[Operation[Any], Any], bytes] = RequestEncoder(self.translation).encode
        self.drift: DriftLog = DriftLog(self.events.drifted)
        self.addresses: dict[Operation[Any], str] = {
            each: config.base_url + self.translation.path(each) for each in OPERATIONS
        }
        self._answers = Answers(self.translation, self.drift)
        self._last_responses: dict[str, tuple[MultiMapping[str], float]] = {}
        """Headers and time of the last response to each kind of request: creations, reads, and requests for a token."""
        self.affinity: Affinity = Affinity("the client", getattr(transport, "abandon", None))
        """The event loop on which the session is open."""
        self._accepted: Token | None = None
        """The token that the API accepted, and has not refused since."""
        self._draining: asyncio.AbstractEventLoop | None = None
        self._calls_running = 0
        self._idle = asyncio.Event()

    def open(self) -> None:
        """Bind the session to the running event loop.

        Raises:
            ClosedError: It is open on another loop, or was inherited by a fork.
        """
        self.affinity.check_home()
        self._transport.open()
        self.tokens.rebind()
        self.seller_cache.clear()  # it may hold locks of another loop
        self._limiters.rebind()
        self._retries.circuit.rebind()
        self._deadlines = Deadlines(self.config.deadline, self.config.bulk_deadline)  # timers belong to one loop
        self.affinity.bind()
        self._last_responses.clear()  # each loop has its own clock
        self._idle = asyncio.Event()

    async def close(self, *, drain: float) -> None:
        """Reject new calls, give running calls ``drain`` seconds to end, then close the connections.

        Raises:
            ClosedError: The session is open on another loop, which it cannot be closed from, or was inherited by a
                fork.
        """
        self.affinity.check_home()
        self._draining, self.affinity.loop = self.affinity.loop, None
        self.background.cancel()
        try:
            if self._calls_running:
                self._idle.clear()
                async with asyncio.timeout(drain):
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("the client was closed while %d calls were running", self._calls_running)
        finally:
            self._draining = None
            self.seller_cache.clear()
            self._limiters.close()
            self._retries.circuit.close()
            self._deadlines.close()
            await self.tokens.close()
            await self._limiters.return_leases()
            await asyncio.sleep(0)  # so that the tasks that were cancelled here end
            await self._transport.close()
            self.affinity.release()

    async def discard(self) -> None:
        """Drop the rest of a session whose event loop was closed before it: its tasks ended with that loop."""
        if not self.affinity.is_orphaned():
            return
        self.background = Background()
        self._calls_running = 0
        if isinstance(self._transport, AiohttpTransport):
            await self._transport.discard()
        self.affinity.release()

    async def check(self) -> float:
        """Fetch a token if there is none; return how many seconds it remains valid."""
        self.affinity.check()
        token = await self.tokens.get()
        return token.expires_at - asyncio.get_running_loop().time()

    @property
    def api_clock(self) -> datetime | None:
        """The present time by the API's clock: the ``Date`` of a response and the time since; None if there was none.

        The response to a creation is preferred, because no cache answers creations. Before the first one the later of
        the responses to reads and to token requests counts: a cached list must not set the clock back, and the token
        may come from another server.
        """
        if (loop := self.affinity.loop) is None:
            return None
        now = loop.time()
        for kinds in (("POST",), ("GET", "token")):
            responses = [self._last_responses[kind] for kind in kinds if kind in self._last_responses]
            clocks = [then + timedelta(seconds=now - at) for headers, at in responses if (then := clock_of(headers))]
            if clocks:
                return max(clocks)
        return None

    def snapshot(self, keys: KeysShown = "all") -> Stats:
        """Return the counters and the present state of the client. It may be called from another thread."""
        loop = self.affinity.loop
        now = 0.0 if loop is None else loop.time()
        return Stats(
            **asdict(self.stats),
            keys=self._limiters.stats(now, keys),
            token_age=None if loop is None else self.tokens.age(now),
            token_left=None if loop is None else self.tokens.left(now),
            retry_budget_left=self._retries.budget.left,
            circuit=self._retries.circuit.state,
            drift=len(self.drift.seen),
        )

    async def _fetch_token(self) -> TokenAnswer:
        form = TokenRequest(client_id=self.config.client_id, client_secret=self.config.secret.reveal())
        body = urlencode(msgspec.to_builtins(form)).encode()
        token, _ = await self.call(CREATE_TOKEN, seller_id="", url=self.config.token_url, body=body)
        self.stats.tokens += 1
        self.events.token_fetched(token.expires_in)
        return token

    async def call(  # noqa: C901, PLR0912, PLR0915  (the whole path of a call, see the module's docstring)
        self,
        operation: Operation[T],
        *,
        seller_id: str,
        url: str,
        body: bytes | None = None,
        options: CallOptions = DEFAULTS,
        peek: Callable[[Response], None] | None = None,
    ) -> Result[T]:
        """Make one call, see :meth:`~.seller_session.SellerSession.call`; ``body`` is encoded JSON."""
        deadline = options.deadline or self.config.deadline
        call = self._begin(operation, options, deadline, seller_id=seller_id, url=url, body=body)
        now, clock = call.started, call.clock
        error: BaseException | None = None
        self._calls_running += 1
        deadlines = self._deadlines  # those of this loop, even if the client is opened again in the meantime
        deadlines.add(deadline, call)
        try:
            while True:
                outcome: Response | NotAnsweredError
                try:
                    if (token := self._admission.at_once(call, now)) is None:
                        token = await self._admission.wait(call)
                        now = clock()
                    try:
                        outcome = await self._attempt(call, token, peek, now)
                    except NotAnsweredError as lost:
                        outcome = lost
                    except UnusableAnswerError as unreadable:
                        self._unusable(call, unreadable)
                        raise
                    finally:
                        # Exactly once for each permit, in every case: a lost slot would slow the key for good.
                        call.limiter.release(probe=call.limiter_probe)
                    self._record_result(call, outcome, now := clock())
                except (CallError, FencedError) as unsent:
                    await self._wait_unsent(call, unsent)
                    now = clock()
                    continue
                verdict = classify(outcome) if token is not None else classify_token_answer(outcome)
                # Only these verdicts prove that the limit accepted the request: a proxy before it may have sent a 5xx.
                if (verdict is OK or verdict is AttemptResult.REFUSED) and isinstance(outcome, Response):
                    self._retries.on_accepted(call, outcome, now)
                    if verdict is OK:
                        self._accepted = token or self._accepted
                        self._retries.on_success(call)
                        if peek is not None:
                            if self._head_reporting is None:
                                peek(outcome)
                            await asyncio.sleep(0)
                        return self._decode(operation, call, outcome, token), outcome
                # Only the token that this attempt used: a late 401 must not drop a newer one (see :mod:`..auth.source`)
                if verdict is AttemptResult.UNAUTHORIZED and token is not None and not call.token_renewed:
                    self.tokens.invalidate(token, accepted=token is self._accepted)
                    self._accepted = None
                await self._retries.wait_or_raise(call, verdict, failure_of(outcome, verdict, self._secrets(token)))
                now = clock()
        except (Exception, asyncio.CancelledError) as raised:
            error = _error_of(call, raised, deadline)
            if error is raised:
                raise
            raise error from raised
        finally:
            deadlines.done(deadline, call)
            if call.expired:
                call.take_back()  # it is still pending if something turned the cancellation into another error
            self._finish(call, error, now if error is None else clock())

    def _begin(
        self,
        operation: Operation[Any],
        options: CallOptions,
        deadline: float,
        *,
        seller_id: str,
        url: str,
        body: bytes | None,
    ) -> CallState:
        loop = self.affinity.loop or (self._draining if operation is CREATE_TOKEN else None)
        # The current task of a loop is that of the loop's own thread, whatever thread asks.
        task = None if loop is None else asyncio.current_task(loop)
        if loop is None or task is None or self.affinity.is_of_other_thread():
            self.affinity.refuse()
        now = loop.time()
        return CallState(
            task,
            now + deadline,
            task.cancelling(),
            operation=operation,
            seller_id=seller_id,
            url=url,
            body=body,
            limiter=self._limiters.of(seller_id, operation.group),
            clock=loop.time,
            options=options,
            lane=options.lane or "interactive",
            started=now,
        )

    async def _wait_unsent(self, call: CallState, error: CallError | FencedError) -> None:
        """Wait until a call that was not sent may be attempted again, or raise its error."""
        if isinstance(error, FencedError):
            call.finish_attempt(call.clock())
            if call.options.fence is None or not await call.options.fence.recovers():
                raise error
        elif call.waits_out_outage and error.retryable and error.operation == CREATE_TOKEN.name:
            await self._retries.wait_or_raise(call, AttemptResult.NOT_SENT, error)
        else:
            raise error

    def _attempt(
        self, call: CallState, token: Token | None, peek: Callable[[Response], None] | None, now: float
    ) -> Awaitable[Response]:
        operation, options, body = call.operation, call.options, call.body
        headers = self._heads.for_token
        if token is not None:
            headers = self._heads.of(
                operation, call.seller_id, token, with_body=body is not None, fresh=options.fresh, more=options.headers
            )
        call.start_attempt(now)
        self.stats.attempts += 1
        if self.events.tracers:
            headers = headers.extended(self.events.attempt_started(call, call.clock()))
        timeout = options.timeout or self.config.read_timeout
        if (fence := options.fence) is not None and call.creates:
            fence.check()
            if self._fencing is not None and peek is None:
                return self._fencing.send(operation.method, call.url, headers, body, timeout, fence=fence)
        if peek is None or self._head_reporting is None:
            return self._transport.send(operation.method, call.url, headers, body, timeout)

        def look(head: Response) -> None:
            if classify(head) is OK:
                peek(head)

        return self._head_reporting.send(operation.method, call.url, headers, body, timeout, on_head=look)

    def _record_result(self, call: CallState, outcome: Response | NotAnsweredError, now: float) -> None:
        if isinstance(outcome, Response):
            call.finish_attempt(now, outcome.status)
            kind = "token" if call.operation is CREATE_TOKEN else call.operation.method
            self._last_responses[kind] = outcome.headers, now
            if call.options.on_response is not None:
                self.events.responded(call.options.on_response, outcome)
        else:
            call.finish_attempt(now)
        if self.events.hears_calls():
            self.events.attempt_finished(call, outcome, now)

    def _unusable(self, call: CallState, error: UnusableAnswerError) -> None:
        error.outcome_unknown = call.creates
        call.status = error.status
        self._retries.answered(call)

    def _decode(self, operation: Operation[T], call: CallState, response: Response, token: Token | None) -> T:
        try:
            skip = call.options.on_bad_row == "skip"
            if operation.identifier:
                refuse_another(operation, call.body, response)
            value = self._answers.read(operation, response, skip_bad_rows=skip)
        except BadRowsError as reason:
            bad = BadRowError.of(unusable(response, str(reason), secrets=self._secrets(token)))
            bad.rows, bad.places = reason.rows, reason.places
            raise bad from None
        except UnusableError as reason:
            if response.history is not None:
                # It may be the answer to another request: creations are answered with 201, reads are not.
                if response.status == 201 and operation.repeatability is Repeatability.SAFE:
                    response.history.doubt("another request was answered over its connection with what it created")
                response.history.drop()
            error = unusable(response, str(reason), secrets=self._secrets(token))
            if token is None:  # a broken answer of the token endpoint may still hold a token: show none of it
                error.body = ""
            error.outcome_unknown = operation.repeatability is not Repeatability.SAFE
            raise error from None
        if isinstance(value, ProductResults):
            self._retries.note_quota(call, value, response)
        return value

    def _finish(self, call: CallState, error: BaseException | None, now: float) -> None:
        self._calls_running -= 1
        if not self._calls_running:
            self._idle.set()
        if call.circuit_probe:
            call.circuit_probe = False
            self._retries.circuit.unproven()
        if call.is_in_flight:
            self.events.attempt_broken_off(call, error, now)
            call.finish_attempt(now)
        if isinstance(error, CallError):
            call.annotate(error, now)
        if call.operation is CREATE_TOKEN:
            return
        self.stats.calls += 1
        self.stats.travelled += call.seconds_on_wire
        self.stats.waited += now - call.started - call.seconds_on_wire
        if self.events.hears_calls():
            self.events.call_finished(call, error, now)

    def _secrets(self, token: Token | None) -> list[str]:
        secret = self.config.secret.reveal()
        secrets = [secret, quote_plus(secret)]  # the form of a token request contains it in encoded form
        secrets += [value for value in self.config.headers.values() if len(value) >= SECRET_HEADER]
        return secrets if token is None else [*secrets, token.secret.reveal()]


def _error_of(call: CallState, raised: BaseException, deadline: float) -> BaseException:
    """Return the error of a call that ``raised`` ended: the same, or that of the deadline that cancelled the task."""
    unknown = call.is_in_flight and call.creates
    if isinstance(raised, asyncio.CancelledError) and call.is_own_cancellation():
        error = DeadlineExceededError(f"not done within its deadline of {deadline:g} s")
        error.outcome_unknown = unknown
        return error
    if unknown and not isinstance(raised, OctoffmError):
        mark_unknown(raised)
    return raised
