"""Loops that tests run on, and fakes they share.

- Tests of the session run twice: on asyncio and on uvloop, both in debug mode. It keeps one frame of the stack for each
  future: ten would double what the tests cost.
- So do tests of cancellation anywhere. All others of the folders in ``IN_TURN``, which stand on the session, run on one
  of the two, by the test's name: ``OCTOFFM_LOOPS=both`` runs them on both.
- Tests marked ``virtual_time`` run on a loop whose clock jumps to the next timer: an hour of waiting takes no time.
  Sockets may be used within the process: what was sent over loopback is there before the clock jumps.
- Tests of the sandbox, the command and the examples run once: they drive processes and servers, not our loop code.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import linecache
import os
import selectors
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import hypothesis
import pytest
import uvloop
from aioresponses import aioresponses

from tests.unit.sizes import tries

pytest_plugins = ["tests.support.servers"]
ONCE = ("behaviour/adversary", "behaviour/dialects", "behaviour/edge", "behaviour/examples", "unit/cli", "unit/sandbox")
IN_TURN = (
    "behaviour/fleet",
    "behaviour/kills",
    "unit/bulk",
    "unit/cluster",
    "unit/contract",
    "unit/disk",
    "unit/feeds",
    "unit/journal",
    "unit/resources",
    "unit/stores",
)


def _quiet(make: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a maker of loops that log no slow steps: on a busy machine each is one, and tests read the log."""

    def made() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.slow_callback_duration = 1e9
        return loop

    return made


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": _quiet(asyncio.new_event_loop),
    "uvloop": _quiet(uvloop.new_event_loop),
}
MOSTLY_WAITING = ("behaviour/kills/", "behaviour/fleet/", "unit/cluster/test_worker.py")
"""Files in real time. One worker begins with them: it waits while others compute, and nobody for it at the end."""

DELIVERY = 0.002
"""Real seconds that other threads get to come back with something, before the clock jumps."""


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it, once all that was sent over loopback is there.

    What is sent over loopback is delivered in turn: when a byte that is sent last has arrived, so has all the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._before = frozenset(threading.enumerate())
        self._last: tuple[socket.socket, socket.socket] | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            ready = super().select(30 if self._others() else 5)
            if not ready:
                raise RuntimeError("every task waits for something that will never happen")
            return ready
        self.now += 1e-7  # as in life: code that computes takes time, so rounding cannot stop the clock
        ready = super().select(0)
        if not ready and timeout > 0:
            only_the_loops_own = len(self.get_map()) <= 1
            if only_the_loops_own or not (ready := self._delivered()):
                self.now += timeout
        return ready

    def _others(self) -> bool:
        """Whether threads run that were started since: this test's own."""
        return any(
            thread not in self._before and not isinstance(thread, threading.Timer) for thread in threading.enumerate()
        )

    def close(self) -> None:
        super().close()
        for end in self._last or ():
            end.close()

    def _delivered(self) -> list[Any]:
        """What is there when all that was sent has come."""
        if self._others():
            return super().select(DELIVERY)
        sender, receiver = self._last = self._last or _connected()
        sender.send(b".")
        key = self.register(receiver, selectors.EVENT_READ)
        try:
            ready = super().select(5)
            while key not in (each for each, _ in ready):
                assert ready, "loopback delivers nothing"
                ready = super().select(5)
        finally:
            self.unregister(receiver)
        receiver.recv(1)
        return [each for each in ready if each[0] is not key]


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sender, server.accept()[0]


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on which time passes only while everybody waits."""

    def __init__(self) -> None:
        self.clock = JumpingSelector()
        super().__init__(self.clock)
        self.slow_callback_duration = 1e9
        # The base class rounds timers to the clock's resolution: without one, a timer may be met a hair too early.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.clock.now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (as its base)
        await super().shutdown_default_executor()  # its threads end in real time, which no timer here may measure


os.environ["SSL_CERT_FILE"] = os.devnull
"""No server of a test is vouched for by the machine's authorities: each process would read a hundred of them."""

hypothesis.settings.register_profile(
    "usual",
    max_examples=tries(100),
    deadline=None,  # a busy machine is no fault of what is tested
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # a busy machine is, and the first text loads large tables
)
hypothesis.settings.load_profile("usual")

asyncio.constants.DEBUG_STACK_DEPTH = 1
traceback.extract_stack.__defaults__ = (None, 1)  # futures written in C call it without arguments
linecache.checkcache = lambda filename=None: None  # no look at the disk for each frame: sources stay as they are


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Keep the tests themselves, some hundred thousand objects, out of what the garbage collector goes through."""
    gc.disable()
    try:
        _import_in_turns(session.config)
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move what mostly waits to the front."""
    items.sort(key=lambda item: not _place(item).startswith(MOSTLY_WAITING))


def _place(item: pytest.Item) -> str:
    """A test's file below this folder, with slashes."""
    return Path(item.path).relative_to(Path(__file__).parent).as_posix()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: the loop's clock jumps from timer to timer")
    config.addinivalue_line("markers", "one_loop: run on asyncio only, not on uvloop as well")
    starts_workers = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if sys.dont_write_bytecode and not starts_workers:
        _share_bytecode(config)


def _share_bytecode(config: pytest.Config) -> None:
    """Where no bytecode may lie beside sources: what tests start, and we, compile all only once."""
    cache: pytest.Cache | None = getattr(config, "cache", None)  # absent with -p no:cacheprovider
    if cache is not None:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(cache.mkdir("bytecode"))
        sys.dont_write_bytecode = False


def _import_in_turns(config: pytest.Config) -> None:
    """Import what will be collected, each worker of pytest-xdist another part of it first.

    They begin at once and collect in one order: each would compile every module just when all others do.
    """
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        return
    root = Path(__file__).parents[1]
    places = [root / place for place in config.args if "::" not in place]
    files = sorted({file for place in places for file in [place, *place.rglob("test_*.py")] if file.suffix == ".py"})
    begin = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[begin:] + files[:begin]:
        try:
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))
        except (Exception, pytest.skip.Exception):  # noqa: S110, BLE001 (the collection imports it again, and tells)
            pass


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    place = _place(item)
    if place.startswith(ONCE) or item.get_closest_marker("one_loop"):
        return {"asyncio": LOOPS["asyncio"]}
    if place.startswith(IN_TURN) and "cancel" not in item.nodeid and os.environ.get("OCTOFFM_LOOPS") != "both":
        name = list(LOOPS)[crc32(item.nodeid.encode()) % len(LOOPS)]
        return {name: LOOPS[name]}
    return LOOPS


@pytest.fixture
def responses() -> Iterator[aioresponses]:
    """aioresponses, for units that need no wire: it bypasses connections, time-outs and middlewares."""
    with aioresponses() as mocked:
        yield mocked
