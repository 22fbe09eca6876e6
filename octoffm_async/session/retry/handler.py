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
from ...transport.headers import parse_retry_after, rate_advice
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
        events: EventEmitter,
        rng: random.Random,
        recovered: Callable[[], None],
    ) -> None:
        self._recovered = recovered
        self._config = config
        self._counts = counts
        self._events = events
        self._rng = rng
        self.budget: RetryBudget = RetryBudget(config.retry_budget)
        self.circuit: Circuit = Circuit(config, rng, events.circuit_changed)

    def on_accepted(self, call: CallState, response: Response, now: float) -> None:
        """Report to the limiter that the limit accepted a request, and the rate headers of the response."""
        limiter, history = call.limiter, response.history
        connected = history is not None and history.is_new
        epoch, sent_at = call.limiter_epoch, call.attempt_started_at
        if limiter.on_accepted(epoch=epoch, sent_at=sent_at, now=now, connected=connected):
            call.limiter_epoch = limiter.control.epoch  # its body may still tell of a quota: see note_quota
            self._events.rate_changed(call, "throttled", now)
        if not limiter.wants_advice():
            return
        advice = rate_advice(response.headers, wall_now=time.time())
        if advice is not None and advice.exhausted_for > self._config.max_retry_after:
            advice = advice._replace(exhausted_for=self._config.max_retry_after)
        if limiter.on_rate_headers(advice, now):
            self._events.rate_changed(call, "headers", now)

    def on_success(self, call: CallState) -> None:
        """Refund the retry budget after a success."""
        if self.budget.left < self.budget.capacity:
            self.budget.refund(call.owed or SUCCESS_REFUND)
        if call.circuit_probe:
            self._settle_probe(call, failed=False)

    def answered(self, call: CallState) -> None:
        """Settle the circuit's probe, if this call is one: the API has answered."""
        if call.circuit_probe:
            self._settle_probe(call, failed=False)

    async def wait_or_raise(self, call: CallState, verdict: AttemptResult, error: CallError) -> None:
        """Wait until the call may be sent again.

        Raises:
            CallError: ``error``, whose message says why the call is not repeated.
        """
        failed = verdict in FAILURES
        cost = retry_cost(error)
        self._update_circuit(call, failed=failed, affordable=self.budget.affords(cost))
        held_back = failed and call.waits_out_outage and self.circuit.state != "closed"
        call.failures += failed and not held_back
        retry_after = error.retry_after if isinstance(error, AnsweredError) else None
        news = verdict is AttemptResult.THROTTLED and self._note_throttling(call)
        decision = decide(
            self._situation(call, verdict, retry_after, cost, held_back=held_back), self._config, self._rng
        )
        if verdict is AttemptResult.THROTTLED:
            self._pause(call, retry_after, decision, news=news)
        if failed and not held_back:
            call.owed = cost
            self.budget.spend(cost)
        if isinstance(decision, GiveUp):
            error.outcome_unknown = decision.outcome_unknown
            if decision.reason:
                error.message += f" ({decision.reason})"
            raise error
        self._counts.retries += 1
        call.token_renewed |= verdict is AttemptResult.UNAUTHORIZED
        self._events.retry_scheduled(call, decision)
        if verdict is not AttemptResult.THROTTLED:  # a throttled call waits in its limiter, with all others of its key
            await asyncio.sleep(decision.delay)

    def note_quota(self, call: CallState, results: ProductResults, response: Response) -> None:
        """Pause the key as after a 429 if a success rejects items because of a quota (seen)."""
        if not any(result.over_quota for result in results.items):
            return
        news = self._note_throttling(call)
        retry_after = parse_retry_after(response.headers.get("Retry-After"), wall_now=time.time())
        self._pause(call, retry_after, None, news=news)
        if news:
            self._events.rate_changed(call, "quota", asyncio.get_running_loop().time())

    def _situation(
        self, call: CallState, verdict: AttemptResult, retry_after: float | None, cost: int, *, held_back: bool
    ) -> RetryContext:
        retries = call.options.retries
        return RetryContext(
            verdict=verdict,
            repeatability=call.operation.repeatability,
            failures=call.failures,
            throttlings=call.limiter.control.throttlings,
            token_renewed=call.token_renewed or call.operation is CREATE_TOKEN,
            retry_after=retry_after,
            time_left=call.deadline - call.clock(),
            affordable=self.budget.affords(cost),
            most_failures=self._config.max_attempts if retries is None else retries + 1,
            held_back=held_back,
            pause_bounds=call.limiter.pause_bounds(call.clock()),
            may_repeat=call.may_repeat,
        )

    def _note_throttling(self, call: CallState) -> bool:
        self._counts.throttled += 1
        return call.limiter.on_throttled(epoch=call.limiter_epoch, now=call.clock())

    def _pause(
        self, call: CallState, retry_after: float | None, decision: Retry | GiveUp | None, *, news: bool
    ) -> None:
        if not news and retry_after is None:
            return  # of a request sent before the pause was known: that pause is enough
        by_server = retry_after is not None
        if retry_after is not None:  # beyond that it may be an error, of a clock or a unit: one request will try
            call.limiter.stated_until = call.clock() + retry_after
            retry_after = min(retry_after, self._config.max_retry_after)
        if isinstance(decision, Retry):
            pause = decision.delay
        else:  # this call ends here, but the other calls of its key must wait all the same
            bounds = call.limiter.pause_bounds(call.clock())
            pause = pause_after(call.limiter.control.throttlings, retry_after, self._config, self._rng, bounds)
        call.limiter.pause(call.clock() + pause)
        if news:  # once for a burst of 429s: there may be thousands of waiting calls
            call.limiter.reject_waiting(call.clock())
            self._events.throttled(call, pause=pause, by_server=by_server)

    def _update_circuit(self, call: CallState, *, failed: bool, affordable: bool) -> None:
        if call.operation is CREATE_TOKEN:
            return
        if call.circuit_probe:
            self._settle_probe(call, failed=failed)
        elif failed and not affordable and self.circuit.state == "closed":
            self.circuit.failed("the retry budget is spent")

    def _settle_probe(self, call: CallState, *, failed: bool) -> None:
        call.circuit_probe = False
        if failed:
            call.probed = True
            self.circuit.failed("the probe failed")
        else:
            self.budget.left = max(self.budget.left, self.budget.capacity // 2)
            self._recovered()
            self.circuit.succeeded()
