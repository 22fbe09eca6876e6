"""Types of single settings: a secret and a rate limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import ConfigurationError


def is_whole(value: object) -> bool:
    """Return True for a whole number; ``True`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_above_zero(value: object) -> bool:
    """Return True for a finite number above zero."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


class Secret:
    """A text that is never shown: its ``repr`` and ``str`` are ``***``."""

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret) -> None:
        self._text: str = text.reveal() if isinstance(text, Secret) else text

    def reveal(self) -> str:
        """Return the text itself, for the code that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate limit: at most ``calls`` calls in every window of ``per`` seconds.

    ``burst`` is the number of calls that may be sent at once (at most half of ``calls``); by default as few as timers
    allow, because every call of burst is one less in the steady flow.

    Example: ``Limit(600, per=60.0)`` allows 600 calls a minute.
    """

    calls: int
    per: float = 1.0
    burst: int | None = None

    def __post_init__(self) -> None:
        whole = is_whole(self.calls) and (self.burst is None or is_whole(self.burst))
        if not whole or self.calls < 1 or not is_above_zero(self.per) or (self.burst is not None and self.burst < 1):
            raise ConfigurationError(f"not a limit: {self.calls} calls per {self.per} s, burst {self.burst}")


TOKEN_LIMIT = Limit(500, per=3600.0, burst=250)
"""Token calls an hour: the only limit that Octopia publishes (documented), with a burst for short-lived tokens."""
