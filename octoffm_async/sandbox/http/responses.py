"""Responses before they are sent, and the API's problems."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

JSON = "application/json; charset=utf-8"
PROBLEM_JSON = "application/problem+json; charset=utf-8"
HTML = "text/html; charset=utf-8"
PDF = "application/pdf"

FieldErrors = Mapping[str, Sequence[str]]

_encode = msgspec.json.Encoder().encode


class HttpReply(NamedTuple):
    """One complete response. An empty body has no content type."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = {}


class ProblemError(Exception):
    """A request whose response is a problem. Handlers raise it anywhere; the server turns it into a response."""

    def __init__(
        self, status: int, detail: str, *, errors: FieldErrors | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers: Mapping[str, str] = headers or {}

    def reply(self, *, instance: str, trace_id: str) -> HttpReply:
        """Return the problem as a response."""
        fields: dict[str, Any] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "traceId": trace_id,
        }
        if self.errors:
            fields["errors"] = self.errors
        return HttpReply(self.status, _encode(fields), PROBLEM_JSON, self.headers)


def json_reply(result: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Return a result as a JSON response; no other code encodes it."""
    return HttpReply(status, _encode(result), JSON, headers or {})


def validation_problem(errors: FieldErrors) -> ProblemError:
    """Return the problem of a request with invalid fields."""
    return ProblemError(400, "One or more validation errors occurred.", errors=errors)
