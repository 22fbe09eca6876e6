"""Spans of calls, of their attempts, and of bulk runs.

The context in which an attempt travels is the current one until the attempt has ended, so that what happens meanwhile
(an instrumented aiohttp, a log record) belongs to it. A task that is started meanwhile, such as the one that reads the
next page, is no part of it: the context of its own calls is the one around the attempt, kept under a key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context

from ..contract.operations import CREATE_TOKEN, OPERATIONS
from .attributes import operation_name, request_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token

    from ..events import AttemptFinished, AttemptStarted, CallFinished, RunFinished, RunStarted
    from .attributes import Attributes

MOST_CALLS = 10_000
"""Running calls whose spans are kept; with one more, the span of the oldest call ends."""
_TEMPLATES: Final[Mapping[str, str]] = {operation.name: operation.path for operation in OPERATIONS}
_AROUND = contexts.create_key("octoffm-around-attempt")
_RUN = contexts.create_key("octoffm-run")


class _Attempt(NamedTuple):
    span: trace.Span
    inside: Context
    token: Token[Context]


class Spans:
    """The spans of running calls, attempts and runs, by their numbers."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._calls: dict[int, trace.Span] = {}
        self._attempts: dict[int, _Attempt] = {}
        self._runs: dict[int, trace.Span] = {}

    def run_started(self, event: RunStarted) -> None:
        """Begin the span of a run, in the context of its tasks."""
        name = operation_name(event.operation)
        attributes: Attributes = {"octopia.operation": name, "octopia.seller_id": event.seller_id}
        kind = trace.SpanKind.INTERNAL
        if name.endswith(".create"):
            kind = trace.SpanKind.PRODUCER
            attributes |= {
                "messaging.system": "octopia",
                "messaging.operation.type": "send",
                "messaging.operation.name": name,
                "messaging.destination.name": _TEMPLATES[name],
            }
        span = self._tracer.start_span(f"octopia bulk {event.operation}", kind=kind, attributes=attributes)
        self._runs[event.run] = span
        contexts.attach(contexts.set_value(_RUN, span.get_span_context(), trace.set_span_in_context(span)))

    def run_finished(self, event: RunFinished) -> None:
        """End the span of a run with its counts."""
        span = self._runs.pop(event.run)
        total = event.outcomes.get("total", 0)
        span.set_attribute("messaging.batch.message_count", total)
        for name, count in event.outcomes.items():
            if count and name != "total":
                span.set_attribute(f"octopia.outcomes.{name}", count)
        _end(span, event.error)

    def attempt_started(self, event: AttemptStarted) -> Mapping[str, str]:
        """Begin the span of an attempt, and that of its call with the first; return the headers that tell of it."""
        current = contexts.get_current()
        around = cast("Context | None", contexts.get_value(_AROUND, current)) or current
        parent = around
        if event.operation != CREATE_TOKEN.name:  # its calls have no end of their own
            call = self._calls.get(event.call) or self._begin_call(event, around)
            parent = trace.set_span_in_context(call, around)
        attributes = request_attributes(event.method, event.server, event.scheme)
        attributes |= {"octopia.operation": operation_name(event.operation), "octopia.seller_id": event.seller_id}
        if event.operation in _TEMPLATES:
            attributes["url.template"] = _TEMPLATES[event.operation]
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        if event.request_bytes:
            attributes["http.request.body.size"] = event.request_bytes
        target = _TEMPLATES.get(event.operation) or (event.operation if parent is around else "")
        name = f"{event.method} {target}".rstrip()
        span = self._tracer.start_span(name, parent, trace.SpanKind.CLIENT, attributes)
        inside = contexts.set_value(_AROUND, around, trace.set_span_in_context(span, around))
        self._attempts[event.call] = _Attempt(span, inside, contexts.attach(inside))
        headers: dict[str, str] = {}
        propagate.inject(headers, inside)
        return headers

    def attempt_finished(self, event: AttemptFinished, error: str) -> None:
        """End the span of an attempt, and leave its context."""
        attempt = self._attempts.pop(event.call, None)
        if attempt is None:
            return
        if contexts.get_current() is attempt.inside:  # not so when a coroutine was thrown away by the collector
            contexts.detach(attempt.token)
        if event.status:
            attempt.span.set_attribute("http.response.status_code", event.status)
            attempt.span.set_attribute("http.response.body.size", event.answer_bytes)
        _end(attempt.span, error)

    def add_event(self, call: int, name: str, attributes: Attributes) -> None:
        """Add an event to the span of a call."""
        if (span := self._calls.get(call)) is not None:
            span.add_event(name, attributes)

    def call_finished(self, event: CallFinished) -> None:
        """End the span of a call; one that was never sent gets its span now."""
        span = self._calls.pop(event.call, None)
        if span is None:
            current = contexts.get_current()
            around = cast("Context | None", contexts.get_value(_AROUND, current)) or current
            span = self._begin(event.operation, event.seller_id, event.waited + event.travelled, around)
        if span.is_recording():
            attributes: Attributes = {
                "octopia.attempts": event.attempts,
                "octopia.waited": event.waited,
                "octopia.travelled": event.travelled,
            }
            if event.status:
                attributes["http.response.status_code"] = event.status
            if event.outcome_unknown:
                attributes["octopia.outcome_unknown"] = True
            span.set_attributes(attributes)
        _end(span, event.error)

    def _begin_call(self, event: AttemptStarted, around: Context) -> trace.Span:
        if len(self._calls) >= MOST_CALLS:
            self._calls.pop(next(iter(self._calls))).end()
        span = self._calls[event.call] = self._begin(event.operation, event.seller_id, event.waited, around)
        return span

    def _begin(self, operation: str, seller_id: str, ago: float, around: Context) -> trace.Span:
        """Begin the span of a call some seconds ago; in a bulk run it is a trace of its own, with a link to the run."""
        run = cast("trace.SpanContext | None", contexts.get_value(_RUN, around))
        name = operation_name(operation)
        return self._tracer.start_span(
            f"octopia {name}",
            around if run is None else Context(),
            trace.SpanKind.INTERNAL,
            {"octopia.operation": name, "octopia.seller_id": seller_id},
            None if run is None else [trace.Link(run)],
            time.time_ns() - round(ago * 1e9),
        )


def _end(span: trace.Span, error: str) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(trace.StatusCode.ERROR, error)
    span.end()
