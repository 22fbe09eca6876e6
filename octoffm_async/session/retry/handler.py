"""The retry handler: it carries out the decision of :mod:`.policy` after each attempt and reports the result.

The limiter of the key is informed of accepted requests and 429s, the circuit of failures that the budget does not
cover, the hooks of all of them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ...contract.operations import CREATE_TOKEN
from ...errors import AnsweredError
from ...transport.headers import rate_advice, retry_after
from .circuit_breaker import Circuit
from .policy import (
    SUCCESS_REFUND,
    AttemptResult,
    GiveUp,
    Retry,
    RetryBudget,
    RetryContext,
    decide,
    pause_after,
    retry_cost,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ...config import Config
    from ...contract.products import ProductResults
    from ...errors import CallError
    from ...ratelimit.stats import SessionCounters
    from ...transport.response import Response
    from ..call import CallState
    from ..event_emitter import EventEmitter

FAILURES = frozenset({AttemptResult.NOT_SENT, AttemptResult.LOST, AttemptResult.FAILED})
"""Verdicts that cost retry budget, and may mean that the API is down."""


class RetryHandler:
    """The retry budget and the circuit of one client. ``recovered`` is called when an outage is over."""

    def __init__(
        self,
        config: Config,
        counts: SessionCounters,
        teller: EventEmitter,
        rng: random.Random,
        recovered: Callable[[], None],
    ) -> None:
        self._recovered = recovered
        self._config = config
        self._counts = counts
        self._teller = teller
        self._rng = rng
        self.budget: RetryBudget = RetryBudget(config.retry_budget)
        self.circuit: Circuit = Circuit(config, rng, teller.circuit_changed)

    def on_accepted(self, journey: CallState, response: Response) -> None:
        """Report to the limiter that the limit accepted a request, and the rate headers of the response."""
        gate = journey.limiter
        now = journey.clock()
        if gate.on_accepted(sent_at=journey.attempt_started_at, now=now):
            self._teller.rate_changed(journey, "throttled", now)
        if gate.wants_advice and gate.on_rate_headers(rate_advice(response.headers, wall_now=time.time()), now):
            self._teller.rate_changed(journey, "headers", now)

    def on_success(self, journey: CallState) -> None:
        """Refund the retry budget after a success."""
        self.budget.refund(journey.owed or SUCCESS_REFUND)
        self.answered(journey)

    def answered(self, journey: CallState) -> None:
        """Settle the circuit's probe, if this call is one: the API has answered."""
        if journey.circuit_probe:
            self._settle_probe(journey, failed=False)

    async def wait_or_raise(self, journey: CallState, verdict: AttemptResult, error: CallError) -> None:
        """Wait until the call may be sent again.

        Raises:
            CallError: ``error``, whose message says why the call is not repeated.
        """
        failed = verdict in FAILURES
        cost = retry_cost(error)
        self._tell_circuit(journey, failed=failed, affordable=self.budget.affords(cost))
        held_back = failed and journey.waits_out_outage and self.circuit.state != "closed"
        journey.failures += failed and not held_back
        told = error.retry_after if isinstance(error, AnsweredError) else None
        news = verdict is AttemptResult.THROTTLED and self._note_throttling(journey)
        decision = decide(self._situation(journey, verdict, told, cost, held_back=held_back), self._config, self._rng)
        if verdict is AttemptResult.THROTTLED:
            self._pause(journey, told, decision, news=news)
        if failed and not held_back:
            journey.owed = cost
            self.budget.spend(cost)
        if isinstance(decision, GiveUp):
            error.outcome_unknown = decision.outcome_unknown
            if decision.reason:
                error.message += f" ({decision.reason})"
            raise error
        self._counts.retries += 1
        journey.token_renewed |= verdict is AttemptResult.UNAUTHORIZED
        self._teller.retry_scheduled(journey, decision)
        if verdict is not AttemptResult.THROTTLED:  # a throttled call waits in its limiter, with all others of its key
            await asyncio.sleep(decision.delay)

    def note_quota(self, journey: CallState, results: ProductResults, response: Response) -> None:
        """Pause the key as after a 429 if a success rejects items because of a quota (seen)."""
        if not any(result.over_quota for result in results.items):
            return
        news = self._note_throttling(journey)
        told = retry_after(response.headers.get("Retry-After"), wall_now=time.time())
        self._pause(journey, told, None, news=news)
        if news:
            self._teller.rate_changed(journey, "quota", asyncio.get_running_loop().time())

    def _situation(
        self, journey: CallState, verdict: AttemptResult, told: float | None, cost: int, *, held_back: bool
    ) -> RetryContext:
        retries = journey.options.retries
        return RetryContext(
            verdict=verdict,
            repeatability=journey.operation.repeatability,
            failures=journey.failures,
            throttlings=journey.limiter.control.throttlings,
            token_renewed=journey.token_renewed or journey.operation is CREATE_TOKEN,
            retry_after=told,
            time_left=journey.deadline - journey.clock(),
            affordable=self.budget.affords(cost),
            most_failures=self._config.max_attempts if retries is None else retries + 1,
            held_back=held_back,
            may_repeat=journey.may_repeat,
        )

    def _note_throttling(self, journey: CallState) -> bool:
        self._counts.throttled += 1
        return journey.limiter.on_throttled(sent_at=journey.attempt_started_at, now=journey.clock())

    def _pause(self, journey: CallState, told: float | None, decision: Retry | GiveUp | None, *, news: bool) -> None:
        if not news and told is None:
            return  # of a request sent before the pause was known: that pause is enough
        if isinstance(decision, Retry):
            pause = decision.delay
        else:  # this call ends here, but the other calls of its key must wait all the same
            pause = pause_after(journey.limiter.control.throttlings, told, self._config, self._rng)
        journey.limiter.pause(journey.clock() + pause)
        if news:
            self._teller.throttled(journey, pause=pause, told=told is not None)

    def _tell_circuit(self, journey: CallState, *, failed: bool, affordable: bool) -> None:
        if journey.operation is CREATE_TOKEN:
            return
        if journey.circuit_probe:
            self._settle_probe(journey, failed=failed)
        elif failed and not affordable and self.circuit.state == "closed":
            self.circuit.failed("the retry budget is spent")

    def _settle_probe(self, journey: CallState, *, failed: bool) -> None:
        journey.circuit_probe = False
        if failed:
            journey.probed = True
            self.circuit.failed("the probe failed")
        else:
            self.budget.left = max(self.budget.left, self.budget.capacity // 2)
            self._recovered()
            self.circuit.succeeded()
