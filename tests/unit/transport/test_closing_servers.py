"""Servers that close connections without saying so: learned from a few losses, and unlearned once they stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import aiohttp
import pytest

from octoffm_async import NotAnsweredError
from octoffm_async.transport import pool
from octoffm_async.transport.aiohttp_transport import AiohttpTransport
from octoffm_async.transport.connection import CLOSINGS_TO_LEARN, LASTING_TO_UNLEARN
from octoffm_async.transport.pool import WATCHED_MOST
from tests.support.fakes import config
from tests.unit.transport.test_aiohttp_transport import HELLO, opened, way

__all__ = ["way"]

ROOMY = config(read_timeout=2.0, max_connections=100)
TIMED_OUT = b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
Ending = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def at_once(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def a_little_later(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(0.002)
    writer.close()


async def by_reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of no time
    writer.close()


async def with_a_408(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(0.002)
    writer.write(TIMED_OUT)
    writer.close()


class Closing:
    """A server that answers each request, and ends every ``each``-th connection behind its answer by ``ending``."""

    def __init__(self, ending: Ending, *, each: int = 1) -> None:
        self.ending, self.each = ending, each
        self.requests = self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/orders"
        self._writers: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                if b"connection: close" in head.lower():
                    writer.write(HELLO.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
                    writer.close()
                    return
                await reader.readexactly(2 if head.startswith(b"POST") else 0)
                self.requests += 1
                writer.write(HELLO)
                if self.each and self.requests % self.each == 0:
                    await self.ending(writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


async def lost(transport: AiohttpTransport, url: str, count: int, *, together: int = 1, method: str = "POST") -> int:
    """Send this many requests; return how many have an outcome that is unknown."""
    numbers = iter(range(count))
    unknown = 0

    async def work() -> None:
        nonlocal unknown
        for _ in numbers:
            try:
                response = await transport.send(method, url, {}, b"{}" if method == "POST" else None, 2.0)
                unknown += response.status == 408
            except NotAnsweredError:
                unknown += 1

    await asyncio.gather(*(work() for _ in range(together)))
    return unknown


ENDINGS: list[Ending] = [at_once, a_little_later, by_reset, with_a_408]


@pytest.mark.parametrize(("ending", "each"), [(ending, 7 if at % 2 else 1) for at, ending in enumerate(ENDINGS)])
async def test_after_a_few_losses_creations_use_new_connections(ending: Ending, each: int) -> None:
    async with Closing(ending, each=each) as server, opened(ROOMY) as transport:
        assert await lost(transport, server.url, 30) <= CLOSINGS_TO_LEARN
        assert await lost(transport, server.url, 30) == 0


@pytest.mark.parametrize("ending", ENDINGS)
async def test_of_many_at_a_time_only_those_under_way_are_lost(ending: Ending) -> None:
    async with Closing(ending) as server, opened(ROOMY) as transport:
        assert await lost(transport, server.url, 100, together=20) <= 20 + CLOSINGS_TO_LEARN
        assert await lost(transport, server.url, 60, together=20) == 0


async def test_reads_and_quiet_closings_teach_it_before_any_creation_is_lost(way: str) -> None:
    if way == "session":
        pytest.skip("aiohttp sends reads again by itself, and watches no connection")
    async with Closing(at_once) as server, opened(ROOMY) as transport:
        await lost(transport, server.url, 2 * CLOSINGS_TO_LEARN + 2, method="GET")
        assert await lost(transport, server.url, 40) == 0
    async with Closing(at_once) as server, opened(ROOMY) as transport:
        for _ in range(CLOSINGS_TO_LEARN):
            assert await lost(transport, server.url, 1) == 0
            while transport._wire.pool.idle_of(server.url.removesuffix("/orders")):  # noqa: ASYNC110  (no event tells)
                await asyncio.sleep(0.001)
        assert await lost(transport, server.url, 40) == 0


async def test_a_server_that_keeps_its_connections_is_sent_many_requests_over_one() -> None:
    async with Closing(at_once, each=0) as server, opened(ROOMY) as transport:
        assert await lost(transport, server.url, 200) == 0
        assert server.connections == 1


async def test_a_server_that_says_that_it_closes_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said = HELLO.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    async with Closing(at_once) as server, opened(ROOMY) as transport:
        with monkeypatch.context() as patched:
            patched.setattr("tests.unit.transport.test_closing_servers.HELLO", said)
            assert await lost(transport, server.url, 30) == 0
        server.each = 0
        before = server.connections
        assert await lost(transport, server.url, 30) == 0
        assert server.connections == before + 1


async def test_once_unused_connections_last_they_are_used_again(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "session":
        pytest.skip("no connection is watched there")
    monkeypatch.setattr(pool, "IDLE_AFTER", 0.01)
    async with Closing(at_once) as server, opened(ROOMY) as transport:
        idle = transport._wire.pool.idle_of(server.url.removesuffix("/orders"))
        for needed in (LASTING_TO_UNLEARN, 2 * LASTING_TO_UNLEARN):
            server.each = 1
            await lost(transport, server.url, 60)
            assert idle.only_new
            server.each = 0
            watched = 0
            async with asyncio.timeout(20):
                while idle.only_new:
                    assert await lost(transport, server.url, 1) == 0
                    watched += 1
                    assert len(idle.watched) <= WATCHED_MOST
                    await asyncio.sleep(0.001)
            assert watched >= needed
            before = server.connections
            assert await lost(transport, server.url, 50) == 0
            assert server.connections <= before + 1


async def test_a_server_that_closes_some_is_not_unlearned(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "session":
        pytest.skip("no connection is watched there")
    monkeypatch.setattr(pool, "IDLE_AFTER", 3600)  # the test looks after them itself, once all closings have come
    async with Closing(at_once, each=10) as server, opened(ROOMY) as transport:
        ours = transport._wire.pool
        idle = ours.idle_of(server.url.removesuffix("/orders"))
        unknown = 0
        for number in range(1, 301):
            before = set(idle.watched)
            unknown += await lost(transport, server.url, 1)
            while number % 10 == 0 and (idle or set(idle.watched) - before):  # noqa: ASYNC110  (no event tells)
                await asyncio.sleep(0.001)
            ours._look_after()
        assert unknown == 0
        assert idle.only_new


async def test_few_connections_are_enough_for_a_server_that_closes() -> None:
    async with Closing(at_once) as server, opened(config(read_timeout=2.0, max_connections=1)) as transport:
        assert await lost(transport, server.url, 60, together=5) <= 5 + CLOSINGS_TO_LEARN
        assert await lost(transport, server.url, 20, together=5) == 0


async def test_a_session_of_the_callers_is_taught_too() -> None:
    async with Closing(at_once) as server, aiohttp.ClientSession() as session:
        async with opened(ROOMY, session=session) as transport:
            assert await lost(transport, server.url, 30) <= CLOSINGS_TO_LEARN + 1
            assert await lost(transport, server.url, 30) == 0
