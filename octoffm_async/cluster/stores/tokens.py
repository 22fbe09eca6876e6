"""Token stores on a server by their names of earlier releases; ``store=`` of the client shares the limits too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...auth.keyvalue_store import KeyValueTokenStore

if TYPE_CHECKING:
    from ...config import Secret
    from ...stores.database import Database

__all__ = ["PostgresTokens", "RedisTokens"]


class PostgresTokens(KeyValueTokenStore):
    """Tokens in ``database``: its address ``postgresql://…``, or a :class:`~octoffm_async.stores.Database`."""

    def __init__(self, database: str | Secret | Database, *, key: Secret | str | None = None) -> None:
        from ...stores.postgres import PostgresStore

        super().__init__(PostgresStore(database), key=key)


class RedisTokens(KeyValueTokenStore):
    """Tokens in the Redis server at ``address`` (``redis://`` or ``rediss://``)."""

    def __init__(self, address: Secret | str, *, key: Secret | str | None = None) -> None:
        from ...stores.redis import RedisStore

        super().__init__(RedisStore(address), key=key)
