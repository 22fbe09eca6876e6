"""The most that the stub can answer: a client that only writes prebuilt requests and counts the bytes that come back.

Without pipelining many connections have one request in flight each; with it, sixteen. The stub's own CPU for a request
is the bound: a peer is measured fairly as long as it needs more than that, and ``stub busy`` in the other tables stays
well under 100 %.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from ..answers import HEADERS, ORDER
from ..bench import Bench
from ..measuring import timed
from ..peers.base import Target
from ..rounds import Case, Column, Result, Table
from ..stub import CREATED, STOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..bench import StubProcess
    from ..child import Child
    from ..options import Options

CONNECTIONS = 50
BATCHES = 50_000
SHAPES = {"POST": 1, "GET": 1, "POST, 16 pipelined": 16, "GET, 16 pipelined": 16}


class Pump(asyncio.Protocol):
    """A connection that writes a batch, waits for as many bytes as its responses have, and writes the next."""

    def __init__(self, batch: bytes, expected: int, turns: list[int], done: asyncio.Future[None]) -> None:
        self._batch, self._expected, self._turns, self._done = batch, expected, turns, done
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)

    def begin(self) -> None:
        """Write the next batch, if one remains."""
        if self._turns[0] <= 0:
            if self._turns[0] == 1 - CONNECTIONS:
                self._done.set_result(None)
            self._turns[0] -= 1
            return
        self._turns[0] -= 1
        self._missing = self._expected
        self.transport.write(self._batch)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._missing -= len(data)
        if self._missing == 0:
            self.begin()


class Pumps:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, target: list[Any]) -> None:
        self._target = Target(*target)

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        loop = asyncio.get_running_loop()
        parts = urlsplit(self._target.origin)
        turns, done = [int(order["batches"])], loop.create_future()
        request, answer = self._request(order["method"])
        depth = int(order["depth"])
        pumps: list[Pump] = []
        for _ in range(CONNECTIONS):
            make = lambda: Pump(request * depth, len(answer) * depth, turns, done)  # noqa: E731
            pumps.append((await loop.create_connection(make, parts.hostname or "", parts.port or 0))[1])

        async def pump() -> None:
            for each in pumps:
                each.begin()
            await done

        spent = await timed(pump)
        for each in pumps:
            each.transport.close()
        return spent

    async def close(self) -> None:
        """See Subject."""

    def _request(self, method: str) -> tuple[bytes, bytes]:
        body = msgspec.json.encode(ORDER) if method == "POST" else b""
        parts = urlsplit(self._target.orders if method == "POST" else self._target.stock)
        fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head = f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        if method == "POST":
            return head.encode() + body, CREATED
        return head.replace("Content-Length: 0\r\n", "").encode(), STOCK


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with Bench(options) as bench:
        stub = bench.stub()
        child = bench.child("benchmarks.parts.ceiling:Pumps", {"target": stub.target})
        batches = options.size or options.calls(20e-6, most=BATCHES)
        cases = [_case(name, child, stub, depth, batches) for name, depth in SHAPES.items()]
        measured = bench.interleave(cases)
    columns = [
        Column("rate", "answers/s", 0),
        Column("stub", "stub CPU µs/answer", 2),
        Column("most", "so at most/s", 0),
        Column("busy", "stub busy %", 0),
    ]
    table = Table(
        name="ceiling",
        title=f"The stub's ceiling, {CONNECTIONS} connections, a client that decodes nothing",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="stub",
        plot=False,
    )
    return Result(part="ceiling", tables=[table])


def _case(name: str, child: Child, stub: StubProcess, depth: int, batches: int) -> Case:
    def measure() -> dict[str, float]:
        before = stub.counts()
        spent = child.measure(method=name[:4].strip(","), depth=depth, batches=max(1, batches // depth))
        after = stub.counts()
        answers = after.requests - before.requests
        cpu = after.cpu - before.cpu
        return {
            "rate": answers / spent["wall"],
            "stub": cpu / answers * 1e6,
            "most": answers / cpu,
            "busy": cpu / spent["wall"] * 100,
        }

    return Case(name, measure)
