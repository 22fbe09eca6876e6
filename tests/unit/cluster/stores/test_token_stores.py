"""What every token store must promise, of those on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from octoffm_async.cluster.stores.keyvalue_tokens import KeyValueTokenStore
from octoffm_async.cluster.stores.postgres_tokens import PostgresTokens
from octoffm_async.cluster.stores.redis_tokens import RedisTokens
from octoffm_async.stores.encryption import new_key
from tests.unit.auth.test_store import Opening, Promises


class TestPromises(Promises):
    """Each opening is a store of its own, as in another process."""

    @pytest.fixture(params=["redis", "postgres sealed"])
    async def opening(self, request: pytest.FixtureRequest) -> AsyncIterator[Opening]:
        server, _, sealed = request.param.partition(" ")
        address: str = request.getfixturevalue(server)
        key, opened = new_key() if sealed else None, list[KeyValueTokenStore]()

        def opening() -> KeyValueTokenStore:
            opened.append((RedisTokens if server == "redis" else PostgresTokens)(address, key=key))
            return opened[-1]

        yield opening
        for store in opened:
            await store.close()
