"""The registry of rate limiters (:mod:`.limiter`): one per seller and group, created on use and dropped when idle."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..contract.operations import Group
from ..settings.values import TOKEN_LIMIT
from .limiter import RateLimiter
from .shared.lease_client import LeaseClient
from .shared.limiter import SharedRateLimiter

if TYPE_CHECKING:
    from ..config import Config
    from .shared.store import LimitStore
    from .stats import KeysShown, KeyStats

SWEEP_FROM, SWEEP_EVERY = 64, 60.0
"""The number of limiters from which on unused ones are removed, and the seconds between two removals."""


class LimiterRegistry:
    """The rate limiters of one client; with a ``store``, they share their limits through it."""

    def __init__(self, config: Config, store: LimitStore | None = None) -> None:
        self._config = config
        self._lease_client = None if store is None else LeaseClient(store, f"{config.base_url} clients")
        self._limiters: dict[tuple[str, Group], RateLimiter] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None

    def of(self, seller_id: str, group: Group) -> RateLimiter:
        """Return the limiter of a key. All token calls share one: the token endpoint knows no sellers."""
        return self._limiters.get((seller_id, group)) or self._make(seller_id, group)

    def stats(self, now: float, keys: KeysShown) -> tuple[KeyStats, ...]:
        """Return snapshots of limiters; it may be called from another thread."""
        limiters = [] if keys == "none" else list(self._limiters.items())
        return tuple(
            limiter.stats(seller_id, group, now)
            for (seller_id, group), limiter in limiters
            if keys == "all" or limiter.paused_until > now
        )

    def restart(self) -> None:
        """Let every limiter begin again with few requests in flight, after an outage."""
        for limiter in self._limiters.values():
            limiter.restart()

    def rebind(self) -> None:
        """Prepare for use on another event loop."""
        self._stop_sweeping()
        if self._lease_client is not None:
            self._lease_client.open()
        for limiter in self._limiters.values():
            limiter.rebind()

    def close(self) -> None:
        """Reject the calls that wait, and all later ones."""
        self._stop_sweeping()
        for limiter in self._limiters.values():
            limiter.close()

    async def return_leases(self) -> None:
        """Return unused slots to a shared store, after a close."""
        if self._lease_client is not None:
            await self._lease_client.close(
                [limiter for limiter in self._limiters.values() if isinstance(limiter, SharedRateLimiter)]
            )

    def _make(self, seller_id: str, group: Group) -> RateLimiter:
        if self._sweep_timer is None and len(self._limiters) >= SWEEP_FROM:
            self._sweep_timer = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)
        config, lease_client = self._config, self._lease_client
        limit = TOKEN_LIMIT if group is Group.TOKEN else config.limit_for(group)
        settings: dict[str, Any] = {
            "jitter": config.limit_jitter,
            "max_in_flight": config.max_in_flight,
            "max_waiting": config.max_waiting,
            "bulk_share": config.bulk_share,
        }
        if lease_client is None or group is Group.TOKEN:  # the token store holds the quota that token calls share
            limiter = RateLimiter(limit, **settings)
        else:
            limiter = SharedRateLimiter(f"{config.base_url} {seller_id} {group.value}", lease_client, limit, **settings)
        self._limiters[seller_id, group] = limiter
        return limiter

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._limiters = {key: limiter for key, limiter in self._limiters.items() if not limiter.idle(loop.time())}
        has_many = len(self._limiters) >= SWEEP_FROM
        self._sweep_timer = loop.call_later(SWEEP_EVERY, self._sweep) if has_many else None

    def _stop_sweeping(self) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
