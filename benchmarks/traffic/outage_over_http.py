"""An outage over real HTTP with a journal: every order is created in the end, and each once.

*Extra* is the requests that reached the sandbox during the outage, as a part of what the limit allows in that time.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from octoffm_async import FulfillmentClient, Limit
from octoffm_async.sandbox import Fault, SandboxProcess

from .outage import order

RATE = 20
BEFORE, AFTER = 15.0, 30.0
PATIENCE = 5.0


class Figures(NamedTuple):
    """The figures of the module's docstring."""

    extra: float
    created: int
    other: int
    existing: int
    twice: int
    seconds: float


async def measure(outage: float) -> Figures:
    """Run orders at the limit, with ``outage`` seconds of 503 for everything in the middle."""
    loop = asyncio.get_running_loop()
    items = round(RATE * (BEFORE + AFTER))
    outcomes = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            SandboxProcess(seed=1) as sandbox,
            FulfillmentClient(sandbox.config(limit=Limit(RATE)), logging=False) as client,
        ):
            breaking = asyncio.create_task(_break(sandbox, outage))
            began = loop.time()
            orders, journal = map(order, range(items)), Path(folder) / "orders.sqlite"
            async with client.bulk.create_outbound(orders, journal=journal, patience=PATIENCE) as run:
                async for outcome in run:
                    outcomes[type(outcome).__name__] += 1
            seconds = loop.time() - began
            arrived = await breaking
            effects = (await sandbox.effects())["outbound"]
    return Figures(
        extra=arrived / (RATE * outage),
        created=outcomes.pop("Created", 0),
        other=outcomes.total(),
        existing=len(effects),
        twice=sum(count > 1 for count in effects.values()),
        seconds=seconds,
    )


async def _break(sandbox: SandboxProcess, outage: float) -> int:
    """Answer 503 for a while, and return the number of requests that came meanwhile."""
    await asyncio.sleep(BEFORE)
    await sandbox.set_fault_rates({Fault.UNAVAILABLE_HTML: 1.0})
    before = await _arrived(sandbox)
    await asyncio.sleep(outage)
    after = await _arrived(sandbox)
    await sandbox.clear_faults()
    return after - before


async def _arrived(sandbox: SandboxProcess) -> int:
    by_status: dict[str, int] = (await sandbox.stats())["by_status"]
    return sum(by_status.values())
