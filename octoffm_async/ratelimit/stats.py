"""The counters of a session, and the snapshot of a client that users get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from ..events import CircuitState

KeysShown: TypeAlias = Literal["all", "paused", "none"]


class KeyStats(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one key (seller and group). Rates are in requests per second; None means no limit.

    ``rate`` is the allowed rate now, ``ceiling`` the configured one. ``accepted`` and ``throttled`` count responses so
    far, ``throttled`` the 429s. ``waiting`` calls wait to be sent; ``in_flight`` are being sent, of at most
    ``in_flight_limit``.
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
    """True if a limit store keeps the limit; False if the store is unavailable, None if there is none."""
    void: int = 0
    """Slots of a shared limit that this client leased and did not use in time."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The counters and the present state of a client, all sellers together. Times are in seconds.

    ``attempts`` counts everything sent, token calls included; ``calls`` does not count those. ``waited`` (not on the
    wire) and ``travelled`` (on the wire) are sums over all calls. ``token_age`` and ``token_left`` are None when there
    is no token.
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
    """Ways in which responses differed from the contract; each was reported by a
    :class:`~octoffm_async.ContractDrift`."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of a client, for the checks of a web backend.

    ``alive`` (liveness) is False if the client is not open on this event loop and in this process: start the process
    again. ``ready`` (readiness) is False as well while the credentials are refused, or the API fails so often that
    calls are held back; ``reasons`` says so in words for people, without secrets. A token that is yet to be fetched
    (``token_left`` is None) and a pause of one seller are no reasons.
    """

    alive: bool
    ready: bool
    reasons: tuple[str, ...]
    circuit: CircuitState
    token_left: float | None
    """Seconds for which the token may still be sent; None if there is none."""
    paused: dict[str, float]
    """Seconds until a pause ends, by seller and group, such as ``"98980 outbound"``."""


@dataclass(slots=True)
class SessionCounters:
    """The counters of a session, see :class:`Stats`. No struct of msgspec: every call changes four of them."""

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    throttled: int = 0
    tokens: int = 0
    waited: float = 0.0
    travelled: float = 0.0
