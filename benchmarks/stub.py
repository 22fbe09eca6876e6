"""The server that peers are measured against: HTTP/1.1 by hand, prebuilt responses, in a process of its own.

It answers the token endpoint, ``POST /outbound-shipments``, ``GET /stocks/{id}`` and ``GET /stocks`` (pages with a
``Link`` header, as many as set), counts requests by kind, and reports its own CPU, so that each measurement can show
that the client and not the server was the bottleneck. Under two other base paths it uses other names: all in
PascalCase, or those that a contract file gives. ``PUT /_stub`` sets the number of pages and the latency and answers the
counts; it is not counted.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, Self, cast

import msgspec

from .answers import (
    API,
    CREATED_BODY,
    PASCAL_API,
    RENAMED_API,
    STOCKS,
    TOKEN_BODY,
    TOKEN_PATH,
    in_pascal,
    renamed,
    respelled,
    stock,
)
from .child import adopt

if TYPE_CHECKING:
    from collections.abc import Callable

END = b"\r\n\r\n"
LENGTH = b"content-length:"
CURSOR = b"cursor="


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The start message of a stub: its processors, and the file of a certificate if it uses TLS."""

    cpus: list[int]
    certificate: str | None = None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that can be changed while the stub runs. ``latency`` in seconds."""

    pages: int = 1
    latency: float = 0.0


class Counts(msgspec.Struct, kw_only=True):
    """Requests since the start. ``cpu`` in seconds of the stub's process."""

    posts: int = 0
    gets: int = 0
    pages: int = 0
    tokens: int = 0
    unknown: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connections: int = 0
    cpu: float = 0.0
    last_order: str = ""

    @property
    def requests(self) -> int:
        """All requests, token calls left out."""
        return self.posts + self.gets + self.pages + self.unknown


def head(status: str, length: int, extra: str = "") -> bytes:
    """Return the head of a JSON response."""
    text = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{extra}\r\n"
    return text.encode()


def whole(status: str, body: bytes) -> bytes:
    """Return a JSON response."""
    return head(status, len(body)) + body


class Face(NamedTuple):
    """The API under one base path: the beginnings of its requests, and its responses."""

    api: str
    post_order: bytes
    get_stock: bytes
    list_stocks: bytes
    stock: bytes
    page: bytes

    @classmethod
    def spelled(cls, api: str, name: Callable[[str], str]) -> Self:
        """Return the API whose stocks have the names that ``name`` gives."""
        return cls(
            api,
            f"POST {api}/outbound-shipments".encode(),
            f"GET {api}/stocks/".encode(),
            f"GET {api}/stocks?".encode(),
            whole("200 OK", msgspec.json.encode(respelled(stock(0), name))),
            msgspec.json.encode(respelled(STOCKS, name)),
        )


USUAL = Face.spelled(API, str)
FACES = USUAL, Face.spelled(PASCAL_API, in_pascal), Face.spelled(RENAMED_API, renamed)
CREATED = whole("201 Created", CREATED_BODY % 0).replace(b"%012x" % 0, b"%012x")
STOCK = USUAL.stock
TOKEN = whole("200 OK", TOKEN_BODY)
NOT_FOUND = whole("404 Not Found", b"{}")
POST_TOKEN = f"POST {TOKEN_PATH}".encode()
CONTROL = b"PUT /_stub"


class Stub:
    """State that all connections share."""

    def __init__(self) -> None:
        self.setting = Setting()
        self.counts = Counts()
        self._last_order = b""

    def answer(self, request: bytes, start: int, body: int, stop: int) -> list[bytes]:
        """Return the pieces of a response; the request is ``request[start:stop]``, its body begins at ``body``."""
        if request.startswith(CONTROL, start):
            return [self._control(request[body:stop])]
        pieces = self._answer(request, start, body, stop)
        self.counts.bytes_in += stop - start
        self.counts.bytes_out += sum(map(len, pieces))
        return pieces

    def _answer(self, request: bytes, start: int, body: int, stop: int) -> list[bytes]:
        counts = self.counts
        for face in FACES:
            if request.startswith(face.post_order, start):
                counts.posts += 1
                self._last_order = request[body:stop]
                return [CREATED % counts.posts]
            if request.startswith(face.get_stock, start):
                counts.gets += 1
                return [face.stock]
            if request.startswith(face.list_stocks, start):
                counts.pages += 1
                return self._page(request[start : request.index(b" HTTP/1.1\r\n", start)], face)
        if request.startswith(POST_TOKEN, start):
            counts.tokens += 1
            return [TOKEN]
        counts.unknown += 1
        return [NOT_FOUND]

    def _page(self, line: bytes, face: Face) -> list[bytes]:
        at = line.find(CURSOR)
        number = 1 if at < 0 else int(line[at + len(CURSOR) :].partition(b"&")[0])
        link = f'Link: <{face.api}/stocks?limit=1000&cursor={number + 1}>; rel="next"\r\n'
        return [head("200 OK", len(face.page), link if number < self.setting.pages else ""), face.page]

    def _control(self, body: bytes) -> bytes:
        if body:
            self.setting = msgspec.json.decode(body, type=Setting)
        self.counts.cpu = time.process_time()
        self.counts.last_order = self._last_order.decode()
        return whole("200 OK", msgspec.json.encode(self.counts))


class Connection(asyncio.Protocol):
    """One connection: requests are answered in their order, pipelined or not."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._rest = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._write = cast("asyncio.Transport", transport).writelines
        self._stub.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        stub, start = self._stub, 0
        pieces: list[bytes] = []
        if self._rest:
            data = self._rest + data
        while (end := data.find(END, start)) >= 0:
            body = stop = end + 4
            if data[start] == 80:  # a POST or PUT has a body
                stop += _length(data, start, end)
                if stop > len(data):
                    break
            pieces += stub.answer(data, start, body, stop)
            start = stop
        self._rest = data[start:]
        if not pieces:
            return
        if stub.setting.latency:
            self._loop.call_later(stub.setting.latency, self._write, pieces)
        else:
            self._write(pieces)


def _length(data: bytes, start: int, end: int) -> int:
    lowered = data[start:end].lower()
    at = lowered.index(LENGTH) + len(LENGTH)
    line_end = lowered.find(b"\r\n", at)
    return int(lowered[at:] if line_end < 0 else lowered[at:line_end])


async def serve(start: Start) -> None:
    """Serve until standard input ends; the first line of standard output is the port."""
    context = None
    if start.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(start.certificate)
    stub = Stub()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gone = asyncio.Event()
    loop.add_reader(sys.stdin, gone.set)
    await gone.wait()
    server.close()


def main() -> None:
    """Run as ``python -m benchmarks.stub SETTINGS``."""
    start = msgspec.json.decode(sys.argv[1], type=Start)
    with adopt(start.cpus, "uvloop") as runner:
        runner.run(serve(start))


if __name__ == "__main__":
    main()
