"""Spans and metrics for OpenTelemetry (extra ``otel``)::

    client = FulfillmentClient(config, hooks=[OpenTelemetryHook()])

**Spans.** One per call, named ``octopia outbound.create`` and the like, kind INTERNAL, a child of the span that is
current where the call is awaited; retries and pauses are its events. Each attempt is a child of kind CLIENT, named by
method and template (``POST /outbound-shipments``), which begins before the request leaves: its ``traceparent`` travels
with the request, so that the spans of the other side are its children. A call that is never sent has the first span
alone, and an attempt to fetch a token has the second one alone, beside the call that needed the token first.

A bulk run is one span, by the conventions for messaging. Each of its calls is a trace of its own, which links to the
run: a trace of a million spans serves nobody, and sampling decides per call.

Attributes are those of the conventions for HTTP clients, and ``octopia.*``. With OpenTelemetry's instrumentation of
aiohttp, or Sentry's, instead of this hook, each request has a span of theirs; with both, theirs is a child of ours.

**Metrics.** From events: ``http.client.request.duration`` (of attempts), ``octopia.client.calls``, ``.retries``,
``.throttled`` (429s), ``.pauses``, ``.tokens`` and ``.circuit.changes``. Of each client that has the hook:
``octopia.key.*`` by seller and group, ``octopia.client.token.age``, ``.token.left``, ``.retry_budget.left`` and
``.circuit`` (1 for its present state).

Neither contains headers, bodies, queries or ids of requested objects. Calls through ``client.request`` have the name
``request``, since the number of paths is not bounded. One hook may serve several clients.
"""

try:
    from opentelemetry import metrics as _metrics  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "octoffm_async.telemetry needs opentelemetry-api: pip install 'octoffm-async[otel]'", name=missing.name
    ) from missing

from .gauges import Observed
from .hook import OpenTelemetryHook

__all__ = ["Observed", "OpenTelemetryHook"]
