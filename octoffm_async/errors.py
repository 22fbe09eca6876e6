"""Everything that can go wrong, as one tree::

    OctoffmError
    ├── ConfigurationError          a setting is missing or cannot work                     (also ValueError)
    ├── ValidationError             an item breaks a rule; nothing was sent                 (also ValueError)
    ├── ClosedError                 the client is not open, or belongs to another event loop (also RuntimeError)
    ├── ErrorBudgetExceededError    a bulk run stopped because too many items failed
    ├── StatusUnreachableError      what was waited for ended in another status
    ├── StoreError                  a store that machines share (PostgreSQL, Redis) is away, or refuses
    ├── JournalError                the journal cannot do what was asked
    │   ├── JournalInUseError       another process, or this one, already writes it
    │   ├── OtherEnvironmentError   it belongs to another API or account than the one that was to be called
    │   ├── JournalDamagedError     not a journal, damaged, or of a newer version; it was left as it is
    │   └── JournalWriteError       it cannot be written: the disk is full, or read-only
    │       └── FencedError         this process was silent for too long: others go on with its items
    └── CallError                   one call of the API did not succeed
        ├── OverloadedError         its turn would come too late, or too many wait: nothing was sent
        │   └── CircuitOpenError    the API failed so often that calls are held back: nothing was sent
        ├── NotAnsweredError        no answer came
        │   ├── ConnectError        no connection: nothing was sent
        │   │   └── TLSError        the other side's certificate or protocol was not accepted
        │   ├── ConnectionLostError the connection broke: the request may have been carried out
        │   ├── AnswerTimeoutError  the answer did not come in time: the same          (also TimeoutError)
        │   └── DeadlineExceededError  the whole operation took too long               (also TimeoutError)
        └── AnsweredError           an answer came, and it was not a success
            ├── BadRequestError     400 and every 4xx without a class of its own
            ├── AuthenticationError 401
            │   └── CredentialsRefusedError  the token endpoint refused the credentials
            ├── PermissionDeniedError 403
            ├── NotFoundError       404
            ├── ConflictError       409
            │   └── PayloadConflictError  another request was given under the same reference: nothing was sent
            ├── UnprocessableError  422
            ├── RateLimitedError    429
            ├── NotReadyError       a document was asked for too early (404 or 409)
            ├── ServerError         5xx
            └── UnusableAnswerError not JSON, too large, a redirect, no id where one must be
                ├── BadRowError     rows of a page lack what identifies them
                └── PagingError     the next page leads to another origin, or nowhere new

``retryable`` says that the same call may succeed later. ``outcome_unknown`` says that a creation may have happened
although no success was seen: look it up by its reference before it is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .contract.checks import FieldProblem

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
    """Note on an error that is not ours (a cancellation) that the call it ended may have been carried out."""
    error.add_note(_UNKNOWN_ADVICE)


def mark_journaled(error: BaseException, *, seconds: float) -> None:
    """Note on an error whose outcome is unknown that a journal knows of it, and when asking again makes sense."""
    if not isinstance(error, CallError):
        if _JOURNALED_ADVICE not in getattr(error, "__notes__", ()):
            error.add_note(_JOURNALED_ADVICE)
        return
    error.in_journal = True
    error.retry_after = max(error.retry_after or 0.0, seconds)


def is_outcome_unknown(error: BaseException) -> bool:
    """Whether the call that ended with ``error`` may have been carried out; works for cancellations too."""
    marked = not {_UNKNOWN_ADVICE, _JOURNALED_ADVICE}.isdisjoint(getattr(error, "__notes__", ()))
    return marked or (isinstance(error, CallError) and error.outcome_unknown)


class OctoffmError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(OctoffmError, ValueError):
    """A setting is missing or cannot work."""


class ValidationError(OctoffmError, ValueError):
    """An item breaks a rule of the API. Nothing was sent.

    ``key`` is the item's business reference (empty for filters); ``problems`` names each field and reason.
    """

    def __init__(self, what: str, key: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(what, key, problems)
        self.what = what
        self.key = key
        self.problems = tuple(problems)

    def __str__(self) -> str:
        named = f"{self.what} {self.key!r}" if self.key else self.what
        return f"{named} cannot be sent: " + "; ".join(map(str, self.problems))


def check_type(what: str, item: object, expected: type) -> None:
    """Refuse an item that is something else altogether.

    Raises:
        ValidationError: naming what it is.
    """
    if not isinstance(item, expected):
        problem = FieldProblem("item", item, f"is {type(item).__name__}, not {expected.__name__}")
        raise ValidationError(what, repr(item)[:50], [problem])


class ClosedError(OctoffmError, RuntimeError):
    """The client is not open: it was not entered yet, is closed, or was opened on another event loop."""


class ErrorBudgetExceededError(OctoffmError):
    """A bulk run stopped because more items failed than ``max_failures`` allows."""


class StatusUnreachableError(OctoffmError):
    """What was waited for ended in another status. ``row`` is its last state, with the refusal if there is one."""

    def __init__(self, message: str, *, wanted: str = "", status: str = "", row: object = None) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.status = status
        self.row = row


class JournalError(OctoffmError):
    """The journal cannot do what was asked."""


class JournalInUseError(JournalError):
    """Another process, or another journal object of this one, already writes it. ``pid`` is 0 where it is not known."""

    def __init__(self, message: str, *, pid: int = 0) -> None:
        super().__init__(message)
        self.pid = pid


class OtherEnvironmentError(JournalError):
    """What the journal knows of this seller belongs to another API, or another account, than the client's.

    ``known`` is the journal's API, ``given`` the client's. Nothing was sent.
    """

    def __init__(self, message: str, *, known: str = "", given: str = "") -> None:
        super().__init__(message)
        self.known = known
        self.given = given


class JournalDamagedError(JournalError):
    """The file is no journal, is damaged, or was written by a newer version. It was left as it is."""


class JournalWriteError(JournalError):
    """The journal cannot be written: the disk is full, or the file or its folder is read-only.

    What was not written may not be sent; what was written before is still there.
    """


class FencedError(JournalWriteError):
    """This process has been silent for longer than its lease on the journal: it may not send any more.

    Others may have taken over what it had under way. What it was about to send has not left. Open the journal anew.
    """


class StoreError(OctoffmError):
    """A store that machines share (PostgreSQL, Redis) cannot do what was asked. ``away``: it may, later."""

    def __init__(self, message: str, *, away: bool = False) -> None:
        super().__init__(message)
        self.away = away


class CallError(OctoffmError):
    """One call of the API did not succeed.

    ``operation`` is its name (``outbound.create``), ``attempts`` how often it was sent; ``waited`` (limits, back-off)
    and ``travelled`` (on the wire) are in seconds. ``retry_after`` is in how many seconds asking again makes sense, if
    that is known. ``in_journal`` says that a journal knows of a creation whose outcome is unknown: asked for again with
    the same journal, it is looked for first.
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
        self.waited = 0.0
        self.travelled = 0.0
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
    """Not sent: its turn would have come after its deadline, or too many calls wait already.

    ``wait`` is how many seconds it would have waited, 0 if that is not known.
    """

    retryable = True

    def __init__(self, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class CircuitOpenError(OverloadedError):
    """Not sent: the API failed so often that calls are held back; ``wait`` seconds until it is tried again."""


class NotAnsweredError(CallError):
    """No answer came. ``bytes_left`` tells whether the request may have reached the API."""

    retryable = True
    bytes_left: bool = True


class ConnectError(NotAnsweredError):
    """No connection could be made: nothing was sent.

    ``proxy_status`` is the status with which a proxy refused to connect, 0 where none did. It is not ``retryable`` if
    the proxy forbids the address (403), wants a password (407), or refuses otherwise what it would refuse again.
    """

    bytes_left = False
    proxy_status: int = 0

    @classmethod
    def of_proxy(cls, message: str, status: int) -> Self:
        """A proxy refused to connect, with this status."""
        error = cls(message)
        error.proxy_status = status
        error.retryable = not 400 <= status < 500 or status in (408, 429)
        return error


class TLSError(ConnectError):
    """The other side's certificate or TLS version was not accepted: nothing was sent."""

    retryable = False


class ConnectionLostError(NotAnsweredError):
    """The connection broke before the whole answer was read."""


class AnswerTimeoutError(NotAnsweredError, TimeoutError):
    """The answer did not come within the read time-out."""


class DeadlineExceededError(NotAnsweredError, TimeoutError):
    """The operation, with all its waits and attempts, took longer than its deadline."""


class AnsweredError(CallError):
    """An answer came, and it was not a success.

    ``code`` is the machine word if there is one, ``field_errors`` maps the API's field names to messages,
    ``retry_after`` is in seconds, ``body`` a bounded excerpt with secrets removed.
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
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.title = title
        self.field_errors = dict(field_errors or {})
        self.trace_id = trace_id
        self.retry_after = retry_after
        self.body = body

    def __str__(self) -> str:
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return super().__str__() + trace


class BadRequestError(AnsweredError):
    """400, and every 4xx without a class of its own: the API could not read the request."""


class AuthenticationError(AnsweredError):
    """401, although the token was new."""


class CredentialsRefusedError(AuthenticationError):
    """The token endpoint refused ``client_id`` and ``client_secret``. It is remembered: no further call is made."""


class PermissionDeniedError(AnsweredError):
    """403: the credentials are good, but not for this seller or operation."""


class NotFoundError(AnsweredError):
    """404: nothing is known under this id, or the address is wrong."""


class ConflictError(AnsweredError):
    """409: the thing's state does not allow it.

    Of an order that is created, it says that its reference is used, perhaps by this very order: a proxy may have sent
    it twice. A journal finds that out by itself. Without one nothing is sent again, and ``outcome_unknown`` is false:
    what exists under the reference is known to the API.
    """

    def __str__(self) -> str:
        is_of_order = self.status == 409 and self.operation in _ORDERING
        return super().__str__() + (f"; {_TAKEN_ADVICE}" if is_of_order else "")


class PayloadConflictError(ConflictError):
    """Another request was given under a reference that is used: nothing was sent.

    ``key`` is the reference. ``fields`` names what differs, such as ``lines`` or ``delivery_address.city``, never the
    values; it is empty where that is not known, as in journals of older versions.
    """

    def __init__(
        self, message: str, *, key: str = "", fields: Sequence[str] = (), code: str = "PayloadChanged", **answered: Any
    ) -> None:
        super().__init__(message, code=code, **answered)
        self.key = key
        self.fields = tuple(fields)


class UnprocessableError(AnsweredError):
    """422: understood, and refused for its meaning."""


class RateLimitedError(AnsweredError):
    """429, and waiting any longer would pass the deadline."""

    retryable = True


class NotReadyError(AnsweredError):
    """A document was asked for before it exists (404 or 409); ask again later."""

    retryable = True

    @classmethod
    def of(cls, error: AnsweredError) -> Self:
        """The same answer, understood as "not yet"."""
        early = cls(
            f"the document is not there yet: {error.message.removesuffix(f' ({NO_USE})')}",
            status=error.status,
            code=error.code,
            title=error.title,
            field_errors=error.field_errors,
            trace_id=error.trace_id,
            retry_after=error.retry_after,
            body=error.body,
        )
        early.operation, early.seller_id, early.attempts = error.operation, error.seller_id, error.attempts
        early.waited, early.travelled = error.waited, error.travelled
        return early


class ServerError(AnsweredError):
    """5xx: the API or a proxy before it failed."""

    retryable = True


class UnusableAnswerError(AnsweredError):
    """An answer that cannot be used: not JSON, too large, a redirect, no id where one must be."""


class BadRowError(UnusableAnswerError):
    """Rows of a page lack what identifies them. ``rows`` are the others, ``places`` counts the bad ones from 0.

    ``client.with_options(on_bad_row="skip")`` goes on without such rows.
    """

    rows: Sequence[Any] = ()
    places: Sequence[int] = ()


class PagingError(UnusableAnswerError):
    """The next page leads to another origin, or to a page that was already read."""
