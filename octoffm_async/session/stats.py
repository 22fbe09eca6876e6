"""What a client did so far and how it stands: the counters of a session, and the snapshot that users see."""

from __future__ import annotations

import msgspec

from ..events import CircuitState


class KeyStats(msgspec.Struct, frozen=True, kw_only=True):
    """How one key (seller and group) stands. Rates are in requests per second; ``None`` means no limit.

    ``rate`` is what is allowed now, ``ceiling`` what is configured. ``accepted`` and ``throttled`` count answers so
    far, ``throttled`` the 429s. ``waiting`` calls want to be sent, ``in_flight`` are, of ``in_flight_limit`` at most.
    """

    seller_id: str
    group: str
    rate: float | None
    ceiling: float | None
    accepted: int
    throttled: int
    waiting: int
    in_flight: int
    in_flight_limit: int
    paused_for: float
    """Seconds until a pause ends; 0 if there is none."""
    shared: bool | None = None
    """Whether a limit store holds the limit; ``False``: it is away, ``None``: there is none."""
    void: int = 0
    """Slots of a shared limit that this client leased and did not use in time."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What a client did so far, all sellers together, and how it stands now. Times are in seconds.

    ``attempts`` counts everything sent, token calls included; ``calls`` does not count those. ``waited`` and
    ``travelled`` are sums. ``token_age`` and ``token_left`` are ``None`` when there is no token.
    """

    calls: int
    attempts: int
    retries: int
    throttled: int
    tokens: int
    waited: float
    travelled: float
    keys: tuple[KeyStats, ...]
    token_age: float | None
    token_left: float | None
    retry_budget_left: int
    circuit: CircuitState
    drift: int = 0
    """Ways in which answers differed from the contract; each was told by a :class:`~octoffm_async.ContractDrift`."""


class Counts(msgspec.Struct):
    """What is counted while calls run; see :class:`Stats`."""

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    throttled: int = 0
    tokens: int = 0
    waited: float = 0.0
    travelled: float = 0.0

    def snapshot(
        self,
        *,
        keys: tuple[KeyStats, ...],
        token_age: float | None,
        token_left: float | None,
        retry_budget_left: int,
        circuit: CircuitState,
        drift: int,
    ) -> Stats:
        """The counters as they are, with how the client stands."""
        return Stats(
            calls=self.calls,
            attempts=self.attempts,
            retries=self.retries,
            throttled=self.throttled,
            tokens=self.tokens,
            waited=self.waited,
            travelled=self.travelled,
            keys=keys,
            token_age=token_age,
            token_left=token_left,
            retry_budget_left=retry_budget_left,
            circuit=circuit,
            drift=drift,
        )
