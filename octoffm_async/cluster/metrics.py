"""Metrics of a worker for Prometheus, and the HTTP endpoint that serves them::

    metrics = WorkerMetrics()
    async with (
        FulfillmentClient(config, hooks=[metrics]) as client,
        MetricsServer(metrics, port=9464) as server,
    ):
        metrics.observe(client)
        print(server.address)  # http://127.0.0.1:9464/metrics

All names begin with ``octoffm_``:

- From the worker: ``items_total`` by operation and outcome, ``chunks_total`` by operation and result, ``chunk_seconds``
  by operation, ``lease_renewals_total`` by result.
- From the client's events: ``calls_total`` by operation and result, ``attempts_total`` by operation and answer,
  ``attempt_seconds`` and ``retries_total`` by operation, ``throttled_total`` (429s) and ``pauses_total`` by group,
  ``tokens_fetched_total``.
- From the client's state at the time of the request: ``waiting_calls``, ``in_flight_requests``, ``rate`` and
  ``rate_ceiling`` (requests per second, over the keys that have a limit), ``keys`` and ``paused_keys`` by group;
  ``token_age_seconds``, ``token_left_seconds``, ``retry_budget_left`` and ``circuit`` (1 for the current state).

The metrics sum keys over sellers, so the number of series is bounded, whatever the number of sellers. ``sellers=True``
adds the label ``seller`` to ``items_total``, ``throttled_total`` and all metrics by group: six more series for each key
that a worker remembers, and five for each kind of creation. No metric holds a reference, an item's id, or a secret.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol, Self, get_args

from aiohttp import web

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "the metrics of a worker need prometheus-client: pip install 'octoffm-async[cluster]'", name=missing.name
    ) from missing

from ..bulk.outcomes import CreateOutcome, Outcome
from ..contract.operations import CREATE_TOKEN, OPERATIONS, Group
from ..events import AttemptFinished, CallFinished, CircuitState, Event, RetryScheduled, Throttled, TokenFetched
from .jobs import CREATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ..ratelimit.stats import KeyStats, Stats

__all__ = ["ChunkResult", "LeaseResult", "MetricsServer", "ObservedClient", "WorkerMetrics"]

ChunkResult = Literal["done", "failed", "cancelled", "fenced"]
LeaseResult = Literal["renewed", "failed", "lost"]

_GROUPS: Final = {operation.name: operation.group.value for operation in (CREATE_TOKEN, *OPERATIONS)}
_OTHER: Final = "request"
_OUTCOMES: Final = tuple(kind.__name__.lower() for kind in get_args(CreateOutcome))
_ATTEMPT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CHUNK_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_BY_GROUP: Final = {
    "waiting_calls": "Calls that wait to be sent.",
    "in_flight_requests": "Requests on the wire.",
    "rate": "Requests per second that are allowed now.",
    "rate_ceiling": "Requests per second that are configured.",
    "keys": "Keys (seller and group) that are remembered.",
    "paused_keys": "Keys that pause after a 429.",
}


class ObservedClient(Protocol):
    """Protocol of a client that the metrics observe."""

    def stats(self) -> Stats:
        """Return the client's statistics."""
        ...


class WorkerMetrics:
    """The metrics of a worker, and a hook of its client. ``registry`` is its own :class:`CollectorRegistry`."""

    events: ClassVar[frozenset[type[Event]]] = frozenset(
        {AttemptFinished, CallFinished, RetryScheduled, Throttled, TokenFetched}
    )

    def __init__(self, *, sellers: bool = False) -> None:
        registry = CollectorRegistry()
        self.registry: CollectorRegistry = registry
        self._sellers = sellers
        self._clients = _Clients(sellers=sellers)
        by_seller = ("seller",) if sellers else ()
        self._items = Counter(
            "octoffm_items", "Items by outcome.", ["operation", "outcome", *by_seller], registry=registry
        )
        self._chunks = Counter("octoffm_chunks", "Chunks that ended.", ["operation", "result"], registry=registry)
        self._chunk_seconds = Histogram(
            "octoffm_chunk_seconds", "How long chunks took.", ["operation"], registry=registry, buckets=_CHUNK_SECONDS
        )
        self._leases = Counter(
            "octoffm_lease_renewals", "Renewals of the writer's lease.", ["result"], registry=registry
        )
        self._calls = Counter("octoffm_calls", "Calls that ended.", ["operation", "result"], registry=registry)
        self._attempts = Counter("octoffm_attempts", "Requests sent.", ["operation", "answer"], registry=registry)
        self._attempt_seconds = Histogram(
            "octoffm_attempt_seconds", "Time on the wire.", ["operation"], registry=registry, buckets=_ATTEMPT_SECONDS
        )
        self._retries = Counter("octoffm_retries", "Calls that were sent again.", ["operation"], registry=registry)
        self._throttled = Counter("octoffm_throttled", "Answers 429.", ["group", *by_seller], registry=registry)
        self._pauses = Counter("octoffm_pauses", "Pauses that a 429 began.", ["group"], registry=registry)
        self._tokens = Counter("octoffm_tokens_fetched", "Tokens fetched by this worker.", registry=registry)
        for result in get_args(LeaseResult):
            self._leases.labels(result)
        for group in Group:
            self._pauses.labels(group.value)
        self._begun: set[tuple[str, ...]] = set()
        for creation in () if sellers else CREATIONS.values():
            self._begin_items(creation.operation)
        registry.register(self._clients)
        ProcessCollector(namespace="octoffm", registry=registry)

    def observe(self, client: ObservedClient) -> None:
        """Show the state of ``client`` in the gauges, as long as the client exists."""
        self._clients.add(client)

    def item(self, operation: str, outcome: Outcome, *, seller: str = "") -> None:
        """Count the outcome of an item of a run over ``operation``, such as ``outbound.create``."""
        operation, more = _named(operation), self._seller(seller)
        if (operation, *more) not in self._begun:
            self._begin_items(operation, *more)
        self._items.labels(operation, type(outcome).__name__.lower(), *more).inc()

    def _begin_items(self, operation: str, *seller: str) -> None:
        """Show a zero for each outcome: Prometheus sees no increase in a counter that begins with a one."""
        self._begun.add((operation, *seller))
        for outcome in _OUTCOMES:
            self._items.labels(operation, outcome, *seller)

    def chunk(self, operation: str, result: ChunkResult, *, seconds: float) -> None:
        """Count a chunk of a job that ended after ``seconds``."""
        self._chunks.labels(_named(operation), result).inc()
        self._chunk_seconds.labels(_named(operation)).observe(seconds)

    def lease(self, result: LeaseResult) -> None:
        """Count a renewal of the writer's lease on the journal: ``renewed``, ``failed`` or ``lost``."""
        self._leases.labels(result).inc()

    def __call__(self, event: Event, /) -> None:
        match event:
            case AttemptFinished():
                operation = _named(event.operation)
                self._attempts.labels(operation, _answer(event.status)).inc()
                self._attempt_seconds.labels(operation).observe(event.seconds)
                if event.status == 429:
                    self._throttled.labels(_group(operation), *self._seller(event.seller_id)).inc()
            case CallFinished():
                result = "unknown" if event.outcome_unknown else "failed" if event.error else "good"
                self._calls.labels(_named(event.operation), result).inc()
            case RetryScheduled():
                self._retries.labels(_named(event.operation)).inc()
            case Throttled():
                self._pauses.labels(event.group).inc()
            case TokenFetched():
                self._tokens.inc()
            case _:
                pass

    def _seller(self, seller: str) -> tuple[str, ...]:
        return (seller,) if self._sellers else ()


class _Clients(Collector):
    """The collector of the gauges, which reads the state of the clients at each request."""

    def __init__(self, *, sellers: bool) -> None:
        self._references: list[weakref.ref[ObservedClient]] = []
        self._labels = ("group", "seller") if sellers else ("group",)

    def add(self, client: ObservedClient) -> None:
        alive = [reference for reference in self._references if reference() not in (None, client)]
        self._references = [*alive, weakref.ref(client)]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        all_stats = [client.stats() for reference in self._references if (client := reference()) is not None]
        sums = self._sums(all_stats)
        for name, text in _BY_GROUP.items():
            family = GaugeMetricFamily(f"octoffm_{name}", text, labels=self._labels)
            for labels, values in sums.items():
                if name in values:
                    family.add_metric(labels, values[name])
            yield family
        ages = [stats.token_age for stats in all_stats if stats.token_age is not None]
        left = [stats.token_left for stats in all_stats if stats.token_left is not None]
        yield _gauge("token_age_seconds", "Time since the token was asked for.", max(ages, default=None))
        yield _gauge("token_left_seconds", "Time that the token is good for.", min(left, default=None))
        budgets = [stats.retry_budget_left for stats in all_stats]
        yield _gauge("retry_budget_left", "What is left for retries to spend.", min(budgets, default=None))
        circuit = GaugeMetricFamily("octoffm_circuit", "1 for the state of the circuit.", labels=["state"])
        for state in get_args(CircuitState) if all_stats else ():
            circuit.add_metric([state], sum(stats.circuit == state for stats in all_stats))
        yield circuit

    def _sums(self, all_stats: list[Stats]) -> dict[tuple[str, ...], dict[str, float]]:
        """Return the sums over keys by their labels; without a ``rate`` where no key has a limit."""
        sums: defaultdict[tuple[str, ...], defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for stats in all_stats:
            for key in stats.keys:
                values = sums[(key.group, key.seller_id)[: len(self._labels)]]
                for name, value in _values(key):
                    values[name] += value
        return {labels: dict(values) for labels, values in sums.items()}


class MetricsServer:
    """An HTTP server of ``metrics`` at ``/metrics``, on the loopback by default; port 0 chooses a free port."""

    def __init__(self, metrics: WorkerMetrics, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._metrics = metrics
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """The URL of the metrics."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/metrics"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/metrics", self._show)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _show(self, request: web.Request) -> web.Response:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        body = await asyncio.to_thread(encode, self._metrics.registry)  # thousands of sellers would hold up the loop
        return web.Response(body=body, headers={"Content-Type": kind})


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"octoffm_{name}", text)
    if value is not None:
        family.add_metric([], value)
    return family


def _values(key: KeyStats) -> Iterator[tuple[str, float]]:
    yield "waiting_calls", key.waiting
    yield "in_flight_requests", key.in_flight
    yield "keys", 1
    yield "paused_keys", key.paused_for > 0
    if key.rate is not None:
        yield "rate", key.rate
    if key.ceiling is not None:
        yield "rate_ceiling", key.ceiling


def _named(operation: str) -> str:
    return operation if operation in _GROUPS else _OTHER


def _group(operation: str) -> str:
    return _GROUPS.get(operation, Group.OTHER.value)


def _answer(status: int) -> str:
    """Return the label of a status: its class (``2xx``), ``429`` by itself, or ``none`` without an answer."""
    if status == 429:
        return "429"
    return f"{status // 100}xx" if 100 <= status <= 599 else "none"
