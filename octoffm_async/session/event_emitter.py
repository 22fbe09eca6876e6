"""The emitter of events: it builds events from calls, if a hook listens for them, and calls the hooks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import UnusableAnswerError, is_outcome_unknown
from ..events import (
    AttemptFinished,
    CallFinished,
    CircuitChanged,
    ContractDrift,
    RateChanged,
    RetryScheduled,
    Throttled,
    TokenFetched,
)
from ..transport.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import NotAnsweredError
    from ..events import CircuitState, Event, Hook, RateReason
    from .call import CallState
    from .retry.policy import Retry

logger: logging.Logger = logging.getLogger("octoffm_async")


class EventEmitter:
    """The emitter of one client; a hook that raises is logged and has no other effect."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)
        self.listened_to: bool = bool(hooks)
        """True if there is any hook."""

    def attempt_finished(self, journey: CallState, outcome: Response | NotAnsweredError, now: float) -> None:
        """Emit the end of an attempt, with or without a response."""
        if not (hooks := self._listening(AttemptFinished)):
            return
        if isinstance(outcome, Response):
            event = _attempt(journey, now, status=outcome.status, answer_bytes=len(outcome.body))
        else:
            event = _attempt(journey, now, error=type(outcome).__name__)
        _tell(hooks, event)

    def attempt_broken_off(self, journey: CallState, error: BaseException | None, now: float) -> None:
        """Emit the end of an attempt that was given up: cancelled, too late, or with an unreadable response."""
        if hooks := self._listening(AttemptFinished):
            status = error.status if isinstance(error, UnusableAnswerError) else 0
            _tell(hooks, _attempt(journey, now, status=status, error=type(error).__name__))

    def responded(self, listener: Callable[[Response], object], response: Response) -> None:
        """Pass a response to the caller's listener; an error of the listener must not lose the response."""
        try:
            listener(response)
        except Exception:
            logger.exception("on_response failed")

    def retry_scheduled(self, journey: CallState, decision: Retry) -> None:
        """Emit that a call will be sent again."""
        if hooks := self._listening(RetryScheduled):
            event = RetryScheduled(
                call=journey.call,
                operation=journey.operation.name,
                seller_id=journey.seller_id,
                attempt=journey.attempts,
                delay=decision.delay,
                reason=decision.reason,
            )
            _tell(hooks, event)

    def throttled(self, journey: CallState, *, pause: float, told: bool) -> None:
        """Emit that a 429 was received and a new pause begins."""
        if hooks := self._listening(Throttled):
            group = journey.operation.group.value
            event = Throttled(call=journey.call, seller_id=journey.seller_id, group=group, pause=pause, told=told)
            _tell(hooks, event)

    def rate_changed(self, journey: CallState, reason: RateReason, now: float) -> None:
        """Emit that the adaptive rate of the call's key changed."""
        if hooks := self._listening(RateChanged):
            control = journey.limiter.control
            event = RateChanged(
                seller_id=journey.seller_id,
                group=journey.operation.group.value,
                rate=control.rate(now),
                ceiling=control.ceiling,
                reason=reason,
            )
            _tell(hooks, event)

    def circuit_changed(self, state: CircuitState, reason: str) -> None:
        """Emit a change of the circuit."""
        if hooks := self._listening(CircuitChanged):
            _tell(hooks, CircuitChanged(state=state, reason=reason))

    def drifted(self, event: ContractDrift) -> None:
        """Emit that a response differs from the contract."""
        if hooks := self._listening(ContractDrift):
            _tell(hooks, event)

    def token_fetched(self, expires_in: float) -> None:
        """Emit that a new token was fetched."""
        if hooks := self._listening(TokenFetched):
            _tell(hooks, TokenFetched(expires_in=expires_in))

    def call_finished(self, journey: CallState, error: BaseException | None, now: float) -> None:
        """Emit the end of a call."""
        if not (hooks := self._listening(CallFinished)):
            return
        event = CallFinished(
            call=journey.call,
            operation=journey.operation.name,
            method=journey.operation.method,
            seller_id=journey.seller_id,
            server=journey.server,
            attempts=journey.attempts,
            status=journey.status,
            waited=journey.waited(now),
            travelled=journey.seconds_on_wire,
            error="" if error is None else type(error).__name__,
            outcome_unknown=error is not None and is_outcome_unknown(error),
        )
        _tell(hooks, event)

    def _listening(self, kind: type[Event]) -> list[Hook]:
        listening: list[Hook] = []
        for hook in self._hooks:
            try:
                wanted = getattr(hook, "events", None)
            except Exception:
                logger.exception("a hook failed when asked for its events")
                continue
            # An ``events`` of another type has a meaning of the hook's own, such as a list in which it collects.
            if not isinstance(wanted, frozenset) or kind in wanted:
                listening.append(hook)
        return listening


def _attempt(journey: CallState, now: float, *, status: int = 0, answer_bytes: int = 0, error: str = "") -> Event:
    return AttemptFinished(
        call=journey.call,
        operation=journey.operation.name,
        method=journey.operation.method,
        seller_id=journey.seller_id,
        server=journey.server,
        attempt=journey.attempts,
        status=status,
        seconds=now - journey.attempt_started_at,
        request_bytes=len(journey.body or b""),
        answer_bytes=answer_bytes,
        error=error,
    )


def _tell(hooks: list[Hook], event: Event) -> None:
    for hook in hooks:
        try:
            hook(event)
        except Exception:
            logger.exception("a hook failed on %s", type(event).__name__)
