"""Child processes: each subject of a measurement has its own process, with its own loop, threads and memory.

A :class:`Child` receives an order as a line of JSON and answers with a line of figures. It waits without using the
processor meanwhile, so that many children can be warmed up side by side and be measured alternately.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import select
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, Self, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parent.parent
PATIENCE = 1800.0
"""Seconds that one measurement may last."""

Loop = Literal["uvloop", "asyncio"]


class Subject(Protocol):
    """A subject that lives in a child. Its class is called with the settings, within no running loop."""

    async def open(self) -> None:
        """Prepare for measurements; called once, on the loop that all measurements run on."""
        ...

    async def measure(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out the order and return the figures."""
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The start message of a child: ``subject`` as ``module:Class``, its settings, its loop and its processors."""

    subject: str
    settings: dict[str, Any]
    loop: Loop
    cpus: list[int]


class ChildFailedError(RuntimeError):
    """A child that ended or raised; the message holds its traceback."""


def adopt(cpus: Sequence[int], loop: Loop) -> asyncio.Runner:
    """Bind this process to these processors (none: to all), and return a runner with this kind of loop."""
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    return asyncio.Runner(loop_factory=factory)


def spawn(module: str, start: msgspec.Struct) -> subprocess.Popen[bytes]:
    """Start a process that runs ``module`` of this package and ends when its standard input does."""
    environment = {name: value for name, value in os.environ.items() if not _is_in_the_way(name)}
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return subprocess.Popen(
        [sys.executable, "-m", module, msgspec.json.encode(start).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # a terminal's Ctrl-C is for the parent, which ends its children
    )


def _is_in_the_way(variable: str) -> bool:
    """Return True for a variable that only some peers obey: proxies, bundles of certificates."""
    return variable.lower().endswith("_proxy") or variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def read_line(process: subprocess.Popen[bytes], patience: float) -> bytes:
    """Read one line of its output."""
    stdout = _pipe(process.stdout)
    ends = time.monotonic() + patience
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stdout], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            raise ChildFailedError(f"{process.args!r} said nothing for {patience:.0f} s")
        part = os.read(stdout.fileno(), 1 << 16)
        if not part:
            raise ChildFailedError(f"{process.args!r} ended with code {process.wait(5)}")
        line += part
    return line


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the process was started without pipes")
    return pipe


def end(process: subprocess.Popen[bytes]) -> None:
    """Close its input and wait for its end; kill it after five seconds."""
    _pipe(process.stdin).close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _pipe(process.stdout).close()


class Child:
    """A process that holds one subject."""

    def __init__(
        self, subject: str, settings: Mapping[str, Any], *, loop: Loop = "uvloop", cpus: Sequence[int] = ()
    ) -> None:
        start = Start(subject=subject, settings=dict(settings), loop=loop, cpus=list(cpus))
        self._process = spawn("benchmarks.child", start)
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self) -> None:
        """Wait until the subject is open. Children that are started together become ready together."""
        if not self._ready:
            self._answer()
            self._ready = True

    def measure(self, **order: Any) -> dict[str, Any]:
        """Send an order and return the subject's figures.

        Raises:
            ChildFailedError: The subject raised, or its process ended.
        """
        self.wait_ready()
        orders = _pipe(self._process.stdin)
        orders.write(msgspec.json.encode(order) + b"\n")
        orders.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        end(self._process)

    def _answer(self) -> dict[str, Any]:
        answer = msgspec.json.decode(read_line(self._process, PATIENCE), type=dict[str, Any])
        if (error := answer.get("error")) is not None:
            raise ChildFailedError(cast("str", error))
        return cast("dict[str, Any]", answer["figures"])


async def _measured(subject: Subject, order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Measure; give up when the input ends: the parent, which sends nothing meanwhile, was killed."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        loop.remove_reader(0)
        if task is not None:
            task.cancel()

    loop.add_reader(0, end)
    try:
        return await subject.measure(order)
    finally:
        loop.remove_reader(0)
        os.set_blocking(0, True)  # uvloop lets no reader block


def main() -> None:
    """Run as ``python -m benchmarks.child START``: open the subject, then carry out the order of each line."""
    start = msgspec.json.decode(sys.argv[1], type=Start)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of libraries is not an answer

    def answer(**content: object) -> None:
        answers.write(msgspec.json.encode(content) + b"\n")
        answers.flush()

    with adopt(start.cpus, start.loop) as runner:
        try:
            module, _, name = start.subject.partition(":")
            subject: Subject = getattr(importlib.import_module(module), name)(**start.settings)
            runner.run(subject.open())
            answer(figures={})
            for line in sys.stdin.buffer:
                answer(figures=runner.run(_measured(subject, msgspec.json.decode(line))))
            runner.run(subject.close())
        except Exception:  # noqa: BLE001  (reported to the parent)
            answer(error=traceback.format_exc())


if __name__ == "__main__":
    main()
