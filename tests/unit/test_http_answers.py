"""The answer of a web backend for each error: status, when to ask again, and nothing that callers must not see."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import msgspec
import pytest

from octoffm_async import HttpAnswer, errors, http_answer
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.errors import OctoffmError, mark_journaled, mark_unknown

HIDDEN = "n0t-for-callers"
CLASSES = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, OctoffmError)
}
TABLE: dict[str, tuple[int, str, str | None]] = {
    "OctoffmError": (500, "internal", None),
    "ConfigurationError": (500, "internal", None),
    "ValidationError": (422, "invalid", None),
    "ClosedError": (503, "not_sent", "5"),
    "ErrorBudgetExceededError": (502, "upstream", None),
    "StatusUnreachableError": (409, "final", None),
    "StoreError": (500, "internal", None),
    "JournalError": (500, "internal", None),
    "OtherEnvironmentError": (500, "internal", None),
    "JournalDamagedError": (500, "internal", None),
    "JournalWriteError": (503, "not_sent", "5"),
    "JournalInUseError": (503, "not_sent", "5"),
    "FencedError": (503, "not_sent", "5"),
    "CallError": (502, "upstream", None),
    "OverloadedError": (503, "overloaded", "5"),
    "CircuitOpenError": (503, "overloaded", "5"),
    "NotAnsweredError": (502, "upstream", None),
    "ConnectError": (503, "not_sent", "5"),
    "TLSError": (502, "upstream", None),
    "ConnectionLostError": (502, "upstream", None),
    "AnswerTimeoutError": (504, "deadline", None),
    "DeadlineExceededError": (503, "not_sent", "5"),  # no attempt was made
    "AnsweredError": (502, "upstream", None),
    "BadRequestError": (422, "refused", None),
    "AuthenticationError": (502, "credentials", None),
    "CredentialsRefusedError": (502, "credentials", None),
    "PermissionDeniedError": (502, "credentials", None),
    "NotFoundError": (404, "not_found", None),
    "ConflictError": (409, "conflict", None),
    "PayloadConflictError": (409, "conflict", None),
    "UnprocessableError": (422, "refused", None),
    "RateLimitedError": (503, "overloaded", "5"),
    "NotReadyError": (404, "not_ready", "5"),
    "ServerError": (502, "upstream", None),
    "UnusableAnswerError": (502, "upstream", None),
    "BadRowError": (502, "upstream", None),
    "PagingError": (502, "upstream", None),
}


def read(answer: HttpAnswer) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = msgspec.json.decode(answer.body)
    assert problem["status"] == answer.status
    assert problem["title"]
    assert problem["detail"]
    assert HIDDEN not in f"{answer}"
    return problem


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_has_its_answer(name: str) -> None:
    error = CLASSES[name](HIDDEN)
    answer = http_answer(error)
    problem = read(answer)
    assert (answer.status, problem["code"], answer.headers.get("Retry-After")) == TABLE[name]
    assert problem["retryable"] is (getattr(error, "retryable", False) or "Retry-After" in answer.headers)


def made(kind: type[OctoffmError], **attributes: object) -> OctoffmError:
    error = kind(HIDDEN)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "status", "code", "wait"),
    [
        (made(errors.DeadlineExceededError, attempts=2), 504, "deadline", None),
        (made(errors.OverloadedError, wait=2.1), 503, "overloaded", "3"),
        (made(errors.CircuitOpenError, wait=0.2), 503, "overloaded", "1"),
        (made(errors.RateLimitedError, retry_after=7.5), 503, "overloaded", "8"),
        (made(errors.ServerError, retry_after=30.0), 502, "upstream", "30"),
        (made(errors.NotFoundError, retry_after=30.0), 404, "not_found", None),
        (made(errors.StoreError, away=True), 503, "not_sent", "5"),
        (errors.ConnectError.of_proxy(HIDDEN, 407), 502, "upstream", None),
        (RuntimeError(HIDDEN), 500, "internal", None),
    ],
    ids=str,
)
def test_what_the_error_knows_decides(error: BaseException, status: int, code: str, wait: str | None) -> None:
    answer = http_answer(error)
    assert (answer.status, read(answer)["code"], answer.headers.get("Retry-After")) == (status, code, wait)


@pytest.mark.parametrize("kind", [errors.ConnectionLostError, errors.ServerError, errors.DeadlineExceededError])
def test_an_unknown_outcome_is_accepted_and_says_where_to_look(kind: type[errors.CallError]) -> None:
    error = made(kind, outcome_unknown=True, attempts=1)
    assert isinstance(error, errors.CallError)
    answer = http_answer(error, location="/orders/ORDER-1")
    problem = read(answer)
    assert (answer.status, answer.headers["Location"], problem["look_at"]) == (202, *["/orders/ORDER-1"] * 2)
    assert "before you send it again" in problem["detail"]
    mark_journaled(error, seconds=41.2)
    answer = http_answer(error)
    assert "Send the very same request again" in read(answer)["detail"]
    assert (answer.headers["Retry-After"], "Location" in answer.headers) == ("42", False)


def test_a_cancelled_creation_is_unknown_too() -> None:
    plain, journaled = asyncio.CancelledError(), asyncio.CancelledError()
    mark_unknown(plain)
    mark_journaled(journaled, seconds=60)
    assert "before you send it again" in read(http_answer(plain))["detail"]
    assert "Send the very same request again" in read(http_answer(journaled))["detail"]
    assert http_answer(plain, location="/x").status == 202


def test_a_location_is_for_unknown_outcomes_alone() -> None:
    assert "Location" not in http_answer(errors.NotFoundError(HIDDEN), location="/x").headers


def test_fields_are_named_and_their_values_are_not() -> None:
    invalid = errors.ValidationError("order", HIDDEN, [FieldProblem("lines[0].quantity", HIDDEN, "must be above 0")])
    assert read(http_answer(invalid))["problems"] == [{"field": "lines[0].quantity", "reason": "must be above 0"}]
    other = errors.PayloadConflictError(HIDDEN, key="ORDER-1", fields=["delivery_address.city"])
    problem = read(http_answer(other))
    assert (problem["reference"], problem["fields"]) == ("ORDER-1", ["delivery_address.city"])
    refused = errors.UnprocessableError(
        HIDDEN, code="E1", field_errors={"city": [HIDDEN]}, trace_id="t-1", body=HIDDEN, headers={"X": HIDDEN}
    )
    problem = read(http_answer(refused))
    assert (problem["upstream_code"], problem["fields"], problem["trace_id"]) == ("E1", ["city"], "t-1")
