"""Spans and metrics for OpenTelemetry (extra ``otel``)::

    client = FulfillmentClient(config, hooks=[OpenTelemetryHook()])

**Spans.** One per attempt, kind CLIENT, named by method and template (``POST /outbound-shipments``), below the span
that is current where the call is awaited. It begins before the request leaves: its ``traceparent`` travels with the
request, so that the spans of the other side are its children. ``http.request.resend_count`` counts the attempts of one
call; retries and pauses that follow an attempt are its events, and the last one has what became of the call
(``octopia.waited`` seconds before and between its attempts, ``octopia.error``, ``octopia.outcome_unknown``). A call
that fails before it is sent has a span named after it, ``octopia outbound.create``, kind INTERNAL.

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
    from .gauges import Observed
    from .hook import OpenTelemetryHook
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "octoffm_async.telemetry needs opentelemetry-api: pip install 'octoffm-async[otel]'", name=missing.name
    ) from missing

__all__ = ["Observed", "OpenTelemetryHook"]
