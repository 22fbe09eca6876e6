"""What a session tells its listeners: events from journeys, built only when somebody listens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..events import AttemptFinished, CallFinished, RetryScheduled, Throttled, TokenFetched
from .transport import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import NotAnsweredError
    from ..events import Event, Hook
    from .journey import Journey
    from .retry import Again

logger = logging.getLogger("octoffm_async")


class Teller:
    """Tells hooks what happens; a hook that raises is logged and disturbs nothing."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)

    def attempt_finished(self, journey: Journey, outcome: Response | NotAnsweredError, now: float) -> None:
        if not self._hooks:
            return
        status, error = (outcome.status, "") if isinstance(outcome, Response) else (0, type(outcome).__name__)
        self._tell(
            AttemptFinished(
                operation=journey.operation.name,
                seller_id=journey.seller_id,
                attempt=journey.attempts,
                status=status,
                seconds=now - journey.departed,
                error=error,
            )
        )

    def responded(self, listener: Callable[[Response], object], response: Response) -> None:
        """Give an answer to the caller's listener; an answer must not be lost to its mistake."""
        try:
            listener(response)
        except Exception:
            logger.exception("on_response failed")

    def retry_scheduled(self, journey: Journey, decision: Again) -> None:
        self._tell(
            RetryScheduled(
                operation=journey.operation.name,
                seller_id=journey.seller_id,
                attempt=journey.attempts,
                delay=decision.delay,
                reason=decision.reason,
            )
        )

    def throttled(self, journey: Journey, *, pause: float, told: bool) -> None:
        group = journey.operation.group.value
        self._tell(Throttled(seller_id=journey.seller_id, group=group, pause=pause, told=told))

    def token_fetched(self, expires_in: float) -> None:
        self._tell(TokenFetched(expires_in=expires_in))

    def call_finished(self, journey: Journey, error: BaseException | None, now: float) -> None:
        if not self._hooks:
            return
        self._tell(
            CallFinished(
                operation=journey.operation.name,
                seller_id=journey.seller_id,
                attempts=journey.attempts,
                waited=journey.waited(now),
                travelled=journey.travelled,
                error="" if error is None else type(error).__name__,
            )
        )

    def _tell(self, event: Event) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook failed on %s", type(event).__name__)
