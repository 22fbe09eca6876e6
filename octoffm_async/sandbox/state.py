"""The parts of a running sandbox that the server, the control routes and the control methods share."""

from dataclasses import dataclass
from typing import get_args

from .faults import Faults
from .http.rate_limit import RequestLimits, RetryAfter
from .http.request_log import Requests
from .http.tokens import Tokens
from .world.state_file import StateStore
from .world.world import World


@dataclass(kw_only=True)
class SandboxState:
    """The parts of a sandbox that a request may change."""

    world: World
    tokens: Tokens
    limits: RequestLimits
    faults: Faults
    requests: Requests
    state_store: StateStore

    @property
    def retry_after(self) -> RetryAfter | None:
        """The form of ``Retry-After`` in a 429; ``None`` omits the header."""
        return self.limits.retry_after

    @retry_after.setter
    def retry_after(self, form: RetryAfter | None) -> None:
        if form not in (None, *get_args(RetryAfter)):
            raise ValueError(f"retry_after = {form!r}: must be one of {', '.join(get_args(RetryAfter))}, or None")
        self.limits.retry_after = self.tokens.retry_after = form

    def stats(self) -> dict[str, object]:
        """Return the counters of requests and tokens, ready for JSON."""
        return {
            **self.requests.as_dict(),
            "tokens_issued": len(self.tokens.issued),
            "tokens_refused": self.tokens.refused,
        }
