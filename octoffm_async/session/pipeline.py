"""The one way of every call: authorize, admit, transmit, classify, then decode, retry or raise."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec

from ..contract.access import TokenRequest
from ..contract.encoding import RequestEncoder
from ..contract.operations import CREATE_TOKEN, OPERATIONS, Repeatability
from ..contract.products import ProductResults
from ..contract.translation import Translation
from ..errors import (
    BadRowError,
    CallError,
    ClosedError,
    DeadlineExceededError,
    NotAnsweredError,
    OctoffmError,
    UnusableAnswerError,
    mark_unknown,
)
from .admission import Admission
from .background import Background
from .deadlines import Deadlines
from .decoding import Answers, BadRowsError, UnusableError
from .drift import DriftLog
from .gates import Gates
from .headers import clock_of
from .heads import FOR_TOKEN, Heads
from .journey import Journey
from .options import DEFAULTS
from .problems import error_for, unusable
from .response import Response
from .retries import Retries
from .retry import OK, Verdict, classify
from .stats import Counts
from .telling import Teller
from .token_stores import account_of
from .tokens import Token, TokenSource
from .transport import as_fencing, as_head_telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from multidict import MultiMapping

    from ..config import Config
    from ..contract.access import TokenAnswer
    from ..contract.operations import Operation
    from ..events import Hook
    from .limit_stores import LimitStore
    from .options import Options
    from .stats import Stats
    from .token_stores import TokenStore
    from .transport import Transport

T = TypeVar("T")
Result: TypeAlias = tuple[T, Response]
"""What a call gave: the decoded value, and the answer it came in."""
logger = logging.getLogger("octoffm_async")


class Session:
    """One client account: its transport, token, limits and retry budget, shared by all sellers."""

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
        self.stats = Counts()
        self.tokens = TokenSource(
            self._fetch_token, store=token_store, account=account_of(config), lease=config.deadline
        )
        self.background = Background()
        self.kept: dict[tuple[str, str], object] = {}
        """What others learned of a seller (by a name of theirs and the seller's id), until the session is closed."""
        self._transport = transport
        self._head_telling = as_head_telling(transport)
        self._fencing = as_fencing(transport)
        self._teller = Teller(hooks)
        self._gates = Gates(config, limit_store)
        self._retries = Retries(config, self.stats, self._teller, rng or random.Random(), self._gates.restart)
        self._admission = Admission(self.tokens, self._retries.circuit)
        self._deadlines = Deadlines(config.deadline, config.bulk_deadline)
        self._heads = Heads(config)
        self.translation = Translation(config.contract_file)
        self.encode = RequestEncoder(self.translation).encode
        self.drift = DriftLog(self._teller.drifted)
        self._addresses = {each: config.base_url + self.translation.path(each) for each in OPERATIONS}
        self._answers = Answers(self.translation, self.drift)
        self._heard: dict[str, tuple[MultiMapping[str], float]] = {}
        """The last answer to each kind of call, and when it came: to creations, to reading, for a token."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.AbstractEventLoop | None = None
        self._under_way = 0
        self._idle = asyncio.Event()

    def open(self) -> None:
        """Belong to the running event loop from now on."""
        self._transport.open()
        self.kept.clear()  # another loop, other locks
        self._gates.rebind()
        self._retries.circuit.rebind()
        self._deadlines = Deadlines(self.config.deadline, self.config.bulk_deadline)  # another loop, other timers
        self._loop = asyncio.get_running_loop()
        self._heard.clear()  # another loop, another clock
        self._idle = asyncio.Event()

    async def close(self, *, drain: float) -> None:
        """Take no more calls, give those under way ``drain`` seconds, then let go of the connections."""
        self._draining, self._loop = self._loop, None
        self.background.cancel()
        try:
            if self._under_way:
                self._idle.clear()
                async with asyncio.timeout(drain):
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("closed with %d calls under way", self._under_way)
        finally:
            self._draining = None
            self.kept.clear()
            self._gates.close()
            self._retries.circuit.close()
            self._deadlines.close()
            await self.tokens.close()
            await self._gates.part()
            await asyncio.sleep(0)  # so that what was cancelled here has ended
            await self._transport.close()

    def call(
        self,
        operation: Operation[T],
        *,
        seller_id: str,
        url: str | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        options: Options = DEFAULTS,
        peek: Callable[[Response], None] | None = None,
    ) -> Coroutine[Any, Any, Result[T]]:
        """Make one call.

        ``url`` is for paths with segments to fill in; ``body`` is encoded JSON. ``peek`` sees a good answer before its
        body is read if the transport tells of it then, else before it is decoded; what it starts is on its way by then.
        It sees at most one per attempt, and does not raise.

        Raises:
            CallError: it did not succeed; ``outcome_unknown`` says that it may have been carried out.
            ClosedError: the session is not open on this event loop.
        """
        address = url or self._addresses.get(operation) or self.config.base_url + operation.path
        if query:
            address = f"{address}?{urlencode(query)}"
        return self._travel(operation, seller_id=seller_id, url=address, body=body, options=options, peek=peek)

    async def check(self) -> float:
        """Make sure that there is a token; how many seconds it is still good for."""
        token = await self.tokens.get()
        return token.expires_at - asyncio.get_running_loop().time()

    @property
    def api_clock(self) -> datetime | None:
        """What the API's own clock shows now: the ``Date`` of an answer, and the time since, if it tells.

        That of a creation, because no cache answers those. Before the first one it is the later of what lists and the
        token endpoint told: an old list must not make the clock old, and the token may come from another server.
        """
        if self._loop is None:
            return None
        now = self._loop.time()
        for kinds in (("POST",), ("GET", "token")):
            heard = [self._heard[kind] for kind in kinds if kind in self._heard]
            clocks = [told + timedelta(seconds=now - at) for headers, at in heard if (told := clock_of(headers))]
            if clocks:
                return max(clocks)
        return None

    def snapshot(self) -> Stats:
        """The counters, and how the client stands. May be asked for from another thread."""
        now = 0.0 if self._loop is None else self._loop.time()
        return self.stats.snapshot(
            keys=self._gates.stats(now),
            token_age=None if self._loop is None else self.tokens.age(now),
            token_left=None if self._loop is None else self.tokens.left(now),
            retry_budget_left=self._retries.budget.left,
            circuit=self._retries.circuit.state,
            drift=len(self.drift.seen),
        )

    async def _fetch_token(self) -> TokenAnswer:
        form = TokenRequest(client_id=self.config.client_id, client_secret=self.config.secret.reveal())
        body = urlencode(msgspec.to_builtins(form)).encode()
        token, _ = await self._travel(CREATE_TOKEN, seller_id="", url=self.config.token_url, body=body)
        self.stats.tokens += 1
        self._teller.token_fetched(token.expires_in)
        return token

    async def _travel(
        self,
        operation: Operation[T],
        *,
        seller_id: str,
        url: str,
        body: bytes | None,
        options: Options = DEFAULTS,
        peek: Callable[[Response], None] | None = None,
    ) -> Result[T]:
        deadline = options.deadline or self.config.deadline
        loop = self._loop or (self._draining if operation is CREATE_TOKEN else None)
        if loop is None:
            raise ClosedError("the client is not open")
        task = asyncio.current_task(loop)
        if task is None:
            raise ClosedError("the client is open on another loop")
        clock = loop.time
        now = clock()
        journey = Journey(
            operation,
            task,
            seller_id=seller_id,
            url=url,
            body=body,
            gate=self._gates.of(seller_id, operation.group),
            clock=clock,
            now=now,
            deadline=deadline,
            options=options,
        )
        error: BaseException | None = None
        self._under_way += 1
        deadlines = self._deadlines  # those of this loop, even if the client is opened again meanwhile
        deadlines.add(deadline, journey)
        try:
            return await self._until_decided(operation, journey, peek)
        except Exception as raised:
            error = raised
            if journey.under_way and journey.creates and not isinstance(raised, OctoffmError):
                mark_unknown(raised)
            raise
        except asyncio.CancelledError as raised:
            if journey.is_ours():
                error = DeadlineExceededError(f"not done within its deadline of {deadline:g} s")
                error.outcome_unknown = journey.under_way and journey.creates
                raise error from raised
            error = raised
            if journey.under_way and journey.creates:
                mark_unknown(raised)
            raise
        finally:
            deadlines.done(deadline, journey)
            journey.take_back()  # it is still there if something turned the cancellation into another error
            self._finish(journey, error, clock())

    async def _until_decided(
        self, operation: Operation[T], journey: Journey, peek: Callable[[Response], None] | None
    ) -> Result[T]:
        while True:
            try:
                token = self._admission.at_once(journey) or await self._admission.wait(journey)
                outcome: Response | NotAnsweredError
                try:
                    outcome = await self._depart(journey, token, peek)
                except NotAnsweredError as error:
                    outcome = error
                except UnusableAnswerError as error:
                    self._unusable(journey, error)
                    raise
                finally:
                    journey.gate.leave(probe=journey.gate_probe)
                self._arrived(journey, outcome)
            except CallError as error:
                if not (journey.patient and error.retryable and error.operation == CREATE_TOKEN.name):
                    raise
                await self._retries.wait_or_raise(journey, Verdict.NOT_SENT, error)
                continue
            verdict = classify(outcome)
            # What shows that the limit let a request through; a 5xx may come from before it.
            if (verdict is OK or verdict is Verdict.REFUSED) and isinstance(outcome, Response):
                self._retries.let_through(journey, outcome)
                if verdict is OK:
                    self._retries.succeeded(journey)
                    if peek is not None:
                        if self._head_telling is None:
                            peek(outcome)
                        await asyncio.sleep(0)
                    value = self._decode(operation, journey, outcome, token)
                    if isinstance(value, ProductResults):
                        self._retries.note_quota(journey, value, outcome)
                    return value, outcome
            if verdict is Verdict.UNAUTHORIZED and token is not None and not journey.token_renewed:
                self.tokens.invalidate(token)
            failed = (
                outcome if isinstance(outcome, NotAnsweredError) else error_for(outcome, secrets=self._secrets(token))
            )
            await self._retries.wait_or_raise(journey, verdict, failed)

    def _depart(
        self, journey: Journey, token: Token | None, peek: Callable[[Response], None] | None
    ) -> Awaitable[Response]:
        headers: Mapping[str, str] = FOR_TOKEN
        if token is not None:
            headers = self._heads.of(
                journey.operation,
                journey.seller_id,
                token,
                with_body=journey.body is not None,
                fresh=journey.options.fresh,
            )
        journey.depart(journey.clock())
        self.stats.attempts += 1
        return self._send(journey, headers, peek)

    def _arrived(self, journey: Journey, outcome: Response | NotAnsweredError) -> None:
        now = journey.clock()
        if isinstance(outcome, Response):
            journey.arrive(now, outcome.status)
            self._heard["token" if journey.operation is CREATE_TOKEN else journey.operation.method] = (
                outcome.headers,
                now,
            )
            if journey.options.on_response is not None:
                self._teller.responded(journey.options.on_response, outcome)
        else:
            journey.arrive(now)
        if self._teller.listened_to:
            self._teller.attempt_finished(journey, outcome, now)

    def _unusable(self, journey: Journey, error: UnusableAnswerError) -> None:
        error.outcome_unknown = journey.creates
        journey.status = error.status
        self._retries.answered(journey)

    def _send(
        self, journey: Journey, headers: Mapping[str, str], peek: Callable[[Response], None] | None
    ) -> Awaitable[Response]:
        method, url, body = journey.operation.method, journey.url, journey.body
        options = journey.options
        timeout = options.timeout or self.config.read_timeout
        if (fence := options.fence) is not None:
            fence.check()
            if self._fencing is not None and peek is None:
                return self._fencing.send(method, url, headers, body, timeout, fence=fence)
        if peek is None or self._head_telling is None:
            return self._transport.send(method, url, headers, body, timeout)

        def look(head: Response) -> None:
            if classify(head) is OK:
                peek(head)

        return self._head_telling.send(method, url, headers, body, timeout, on_head=look)

    def _decode(self, operation: Operation[T], journey: Journey, response: Response, token: Token | None) -> T:
        try:
            skip = journey.options.on_bad_row == "skip"
            return self._answers.read(operation, response, skip_bad_rows=skip)
        except BadRowsError as reason:
            told = unusable(response, str(reason), secrets=self._secrets(token))
            bad = BadRowError(str(told), status=told.status, body=told.body)
            bad.rows, bad.places = reason.rows, reason.places
            raise bad from None
        except UnusableError as reason:
            if response.trail is not None:
                # It may be another request's answer. What creates is answered 201; what reads is not.
                if response.status == 201 and operation.repeatability is Repeatability.SAFE:
                    response.trail.doubt("another request was answered over its connection with what it created")
                response.trail.drop()
            if token is None:  # the token endpoint's answer may hold a token even when it is broken: show none of it
                error = unusable(response._replace(body=b""), "it holds no token")
            else:
                error = unusable(response, str(reason), secrets=self._secrets(token))
            error.outcome_unknown = operation.repeatability is not Repeatability.SAFE
            raise error from None

    def _finish(self, journey: Journey, error: BaseException | None, now: float) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        if journey.circuit_probe:
            journey.circuit_probe = False
            self._retries.circuit.unproven()
        if journey.under_way:
            self._teller.attempt_broken_off(journey, error, now)
        journey.arrive(now)
        if isinstance(error, CallError):
            journey.stamp(error, now)
        if journey.operation is CREATE_TOKEN:
            return
        self.stats.calls += 1
        self.stats.waited += journey.waited(now)
        self.stats.travelled += journey.travelled
        if self._teller.listened_to:
            self._teller.call_finished(journey, error, now)

    def _secrets(self, token: Token | None) -> list[str]:
        secret = self.config.secret.reveal()
        secrets = [secret, quote_plus(secret)]  # the form carries it encoded
        return secrets if token is None else [*secrets, token.secret.reveal()]
