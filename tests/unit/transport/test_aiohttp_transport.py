"""The wire itself: real sockets on loopback, and servers that do everything wrong.

All of it both ways: over aiohttp's connector, and through ``ClientSession`` where that cannot be used.
"""

import asyncio
import gzip
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import aiohttp
import pytest

from octoffm_async import (
    AnswerTimeoutError,
    ClosedError,
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    TLSError,
    UnusableAnswerError,
)
from octoffm_async.transport.aiohttp_transport import AiohttpTransport
from octoffm_async.transport.response import Response
from tests.support.fakes import config

OK = b"HTTP/1.1 200 OK\r\n"
MOST = 10_000
SMALL = config(connect_timeout=2.0, read_timeout=5.0, max_answer_bytes=MOST, max_connections=1)
SILENCE = 0.15
"""Seconds without a byte, where that is what is tested. Elsewhere a busy machine must not be taken for it."""


@pytest.fixture(params=["connector", "session"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that requests go."""
    if request.param == "session":
        monkeypatch.setattr("octoffm_async.transport.aiohttp_transport.usable", lambda: False)
    return request.param


class Server:
    """Says what it is told to say, whatever is asked (if ``eager``, unasked); keeps what it was asked."""

    def __init__(
        self, *pieces: bytes, stay: bool = False, eager: bool = False, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.pieces = pieces
        self.stay = stay
        self.eager = eager
        self.asked = asyncio.Event()
        self.said = asyncio.Event()
        """Set when all was said, and has arrived."""
        self.ssl_context = ssl_context
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self.ssl_context else 'http'}://localhost:{self.port}/seller/v2/stocks"

    async def __aenter__(self) -> Self:
        self.asked, self.said = asyncio.Event(), asyncio.Event()
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self.ssl_context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        handler = asyncio.ensure_future(self._talk(reader, writer))
        self._handlers.add(handler)
        await asyncio.wait([handler])
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                if not self.eager:
                    self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.asked.set()
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.005)
                self.said.set()
            except (asyncio.IncompleteReadError, OSError):
                return
            if not self.stay:
                return


@asynccontextmanager
async def opened(settings=SMALL, **given) -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport(settings, **given)
    transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def get(transport: AiohttpTransport, url: str, read_timeout: float = SMALL.read_timeout) -> Response:
    return await asyncio.wait_for(transport.send("GET", url, {}, None, read_timeout), 8)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_request_arrives_as_it_was_made_and_the_answer_as_it_was_sent() -> None:
    pieces = (OK + b"X-Thing: 1\r\nContent-Length: 4\r\n\r\nab", b"cd")
    async with Server(*pieces) as server, opened() as transport:
        url = f"{server.url}/S%2F1?cursor=a%2Bb&x=%20"
        response = await transport.send("POST", url, {"SellerId": "7"}, b'{"x":1}', SMALL.read_timeout)
    assert (response.status, response.body, response.url) == (200, b"abcd", url)
    assert response.headers["x-THING"] == "1"
    head = server.heads[0].decode()
    assert head.startswith("POST /seller/v2/stocks/S%2F1?cursor=a%2Bb&x=%20 HTTP/1.1\r\n")
    assert "SellerId: 7\r\n" in head


@pytest.mark.parametrize("status", [204, 301, 302, 303, 307, 308, 400, 404, 500, 503])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(status) -> None:
    async with Server() as elsewhere, opened() as transport:
        server = Server(f"HTTP/1.1 {status} X\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode())
        async with server:
            response = await get(transport, server.url)
    assert (response.status, response.body, elsewhere.connections) == (status, b"", 0)
    assert response.headers["Location"] == elsewhere.url


async def test_a_refused_port_means_nothing_was_sent() -> None:
    async with opened() as transport:
        with pytest.raises(ConnectError) as caught:
            await get(transport, f"http://127.0.0.1:{free_port()}/")
    assert type(caught.value) is ConnectError
    assert not re.search("ssl|None", str(caught.value), re.IGNORECASE)
    assert (caught.value.retryable, caught.value.bytes_left) == (True, False)


async def test_an_unknown_host_means_nothing_was_sent() -> None:
    async with opened() as transport:
        with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
            await get(transport, "http://nowhere.invalid/")


async def test_a_tls_handshake_that_takes_too_long_means_nothing_was_sent() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        settings = config(connect_timeout=0.1)
        async with opened(settings) as transport:
            with pytest.raises(ConnectError) as caught:
                await get(transport, f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert not caught.value.bytes_left


HELLO = OK + b"Content-Length: 2\r\n\r\nhi"


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_an_untrusted_certificate_means_nothing_was_sent(server_tls) -> None:
    async with Server(HELLO, ssl_context=server_tls) as server, opened() as transport:
        with pytest.raises(TLSError) as caught:
            await get(transport, server.url)
    assert server.heads == []
    assert (caught.value.retryable, caught.value.bytes_left) == (False, False)


async def test_an_own_authority_can_be_trusted(server_tls, client_tls) -> None:
    async with Server(HELLO, ssl_context=server_tls) as server, opened(ssl_context=client_tls) as transport:
        assert (await get(transport, server.url)).body == b"hi"


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_a_certificate_for_another_host_is_not_accepted(server_tls, client_tls) -> None:
    async with Server(HELLO, ssl_context=server_tls) as server, opened(ssl_context=client_tls) as transport:
        with pytest.raises(TLSError):
            await get(transport, server.url.replace("localhost", "127.0.0.1"))
    assert server.heads == []


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_plain_http_where_tls_is_expected_is_no_tls() -> None:
    async with Server(HELLO, eager=True) as server, opened() as transport:
        with pytest.raises(ConnectError):
            await get(transport, server.url.replace("http:", "https:"))


BROKEN = {
    "closed before answering": (),
    "truncated head": (b"HTTP/1.1 200 OK\r\nContent-Le",),
    "truncated body": (OK + b"Content-Length: 50\r\n\r\n", b"abc"),
    "truncated chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nab"),
    "no last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n"),
    "not HTTP": (b"\x00\x01\x02 SSH-2.0-x\r\n\r\n",),
    "bad length": (OK + b"Content-Length: many\r\n\r\n",),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",),
    "bad chunk at once": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n",),
    "not gzip": (OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", b"abcde"),
}


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_leaves_open_what_was_done(pieces) -> None:
    async with Server(*pieces) as server, opened() as transport:
        with pytest.raises(ConnectionLostError) as caught:
            await asyncio.wait_for(transport.send("POST", server.url, {}, b"{}", SMALL.read_timeout), 8)
    assert caught.value.bytes_left
    assert len(server.heads) == 1
    assert f"localhost:{server.port}" in str(caught.value)


async def test_a_bad_chunk_later_on_does_not_hang_longer_than_the_read_timeout() -> None:
    pieces = (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"zz\r\nab\r\n")
    async with Server(*pieces) as server, opened() as transport:
        with pytest.raises((ConnectionLostError, AnswerTimeoutError)):
            await get(transport, server.url, SILENCE)


@pytest.mark.parametrize("pieces", [(), (OK,), (OK + b"Content-Length: 9\r\n\r\nabc",)], ids=["no", "head", "part"])
async def test_silence_is_a_timeout(pieces) -> None:
    async with Server(*pieces, stay=True) as server, opened() as transport:
        with pytest.raises(AnswerTimeoutError) as caught:
            await get(transport, server.url, SILENCE)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.bytes_left


BOMB = gzip.compress(b"\0" * 5_000_000)
TOO_LARGE = {
    "announced": (OK + f"Content-Length: {MOST + 1}\r\n\r\n".encode(),),
    "by far": (OK + b"Content-Length: 99999999999999\r\n\r\n",),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"800\r\n" + b"x" * 0x800 + b"\r\n"] * 6),
    "bomb": (OK + f"Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode() + BOMB,),
    "until close": (OK + b"\r\n", b"x" * (MOST + 1)),
}


@pytest.mark.parametrize("pieces", TOO_LARGE.values(), ids=TOO_LARGE.keys())
async def test_too_large_an_answer_is_not_read_and_holds_no_connection(pieces) -> None:
    async with Server(*pieces, stay=True) as server, Server(HELLO) as other, opened() as transport:
        for _ in range(2):
            with pytest.raises(UnusableAnswerError, match="max_answer_bytes") as caught:
                await get(transport, server.url)
        assert caught.value.status == 200
        # A bomb is small on the wire: aiohttp may have had it all, and then the connection is clean and used again.
        assert server.connections == 2 or pieces is TOO_LARGE["bomb"]
        assert (await get(transport, other.url)).body == b"hi"


async def test_the_largest_answer_allowed_is_read() -> None:
    head = OK + f"Content-Length: {MOST}\r\n\r\n".encode()
    async with Server(head + b"x" * MOST) as server, opened() as transport:
        assert len((await get(transport, server.url)).body) == MOST


async def test_gzip_is_unpacked() -> None:
    packed = gzip.compress(b"{}")
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with Server(head + packed) as server, opened() as transport:
        assert (await get(transport, server.url)).body == b"{}"


async def test_a_connection_is_used_again() -> None:
    async with Server(HELLO, stay=True) as server, opened() as transport:
        for _ in range(3):
            assert (await get(transport, server.url)).status == 200
    assert (server.connections, len(server.heads)) == (1, 3)


async def test_cookies_are_not_kept() -> None:
    head = OK + b"Set-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with Server(head, stay=True) as server, opened() as transport:
        for _ in range(2):
            await get(transport, server.url)
    assert len(server.heads) == 2
    assert all(b"cookie" not in sent.lower() for sent in server.heads)


async def test_it_must_be_open() -> None:
    transport = AiohttpTransport(SMALL)
    with pytest.raises(ClosedError):
        await transport.send("GET", "http://127.0.0.1/", {}, None, SMALL.read_timeout)
    transport.open()
    transport.open()
    await transport.close()
    await transport.close()
    with pytest.raises(ClosedError):
        await transport.send("GET", "http://127.0.0.1/", {}, None, SMALL.read_timeout)


async def test_it_can_be_opened_again() -> None:
    async with Server(HELLO) as server:
        transport = AiohttpTransport(SMALL)
        for _ in range(2):
            transport.open()
            assert (await get(transport, server.url)).body == b"hi"
            await transport.close()


async def test_a_given_session_stays_open() -> None:
    async with Server(HELLO) as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with opened(session=session) as transport:
                assert (await get(transport, server.url)).body == b"hi"
            assert not session.closed


async def test_a_given_session_that_is_closed_is_told() -> None:
    async with aiohttp.ClientSession() as session:
        pass
    async with opened(session=session) as transport:
        with pytest.raises(ClosedError):
            await get(transport, "http://127.0.0.1/")


async def test_a_given_session_that_raises_for_status_changes_nothing() -> None:
    async with (
        Server(b"HTTP/1.1 400 X\r\nContent-Length: 2\r\n\r\n{}") as server,
        aiohttp.ClientSession(raise_for_status=True) as session,
        opened(session=session) as transport,
    ):
        assert (await get(transport, server.url)).status == 400


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:x"])
def test_an_impossible_address_is_refused_before_any_call(url) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        config().with_(base_url=url)


async def test_cancelling_gives_the_connection_back() -> None:
    async with Server(stay=True) as silent, Server(HELLO) as server, opened() as transport:
        call = asyncio.ensure_future(get(transport, silent.url))
        await silent.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await get(transport, server.url)).body == b"hi"
