"""The servers that the tests start are real, empty and can be restarted."""

from __future__ import annotations

import psycopg
import pytest

from .servers import PostgresServer, RedisServer

pytestmark = pytest.mark.one_loop


def test_a_database_outlives_a_crash_of_its_server(postgres_server: PostgresServer, postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    postgres_server.restart()
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]


def test_each_test_has_a_database_of_its_own(postgres: str) -> None:
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall() == []


async def test_redis_is_empty(redis_server: RedisServer, redis: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(redis) as client:
        assert await client.dbsize() == 0
        await client.set("key", "value")
        assert await client.dbsize() == 1
