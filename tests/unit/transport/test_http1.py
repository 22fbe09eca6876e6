"""Requests over aiohttp's connector: the bytes that leave, what is sent again, and what is not done this way."""

import asyncio
import ssl
from collections.abc import Callable

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import AnswerTimeoutError, ConfigurationError, ConnectError, ConnectionLostError
from octoffm_async.transport import connection as link
from octoffm_async.transport import http1 as wire
from octoffm_async.transport.http1 import CachedHeaders
from tests.support.fakes import config
from tests.unit.transport.test_aiohttp_transport import (
    OK,
    SMALL,
    Server,
    get,
    opened,
)

HELLO = OK + b"Content-Length: 2\r\n\r\nhi"


async def test_this_aiohttp_can_be_used_directly() -> None:
    assert wire.usable()


async def test_an_aiohttp_that_connects_otherwise_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.BaseConnector, "connect", lambda self, request, /: None)
    assert not wire.usable()
    monkeypatch.delattr(aiohttp.BaseConnector, "connect")
    assert not wire.usable()


class Parser:
    """One that is made as aiohttp's is, and reads otherwise."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def feed_data(self, _: bytes) -> tuple[list[object], bool, bytes]:
        return [], False, b""


@pytest.mark.parametrize("other", [Parser, object, None])
async def test_one_that_parses_otherwise_is_not(other: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "HttpResponseParser", other)
    assert not wire.usable()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
@pytest.mark.parametrize("body", [None, b"", b'{"x":1}'])
async def test_the_same_leaves_as_through_a_session(
    method: str, body: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[set[bytes]] = []
    for can in (True, False):
        monkeypatch.setattr("octoffm_async.transport.aiohttp_transport.usable", lambda can=can: can)
        async with Server(OK + b"Content-Length: 0\r\n\r\n", stay=False) as server, opened() as transport:
            sent = {"SellerId": "7", "Accept": "application/json", "Content-Type": "application/json"}
            await transport.send(method, f"{server.url}/S%2F1?cursor=a%2Bb", CachedHeaders(sent), body, 1.0)
            lines = server.heads[0].replace(str(server.port).encode(), b"PORT").rstrip().split(b"\r\n")
        heads.append({line.lower() for line in lines[1:]} | {lines[0]})
    assert heads[0] == heads[1]


async def test_the_lines_of_a_shared_head_are_made_once() -> None:
    head = CachedHeaders({"SellerId": "7"})
    async with Server(HELLO, stay=True) as server, opened() as transport:
        await transport.send("GET", server.url, head, None, 1.0)
        first = head.lines
        await transport.send("GET", server.url, head, None, 1.0)
        assert head.lines is first is not None
    assert server.heads[0] == server.heads[1]


async def test_headers_of_one_request_stand_once_beside_lines_that_are_made_once() -> None:
    head = CachedHeaders({"SellerId": "7", "TraceParent": "configured"})
    async with Server(HELLO, stay=True) as server, opened() as transport:
        await transport.send("GET", server.url, head.extended({"X-Run": "1"}), None, 1.0)
        first = head.lines
        await transport.send("GET", server.url, head.extended({"X-Run": "2"}), None, 1.0)
        await transport.send("GET", server.url, head.extended({"traceparent": "traced"}), None, 1.0)
        assert head.lines is first is not None
    added = [head.partition(b"X-Run: ")[2] for head in server.heads]
    assert added == [b"1\r\n\r\n", b"2\r\n\r\n", b""]
    traces = [[line for line in head.split(b"\r\n") if line.lower().startswith(b"trace")] for head in server.heads]
    assert traces == [[b"TraceParent: configured"]] * 2 + [[b"traceparent: traced"]]


@pytest.mark.parametrize("value", ["7\r\nX-More: 1", "7\n8", "7\x00", "é"])
async def test_a_header_cannot_smuggle_lines(value: str) -> None:
    async with Server(HELLO) as server, opened() as transport:
        with pytest.raises(ConfigurationError, match="SellerId contains a character") as caught:
            await transport.send("GET", server.url, {"SellerId": value}, None, 1.0)
        assert server.connections == 0
    assert value not in str(caught.value)


@given(st.sampled_from(["GET", "POST"]), st.text(min_size=1, max_size=20))
def test_no_address_can_smuggle_lines(method: str, path: str) -> None:
    async def send() -> None:
        async with opened() as transport:
            url = f"http://127.0.0.1:9/{path}"
            with pytest.raises((ConfigurationError, ConnectError)) as caught:
                await transport.send(method, url, {}, None, 1.0)
            plain = all("!" <= character <= "~" for character in path)
            assert isinstance(caught.value, ConfigurationError) is not plain

    asyncio.run(send())


async def test_an_address_may_end_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for can in (True, False):
        monkeypatch.setattr("octoffm_async.transport.aiohttp_transport.usable", lambda can=can: can)
        async with Server(HELLO, stay=False) as server, opened() as transport:
            assert (await get(transport, f"http://localhost:{server.port}")).body == b"hi"
            assert server.heads[0].startswith(b"GET / HTTP/1.1\r\n")


async def test_the_addresses_of_many_posts_are_not_all_remembered() -> None:
    async with Server(HELLO, stay=True) as server, opened() as transport:
        addresses = [f"{server.url}/{number}" for number in [*range(wire.POSTS_MOST + 2), 0, wire.POSTS_MOST + 1]]
        for url in addresses:
            await transport.send("POST", url, {}, None, 1.0)
        sent = [head.split(b" ")[1].decode() for head in server.heads]
        assert sent == [url.partition(str(server.port))[2] for url in addresses]
        assert transport._wire is not None
        assert len(transport._wire._posts) <= wire.POSTS_MOST


class Echo(Server):
    """Answers with more than is read at once, all of it the last sign of the address, a bit at a time."""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sign = (await reader.readuntil(b" HTTP/1.1\r\n"))[-12:-11]
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % (3 * link.READ_AHEAD // 2))
        for _ in range(3):
            writer.write(sign * (link.READ_AHEAD // 2))
            await writer.drain()
        await reader.read()


@pytest.mark.parametrize("secure", [False, True])
async def test_connections_that_read_at_the_same_time_read_what_is_theirs(
    secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    theirs, ours = (server_tls, client_tls) if secure else (None, None)
    async with Echo(ssl_context=theirs) as server, opened(config(), ssl_context=ours) as transport:
        bodies = await asyncio.gather(*(get(transport, f"{server.url}/{sign}") for sign in "abc"))
        assert [set(answer.body.decode()) for answer in bodies] == [{"a"}, {"b"}, {"c"}]
        assert {len(answer.body) for answer in bodies} == {3 * link.READ_AHEAD // 2}


class Fickle(Server):
    """Answers the first request of the first connection, reads the next one and hangs up."""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(HELLO)
            if self.connections == 1:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                return
            await asyncio.sleep(1)
        except (asyncio.IncompleteReadError, OSError):
            return


async def test_a_safe_request_on_a_stale_connection_is_sent_once_more() -> None:
    async with Fickle() as server, opened() as transport:
        await get(transport, server.url)
        assert (await get(transport, f"http://localhost:{server.port}")).body == b"hi"
        assert server.connections == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_creation_on_a_stale_connection_is_never_sent_again(method: str) -> None:
    async with Fickle() as server, opened() as transport:
        await get(transport, server.url)
        with pytest.raises(ConnectionLostError):
            await transport.send(method, server.url, {}, b"{}", 1.0)
        await asyncio.sleep(0.05)
        assert (server.connections, len(server.heads)) == (1, 2)


async def test_answers_that_only_inform_are_skipped() -> None:
    pieces = (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n", HELLO)
    async with Server(*pieces) as server, opened() as transport:
        response = await get(transport, server.url)
    assert (response.status, response.body) == (200, b"hi")


async def test_what_was_not_asked_for_is_not_taken_for_the_next_answer() -> None:
    async with Server(HELLO + OK + b"Content-Length: 6\r\n\r\nforged", stay=True) as server, opened() as transport:
        bodies = [(await get(transport, server.url)).body for _ in range(3)]
        assert bodies == [b"hi"] * 3
        assert server.connections == 3


UNASKED = OK + b"Content-Length: 6\r\n\r\nforged"


@pytest.mark.parametrize("ahead", [0, 1, 9, 17, len(UNASKED) - 1])
@pytest.mark.parametrize("gap", [b"", b"\r\n"])
async def test_an_unasked_answer_makes_its_connection_doubtful_in_whatever_pieces_it_comes(
    ahead: int, gap: bytes
) -> None:
    async with Server(HELLO + gap + UNASKED[:ahead], UNASKED[ahead:], stay=True) as server, opened() as transport:
        history = (await get(transport, server.url)).history
        await server.said.wait()
        assert history is not None
        assert history.doubt_reason
        assert (await get(transport, server.url)).body == b"hi"
        assert server.connections == 2


@pytest.mark.parametrize("unasked", [b"\r\n", b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n"])
async def test_what_servers_say_at_the_end_of_a_connection_makes_no_doubt(unasked: bytes) -> None:
    async with Server(HELLO, unasked, stay=True) as server, opened() as transport:
        history = (await get(transport, server.url)).history
        await server.said.wait()
        assert history is not None
        assert not history.doubt_reason


async def test_a_creation_that_was_not_written_before_its_connection_ended_is_not_unknown() -> None:
    """It waits for the end of the loop's iteration, to be written together with others."""
    async with Server(HELLO, stay=True) as server, opened() as transport:
        await get(transport, server.url)
        wire = transport._wire
        assert wire is not None
        wire._awaited += 1  # as if another request were in flight
        sent = asyncio.ensure_future(transport.send("POST", server.url, {}, b"{}", 1.0))
        asyncio.get_running_loop().call_soon(next(iter(wire.pool.idle_of(f"http://localhost:{server.port}"))).close)
        with pytest.raises(ConnectError):
            await sent
        assert len(server.heads) == 1


@pytest.mark.parametrize("cancel_at", [0.05, 0.15, 0.149, 0.151])
async def test_cancelling_around_the_time_out_leaves_no_connection_taken(cancel_at: float) -> None:
    async with Server(b"", stay=True) as server, opened() as transport:
        call = asyncio.create_task(transport.send("GET", server.url, {}, None, 0.15))
        await asyncio.sleep(cancel_at)
        call.cancel()
        with pytest.raises((asyncio.CancelledError, AnswerTimeoutError)):
            await call
        assert transport._session is not None
        assert transport._session.connector is not None
        assert not transport._session.connector._acquired


class Tardy(Server):
    """Answers the first request at the very moment at which its time is over, and no other."""

    def __init__(self, jump: Callable[[], None]) -> None:
        super().__init__()
        self._jump = jump

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)
        self._jump()  # before the loop looks at the answer, and then at its timers
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await reader.read()


@pytest.mark.one_loop  # whose clock can be set
async def test_a_request_after_an_answer_at_the_last_moment_has_a_time_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, ahead = asyncio.get_running_loop(), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + ahead)

    def jump() -> None:
        nonlocal ahead
        ahead += 60.0

    async with Tardy(jump) as server, opened(config(read_timeout=60.0)) as transport:
        assert (await transport.send("GET", server.url, {}, None, 60.0)).body == b"hi"
        server.asked.clear()
        call = asyncio.create_task(transport.send("GET", server.url, {}, None, 60.0))
        await server.asked.wait()
        assert server.connections == 1
        jump()
        await asyncio.wait([call], timeout=1.0)
        assert call.done()
        with pytest.raises(AnswerTimeoutError):
            await call


@pytest.mark.one_loop  # whose clock can be set
async def test_each_of_several_silent_requests_fails_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    now = start = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    async with Server(b"", stay=True) as server, opened(config(read_timeout=60.0)) as transport:
        calls = {end: asyncio.create_task(transport.send("GET", server.url, {}, None, end)) for end in (60.0, 5.0, 7.0)}
        while len(server.heads) < len(calls):  # noqa: ASYNC110  (the server tells of the first one only)
            await asyncio.sleep(0)
        for seconds in (4.9, 5.0, 6.9, 7.0, 59.9, 60.0):
            now = start + seconds
            for _ in range(10):
                await asyncio.sleep(0)
            assert [end for end, call in calls.items() if call.done()] == [end for end in calls if end <= seconds]
        results = await asyncio.gather(*calls.values(), return_exceptions=True)
    assert [type(result) for result in results] == [AnswerTimeoutError] * len(calls)


async def test_a_request_made_by_others_means_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original: Callable[..., object] = aiohttp.ClientSession._request

    async def noticed(session: aiohttp.ClientSession, method: str, url: object, **more: object) -> object:
        seen.append(method)
        return await original(session, method, url, **more)  # type: ignore[misc]

    async with Server(HELLO, stay=True) as server, opened(SMALL) as transport:
        await get(transport, server.url)
        monkeypatch.setattr(aiohttp.ClientSession, "_request", noticed)
        await get(transport, server.url)
        assert seen == ["GET"]
