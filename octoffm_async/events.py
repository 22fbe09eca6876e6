"""What happens during calls, told to whoever listens: typed events, the :class:`Hook` protocol, the logging hook.

A hook is called synchronously from the event loop, so it must be quick and must not block. A hook that raises is logged
and does not disturb the call.
"""

from __future__ import annotations

import logging
from typing import ClassVar, Protocol

import msgspec

__all__ = [
    "AttemptFinished",
    "CallFinished",
    "Event",
    "Hook",
    "LoggingHook",
    "RetryScheduled",
    "Throttled",
    "TokenFetched",
]

logger = logging.getLogger("octoffm_async")
logger.addHandler(logging.NullHandler())  # a library is silent until its program wants to hear it


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events."""


class AttemptFinished(Event, frozen=True, kw_only=True, gc=False):
    """A request was sent and answered, or not: ``status`` is 0 when no answer came. ``seconds`` on the wire."""

    operation: str
    seller_id: str
    attempt: int
    status: int
    seconds: float
    error: str = ""


class RetryScheduled(Event, frozen=True, kw_only=True, gc=False):
    """A call will be sent again after ``delay`` seconds."""

    operation: str
    seller_id: str
    attempt: int
    delay: float
    reason: str


class Throttled(Event, frozen=True, kw_only=True, gc=False):
    """The API answered 429: all calls of this seller and group pause for ``pause`` seconds."""

    seller_id: str
    group: str
    pause: float
    told: bool
    """Whether the API said how long (``Retry-After``)."""


class TokenFetched(Event, frozen=True, kw_only=True, gc=False):
    """A new token, good for ``expires_in`` seconds."""

    expires_in: float


class CallFinished(Event, frozen=True, kw_only=True, gc=False):
    """A call ended, well (``error`` empty) or not. ``waited`` and ``travelled`` are in seconds."""

    operation: str
    seller_id: str
    attempts: int
    waited: float
    travelled: float
    error: str = ""


class Hook(Protocol):
    """Anything that can be called with an event."""

    def __call__(self, event: Event, /) -> None:
        """Take note of ``event``."""
        ...


class LoggingHook:
    """Writes events to the standard logger ``octoffm_async``: what is unusual as warnings, the rest for debugging.

    No event carries a header, a body or a secret, so none can reach a log.
    """

    _LEVELS: ClassVar[dict[type[Event], int]] = {Throttled: logging.WARNING, RetryScheduled: logging.INFO}

    def __call__(self, event: Event, /) -> None:
        level = self._LEVELS.get(type(event), logging.DEBUG)
        if logger.isEnabledFor(level):
            fields = msgspec.structs.asdict(event)
            logger.log(level, "%s %s", type(event).__name__, fields, extra={"octoffm_event": fields})
