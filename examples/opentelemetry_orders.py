"""Orders with traces and metrics: OpenTelemetry records calls, their attempts, retries and pauses.

``pip install 'octoffm-async[otel]' opentelemetry-sdk``, then ``python examples/opentelemetry_orders.py``: two orders to
a sandbox in this process, which answers 429 to the first and loses its answer to the second. With the ``OCTOFFM_…``
variables exported it works against the real API, and then orders are real.

Spans and metrics are kept in memory and printed; a program exports them with the exporters of its choice. The
context of each attempt travels to the API in the header ``traceparent``.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from octoffm_async import (
    CallError,
    Config,
    DeliveryAddress,
    FulfillmentClient,
    FulfillmentProduct,
    Hook,
    OutboundShipmentRequest,
    ShipmentLine,
)
from octoffm_async.sandbox import Fault, Sandbox
from octoffm_async.telemetry import OpenTelemetryHook

ADDRESS = DeliveryAddress(
    first_name="Jeanne",
    last_name="Martin",
    address_line1="12 quai de la Paix",
    postal_code="75011",
    city="Paris",
    country_code="FR",
)


def order(reference: str) -> OutboundShipmentRequest:
    """Return an order of one lamp."""
    return OutboundShipmentRequest(
        reference=reference,
        lines=[ShipmentLine(seller_product_reference="LAMP-1", quantity=1)],
        delivery_address=ADDRESS,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


@asynccontextmanager
async def open_client(hooks: Sequence[Hook]) -> AsyncGenerator[FulfillmentClient, None]:
    """Open a client of the real API when its variables are set, else of a sandbox where things go wrong."""
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient(Config.from_env(), hooks=hooks) as client:
            yield client
    else:
        async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config(), hooks=hooks) as client:
            lamp = FulfillmentProduct(gtin="2000000000015", seller_product_reference="LAMP-1", title="Desk lamp")
            await client.products.create([lamp])
            sandbox.add_stock("LAMP-1", quantity=100)
            for fault in (Fault.THROTTLE, Fault.LATENCY, Fault.RESET_AFTER):  # one for each attempt
                sandbox.faults.next(fault, operation="outbound.create")
            yield client


def tree(spans: Sequence[ReadableSpan]) -> list[str]:
    """Return a line for each span, children below their parent."""
    lines: list[str] = []

    def add(parent: int | None, indent: str) -> None:
        below = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
        for span in sorted(below, key=lambda span: span.start_time or 0):
            lines.append(indent + described(span))
            add(span.context.span_id if span.context else 0, indent + "  ")

    add(None, "")
    return lines


def described(span: ReadableSpan) -> str:
    """Return name, events and error of a span."""
    attributes = span.attributes or {}
    ended = attributes.get("http.response.status_code") or attributes.get("error.type")
    words = [span.name, *([] if ended is None else [str(ended)]), *(event.name for event in span.events)]
    if "octopia.outcome_unknown" in attributes:
        words.append("it may have been carried out")
    return ", ".join(words)


def counters(reader: InMemoryMetricReader) -> Iterator[str]:
    """Yield a line for each counter of the client and the attributes that it was counted with."""
    data = reader.get_metrics_data()
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
    for metric in (metric for scope in scopes for metric in scope.metrics):
        if isinstance(metric.data, Sum):
            for point in metric.data.data_points:
                by = ", ".join(str(value) for _, value in sorted((point.attributes or {}).items(), reverse=True))
                yield f"{metric.name}{{{by}}} {point.value}"


async def main() -> None:
    """Place the orders, then print the spans and counters."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    tracer, telemetry = tracers.get_tracer("shop"), OpenTelemetryHook(tracers, meters)
    async with open_client([telemetry]) as client:
        for reference in ("ORDER-1", "ORDER-2"):
            with tracer.start_as_current_span("checkout"):  # what a web framework's instrumentation does
                try:
                    await client.outbound.create(order(reference))
                except CallError as error:
                    print(f"{reference}: {type(error).__name__}, outcome unknown: {error.outcome_unknown}")
                else:
                    print(f"{reference}: ordered")
        print(*tree(spans.get_finished_spans()), *counters(reader), sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
