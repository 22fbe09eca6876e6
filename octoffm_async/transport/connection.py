"""One connection of the pool: one request at a time, and the head of its response as soon as it is received.

aiohttp opened the connection, and its parser reads all but plain responses (:mod:`.plain_response`). The class here
takes the place of aiohttp's protocol on the socket, because that one uses two waits, a queue and a timer per response;
here it is one future.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser

from .connection_history import ConnectionHistory
from .failures import unreadable_head
from .plain_response import read_plain

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from multidict import MultiMapping

    from .fences import Fence

READ_AHEAD = 2**18
"""Half the number of bytes of a body that are buffered before reading from the socket is paused; the bytes read at a
time."""
HEAD_LIMITS: dict[str, Any] = {"max_line_size": 33_792, "max_field_size": 33_792, "max_headers": 1024}
"""The largest head of a response: header lines with a value of 32 KiB, and their number."""

CLOSINGS_TO_LEARN = 3
"""Connections that a server closes early and unannounced before requests that may not be sent twice avoid used ones."""
LASTING_TO_UNLEARN, LASTING_MOST = 100, 3200
"""Connections in a row that last, unused, before used ones are trusted again; twice as many each time it was wrong."""
logger: logging.Logger = logging.getLogger("octoffm_async")
_UNASKED = "a response came over its connection that no request waited for"
_NO_SUCCESS = re.compile(rb"\s*(?:HTTP/1\.[01] [^2]|\Z)")
"""Data that is of no response that another request was meant to get: line ends, and the 408 with which a server may
close an idle connection. All else may be of one, which may come in pieces."""
_SAMPLE = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"

ResponseHead: TypeAlias = "tuple[int, MultiMapping[str], bytes | aiohttp.StreamReader]"
"""The status and the headers of a response; the body of a plain one, else the stream of the body."""


class IdleConnections(dict["Http1Connection", None]):
    """The idle connections of one origin, the last one in is the first one out; and how their server ends them."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin
        self.open: set[Http1Connection] = set()
        """All connections, those in use included."""
        self.only_new: bool = False
        """True while requests that may not be sent twice get a new connection each."""
        self.watched: dict[Http1Connection, None] = {}
        self._closings = 0
        self._lasting = 0
        self._closings_to_learn = CLOSINGS_TO_LEARN
        self._lasting_to_unlearn = LASTING_TO_UNLEARN

    @cached_property
    def buffer(self) -> memoryview:
        """The buffer that all connections read into, each time the data is copied out of it at once."""
        return memoryview(bytearray(READ_AHEAD))

    def lost(self, connection: Http1Connection) -> None:
        """Remove a connection that the server closed, if it is here."""
        if (connection in self or connection in self.watched) and not connection.is_idle:
            self.note_closing()
        self.remove(connection)

    def remove(self, connection: Http1Connection) -> None:
        """Remove a connection, if it is here."""
        self.open.discard(connection)
        self.pop(connection, None)
        self.watched.pop(connection, None)

    def note_closing(self) -> None:
        """Note that the server closed a connection soon after a response, without saying so."""
        self._lasting = 0
        self._closings += 1
        if self._closings >= self._closings_to_learn and not self.only_new:
            self.only_new = True
            logger.warning(
                "%s closes connections without announcing it: creations now use a new connection each", self.origin
            )

    def note_lasting(self) -> None:
        """Note that a connection lasted without a request."""
        self._lasting += 1
        if self._lasting < self._lasting_to_unlearn:
            return
        self._closings = self._lasting = 0
        if self.only_new:
            self.only_new = False
            self._closings_to_learn = 1
            self._lasting_to_unlearn = min(2 * self._lasting_to_unlearn, LASTING_MOST)
            logger.warning("%s keeps connections open again: creations share them", self.origin)


class Http1Connection(BaseProtocol, asyncio.BufferedProtocol):
    """The protocol between a socket that aiohttp connected and the requests sent over it, one after another.

    asyncio's own loop reads a buffered protocol without a new buffer of 256 KiB for each response: those would cost
    three system calls and two page faults. uvloop has a buffer of its own, and calls :meth:`data_received`.

    ``deadline`` is the time by which the head of the awaited response must come (:meth:`~.pool.ConnectionPool.watch`).
    """

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        idle_connections: IdleConnections,
        *,
        is_reused: bool,
        is_single: bool,
    ) -> None:
        super().__init__(loop)
        handler, transport = connection.protocol, connection.transport
        if handler is None or transport is None or handler.should_close:  # lost since, or it received unrequested data
            connection.close()
            raise aiohttp.ServerDisconnectedError
        self.deadline: float = 0.0
        self.is_idle: bool = False
        self.is_reused: bool = is_reused
        """True once it has carried a request and its response."""
        self.is_single: bool = is_single
        """True if it is closed after its first response."""
        self.idle_connections: IdleConnections = idle_connections
        self.history: ConnectionHistory = ConnectionHistory(self.close, is_new=not (is_reused or is_single))
        self.transport: asyncio.Transport | None = transport
        self._connection = connection
        self._handler = handler
        self._waiter: asyncio.Future[ResponseHead] | None = None
        self._content: aiohttp.StreamReader | None = None
        self._usable = True
        self.request_sent: bool = False
        """True from the writing of a request until its response is read: data is then part of the response."""
        transport.set_protocol(self)
        idle_connections.open.add(self)

    def is_open(self) -> bool:
        """Return True if a request may be sent."""
        return self._usable and self.transport is not None and not self.transport.is_closing()

    def expect(self) -> asyncio.Future[ResponseHead]:
        """Return the future of the response to the request that is sent next.

        It raises aiohttp's errors (a lost connection, a time-out, a response that is not HTTP) and those of the fence.
        """
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def send(self, data: bytes, fence: Fence | None) -> None:
        """Send a request, unless its response is no longer awaited, the connection ends or the fence rejects it."""
        if self._waiter is None or self._waiter.done() or self.transport is None:
            return
        try:
            if self.transport.is_closing():  # since this connection was taken; it would drop the bytes
                raise aiohttp.ServerDisconnectedError  # noqa: TRY301  (as the fence's)
            if fence is not None:
                fence.check()
            self.request_sent = True
            self.transport.write(data)
        except Exception as error:  # noqa: BLE001  (the request that awaits the response gets it)
            self._fail(error)

    def finish(self) -> bool:
        """Mark the response as read; return True if another request may follow."""
        if self._parser is not None:  # else it was a plain one
            content, self._content = self._content, None
            self.request_sent = False  # data received from now on was not requested
            self._parser = None
            if content is None or not content.is_eof() or content.exception() is not None:
                self._usable = False
        return self.is_open()

    def is_silent(self) -> bool:
        """Return True if a request awaits the head of its response."""
        return self._waiter is not None

    def expire(self) -> None:
        """Let the request fail: the head of its response did not come in time."""
        self._fail(aiohttp.SocketTimeoutError("Timeout on reading data from socket"))

    def release(self) -> ResponseHandler:
        """Return the connection to aiohttp, which keeps it for a while; return its protocol there."""
        self.idle_connections.remove(self)
        if self.transport is not None:
            self.transport.set_protocol(self._handler)
        self._connection.release()
        return self._handler

    def close(self) -> None:
        """Close the connection."""
        self._usable = False
        self.idle_connections.remove(self)
        self._connection.close()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """See :class:`asyncio.BufferedProtocol`."""
        return self.idle_connections.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See :class:`asyncio.BufferedProtocol`."""
        self.data_received(bytes(self.idle_connections.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if not self.request_sent:  # no request waits for it, so it is not the response to the next one either
            if not _NO_SUCCESS.match(data):
                self.history.doubt(_UNASKED)
            self.idle_connections.lost(self)
            self._fail(aiohttp.ServerDisconnectedError())
            self.close()
            return
        if self._parser is None:
            waiter = self._waiter
            if waiter is not None and (plain := read_plain(data)) is not None:
                self._waiter = None
                self.request_sent = False  # data received from now on was not requested
                if not waiter.done():
                    waiter.set_result(plain)
                return
            self._parser = _parser(self, self._loop)
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001  (of whatever kind: these bytes are no response)
            self._fail(unreadable_head(error))
            self.close()
            return
        for message, content in messages:
            if 100 <= message.code < 200 and message.code != 101:
                continue
            waiter, self._waiter = self._waiter, None
            if message.should_close or upgraded or waiter is None:
                self._usable = False
            if waiter is None and 200 <= message.code < 300:
                self.history.doubt(_UNASKED)
            if waiter is not None and not waiter.done():
                self._content = content
                waiter.set_result((message.code, message.headers, content))

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  (as the stream calls it)
        """Resume reading if it was paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._usable = False
        self.idle_connections.lost(self)
        error: BaseException | None = exc
        if isinstance(exc, OSError):
            error = aiohttp.ClientOSError(*exc.args)
            error.__cause__ = exc
        if error is None and self._waiter is None and self._parser is not None:
            try:
                if self._content is not None and not self._content.is_eof() and is_cut_off(tls_of(self.transport)):
                    raise ssl.SSLEOFError("TLS ended without its goodbye")  # noqa: TRY301  (as the parser's errors)
                self._parser.feed_eof()  # the end of a body that ends with its connection
            except Exception as reason:  # noqa: BLE001
                error = aiohttp.ClientPayloadError(f"Response payload is not completed: {reason!r}")
        self._fail(error or aiohttp.ServerDisconnectedError())
        self._handler.connection_lost(exc)
        super().connection_lost(exc)
        self._connection.close()

    def _fail(self, error: BaseException) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif self._content is not None and not self._content.is_eof():
            self._content.set_exception(error)


def tls_of(transport: asyncio.BaseTransport | None) -> ssl.SSLObject | None:
    """Return the TLS of an open connection; None if it has none."""
    tls: ssl.SSLObject | None = None if transport is None else transport.get_extra_info("ssl_object")
    return tls


def is_cut_off(tls: ssl.SSLObject | None) -> bool:
    """Return True if a closed TLS connection ended without the message that proves its end: data may be missing."""
    if tls is None:
        return False
    try:
        return bool(tls.read(1))
    except ssl.SSLZeroReturnError:
        return False  # the message has come
    except (ssl.SSLError, ValueError):
        return True  # more would have to come


def can_parse() -> bool:
    """Return True if aiohttp's parser behaves as this module expects, tried out on a sample response."""
    loop = asyncio.get_running_loop()
    try:
        messages, upgraded, rest = _parser(BaseProtocol(loop), loop).feed_data(_SAMPLE)
        ((message, content),) = messages
        read = content.is_eof() and content.exception() is None and content.read_nowait(-1) == b"{}"
    except Exception:  # noqa: BLE001  (any error means that it does not behave as expected)
        return False
    return read and message.code == 201 and not (message.should_close or upgraded or rest)


def _parser(protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> HttpResponseParser:
    return HttpResponseParser(
        protocol,
        loop,
        READ_AHEAD,
        read_until_eof=True,
        payload_exception=aiohttp.ClientPayloadError,
        auto_decompress=False,  # see :mod:`.codings`
        **HEAD_LIMITS,
    )
