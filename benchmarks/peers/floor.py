"""The least that Python can do: an asyncio protocol by hand, whole requests prebuilt but for the body.

It has no real pool, no time-outs, no redirects, no checks but the status: it only shows the lower bound.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import msgspec

from octoffm_async import OutboundShipmentRequest

from ..answers import HEADERS, ORDER
from .base import Spread, Target, Walked, next_address
from .tuned import CREATED, PAGE, STOCK

if TYPE_CHECKING:
    from octoffm_async import Stock

END = b"\r\n\r\n"
LENGTH = b"Content-Length: "
LINK = b"Link: "


class Connection(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: list[bytes] = []
        self._missing = 0
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._missing == 0:
            end = data.find(END)
            if end < 0:
                raise RuntimeError("the head came in pieces")
            at = data.index(LENGTH) + len(LENGTH)
            self._missing = end + 4 + int(data[at : data.index(b"\r\n", at)])
        self._missing -= len(data)
        self._chunks.append(data)
        if self._missing == 0 and self._answered is not None:
            whole = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._chunks.clear()
            self._answered.set_result(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError())

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request and return a future of the whole response."""
        self._answered = self._loop.create_future()
        self.transport.write(request)
        return self._answered


class Floor(Spread):
    """See Peer."""

    def __init__(self) -> None:
        self._order = msgspec.convert(ORDER, OutboundShipmentRequest)
        self._encode = msgspec.json.Encoder().encode
        self._free: list[Connection] = []

    async def open(self, target: Target) -> None:
        """See Peer."""
        self._target = target
        parts = urlsplit(target.origin)
        self._address = (parts.hostname or "", parts.port or 0)
        self._ssl = target.ssl_context()
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + f"Host: {parts.netloc}\r\n"
        self._post_head = f"POST {urlsplit(target.orders).path} HTTP/1.1\r\n{self._fields}Content-Length: ".encode()
        self._get_stock = self._get(target.stock)

    async def post(self) -> str:
        """See Peer."""
        body = self._encode(self._order)
        head, content = await self._ask(b"%b%d\r\n\r\n%b" % (self._post_head, len(body), body))
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(head)
        return CREATED.decode(content).outbound_shipment_id

    async def get(self) -> Stock:
        """See Peer."""
        head, content = await self._ask(self._get_stock)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head)
        return STOCK.decode(content)

    async def page_walk(self) -> Walked:
        """See Peer."""
        rows, last = 0, None
        address: str | None = self._target.stocks
        while address is not None:
            head, content = await self._ask(self._get(address))
            items = PAGE.decode(content).items
            _, _, link = head.partition(LINK)
            rows, last, address = rows + len(items), items[-1], next_address(self._target, link.decode())
        return Walked(rows, last)

    async def close(self) -> None:
        """See Peer."""
        for connection in self._free:
            connection.transport.close()

    def _get(self, address: str) -> bytes:
        parts = urlsplit(address)
        query = f"?{parts.query}" if parts.query else ""
        return f"GET {parts.path}{query} HTTP/1.1\r\n{self._fields}\r\n".encode()

    async def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        connection = self._free.pop() if self._free else await self._connect()
        answer = await connection.ask(request)
        self._free.append(connection)
        end = answer.index(END)
        return answer[:end], answer[end + 4 :]

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *self._address, ssl=self._ssl)
        return connection
