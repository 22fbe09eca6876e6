"""What follows an attempt that did not succeed: the decision of :mod:`.retry` carried out, and told to who must know.

The gate of the key learns of a 429, the circuit of failures that the budget cannot pay for, the listeners of all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..contract.operations import Group
from ..errors import AnsweredError
from .circuit import Circuit
from .retry import SUCCESS_REFUND, Again, RetryBudget, Situation, Stop, Verdict, decide, pause_after, retry_cost

if TYPE_CHECKING:
    import random

    from ..config import Config
    from ..errors import CallError
    from .journey import Journey
    from .stats import Counts
    from .telling import Teller

FAILURES = frozenset({Verdict.NOT_SENT, Verdict.LOST, Verdict.FAILED})
"""What costs retry budget, and may mean that the API is down."""


class Retries:
    """The budget and the circuit of one client."""

    def __init__(self, config: Config, counts: Counts, teller: Teller, rng: random.Random) -> None:
        self._config = config
        self._counts = counts
        self._teller = teller
        self._rng = rng
        self.budget = RetryBudget(config.retry_budget)
        self.circuit = Circuit(config, rng, teller.circuit_changed)

    def succeeded(self, journey: Journey) -> None:
        """An attempt went well."""
        self.budget.refund(journey.owed or SUCCESS_REFUND)
        if journey.circuit_probe:
            self._settle_probe(journey, failed=False)

    async def wait_or_raise(self, journey: Journey, verdict: Verdict, error: CallError) -> None:
        """Wait until the call may be sent again.

        Raises:
            CallError: ``error``, which says why the call is not repeated.
        """
        failed = verdict in FAILURES
        cost = retry_cost(error)
        self._tell_circuit(journey, failed=failed, affordable=self.budget.affords(cost))
        held_back = failed and journey.patient and self.circuit.state != "closed"
        journey.failures += failed and not held_back
        told = error.retry_after if isinstance(error, AnsweredError) else None
        news = verdict is Verdict.THROTTLED and self._note_throttling(journey)
        decision = decide(self._situation(journey, verdict, told, cost, held_back=held_back), self._config, self._rng)
        if verdict is Verdict.THROTTLED:
            self._pause(journey, told, decision, news=news)
        if failed and not held_back:
            journey.owed = cost
            self.budget.spend(cost)
        if isinstance(decision, Stop):
            error.outcome_unknown = decision.outcome_unknown
            if decision.reason:
                error.message += f" ({decision.reason})"
            raise error
        self._counts.retries += 1
        journey.token_renewed |= verdict is Verdict.UNAUTHORIZED
        self._teller.retry_scheduled(journey, decision)
        if verdict is not Verdict.THROTTLED:  # a throttled call waits at the gate, with all the others of its key
            await asyncio.sleep(decision.delay)

    def _situation(
        self, journey: Journey, verdict: Verdict, told: float | None, cost: int, *, held_back: bool
    ) -> Situation:
        retries = journey.options.retries
        return Situation(
            verdict=verdict,
            repeatability=journey.operation.repeatability,
            failures=journey.failures,
            throttlings=journey.gate.control.throttlings,
            token_renewed=journey.token_renewed or journey.operation.group is Group.TOKEN,
            retry_after=told,
            time_left=journey.deadline - asyncio.get_running_loop().time(),
            affordable=self.budget.affords(cost),
            most_failures=self._config.max_attempts if retries is None else retries + 1,
            held_back=held_back,
            may_repeat=journey.may_repeat,
        )

    def _note_throttling(self, journey: Journey) -> bool:
        self._counts.throttled += 1
        return journey.gate.throttled(sent_at=journey.departed, now=asyncio.get_running_loop().time())

    def _pause(self, journey: Journey, told: float | None, decision: Again | Stop, *, news: bool) -> None:
        if not news and told is None:
            return  # of a request that left before the pause was known: that pause is enough
        if isinstance(decision, Again):
            pause = decision.delay
        else:  # this call ends here, but the others of its key must wait all the same
            pause = pause_after(journey.gate.control.throttlings, told, self._config, self._rng)
        journey.gate.pause(asyncio.get_running_loop().time() + pause)
        if news:
            self._teller.throttled(journey, pause=pause, told=told is not None)

    def _tell_circuit(self, journey: Journey, *, failed: bool, affordable: bool) -> None:
        if journey.operation.group is Group.TOKEN:
            return
        if journey.circuit_probe:
            self._settle_probe(journey, failed=failed)
        elif failed and not affordable and self.circuit.state == "closed":
            self.circuit.failed("the retry budget is spent")

    def _settle_probe(self, journey: Journey, *, failed: bool) -> None:
        journey.circuit_probe = False
        if failed:
            self.circuit.failed("the probe failed")
        else:
            self.budget.left = max(self.budget.left, self.budget.capacity // 2)
            self.circuit.succeeded()
