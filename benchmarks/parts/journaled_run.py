"""Bulk runs against the sandbox (a process of its own), without a journal and with both durabilities.

Whole runs are compared, sandbox included. ``python -m benchmarks.journaled_run --resume 1000000`` measures the resume
of a run that was killed.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import SandboxProcess

from ..bench import Bench
from ..journaled_run import KINDS, one_run
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..child import Child
    from ..options import Options

ORDERS = 1000
NONE = KINDS[0]


class SandboxRuns:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._first = 0

    async def open(self) -> None:
        """See Subject."""
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        sandbox = await self._stack.enter_async_context(SandboxProcess(seed=1))
        self._client = await self._stack.enter_async_context(FulfillmentClient(sandbox.config()))
        await self.measure({"way": NONE, "orders": 500})

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        """See Subject."""
        first, self._first = self._first, self._first + order["orders"]
        rate = await one_run(self._client, self._folder, order["way"], first, order["orders"])
        return {"rate": rate, "wall": 1e6 / rate}

    async def close(self) -> None:
        """See Subject."""
        await self._stack.aclose()


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    orders = options.size or ORDERS
    with Bench(options) as bench:
        child = bench.child("benchmarks.parts.journaled_run:SandboxRuns", {})
        measured = bench.interleave([_case(way, child, orders) for way in KINDS])
    table = Table(
        name="journaled-run",
        title=f"A bulk run of {orders:,} orders against the sandbox, by durability of its journal",
        columns=[Column("rate", "orders/s", 0), Column("wall", "wall µs/order"), Column("wall", "× wall", 2, NONE)],
        figures=measured.figures,
        order=measured.order,
        lead="wall",
        highlight=list(KINDS),
    )
    return Result(part="journaled_run", tables=[table])


def _case(way: str, child: Child, orders: int) -> Case:
    return Case(way, lambda: child.measure(way=way, orders=orders))
