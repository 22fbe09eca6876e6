"""One HTTP request and its response: aiohttp behind an interface of three methods.

Its errors say whether the request may have reached the API, which decides on a retry. Redirects are not followed (a
token must not be sent to another address), cookies are not kept, and a response is read up to ``max_answer_bytes``.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
import warnings
from contextlib import nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakSet

import aiohttp
from yarl import URL

from ..affinity import silence
from ..errors import ClosedError, UnusableAnswerError
from ..settings.network import Proxy, proxy_for, tls_context
from .codings import ACCEPTED
from .connection import CLOSINGS_TO_LEARN, HEAD_LIMITS, is_cut_off, tls_of
from .failures import to_package_error
from .http1 import IDLE_TOO_LONG, LOST, METHODS, RESENT, Http1Transport, usable
from .response import BoundedBodyReader, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.abc import AbstractStreamWriter

    from ..config import Config
    from .fences import Fence

_PLAIN_REQUEST = aiohttp.ClientSession._request  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class Transport(Protocol):
    """The interface of an HTTP library for the session."""

    def open(self) -> None:
        """Prepare for sending, on the running event loop."""
        ...

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float
    ) -> Awaitable[Response]:
        """Send one request and read its whole response; silence is allowed for ``read_timeout`` seconds.

        Raises:
            ConnectError, TLSError: Nothing was sent.
            ConnectionLostError, AnswerTimeoutError: The API may have carried out the request.
            UnusableAnswerError: The response is larger than allowed.
            ClosedError: The transport is not open.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class HeadReportingTransport(Transport, Protocol):
    """A transport that can also report the head of a response before the body is read. Optional."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,
        *,
        on_head: Callable[[Response], None] | None = None,
    ) -> Awaitable[Response]:
        """Send as in :class:`Transport`; call ``on_head``, which must not raise, with the response without its body."""
        ...


class FencedTransport(Transport, Protocol):
    """A transport that calls a fence right before it writes the request to an open connection. Optional."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,
        *,
        fence: Fence | None = None,
    ) -> Awaitable[Response]:
        """Send as in :class:`Transport`, with no await between fence and writing; the fence's error is passed on."""
        ...


def as_head_reporting(transport: Transport) -> HeadReportingTransport | None:
    """Return the same transport if its ``send`` takes ``on_head``, else None."""
    return cast("HeadReportingTransport", transport) if _takes(transport, "on_head") else None


def as_fencing(transport: Transport) -> FencedTransport | None:
    """Return the same transport if its ``send`` takes ``fence``, else None."""
    return cast("FencedTransport", transport) if _takes(transport, "fence") else None


class _Connector(aiohttp.TCPConnector):
    """A connector that a forked child can give up: the collection of its copy is then no leak to warn of."""

    is_abandoned = False

    def __del__(self, _warnings: Any = warnings) -> None:
        if not self.is_abandoned:
            super().__del__(_warnings)


class AiohttpTransport:
    """A transport over aiohttp, with a session of its own or the caller's (which it does not close)."""

    def __init__(
        self,
        config: Config,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._ssl = ssl_context
        self._session = session
        self._owned = session is None
        self._timeout = _timeout(config, config.read_timeout)
        self._body = BoundedBodyReader(config.max_answer_bytes)
        self._wire: Http1Transport | None = None
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._closings = 0
        """Requests through ``ClientSession`` that a server lost; once there are a few, see :mod:`.pool`."""
        self._single: aiohttp.ClientSession | None = None
        self._proxies: dict[URL, Proxy] = {}
        """The proxies for the API and for tokens, by origin."""

    def open(self) -> None:
        """Create a session unless the caller passed one."""
        if not self._owned or self._session is not None:
            return
        if self._ssl is None:
            self._ssl = tls_context(self._config)
        if self._ssl is None and (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
            self._ssl = ssl.create_default_context()  # aiohttp's own is as old as its import
        connector = _Connector(
            limit=self._config.max_connections,
            keepalive_timeout=self._config.keepalive,
            ttl_dns_cache=300,
            ssl=self._ssl or True,
            socket_factory=self._make_socket,
        )
        self._session = self._new_session(connector)
        # Tracing libraries give each new session trace configs, which only ClientSession calls.
        origins = {URL(url).origin() for url in (self._config.base_url, self._config.token_url)}
        found = {origin: proxy_for(origin, self._config) for origin in origins}
        self._proxies = {origin: proxy for origin, proxy in found.items() if proxy is not None}
        if not self._proxies and not self._session.trace_configs and usable():
            loop = asyncio.get_running_loop()
            self._wire = Http1Transport(connector, loop, self._body, timeout=self._timeout, ssl_context=self._ssl)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        read_timeout: float,
        *,
        on_head: Callable[[Response], None] | None = None,
        fence: Fence | None = None,
    ) -> Awaitable[Response]:
        """See :class:`HeadReportingTransport` and :class:`FencedTransport`."""
        session, wire = self._session, self._wire
        if session is None:
            raise ClosedError("the client is not open")
        if wire is not None and method in METHODS and _is_plain(session):
            return wire.send(method, url, headers, body, read_timeout, on_head=on_head, fence=fence)
        if self._closings >= CLOSINGS_TO_LEARN and method not in RESENT:
            session = self._session_of_single_connections(session)
        data = _watched(body, fence, session)
        return self._send_through(session, method, url, headers, data, read_timeout=read_timeout, on_head=on_head)

    async def close(self) -> None:
        """Close the session if this transport created it."""
        for session in self._release():
            await session.close()

    async def discard(self) -> None:
        """Close the sockets without the event loop, which is closed."""
        wire, self._wire = self._wire, None
        await self.close()  # before the pool returns its connections, for which a connector needs its loop
        if wire is not None:
            wire.pool.close()
        for each in list(self._sockets):
            each.close()

    def abandon(self) -> None:
        """Give up the connections in a forked child; nothing that happens to their copies reaches the parent's."""
        for each in list(self._sockets):
            if (descriptor := each.fileno()) >= 0:
                silence(descriptor)
        self._wire = None
        for session in self._release():
            if isinstance(connector := session.connector, _Connector):
                connector.is_abandoned = True
            session.detach()
        self._session = None

    def _release(self) -> list[aiohttp.ClientSession]:
        """Close the wire, and return the sessions that are to be closed; a caller's own session stays."""
        sessions = [session for session in (self._session, self._single) if session is not None]
        if not self._owned:
            return []
        wire, self._wire, self._session, self._single = self._wire, None, None, None
        if wire is not None:
            wire.pool.close()
        return sessions

    def _new_session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    def _session_of_single_connections(self, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        """Return a session that uses no connection twice, in place of one of our own (see :mod:`.pool`)."""
        if self._owned and self._single is None:
            limit = self._config.max_connections
            connector = _Connector(
                limit=limit, force_close=True, ssl=self._ssl or True, socket_factory=self._make_socket
            )
            self._single = self._new_session(connector)
        return self._single or session

    def _make_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol = address[:3]
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made

    def _timeout_for(self, read_timeout: float) -> aiohttp.ClientTimeout:
        if read_timeout == self._timeout.sock_read:
            return self._timeout
        return _timeout(self._config, read_timeout)

    async def _send_through(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: bytes | _WatchedBody | None,
        *,
        read_timeout: float,
        on_head: Callable[[Response], None] | None,
    ) -> Response:
        plain: dict[str, Any] = {}
        if is_plain := _is_plain(session):
            plain = {**HEAD_LIMITS, "auto_decompress": False}
            if self._ssl is not None:
                plain["ssl"] = self._ssl  # as for the other way, which shares the connector's connections
            headers = {"Accept-Encoding": ACCEPTED, **headers}
            if self._closings >= CLOSINGS_TO_LEARN and session is not self._single:
                headers["Connection"] = "close"  # all that can be done with a session of the caller's
        proxy = self._proxies.get(_url(url).origin()) if self._proxies else None
        if proxy is not None:
            plain |= proxy.arguments(_url(url))
            headers = {**headers, **proxy.own_headers(_url(url))}
        try:
            with nullcontext() if self._wire is None else self._wire.pool.giving_back():
                response = await session.request(
                    method,
                    _url(url),
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    raise_for_status=False,
                    timeout=self._timeout_for(read_timeout),
                    **plain,
                )
            return await self._read(response, url, read_timeout, on_head, decodes=is_plain)
        except (aiohttp.ClientError, OSError) as error:
            self._closings += isinstance(error, LOST) and not isinstance(error, aiohttp.ClientConnectorError)
            sent = not isinstance(data, _WatchedBody) or data.has_left
            raise to_package_error(error, url, request_sent=sent, is_direct=self._owned and proxy is None) from error
        except RuntimeError as error:
            if session.closed:
                raise ClosedError("the aiohttp session is closed") from error
            raise

    async def _read(
        self,
        response: aiohttp.ClientResponse,
        url: str,
        read_timeout: float,
        on_head: Callable[[Response], None] | None,
        *,
        decodes: bool,
    ) -> Response:
        status, named = response.status, response.headers
        self._closings += status == IDLE_TOO_LONG
        connection = response.connection
        tls = None if connection is None else tls_of(connection.transport)
        try:
            if on_head is not None:
                on_head(Response(status, named, b"", url))
            whole = (
                b""
                if response.method == "HEAD"
                else await self._body.read(response.content, status, named, read_timeout)
            )
        except UnusableAnswerError:
            response.close()
            raise
        finally:
            response.release()
        if "Content-Length" not in named and "Transfer-Encoding" not in named and is_cut_off(tls):
            raise aiohttp.ClientPayloadError("Response payload is not completed: TLS ended without its goodbye")
        read = Response(status, named, whole, url)
        return read._replace(body=self._body.finish(read, response.method)) if decodes else read


class _WatchedBody(aiohttp.BytesPayload):
    """A body that passes a fence, if there is one; the head of the request is written with it or not at all.

    ``has_left`` becomes true right before the writing. A failure before that happened on the way to the API, such as a
    failure of a proxy that was asked to connect, and the API has received nothing.
    """

    def __init__(self, body: bytes, fence: Fence | None) -> None:
        super().__init__(body)
        self.has_left = False
        self._fence = fence

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if writer.transport is None or writer.transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the connection was closed before the request was written")
        if self._fence is not None:
            self._fence.check()
        self.has_left = True
        await super().write_with_length(writer, content_length)


def _watched(body: bytes | None, fence: Fence | None, session: aiohttp.ClientSession) -> bytes | _WatchedBody | None:
    # A library that replaces aiohttp's sending may look at the body: it gets bytes, unless there is a fence.
    if body and (fence is not None or _is_plain(session)):
        return _WatchedBody(body, fence)
    if fence is not None:
        fence.check()
    return body


def _takes(transport: Transport, name: str) -> bool:
    try:
        return name in inspect.signature(transport.send).parameters
    except (TypeError, ValueError):
        return False


def _is_plain(session: aiohttp.ClientSession) -> bool:
    """Return True if aiohttp itself sends the requests: libraries for tests and tracing replace its method."""
    return type(session)._request is _PLAIN_REQUEST  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _timeout(config: Config, read_timeout: float) -> aiohttp.ClientTimeout:
    # Never ``total``: it would count the wait for a connection; the deadline of the call bounds the whole.
    return aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout, sock_read=read_timeout)


@lru_cache(maxsize=1024)
def _url(url: str) -> URL:
    return URL(url, encoded=True)
