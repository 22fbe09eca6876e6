"""Whether a call is sent again, and when: a pure decision, and the budget it spends from.

============  ====================================  ==========================  ========================================
verdict       what happened                         safe call                   creation
============  ====================================  ==========================  ========================================
NOT_SENT      no connection                         again, after back-off       again: nothing was sent
LOST          connection broke, or no answer        again, after back-off       **outcome unknown**, never again
FAILED        5xx or 408                            again, after back-off       **outcome unknown**, never again
THROTTLED     429                                   again, after the pause      again: it was not carried out
UNAUTHORIZED  401                                   once, with a new token      once: it was not carried out
REDIRECTED    3xx, which is not followed            raise                       **outcome unknown**: 303 means "done"
REFUSED       any other answer but 2xx; bad TLS     raise                       raise
============  ====================================  ==========================  ========================================

A 5xx to a creation counts as unknown because nothing says at which point the API or a proxy gave up.

Back-off is exponential with full jitter: uniform between zero and the bound, so that clients that failed together do
not return together.

Failures spend from a budget that successes refill, those that are not repeated as well; what it cannot
pay for is not repeated, so an outage costs a bounded extra load. A throttled call spends nothing: it waits out a pause
that all calls of its key share.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from ..contract.operations import Repeatability
from ..errors import NO_USE, AnswerTimeoutError, ConnectError, NotAnsweredError

if TYPE_CHECKING:
    from random import Random

    from ..config import Config
    from .response import Response

RETRY_COST = 5
TIMEOUT_COST = 10  # a time-out held a connection for long: botocore's price
SUCCESS_REFUND = 1


class Verdict(Enum):
    """What one attempt amounts to."""

    OK = auto()
    NOT_SENT = auto()
    LOST = auto()
    FAILED = auto()
    THROTTLED = auto()
    UNAUTHORIZED = auto()
    REDIRECTED = auto()
    REFUSED = auto()


OK = Verdict.OK  # a member of an enumeration is slow to find


class Again(NamedTuple):
    """Send it again after ``delay`` seconds."""

    delay: float
    reason: str


class Stop(NamedTuple):
    """Raise; ``outcome_unknown`` says that the request may have been carried out."""

    outcome_unknown: bool
    reason: str


class Situation(NamedTuple):
    """All that a decision depends on. Times are in seconds."""

    verdict: Verdict
    repeatability: Repeatability
    failures: int
    """Failed attempts so far, this one included; throttled ones are not failures."""
    throttlings: int
    """429s in a row on this key, this one included; those of one burst count as one."""
    token_renewed: bool
    retry_after: float | None
    time_left: float
    affordable: bool
    most_failures: int
    """So many failed attempts end the call."""
    held_back: bool = False
    """The circuit is open and the call is patient: the circuit says when it goes again."""
    may_repeat: bool = True
    """Whether the caller's ``retries`` leave one more; a new token's try is not one of them."""


def classify(outcome: Response | NotAnsweredError) -> Verdict:
    """The verdict on one attempt."""
    if isinstance(outcome, NotAnsweredError):
        if isinstance(outcome, ConnectError):
            return Verdict.NOT_SENT if outcome.retryable else Verdict.REFUSED
        return Verdict.LOST
    status = outcome.status
    if 200 <= status < 300:
        return OK
    if status == 401:
        return Verdict.UNAUTHORIZED
    if status == 429:
        return Verdict.THROTTLED
    if 300 <= status < 400:
        return Verdict.REDIRECTED
    return Verdict.FAILED if status >= 500 or status == 408 else Verdict.REFUSED


def decide(at: Situation, config: Config, rng: Random) -> Again | Stop:
    """Whether the attempt is repeated, and when."""
    decision = _decide(at, config, rng)
    if isinstance(decision, Again) and not at.may_repeat and at.verdict is not Verdict.UNAUTHORIZED:
        return Stop(outcome_unknown=False, reason="no retry is left")
    return decision


def _decide(at: Situation, config: Config, rng: Random) -> Again | Stop:
    match at.verdict:
        case Verdict.UNAUTHORIZED if not at.token_renewed:
            return Again(0.0, "the token was not accepted")
        case Verdict.THROTTLED:
            return _after_pause(at, config, rng)
        case Verdict.LOST | Verdict.FAILED | Verdict.REDIRECTED if at.repeatability is not Repeatability.SAFE:
            return Stop(outcome_unknown=True, reason="it may have been carried out")
        case Verdict.LOST | Verdict.FAILED | Verdict.NOT_SENT:
            return _after_back_off(at, config, rng)
        case _:
            return Stop(outcome_unknown=False, reason=NO_USE)


def back_off(failures: int, config: Config, rng: Random, *, base: float | None = None) -> float:
    """Seconds to wait after so many failures: full jitter under a doubling bound."""
    first = config.backoff_base if base is None else base
    bound = min(config.backoff_cap, first * 2.0 ** min(failures - 1, 32))
    return rng.uniform(0.0, bound)


def pause_after(throttlings: int, told: float | None, config: Config, rng: Random) -> float:
    """Seconds that a key pauses after so many 429s in a row, of which the last asked for ``told``."""
    # A "0", or a date that our clock holds for past, must not make a storm: the back-off counts even then.
    return max(told or 0.0, back_off(max(1, throttlings), config, rng, base=config.throttle_base))


def retry_cost(outcome: object) -> int:
    """What a retry after this outcome spends."""
    return TIMEOUT_COST if isinstance(outcome, AnswerTimeoutError) else RETRY_COST


def _after_pause(at: Situation, config: Config, rng: Random) -> Again | Stop:
    told = at.retry_after
    if told is not None and told > config.max_retry_after:
        return Stop(outcome_unknown=False, reason=f"asked to wait {told:.0f} s, longer than max_retry_after")
    return _if_time(pause_after(at.throttlings, told, config, rng), at, "429")


def _after_back_off(at: Situation, config: Config, rng: Random) -> Again | Stop:
    if at.held_back:
        return _if_time(0.0, at, "the circuit is open")
    if at.failures >= at.most_failures:
        return Stop(outcome_unknown=False, reason=f"{at.failures} attempts failed")
    if not at.affordable:
        return Stop(outcome_unknown=False, reason="the retry budget is spent")
    delay = max(back_off(at.failures, config, rng), min(at.retry_after or 0.0, config.max_retry_after))
    return _if_time(delay, at, at.verdict.name.lower())


def _if_time(delay: float, at: Situation, reason: str) -> Again | Stop:
    if delay >= at.time_left:
        return Stop(outcome_unknown=False, reason=f"a wait of {delay:.1f} s would pass the deadline")
    return Again(delay, reason)


class RetryBudget:
    """How many failures can still be paid for; see the module's docstring."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.left = capacity

    def affords(self, cost: int) -> bool:
        """Whether ``cost`` can be spent."""
        return self.left >= cost

    def spend(self, cost: int) -> None:
        """Take ``cost`` out, as far as it is there."""
        self.left = max(0, self.left - cost)

    def refund(self, cost: int = SUCCESS_REFUND) -> None:
        """A call succeeded: put back what its last retry cost, or a little if it needed none."""
        self.left = min(self.capacity, self.left + cost)
