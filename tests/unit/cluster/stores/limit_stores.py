"""Limit stores of every kind, as the tests use them: on a clock of their own, or on the server's."""

from __future__ import annotations

from collections.abc import Callable

from octoffm_async.cluster.stores.postgres_limits import PostgresLimits
from octoffm_async.cluster.stores.redis_limits import RedisLimits
from octoffm_async.ratelimit.shared.store import LimitStore, MemoryLimits

KINDS = ("memory", "redis", "postgres")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make_store(kind: str, address: str, *, clock: Callable[[], float] | None = None) -> LimitStore:
    """A store of a kind; by the server's clock if none is given."""
    match kind:
        case "redis":
            return RedisLimits(address, clock=clock)
        case "postgres":
            return PostgresLimits(address, clock=clock)
        case _:
            return MemoryLimits() if clock is None else MemoryLimits(clock=clock)
