"""Spans and metrics for OpenTelemetry (extra ``otel``)::

    telemetry = OpenTelemetryHook()
    client = FulfillmentClient(config, hooks=[LoggingHook(), telemetry])
    telemetry.observe(client)

**Spans.** One per call, named ``octopia outbound.create`` and the like, kind CLIENT, a child of the span that is
current where the call is awaited. Attempts, retries and pauses are its events. A span is created when its call ends,
with the times at which the call began and ended. Each attempt to fetch a token is a span of its own, beside the call
that needed the token first. Attributes are those of the conventions for HTTP clients, and ``octopia.*``.

**Metrics.** From events: ``http.client.request.duration`` (of attempts), ``octopia.client.calls``, ``.retries``,
``.throttled`` (429s), ``.pauses``, ``.tokens`` and ``.circuit.changes``. From clients that are observed:
``octopia.key.*`` by seller and group, ``octopia.client.token.age``, ``.token.left``, ``.retry_budget.left`` and
``.circuit`` (1 for its present state).

Neither contains headers, bodies, queries or ids of requested objects. Calls through ``client.request`` have the name
``request``, since the number of paths is not bounded. One hook may serve several clients.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, get_args

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "octoffm_async.telemetry needs opentelemetry-api: pip install 'octoffm-async[otel]'", name=missing.name
    ) from missing

from .contract.operations import CREATE_TOKEN, OPERATIONS
from .events import (
    AttemptFinished,
    CallFinished,
    CircuitChanged,
    CircuitState,
    Event,
    RetryScheduled,
    Throttled,
    TokenFetched,
)
from .version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .ratelimit.stats import KeyStats, Stats

    Attributes = dict[str, str | int | float | bool]
    Callback = Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]

__all__ = ["Observed", "OpenTelemetryHook"]

MOST_CALLS = 10_000
"""Running calls whose span events are kept; with one more, the oldest call loses its own."""
MOST_NOTES = 64
"""Span events that are kept of one call: the last ones."""

_NAME = "octoffm_async"
_NAMES: Final = frozenset(operation.name for operation in (CREATE_TOKEN, *OPERATIONS))
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_KEY_GAUGES: tuple[tuple[str, str, str, Callable[[KeyStats], float | None]], ...] = (
    ("rate", "{request}/s", "Requests per second that are allowed now", lambda key: key.rate),
    ("ceiling", "{request}/s", "Requests per second that are configured", lambda key: key.ceiling),
    ("waiting", "{call}", "Calls that wait to be sent", lambda key: key.waiting),
    ("in_flight", "{request}", "Requests that are on the wire", lambda key: key.in_flight),
    ("in_flight_limit", "{request}", "Requests that may be on the wire", lambda key: key.in_flight_limit),
    ("paused_for", "s", "Seconds until a pause ends", lambda key: key.paused_for),
    ("shared", "1", "Whether a limit store keeps the limit now: 0 while it is unavailable", lambda key: key.shared),
)
_KEY_COUNTERS: tuple[tuple[str, str, str, Callable[[KeyStats], float | None]], ...] = (
    ("accepted", "{request}", "Answers other than 429", lambda key: key.accepted),
    ("throttled", "{request}", "429s", lambda key: key.throttled),
    ("void", "{slot}", "Slots of a shared limit that were leased and not used in time", lambda key: key.void),
)
_CLIENT_GAUGES: tuple[tuple[str, str, str, Callable[[Stats], float | None]], ...] = (
    ("token.age", "s", "Seconds since the token was fetched", lambda stats: stats.token_age),
    ("token.left", "s", "Seconds that the token is good for", lambda stats: stats.token_left),
    ("retry_budget.left", "{unit}", "Units that are left for retries to spend", lambda stats: stats.retry_budget_left),
)


class Observed(Protocol):
    """An object that can be observed: a client."""

    def stats(self) -> Stats:
        """Return the present state."""
        ...


class _Note(NamedTuple):
    at: int
    name: str
    attributes: Attributes


class OpenTelemetryHook:
    """A hook that emits spans and metrics; see the module. Without providers it uses the global ones."""

    events: ClassVar[frozenset[type[Event]]] = frozenset(
        {AttemptFinished, CallFinished, CircuitChanged, RetryScheduled, Throttled, TokenFetched}
    )

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._notes: dict[int, deque[_Note]] = {}
        self._watch = _Watch(meter)
        self._duration = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._calls = meter.create_counter("octopia.client.calls", "{call}", "Calls that ended")
        self._retries = meter.create_counter("octopia.client.retries", "{retry}", "Attempts after the first")
        self._throttled = meter.create_counter("octopia.client.throttled", "{request}", "Requests answered by 429")
        self._pauses = meter.create_counter("octopia.client.pauses", "{pause}", "Pauses that a 429 began")
        self._tokens = meter.create_counter("octopia.client.tokens", "{token}", "Tokens that were fetched")
        self._circuit = meter.create_counter("octopia.client.circuit.changes", "{change}", "Changes of the circuit")

    def observe(self, client: Observed, attributes: Mapping[str, str] | None = None) -> None:
        """Let the gauges show the state of ``client`` whenever metrics are collected, as long as it exists.

        ``attributes`` distinguish clients for the same sellers.
        """
        self._watch.add(client, attributes or {})

    def __call__(self, event: Event, /) -> None:
        match event:
            case AttemptFinished():
                self._attempt_finished(event)
            case CallFinished():
                self._call_finished(event)
            case RetryScheduled():
                self._retries.add(1, {"octopia.operation": _named(event.operation), "octopia.reason": event.reason})
                self._note(event.call, event.operation, "retry", {"delay": event.delay, "reason": event.reason})
            case Throttled():
                self._pauses.add(1, {"octopia.seller_id": event.seller_id, "octopia.group": event.group})
                details: Attributes = {"pause": event.pause, "told": event.told, "octopia.group": event.group}
                self._note(event.call, event.group, "pause", details)
            case TokenFetched():
                self._tokens.add(1)
            case CircuitChanged():
                self._circuit.add(1, {"octopia.circuit.state": event.state})
            case _:
                pass

    def _attempt_finished(self, event: AttemptFinished) -> None:
        wire = _wire(event)
        operation = _named(event.operation)
        self._duration.record(event.seconds, {**wire, "octopia.operation": operation})
        if event.status == 429:
            self._throttled.add(1, {"octopia.operation": operation, "octopia.seller_id": event.seller_id})
        if event.operation == CREATE_TOKEN.name:
            resent: Attributes = {"http.request.resend_count": event.attempt - 1} if event.attempt > 1 else {}
            self._span(operation, event.seconds, {**wire, **resent, "octopia.operation": operation}, event.error)
            return
        about: Attributes = {
            "octopia.attempt": event.attempt,
            "octopia.seconds": event.seconds,
            "http.request.body.size": event.request_bytes,
            "http.response.body.size": event.answer_bytes,
        }
        about.update((name, wire[name]) for name in ("http.response.status_code", "error.type") if name in wire)
        self._note(event.call, event.operation, "attempt", about)

    def _call_finished(self, event: CallFinished) -> None:
        operation = _named(event.operation)
        counted: Attributes = {"octopia.operation": operation}
        attributes: Attributes = {
            "http.request.method": event.method,
            **_server(event.server),
            "octopia.operation": operation,
            "octopia.seller_id": event.seller_id,
            "octopia.waited": event.waited,
            "octopia.travelled": event.travelled,
        }
        if event.status:
            attributes["http.response.status_code"] = event.status
        if event.attempts > 1:
            attributes["http.request.resend_count"] = event.attempts - 1
        if event.outcome_unknown:
            attributes["octopia.outcome_unknown"] = True
        if event.error:
            attributes["error.type"] = counted["error.type"] = event.error
        self._calls.add(1, counted)
        notes = self._notes.pop(event.call, ())
        self._span(operation, event.waited + event.travelled, attributes, event.error, notes)

    def _span(
        self, operation: str, seconds: float, attributes: Attributes, error: str, notes: Iterable[_Note] = ()
    ) -> None:
        """Create a span that ends now. Notes have times of the monotonic clock, which cannot be set in the meantime."""
        end, now = time.time_ns(), time.monotonic_ns()
        span = self._tracer.start_span(
            f"octopia {operation}",
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
            start_time=end - round(seconds * 1e9),
        )
        for note in notes:
            span.add_event(note.name, note.attributes, end - now + note.at)
        if failed := error or attributes.get("error.type"):
            span.set_status(trace.StatusCode.ERROR, str(failed))
        span.end(end)

    def _note(self, call: int, operation: str, name: str, attributes: Attributes) -> None:
        if operation in (CREATE_TOKEN.name, CREATE_TOKEN.group.value):  # there is no event at the end of a token call
            return
        notes = self._notes.get(call)
        if notes is None:
            if len(self._notes) >= MOST_CALLS:
                del self._notes[next(iter(self._notes))]
            notes = self._notes[call] = deque(maxlen=MOST_NOTES)
        notes.append(_Note(time.monotonic_ns(), name, attributes))


class _Watch:
    """The observable instruments. A thread collects metrics, so only data that grows is read here."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._clients: list[tuple[weakref.ref[Observed], Mapping[str, str]]] = []
        for name, unit, description, field in _KEY_GAUGES:
            meter.create_observable_gauge(f"octopia.key.{name}", [self._by_key(field)], unit, description)
        for name, unit, description, field in _KEY_COUNTERS:
            meter.create_observable_counter(f"octopia.key.{name}", [self._by_key(field)], unit, description)
        for name, unit, description, value in _CLIENT_GAUGES:
            meter.create_observable_gauge(f"octopia.client.{name}", [self._by_client(value)], unit, description)
        meter.create_observable_gauge(
            "octopia.client.circuit", [self._circuit], "1", "1 for the state that the circuit is in"
        )

    def add(self, client: Observed, attributes: Mapping[str, str]) -> None:
        alive = [entry for entry in self._clients if entry[0]() not in (None, client)]
        self._clients = [*alive, (weakref.ref(client), dict(attributes))]

    def _stats(self) -> Iterator[tuple[Stats, Mapping[str, str]]]:
        for reference, attributes in self._clients:
            if (client := reference()) is not None:
                yield client.stats(), attributes

    def _by_key(self, field: Callable[[KeyStats], float | None]) -> Callback:
        def observe(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for stats, attributes in self._stats():
                for key in stats.keys:
                    if (value := field(key)) is not None:
                        named = {**attributes, "octopia.seller_id": key.seller_id, "octopia.group": key.group}
                        yield metrics.Observation(value, named)

        return observe

    def _by_client(self, field: Callable[[Stats], float | None]) -> Callback:
        def observe(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for stats, attributes in self._stats():
                if (value := field(stats)) is not None:
                    yield metrics.Observation(value, dict(attributes))

        return observe

    def _circuit(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for stats, attributes in self._stats():
            for state in get_args(CircuitState):
                yield metrics.Observation(int(state == stats.circuit), {**attributes, "octopia.circuit.state": state})


def _named(operation: str) -> str:
    return operation if operation in _NAMES else "request"


@lru_cache(maxsize=64)
def _server(server: str) -> Attributes:
    host, _, port = server.rpartition(":")
    return {"server.address": host.strip("[]"), "server.port": int(port)}


def _wire(event: AttemptFinished) -> Attributes:
    """Return the conventional attributes of one request; ``error.type`` is the status if there was a response."""
    attributes: Attributes = {"http.request.method": event.method, **_server(event.server)}
    if event.status:
        attributes["http.response.status_code"] = event.status
    if event.status >= 400:
        attributes["error.type"] = str(event.status)
    elif event.error:
        attributes["error.type"] = event.error
    return attributes
