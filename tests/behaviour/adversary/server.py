"""An API of shipping orders on loopback that may lie, and keeps the truth: every order that it really created.

Real HTTP, written by hand, because the lies concern what no server library lets one say: an answer that is cut off, a
missing ``Date``, a connection that ends behind a creation. Whatever lies there are, it loses the answers of
a third of the creations, so that the client has to look.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from .lies.lie import Lie

ORDERS = "/seller/v2/outbound-shipments"
READ_TIMEOUT = 0.25
"""Seconds after which clients of this server are to give an answer up."""
SHARE_LOST = 1 / 3
"""Creations whose first answer is lost."""
SHARE_LOST_AGAIN = 0.3
"""How much of that is lost of later sendings of an order."""
OTHERS = 5
"""Orders that somebody else made for the same account before."""
LOSSES = ("closed_before", "closed_after", "error_500_after", "error_504_after", "late_after", "truncated_after")
"""How answers are lost: before the order is created, or after."""


@dataclass
class Order:
    """One order that exists. ``reference`` is as it was sent; ``None`` if somebody else made it."""

    id: str
    shown_as: str
    reference: str | None
    stamp: float
    number: int
    visible_at: float = 0.0
    lost: bool = False
    """Whether its answer did not arrive as it should."""


@dataclass
class Reply:
    """One answer. ``date`` is the ``Date`` header: seconds, any text, or none."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    date: float | str | None = None
    delay: float = 0.0
    cut_at: int | None = None
    """Bytes of the body behind which the connection is closed."""
    aborts: bool = False
    """Whether the connection is closed in place of an answer."""


@dataclass
class Asked:
    """A request for a list or a count."""

    query: dict[str, str]
    headers: dict[str, str]
    counting: bool

    @property
    def is_filtered(self) -> bool:
        return "statusUpdatedAtMin" in self.query or "statusUpdatedAtMax" in self.query

    @property
    def limit(self) -> int:
        return int(self.query.get("limit", "100"))

    @property
    def begin(self) -> int:
        """Where the page begins; a cursor is a number behind a letter."""
        return int(self.query.get("cursor", "o0")[1:])

    def bound(self, name: str, default: float) -> float:
        text = self.query.get(name)
        return default if text is None else datetime.fromisoformat(text).timestamp()


@dataclass
class Page:
    """Rows, and what stands in the Link header: by default the cursor of the next page, if there are more rows."""

    rows: list[dict[str, Any]]
    cursor: str | None
    link: str | None = None


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    """The next request of a connection: method, target, headers by their names in lower case, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return method, target, headers, body


class Adversary:
    """Serves, lies, and knows what is true. Use it as a context manager."""

    def __init__(self, lies: Sequence[Lie] = (), *, seed: int = 1, share_lost: float = SHARE_LOST) -> None:
        self.lies = lies
        self.rng = random.Random(seed)
        self._seed = seed
        self._share_lost = share_lost
        self.orders: list[Order] = []
        self.others: list[Order] = []
        self.sent = Counter[str]()
        """How often each reference arrived, carried out or not."""
        self.requests: list[str] = []
        """All of them but those for tokens: ``creation``, ``list``, ``count`` or ``single``."""
        self.ahead = 0.0
        """Seconds by which the server's clock is ahead of the real one."""
        self.stamps_off = 0.0
        """Seconds by which its stamps differ from its clock."""
        self.answered: list[Order] = []
        """The orders whose creation was answered as it should be, in turn, once the client is seen to have read that
        (it sends another request on the connection): a busy client may have given the answer up."""
        self.page_most = 1000
        self.background = OTHERS
        self.never_arrive: Collection[str] = ()
        """References whose first sending does not arrive, for certain."""
        self.memory: dict[str, Any] = {}
        """What lies remember."""
        self.runs = 0
        """Runs of the client that ended by themselves."""
        self.broken: Exception | None = None
        """A fault of this server itself."""
        self.used: set[str] = set()
        """Lies that were told."""
        self.watch: Callable[[str], None] = lambda _: None
        """Told of each request as it comes."""

    async def __aenter__(self) -> Self:
        self.bend("begin")
        for number in range(self.background):
            reference = f"OTHER-{number:05d}"
            stamp = self.now() + self.stamps_off - 3600 + number * 3000 / self.background
            self.others.append(Order(_guid(900_000 + number), reference, None, stamp, number))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def now(self) -> float:
        """The server's own time."""
        return time.time() + self.ahead

    @property
    def our_clock_ahead(self) -> float:
        """How much the clock of the client's machine is to be ahead."""
        ours = [lie for lie in self.lies if "ours" in lie.hooks]
        self.used.update(lie.name for lie in ours)
        return sum(lie.hooks["ours"](self) for lie in ours)

    @property
    def truth(self) -> dict[str, list[str]]:
        """The ids of the orders that were really created, by reference."""
        found: dict[str, list[str]] = {}
        for order in self.orders:
            found.setdefault(order.reference or "", []).append(order.id)
        return found

    def bend(self, hook: str, *given: Any) -> Any:
        """Let every lie that has the hook change the first of what is given."""
        value = given[0] if given else None
        for lie in self.lies:
            if hook in lie.hooks:
                self.used.add(lie.name)
                if hook == "counted" and isinstance(value, Reply):
                    continue  # another lie has answered in place of the count
                bent = lie.hooks[hook](self, *((value, *given[1:]) if given else ()))
                value = given[0] if hook == "made" else bent
        return value

    def create(self, reference: str) -> Order:
        """Create an order, truly."""
        number = len(self.orders) + 1
        order = Order(_guid(number), reference, reference, self.now() + self.stamps_off, number)
        self.orders.append(order)
        self.bend("made", order)
        return order

    # What comes of a creation

    def _create(self, body: bytes, connection: dict[str, Any]) -> Reply:
        reference = json.loads(body)["reference"]
        self.sent[reference] += 1
        if self.sent[reference] == 1 and reference in self.never_arrive:
            return Reply(aborts=True)
        rng = random.Random(f"{self._seed} {reference} {self.sent[reference]}")
        lost = rng.random() < self._share_lost * (1 if self.sent[reference] == 1 else SHARE_LOST_AGAIN)
        odd = [lie for lie in self.lies if "odd" in lie.hooks]
        if lost and odd and self.sent[reference] == 1 and rng.random() < 0.6:
            return self._odd(rng.choice(odd), reference, carried_out=rng.random() < 0.5)
        loss = "" if not lost else rng.choice(LOSSES) if self.sent[reference] == 1 else "closed_after"
        if loss == "closed_before":
            return Reply(aborts=True)
        order = self.create(reference)
        order.lost = bool(loss)
        reply = Reply(201, {"outboundShipmentId": order.id}, date=self.now())
        match loss:
            case "closed_after":
                return Reply(aborts=True)
            case "late_after":
                return Reply(aborts=True, delay=2 * READ_TIMEOUT)
            case "error_500_after" | "error_504_after":
                status = int(loss[6:9])
                return Reply(status, {"title": "error", "status": status}, date=self.now())
            case "truncated_after":
                reply.cut_at = 20
                return reply
            case _:
                connection["answered"] = order
                return self.bend("replied", reply, order, connection)

    def _odd(self, lie: Lie, reference: str, *, carried_out: bool) -> Reply:
        order = None
        if carried_out or lie.always_carried_out:
            order = self.create(reference)
            order.lost = True
        reply: Reply = lie.hooks["odd"](self, order, reference)
        self.used.add(lie.name)
        reply.date = reply.date or self.now()
        return reply

    # The list and the count

    def _look(self, asked: Asked) -> Reply:
        low, high = asked.bound("statusUpdatedAtMin", 0.0), asked.bound("statusUpdatedAtMax", 1e12)
        low, high = self.bend("bounds", (low, high))
        now = time.monotonic()
        orders = [each for each in (*self.others, *self.orders) if each.visible_at <= now and low <= each.stamp <= high]
        orders.sort(key=lambda each: each.stamp)
        orders = self.bend("listed", orders, asked)
        if asked.counting:
            number = self.bend("counted", len(orders), asked)
            reply = number if isinstance(number, Reply) else Reply(200, {"count": number})
        else:
            end = asked.begin + min(asked.limit, self.page_most)
            rows = [self.bend("row", _row(each), each) for each in orders[asked.begin : end]]
            page: Page = self.bend("page", Page(rows, f"o{end}" if end < len(orders) else None), asked)
            reply = Reply(200, {"itemsPerPage": asked.limit, "items": page.rows})
            if page.link is not None or page.cursor is not None:
                reply.headers["Link"] = page.link or self.link_to(page.cursor, asked)
        reply.date = self.now()
        told: Reply = self.bend("told", reply, asked)
        return told

    def link_to(self, cursor: str | None, asked: Asked) -> str:
        """The usual Link header."""
        return f'<{ORDERS}?{urlencode(asked.query | {"cursor": cursor or ""})}>; rel="next"'

    def _single(self, path: str) -> Reply:
        for order in self.orders:
            if path.endswith(order.id):
                return Reply(200, self.bend("row", _row(order), order), date=self.now())
        return Reply(404, {"title": "Not Found", "status": 404}, date=self.now())

    # The wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection: dict[str, Any] = {}
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._exchange(reader, writer, connection):
                    pass
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001  (told by the trial)
            self.broken = error
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: dict[str, Any]
    ) -> bool:
        """Answer one request; whether the connection goes on."""
        method, target, headers, body = await read_request(reader)
        if (order := connection.pop("answered", None)) is not None:
            self.answered.append(order)
        reply = self._reply(method, target, headers, body, connection)
        await asyncio.sleep(reply.delay)
        if reply.aborts:
            return False
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        named = {"Content-Type": "application/json", "Content-Length": str(len(content))} | reply.headers
        if isinstance(reply.date, float):
            named["Date"] = format_datetime(datetime.fromtimestamp(reply.date, UTC), usegmt=True)
        elif isinstance(reply.date, str):
            named["Date"] = reply.date
        told = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"HTTP/1.1 {reply.status} Told\r\n{told}\r\n".encode("latin-1") + content[: reply.cut_at])
        await writer.drain()
        return reply.cut_at is None

    def _reply(
        self, method: str, target: str, headers: dict[str, str], body: bytes, connection: dict[str, Any]
    ) -> Reply:
        split = urlsplit(target)
        if split.path == "/token":
            return Reply(200, {"access_token": "token", "expires_in": 7200}, date=self.now())
        counting = split.path == f"{ORDERS}/count"
        listing = split.path == ORDERS
        what = "creation" if method == "POST" else "count" if counting else "list" if listing else "single"
        self.requests.append(what)
        self.watch(what)
        if what == "creation":
            return self._create(body, connection)
        if what == "single":
            return self._single(split.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        return self._look(Asked(query, headers, counting))


def _row(order: Order) -> dict[str, Any]:
    at = datetime.fromtimestamp(order.stamp, UTC).isoformat().replace("+00:00", "Z")
    return {
        "outboundShipmentId": order.id,
        "reference": order.shown_as,
        "status": "Created",
        "createdAt": at,
        "statusUpdatedAt": at,
    }


def _guid(number: int) -> str:
    return f"5eed0000-0000-4000-8000-{number:012d}"
