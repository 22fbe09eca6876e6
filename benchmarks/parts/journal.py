"""The cost of the journal alone for an item: ``mark_sent`` awaited, ``record_outcome`` queued; 50 callers, no calls."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from octoffm_async.journal import OutgoingItem, SQLiteJournal, State, payload_hash

from ..bench import Bench
from ..measuring import spread_over, timed
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from octoffm_async.journal import JournalRun

    from ..child import Child
    from ..options import Options

ITEMS = 10_000
PAYLOAD = b"x" * 600  # about an order of two lines with its address
REMOTE_ID = "3f2a3f2a-1111-2222-3333-444455556666"
PROCESS, POWER = "process", "power"


class Booking:
    """See :class:`~benchmarks.child.Subject`: records items in a new journal of one durability."""

    def __init__(self, durability: str, in_flight: int) -> None:
        self._durability: Any = durability
        self._in_flight = in_flight
        self._folder = tempfile.TemporaryDirectory()
        self._journals = 0

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        self._journals += 1
        path = Path(self._folder.name) / f"{self._journals}.sqlite"
        async with SQLiteJournal(path, durability=self._durability) as journal:
            journal_run = await journal.begin_run(seller="S", operation="outbound.create")
            return await timed(lambda: self._journal_run(journal_run, order["items"]))

    async def close(self) -> None:
        """See Subject."""
        self._folder.cleanup()

    async def _journal_run(self, journal_run: JournalRun, items: int) -> None:
        async def handle(key: object) -> None:
            name = cast("str", key)
            await journal_run.mark_sent([OutgoingItem(name, payload_hash(PAYLOAD), PAYLOAD)])
            journal_run.record_outcome(name, State.CREATED, remote_id=REMOTE_ID)

        await spread_over(handle, [f"ORDER-{index:08d}" for index in range(items)], self._in_flight)
        await journal_run.flush()


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    items = options.size or max(200, round(ITEMS * min(1.0, options.seconds / 0.4)))
    with Bench(options) as bench:
        cases = [
            _case(name, bench.child("benchmarks.parts.journal:Booking", _settings(name, options)), items)
            for name in (PROCESS, POWER)
        ]
        measured = bench.interleave(cases)
    columns = [
        Column("cpu", "CPU µs/item"),
        Column("loop", "of it loop µs"),
        Column("wall", "wall µs/item"),
        Column("wall", "× wall", 2, PROCESS),
        Column("rate", "items/s", 0),
    ]
    table = Table(
        name="journal",
        title=f"A journal of {items:,} items, {options.in_flight} callers, {options.loop}",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="wall",
        highlight=[PROCESS, POWER],
    )
    return Result(part="journal", tables=[table])


def _settings(durability: str, options: Options) -> dict[str, Any]:
    return {"durability": durability, "in_flight": options.in_flight}


def _case(name: str, child: Child, items: int) -> Case:
    def measure() -> dict[str, float]:
        spent = child.measure(items=items)
        return {key: spent[key] / items * 1e6 for key in ("cpu", "wall", "loop")} | {"rate": items / spent["wall"]}

    return Case(name, measure)
