"""Processes that begin at once: one that has imported what they need forks for each.

To start Python and import the package takes longer than what most tests do in a process of its own. The processes are
real ones, with their own streams, folder, environment and end; none outlives the process that runs the tests.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
OCTOFFM = (
    "octoffm_async.cli.app",
    "octoffm_async.cli.commands.auth",
    "octoffm_async.cli.cluster.cluster",
    "octoffm_async.cli.contract.adopt",
    "octoffm_async.cli.contract.drift",
    "octoffm_async.cli.contract.probe",
    "octoffm_async.cli.demo.demo",
    "octoffm_async.cli.files.commands",
    "octoffm_async.cli.files.lookup",
    "octoffm_async.cli.commands.inbound",
    "octoffm_async.cli.jobs.jobs",
    "octoffm_async.cli.commands.orders",
    "octoffm_async.cli.commands.products",
    "octoffm_async.cli.commands.returns",
    "octoffm_async.cli.commands.sandbox",
    "octoffm_async.cli.commands.stocks",
)
"""Modules of the command, which imports most of them only when it is called."""


def forked(function: Callable[[], int]) -> int:
    """Fork this very process, and return the code that the function returned there (1 if it raised).

    Should it hang, it ends by itself: a child that outlives the process that runs the tests would keep its pipes open.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(30)
            nowhere = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(nowhere, standard)
            code = function()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Fork:
    """One process. ``stdout`` and ``stderr`` are the reading ends of its pipes."""

    def __init__(self, stdout: int, stderr: int, news: int) -> None:
        self.stdout = os.fdopen(stdout, "rb")
        self.stderr = os.fdopen(stderr, "rb")
        self._news = os.fdopen(news, "rb")
        self.pid = int(self._news.readline())

    def wait(self) -> int:
        """Its exit code, negative for a signal, once it has ended."""
        self.stdout.close()
        self.stderr.close()
        with self._news:
            return int(self._news.readline())

    def kill(self) -> None:
        """SIGKILL; harmless once it has ended."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def abandon(self) -> None:
        """Kill it and close the pipes, unless its end was waited for."""
        if not self._news.closed:
            self.kill()
            for stream in (self.stdout, self.stderr, self._news):
                stream.close()


class Forks:
    """A process that has imported ``modules`` and forks; leave it to end it."""

    def __init__(self, *modules: str) -> None:
        self._ours, theirs = socket.socketpair()
        self._sending = threading.Lock()
        self._started: list[Fork] = []
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forks", str(theirs.fileno()), *modules],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for started in self._started:  # of a test that failed, whose pipes would be warned of in a later one
            started.abandon()
        self._ours.close()
        self._process.wait(20)

    def start(
        self, function: str, arguments: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
    ) -> Fork:
        """Run ``module:function``, which finds its arguments in ``sys.argv`` and returns its exit code."""
        pipes = [os.pipe() for _ in range(3)]
        wanted = {"function": function, "arguments": arguments, "cwd": str(cwd), "env": dict(env or os.environ)}
        with self._sending:
            socket.send_fds(self._ours, [json.dumps(wanted).encode() + b"\n"], [end for _, end in pipes])
        for _, end in pipes:
            os.close(end)
        started = Fork(*(end for end, _ in pipes))
        self._started.append(started)
        return started

    def run(
        self, function: str, arguments: Sequence[str], *, cwd: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end, as :func:`subprocess.run` does."""
        started = self.start(function, arguments, cwd=cwd)
        deadline = threading.Timer(timeout, started.kill)
        deadline.start()
        try:
            with ThreadPoolExecutor(1) as reader:
                errors = reader.submit(started.stderr.read)
                output = started.stdout.read()
            return subprocess.CompletedProcess(arguments, started.wait(), output.decode(), errors.result().decode())
        finally:
            deadline.cancel()


def _serve(server: socket.socket) -> int:
    """Fork for each request; in a child, the exit code of what it ran."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, descriptors, _, _ = socket.recv_fds(server, 1 << 20, 3)
        if not line:
            return 0
        while not line.endswith(b"\n"):
            line += server.recv(1 << 20)
        if not os.fork():
            server.close()
            return _mind(json.loads(line), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _mind(wanted: dict[str, Any], stdout: int, stderr: int, news: int) -> int:
    """Fork once more, and tell the child's number and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if not child:
        os.close(news)
        return _become(wanted, stdout, stderr)
    for descriptor in (0, 1, 2, stdout, stderr):
        os.close(descriptor)
    os.write(news, b"%d\n" % child)
    threading.Thread(target=_kill_when_left, args=(child, news), daemon=True).start()
    os.write(news, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def _kill_when_left(child: int, news: int) -> None:
    """Kill the child, which may be suspended, when nobody is left who reads how it ends."""
    if hasattr(select, "poll"):
        left = select.poll()
        left.register(news, 0)
        left.poll()
        os.kill(child, signal.SIGKILL)


def _become(wanted: dict[str, Any], stdout: int, stderr: int) -> int:
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = wanted["arguments"]
    module, _, name = wanted["function"].partition(":")
    return int(getattr(importlib.import_module(module), name)() or 0)


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    with socket.socket(fileno=int(sys.argv[1])) as server:
        code = _serve(server)
    sys.exit(code)
