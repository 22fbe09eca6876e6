"""Hidden quotas over real HTTP and in real time: a sandbox in its own process, whose limit is changed while it runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import SandboxProcess

PHASES = ((20, 1.0), (100, 1.0), (20, 1.0))
SETTLING, MEASURED = 90.0, 60.0
WORKERS = 60


class Phase(NamedTuple):
    """The used part of one hidden quota after it settled, and the part that was answered 429."""

    rate: int
    used: float
    refused: float


async def measure(
    phases: tuple[tuple[int, float], ...] = PHASES, *, settling: float = SETTLING, measured: float = MEASURED
) -> tuple[list[Phase], list[tuple[float, float]]]:
    """Return the figures of each phase, and the accepted requests by second."""
    done: list[Phase] = []
    history: list[tuple[float, float]] = []
    async with (
        SandboxProcess(seed=1, catalogue=1, limit=phases[0]) as sandbox,
        FulfillmentClient(sandbox.config(), logging=False) as client,
    ):
        page = await client.stocks.list()
        sampling = asyncio.create_task(_sample(sandbox, history))
        bulk = client.with_options(lane="bulk", deadline=900.0)

        async def work() -> None:
            while True:
                await bulk.stocks.get(page.items[0].id)

        tasks = [asyncio.create_task(work()) for _ in range(WORKERS)]
        for calls, period in phases:
            await sandbox.set_limit((calls, period))
            await asyncio.sleep(settling)
            before = await _counts(sandbox)
            await asyncio.sleep(measured)
            after = await _counts(sandbox)
            good, bad = after[0] - before[0], after[1] - before[1]
            seconds = after[2] - before[2]
            done.append(Phase(round(calls / period), good / (calls / period * seconds), bad / (good + bad)))
        for task in [*tasks, sampling]:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, sampling)
    return done, history


async def _counts(sandbox: SandboxProcess) -> tuple[int, int, float]:
    stats = await sandbox.stats()
    return stats["by_status"].get("200", 0), stats["by_status"].get("429", 0), asyncio.get_running_loop().time()


async def _sample(sandbox: SandboxProcess, history: list[tuple[float, float]]) -> None:
    began, before = asyncio.get_running_loop().time(), await _counts(sandbox)
    while True:
        await asyncio.sleep(1.0)
        after = await _counts(sandbox)
        history.append((after[2] - began, (after[0] - before[0]) / (after[2] - before[2])))
        before = after
