"""The mapping of responses that are no success to errors. Pure functions.

Problems come as ``application/problem+json``, as Keycloak's ``{"error", "error_description"}``, or, from a gateway or a
proxy, as HTML or with an empty body: the mapping never takes JSON for granted.
"""

from __future__ import annotations

import html
import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import urljoin, urlsplit

import msgspec
from multidict import CIMultiDict

from ..contract.answers.names import find_key
from ..errors import (
    AnsweredError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotAnsweredError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnprocessableError,
    UnusableAnswerError,
)
from ..text import printable
from ..transport import headers
from .retry.policy import PARTIAL, AttemptResult, classify

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from multidict import MultiMapping

    from ..transport.response import Response

EXCERPT_CHARACTERS = 500
READ_BYTES = 16_384
FIELD_ERRORS_MOST = 1000
HEADERS_MOST = 100
_TITLE_MOST = 100
_PAGE_TITLE = re.compile(rb"<title[^>]{0,100}>(.{0,500}?)</title", re.IGNORECASE | re.DOTALL)

_BY_STATUS: dict[int, type[AnsweredError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitedError,
}
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_OAUTH_ERROR = re.compile(r"(?:invalid|unauthorized|unsupported)_[a-z_]+|access_denied")
_PHRASES = {
    304: "Not Modified, though the request named no condition",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
}


def error_for(response: Response, secrets: Collection[str] = ()) -> AnsweredError:
    """Return the error for a non-2xx response, without secrets: a server may echo the request."""
    content = _Content(response.body, secrets)
    status = response.status
    title = content.text("title") or content.text("error") or content.page_title() or _PHRASES.get(status, "")
    detail = content.text("detail") or content.text("error_description")
    field_errors = content.field_errors()
    message = f"{status} {title}".rstrip()
    if detail and detail != title:
        message += f": {detail}"
    if 300 <= status < 400 and status != 304:
        where = "token_url" if "token" in response.url.rpartition("/")[2] else "base_url"
        message += f", a redirect to {_target(response, secrets)}; it is not followed: mend {where} if that is right"
    message += "".join(f"; {field}: {', '.join(texts)}" for field, texts in islice(field_errors.items(), 5))
    return _class_for(status)(
        printable(message),
        status=status,
        code=content.text("code") or content.text("error"),
        title=title,
        field_errors=field_errors,
        trace_id=printable(content.text("traceId")) or redact(headers.trace_id_of(response.headers), secrets),
        headers=_shown_headers(response.headers, secrets),
        retry_after=headers.parse_retry_after(response.headers.get("Retry-After"), wall_now=time.time()),
        body=excerpt(response.body, secrets),
    )


def classify_token_answer(outcome: Response | NotAnsweredError) -> AttemptResult:
    """Return the verdict on a request for a token; FAILED also for what something before the endpoint answered.

    A firewall or a gateway answers 403 or 400 with a page, or with JSON of its own, a captive portal 200 with a page.
    That says nothing of the credentials, and may pass: only an OAuth error does, and a 401 unless it is a page.
    """
    if isinstance(outcome, NotAnsweredError):
        return classify(outcome)
    is_page = outcome.body.lstrip(_BLANKS)[:1] in (b"<", b"")
    match outcome.status:
        case 401:
            passes = is_page and bool(outcome.body)
        case 400 | 403:
            content = _Content(outcome.body, ())
            passes = not any(_OAUTH_ERROR.fullmatch(content.text(name)) for name in ("error", "code"))
        case status:
            passes = is_page and 200 <= status < 300
    return AttemptResult.FAILED if passes else classify(outcome)


def failure_of(
    outcome: Response | NotAnsweredError, verdict: AttemptResult, secrets: Collection[str]
) -> AnsweredError | NotAnsweredError:
    """Return the error for an attempt that is no success; one that may pass is ``retryable``."""
    if isinstance(outcome, NotAnsweredError):
        return outcome
    error = error_for(outcome, secrets)
    if verdict is AttemptResult.FAILED and outcome.status < 300 and classify(outcome) is verdict:
        error.retryable = True
        error.message += (
            ", a part of an answer, which was not asked for" if outcome.status in PARTIAL else ", no final answer"
        )
    elif verdict is AttemptResult.FAILED and classify(outcome) is not AttemptResult.FAILED:
        error.retryable = True
        error.message += "; this is no answer of a token endpoint, but of something before it, such as a firewall"
    return error


def _target(response: Response, secrets: Iterable[str]) -> str:
    """Return the address that a redirect names, without what could be secret in it."""
    location = response.headers.get("Location", "")
    shown = ""
    try:
        target = urlsplit(urljoin(response.url, location))
        shown = f"{target.scheme}://{target.hostname}{'' if target.port is None else f':{target.port}'}{target.path}"
    except ValueError:
        location = ""
    if not location or not shown.startswith(("http://", "https://")) or not shown.isprintable():
        return "no address that can be read"
    return redact(shown, secrets)[:EXCERPT_CHARACTERS]


def unusable(response: Response, reason: str, *, secrets: Collection[str] = ()) -> UnusableAnswerError:
    """Return the error for a 2xx response that cannot be used."""
    kind = response.headers.get("Content-Type", "no content type")
    return UnusableAnswerError(
        f"the answer ({response.status}, {kind}, {len(response.body)} bytes) cannot be used: {redact(reason, secrets)}",
        status=response.status,
        trace_id=redact(headers.trace_id_of(response.headers), secrets),
        headers=_shown_headers(response.headers, secrets),
        body=excerpt(response.body, secrets),
    )


def _shown_headers(named: MultiMapping[str], secrets: Collection[str]) -> CIMultiDict[str]:
    """Return the headers of a response, without cookies, secrets, and addresses that may hold some."""
    shown = CIMultiDict[str]()
    for name, value in islice(named.items(), HEADERS_MOST):
        if name.lower() not in ("set-cookie", "location"):
            shown.add(name, redact(value, secrets)[:EXCERPT_CHARACTERS])
    return shown


def excerpt(body: bytes, secrets: Collection[str] = ()) -> str:
    """Return the beginning of a body as text. Secrets are removed first: a cut would hide the rest of one."""
    text = redact(body[:READ_BYTES].decode("utf-8", errors="replace"), secrets)
    if len(body) > READ_BYTES:  # the limit may have cut through the last secret
        text = text[: max(0, len(text) - max(map(len, secrets), default=0))]
    return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + "…"


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret replaced."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


class _Content:
    """The readable members of a problem, bounded and without secrets."""

    def __init__(self, body: bytes, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._values = _json_object(body)
        self._body = body[:READ_BYTES]

    def text(self, name: str) -> str:
        value = self._member(name)
        return self._shown(value) if isinstance(value, str) else ""

    def page_title(self) -> str:
        """Return the title of an HTML page: often all that says who answered, and why."""
        found = None if self._values else _PAGE_TITLE.search(self._body)
        if found is None:
            return ""
        text = html.unescape(found[1].decode("utf-8", errors="replace"))
        return self._shown(" ".join("".join(sign if sign.isprintable() else " " for sign in text).split()))[
            :_TITLE_MOST
        ]

    def _member(self, name: str) -> object:
        key = find_key(self._values, name)
        return None if key is None else self._values[key]

    def field_errors(self) -> dict[str, list[str]]:
        errors = self._member("errors")
        if not isinstance(errors, dict):
            return {}
        fields = islice(cast("dict[str, Any]", errors).items(), FIELD_ERRORS_MOST)
        return {self._shown(field): [self._shown(text) for text in _listed(texts)[:10]] for field, texts in fields}

    def _shown(self, value: object) -> str:
        return redact(str(value), self._secrets)[:EXCERPT_CHARACTERS]


def _class_for(status: int) -> type[AnsweredError]:
    if status >= 500:
        return ServerError
    if status < 400:
        return UnusableAnswerError
    return _BY_STATUS.get(status, BadRequestError)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _listed(messages: Any) -> list[Any]:
    return messages if _is_list(messages) else [messages]


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
