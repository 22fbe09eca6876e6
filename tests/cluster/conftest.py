"""Real servers for these tests, one of each per test process; skipped with the reason where they are not installed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from benchmarks.servers import Missing, PostgresServer, RedisServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    try:
        server = RedisServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> str:
    """The address of an empty database."""
    return postgres_server.address(f"test_{next(_numbers)}")


@pytest.fixture
def redis(redis_server: RedisServer) -> str:
    """The address of a Redis database that is empty."""
    redis_server.restart()
    return redis_server.address
