"""The token endpoint's rules: client credentials, a quota, and tokens that expire in real time."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from random import Random

from .rate_limit import RetryAfter, SlidingLog, rate_limit_problem
from .responses import HttpReply, json_reply

QUOTA_PERIOD = 3600.0
"""Window of the token quota in seconds: Octopia counts tokens per hour (documented)."""
_REMEMBERED = 10_000


class Tokens:
    """The bearer tokens of a sandbox, and counters of the token endpoint.

    ``issued`` has the monotonic times at which tokens were issued (the last 10,000); ``requests`` counts requests to
    the endpoint, and ``refused`` those without a token as response. ``retry_after`` is the form of ``Retry-After`` in a
    429; ``None`` omits the header.
    """

    def __init__(
        self,
        *,
        rng: Random,
        client_id: str,
        client_secret: str,
        life: float,
        quota: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if life <= 0:
            raise ValueError(f"token_life = {life}: must be above zero")
        self.issued: deque[float] = deque(maxlen=_REMEMBERED)
        self.requests: int = 0
        self.refused: int = 0
        self.retry_after: RetryAfter | None = None
        self._rng = rng
        self._client = (client_id, client_secret)
        self._life = life
        self._quota = SlidingLog(quota, QUOTA_PERIOD)
        self._monotonic = monotonic
        self._expiry: dict[str, float] = {}

    def grant(self, form: Mapping[str, str]) -> HttpReply:
        """Answer a token request; raise a 429 above the quota."""
        self.requests += 1
        if (refusal := self._refusal(form)) is not None:
            self.refused += 1
            return refusal
        now = self._monotonic()
        if wait := self._quota.admit(now):
            self.refused += 1
            raise rate_limit_problem(wait, self.retry_after)
        life = int(self._life) if self._life == int(self._life) else self._life
        return json_reply(
            {"access_token": self._issue(now), "expires_in": life, "refresh_expires_in": 0, "token_type": "Bearer"}
        )

    def valid(self, token: str) -> bool:
        """Return True if a bearer token is known and has not expired."""
        expiry = self._expiry.get(token)
        return expiry is not None and self._monotonic() < expiry

    def living(self) -> int:
        """Return the number of valid bearer tokens."""
        now = self._monotonic()
        return sum(expiry > now for expiry in self._expiry.values())

    def expire_now(self) -> None:
        """Make all tokens invalid at once, whatever their ``expires_in`` was."""
        self._expiry.clear()

    def invalidate(self, token: str) -> None:
        """Make one token invalid before its expiry."""
        self._expiry.pop(token, None)

    def _refusal(self, form: Mapping[str, str]) -> HttpReply | None:
        if (grant_type := form.get("grant_type")) != "client_credentials":
            code = "unsupported_grant_type" if grant_type else "invalid_request"
            return _keycloak(400, code, "Unsupported or missing grant_type")
        if not form.get("client_id"):
            return _keycloak(401, "invalid_client", "Invalid client or Invalid client credentials")
        if (form["client_id"], form.get("client_secret")) != self._client:
            return _keycloak(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        return None

    def _issue(self, now: float) -> str:
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = f"{self._rng.getrandbits(256):064x}"
        self._expiry[token] = now + self._life
        self.issued.append(now)
        return token


def _keycloak(status: int, error: str, description: str) -> HttpReply:
    return json_reply({"error": error, "error_description": description}, status)
