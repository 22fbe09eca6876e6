"""An API over raw sockets whose connections fall out of step, and that tells the truth only in its list."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from octoffm_async import Config, FulfillmentClient
from tests.support.fakes import config


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any


def http(status: int, content: Any, *, kind: str = "application/json") -> bytes:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    date = format_datetime(datetime.now(UTC), usegmt=True)
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nDate: {date}\r\n\r\n"
    return head.encode() + body


class Link:
    """One connection, as the API has it. ``due`` is what it will say before anything else, to the next request."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.writer = writer
        self.creations = 0
        self.due: list[bytes] = []
        self.over = asyncio.Event()


class Api:
    """``lie(link, reference, honest)`` says what a creation is answered; all other answers are true."""

    def __init__(self, lie: Callable[[Api, Link, str, bytes], list[bytes]]) -> None:
        self.lie = lie
        self.ids: dict[str, str] = {}
        """The reference of each order that exists, by its id."""
        self.calls: list[str] = []
        self.links: list[Link] = []
        self.make_id: Callable[[str], str] = lambda reference: str(uuid.uuid5(uuid.NAMESPACE_URL, reference))
        self._copies = itertools.count(2)

    def create(self, reference: str) -> str:
        made = self.make_id(reference)
        if made in self.ids:
            made += f"-{next(self._copies)}"
        self.ids[made] = reference
        return made

    def settings(self, port: int) -> Config:
        origin = f"http://127.0.0.1:{port}"
        return config(max_connections=1).with_(base_url=f"{origin}/seller/v2", token_url=f"{origin}/token")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(len(self.links), writer)
        self.links.append(link)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target, *lines = head.decode().split("\r\n")
                length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
                body = await reader.readexactly(length)
                method, address, _ = target.split(" ")
                parts = urlsplit(address)
                is_json = body[:1] == b"{"
                request = Request(
                    method, parts.path, parse_qs(parts.query), msgspec.json.decode(body) if is_json else None
                )
                writer.write(b"".join(self._answers(link, request)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            link.over.set()
            writer.close()

    async def say_the_rest(self) -> None:
        """Let go of what is held back, unasked, and wait until the client has had enough of it."""
        for link in self.links:
            if link.due:
                link.writer.write(b"".join(link.due))
                link.due = []
                await link.over.wait()

    def _answers(self, link: Link, request: Request) -> list[bytes]:
        held, link.due = link.due, []
        if request.method == "POST" and request.path.endswith("/outbound-shipments"):
            self.calls.append("create")
            link.creations += 1
            reference = request.body["reference"]
            honest = http(201, {"outboundShipmentId": self.create(reference)})
            answers = held + self.lie(self, link, reference, honest)
        else:
            answers = [*held, self._honest(request)]
        if held:  # one request is answered once: the rest is held back
            link.due = answers[1:]
            return answers[:1]
        return answers

    def _honest(self, request: Request) -> bytes:
        if request.path == "/token":
            return http(200, {"access_token": "t", "expires_in": 7200})
        rows = [{"outboundShipmentId": key, "reference": reference} for key, reference in self.ids.items()]
        now = datetime.now(UTC).isoformat()
        for row in rows:
            row |= {"status": "Shipped", "createdAt": now, "statusUpdatedAt": now}
        name = request.path.rpartition("/")[2]
        self.calls.append("count" if name == "count" else "list" if name == "outbound-shipments" else "get")
        if name == "count":
            return http(200, {"count": len(rows)})
        if name == "outbound-shipments":
            return http(200, {"items": rows[: int(request.query.get("limit", ["1000"])[0])]})
        found = next((row for row in rows if row["outboundShipmentId"] == name), None)
        return http(404, {}) if found is None else http(200, found)


@asynccontextmanager
async def speaking(
    lie: Callable[[Api, Link, str, bytes], list[bytes]], **settings: Any
) -> AsyncIterator[tuple[Api, FulfillmentClient]]:
    """An API that lies so, and a client of it with one connection."""
    api = Api(lie)
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    try:
        setup = api.settings(server.sockets[0].getsockname()[1]).with_(**settings)
        async with FulfillmentClient(setup, hooks=()) as client:
            yield api, client
    finally:
        server.close()
        for link in api.links:
            link.writer.close()
        await server.wait_closed()
        await asyncio.sleep(0)
