"""The events of calls, for monitoring: their types, the :class:`Hook` protocol, and a hook that logs them.

A hook is called synchronously from the event loop, in the task of the call, so it must be quick and must not block. A
hook that raises is logged and does not disturb the call. The events of one call contain its number, since those of
concurrent calls are interleaved; :class:`CallFinished` is the last of them. Calls for tokens have numbers of their own
(operation ``token.create``) and no :class:`CallFinished`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, Literal, Protocol

import msgspec

__all__ = [
    "EVERY_EVENT",
    "AttemptFinished",
    "AttemptStarted",
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
    "RunFinished",
    "RunStarted",
    "Throttled",
    "TokenFetched",
    "TraceEvent",
    "TracingHook",
]

logger: logging.Logger = logging.getLogger("octoffm_async")
logger.addHandler(logging.NullHandler())  # a library is silent until its program configures logging

CircuitState = Literal["closed", "open", "probing"]
RateReason = Literal["throttled", "headers", "quota"]
DriftKind = Literal["missing", "unknown", "type", "value"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base class of all events."""


class TraceEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base class of the events that only a :class:`TracingHook` gets."""


class AttemptFinished(Event, frozen=True, kw_only=True, gc=False):
    """An attempt ended, with a response or without: ``status`` is 0 when no readable response was received.

    ``seconds`` is the time on the wire; ``server`` is host and port. For an attempt that was given up (cancelled, or at
    the deadline) the event is emitted when its call ends.
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


class AttemptStarted(TraceEvent, frozen=True, kw_only=True, gc=False):
    """An attempt is about to leave.

    ``attempt`` counts from 1, ``waited`` is the number of seconds that the call has waited so far, ``server`` is host
    and port. An :class:`AttemptFinished` follows, in the same task.
    """

    call: int
    operation: str
    method: str
    seller_id: str
    scheme: str
    server: str
    attempt: int
    waited: float
    request_bytes: int = 0


class RunStarted(TraceEvent, frozen=True, kw_only=True, gc=False):
    """A bulk run starts; the event is emitted in the context of the run's tasks."""

    run: int
    operation: str
    seller_id: str


class RunFinished(TraceEvent, frozen=True, kw_only=True, gc=False):
    """A bulk run ended, with its counts of outcomes."""

    run: int
    operation: str
    seller_id: str
    outcomes: Mapping[str, int]
    """The counts by kind: ``created``, ``refused``, ``failed``, ``unknown``, ``skipped``, and so on."""
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
    """The API answered 429, or refused an item for its quota: all calls of the key pause.

    The key is the seller and group; ``pause`` is in seconds. The event is emitted once a pause, for the first call
    (``call``) that met it: requests in flight by then are answered 429 as well, and have only an
    :class:`AttemptFinished`.
    """

    call: int
    seller_id: str
    group: str
    pause: float
    told: bool
    """True if the API named the time (``Retry-After``)."""


class RateChanged(Event, frozen=True, kw_only=True, gc=False):
    """The adaptive rate of a key changed to ``rate`` requests per second, of at most ``ceiling``; None: no limit.

    Reason ``quota``: an item was refused for its quota, so a pause begins, after which the rate is found again.
    """

    seller_id: str
    group: str
    rate: float | None
    ceiling: float | None
    reason: RateReason


class CircuitChanged(Event, frozen=True, kw_only=True, gc=False):
    """The circuit changed: the API counts as down (``open``), is tried again (``probing``), or is up (``closed``)."""

    state: CircuitState
    reason: str


class TokenFetched(Event, frozen=True, kw_only=True, gc=False):
    """A new token was fetched, valid for ``expires_in`` seconds."""

    expires_in: float


class ContractDrift(Event, frozen=True, kw_only=True, gc=False):
    """A response differs from the contract: emitted once for each operation, path and kind.

    ``path`` leads to the field in Python names (``lines[].quantity``), or in the API's for one that is not modelled.
    ``kind`` is ``missing`` (the contract expects it), ``unknown`` (the contract does not have it), ``type`` (in another
    form) or ``value`` (an unknown word, a date that means none). ``found`` is the JSON type of the first example, or
    the unknown word; never another value.
    """

    operation: str
    path: str
    kind: DriftKind
    found: str


class CallFinished(Event, frozen=True, kw_only=True, gc=False):
    """A call ended, well (``error`` empty) or not. ``waited`` and ``travelled`` (on the wire) are in seconds.

    ``status`` is that of the last response, 0 if none was received. ``outcome_unknown``: the API may have carried it
    out.
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
    """A callable that is called with events.

    A hook may restrict the events that it gets by an attribute ``events``, a ``frozenset`` of event types; it may be a
    property, and is read before each event. An event that no hook wants is not even built. Without the attribute the
    hook gets all events.
    """

    def __call__(self, event: Event, /) -> None:
        """Handle ``event``."""
        ...


class TracingHook(Hook, Protocol):
    """A hook that also gets :class:`AttemptStarted`, :class:`RunStarted` and :class:`RunFinished`, by :meth:`trace`.

    It may have a method ``observe``, which a client calls once with itself, for gauges of its state.
    """

    def trace(self, event: TraceEvent, /) -> Mapping[str, str] | None:
        """Return headers that travel with the attempt that is about to leave, such as ``traceparent``."""
        ...


_UNUSUAL: Final[frozenset[type[Event]]] = frozenset({Throttled, CircuitChanged})
_NOTABLE: Final[frozenset[type[Event]]] = _UNUSUAL | {RetryScheduled, RateChanged}
_NOTHING: Final[frozenset[type[Event]]] = frozenset()


class LoggingHook:
    """A hook that writes events to the standard logger ``octoffm_async``.

    Pauses and the circuit are warnings; changes of rate, and retries for other reasons than a pause, are information;
    the rest is for debugging. (A client warns of drift itself, whatever its hooks are.) A log record has the event's
    fields in ``octoffm_event`` and the name of its type in ``octoffm_kind``. No event contains a header, a body or a
    secret, so none can reach a log.
    """

    @property
    def events(self) -> frozenset[type[Event]]:
        """The events that the logger's present level lets through."""
        if logger.isEnabledFor(logging.INFO):
            return EVERY_EVENT if logger.isEnabledFor(logging.DEBUG) else _NOTABLE
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
    ):  # a pause is logged once, not by each call that waits for its end
        return logging.DEBUG
    return logging.INFO if type(event) in _NOTABLE else logging.DEBUG
