"""Real servers for these tests, one of each per test process, their certificates, and a small disk.

Tests are skipped with the reason where a server is not installed, or nothing may be mounted.
"""

from __future__ import annotations

import itertools
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from benchmarks.servers import Missing, PostgresServer, RedisServer
from tests.support.items import IN_MEMORY

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    roomy = IN_MEMORY is not None and shutil.disk_usage(IN_MEMORY).free > 1 << 30
    try:
        server = PostgresServer(IN_MEMORY if roomy else None)
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    try:
        server = RedisServer()
    except Missing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database, which goes before much of it is written to the disk."""
    name = f"test_{next(_numbers)}"
    yield postgres_server.address(name)
    postgres_server.drop(name)


@pytest.fixture
def redis(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a Redis database that is empty."""
    monkeypatch.setattr("octoffm_async.stores.redis.REPLY_WITHIN", 30.0)  # a busy machine may need more than two
    redis_server.restart()
    return redis_server.address


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of a mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)
