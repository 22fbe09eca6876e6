"""HTTP/1.1 over aiohttp's connector and response parser, past ``ClientSession``: half the cost of a call.

``ClientSession.request`` prepares for what never happens here: redirects, cookies, authentication, streamed bodies,
traces. This sends the bytes that it would send and reads the answer with the same parser over the same pooled
connections. It uses three things that aiohttp does not document in full: ``BaseConnector.connect``, the protocol's
``set_response_params`` and its ``read``. :func:`usable` says whether they are there; if not, or if the caller's own
session or a proxy is to be used, :mod:`.transport` goes through ``ClientSession``. The tests run both ways.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import SERVER_SOFTWARE, HttpProcessingError
from yarl import URL

from ..errors import ConfigurationError
from .deadlines import Deadlines

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage
    from multidict import MultiMapping

    from .fences import Fence

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
"""Not HEAD, whose answer announces a body that does not come."""
_RESENT = frozenset({"GET", "PUT", "DELETE"})
"""What aiohttp sends once more by itself when a pooled connection turns out to be closed; never POST or PATCH."""
_TARGET = re.compile(r"/[!-~]*")
_VALUE = re.compile(r"[\t -~]*")


class Head(dict[str, str]):
    """Headers that are sent often: the bytes that they make are kept with them."""

    __slots__ = ("lines",)
    lines: bytes | None

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.lines = None


class Arrived(NamedTuple):
    """An answer's head; its body is read from ``content``."""

    status: int
    headers: MultiMapping[str]
    content: aiohttp.StreamReader
    connection: Connection


class _Origin(aiohttp.ClientRequest):
    """A request that is never sent: it tells the connector where all those of one origin go."""

    @property
    def connection_key(self) -> ConnectionKey:
        """Which pooled connections it may use; always the same."""
        return self._connection_key

    @cached_property
    def _connection_key(self) -> ConnectionKey:
        return super().connection_key


class Wire:
    """Requests to any origin over one connector."""

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        loop: asyncio.AbstractEventLoop,
        *,
        timeout: aiohttp.ClientTimeout,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._timeout = timeout
        self._ssl = ssl_context or True
        self._origins: dict[str, tuple[aiohttp.ClientRequest, bytes]] = {}
        self._awaited = 0
        self._silences = Deadlines(timeout.sock_read or 0.0)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,
        *,
        fence: Fence | None = None,
    ) -> Arrived:
        """Send a request and wait for the head of its answer.

        Raises:
            aiohttp.ClientError, OSError: as ``ClientSession.request``.
            FencedError: the fence did not let it leave.
        """
        origin, target = _split(url)
        request, host = self._origins.get(origin) or self._know(origin)
        if not _TARGET.fullmatch(target):
            raise ConfigurationError(f"not a request target: {target[:100]!r}")
        lines = headers.lines if isinstance(headers, Head) else None
        if lines is None:
            lines = _lines(headers)
            if isinstance(headers, Head):
                headers.lines = lines
        length = b"" if body is None and method == "GET" else b"Content-Length: %d\r\n" % len(body or b"")
        data = b"%b %b HTTP/1.1\r\n%b%b%b\r\n%b" % (
            method.encode(),
            target.encode(),
            host,
            lines,
            length,
            body or b"",
        )
        try:
            return await self._exchange(request, data, read_timeout, fence)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if method not in _RESENT or isinstance(error, aiohttp.ClientConnectorError):
                raise
        return await self._exchange(request, data, read_timeout, fence)

    async def _exchange(
        self, request: aiohttp.ClientRequest, data: bytes, read_timeout: float, fence: Fence | None
    ) -> Arrived:
        try:
            connection = await self._connector.connect(request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {request.url.origin()}") from error
        try:
            protocol = connection.protocol
            transport = connection.transport
            if protocol is None or transport is None:  # it was closed since it was taken from the pool
                raise aiohttp.ServerDisconnectedError  # noqa: TRY301  (the connection is let go of below)
            protocol.set_response_params(read_until_eof=True)
            if self._awaited:
                # What leaves in one turn of the loop wakes the other side once: a quarter less CPU on both sides.
                await asyncio.sleep(0)
            if fence is not None:
                fence.check()
            transport.write(data)
            message, content = await self._head(protocol, read_timeout)
            return Arrived(message.code, message.headers, content, connection)
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientPayloadError(f"not an HTTP answer: {error.message}") from error
        except BaseException:
            connection.close()
            raise

    async def _head(
        self, protocol: ResponseHandler, read_timeout: float
    ) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101  (the session has seen to it)
        self._awaited += 1
        silence = self._silences.watch(read_timeout, self._loop.time(), task)
        try:
            while True:
                message, content = await protocol.read()
                if not 100 <= message.code < 200 or message.code == 101:
                    return message, content
        except asyncio.CancelledError as cancelled:
            if silence.is_ours():
                raise aiohttp.SocketTimeoutError("Timeout on reading data from socket") from cancelled
            raise
        finally:
            self._awaited -= 1
            self._silences.done(read_timeout, silence)

    def close(self) -> None:
        """Watch no more over what is under way."""
        self._silences.close()

    def _know(self, origin: str) -> tuple[aiohttp.ClientRequest, bytes]:
        url = URL(origin, encoded=True)
        request = _Origin("GET", url, loop=self._loop, ssl=self._ssl)
        host = request.headers["Host"]
        known = self._origins[origin] = (request, f"Host: {host}\r\n".encode())
        return known


def usable() -> bool:
    """Whether this aiohttp has what is needed."""
    wanted: tuple[tuple[Any, str, set[str]], ...] = (
        (aiohttp.BaseConnector, "connect", {"req", "traces", "timeout"}),
        (ResponseHandler, "set_response_params", {"read_until_eof"}),
        (ResponseHandler, "read", set()),
    )
    return all(
        callable(method := getattr(owner, name, None)) and parameters <= inspect.signature(method).parameters.keys()
        for owner, name, parameters in wanted
    )


def _split(url: str) -> tuple[str, str]:
    start = url.index("/", url.index("://") + 3)
    return url[:start], url[start:]


def _lines(headers: Mapping[str, str]) -> bytes:
    named = {"User-Agent": SERVER_SOFTWARE, "Accept-Encoding": "gzip, deflate", **headers}
    for name, value in named.items():
        if not _VALUE.fullmatch(value):
            raise ConfigurationError(f"the header {name} holds a character that cannot be sent")
    return "".join(f"{name}: {value}\r\n" for name, value in named.items()).encode()
