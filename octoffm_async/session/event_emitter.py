"""The emitter of events: it builds events from calls, if a hook listens for them, and calls the hooks."""

from __future__ import annotations

import inspect
import logging
from logging import DEBUG
from typing import TYPE_CHECKING, cast

from ..errors import ConfigurationError, UnusableAnswerError, is_outcome_unknown
from ..events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CircuitChanged,
    ContractDrift,
    LoggingHook,
    RateChanged,
    RetryScheduled,
    Throttled,
    TokenFetched,
)
from ..header_rules import checked_headers
from ..transport.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..errors import NotAnsweredError
    from ..events import CircuitState, Event, Hook, RateReason, TraceEvent, TracingHook
    from .call import CallState
    from .retry.policy import Retry

logger: logging.Logger = logging.getLogger("octoffm_async")


class EventEmitter:
    """The emitter of one client; a hook that raises is logged and has no other effect."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        for hook in hooks:
            if not _is_plain_function(hook):
                raise ConfigurationError(f"a hook must be a plain function of an event, not {hook!r}")
        self._hooks = tuple(hooks)
        self.tracers: tuple[TracingHook, ...] = tuple(
            cast("TracingHook", hook) for hook in hooks if callable(getattr(hook, "trace", None))
        )
        self._is_heard = any(type(hook) is not LoggingHook for hook in hooks)
        self._is_logged = bool(hooks)

    def hears_calls(self) -> bool:
        """Return True if a hook may want the events of each call. A logger does at one level only."""
        return self._is_heard or (self._is_logged and logger.isEnabledFor(DEBUG))

    def attempt_started(self, call: CallState, now: float) -> Mapping[str, str]:
        """Tell tracing hooks that an attempt leaves; return the headers that they add."""
        return self.trace(
            AttemptStarted(
                call=call.number,
                operation=call.operation.name,
                method=call.operation.method,
                seller_id=call.seller_id,
                scheme=call.url.partition(":")[0],
                server=call.server,
                attempt=call.attempts,
                waited=call.waited(now),
                request_bytes=len(call.body or b""),
            )
        )

    def trace(self, event: TraceEvent) -> Mapping[str, str]:
        """Pass an event to the tracing hooks; return the headers that they add."""
        headers: dict[str, str] = {}
        for hook in self.tracers:
            try:
                headers |= checked_headers("a hook's headers", hook.trace(event) or {})
            except Exception:
                logger.exception("a hook failed on %s", type(event).__name__)
        return headers

    def attempt_finished(self, call: CallState, outcome: Response | NotAnsweredError, now: float) -> None:
        """Emit the end of an attempt, with or without a response."""
        if not (hooks := self._listening(AttemptFinished)):
            return
        if isinstance(outcome, Response):
            event = _attempt(call, now, status=outcome.status, answer_bytes=len(outcome.body))
        else:
            event = _attempt(call, now, error=type(outcome).__name__)
        _emit(hooks, event)

    def attempt_broken_off(self, call: CallState, error: BaseException | None, now: float) -> None:
        """Emit the end of an attempt that was given up: cancelled, too late, or with an unreadable response."""
        if hooks := self._listening(AttemptFinished):
            status = error.status if isinstance(error, UnusableAnswerError) else 0
            _emit(hooks, _attempt(call, now, status=status, error=type(error).__name__))

    def responded(self, listener: Callable[[Response], object], response: Response) -> None:
        """Pass a response to the caller's listener; an error of the listener must not lose the response."""
        try:
            listener(response)
        except Exception:
            logger.exception("on_response failed")

    def retry_scheduled(self, call: CallState, decision: Retry) -> None:
        """Emit that a call will be sent again."""
        if hooks := self._listening(RetryScheduled):
            event = RetryScheduled(
                call=call.number,
                operation=call.operation.name,
                seller_id=call.seller_id,
                attempt=call.attempts,
                delay=decision.delay,
                reason=decision.reason,
            )
            _emit(hooks, event)

    def throttled(self, call: CallState, *, pause: float, by_server: bool) -> None:
        """Emit that a 429 was received and a new pause begins."""
        if hooks := self._listening(Throttled):
            group = call.operation.group.value
            event = Throttled(call=call.number, seller_id=call.seller_id, group=group, pause=pause, told=by_server)
            _emit(hooks, event)

    def rate_changed(self, call: CallState, reason: RateReason, now: float) -> None:
        """Emit that the adaptive rate of the call's key changed."""
        if hooks := self._listening(RateChanged):
            control = call.limiter.control
            event = RateChanged(
                seller_id=call.seller_id,
                group=call.operation.group.value,
                rate=control.rate(now),
                ceiling=control.ceiling,
                reason=reason,
            )
            _emit(hooks, event)

    def circuit_changed(self, state: CircuitState, reason: str) -> None:
        """Emit a change of the circuit."""
        if hooks := self._listening(CircuitChanged):
            _emit(hooks, CircuitChanged(state=state, reason=reason))

    def drifted(self, event: ContractDrift) -> None:
        """Emit that a response differs from the contract."""
        if hooks := self._listening(ContractDrift):
            _emit(hooks, event)

    def token_fetched(self, expires_in: float) -> None:
        """Emit that a new token was fetched."""
        if hooks := self._listening(TokenFetched):
            _emit(hooks, TokenFetched(expires_in=expires_in))

    def call_finished(self, call: CallState, error: BaseException | None, now: float) -> None:
        """Emit the end of a call."""
        if not (hooks := self._listening(CallFinished)):
            return
        event = CallFinished(
            call=call.number,
            operation=call.operation.name,
            method=call.operation.method,
            seller_id=call.seller_id,
            server=call.server,
            attempts=call.attempts,
            status=call.status,
            waited=call.waited(now),
            travelled=call.seconds_on_wire,
            error="" if error is None else type(error).__name__,
            outcome_unknown=error is not None and is_outcome_unknown(error),
        )
        _emit(hooks, event)

    def _listening(self, kind: type[Event]) -> list[Hook]:
        listening: list[Hook] = []
        for hook in self._hooks:
            try:
                hook_events = getattr(hook, "events", None)
            except Exception:
                logger.exception("a hook failed when asked for its events")
                continue
            # An ``events`` of another type has a meaning of the hook's own, such as a list in which it collects.
            if not isinstance(hook_events, frozenset) or kind in hook_events:
                listening.append(hook)
        return listening


def _is_plain_function(hook: object) -> bool:
    bodies = (hook, getattr(hook, "__call__", None))  # noqa: B004  (an object with an async method is refused too)
    return callable(hook) and not any(inspect.iscoroutinefunction(body) for body in bodies)


def _attempt(call: CallState, now: float, *, status: int = 0, answer_bytes: int = 0, error: str = "") -> Event:
    return AttemptFinished(
        call=call.number,
        operation=call.operation.name,
        method=call.operation.method,
        seller_id=call.seller_id,
        server=call.server,
        attempt=call.attempts,
        status=status,
        seconds=now - call.attempt_started_at,
        request_bytes=len(call.body or b""),
        answer_bytes=answer_bytes,
        error=error,
    )


def _emit(hooks: list[Hook], event: Event) -> None:
    for hook in hooks:
        try:
            hook(event)
        except Exception:
            logger.exception("a hook failed on %s", type(event).__name__)
