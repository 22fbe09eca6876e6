"""Spans of attempts and of bulk runs.

The context in which an attempt travels is the current one until the attempt has ended, so that what happens meanwhile
(an instrumented aiohttp, a log record) belongs to it. A task that is started meanwhile, such as the one that reads the
next page, is no part of it: the context of its own calls is the one around the attempt, kept under a key.

A span ends with its attempt, and is closed a little later, with that time: by the next attempt or the end of the call,
which tell how it went on.
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
"""Calls between two attempts whose last span is kept open; with one more, that of the oldest is closed."""
_TEMPLATES: Final[Mapping[str, str]] = {operation.name: operation.path for operation in OPERATIONS}
_AROUND = contexts.create_key("octoffm-around-attempt")
_RUN = contexts.create_key("octoffm-run")


class _Attempt(NamedTuple):
    span: trace.Span
    inside: Context
    token: Token[Context]


class _Ended(NamedTuple):
    span: trace.Span
    at: int


class Spans:
    """The open spans of attempts and runs, by the numbers of their calls and runs."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._attempts: dict[int, _Attempt] = {}
        self._ended: dict[int, _Ended] = {}
        self._runs: dict[int, trace.Span] = {}

    def run_started(self, event: RunStarted) -> None:
        """Begin the span of a run, in the context of its tasks."""
        name = operation_name(event.operation)
        attributes = _about(event.operation, event.seller_id)
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
        if event.error:
            _mark_failed(span, event.error)
        span.end()

    def attempt_started(self, event: AttemptStarted) -> Mapping[str, str]:
        """Begin the span of an attempt; return the headers that tell of it."""
        self._close(event.call)
        target = _TEMPLATES.get(event.operation)
        attributes: Attributes = {
            **request_attributes(event.method, event.server, event.scheme, target or ""),
            **_about(event.operation, event.seller_id),
        }
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        if event.request_bytes:
            attributes["http.request.body.size"] = event.request_bytes
        around = _around()
        if target is None and event.operation == CREATE_TOKEN.name:
            target = event.operation
        span = self._start(
            f"{event.method} {target}" if target else event.method, trace.SpanKind.CLIENT, attributes, around
        )
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
        span, now = attempt.span, time.time_ns()
        if contexts.get_current() is attempt.inside:  # not so when a coroutine was thrown away by the collector
            contexts.detach(attempt.token)
        if event.operation != CREATE_TOKEN.name:  # a token's call has no end of its own
            if len(self._ended) >= MOST_CALLS:
                self._close(next(iter(self._ended)))
            self._ended[event.call] = _Ended(span, now)
        if event.status:
            span.set_attributes(
                {"http.response.status_code": event.status, "http.response.body.size": event.answer_bytes}
            )
        if error:
            _mark_failed(span, error)
        if event.operation == CREATE_TOKEN.name:
            span.end(now)

    def add_event(self, call: int, name: str, attributes: Attributes) -> None:
        """Add what followed an attempt, a retry or a pause, to its span."""
        if (ended := self._ended.get(call)) is not None:
            ended.span.add_event(name, attributes, ended.at)

    def call_finished(self, event: CallFinished) -> None:
        """Add the end of a call to the span of its last attempt; one that was never sent gets a span of its own."""
        ended = self._ended.get(event.call)
        if ended is None:
            now = time.time_ns()
            span = self._start(
                f"octopia {operation_name(event.operation)}",
                trace.SpanKind.INTERNAL,
                _about(event.operation, event.seller_id),
                _around(),
                start=now - round((event.waited + event.travelled) * 1e9),
            )
            ended = _Ended(span, now)
            if event.error:
                _mark_failed(span, event.error)
        self._ended[event.call] = ended
        ended.span.set_attribute("octopia.waited", event.waited)
        if event.error:
            ended.span.set_attribute("octopia.error", event.error)
        if event.outcome_unknown:
            ended.span.set_attribute("octopia.outcome_unknown", True)  # noqa: FBT003
        self._close(event.call)

    def _close(self, call: int) -> None:
        if (ended := self._ended.pop(call, None)) is not None:
            ended.span.end(ended.at)

    def _start(
        self, name: str, kind: trace.SpanKind, attributes: Attributes, around: Context, start: int | None = None
    ) -> trace.Span:
        """Start a span; in a bulk run it begins a trace of its own, with a link to the run."""
        run = cast("trace.SpanContext | None", contexts.get_value(_RUN, around))
        if run is None:
            return self._tracer.start_span(name, around, kind, attributes, None, start)
        return self._tracer.start_span(name, Context(), kind, attributes, [trace.Link(run)], start)


def _around() -> Context:
    """Return the current context, without that of an attempt of ours from which the current task comes."""
    current = contexts.get_current()
    return cast("Context | None", contexts.get_value(_AROUND, current)) or current


def _about(operation: str, seller_id: str) -> Attributes:
    return {"octopia.operation": operation_name(operation), "octopia.seller_id": seller_id}


def _mark_failed(span: trace.Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(trace.StatusCode.ERROR, error)
