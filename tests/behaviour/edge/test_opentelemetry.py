"""OpenTelemetry: its own instrumentation of aiohttp, our hook, and both, as the sandbox sees their traces."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from octoffm_async import FulfillmentClient, NotFoundError
from octoffm_async.sandbox import Fault, Sandbox
from octoffm_async.telemetry import OpenTelemetryHook
from tests.support.items import order, orders


class Desk:
    """OpenTelemetry's SDK with everything kept in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is kind]


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.tracers.shutdown()


@pytest.fixture
def instrumented(desk: Desk) -> Iterator[None]:
    AioHttpClientInstrumentor().instrument(tracer_provider=desk.tracers)
    yield
    AioHttpClientInstrumentor().uninstrument()


def header_of(span: ReadableSpan) -> str:
    """The ``traceparent`` that names a span as the parent."""
    trace, parent = format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)
    return f"00-{trace}-{parent}-{span.context.trace_flags:02x}"


def traceparents(sandbox: Sandbox) -> Counter[str]:
    return Counter(record.traceparent for record in sandbox.arrivals)


async def make_calls(sandbox: Sandbox, client: FulfillmentClient, count: int) -> None:
    """Make so many calls, some of which are repeated."""
    asyncio.get_running_loop().set_debug(False)  # four times as fast
    ids = [stock.id for stock in await client.stocks.list().collect()]
    sandbox.faults.set_rates({Fault.ERROR_500: 0.04, Fault.TRUNCATED: 0.02})
    left = iter(range(count - 1))

    async def worker() -> None:
        for number in left:
            await client.stocks.get(ids[number % len(ids)])

    await asyncio.gather(*(worker() for _ in range(20)))


async def test_of_a_thousand_calls_with_retries_every_request_travels_with_the_span_that_the_hook_began(
    desk: Desk,
) -> None:
    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox:
        config = sandbox.config(limit=None, backoff_base=0.001, throttle_base=0.001, max_attempts=20)
        async with FulfillmentClient(config, hooks=[OpenTelemetryHook(desk.tracers)]) as client:
            await make_calls(sandbox, client, 1000)
            stats = client.stats()
    attempts = desk.spans
    assert stats.calls == 1000
    assert len(attempts) == stats.attempts == sandbox.requests.total > 1020
    assert traceparents(sandbox) == Counter(map(header_of, attempts))
    assert set(traceparents(sandbox).values()) == {1}
    resent = Counter((span.attributes or {}).get("http.request.resend_count", 0) for span in attempts)
    assert sum(resent.values()) - resent[0] == stats.retries > 20


@pytest.mark.usefixtures("instrumented")
async def test_the_instrumentation_of_aiohttp_sees_every_request(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox:
        config = sandbox.config(limit=None, backoff_base=0.001, throttle_base=0.001, max_attempts=20)
        async with FulfillmentClient(config) as client:
            await make_calls(sandbox, client, 200)
    assert len(desk.spans) == sandbox.requests.total > 205
    assert traceparents(sandbox) == Counter(map(header_of, desk.spans))


@pytest.mark.usefixtures("instrumented")
async def test_with_both_the_instrumentations_spans_are_children_of_ours(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox:
        async with FulfillmentClient(sandbox.config(), hooks=[OpenTelemetryHook(desk.tracers)]) as client:
            await client.stocks.list().collect()
    ours = [span for span in desk.of(SpanKind.CLIENT) if span.instrumentation_scope.name == "octoffm_async"]
    theirs = [span for span in desk.of(SpanKind.CLIENT) if span not in ours]
    assert len(ours) == len(theirs) == 2
    assert {span.parent.span_id for span in theirs if span.parent} == {span.context.span_id for span in ours}
    assert traceparents(sandbox) == Counter(map(header_of, theirs))


async def test_a_page_that_is_read_ahead_is_no_child_of_the_page_before_it(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=30, stock=1) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=None), hooks=[OpenTelemetryHook(desk.tracers)]) as client:
            with desk.tracers.get_tracer("shop").start_as_current_span("job") as job:
                assert len(await client.stocks.list(limit=5).collect()) == 30
    pages = [span for span in desk.spans if span.name == "GET /stocks"]
    assert len(pages) == 6
    assert {span.parent.span_id for span in pages if span.parent} == {job.get_span_context().span_id}


async def test_a_bulk_run_is_one_span_and_its_calls_link_to_it(desk: Desk) -> None:
    async with Sandbox(seed=7, catalogue=1, stock=100) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=None), hooks=[OpenTelemetryHook(desk.tracers)]) as client:
            with desk.tracers.get_tracer("shop").start_as_current_span("nightly") as nightly:
                async with client.bulk.create_outbound([*orders(20), order("O-1")]) as run:
                    async for _ in run:
                        pass
                    await client.stocks.list(limit=1)  # a call of the block, not of the run
    (bulk,) = desk.of(SpanKind.PRODUCER)
    assert bulk.name == "octopia bulk outbound.create"
    assert bulk.parent is not None
    assert bulk.parent.span_id == nightly.get_span_context().span_id
    assert dict(bulk.attributes or {}) == {
        "octopia.operation": "outbound.create",
        "octopia.seller_id": "12345",
        "messaging.system": "octopia",
        "messaging.operation.type": "send",
        "messaging.operation.name": "outbound.create",
        "messaging.destination.name": "/outbound-shipments",
        "messaging.batch.message_count": 21,
        "octopia.outcomes.created": 20,
        "octopia.outcomes.skipped": 1,
    }
    calls = [span for span in desk.spans if span.name == "POST /outbound-shipments"]
    assert len(calls) == 20
    assert {span.context.trace_id for span in calls}.isdisjoint({bulk.context.trace_id})
    assert len({span.context.trace_id for span in calls}) == 20
    assert {link.context.span_id for span in calls for link in span.links} == {bulk.context.span_id}
    (listed,) = [span for span in desk.spans if span.name == "GET /stocks"]
    assert listed.parent is not None
    assert listed.parent.span_id == nightly.get_span_context().span_id
    assert not listed.links


async def test_an_error_of_the_api_names_the_trace_that_led_to_it(desk: Desk) -> None:
    async with Sandbox(seed=7) as sandbox:
        async with FulfillmentClient(sandbox.config(), hooks=[OpenTelemetryHook(desk.tracers)]) as client:
            with pytest.raises(NotFoundError) as raised:
                await client.stocks.get("00000000-0000-4000-8000-000000000000")
    (failed,) = [span for span in desk.of(SpanKind.CLIENT) if span.name == "GET /stocks/{stockId}"]
    assert raised.value.trace_id.split("-")[1] == format_trace_id(failed.context.trace_id)


async def test_gauges_need_no_second_call_and_logging_stays(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])
    async with Sandbox(seed=7, catalogue=1, stock=1) as sandbox:
        sandbox.faults.next(Fault.THROTTLE, operation="stocks.list")
        hook = OpenTelemetryHook(desk.tracers, meters)
        async with FulfillmentClient(sandbox.config(throttle_base=0.001), hooks=[hook]) as client:
            await client.stocks.list(limit=1)
            data: Any = reader.get_metrics_data()
    names = {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    meters.shutdown()
    assert {"octopia.client.token.left", "octopia.key.rate", "http.client.request.duration"} <= names
    assert "Throttled" in caplog.text


PROGRAM = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import Sandbox

async def main():
    spans = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
    async with Sandbox(seed=7, catalogue=1) as sandbox, FulfillmentClient(sandbox.config()) as client:
        await client.stocks.list(limit=1)
        print([span.name for span in spans.get_finished_spans()], sum(bool(r.traceparent) for r in sandbox.arrivals))

asyncio.run(main())
"""


def test_a_program_under_opentelemetry_instrument_has_a_span_for_each_request() -> None:
    launcher = Path(sys.executable).with_name("opentelemetry-instrument")
    ran = subprocess.run(
        [launcher, "--traces_exporter", "none", "--metrics_exporter", "none", sys.executable, "-c", PROGRAM],
        capture_output=True,
        encoding="utf-8",
        timeout=40,
        check=False,
        env=os.environ | {"OTEL_SDK_DISABLED": "false", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ""},
    )
    assert re.search(r"\['POST', 'GET'\] 2", ran.stdout), ran.stderr
