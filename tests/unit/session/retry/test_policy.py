"""Every verdict, every repeatability: the whole decision as a table."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.operations import Repeatability
from octoffm_async.errors import (
    AnswerTimeoutError,
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    NotAnsweredError,
    TLSError,
)
from octoffm_async.session.retry.policy import (
    RETRY_COST,
    TIMEOUT_COST,
    AttemptResult,
    GiveUp,
    Retry,
    RetryBudget,
    RetryContext,
    back_off,
    classify,
    decide,
    retry_cost,
)
from tests.support.fakes import answer, config

SAFE, VERIFY, NEVER = Repeatability
CONFIG = config(max_attempts=3, backoff_base=1.0, backoff_cap=8.0, max_retry_after=60.0)
NORMAL = RetryContext(
    verdict=AttemptResult.FAILED,
    repeatability=SAFE,
    failures=1,
    throttlings=0,
    token_renewed=False,
    retry_after=None,
    time_left=1000.0,
    affordable=True,
    most_failures=CONFIG.max_attempts,
)


def decided(seed: int = 1, **changes: object) -> Retry | GiveUp:
    return decide(NORMAL._replace(**changes), CONFIG, Random(seed))


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        *((answer(status), AttemptResult.OK) for status in (200, 201, 202, 204, 299)),
        *((answer(status), AttemptResult.REDIRECTED) for status in (301, 302, 303, 307)),
        *((answer(status), AttemptResult.REFUSED) for status in (400, 403, 404, 406, 409, 415, 422, 499)),
        (answer(401), AttemptResult.UNAUTHORIZED),
        (answer(408), AttemptResult.FAILED),
        (answer(429), AttemptResult.THROTTLED),
        *(
            (answer(status), AttemptResult.FAILED)
            for status in (99, 101, 199, 206, 226, 500, 501, 502, 503, 504, 520, 599, 999)
        ),
        (ConnectError("x"), AttemptResult.NOT_SENT),
        (TLSError("x"), AttemptResult.REFUSED),
        *((ConnectError.of_proxy("x", status), AttemptResult.NOT_SENT) for status in (302, 408, 429, 502, 503, 504)),
        *((ConnectError.of_proxy("x", status), AttemptResult.REFUSED) for status in (400, 403, 405, 407)),
        (ConnectionLostError("x"), AttemptResult.LOST),
        (AnswerTimeoutError("x"), AttemptResult.LOST),
        (DeadlineExceededError("x"), AttemptResult.LOST),
        (NotAnsweredError("x"), AttemptResult.LOST),
    ],
    ids=lambda value: getattr(value, "name", None) or str(getattr(value, "status", type(value).__name__)),
)
def test_classify(outcome, verdict) -> None:
    assert classify(outcome) is verdict


RETRY, RAISE, UNKNOWN = "again", "raise", "outcome unknown"


@pytest.mark.parametrize(
    ("verdict", "safe", "verify", "never"),
    [
        (AttemptResult.NOT_SENT, RETRY, RETRY, RETRY),
        (AttemptResult.LOST, RETRY, UNKNOWN, UNKNOWN),
        (AttemptResult.FAILED, RETRY, UNKNOWN, UNKNOWN),
        (AttemptResult.THROTTLED, RETRY, RETRY, RETRY),
        (AttemptResult.UNAUTHORIZED, RETRY, RETRY, RETRY),
        (AttemptResult.REFUSED, RAISE, RAISE, RAISE),
    ],
)
def test_decide(verdict, safe, verify, never) -> None:
    for repeatability, expected in ((SAFE, safe), (VERIFY, verify), (NEVER, never)):
        match decided(
            verdict=verdict, repeatability=repeatability, throttlings=int(verdict is AttemptResult.THROTTLED)
        ):
            case Retry():
                assert expected == RETRY
            case GiveUp(outcome_unknown=unknown):
                assert expected == (UNKNOWN if unknown else RAISE)


@pytest.mark.parametrize("repeatability", Repeatability)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": AttemptResult.UNAUTHORIZED, "token_renewed": True}, "would not help"),
        ({"verdict": AttemptResult.NOT_SENT, "failures": 3}, "3 attempts failed"),
        ({"verdict": AttemptResult.NOT_SENT, "affordable": False}, "budget"),
        ({"verdict": AttemptResult.NOT_SENT, "time_left": 0.0}, "deadline"),
        ({"verdict": AttemptResult.NOT_SENT, "time_left": -1.0}, "deadline"),
        ({"verdict": AttemptResult.THROTTLED, "retry_after": 61.0}, "max_retry_after"),
        ({"verdict": AttemptResult.THROTTLED, "retry_after": 60.0, "time_left": 60.0}, "deadline"),
        ({"verdict": AttemptResult.THROTTLED, "throttlings": 1, "time_left": 0.0}, "deadline"),
    ],
)
def test_when_to_stop(repeatability, changes, reason) -> None:
    decision = decided(repeatability=repeatability, **changes)
    assert isinstance(decision, GiveUp)
    assert reason in decision.reason
    assert not decision.outcome_unknown


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        ({"verdict": AttemptResult.UNAUTHORIZED}, 0.0, 0.0),
        ({"verdict": AttemptResult.FAILED, "failures": 1}, 0.0, 1.0),
        ({"verdict": AttemptResult.FAILED, "failures": 2}, 0.0, 2.0),
        ({"verdict": AttemptResult.FAILED, "retry_after": 30.0}, 30.0, 30.0),
        ({"verdict": AttemptResult.FAILED, "retry_after": 999.0}, 60.0, 60.0),
        ({"verdict": AttemptResult.FAILED, "retry_after": 0.0}, 0.0, 1.0),
        ({"verdict": AttemptResult.THROTTLED, "retry_after": 7.0}, 7.0, 7.0),
        ({"verdict": AttemptResult.THROTTLED, "retry_after": 60.0}, 60.0, 60.0),
        ({"verdict": AttemptResult.THROTTLED, "throttlings": 1}, 0.0, 0.1),
        ({"verdict": AttemptResult.THROTTLED, "throttlings": 3}, 0.0, 0.4),
        ({"verdict": AttemptResult.THROTTLED, "throttlings": 50}, 0.0, 8.0),
        ({"verdict": AttemptResult.THROTTLED, "throttlings": 1, "affordable": False, "failures": 99}, 0.0, 0.1),
    ],
)
def test_how_long_to_wait(changes, least, most) -> None:
    delays = []
    for seed in range(200):
        decision = decided(seed, **changes)
        assert isinstance(decision, Retry)
        delays.append(decision.delay)
    assert least <= min(delays) <= max(delays) <= most
    if least < most:
        assert min(delays) < most * 0.1
        assert max(delays) > most * 0.9


@pytest.mark.parametrize(("retry_after", "time_left"), [(None, 1.0), (None, 4.0), (7.0, 4.0), (None, 0.5)])
def test_only_a_pause_that_nobody_asked_for_is_cut_so_that_it_ends_before_the_deadline(retry_after, time_left) -> None:
    decision = decided(
        verdict=AttemptResult.THROTTLED, retry_after=retry_after, time_left=time_left, pause_bounds=(8.0, 8.0)
    )
    is_cut = retry_after is None and time_left >= 1.0
    assert getattr(decision, "delay", None) == (time_left / 2 if is_cut else None)


@pytest.mark.parametrize("throttlings", [3, 10, 100])
def test_a_pause_of_no_time_is_not_believed_for_ever(throttlings) -> None:
    decision = decided(verdict=AttemptResult.THROTTLED, retry_after=0.0, throttlings=throttlings)
    assert isinstance(decision, Retry)
    assert decision.delay > 0


situations = st.builds(
    RetryContext,
    verdict=st.sampled_from([verdict for verdict in AttemptResult if verdict is not AttemptResult.OK]),
    repeatability=st.sampled_from(Repeatability),
    failures=st.integers(0, 10_000),
    throttlings=st.integers(0, 10_000),
    token_renewed=st.booleans(),
    retry_after=st.none() | st.floats(0, 1e12),
    time_left=st.floats(-1e6, 1e6),
    affordable=st.booleans(),
    pause_bounds=st.sampled_from([(0.0, float("inf")), (0.0, 0.5), (30.0, 30.0)]),
)


@given(at=situations, rng=st.randoms(use_true_random=False))
def test_in_any_situation(at, rng) -> None:
    decision = decide(at, CONFIG, rng)
    lost = at.verdict in (AttemptResult.LOST, AttemptResult.FAILED, AttemptResult.REDIRECTED)
    carried_out_perhaps = lost and at.repeatability is not SAFE
    if isinstance(decision, GiveUp):
        assert decision.outcome_unknown is carried_out_perhaps
        assert decision.reason
    else:
        assert not carried_out_perhaps
        assert at.verdict is not AttemptResult.REFUSED
        assert 0.0 <= decision.delay <= max(CONFIG.backoff_cap, CONFIG.max_retry_after)
        assert decision.delay < at.time_left or at.verdict is AttemptResult.UNAUTHORIZED


@given(failures=st.integers(0, 10**9), rng=st.randoms(use_true_random=False))
def test_back_off_stays_within_its_bounds(failures, rng) -> None:
    assert 0.0 <= back_off(failures, CONFIG, rng) <= min(8.0, 2.0 ** min(failures - 1, 3))


@pytest.mark.parametrize(
    ("outcome", "cost"),
    [
        (AnswerTimeoutError("x"), TIMEOUT_COST),
        (ConnectError("x"), RETRY_COST),
        (DeadlineExceededError("x"), RETRY_COST),
        (answer(503), RETRY_COST),
        (None, RETRY_COST),
    ],
    ids=str,
)
def test_what_a_retry_costs(outcome, cost) -> None:
    assert retry_cost(outcome) == cost


def test_the_budget_allows_a_hundred_failures_in_a_row() -> None:
    budget, retries = RetryBudget(500), 0
    while budget.affords(RETRY_COST):
        budget.spend(RETRY_COST)
        retries += 1
    assert (retries, budget.left) == (100, 0)


def test_the_budget_refills_up_to_its_capacity() -> None:
    budget = RetryBudget(20)
    budget.spend(15)
    assert not budget.affords(6)
    assert budget.affords(5)
    budget.refund()
    assert budget.left == 6
    budget.refund(RETRY_COST)
    assert budget.left == 11
    budget.refund(1000)
    assert budget.left == 20


def test_an_empty_budget_affords_nothing() -> None:
    assert not RetryBudget(0).affords(1)
    assert RetryBudget(0).affords(0)


@given(st.lists(st.sampled_from(["spend", "refund"])), st.integers(0, 50))
def test_the_budget_stays_between_nothing_and_all(moves, capacity) -> None:
    budget = RetryBudget(capacity)
    for move in moves:
        if move == "refund":
            budget.refund()
        elif budget.affords(RETRY_COST):
            budget.spend(RETRY_COST)
        assert 0 <= budget.left <= capacity
