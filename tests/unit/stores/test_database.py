"""A few connections to PostgreSQL, that come back after it was away and never show a password."""

from __future__ import annotations

import asyncio
import os
import traceback

import pytest

from benchmarks.servers import PostgresServer
from octoffm_async.config import Secret
from octoffm_async.errors import ClosedError, ConfigurationError, StoreError
from octoffm_async.stores.database import Database, as_database

pytestmark = pytest.mark.one_loop


async def number(database: Database, *, wait: float | None = None) -> int:
    async with database.connection(wait=wait) as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        assert row is not None
        return int(row[0])


async def test_a_connection_is_used_again(postgres: str) -> None:
    async with Database(postgres) as database:
        assert await number(database) == await number(database)


async def test_no_more_connections_than_its_size(postgres: str) -> None:
    async with Database(postgres, size=2) as database:
        async with database.connection(), database.connection():
            with pytest.raises(StoreError, match="all 2 connections are busy") as caught:
                await number(database, wait=0.01)
            assert caught.value.away
        assert len(set(await asyncio.gather(*(number(database) for _ in range(10))))) <= 2


async def test_work_goes_on_after_the_server_came_back(postgres_server: PostgresServer, postgres: str) -> None:
    async with Database(postgres, size=3) as database:
        async with database.connection(), database.connection(), database.connection():
            pass
        await asyncio.to_thread(postgres_server.stop)
        try:
            with pytest.raises(StoreError) as caught:
                await number(database)
            assert caught.value.away
        finally:
            await asyncio.to_thread(postgres_server.start)
        for _ in range(4):
            assert await number(database) > 0


async def test_a_server_that_hangs_up_meanwhile_is_told_of(postgres: str) -> None:
    async with Database(postgres) as database:
        with pytest.raises(StoreError) as caught:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert caught.value.away
        assert await number(database) > 0


async def test_a_broken_off_transaction_is_undone(postgres: str) -> None:
    async with Database(postgres, size=1) as database:
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE things (number int)")

        async def broken_off() -> None:
            async with database.connection() as connection:
                await connection.execute("BEGIN")
                await connection.execute("INSERT INTO things VALUES (1)")
                raise KeyError

        with pytest.raises(KeyError):
            await broken_off()
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT * FROM things")).fetchall() == []


async def test_a_cancelled_query_leaves_no_connection_behind(postgres: str) -> None:
    async with Database(postgres, size=1) as database:

        async def sleep() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")

        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await number(database, wait=5) > 0


async def test_who_shares_it_keeps_it_open(postgres: str) -> None:
    database = as_database(postgres)
    assert as_database(database) is database
    async with database:
        async with database:
            first = await number(database)
        assert await number(database) == first
    with pytest.raises(ClosedError):
        await number(database)
    async with database:
        assert await number(database) != first


async def test_tables_are_made_once(postgres: str) -> None:
    statements = ("CREATE TABLE things (number int)", "INSERT INTO things VALUES (1)")
    async with Database(postgres, size=8) as database:
        await asyncio.gather(*(database.prepare("things", 1, statements) for _ in range(8)))
        await database.prepare("things", 2, ["INSERT INTO things VALUES (2)"])
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT * FROM things")).fetchall() == [(1,), (2,)]
        with pytest.raises(ConfigurationError, match="version 2, and this program knows 1"):
            await database.prepare("things", 1, statements)


async def test_a_part_that_cannot_be_made_leaves_nothing(postgres: str) -> None:
    async with Database(postgres) as database:
        with pytest.raises(StoreError, match="nowhere") as caught:
            await database.prepare("things", 1, ["CREATE TABLE things (number int)", "SELECT * FROM nowhere"])
        assert not caught.value.away
        await database.prepare("things", 1, ["CREATE TABLE things (number int)"])


@pytest.mark.parametrize(
    "address",
    [
        "orders.sqlite",
        "mysql://u:hunter2@host/name",
        "postgresql://u:hunter2@[::1/n?x",
        "postgresql://u:hunter2@[::1/n",
    ],
)
def test_what_is_no_address_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(address)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/name", "postgresql://me@127.0.0.1:1/name"),
        ("postgres://me:hunter%32@127.0.0.1:1/name?sslpassword=hunter2", "postgres://me@127.0.0.1:1/name"),
        ("postgresql://127.0.0.1:1/name?user=me&password=hunter2", "postgresql://127.0.0.1:1/name"),
        ("postgresql://me:hunter2@127.0.0.1:1,127.0.0.1:2/name", "postgresql://me@127.0.0.1:1,127.0.0.1:2/name"),
    ],
)
async def test_no_password_is_shown(address: str, shown: str) -> None:
    database = Database(Secret(address))
    assert database.name == shown
    async with database:
        with pytest.raises(StoreError) as caught:
            await number(database)
    reported = "".join(traceback.format_exception(caught.value)) + repr(database) + str(vars(database)["_address"])
    assert "hunter" not in reported


async def test_a_refused_password_is_not_shown(postgres_server: PostgresServer, postgres: str) -> None:
    address = postgres.replace("octoffm@", "octoffm:hunter2@").rpartition("/")[0] + "/hunter2"
    async with Database(address) as database:
        with pytest.raises(StoreError) as caught:
            await number(database)
    assert str(caught.value).startswith(f"{database.name}: ")
    assert os.linesep not in str(caught.value).strip()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace("/hunter2", "")
