"""Answers of a web backend to its own callers, for the errors of this package."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .errors import (
    ASK_AGAIN,
    AnsweredError,
    AnswerTimeoutError,
    AuthenticationError,
    BadRequestError,
    CallError,
    ClosedError,
    ConflictError,
    ConnectError,
    DeadlineExceededError,
    ErrorBudgetExceededError,
    FencedError,
    JournalWriteError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    PayloadConflictError,
    PermissionDeniedError,
    RateLimitedError,
    StatusUnreachableError,
    StoreError,
    UnprocessableError,
    ValidationError,
    is_outcome_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HttpAnswer", "http_answer"]

RETRY_AFTER = 5
"""Seconds of ``Retry-After`` where the error knows none."""


class HttpAnswer(NamedTuple):
    """A response: ``Response(body, status, headers)`` in Starlette and FastAPI, keyword arguments in aiohttp.web."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Case(NamedTuple):
    status: int
    code: str
    title: str
    detail: str
    """Text for the caller; empty where the error's own words are meant for him."""
    waits: bool = False


_UNKNOWN = "It may have been carried out."
_AGAIN = f"{_UNKNOWN} Send the very same request again: it is looked up first, and never carried out twice."
_LOOK = f"{_UNKNOWN} Look it up by its reference before you send it again."
_NOT_SENT = _Case(503, "not_sent", "Not sent", "Nothing was sent. The same request may succeed later.", waits=True)
_BROKEN = _Case(500, "internal", "Internal error", "This service cannot carry out the request; its log tells why.")
_LATE = _Case(504, "deadline", "No answer in time", "The fulfillment API did not answer in time.")
_BAD_GATEWAY = _Case(502, "upstream", "The fulfillment API failed", "The fulfillment API failed, or refused the call.")
_CASES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], _Case], ...] = (
    (ValidationError, _Case(422, "invalid", "The request cannot be right", "Nothing was sent.")),
    (
        PayloadConflictError,
        _Case(409, "conflict", "Another request has this reference", "Nothing was sent."),
    ),
    (
        ConflictError,
        _Case(409, "conflict", "The state does not allow it", "The state of the object does not allow the request."),
    ),
    (StatusUnreachableError, _Case(409, "final", "Another final status", "The object reached another final status.")),
    (NotReadyError, _Case(404, "not_ready", "Not there yet", "It does not exist yet: ask again later.", waits=True)),
    (NotFoundError, _Case(404, "not_found", "Not found", "Nothing exists under this id.")),
    ((BadRequestError, UnprocessableError), _Case(422, "refused", "Refused", "The fulfillment API refused it.")),
    ((OverloadedError, RateLimitedError), _NOT_SENT._replace(code="overloaded", title="Too many requests at a time")),
    ((DeadlineExceededError, AnswerTimeoutError), _LATE),
    ((ConnectError, JournalWriteError, FencedError, ClosedError), _NOT_SENT),
    ((AuthenticationError, PermissionDeniedError), _BAD_GATEWAY._replace(code="credentials")),
    ((CallError, ErrorBudgetExceededError), _BAD_GATEWAY),
)


def http_answer(error: BaseException, *, location: str | None = None) -> HttpAnswer:
    """Return the status, headers and problem document (RFC 9457) with which a web backend answers for an error.

    ====== ======================================================================================================
    202    the outcome is unknown; ``location`` (header and ``look_at``) says where the caller may look
    404    nothing under this id; with ``Retry-After``: a document that does not exist yet
    409    another request has the reference, or the object's state does not allow the call
    422    invalid, with the fields that are wrong (nothing was sent), or refused by the API
    500    this service: its configuration, journal or store, or an error that is not of this package
    502    the API failed, or does not accept the credentials
    503    nothing was sent (overload, limits, an outage, a journal that cannot be written), with ``Retry-After``
    504    the API did not answer in time
    ====== ======================================================================================================

    The document has ``code`` (a word for each case), ``retryable``, and what is known of ``reference``, ``fields``,
    ``problems`` and ``trace_id``; no values of fields, no messages of the API, no paths or addresses.
    """
    case = _case_of(error)
    headers = {"Content-Type": "application/problem+json"}
    retryable = bool(getattr(error, "retryable", False)) or case.waits
    problem: dict[str, Any] = {"title": case.title, "status": case.status, "detail": case.detail, "code": case.code}
    problem |= {"retryable": retryable} | _facts(error)
    if case.status == 202 and location is not None:
        problem["look_at"] = headers["Location"] = location
    waits = getattr(error, "retry_after", None) or getattr(error, "wait", None)
    if case.waits or (waits and retryable):
        headers["Retry-After"] = str(max(1, math.ceil(waits or RETRY_AFTER)))
    return HttpAnswer(case.status, headers, msgspec.json.encode(problem))


def _case_of(error: BaseException) -> _Case:
    if is_outcome_unknown(error):
        notes = getattr(error, "__notes__", ())
        in_journal = error.in_journal if isinstance(error, CallError) else any(ASK_AGAIN in note for note in notes)
        return _Case(202, "outcome_unknown", "Outcome unknown", _AGAIN if in_journal else _LOOK, waits=True)
    if isinstance(error, StoreError):
        return _NOT_SENT if error.away else _BROKEN
    if isinstance(error, DeadlineExceededError) and not error.attempts:
        return _NOT_SENT
    if isinstance(error, ConnectError) and not error.retryable:
        return _BAD_GATEWAY
    return next((case for kinds, case in _CASES if isinstance(error, kinds)), _BROKEN)


def _facts(error: BaseException) -> dict[str, Any]:
    """Return what the caller may know of an error: names of fields and reasons, no values."""
    match error:
        case ValidationError():
            return {"problems": [{"field": one.field, "reason": one.reason} for one in error.problems]}
        case PayloadConflictError():
            return {"reference": error.key, "fields": error.fields}
        case AnsweredError():
            facts = {"upstream_code": error.code, "fields": sorted(error.field_errors), "trace_id": error.trace_id}
            return {name: value for name, value in facts.items() if value}
        case _:
            return {}
