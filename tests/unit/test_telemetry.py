"""Spans and metrics, as OpenTelemetry's SDK gets them, of calls to a sandbox over HTTP."""

from __future__ import annotations

import asyncio
import gc
import itertools
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from octoffm_async import (
    Config,
    ConnectionLostError,
    DeadlineExceededError,
    FulfillmentClient,
    KeyStats,
    Limit,
    NotFoundError,
    SellerClient,
    ServerError,
    Stats,
    Stock,
)
from octoffm_async.events import AttemptFinished, AttemptStarted, CircuitChanged, RateChanged
from octoffm_async.sandbox import Fault, Sandbox
from octoffm_async.telemetry import OpenTelemetryHook, spans
from tests.support.fakes import SECRET, FakeTransport, answer, config
from tests.support.items import order

ROOT = Path(__file__).parents[2]

STOCK = {"id": "S-1", "quantities": {"Available": 1}}


class Desk:
    """OpenTelemetry's SDK with everything kept in memory, and a hook on it."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.hook = OpenTelemetryHook(self.tracers, self.meters)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans of the hook."""
        found = self.exporter.get_finished_spans()
        return [span for span in found if span.instrumentation_scope.name == "octoffm_async"]

    def named(self, operation: str) -> list[ReadableSpan]:
        """The spans of an operation's attempts, in their order."""
        found = [span for span in self.spans if (span.attributes or {})["octopia.operation"] == operation]
        return sorted(found, key=lambda each: each.start_time or 0)

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        """The data points of an instrument by the values of their attributes, sorted by the attributes' names."""
        return {
            tuple(value for _, value in sorted(point.attributes.items())): point
            for metric in self.metrics()
            if metric.name == name
            for point in metric.data.data_points
        }

    def values(self, name: str) -> dict[tuple[Any, ...], float]:
        return {attributes: point.value for attributes, point in self.points(name).items()}

    def metrics(self) -> Iterator[Any]:
        data = self.reader.get_metrics_data()
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                assert scope.scope.name == "octoffm_async"
                yield from scope.metrics


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.meters.shutdown()
    made.tracers.shutdown()


def notes(span: ReadableSpan, name: str) -> list[dict[str, Any]]:
    return [dict(event.attributes or {}) for event in span.events if event.name == name]


def quick(sandbox: Sandbox, **settings: Any) -> Config:
    return sandbox.config(limit=None, **{"backoff_base": 0.001, **settings})


async def call(client: SellerClient) -> list[Stock]:
    return (await client.stocks.list(limit=1)).items


async def test_an_attempt_is_a_span_with_the_attributes_of_http_clients(desk: Desk) -> None:
    before = time.time_ns()
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            await client.stocks.list(limit=1)
        port = int(sandbox.base_url.split("/")[2].rpartition(":")[2])
    (span,) = desk.named("stocks.list")
    assert (span.name, span.kind) == ("GET /stocks", SpanKind.CLIENT)
    assert (span.status.status_code, span.parent) == (StatusCode.UNSET, None)
    attributes = dict(span.attributes or {})
    assert attributes.pop("octopia.waited") >= 0
    assert attributes.pop("http.response.body.size") > 0
    assert attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.scheme": "http",
        "url.template": "/stocks",
        "http.response.status_code": 200,
        "octopia.operation": "stocks.list",
        "octopia.seller_id": "12345",
    }
    assert before <= span.start_time < span.end_time <= time.time_ns()
    assert span.instrumentation_scope.schema_url.startswith("https://opentelemetry.io/schemas/")
    assert span.events == ()


async def test_retries_and_pauses_are_events_of_the_attempts_that_they_followed(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.ERROR_500)
        sandbox.faults.next(Fault.TRUNCATED)
        sandbox.faults.next(Fault.THROTTLE)
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            await client.stocks.list(limit=1)
    spans = desk.named("stocks.list")
    assert [[event.name for event in span.events] for span in spans] == [["retry"], ["retry"], ["pause", "retry"], []]
    attempts = [dict(span.attributes or {}) for span in spans]
    assert [each.get("http.response.status_code") for each in attempts] == [500, None, 429, 200]
    assert [each.get("error.type") for each in attempts] == ["500", "ConnectionLostError", "429", None]
    assert [each.get("http.request.resend_count") for each in attempts] == [None, 1, 2, 3]
    assert [event["reason"] for span in spans for event in notes(span, "retry")] == ["failed", "lost", "429"]
    paused = [(event["told"], event["octopia.group"]) for event in notes(spans[2], "pause")]
    assert paused == [(False, "stocks")]
    for before, after in itertools.pairwise(spans):
        assert before.start_time < before.end_time <= after.start_time
        assert {event.timestamp for event in before.events} == {before.end_time}
    unset, error = StatusCode.UNSET, StatusCode.ERROR
    assert [span.status.status_code for span in spans] == [error, error, error, unset]


async def test_the_callers_span_is_the_parent_and_concurrent_requests_are_kept_apart(desk: Desk) -> None:
    tracer = desk.tracers.get_tracer("shop")
    async with Sandbox(seed=7, catalogue=3) as sandbox:
        sandbox.faults.set_rates({Fault.ERROR_500: 0.3}, operations=["stocks.get"])
        async with FulfillmentClient(quick(sandbox, max_attempts=20), hooks=[desk.hook]) as client:
            ids = [stock.id async for stock in client.stocks.list(limit=10)]

            async def request(number: int) -> None:
                with tracer.start_as_current_span(f"page {number}"):
                    await asyncio.sleep(0)
                    await client.stocks.get(ids[number % 3])

            await asyncio.gather(*(request(number) for number in range(30)))
    outer = {span.context.span_id: span for span in desk.exporter.get_finished_spans() if span.name[:4] == "page"}
    inner = desk.named("stocks.get")
    assert len(outer) == 30
    by_parent: dict[int, list[ReadableSpan]] = defaultdict(list)
    for span in inner:
        assert span.parent is not None
        by_parent[span.parent.span_id].append(span)
    assert by_parent.keys() == outer.keys()
    resent = 0
    for parent_id, attempts in by_parent.items():
        parent = outer[parent_id]
        for number, span in enumerate(attempts):
            assert span.context.trace_id == parent.context.trace_id
            assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time
            attributes = span.attributes or {}
            assert attributes.get("http.request.resend_count", 0) == number
            assert attributes["http.response.status_code"] == (200 if span is attempts[-1] else 500)
        resent += len(attempts) - 1
    assert resent > 0
    assert sum(desk.values("octopia.client.retries").values()) == resent


async def test_a_failure_is_an_error_with_its_type(desk: Desk) -> None:
    async with Sandbox(seed=7) as sandbox, FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
        with pytest.raises(NotFoundError):
            await client.stocks.get("00000000-0000-4000-8000-000000000000")
    (span,) = desk.named("stocks.get")
    attributes = span.attributes or {}
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "404")
    assert (attributes["error.type"], attributes["octopia.error"]) == ("404", "NotFoundError")
    assert "octopia.outcome_unknown" not in attributes
    assert desk.values("octopia.client.calls") == {("NotFoundError", "stocks.get"): 1}


async def test_a_creation_whose_answer_was_lost_says_that_it_may_have_happened(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create")
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            with pytest.raises(ConnectionLostError):
                await client.outbound.create(order("ORDER-1"))
    (span,) = desk.named("outbound.create")
    attributes = span.attributes or {}
    assert attributes["octopia.outcome_unknown"] is True
    assert attributes["error.type"] == "ConnectionLostError"
    assert "http.response.status_code" not in attributes
    assert attributes["http.request.body.size"] > 0


@pytest.mark.parametrize(
    ("deadline", "error"), [(0.05, "DeadlineExceededError"), (60.0, "CancelledError")], ids=["deadline", "cancelled"]
)
async def test_a_call_that_is_broken_off_has_a_finished_span(desk: Desk, deadline: float, error: str) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.STALL, operation="stocks.list")
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            await client.check()
            began = time.time_ns()
            with desk.tracers.get_tracer("shop").start_as_current_span("outer") as outer:
                stalled = asyncio.create_task(call(client.with_options(deadline=deadline)))
                await asyncio.sleep(0.2)
                stalled.cancel()
                with pytest.raises((asyncio.CancelledError, DeadlineExceededError)):
                    await stalled
            ended = time.time_ns()
    (span,) = desk.named("stocks.list")
    assert (span.status.status_code, (span.attributes or {})["error.type"]) == (StatusCode.ERROR, error)
    assert span.parent is not None
    assert span.parent.span_id == outer.get_span_context().span_id
    assert span.end_time is not None
    assert span.start_time is not None
    assert began < span.start_time < span.start_time + min(deadline, 0.15) * 0.9e9 < span.end_time < ended


async def test_fetching_a_token_is_a_span_under_the_call_that_needed_it(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.UNAVAILABLE_HTML, operation="token.create")
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            with desk.tracers.get_tracer("shop").start_as_current_span("outer") as outer:
                await client.stocks.list(limit=1)
    failed, fetched = desk.named("token.create")
    assert {span.parent.span_id for span in (failed, fetched) if span.parent} == {outer.get_span_context().span_id}
    assert (failed.status.status_code, (failed.attributes or {})["error.type"]) == (StatusCode.ERROR, "503")
    assert fetched.status.status_code is StatusCode.UNSET
    assert (fetched.attributes or {})["http.request.resend_count"] == 1
    assert desk.values("octopia.client.tokens") == {(): 1}
    assert desk.hook._spans._ended == {}
    assert desk.hook._spans._attempts == {}


async def test_requests_are_timed_by_operation_and_outcome(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.ERROR_500, operation="stocks.list", times=2)
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            for _ in range(3):
                await client.stocks.list(limit=1)
    points = {
        (dict(point.attributes)["octopia.operation"], dict(point.attributes)["http.response.status_code"]): point
        for point in desk.points("http.client.request.duration").values()
    }
    assert {key: point.count for key, point in points.items()} == {
        ("token.create", 200): 1,
        ("stocks.list", 500): 2,
        ("stocks.list", 200): 3,
    }
    good, bad = points["stocks.list", 200], points["stocks.list", 500]
    assert (good.explicit_bounds[0], good.explicit_bounds[-1]) == (0.005, 10.0)
    assert 0 <= good.min <= good.max < 5  # uvloop's clock has whole milliseconds
    assert dict(bad.attributes)["error.type"] == "500"
    assert dict(good.attributes).keys() == {
        "http.request.method",
        "http.response.status_code",
        "octopia.operation",
        "server.address",
        "server.port",
    }
    (metric,) = [metric for metric in desk.metrics() if metric.name == "http.client.request.duration"]
    assert metric.unit == "s"


@pytest.mark.virtual_time
async def test_a_storm_counts_each_429_and_one_pause(desk: Desk) -> None:
    answers = [answer(429, Retry_After="10")] * 20
    transport = FakeTransport(lambda _: answers.pop() if answers else answer(200, STOCK), latency=0.5)
    async with FulfillmentClient(
        config(limit=Limit(1000), max_in_flight=20), transport=transport, hooks=[desk.hook]
    ) as client:
        await client.check()
        await asyncio.gather(*(client.stocks.get("S-1") for _ in range(20)))
    assert desk.values("octopia.client.throttled") == {("stocks.get", "12345"): 20}
    assert desk.values("octopia.client.pauses") == {("stocks", "12345"): 1}
    assert desk.values("octopia.client.retries") == {("stocks.get", "429"): 20}
    assert desk.values("octopia.client.calls") == {("stocks.get",): 20}


async def test_unmodelled_paths_do_not_make_names(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            for path in ("/stocks/ORDER-1", "/nowhere/ORDER-1"):
                with pytest.raises(NotFoundError):
                    await client.request("GET", path)
    assert len(desk.named("request")) == 2
    assert desk.values("octopia.client.calls") == {("NotFoundError", "request"): 2}
    assert "ORDER-1" not in "".join(span.to_json() for span in desk.spans)


async def test_nothing_that_is_secret_or_sent_is_told(desk: Desk) -> None:
    def script(sent: Any) -> Any:
        return answer(400, {"title": f"{SECRET} token-1", "errors": {"x": ["body-of-the-answer"]}})

    async with FulfillmentClient(config(), transport=FakeTransport(script), hooks=[desk.hook]) as client:
        with pytest.raises(Exception, match="400"):
            await client.outbound.create(order("ORDER-1"))
    reported = "".join(span.to_json() for span in desk.spans) + repr(list(desk.metrics()))
    assert "outbound.create" in reported
    assert not any(text in reported for text in (SECRET, "token-1", "body-of-the-answer", "ORDER-1", "Bearer"))


KEY = KeyStats(
    seller_id="12345",
    group="stocks",
    rate=4.5,
    ceiling=10.0,
    accepted=7,
    throttled=2,
    waiting=3,
    in_flight=1,
    in_flight_limit=8,
    paused_for=0.25,
)
STATS = Stats(
    calls=9,
    attempts=10,
    retries=1,
    throttled=2,
    tokens=1,
    waited=0.5,
    travelled=1.5,
    keys=(KEY, msgspec.structs.replace(KEY, group="outbound", rate=None, ceiling=None, paused_for=0.0)),
    token_age=20.0,
    token_left=None,
    retry_budget_left=450,
    circuit="open",
)


class Standing:
    """Something that stands as told."""

    def stats(self) -> Stats:
        return STATS


def test_gauges_show_how_an_observed_client_stands(desk: Desk) -> None:
    client = Standing()
    desk.hook.observe(client)
    for name in ("rate", "ceiling"):
        assert desk.values(f"octopia.key.{name}") == {("stocks", "12345"): getattr(KEY, name)}
    for name in ("accepted", "throttled", "waiting", "in_flight", "in_flight_limit"):
        value = getattr(KEY, name)
        assert desk.values(f"octopia.key.{name}") == {("stocks", "12345"): value, ("outbound", "12345"): value}
    assert desk.values("octopia.key.paused_for") == {("stocks", "12345"): 0.25, ("outbound", "12345"): 0.0}
    assert desk.values("octopia.client.token.age") == {(): 20.0}
    assert desk.values("octopia.client.token.left") == {}
    assert desk.values("octopia.client.retry_budget.left") == {(): 450}
    assert desk.values("octopia.client.circuit") == {("closed",): 0, ("open",): 1, ("probing",): 0}


def test_every_figure_of_a_key_is_a_metric(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Standing()
    desk.hook.observe(client)
    assert "octopia.key.shared" not in {metric.name for metric in desk.metrics()}  # no store holds a limit
    shared = msgspec.structs.replace(STATS, keys=(msgspec.structs.replace(KEY, shared=True),))
    monkeypatch.setattr(client, "stats", lambda: shared)
    shown = {metric.name.removeprefix("octopia.key.") for metric in desk.metrics() if "octopia.key." in metric.name}
    assert shown == set(KeyStats.__struct_fields__) - {"seller_id", "group"}


def test_clients_are_told_apart_and_observed_once_and_not_kept(desk: Desk) -> None:
    first, second = Standing(), Standing()
    desk.hook.observe(first)
    desk.hook.observe(first, {"account": "a"})
    desk.hook.observe(second, {"account": "b"})
    assert desk.values("octopia.client.token.age") == {("a",): 20.0, ("b",): 20.0}
    del second
    gc.collect()
    assert desk.values("octopia.client.token.age") == {("a",): 20.0}


async def test_an_open_client_is_observed_from_another_thread(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1, token_life=300.0) as sandbox:
        async with FulfillmentClient(quick(sandbox), hooks=[desk.hook]) as client:
            await client.stocks.list(limit=1)
            left = await asyncio.to_thread(desk.values, "octopia.client.token.left")
            assert desk.values("octopia.client.circuit")["closed",] == 1
        assert 200 < left[()] <= 300
        assert desk.values("octopia.client.token.left") == {}  # closed


def test_calls_that_never_end_take_bounded_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST_CALLS", 10)
    for call in range(50):
        about = {"call": call, "operation": "stocks.get", "method": "GET", "seller_id": "1", "server": "h:443"}
        desk.hook.trace(AttemptStarted(**about, scheme="https", attempt=1, waited=0.0))
        desk.hook(AttemptFinished(**about, attempt=1, status=503, seconds=0.1))
    assert list(desk.hook._spans._ended) == list(range(40, 50))
    assert not desk.hook._spans._attempts
    assert len(desk.named("stocks.get")) == 40  # the oldest ended


async def test_a_call_that_fails_before_it_is_sent_has_a_span_of_its_own(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        config = quick(sandbox).with_(limit=Limit(1, per=60.0))
        async with FulfillmentClient(config, hooks=[desk.hook]) as client:
            await call(client)
            with pytest.raises(DeadlineExceededError):
                await call(client.with_options(deadline=0.05))
    _, unsent = desk.named("stocks.list")
    assert (unsent.name, unsent.kind) == ("octopia stocks.list", SpanKind.INTERNAL)
    assert (unsent.attributes or {})["error.type"] == "DeadlineExceededError"
    assert sandbox.requests.count("stocks.list") == 1


async def test_finished_calls_leave_nothing_behind(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.set_rates({Fault.ERROR_500: 0.5})
        async with FulfillmentClient(quick(sandbox, max_attempts=2), hooks=[desk.hook]) as client:
            done = await asyncio.gather(*(call(client) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in done} == {list, ServerError}
    assert desk.hook._spans._ended == {}
    assert desk.hook._spans._attempts == {}


def test_the_circuit_is_counted_and_other_events_are_none_of_its_business(desk: Desk) -> None:
    desk.hook(CircuitChanged(state="open", reason="down"))
    desk.hook(RateChanged(seller_id="1", group="stocks", rate=1.0, ceiling=2.0, reason="quota"))
    assert desk.values("octopia.client.circuit.changes") == {("open",): 1}
    assert RateChanged not in desk.hook.events


async def test_a_failing_exporter_disturbs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SimpleSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise OSError("on purpose")

    tracers = TracerProvider()
    tracers.add_span_processor(Broken(InMemorySpanExporter()))
    hook = OpenTelemetryHook(tracers, MeterProvider())
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        async with FulfillmentClient(quick(sandbox), hooks=[hook]) as client:
            before = trace.get_current_span()
            assert len(await call(client)) == 1
            assert trace.get_current_span() is before
    assert "a hook failed on CallFinished" in caplog.text


class Port(NamedTuple):
    base_url: str
    address: str
    port: int


@pytest.mark.parametrize(
    "port",
    [
        Port("https://api.example/seller/v2", "api.example", 443),
        Port("https://api.example:8443/seller/v2", "api.example", 8443),
        Port("http://localhost/seller/v2", "localhost", 80),
        Port("http://[::1]/seller/v2", "::1", 80),
        Port("http://[::1]:8080/seller/v2", "::1", 8080),
    ],
    ids=lambda port: port.base_url,
)
@pytest.mark.one_loop
async def test_the_server_is_named_by_host_and_port(desk: Desk, port: Port) -> None:
    async with FulfillmentClient(_at(port.base_url), transport=FakeTransport(), hooks=[desk.hook]) as client:
        await client.stocks.get("S-1")
    attributes = desk.named("stocks.get")[0].attributes or {}
    assert (attributes["server.address"], attributes["server.port"]) == (port.address, port.port)


def _at(base_url: str) -> Config:
    return Config(
        client_id="c",
        client_secret=SECRET,
        seller_id="12345",
        base_url=base_url,
        token_url="http://127.0.0.1:9/token",
        limit=None,
    )


@pytest.mark.one_loop
async def test_without_an_sdk_it_does_nothing() -> None:
    hook = OpenTelemetryHook()
    async with FulfillmentClient(config(), transport=FakeTransport(), hooks=[hook]) as client:
        assert (await client.stocks.get("S-1")).id == "S-1"
    assert hook._spans._ended == {}
    assert hook._spans._attempts == {}


def test_without_the_package_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import octoffm_async.telemetry"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last == (
        "ModuleNotFoundError: octoffm_async.telemetry needs opentelemetry-api: pip install 'octoffm-async[otel]'"
    )
