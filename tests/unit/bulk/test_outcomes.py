"""What an error means for its item, and the counts."""

from __future__ import annotations

import msgspec
import pytest

from octoffm_async.bulk.outcomes import (
    Created,
    Failed,
    Found,
    Missing,
    Refused,
    Skipped,
    Summary,
    Unknown,
    outcome_of,
    refused_locally,
)
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.contract.stocks import Stock
from octoffm_async.errors import (
    AnswerTimeoutError,
    BadRequestError,
    CallError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
)

ALL = [
    Created(key="a", id="1"),
    Refused(key="b", code="x", message="y"),
    Failed(key="c", error=ValueError()),
    Unknown(key="d", reason="?"),
    Skipped(key="e", reason="!"),
    Found(key="f", stocks=[Stock(id="s")]),
    Missing(key="g", reason="-"),
]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequestError("no", status=400), Refused),
        (ConflictError("no", status=409), Refused),
        (UnprocessableError("no", status=422), Refused),
        (BadRequestError("no", status=413), Failed),
        (BadRequestError("no", status=418), Failed),
        (PermissionDeniedError("no", status=403), Failed),
        (NotFoundError("no", status=404), Failed),
        (RateLimitedError("no", status=429), Failed),
        (ServerError("no", status=500), Failed),
        (UnusableAnswerError("no"), Failed),
        (ConnectError("no"), Failed),
        (TLSError("no"), Failed),
        (DeadlineExceededError("no"), Failed),
        (ConnectionLostError("no"), Failed),
        (AnswerTimeoutError("no"), Failed),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'status', '')}" if isinstance(value, CallError) else "",
)
def test_an_error_means_refused_or_failed_and_unknown_whenever_its_outcome_is(error: CallError, kind: type) -> None:
    decided = outcome_of("K", error)
    assert type(decided) is kind
    assert decided.key == "K"
    assert decided.error is error
    error.outcome_unknown = True
    unknown = outcome_of("K", error)
    assert type(unknown) is Unknown
    assert unknown.error is error


@pytest.mark.parametrize(("code", "code_of_refusal"), [("TooMany", "TooMany"), ("", "422")])
def test_a_refusal_carries_the_machine_word_or_else_the_status(code: str, code_of_refusal: str) -> None:
    refused = outcome_of("K", UnprocessableError("why", status=422, code=code))
    assert isinstance(refused, Refused)
    assert refused.code == code_of_refusal
    assert "why" in refused.message


def test_an_item_that_was_not_sent_reports_all_its_problems() -> None:
    refused = refused_locally(ValidationError("order", "K", [FieldProblem("a", 1, "one"), FieldProblem("b", 2, "two")]))
    assert (refused.key, refused.code) == ("K", "Invalid")
    assert "one" in refused.message
    assert "two" in refused.message


def test_the_total_is_the_sum_and_each_kind_counts_once() -> None:
    summary = Summary()
    for outcome in ALL:
        summary.count(outcome)
    assert summary.total == len(ALL)
    counts = msgspec.structs.asdict(summary)
    kinds = ("created", "refused", "failed", "unknown", "skipped", "found", "missing")
    assert [counts[name] for name in kinds] == [1] * 7
    assert summary.bad == 3
    together = Summary()
    together.count_all([*ALL, *ALL])
    for outcome in ALL:
        summary.count(outcome)
    assert together == summary


@pytest.mark.parametrize(("seconds", "rate"), [(0.0, 0.0), (2.0, 5.0)])
def test_the_rate_is_items_per_second_and_zero_before_any_time_passed(seconds: float, rate: float) -> None:
    assert Summary(total=10, seconds=seconds).per_second == rate


@pytest.mark.parametrize("outcome", ALL, ids=lambda outcome: type(outcome).__name__)
def test_outcomes_are_frozen(outcome) -> None:
    with pytest.raises(AttributeError):
        outcome.key = "other"
