"""The hook of OpenTelemetry: it turns events into spans (:mod:`.spans`) and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from opentelemetry import metrics, trace

from ..events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CircuitChanged,
    Event,
    RetryScheduled,
    RunFinished,
    RunStarted,
    Throttled,
    TokenFetched,
    TraceEvent,
)
from ..version import __version__
from .attributes import SCHEMA_URL, error_type, operation_name, request_attributes
from .gauges import ClientGauges
from .spans import Spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .attributes import Attributes
    from .gauges import Observed

_NAME = "octoffm_async"
_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


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
        self._spans = Spans(trace.get_tracer(_NAME, __version__, tracer_provider, SCHEMA_URL))
        meter = metrics.get_meter(_NAME, __version__, meter_provider, SCHEMA_URL)
        self._gauges = ClientGauges(meter)
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

        A client with this hook calls it once. Call it again for ``attributes`` that distinguish clients for the same
        sellers.
        """
        self._gauges.add(client, attributes or {})

    def __call__(self, event: Event, /) -> None:
        match event:
            case AttemptFinished():
                self._attempt_finished(event)
            case CallFinished():
                self._call_finished(event)
            case RetryScheduled():
                self._retries.add(
                    1, {"octopia.operation": operation_name(event.operation), "octopia.reason": event.reason}
                )
                self._spans.add_event(event.call, "retry", {"delay": event.delay, "reason": event.reason})
            case Throttled():
                self._pauses.add(1, {"octopia.seller_id": event.seller_id, "octopia.group": event.group})
                details: Attributes = {"pause": event.pause, "told": event.told, "octopia.group": event.group}
                self._spans.add_event(event.call, "pause", details)
            case TokenFetched():
                self._tokens.add(1)
            case CircuitChanged():
                self._circuit.add(1, {"octopia.circuit.state": event.state})
            case _:
                pass

    def trace(self, event: TraceEvent, /) -> Mapping[str, str] | None:
        """Begin the span of an attempt or a run, or end that of a run; return the headers that travel."""
        match event:
            case AttemptStarted():
                return self._spans.attempt_started(event)
            case RunStarted():
                self._spans.run_started(event)
            case RunFinished():
                self._spans.run_finished(event)
            case _:
                pass
        return None

    def _attempt_finished(self, event: AttemptFinished) -> None:
        operation, error = operation_name(event.operation), error_type(event.status, event.error)
        measured = request_attributes(event.method, event.server) | {"octopia.operation": operation}
        if event.status:
            measured["http.response.status_code"] = event.status
        if error:
            measured["error.type"] = error
        self._duration.record(event.seconds, measured)
        if event.status == 429:
            self._throttled.add(1, {"octopia.operation": operation, "octopia.seller_id": event.seller_id})
        self._spans.attempt_finished(event, error)

    def _call_finished(self, event: CallFinished) -> None:
        counted: Attributes = {"octopia.operation": operation_name(event.operation)}
        if event.error:
            counted["error.type"] = event.error
        self._calls.add(1, counted)
        self._spans.call_finished(event)
