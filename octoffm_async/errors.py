"""The errors of this package, in one tree::

    OctoffmError
    ├── ConfigurationError          a setting is missing or invalid                         (also ValueError)
    ├── ValidationError             an item breaks a rule; nothing was sent                 (also ValueError)
    ├── ClosedError                 the client is not open, or belongs to another event loop (also RuntimeError)
    ├── ErrorBudgetExceededError    a bulk run stopped because too many items failed
    ├── StatusUnreachableError      the object reached another final status than the awaited one
    ├── StoreError                  a shared store (PostgreSQL, Redis) is unavailable, or refuses
    ├── JournalError                the journal cannot do what was asked
    │   ├── OtherEnvironmentError   the journal belongs to another API or account than the client
    │   ├── JournalDamagedError     the file is not a journal, damaged, or of a newer version; it was not changed
    │   └── JournalWriteError       the journal cannot be written: the disk is full, or read-only
    │       ├── JournalInUseError   another program, an older version or a suspended process keeps it locked
    │       └── FencedError         this process lost its lease: other processes go on with its items
    └── CallError                   one call of the API did not succeed
        ├── OverloadedError         its permit would come too late, or too many calls wait: nothing was sent
        │   └── CircuitOpenError    the API failed so often that calls are held back: nothing was sent
        ├── NotAnsweredError        no response was received
        │   ├── ConnectError        no connection: nothing was sent
        │   │   └── TLSError        the server's certificate or protocol was not accepted
        │   ├── ConnectionLostError the connection broke: the request may have been carried out
        │   ├── AnswerTimeoutError  no response in time: the same                      (also TimeoutError)
        │   └── DeadlineExceededError  the whole call took too long                    (also TimeoutError)
        └── AnsweredError           a response was received, and it was not a success
            ├── BadRequestError     400 and every 4xx without a class of its own
            ├── AuthenticationError 401
            │   └── CredentialsRefusedError  the token endpoint refused the credentials
            ├── PermissionDeniedError 403
            ├── NotFoundError       404
            ├── ConflictError       409
            │   └── PayloadConflictError  the reference is used by a different request: nothing was sent
            ├── UnprocessableError  422
            ├── RateLimitedError    429
            ├── NotReadyError       a document does not exist yet (404 or 409)
            ├── ServerError         5xx
            └── UnusableAnswerError not JSON, too large, a redirect, or without a required id
                ├── BadRowError     rows of a page lack their identity
                └── PagingError     the next page is on another origin, or was already read

``retryable`` says that the same call may succeed later. ``outcome_unknown`` says that a creation may have happened
although no success was received: look it up by its reference before you send it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .contract.problems import OctoffmError, ValidationError
from .contract.requests.checks import FieldProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AnswerTimeoutError",
    "AnsweredError",
    "AuthenticationError",
    "BadRequestError",
    "BadRowError",
    "CallError",
    "CircuitOpenError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "CredentialsRefusedError",
    "DeadlineExceededError",
    "ErrorBudgetExceededError",
    "FencedError",
    "JournalDamagedError",
    "JournalError",
    "JournalInUseError",
    "JournalWriteError",
    "NotAnsweredError",
    "NotFoundError",
    "NotReadyError",
    "OctoffmError",
    "OtherEnvironmentError",
    "OverloadedError",
    "PagingError",
    "PayloadConflictError",
    "PermissionDeniedError",
    "RateLimitedError",
    "ServerError",
    "StatusUnreachableError",
    "StoreError",
    "TLSError",
    "UnprocessableError",
    "UnusableAnswerError",
    "ValidationError",
    "is_outcome_unknown",
]

NO_USE = "a further try would not help"
ASK_AGAIN = "ask again with the same journal: it is looked for first, and never sent twice"
_UNKNOWN_ADVICE = "OUTCOME UNKNOWN: it may have been carried out; look it up by its reference before sending it again"


_JOURNALED_ADVICE = f"OUTCOME UNKNOWN: it may have been carried out; {ASK_AGAIN}"


_ORDERING = ("outbound.create", "inbound.create")
_TAKEN_ADVICE = (
    "an order exists under this reference, perhaps this very one: look it up before you send it under another"
)


def mark_unknown(error: BaseException) -> None:
    """Add a note to an error of another package (a cancellation): the call that it ended may have been carried out."""
    error.add_note(_UNKNOWN_ADVICE)


def mark_journaled(error: BaseException, *, seconds: float) -> None:
    """Add a note to an error with an unknown outcome: a journal knows of it, and when to ask again."""
    if not isinstance(error, CallError):
        if _JOURNALED_ADVICE not in getattr(error, "__notes__", ()):
            error.add_note(_JOURNALED_ADVICE)
        return
    error.in_journal = True
    error.retry_after = max(error.retry_after or 0.0, seconds)


def is_outcome_unknown(error: BaseException) -> bool:
    """Return True if the call that ended with ``error`` may have been carried out; also for cancellations."""
    marked = not {_UNKNOWN_ADVICE, _JOURNALED_ADVICE}.isdisjoint(getattr(error, "__notes__", ()))
    return marked or (isinstance(error, CallError) and error.outcome_unknown)


class ConfigurationError(OctoffmError, ValueError):
    """A setting is missing or invalid."""


def check_type(what: str, item: object, expected: type) -> None:
    """Reject an item of another type.

    Raises:
        ValidationError: The item has another type, which the error names; no content, which may be a customer's.
    """
    if not isinstance(item, expected):
        kind: type = type(item)
        reason = f"is {kind.__name__}, not {expected.__name__}"
        if issubclass(kind, dict) and hasattr(expected, "from_dict"):
            reason += f"; {expected.__name__}.from_dict makes one"
        key = repr(item)[:50] if issubclass(kind, str | int) else ""
        raise ValidationError(what, key, [FieldProblem("item", kind, reason)])


class ClosedError(OctoffmError, RuntimeError):
    """The client is not open: it was not entered yet, is closed, or was opened on another event loop."""


class ErrorBudgetExceededError(OctoffmError):
    """A bulk run stopped because more items failed than ``max_failures`` allows."""


class StatusUnreachableError(OctoffmError):
    """The awaited object reached another final status. ``row`` is its last state, with the refusal if there is one."""

    def __init__(self, message: str, *, wanted: str = "", status: str = "", row: object = None) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.status = status
        self.row = row


class JournalError(OctoffmError):
    """The journal cannot carry out a request."""


class OtherEnvironmentError(JournalError):
    """The journal's data of this seller belongs to another API, or another account, than the client's.

    ``known`` is the journal's API, ``given`` the client's. Nothing was sent.
    """

    def __init__(self, message: str, *, known: str = "", given: str = "") -> None:
        super().__init__(message)
        self.known = known
        self.given = given


class JournalDamagedError(JournalError):
    """The file is not a journal, is damaged, or was written by a newer version. It was not changed."""


class JournalWriteError(JournalError):
    """The journal cannot be written: the disk is full, or the file or its folder is read-only.

    The client must not send an item that it could not write; items written before are still there.
    """


class JournalInUseError(JournalWriteError):
    """Another program, an older version or a suspended process keeps it locked. ``pid`` is 0 if not known."""

    def __init__(self, message: str, *, pid: int = 0) -> None:
        super().__init__(message)
        self.pid = pid


class FencedError(JournalWriteError):
    """The process let its lease on the journal expire: it must not send any more.

    Other processes may have taken over its items. The present item was not sent. Open the journal again.
    """


class StoreError(OctoffmError):
    """A shared store (PostgreSQL, Redis) cannot carry out a request. ``away``: it may do so later."""

    def __init__(self, message: str, *, away: bool = False) -> None:
        super().__init__(message)
        self.away = away


class CallError(OctoffmError):
    """One call of the API did not succeed.

    ``operation`` is its name (``outbound.create``), ``attempts`` how often it was sent; ``waited`` (limits, back-off)
    and ``travelled`` (on the wire) are in seconds. ``retry_after`` is the number of seconds after which to ask again,
    if known. ``in_journal`` says that a journal knows of a creation whose outcome is unknown: asked for again with the
    same journal, the client looks it up before it sends anything.
    """

    retryable: bool = False
    outcome_unknown: bool = False
    in_journal: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.operation = ""
        self.seller_id = ""
        self.attempts = 0
        self.waited: float = 0.0
        self.travelled: float = 0.0
        self.retry_after: float | None = None

    def __str__(self) -> str:
        parts = [self.message]
        if self.operation:
            times = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
            seller = f", seller {self.seller_id}" if self.seller_id else ""
            spent = f"{self.travelled:.2f} s on the wire, {self.waited:.2f} s waiting"
            parts.append(f"[{self.operation}{seller}, {times}, {spent}]")
        if self.outcome_unknown:
            parts.append(_JOURNALED_ADVICE if self.in_journal else _UNKNOWN_ADVICE)
        return " ".join(parts)


class OverloadedError(CallError):
    """Not sent: its permit would have come after its deadline, or too many calls wait already.

    ``wait`` is the number of seconds that it would have waited, 0 if unknown.
    """

    retryable = True

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class CircuitOpenError(OverloadedError):
    """Not sent: the API failed so often that calls are held back; ``wait`` is the seconds until the next try."""


class NotAnsweredError(CallError):
    """No response was received. ``bytes_left`` is true if the request may have reached the API."""

    retryable = True
    bytes_left: bool = True


class ConnectError(NotAnsweredError):
    """No connection could be opened: nothing was sent.

    ``proxy_status`` is the status with which a proxy refused to connect, 0 if none did. The error is not ``retryable``
    if the proxy forbids the address (403), requires a password (407), or would refuse again for another reason.
    """

    bytes_left = False
    proxy_status: int = 0

    @classmethod
    def of_proxy(cls, message: str, status: int) -> Self:
        """Return the error for a proxy that refused to connect, with this status."""
        error = cls(message)
        error.proxy_status = status
        error.retryable = not 400 <= status < 500 or status in (408, 429)
        return error


class TLSError(ConnectError):
    """The server's certificate or TLS version was not accepted: nothing was sent."""

    retryable = False


class ConnectionLostError(NotAnsweredError):
    """The connection broke before the whole response was read."""


class AnswerTimeoutError(NotAnsweredError, TimeoutError):
    """No response was received within the read time-out."""


class DeadlineExceededError(NotAnsweredError, TimeoutError):
    """The call, with all its waits and attempts, took longer than its deadline."""


class AnsweredError(CallError):
    """A response was received, and it was not a success.

    ``code`` is the API's error code if there is one, ``field_errors`` maps the API's field names to messages,
    ``retry_after`` is in seconds, ``headers`` are those of the response without cookies (names ignore case), ``body``
    is a bounded excerpt; secrets are removed from both.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        title: str = "",
        field_errors: Mapping[str, Sequence[str]] | None = None,
        trace_id: str = "",
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.status = status
        self.code = code
        self.title = title
        self.field_errors: dict[str, Sequence[str]] = dict(field_errors or {})
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.body = body

    @classmethod
    def of(cls, error: AnsweredError) -> Self:
        """Return the error of this class for the response of another."""
        made = cls(error.message)
        vars(made).update(vars(error))
        return made

    def __str__(self) -> str:
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return super().__str__() + trace


class BadRequestError(AnsweredError):
    """400, and every 4xx without a class of its own: the API could not read the request."""


class AuthenticationError(AnsweredError):
    """401, although the token was new."""


class CredentialsRefusedError(AuthenticationError):
    """The token endpoint refused ``client_id`` and ``client_secret``. The client remembers it and calls no more."""


class PermissionDeniedError(AnsweredError):
    """403: the credentials are valid, but not for this seller or operation."""


class NotFoundError(AnsweredError):
    """404: nothing exists under this id, or the address is wrong."""


class ConflictError(AnsweredError):
    """409: the state of the object does not allow the call.

    For the creation of an order it means that the reference is used, perhaps by this very order: a proxy may have sent
    it twice. A journal finds that out by itself. Without one nothing is sent again, and ``outcome_unknown`` is false:
    the API knows the order under the reference.
    """

    def __str__(self) -> str:
        is_of_order = self.status == 409 and self.operation in _ORDERING
        return super().__str__() + (f"; {_TAKEN_ADVICE}" if is_of_order else "")


class PayloadConflictError(ConflictError):
    """A different request was given under a reference that is used: nothing was sent.

    ``key`` is the reference. ``fields`` names the differing fields, such as ``lines`` or ``delivery_address.city``,
    never their values; it is empty if they are not known, as in journals of older versions.
    """

    def __init__(
        self, message: str, *, key: str = "", fields: Sequence[str] = (), code: str = "PayloadChanged", **answered: Any
    ) -> None:
        super().__init__(message, code=code, **answered)
        self.key = key
        self.fields: tuple[str, ...] = tuple(fields)


class UnprocessableError(AnsweredError):
    """422: the request was understood, and rejected for its meaning."""


class RateLimitedError(AnsweredError):
    """429, and the wait for another attempt would pass the deadline."""

    retryable = True


class NotReadyError(AnsweredError):
    """A document was requested before it exists (404 or 409); request it again later."""

    retryable = True

    @classmethod
    def of(cls, error: AnsweredError) -> Self:
        """Return the error for the same response, which means "not yet"."""
        early = super().of(error)
        early.message = f"the document is not there yet: {error.message.removesuffix(f' ({NO_USE})')}"
        early.args = (early.message,)
        return early


class ServerError(AnsweredError):
    """5xx: the API, or a proxy in front of it, failed."""

    retryable = True


class UnusableAnswerError(AnsweredError):
    """A response that cannot be used: not JSON, too large, a redirect, or without a required id."""


class BadRowError(UnusableAnswerError):
    """Rows of a page lack their identity. ``rows`` are the good rows, ``places`` counts the bad rows from 0.

    ``client.with_options(on_bad_row="skip")`` leaves out such rows.
    """

    rows: Sequence[Any] = ()
    places: Sequence[int] = ()


class PagingError(UnusableAnswerError):
    """The next page is on another origin, or was already read."""
