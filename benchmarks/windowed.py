"""A stub of ``GET /stocks`` that filters rows by their time of change and answers ``updatedAtMin`` and ``Max``.

Its rows are the numbers from 0 on, spread evenly over 30 days; bounds are inclusive. ``PUT /_stub`` sets the number of
pages of 1,000 rows, and the latency.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil, floor
from urllib.parse import parse_qsl

import msgspec

from .answers import PAGE, stock
from .child import adopt
from .stub import Connection, Face, Start, Stub, head

SPREAD = timedelta(days=30)
AGE = timedelta(hours=1)
"""The age of the newest row's change."""
_ID, _AT = stock(0)["id"].encode(), stock(0)["updatedAt"].encode()
_ROWS = [msgspec.json.encode(stock(number)) for number in range(PAGE)]


def identifier(number: int) -> str:
    """Return the id of a row; its last twelve digits are the row's number, in hexadecimal."""
    return f"{_ID.decode()[:24]}{number:012x}"


class Windowed(Stub):
    """The stub of the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self._first = (datetime.now(UTC) - AGE - SPREAD).timestamp()
        self._pieces = [self._cut(number) for number in range(PAGE)]

    def _cut(self, number: int) -> tuple[bytes, bytes, bytes]:
        """Return a row's JSON before and after its id, and after its first time of change."""
        before, after = _ROWS[number].split(stock(number)["id"].encode(), 1)
        until, rest = after.split(_AT, 1)
        return before, until, rest

    def _page(self, line: bytes, face: Face) -> list[bytes]:
        query = dict(parse_qsl(line.partition(b"?")[2].decode()))
        rows = self.setting.pages * PAGE
        step = SPREAD.total_seconds() / rows
        low, high = 0, rows
        if "updatedAtMin" in query:
            low = max(low, ceil(self._place(query["updatedAtMin"], step)))
        if "updatedAtMax" in query:
            high = min(high, floor(self._place(query["updatedAtMax"], step)) + 1)
        low = max(low, int(query.get("cursor", low)))
        end = min(high, low + int(query["limit"]))
        body = b'{"itemsPerPage":1000,"items":[%b]}' % b",".join(
            [self._row(number, step) for number in range(low, end)]
        )
        extra = f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}\r\n"
        if end < high:
            extra += f'Link: <{face.api}/stocks?cursor={end}>; rel="next"\r\n'
        return [head("200 OK", len(body), extra), body]

    def _place(self, moment: str, step: float) -> float:
        return (datetime.fromisoformat(moment).timestamp() - self._first) / step

    def _row(self, number: int, step: float) -> bytes:
        before, until, rest = self._pieces[number % PAGE]
        at = self._first + number * step
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
        return b"%b%b%b%b.%03dZ%b" % (before, identifier(number).encode(), until, text.encode(), at % 1 * 1000, rest)


async def serve() -> None:
    """Serve until standard input ends; the first line of standard output is the port."""
    stub = Windowed()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gone = asyncio.Event()
    loop.add_reader(sys.stdin, gone.set)
    await gone.wait()
    server.close()


def main() -> None:
    """Run as ``python -m benchmarks.windowed SETTINGS``."""
    start = msgspec.json.decode(sys.argv[1], type=Start)
    with adopt(start.cpus, "uvloop") as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
