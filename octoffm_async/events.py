"""What happens during calls, told to whoever listens: typed events, the :class:`Hook` protocol, the logging hook.

A hook is called synchronously from the event loop, in the task of the call, so it must be quick and must not block. A
hook that raises is logged and does not disturb the call. Events of one call carry its number, since the events of
concurrent calls come mixed; :class:`CallFinished` is the last of them. Calls for tokens have numbers of their own
(operation ``token.create``) and no :class:`CallFinished`.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, Protocol

import msgspec

__all__ = [
    "EVERY_EVENT",
    "AttemptFinished",
    "CallFinished",
    "CircuitChanged",
    "CircuitState",
    "ContractDrift",
    "DriftKind",
    "Event",
    "Hook",
    "LoggingHook",
    "RateChanged",
    "RateReason",
    "RetryScheduled",
    "Throttled",
    "TokenFetched",
]

logger = logging.getLogger("octoffm_async")
logger.addHandler(logging.NullHandler())  # a library is silent until its program wants to hear it

CircuitState = Literal["closed", "open", "probing"]
RateReason = Literal["throttled", "headers", "quota"]
DriftKind = Literal["missing", "unknown", "type", "value"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events."""


class AttemptFinished(Event, frozen=True, kw_only=True, gc=False):
    """A request was sent and answered, or not: ``status`` is 0 when no answer came that could be read.

    ``seconds`` on the wire; ``server`` is host and port. An attempt that was broken off (cancelled, or at the deadline)
    is told as well, when its call ends.
    """

    call: int
    operation: str
    method: str
    seller_id: str
    server: str
    attempt: int
    status: int
    seconds: float
    request_bytes: int = 0
    answer_bytes: int = 0
    error: str = ""


class RetryScheduled(Event, frozen=True, kw_only=True, gc=False):
    """A call will be sent again after ``delay`` seconds."""

    call: int
    operation: str
    seller_id: str
    attempt: int
    delay: float
    reason: str


class Throttled(Event, frozen=True, kw_only=True, gc=False):
    """The API answered 429, or refused an item for its quota: all calls of this seller and group pause for ``pause``
    seconds.

    Told once a pause, by the first call (``call``) that met it: what was under way by then is answered 429 as well, and
    only its :class:`AttemptFinished` says so.
    """

    call: int
    seller_id: str
    group: str
    pause: float
    told: bool
    """Whether the API said how long (``Retry-After``)."""


class RateChanged(Event, frozen=True, kw_only=True, gc=False):
    """The adaptive rate of a key moved to ``rate`` requests per second, of at most ``ceiling``; ``None``: no limit.

    ``quota``: an item was refused for its quota, so a pause begins, after which the rate is found anew.
    """

    seller_id: str
    group: str
    rate: float | None
    ceiling: float | None
    reason: RateReason


class CircuitChanged(Event, frozen=True, kw_only=True, gc=False):
    """The API is held for down (``open``), is tried again (``probing``), or is up (``closed``)."""

    state: CircuitState
    reason: str


class TokenFetched(Event, frozen=True, kw_only=True, gc=False):
    """A new token, good for ``expires_in`` seconds."""

    expires_in: float


class ContractDrift(Event, frozen=True, kw_only=True, gc=False):
    """An answer differs from the contract: told once for each operation, path and kind.

    ``path`` leads to the field in Python names (``lines[].quantity``), or in the API's for one that is not modelled.
    ``kind`` is ``missing`` (the contract expects it), ``unknown`` (the contract does not have it), ``type`` (in another
    form) or ``value`` (an unknown word, a date that stands for none). ``found`` is the JSON type of the first example,
    or the unknown word; never another value.
    """

    operation: str
    path: str
    kind: DriftKind
    found: str


class CallFinished(Event, frozen=True, kw_only=True, gc=False):
    """A call ended, well (``error`` empty) or not. ``waited`` and ``travelled`` are in seconds.

    ``status`` is that of the last answer, 0 if none came. ``outcome_unknown``: it may have been carried out.
    """

    call: int
    operation: str
    method: str
    seller_id: str
    server: str
    attempts: int
    status: int
    waited: float
    travelled: float
    error: str = ""
    outcome_unknown: bool = False


EVERY_EVENT: Final[frozenset[type[Event]]] = frozenset(
    {
        AttemptFinished,
        CallFinished,
        CircuitChanged,
        ContractDrift,
        RateChanged,
        RetryScheduled,
        Throttled,
        TokenFetched,
    }
)


class Hook(Protocol):
    """Anything that can be called with an event.

    A hook may say what it listens for by an attribute ``events``, a ``frozenset`` of event types; it may be a property,
    and is read before each event. An event that nobody listens for is not even built. Without it the hook is told all.
    """

    def __call__(self, event: Event, /) -> None:
        """Take note of ``event``."""
        ...


_UNUSUAL: Final[frozenset[type[Event]]] = frozenset({Throttled, CircuitChanged})
_NOTABLE: Final[frozenset[type[Event]]] = _UNUSUAL | {RetryScheduled, RateChanged}
_NOTHING: Final[frozenset[type[Event]]] = frozenset()


class LoggingHook:
    """Writes events to the standard logger ``octoffm_async``.

    Pauses and the circuit are warnings; changes of rate, and retries for other reasons than a pause, are information;
    the rest is for debugging. (A client warns of drift itself, whatever its hooks are.) A record has the event's fields
    in ``octoffm_event`` and its type's name in ``octoffm_kind``. No event carries a header, a body or a secret, so none
    can reach a log.
    """

    @property
    def events(self) -> frozenset[type[Event]]:
        """What the logger's level lets through now."""
        if logger.isEnabledFor(logging.DEBUG):
            return EVERY_EVENT
        if logger.isEnabledFor(logging.INFO):
            return _NOTABLE
        return _UNUSUAL if logger.isEnabledFor(logging.WARNING) else _NOTHING

    def __call__(self, event: Event, /) -> None:
        level = _level(event)
        if logger.isEnabledFor(level):
            kind, fields = type(event).__name__, msgspec.structs.asdict(event)
            logger.log(level, "%s %s", kind, fields, extra={"octoffm_event": fields, "octoffm_kind": kind})


def _level(event: Event) -> int:
    if type(event) in _UNUSUAL:
        return logging.WARNING
    if (
        isinstance(event, RetryScheduled) and event.reason == "429"
    ):  # a pause is told once, not by each who waits it out
        return logging.DEBUG
    return logging.INFO if type(event) in _NOTABLE else logging.DEBUG
