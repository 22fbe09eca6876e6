"""The stub and the peers of one part: started together, measured alternately, checked against the stub's counts."""

from __future__ import annotations

import http.client
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from .answers import TOKEN_PATH
from .child import Child, end, read_line, spawn
from .peers.base import Target
from .rounds import Case, interleave
from .stub import Counts, Setting, Start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .child import Loop
    from .options import Options
    from .peers import Entry
    from .rounds import Measured

START_PATIENCE = 30.0
WARM_CALLS = 100
"""Calls before a measurement, at least; and at least two for each in flight."""


class WrongWorkError(RuntimeError):
    """A peer that did not send the expected requests."""


class StubProcess:
    """The stub's process, and a connection that controls it."""

    def __init__(self, cpus: list[int], *, tls: bool = False) -> None:
        self._stack = ExitStack()
        certificate = authority = None
        if tls:
            certificate, authority = self._certificate()
        self._process = spawn("benchmarks.stub", Start(cpus=cpus, certificate=certificate))
        self._stack.callback(end, self._process)
        self._port = int(read_line(self._process, START_PATIENCE))
        self._control: http.client.HTTPConnection
        if authority is None:
            self._control = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        else:
            context = Target("", "", authority).ssl_context()
            self._control = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=context)
        self._stack.callback(self._control.close)
        self.target = Target(f"http{'s' if tls else ''}://127.0.0.1:{self._port}", TOKEN_PATH, authority)

    def set(self, **setting: Any) -> None:
        """Set its pages and its latency; a setting that is not named returns to one page and no latency."""
        self._tell(msgspec.json.encode(Setting(**setting)))

    def counts(self) -> Counts:
        """Return its counts so far."""
        return self._tell(b"")

    def close(self) -> None:
        """End the process."""
        self._stack.close()

    def _tell(self, body: bytes) -> Counts:
        self._control.request("PUT", "/_stub", body)
        return msgspec.json.decode(self._control.getresponse().read(), type=Counts)

    def _certificate(self) -> tuple[str, str]:
        import trustme

        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        return str(folder / "server.pem"), str(folder / "authority.pem")


class Work(NamedTuple):
    """The work to measure: calls of one ``kind``, ``in_flight`` at a time; a ``page`` walk has ``pages`` pages."""

    kind: str
    in_flight: int = 1
    pages: int = 1

    @property
    def requests(self) -> int:
        """Requests of one unit of work."""
        return self.pages if self.kind == "page" else 1


class Bench:
    """Children and stubs of one part; leaving the context ends them all."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = ExitStack()
        self._children: list[Child] = []
        self._cost: dict[tuple[str, Work, float], float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def stub(self, *, tls: bool = False) -> StubProcess:
        """Start a stub on a processor of its own."""
        stub = StubProcess(self._options.processors().stub, tls=tls)
        self._stack.callback(stub.close)
        return stub

    def child(self, subject: str, settings: Mapping[str, Any], *, loop: Loop | None = None) -> Child:
        """Start a child on the processors of the clients."""
        cpus = self._options.processors().client
        child = self._stack.enter_context(Child(subject, settings, loop=loop or self._options.loop, cpus=cpus))
        self._children.append(child)
        return child

    def peers(self, entries: Sequence[Entry], target: Target, *, loop: Loop | None = None) -> dict[str, Child]:
        """Start a child for each peer."""
        subject = "benchmarks.peers.driver:PeerSubject"
        return {entry.name: self.child(subject, {"peer": entry.name, "target": target}, loop=loop) for entry in entries}

    def interleave(self, cases: Sequence[Case], rounds: int | None = None) -> Measured:
        """Measure the cases in interleaved rounds, once every child is open and none works any more."""
        for child in self._children:
            child.wait_ready()
        return interleave(cases, self._options.rounds if rounds is None else rounds)

    def case(self, name: str, child: Child, stub: StubProcess, work: Work, *, latency: float = 0.0) -> Case:
        """Return the case of one peer and one kind of work; its figures are in µs per request, or per row of pages."""
        return Case(name, lambda: self._measure(name, child, stub, work, latency))

    def _measure(self, name: str, child: Child, stub: StubProcess, work: Work, latency: float) -> dict[str, float]:
        stub.set(pages=work.pages, latency=latency)
        key = name, work, latency
        warm = 1 if work.kind == "page" else min(max(2 * work.in_flight, WARM_CALLS), self._options.size or WARM_CALLS)
        spent = child.measure(kind=work.kind, count=warm, in_flight=work.in_flight)
        if key not in self._cost:
            if work.kind != "page":  # the first calls also opened the connections: they are no measure
                spent = child.measure(kind=work.kind, count=warm, in_flight=work.in_flight)
            self._cost[key] = spent["wall"] / warm
        count = self._count(work, self._cost[key])
        before = stub.counts()
        spent = child.measure(kind=work.kind, count=count, in_flight=work.in_flight)
        after = stub.counts()
        return _figures(name, work, count=count, spent=spent, before=before, after=after)

    def _count(self, work: Work, cost: float) -> int:
        if work.kind != "page":
            return self._options.calls(cost, least=self._options.turns * work.in_flight)
        return 1 if self._options.size is not None else self._options.calls(cost)


def _figures(
    name: str, work: Work, *, count: int, spent: Mapping[str, float], before: Counts, after: Counts
) -> dict[str, float]:
    requests = count * work.requests
    kind = {"post": "posts", "get": "gets", "page": "pages"}[work.kind]
    done = getattr(after, kind) - getattr(before, kind)
    if done != requests or after.requests - before.requests != requests:
        raise WrongWorkError(f"{name}: {done} {kind} instead of {requests}; the stub counted {after}")
    units = requests * (1000 if work.kind == "page" else 1)
    return {
        "cpu": spent["cpu"] / units * 1e6,
        "wall": spent["wall"] / units * 1e6,
        "stub": (after.cpu - before.cpu) / units * 1e6,
        "busy": (after.cpu - before.cpu) / spent["wall"] * 100,
        "rate": units / spent["wall"],
        "requests": requests,
        "bytes_in": (after.bytes_in - before.bytes_in) / requests,
        "bytes_out": (after.bytes_out - before.bytes_out) / requests,
        "connections": after.connections - before.connections,
    }
