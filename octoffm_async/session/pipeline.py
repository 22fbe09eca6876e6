"""The one way of every call: authorize, admit, transmit, classify, then decode, retry or raise.

A token is made ready *before* the permit of the limit is taken: a permit that waited for a token would leave late, in a
bunch with others, and break the limit's promise.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec

from ..contract.access import TokenRequest
from ..contract.operations import CREATE_TOKEN, Group, Repeatability, Shape
from ..errors import (
    AnsweredError,
    CallError,
    ClosedError,
    DeadlineExceededError,
    NotAnsweredError,
    OctoffmError,
    RateLimitedError,
    UnusableAnswerError,
    mark_unknown,
)
from .background import Background
from .decoding import UnusableError, decode
from .journey import Journey, Stats
from .limits import Gates
from .options import DEFAULTS
from .problems import error_for, unusable
from .retry import SUCCESS_REFUND, Again, RetryBudget, Situation, Stop, Verdict, back_off, classify, decide, retry_cost
from .telling import Teller
from .token_stores import account_of
from .tokens import Token, TokenSource
from .transport import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..config import Config
    from ..contract.access import TokenAnswer
    from ..contract.operations import Operation
    from ..events import Hook
    from .options import Options
    from .token_stores import TokenStore
    from .transport import Transport

T = TypeVar("T")
logger = logging.getLogger("octoffm_async")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_ACCEPT = {Shape.DOCUMENT: f"application/pdf, {JSON}", Shape.RAW: f"{JSON}, */*"}


class Result(NamedTuple, Generic[T]):
    """What a call gave: the decoded value, and the answer it came in."""

    value: T
    response: Response


class Session:
    """One client account: its transport, token, limits and retry budget, shared by all sellers."""

    def __init__(
        self,
        config: Config,
        transport: Transport,
        hooks: Sequence[Hook] = (),
        rng: random.Random | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        self.config = config
        self.stats = Stats()
        self.tokens = TokenSource(
            self._fetch_token, store=token_store, account=account_of(config), lease=config.deadline
        )
        self.background = Background()
        self._transport = transport
        self._teller = Teller(hooks)
        self._rng = rng or random.Random()
        self._gates = Gates(config)
        self._budget = RetryBudget(config.retry_budget)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way = 0
        self._idle = asyncio.Event()

    def open(self) -> None:
        """Belong to the running event loop from now on."""
        self._transport.open()
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()

    async def close(self, *, drain: float) -> None:
        """Take no more calls, give those under way ``drain`` seconds, then let go of the connections."""
        self._loop = None
        self.background.cancel()
        try:
            if self._under_way:
                self._idle.clear()
                async with asyncio.timeout(drain):
                    await self._idle.wait()
        except TimeoutError:
            logger.warning("closed with %d calls under way", self._under_way)
        finally:
            await self.tokens.close()
            await self._transport.close()

    async def call(
        self,
        operation: Operation[T],
        *,
        seller_id: str,
        url: str | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        options: Options = DEFAULTS,
        peek: Callable[[Response], None] | None = None,
    ) -> Result[T]:
        """Make one call.

        ``url`` is for paths with segments to fill in; ``body`` is encoded JSON. ``peek`` sees a good answer before it
        is decoded, and what it starts is on its way by then.

        Raises:
            CallError: it did not succeed; ``outcome_unknown`` says that it may have been carried out.
            ClosedError: the session is not open on this event loop.
        """
        address = (url or self.config.base_url + operation.path) + (f"?{urlencode(query)}" if query else "")
        return await self._travel(operation, seller_id=seller_id, url=address, body=body, options=options, peek=peek)

    async def check(self) -> float:
        """Make sure that there is a token; how many seconds it is still good for."""
        token = await self.tokens.get()
        return token.expires_at - asyncio.get_running_loop().time()

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
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            raise ClosedError("the client is not open" if self._loop is None else "the client is open on another loop")
        journey = Journey(
            operation,
            seller_id=seller_id,
            url=url,
            body=body,
            gate=self._gates.of(seller_id, operation.group),
            now=loop.time(),
            deadline=deadline,
            options=options,
        )
        error: BaseException | None = None
        self._under_way += 1
        try:
            async with asyncio.timeout_at(journey.deadline):
                return await self._until_decided(operation, journey, peek)
        except OctoffmError as raised:
            error = raised
            raise
        except TimeoutError as expired:
            error = DeadlineExceededError(f"not done within its deadline of {deadline:g} s")
            error.outcome_unknown = journey.under_way and journey.creates
            raise error from expired
        except asyncio.CancelledError as raised:
            error = raised
            if journey.under_way and journey.creates:
                mark_unknown(raised)
            raise
        finally:
            self._finish(journey, error, loop.time())

    async def _until_decided(
        self, operation: Operation[T], journey: Journey, peek: Callable[[Response], None] | None
    ) -> Result[T]:
        while True:
            token = await self._admit(journey)
            try:
                outcome = await self._attempt(journey, token)
            finally:
                journey.gate.leave()
            verdict = classify(outcome)
            if verdict is Verdict.OK and isinstance(outcome, Response):
                journey.gate.succeeded()
                self._budget.refund(journey.owed or SUCCESS_REFUND)
                if peek is not None:
                    peek(outcome)
                    await asyncio.sleep(0)
                return self._decode(operation, outcome, token)
            await self._retry_or_raise(journey, outcome, verdict, token)

    async def _admit(self, journey: Journey) -> Token | None:
        """Wait for a token, a slot and a permit. On return the slot is held."""
        now = asyncio.get_running_loop().time
        gate = journey.gate
        if (left := gate.paused_until - journey.deadline) > 0:
            pause = gate.paused_until - now()
            message = f"not sent: the API asked for a pause that ends in {pause:.0f} s, {left:.0f} s after the deadline"
            raise RateLimitedError(message, status=429, retry_after=pause)
        if journey.operation.group is Group.TOKEN:
            await self.tokens.permit()
            await gate.enter(journey.lane)
            return None
        if self.tokens.fresh(now()) is None:
            await self.tokens.get()
        await gate.enter(journey.lane)
        try:
            while (token := self.tokens.usable(now())) is None:
                await self.tokens.get()
                await gate.permit(journey.lane)
        except BaseException:
            gate.leave()
            raise
        return token

    async def _attempt(self, journey: Journey, token: Token | None) -> Response | NotAnsweredError:
        now = asyncio.get_running_loop().time
        journey.depart(now())
        self.stats.attempts += 1
        outcome: Response | NotAnsweredError
        try:
            outcome = await self._transport.send(
                journey.operation.method,
                journey.url,
                self._headers(journey, token),
                journey.body,
                journey.options.timeout or self.config.read_timeout,
            )
        except NotAnsweredError as error:
            outcome = error
        except UnusableAnswerError as error:
            error.outcome_unknown = journey.creates
            raise
        journey.arrive(now())
        self._teller.attempt_finished(journey, outcome, now())
        if journey.options.on_response is not None and isinstance(outcome, Response):
            self._teller.responded(journey.options.on_response, outcome)
        return outcome

    def _headers(self, journey: Journey, token: Token | None) -> dict[str, str]:
        if token is None:
            return {"Accept": JSON, "Content-Type": FORM}
        headers = {
            "Accept": _ACCEPT.get(journey.operation.shape, JSON),
            "Authorization": f"Bearer {token.secret.reveal()}",
            "SellerId": journey.seller_id,
        }
        if self.config.sales_channel_id is not None:
            headers["SalesChannelId"] = self.config.sales_channel_id
        if journey.body is not None:
            headers["Content-Type"] = JSON
        return headers

    def _decode(self, operation: Operation[T], response: Response, token: Token | None) -> Result[T]:
        try:
            return Result(decode(operation, response), response)
        except UnusableError as reason:
            if token is None:  # the token endpoint's answer may hold a token even when it is broken: show none of it
                error = unusable(response._replace(body=b""), "it holds no token")
            else:
                error = unusable(response, str(reason), secrets=self._secrets(token))
            error.outcome_unknown = operation.repeatability is not Repeatability.SAFE
            raise error from None

    async def _retry_or_raise(
        self, journey: Journey, outcome: Response | NotAnsweredError, verdict: Verdict, token: Token | None
    ) -> None:
        """Wait until the call may be sent again, or raise."""
        error = outcome if isinstance(outcome, NotAnsweredError) else error_for(outcome, secrets=self._secrets(token))
        if verdict is Verdict.UNAUTHORIZED and token is not None and not journey.token_renewed:
            self.tokens.invalidate(token)
        decision = self._decide(journey, verdict, error)
        if verdict is Verdict.THROTTLED:
            self._pause(journey, error, decision)
        if isinstance(decision, Stop):
            error.outcome_unknown = decision.outcome_unknown
            if decision.reason:
                error.message += f" ({decision.reason})"
            raise error
        self.stats.retries += 1
        journey.token_renewed |= verdict is Verdict.UNAUTHORIZED
        if verdict in (Verdict.NOT_SENT, Verdict.LOST, Verdict.FAILED):
            journey.owed = retry_cost(outcome)
            self._budget.spend(journey.owed)
        self._teller.retry_scheduled(journey, decision)
        if verdict is not Verdict.THROTTLED:  # a throttled call waits at the gate, with all the others of its key
            await asyncio.sleep(decision.delay)

    def _decide(self, journey: Journey, verdict: Verdict, error: CallError) -> Again | Stop:
        throttles = 0
        if verdict is Verdict.THROTTLED:
            self.stats.throttled += 1
            throttles = journey.gate.throttled(sent_at=journey.departed)
        elif isinstance(error, AnsweredError):
            journey.gate.succeeded()
        journey.failures += verdict in (Verdict.NOT_SENT, Verdict.LOST, Verdict.FAILED)
        retries = journey.options.retries
        situation = Situation(
            verdict=verdict,
            repeatability=journey.operation.repeatability,
            failures=journey.failures,
            throttles=throttles,
            token_renewed=journey.token_renewed or journey.operation.group is Group.TOKEN,
            retry_after=error.retry_after if isinstance(error, AnsweredError) else None,
            time_left=journey.deadline - asyncio.get_running_loop().time(),
            affordable=self._budget.affords(retry_cost(error)),
            most_failures=self.config.max_attempts if retries is None else retries + 1,
            may_repeat=journey.may_repeat,
        )
        return decide(situation, self.config, self._rng)

    def _pause(self, journey: Journey, error: CallError, decision: Again | Stop) -> None:
        told = error.retry_after if isinstance(error, AnsweredError) else None
        if isinstance(decision, Again):
            pause = decision.delay
        else:  # this call ends here, but the others of its key must wait all the same
            pause = back_off(journey.gate.throttles, self.config, self._rng) if told is None else told
        journey.gate.pause(asyncio.get_running_loop().time() + pause)
        self._teller.throttled(journey, pause=pause, told=told is not None)

    def _finish(self, journey: Journey, error: BaseException | None, now: float) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        journey.arrive(now)
        if isinstance(error, CallError):
            journey.stamp(error, now)
        if journey.operation.group is Group.TOKEN:
            return
        self.stats.calls += 1
        self.stats.waited += journey.waited(now)
        self.stats.travelled += journey.travelled
        self._teller.call_finished(journey, error, now)

    def _secrets(self, token: Token | None) -> list[str]:
        secret = self.config.secret.reveal()
        secrets = [secret, quote_plus(secret)]  # the form carries it encoded
        return secrets if token is None else [*secrets, token.secret.reveal()]
