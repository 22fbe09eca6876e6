"""What a worker tells Prometheus, as it is fetched over HTTP and read by Prometheus's own parser."""

from __future__ import annotations

import errno
import gc
import time
from collections.abc import AsyncIterator
from typing import get_args

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from octoffm_async import ConnectionLostError, FulfillmentClient, Limit, Stats
from octoffm_async.bulk.outcomes import Created, Outcome, Refused, Unknown
from octoffm_async.cluster.metrics import ChunkResult, LeaseResult, MetricsServer, WorkerMetrics
from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS, Group
from octoffm_async.events import AttemptFinished, CallFinished, CircuitChanged, RetryScheduled
from octoffm_async.ratelimit.stats import KeyStats
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.items import order

pytestmark = pytest.mark.one_loop

Labels = tuple[tuple[str, str], ...]


async def fetched(server: MetricsServer) -> dict[str, dict[Labels, float]]:
    """Samples by name, without ``octoffm_``, and labels."""
    async with aiohttp.ClientSession() as session, session.get(server.address) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        text = await answer.text()
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            assert sample.name.startswith("octoffm_")
            labels = tuple(sorted(sample.labels.items()))
            samples.setdefault(sample.name.removeprefix("octoffm_"), {})[labels] = sample.value
    return samples


def by(**labels: str) -> Labels:
    return tuple(sorted(labels.items()))


@pytest.fixture
async def served() -> AsyncIterator[tuple[WorkerMetrics, MetricsServer]]:
    metrics = WorkerMetrics()
    async with MetricsServer(metrics) as server:
        yield metrics, server


async def test_what_a_client_does_and_how_it_stands(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    metrics, server = served
    async with Sandbox(seed=7, catalogue=3) as sandbox:
        settings = sandbox.config(backoff_base=0.001, limit=Limit(50))
        async with FulfillmentClient(settings, hooks=[metrics]) as client:
            metrics.observe(client)
            await client.stocks.list(limit=1)
            sandbox.faults.next(Fault.UNAVAILABLE_HTML, operation="stocks.list")
            await client.seller("98980").stocks.list(limit=1)
            sandbox.faults.next(Fault.THROTTLE, operation="outbound.count", value=0.01)
            await client.outbound.count()
            sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create")
            with pytest.raises(ConnectionLostError):
                await client.with_options(retries=0).outbound.create(order("ORDER-1"))
            samples = await fetched(server)
            stats = client.stats()
    assert samples["calls_total"] == {
        by(operation="stocks.list", result="good"): 2,
        by(operation="outbound.count", result="good"): 1,
        by(operation="outbound.create", result="unknown"): 1,
    }
    assert samples["attempts_total"] == {
        by(operation="token.create", answer="2xx"): 1,
        by(operation="stocks.list", answer="2xx"): 2,
        by(operation="stocks.list", answer="5xx"): 1,
        by(operation="outbound.count", answer="429"): 1,
        by(operation="outbound.count", answer="2xx"): 1,
        by(operation="outbound.create", answer="none"): 1,
    }
    assert sum(samples["attempts_total"].values()) == stats.attempts
    assert samples["attempt_seconds_count"][by(operation="stocks.list")] == 3
    assert samples["retries_total"] == {by(operation="stocks.list"): 1, by(operation="outbound.count"): 1}
    assert samples["throttled_total"] == {by(group="outbound"): 1}
    assert samples["pauses_total"][by(group="outbound")] == 1
    assert samples["tokens_fetched_total"] == {(): 1}
    assert samples["keys"] == {by(group="token"): 1, by(group="stocks"): 2, by(group="outbound"): 1}
    ceilings = [key.ceiling for key in stats.keys if key.group == "stocks" and key.ceiling]
    assert samples["rate_ceiling"][by(group="stocks")] == pytest.approx(sum(ceilings)) == pytest.approx(100, rel=0.05)
    assert 0 < samples["rate"][by(group="outbound")] <= samples["rate_ceiling"][by(group="outbound")]
    assert samples["in_flight_requests"][by(group="stocks")] == 0
    assert 0 <= samples["token_age_seconds"][()] < 5
    assert samples["token_left_seconds"][()] > 1000
    assert samples["retry_budget_left"] == {(): stats.retry_budget_left}
    assert samples["circuit"] == {by(state="closed"): 1, by(state="open"): 0, by(state="probing"): 0}


async def test_an_alert_sees_the_first_increase(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    _, server = served
    zeros = (await fetched(server))["items_total"]
    assert len(zeros) == 15
    assert zeros[by(operation="outbound.create", outcome="unknown")] == 0


async def test_what_a_worker_does(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    metrics, server = served
    outcomes: list[Outcome] = [Created(key="ORDER-1"), Created(key="ORDER-2"), Refused(key="K", code="c", message="m")]
    for outcome in [*outcomes, Unknown(key="ORDER-3", reason="lost")]:
        metrics.item("outbound.create", outcome, seller="98980")
    metrics.chunk("outbound.create", "done", seconds=2.5)
    metrics.chunk("outbound.create", "fenced", seconds=70.0)
    metrics.lease("renewed")
    metrics.lease("lost")
    samples = await fetched(server)
    operation = "outbound.create"
    assert {labels: value for labels, value in samples["items_total"].items() if value} == {
        by(operation=operation, outcome="created"): 2,
        by(operation=operation, outcome="refused"): 1,
        by(operation=operation, outcome="unknown"): 1,
    }
    assert samples["chunks_total"] == {
        by(operation=operation, result="done"): 1,
        by(operation=operation, result="fenced"): 1,
    }
    assert samples["chunk_seconds_sum"] == {by(operation=operation): 72.5}
    assert samples["chunk_seconds_bucket"][by(operation=operation, le="5.0")] == 1
    assert samples["lease_renewals_total"] == {
        by(result="renewed"): 1,
        by(result="failed"): 0,
        by(result="lost"): 1,
    }
    assert "circuit" not in samples
    assert samples["process_resident_memory_bytes"][()] > 1e6


class Standing:
    """A client with many keys."""

    def __init__(self, sellers: int, rate: float | None) -> None:
        self.sellers = sellers
        self.rate = rate

    def stats(self) -> Stats:
        keys = tuple(
            KeyStats(
                seller_id=str(seller),
                group=group.value,
                rate=self.rate,
                ceiling=self.rate,
                accepted=9,
                throttled=1,
                waiting=2,
                in_flight=3,
                in_flight_limit=9,
                paused_for=float(seller == 0),
            )
            for seller in range(self.sellers)
            for group in Group
        )
        return Stats(
            calls=1,
            attempts=1,
            retries=0,
            throttled=0,
            tokens=1,
            waited=0.0,
            travelled=0.0,
            keys=keys,
            token_age=None,
            token_left=None,
            retry_budget_left=5,
            circuit="open",
        )


async def test_keys_are_summed_up_over_sellers_and_clients(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    metrics, server = served
    clients = [Standing(100, 0.5), Standing(10, None)]
    for client in clients:
        metrics.observe(client)
    metrics.observe(clients[0])  # known already
    samples = await fetched(server)
    for group in Group:
        of = by(group=group.value)
        assert (samples["keys"][of], samples["paused_keys"][of], samples["waiting_calls"][of]) == (110, 2, 220)
        assert (samples["in_flight_requests"][of], samples["rate"][of], samples["rate_ceiling"][of]) == (330, 50, 50)
    assert samples["circuit"][by(state="open")] == 2
    assert "token_age_seconds" not in samples
    del clients, client
    gc.collect()
    assert "keys" not in await fetched(server)


async def test_sellers_show_only_if_they_are_asked_for() -> None:
    metrics, standing = WorkerMetrics(sellers=True), Standing(2, None)
    metrics.observe(standing)
    metrics.item("outbound.create", Created(key="ORDER-1"), seller="98980")
    metrics(attempt("outbound.count", 429))
    async with MetricsServer(metrics) as server:
        samples = await fetched(server)
    assert set(samples["keys"]) == {by(group=group.value, seller=seller) for group in Group for seller in "01"}
    assert samples["items_total"].pop(by(operation="outbound.create", outcome="created", seller="98980")) == 1
    assert list(samples["items_total"].values()) == [0] * 4
    assert samples["throttled_total"] == {by(group="outbound", seller="12345"): 1}
    assert "rate" not in samples


def attempt(operation: str, status: int) -> AttemptFinished:
    return AttemptFinished(
        call=1,
        operation=operation,
        method="GET",
        seller_id="12345",
        server="127.0.0.1:1",
        attempt=1,
        status=status,
        seconds=0.1,
    )


async def test_the_number_of_series_is_bounded(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    metrics, server = served
    standing = Standing(1000, 1.0)
    metrics.observe(standing)
    names = [operation.name for operation in (CREATE_TOKEN, *OPERATIONS)] + [f"GET /{number}" for number in range(50)]
    for name in names:
        for status in (0, 99, *range(100, 700, 7), 429):
            metrics(attempt(name, status))
        for error, unknown in (("", False), ("ServerError", False), ("ServerError", True)):
            ended = {"call": 1, "method": "GET", "seller_id": name, "server": "", "waited": 0.0, "travelled": 0.0}
            metrics(
                CallFinished(**ended, operation=name, attempts=1, status=1, error=error, outcome_unknown=unknown)  # type: ignore[arg-type]
            )
        metrics(RetryScheduled(call=1, operation=name, seller_id=name, attempt=1, delay=1.0, reason=name))
        for result in get_args(ChunkResult):
            metrics.chunk(name, result, seconds=1.0)
        for renewal in get_args(LeaseResult):
            metrics.lease(renewal)
    metrics(CircuitChanged(state="open", reason="down"))  # not listened for, and borne
    begun = time.perf_counter()
    samples = await fetched(server)
    assert time.perf_counter() - begun < 2
    assert sum(len(series) for series in samples.values()) < 1400
    assert by(operation="request") in samples["retries_total"]


async def test_it_is_served_as_open_metrics_if_that_is_asked_for_and_nothing_else_is(
    served: tuple[WorkerMetrics, MetricsServer],
) -> None:
    metrics, server = served
    metrics.lease("renewed")
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession() as session:
        async with session.get(server.address, headers=asked) as answer:
            assert answer.content_type == "application/openmetrics-text"
            assert (await answer.text()).endswith("# EOF\n")
        async with session.get(server.address.removesuffix("metrics")) as answer:
            assert answer.status == 404
        async with session.post(server.address) as answer:
            assert answer.status == 405
    assert server.address.startswith("http://127.0.0.1:")


async def test_a_port_that_is_taken_is_told(served: tuple[WorkerMetrics, MetricsServer]) -> None:
    metrics, server = served
    port = int(server.address.split(":")[2].split("/")[0])
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EADDRINUSE):
        async with MetricsServer(metrics, port=port):
            pass
