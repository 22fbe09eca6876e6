"""What a session tells its listeners: events from journeys, built only when somebody listens for them."""

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
from .response import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import NotAnsweredError
    from ..events import CircuitState, Event, Hook, RateReason
    from .journey import Journey
    from .retry import Again

logger = logging.getLogger("octoffm_async")


class Teller:
    """Tells hooks what happens; a hook that raises is logged and disturbs nothing."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)
        self.listened_to = bool(hooks)
        """Whether there is anybody to tell."""

    def attempt_finished(self, journey: Journey, outcome: Response | NotAnsweredError, now: float) -> None:
        """An attempt was answered, or will not be."""
        if not (hooks := self._listening(AttemptFinished)):
            return
        if isinstance(outcome, Response):
            event = _attempt(journey, now, status=outcome.status, answer_bytes=len(outcome.body))
        else:
            event = _attempt(journey, now, error=type(outcome).__name__)
        _tell(hooks, event)

    def attempt_broken_off(self, journey: Journey, error: BaseException | None, now: float) -> None:
        """The attempt under way was given up: cancelled, too late, or its answer could not be read."""
        if hooks := self._listening(AttemptFinished):
            status = error.status if isinstance(error, UnusableAnswerError) else 0
            _tell(hooks, _attempt(journey, now, status=status, error=type(error).__name__))

    def responded(self, listener: Callable[[Response], object], response: Response) -> None:
        """Give an answer to the caller's listener; an answer must not be lost to its mistake."""
        try:
            listener(response)
        except Exception:
            logger.exception("on_response failed")

    def retry_scheduled(self, journey: Journey, decision: Again) -> None:
        """A call will be sent again."""
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

    def throttled(self, journey: Journey, *, pause: float, told: bool) -> None:
        """A 429 came, and a new pause begins."""
        if hooks := self._listening(Throttled):
            group = journey.operation.group.value
            event = Throttled(call=journey.call, seller_id=journey.seller_id, group=group, pause=pause, told=told)
            _tell(hooks, event)

    def rate_changed(self, journey: Journey, reason: RateReason, now: float) -> None:
        """The adaptive rate of a journey's key moved."""
        if hooks := self._listening(RateChanged):
            control = journey.gate.control
            event = RateChanged(
                seller_id=journey.seller_id,
                group=journey.operation.group.value,
                rate=control.rate(now),
                ceiling=control.ceiling,
                reason=reason,
            )
            _tell(hooks, event)

    def circuit_changed(self, state: CircuitState, reason: str) -> None:
        """The API is held for down, is tried, or is up again."""
        if hooks := self._listening(CircuitChanged):
            _tell(hooks, CircuitChanged(state=state, reason=reason))

    def drifted(self, event: ContractDrift) -> None:
        """An answer differs from the contract."""
        if hooks := self._listening(ContractDrift):
            _tell(hooks, event)

    def token_fetched(self, expires_in: float) -> None:
        """There is a new token."""
        if hooks := self._listening(TokenFetched):
            _tell(hooks, TokenFetched(expires_in=expires_in))

    def call_finished(self, journey: Journey, error: BaseException | None, now: float) -> None:
        """A call ended, well or not."""
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
            travelled=journey.travelled,
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
                logger.exception("a hook failed to say what it listens for")
                continue
            # An ``events`` of another type is the hook's own affair: a list that it collects in, for instance.
            if not isinstance(wanted, frozenset) or kind in wanted:
                listening.append(hook)
        return listening


def _attempt(journey: Journey, now: float, *, status: int = 0, answer_bytes: int = 0, error: str = "") -> Event:
    return AttemptFinished(
        call=journey.call,
        operation=journey.operation.name,
        method=journey.operation.method,
        seller_id=journey.seller_id,
        server=journey.server,
        attempt=journey.attempts,
        status=status,
        seconds=now - journey.departed,
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
