"""The parts of a running sandbox that the server, the control routes and the test's own hands share."""

from dataclasses import dataclass

from .faults import Faults
from .keeper import Keeper
from .quota import RequestLimits, RetryAfter
from .records import Requests
from .tokens import Tokens
from .world import World


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything that a request may change."""

    world: World
    tokens: Tokens
    limits: RequestLimits
    faults: Faults
    requests: Requests
    keeper: Keeper
    retry_after: RetryAfter | None

    def stats(self) -> dict[str, object]:
        """The counters of requests and tokens, ready for JSON."""
        return {
            **self.requests.as_dict(),
            "tokens_issued": len(self.tokens.issued),
            "tokens_refused": self.tokens.refused,
        }
