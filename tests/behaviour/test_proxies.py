"""A proxy that does not connect: whatever it does in place of it, the API has seen nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from octoffm_async import ConnectError, FulfillmentClient
from tests.support.fakes import config
from tests.support.items import order

GIVEN = b'{"access_token": "abcdefgh", "expires_in": 3600}'
TOKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(GIVEN), GIVEN)


class Proxy:
    """Answers each CONNECT with ``said`` and hangs up; a request for a token gets one."""

    def __init__(self, said: bytes) -> None:
        self.heads: list[bytes] = []
        self._said = said

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"CONNECT "):
                writer.write(TOKEN)
                return
            self.heads.append(head)
            writer.write(self._said)
        finally:
            writer.close()


@asynccontextmanager
async def behind(proxy: Proxy) -> AsyncIterator[FulfillmentClient]:
    """A client whose session goes through the proxy, and has a token already."""
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plain = config(max_attempts=2, backoff_base=0.0).with_(
        base_url="https://api.example/v2", token_url="http://api.example/token", allow_insecure_http=True
    )
    async with server, aiohttp.ClientSession(proxy=f"http://127.0.0.1:{port}") as session:
        async with FulfillmentClient(plain, session=session, hooks=()) as client:
            yield client


def refusal(status: int, reason: str = "No") -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize(
    ("status", "times"), [(302, 2), (400, 1), (403, 1), (407, 1), (429, 2), (500, 2), (502, 2), (503, 2)]
)
async def test_a_refused_connect_is_sure_to_have_sent_nothing(status: int, times: int) -> None:
    proxy = Proxy(refusal(status))
    async with behind(proxy) as client:
        with pytest.raises(ConnectError, match=f"a proxy refused to connect to .*: {status} No") as caught:
            await client.outbound.create(order("A"))
    error = caught.value
    assert (error.proxy_status, error.outcome_unknown, error.bytes_left) == (status, False, False)
    assert error.retryable is (times == 2)
    assert len(proxy.heads) == times
    assert all(head.startswith(b"CONNECT ") for head in proxy.heads)


@pytest.mark.parametrize("proxy", [Proxy(b""), Proxy(b"HTTP/1.1 2"), Proxy(b"no HTTP\r\n\r\n")])
async def test_a_proxy_that_breaks_off_has_sent_nothing(proxy: Proxy) -> None:
    async with behind(proxy) as client:
        with pytest.raises(ConnectError) as caught:
            await client.outbound.create(order("A"))
    assert (caught.value.outcome_unknown, caught.value.proxy_status) == (False, 0)
    assert proxy.heads


async def test_what_a_proxy_says_is_reported_in_part_and_without_control_signs() -> None:
    async with behind(Proxy(refusal(403, "\x1b[31m" + "x" * 500))) as client:
        with pytest.raises(ConnectError) as caught:
            await client.outbound.create(order("A"))
    assert "\x1b" not in str(caught.value)
    assert str(caught.value).count("x") < 150
