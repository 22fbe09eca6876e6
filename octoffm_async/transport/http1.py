"""HTTP/1.1 over aiohttp's connections, without ``ClientSession``: at a fifth of its cost.

``ClientSession.request`` prepares for features that this package never uses: redirects, cookies, authentication,
streamed bodies, traces. This transport sends the same bytes over connections that the same connector opened (see
:mod:`.connection`). Responses of the usual form it reads itself (:mod:`.plain_response`), all others with the same
parser. It uses parts of aiohttp that are not fully documented; :func:`usable` tries them out. If that fails, or if the
caller passes a session or a proxy is to be used, :mod:`.aiohttp_transport` goes through ``ClientSession``. The tests
run both ways.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.http import SERVER_SOFTWARE
from yarl import URL

from ..errors import ConfigurationError
from ..header_rules import joined_headers
from .codings import ACCEPTED
from .connection import Http1Connection, can_parse
from .failures import to_package_error
from .pool import ConnectionPool
from .response import Response

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable, Mapping

    from aiohttp.client_reqrep import ConnectionKey

    from .connection import IdleConnections
    from .fences import Fence
    from .response import BoundedBodyReader

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
"""Not HEAD: its response announces a body that does not come."""
RESENT = frozenset({"GET", "PUT", "DELETE"})
"""Methods that aiohttp itself sends again when a pooled connection turns out to be closed; never POST or PATCH."""
LOST = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
IDLE_TOO_LONG = 408
"""The status with which some servers close a connection that had no request for a while."""
POSTS_MOST = 64
"""Addresses of POSTs that are remembered."""
_ADDRESS = re.compile(r"([^/]+//[^/]+)(/[!-~]*)?")
_VALUE = re.compile(r"[\t -~]*")


class CachedHeaders(dict[str, str]):
    """Request headers that are sent often, with a cache of their encoded lines; not changed once they are used."""

    __slots__ = ("_names", "lines")
    lines: bytes | None

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.lines = None
        self._names: frozenset[str] = frozenset()

    def extended(self, more: Mapping[str, str]) -> CachedHeaders:
        """Return these headers and more, which replace those of the same name, for one request."""
        self._names = self._names or frozenset(map(str.lower, self))
        if not self._names.isdisjoint(map(str.lower, more)):
            return CachedHeaders(joined_headers(self, more))
        made = CachedHeaders({**self, **more})
        made.lines = self.encoded() + _encoded(more)
        return made

    def encoded(self) -> bytes:
        """Return the encoded lines.

        Raises:
            ConfigurationError: A header cannot be sent.
        """
        if self.lines is None:
            self.lines = _lines(self)
        return self.lines


class _Request(aiohttp.ClientRequest):
    """A request that is never sent: it tells the connector the destination of all requests to one origin."""

    is_single: bool = False
    """True for connections that are not used again: the connector keeps none under their key."""

    @cached_property
    def connection_key(self) -> ConnectionKey:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The key of the pooled connections that it may use; always the same."""
        key = super().connection_key
        return key._replace(proxy_headers_hash=-1) if self.is_single else key


class _Origin(NamedTuple):
    """The destination of requests."""

    request: aiohttp.ClientRequest
    single: aiohttp.ClientRequest
    """The same destination, for a connection that is not used again."""
    host: bytes
    """The ``Host`` line of a request's head."""
    idle: IdleConnections


class Http1Transport:
    """A transport that sends requests to any origin over one connector."""

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        loop: asyncio.AbstractEventLoop,
        body: BoundedBodyReader,
        *,
        timeout: aiohttp.ClientTimeout,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._loop = loop
        self._body = body
        self._ssl = ssl_context or True
        self._origins: dict[str, _Origin] = {}
        self._posts: dict[str, tuple[_Origin, bytes]] = {}
        """The beginnings of the latest POSTs, by address: creations go to few."""
        self.pool: ConnectionPool = ConnectionPool(connector, loop, timeout=timeout)
        self._queued: list[tuple[Http1Connection, bytes, Fence | None]] = []
        self._awaited = 0

    async def send(  # noqa: C901, PLR0912  (the whole way of a request)
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,
        *,
        on_head: Callable[[Response], None] | None = None,
        fence: Fence | None = None,
    ) -> Response:
        """See :class:`~.aiohttp_transport.HeadReportingTransport` and :class:`~.aiohttp_transport.FencedTransport`."""
        origin, beginning = (method == "POST" and self._posts.get(url)) or self._beginning(method, url)
        lines = (headers.lines or headers.encoded()) if isinstance(headers, CachedHeaders) else _lines(headers)
        length = b"" if body is None and method == "GET" else b"Content-Length: %d\r\n" % len(body or b"")
        data = b"".join((beginning, lines, length, b"\r\n", body or b""))
        idle, pool = origin.idle, self.pool
        once_more = method in RESENT
        while True:
            connection: Http1Connection | None = None
            answered = False
            try:
                if idle.only_new and not once_more:
                    connection = await pool.connect(origin.single, idle, single=True)
                else:
                    connection = pool.take(idle) or await pool.connect(origin.request, idle)
                waiter = connection.expect()
                connection.deadline = deadline = self._loop.time() + read_timeout
                if deadline < pool.looks_at:
                    pool.watch(deadline)
                self._write(connection, data, fence)
                try:
                    status, named, content = await waiter
                finally:
                    self._awaited -= 1
                answered = True
                if on_head is not None:
                    on_head(Response(status, named, b"", url))
                if isinstance(content, bytes):
                    if len(content) > self._body.most:
                        self._body.check_size(len(content), status)
                else:
                    if status == IDLE_TOO_LONG and connection.is_reused:
                        idle.note_closing()
                    whole = await self._body.read(content, status, named, read_timeout)
                    content = self._body.finish(Response(status, named, whole, url), method)
                pool.put(connection)
                found = status, named, content, url, connection.history
                # What the constructor of a named tuple does, at half its cost.
                return tuple.__new__(Response, found)  # pyright: ignore[reportUnknownMemberType]
            except BaseException as error:
                if connection is not None:
                    connection.close()
                if not isinstance(error, aiohttp.ClientError | OSError):
                    raise
                lost = connection is not None and not answered and isinstance(error, LOST)
                if lost and connection is not None and connection.is_reused:
                    idle.note_closing()
                if not lost or not once_more:
                    sent = answered or (connection is not None and connection.request_sent)
                    raise to_package_error(error, url, request_sent=sent, is_direct=True) from error
                once_more = False

    def _write(self, connection: Http1Connection, data: bytes, fence: Fence | None) -> None:
        if not self._awaited:
            connection.send(data, fence)
        else:
            # Requests sent in one iteration of the loop wake the other side once: a quarter less CPU on both sides.
            if not self._queued:
                self._loop.call_soon(self._write_queued)
            self._queued.append((connection, data, fence))
        self._awaited += 1

    def _write_queued(self) -> None:
        queued, self._queued = self._queued, []
        for connection, data, fence in queued:
            connection.send(data, fence)

    def _beginning(self, method: str, url: str) -> tuple[_Origin, bytes]:
        """Return the destination of a request and the first lines of its head.

        Raises:
            ConfigurationError: The address cannot be sent.
        """
        if (parts := _ADDRESS.fullmatch(url)) is None:
            raise ConfigurationError(f"not a request target: {'/' + url.split('/', 3)[-1][:100]!r}")
        server, target = parts.groups("/")  # a token_url may be a server's name alone
        origin = self._origins.get(server) or self._know(server)
        found = origin, f"{method} {target} HTTP/1.1\r\n".encode() + origin.host
        if method == "POST":
            if len(self._posts) >= POSTS_MOST:
                self._posts.clear()
            self._posts[url] = found
        return found

    def _know(self, origin: str) -> _Origin:
        url = URL(origin, encoded=True)
        request = _Request("GET", url, loop=self._loop, ssl=self._ssl)
        single = _Request("GET", url, loop=self._loop, ssl=self._ssl)
        single.is_single = True
        host = f"Host: {request.headers['Host']}\r\n".encode()
        known = self._origins[origin] = _Origin(request, single, host, self.pool.idle_of(origin))
        return known


def usable() -> bool:
    """Return True if this aiohttp has the needed parts. Only to be called on a running event loop."""
    connect = inspect.signature(getattr(aiohttp.BaseConnector, "connect", usable))
    return {"req", "traces", "timeout"} <= connect.parameters.keys() and can_parse()


def _lines(headers: Mapping[str, str]) -> bytes:
    return _encoded({"User-Agent": SERVER_SOFTWARE, "Accept-Encoding": ACCEPTED, **headers})


def _encoded(named: Mapping[str, str]) -> bytes:
    for name, value in named.items():
        if not _VALUE.fullmatch(value):
            raise ConfigurationError(f"the header {name} contains a character that cannot be sent")
    return "".join(f"{name}: {value}\r\n" for name, value in named.items()).encode()
