"""Clocks and memory of this process, and many calls at a time over one shared iterator."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
MIB = 1024 * 1024


class Clocks(NamedTuple):
    """Seconds on the wall, of all threads of this process, and of this thread (the event loop's)."""

    wall: float
    cpu: float
    loop: float

    @classmethod
    def now(cls) -> Clocks:
        """Read the clocks."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time())

    def since(self, before: Clocks) -> dict[str, float]:
        """Return the seconds since ``before``."""
        return {"wall": self.wall - before.wall, "cpu": self.cpu - before.cpu, "loop": self.loop - before.loop}


async def timed(work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Measure ``work``; garbage of earlier work is collected before."""
    gc.collect()
    before = Clocks.now()
    await work()
    return Clocks.now().since(before)


async def spread(call: Callable[[], Awaitable[object]], count: int, in_flight: int) -> None:
    """Make ``count`` calls, ``in_flight`` at a time."""
    turns = iter(range(count))

    async def work() -> None:
        for _ in turns:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(count, in_flight)):
            group.create_task(work())


async def spread_over(handle: Callable[[object], Awaitable[object]], items: Iterable[object], in_flight: int) -> None:
    """Call ``handle`` for each item, ``in_flight`` at a time."""
    turns = iter(items)

    async def work() -> None:
        for item in turns:
            await handle(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())


class Memory:
    """The growth of this process's memory from here on, in bytes."""

    def __init__(self) -> None:
        gc.collect()
        try:
            RESET.write_text("5")  # the kernel resets the peak
        except OSError:
            pass
        self._start = resident()

    def peak(self) -> int:
        """Return the growth of the peak."""
        return max(0, _status("VmHWM") - self._start) if STATUS.exists() else max(0, _most() - self._start)

    def now(self) -> int:
        """Return the growth of the current memory; it may be below zero."""
        return resident() - self._start


def resident() -> int:
    """Return the bytes of memory that this process holds; where the system does not report them, its peak so far."""
    return _status("VmRSS") if STATUS.exists() else _most()


def _most() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(name: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
