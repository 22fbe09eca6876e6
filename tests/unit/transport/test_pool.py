"""Connections of our own: who has them, how many there are, and what is read from them however it comes."""

import asyncio
import gzip
import random
from collections.abc import Callable

import aiohttp
import pytest

from octoffm_async import ConnectError, ConnectionLostError, FencedError
from octoffm_async.transport import pool as links
from octoffm_async.transport.aiohttp_transport import AiohttpTransport
from tests.support.fakes import config
from tests.unit.transport.test_aiohttp_transport import (
    HELLO,
    OK,
    SMALL,
    Server,
    get,
    opened,
)

ROOMY = SMALL.with_(max_answer_bytes=10_000_000, read_timeout=2.0)


def parts(transport: AiohttpTransport) -> tuple[links.ConnectionPool, aiohttp.BaseConnector]:
    """What holds the connections that are free."""
    assert transport._wire is not None
    found = transport._wire.pool
    return found, found._connector


def free(transport: AiohttpTransport) -> int:
    """How many stand ready here."""
    return sum(map(len, parts(transport)[0]._idle.values()))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the other side brings about."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (a connection has no event to await)
            await asyncio.sleep(0.001)


async def test_two_origins_share_the_one_connection_that_there_may_be() -> None:
    async with Server(HELLO, stay=True) as one, Server(HELLO, stay=True) as other, opened() as transport:
        for _ in range(3):
            for server in (one, other):
                assert (await get(transport, server.url)).body == b"hi"
                assert free(transport) == 1


async def test_those_who_wait_get_the_one_connection_in_turn() -> None:
    async with Server(HELLO, stay=True) as server, opened() as transport:
        answers = await asyncio.gather(*(get(transport, server.url) for _ in range(20)))
        assert [answer.body for answer in answers] == [b"hi"] * 20
        assert server.connections == 1


async def test_a_response_shows_whether_its_request_waited_for_a_new_connection() -> None:
    async with Server(HELLO, stay=True) as server, opened() as transport:
        for is_new in (True, False, False):
            history = (await get(transport, server.url)).history
            assert history is None or history.is_new is is_new  # None: aiohttp's own session has the connection


async def test_what_goes_through_a_session_gets_it_too() -> None:
    async with Server(OK + b"Content-Length: 0\r\n\r\n", stay=True) as server, opened() as transport:
        await get(transport, server.url)
        assert (await transport.send("HEAD", server.url, {}, None, 1.0)).body == b""
        await get(transport, server.url)
        assert server.connections == 1


async def test_one_that_is_not_used_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "IDLE_AFTER", 0.02)
    async with Server(HELLO, stay=True) as server, opened() as transport:
        await get(transport, server.url)
        assert free(transport) == 1
        await until(lambda: not free(transport))
        await until(lambda: parts(transport)[0]._timer is None)
        assert [len(kept) for kept in parts(transport)[1]._conns.values()] == [1]
        await get(transport, server.url)
        assert server.connections == 1


async def test_one_that_the_other_side_closes_is_forgotten() -> None:
    async with Server(HELLO) as server, opened() as transport:
        await get(transport, server.url)
        await until(lambda: not free(transport))
        assert not parts(transport)[1]._acquired
        assert (await transport.send("POST", server.url, {}, b"{}", 1.0)).body == b"hi"


async def test_one_that_says_what_nobody_asked_is_closed() -> None:
    async with Server(HELLO, OK, stay=True) as server, opened() as transport:
        await get(transport, server.url)
        await until(lambda: not free(transport))
        assert (await get(transport, server.url)).body == b"hi"
        assert server.connections == 2


@pytest.mark.parametrize(
    ("said", "is_doubted"),
    [
        (HELLO, True),
        (b"HTTP/1.0 202 Accepted\r\n\r\n", True),
        (b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", False),
        (b"\r\n", False),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
async def test_what_a_connection_told_is_doubted_once_it_says_what_nobody_asked(
    said: bytes, at_once: bool, is_doubted: bool
) -> None:
    pieces = (HELLO + said,) if at_once else (HELLO, said)
    async with Server(*pieces, stay=True) as server, opened() as transport:
        answer = await get(transport, server.url)
        assert answer.body == b"hi"
        history = answer.history
        if history is None:  # aiohttp's own session has the connection
            return
        await until(lambda: not free(transport))
        assert bool(history.doubt_reason) == is_doubted
        assert (await get(transport, server.url)).history is not history


async def test_an_answer_before_its_request_has_left_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(HELLO, stay=True) as server, opened() as transport:
        history = (await get(transport, server.url)).history
        wire = transport._wire
        assert wire is not None
        link = next(iter(next(iter(wire.pool._idle.values()))))
        monkeypatch.setattr(wire, "_write", lambda link, data, fence: setattr(wire, "_awaited", wire._awaited + 1))
        call = asyncio.ensure_future(transport.send("POST", server.url, {}, b"{}", 1.0))
        await asyncio.sleep(0)
        link.data_received(HELLO)
        with pytest.raises(ConnectError):
            await call
        assert history is not None
        assert history.doubt_reason


async def test_what_was_said_while_aiohttp_had_it_is_no_answer_either(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(HELLO, OK + b"Content-Length: 6\r\n\r\nforged", stay=True) as server, opened() as transport:
        await get(transport, server.url)
        with transport._wire.pool.giving_back():  # type: ignore[union-attr]
            await server.said.wait()
        assert (await get(transport, server.url)).body == b"hi"
        assert server.connections == 2


async def test_what_is_given_up_before_it_leaves_does_not_leave() -> None:
    async with Server(HELLO, stay=True) as server, opened(SMALL.with_(max_connections=3)) as transport:
        await asyncio.gather(*(get(transport, server.url) for _ in range(3)))
        assert server.connections == 3
        sent = len(server.heads)
        calls = [asyncio.create_task(transport.send("POST", server.url, {}, b"{}", 1.0)) for _ in range(3)]  # type: ignore[arg-type]
        await asyncio.sleep(0)  # the first is written at once, the others leave together in the next turn
        for call in calls[1:]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["Response", "CancelledError", "CancelledError"]
        await get(transport, server.url)
        assert len(server.heads) == sent + 2


async def test_a_fence_that_falls_before_it_leaves_stops_it() -> None:
    class Fence:
        def check(self) -> None:
            raise FencedError("over")

        async def recovers(self) -> bool:
            return False

    async with Server(HELLO, stay=True) as server, opened(SMALL.with_(max_connections=2)) as transport:
        await asyncio.gather(*(get(transport, server.url) for _ in range(2)))
        sent = len(server.heads)
        first = asyncio.create_task(get(transport, server.url))
        await asyncio.sleep(0)
        with pytest.raises(FencedError, match="over"):
            await transport.send("POST", server.url, {}, b"{}", 1.0, fence=Fence())
        await first
        assert len(server.heads) == sent + 1


PLAIN = b'{"items":' + b"x" * 5_000 + b"}"
PACKED = gzip.compress(PLAIN)
CHUNKED = b"".join(
    b"%x\r\n%b\r\n" % (len(PLAIN[at : at + 900]), PLAIN[at : at + 900]) for at in range(0, len(PLAIN), 900)
)
WHOLE = {
    "length": OK + b"Content-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN,
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
    "gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED,
    "until close": OK + b"\r\n" + PLAIN,
    "after hints": b"HTTP/1.1 103 X\r\n\r\n" + OK + b"Content-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN,
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("seed", range(4))
async def test_an_answer_is_the_same_in_however_many_pieces_it_comes(kind: str, seed: int) -> None:
    chance, whole = random.Random(f"{kind} {seed}"), WHOLE[kind]
    cuts = sorted(chance.sample(range(1, len(whole)), chance.choice((1, 2, 6))))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    async with Server(*pieces, stay=kind != "until close") as server, opened(ROOMY) as transport:
        for _ in range(2):
            assert (await get(transport, server.url)).body == PLAIN
        assert server.connections == (2 if kind == "until close" else 1)


@pytest.mark.parametrize("ends", ["length", "close"])
async def test_one_that_unpacks_to_more_than_is_kept_is_read_whole(ends: str) -> None:
    body = gzip.compress(b"\0" * 3_000_000)
    length = b"Content-Length: %d\r\n" % len(body) if ends == "length" else b""
    async with Server(OK + length + b"Content-Encoding: gzip\r\n\r\n" + body) as server, opened(ROOMY) as transport:
        assert len((await get(transport, server.url)).body) == 3_000_000


async def test_one_that_is_larger_than_what_is_kept_is_read_whole() -> None:
    body = random.Random(1).randbytes(3_000_000)
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    async with Server(head + body, stay=True) as server, opened(ROOMY) as transport:
        for _ in range(2):
            assert (await get(transport, server.url)).body == body
        assert server.connections == 1


@pytest.mark.parametrize("left", [b"H", OK, OK + b"Content-Length: 1\r\n\r\n"])
async def test_what_follows_an_answer_is_never_the_start_of_the_next(left: bytes) -> None:
    async with Server(HELLO + left, stay=True) as server, opened() as transport:
        for _ in range(3):
            try:
                assert (await get(transport, server.url)).body == b"hi"
            except ConnectionLostError:
                assert server.connections > 1


async def test_over_tls_a_connection_is_used_again(server_tls, client_tls) -> None:
    body = b"x" * 600_000
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    async with (
        Server(head + body, stay=True, ssl_context=server_tls) as server,
        opened(ROOMY, ssl_context=client_tls) as transport,
    ):
        for _ in range(3):
            assert (await get(transport, server.url)).body == body
            assert free(transport) == 1
        with transport._wire.pool.giving_back():  # type: ignore[union-attr]
            pass
        assert (await get(transport, server.url)).body == body
        assert server.connections == 1


async def test_closing_while_answers_are_awaited_ends_them() -> None:
    async with Server(stay=True) as silent, Server(HELLO, stay=True) as server:
        transport = AiohttpTransport(config(max_connections=3, read_timeout=5.0))
        transport.open()
        await get(transport, server.url)
        call = asyncio.ensure_future(transport.send("POST", silent.url, {}, b"{}", 5.0))
        await silent.asked.wait()
        await transport.close()
        with pytest.raises(ConnectionLostError):
            await asyncio.wait_for(call, 1)


async def test_a_server_that_speaks_first_is_not_connected_to_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(b"SSH-2.0-x\r\n", stay=True, eager=True) as server, opened() as transport:
        connector = parts(transport)[1]
        real = connector.connect

        async def connect(*args: object, **options: object) -> object:
            connection = await real(*args, **options)  # type: ignore[arg-type]
            await asyncio.sleep(0.02)  # it speaks before this takes over
            return connection

        monkeypatch.setattr(connector, "connect", connect)
        with pytest.raises(ConnectError):
            await transport.send("POST", server.url, {}, b"{}", 1.0)
        assert server.connections == links.TRIES
        await until(lambda: not connector._acquired)
