"""The retry policy: whether a call is repeated, and when, as a pure decision; and the retry budget.

============  ====================================  ==========================  ========================================
verdict       what happened                         safe call                   creation
============  ====================================  ==========================  ========================================
NOT_SENT      no connection                         again, after back-off       again: nothing was sent
LOST          connection broke, or no answer        again, after back-off       **outcome unknown**, never again
FAILED        5xx, 408, or no whole answer          again, after back-off       **outcome unknown**, never again
THROTTLED     429                                   again, after the pause      again: it was not carried out
UNAUTHORIZED  401                                   once, with a new token      once: it was not carried out
REDIRECTED    3xx, which is not followed            raise                       **outcome unknown**: 303 means "done"
REFUSED       any other answer but 2xx; bad TLS     raise                       raise
============  ====================================  ==========================  ========================================

A creation answered with a 5xx counts as unknown because nothing shows at which point the API or a proxy gave up. No
whole answer is one with a status below 200, of which no request is sent that would lead to one, or a 206 or 226: a part
of the answer, or its difference from another, whose bytes may read as another number or a shorter list.

Back-off is exponential with full jitter: uniform between zero and the bound, so that clients that failed together do
not return together.

Failures spend from a budget that successes refill, including failures that are not repeated. A call is not repeated if
the budget does not cover it; thus an outage costs a bounded extra load. A throttled call spends nothing: it waits for
the end of a pause that all calls of its key share.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ...contract.operations import Repeatability
from ...errors import NO_USE, AnswerTimeoutError, ConnectError, NotAnsweredError

if TYPE_CHECKING:
    from random import Random

    from ...config import Config
    from ...transport.response import Response

RETRY_COST = 5
TIMEOUT_COST = 10  # a time-out held a connection for long: botocore uses the same cost
SUCCESS_REFUND = 1
PARTIAL = frozenset({206, 226})
"""Statuses of a part of an answer. No request asks for one."""


class AttemptResult(Enum):
    """The classified result of one attempt."""

    OK = auto()
    NOT_SENT = auto()
    LOST = auto()
    FAILED = auto()
    THROTTLED = auto()
    UNAUTHORIZED = auto()
    REDIRECTED = auto()
    REFUSED = auto()


OK = AttemptResult.OK  # looking up a member of an enumeration is slow


class Retry(NamedTuple):
    """Decision: send the call again after ``delay`` seconds."""

    delay: float
    reason: str


class GiveUp(NamedTuple):
    """Decision: raise the error; ``outcome_unknown`` says that the API may have carried out the request."""

    outcome_unknown: bool
    reason: str


class RetryContext(NamedTuple):
    """The input of a decision. Times are in seconds."""

    verdict: AttemptResult
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
    """Failed attempts after which the call ends."""
    held_back: bool = False
    """The circuit is open and the call waits for its end: the circuit decides when the call is sent again."""
    pause_bounds: tuple[float, float] = (0.0, inf)
    """The least and the longest pause of the limit, unless the API asked for one."""
    may_repeat: bool = True
    """True if the caller's ``retries`` allow one more; an attempt with a new token is not counted."""


def classify(outcome: Response | NotAnsweredError) -> AttemptResult:
    """Return the verdict on one attempt."""
    if isinstance(outcome, NotAnsweredError):
        if isinstance(outcome, ConnectError):
            return AttemptResult.NOT_SENT if outcome.retryable else AttemptResult.REFUSED
        return AttemptResult.LOST
    status = outcome.status
    if 200 <= status < 300:
        return AttemptResult.FAILED if status in PARTIAL else OK
    if status == 401:
        return AttemptResult.UNAUTHORIZED
    if status == 429:
        return AttemptResult.THROTTLED
    if 300 <= status < 400:
        return AttemptResult.REDIRECTED
    return AttemptResult.FAILED if status >= 500 or status == 408 or status < 200 else AttemptResult.REFUSED


def decide(at: RetryContext, config: Config, rng: Random) -> Retry | GiveUp:
    """Decide whether the call is repeated, and when."""
    decision = _decide(at, config, rng)
    if isinstance(decision, Retry) and not at.may_repeat and at.verdict is not AttemptResult.UNAUTHORIZED:
        return GiveUp(outcome_unknown=False, reason="no retry is left")
    return decision


def _decide(at: RetryContext, config: Config, rng: Random) -> Retry | GiveUp:
    match at.verdict:
        case AttemptResult.UNAUTHORIZED if not at.token_renewed:
            return Retry(0.0, "the token was not accepted")
        case AttemptResult.THROTTLED:
            return _after_pause(at, config, rng)
        case AttemptResult.LOST | AttemptResult.FAILED | AttemptResult.REDIRECTED if (
            at.repeatability is not Repeatability.SAFE
        ):
            return GiveUp(outcome_unknown=True, reason="it may have been carried out")
        case AttemptResult.LOST | AttemptResult.FAILED | AttemptResult.NOT_SENT:
            return _after_back_off(at, config, rng)
        case _:
            return GiveUp(outcome_unknown=False, reason=NO_USE)


def back_off(failures: int, config: Config, rng: Random, *, base: float | None = None) -> float:
    """Return the seconds to wait after so many failures: full jitter under a doubling bound."""
    first = config.backoff_base if base is None else base
    bound = min(config.backoff_cap, first * 2.0 ** min(failures - 1, 32))
    return rng.uniform(0.0, bound)  # from zero: clients that failed together must not return together


def pause_after(
    throttlings: int, retry_after: float | None, config: Config, rng: Random, bounds: tuple[float, float] = (0.0, inf)
) -> float:
    """Return the seconds that a key pauses after so many 429s in a row; the last asked for ``retry_after`` seconds."""
    pause = back_off(max(1, throttlings), config, rng, base=config.throttle_base)
    # A "0", or a date that the client's clock takes for past, must not cause a storm: the back-off counts even then.
    return min(max(pause, bounds[0]), bounds[1]) if retry_after is None else max(retry_after, pause)


def retry_cost(outcome: object) -> int:
    """Return the budget that a failure with this outcome spends."""
    return TIMEOUT_COST if isinstance(outcome, AnswerTimeoutError) else RETRY_COST


def _after_pause(at: RetryContext, config: Config, rng: Random) -> Retry | GiveUp:
    retry_after = at.retry_after
    if retry_after is not None and retry_after > config.max_retry_after:
        return GiveUp(outcome_unknown=False, reason=f"asked to wait {retry_after:.0f} s, longer than max_retry_after")
    pause = pause_after(at.throttlings, retry_after, config, rng, at.pause_bounds)
    if retry_after is None and pause >= at.time_left >= 1.0:
        pause = at.time_left / 2  # nobody asked for it, and there may be room before the deadline
    return _if_time(pause, at, "429")


def _after_back_off(at: RetryContext, config: Config, rng: Random) -> Retry | GiveUp:
    if at.held_back:
        return _if_time(0.0, at, "the circuit is open")
    if at.failures >= at.most_failures:
        return GiveUp(outcome_unknown=False, reason=f"{at.failures} attempts failed")
    if not at.affordable:
        return GiveUp(outcome_unknown=False, reason="the retry budget is spent")
    delay = max(back_off(at.failures, config, rng), min(at.retry_after or 0.0, config.max_retry_after))
    return _if_time(delay, at, at.verdict.name.lower())


def _if_time(delay: float, at: RetryContext, reason: str) -> Retry | GiveUp:
    if delay >= at.time_left:
        return GiveUp(outcome_unknown=False, reason=f"a wait of {delay:.1f} s would pass the deadline")
    return Retry(delay, reason)


class RetryBudget:
    """The number of failures that may still be repeated; see the module's docstring."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.left: int = capacity

    def affords(self, cost: int) -> bool:
        """Return True if the budget covers ``cost``."""
        return self.left >= cost

    def spend(self, cost: int) -> None:
        """Spend ``cost``, or what is left."""
        self.left = max(0, self.left - cost)

    def refund(self, cost: int = SUCCESS_REFUND) -> None:
        """Refund after a success: the cost of the call's last retry, or a little if it needed none."""
        self.left = min(self.capacity, self.left + cost)
