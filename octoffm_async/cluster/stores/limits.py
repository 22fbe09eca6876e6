"""Limit stores on a server by their names of earlier releases; ``store=`` of the client shares the token too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ratelimit.shared.store import PROCESSES, KeyValueLimits

if TYPE_CHECKING:
    from ...config import Secret
    from ...stores.database import Database

__all__ = ["PostgresLimits", "RedisLimits"]


class PostgresLimits(KeyValueLimits):
    """Limits in ``database``: its address ``postgresql://…``, or a :class:`~octoffm_async.stores.Database`."""

    def __init__(self, database: str | Secret | Database, *, processes: int = PROCESSES) -> None:
        from ...stores.postgres import PostgresStore

        super().__init__(PostgresStore(database), processes=processes)


class RedisLimits(KeyValueLimits):
    """Limits in the Redis server at ``address`` (``redis://`` or ``rediss://``), under keys that begin with prefix."""

    def __init__(self, address: str | Secret, *, processes: int = PROCESSES, prefix: str = "octoffm:") -> None:
        from ...stores.redis import RedisStore

        super().__init__(RedisStore(address, prefix=prefix), processes=processes)
