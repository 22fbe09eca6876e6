"""The servers that the tests start are real, empty and can be restarted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from benchmarks.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.one_loop
ROOT = Path(__file__).parents[3]


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


STARTED_AND_WAITING = """
import time
from benchmarks.servers import PostgresServer, RedisServer

with PostgresServer() as database, RedisServer() as redis:
    print(database.port, database.folder, redis.port, redis.folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("postgres_server", "redis_server")  # skipped where they are not installed
def test_servers_and_their_folders_are_gone_when_the_process_that_started_them_is_killed() -> None:
    command = [sys.executable, "-c", STARTED_AND_WAITING]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as starter:
        assert starter.stdout is not None
        reported = starter.stdout.readline().split()
        ports, folders = [int(port) for port in reported[::2]], [Path(folder) for folder in reported[1::2]]
        assert [_answers(port) for port in ports] == [folder.is_dir() for folder in folders] == [True, True]
        starter.kill()
    ends = time.monotonic() + 20
    while any(map(_answers, ports)) or any(folder.exists() for folder in folders):
        assert time.monotonic() < ends, folders
        time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # it is ending just now
        return True
    return True
