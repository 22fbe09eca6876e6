"""From an answer that is not a success to the error that tells it. Pure functions.

Problems come as ``application/problem+json``, as Keycloak's ``{"error", "error_description"}``, or, from a gateway or a
proxy, as HTML or as nothing at all: JSON is never assumed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import msgspec

from ..errors import (
    AnsweredError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnprocessableError,
    UnusableAnswerError,
)
from . import headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .transport import Response

EXCERPT_CHARACTERS = 500
FIELD_ERRORS_MOST = 1000

_BY_STATUS: dict[int, type[AnsweredError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitedError,
}
_PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


def error_for(response: Response, *, secrets: Iterable[str] = ()) -> AnsweredError:
    """The error that a non-2xx answer stands for."""
    status, content = response.status, _content(response.body)
    title = _text(content.get("title")) or _text(content.get("error")) or _PHRASES.get(status, "")
    detail = _text(content.get("detail")) or _text(content.get("error_description"))
    field_errors = _field_errors(content.get("errors"), secrets)
    told = [f"{status} {title}".strip()]
    if detail and detail != title:
        told.append(detail)
    told += [f"{field}: {', '.join(messages)}" for field, messages in list(field_errors.items())[:5]]
    body = excerpt(response.body)
    return _class_for(status)(
        redact(": ".join(told[:2]) + "".join(f"; {more}" for more in told[2:]), secrets),
        status=status,
        code=redact(_text(content.get("code")) or _text(content.get("error")), secrets),
        title=redact(title, secrets),
        field_errors=field_errors,
        trace_id=redact(_text(content.get("traceId")), secrets),
        retry_after=headers.retry_after(response.headers.get("Retry-After"), wall_now=time.time()),
        body=redact(body, secrets),
    )


def unusable(response: Response, reason: str, *, secrets: Iterable[str] = ()) -> UnusableAnswerError:
    """The error for a 2xx answer that cannot be used."""
    kind = response.headers.get("Content-Type", "no content type")
    return UnusableAnswerError(
        redact(f"the answer ({response.status}, {kind}, {len(response.body)} bytes) cannot be used: {reason}", secrets),
        status=response.status,
        body=redact(excerpt(response.body), secrets),
    )


def excerpt(body: bytes) -> str:
    """The beginning of a body as text."""
    text = body[: EXCERPT_CHARACTERS * 4].decode("utf-8", errors="replace")
    return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + "…"


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced: a server may echo what it was sent."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _class_for(status: int) -> type[AnsweredError]:
    if status >= 500:
        return ServerError
    if 300 <= status < 400 or status < 200:
        return UnusableAnswerError
    return _BY_STATUS.get(status, BadRequestError)


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _text(value: Any) -> str:
    return value[:EXCERPT_CHARACTERS] if isinstance(value, str) else ""


def _listed(messages: Any) -> list[Any]:
    return messages if _is_list(messages) else [messages]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _field_errors(value: Any, secrets: Iterable[str]) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        return {}
    found: dict[str, list[str]] = {}
    for field, messages in list(cast("dict[str, Any]", value).items())[:FIELD_ERRORS_MOST]:
        listed = _listed(messages)
        shown = [redact(str(message)[:EXCERPT_CHARACTERS], secrets) for message in listed[:10]]
        found[redact(field, secrets)] = shown
    return found
