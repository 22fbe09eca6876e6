"""Gauges and counters of the state of clients, read whenever metrics are collected."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol, get_args

from opentelemetry import metrics

from ..events import CircuitState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..ratelimit.stats import KeyStats, Stats

    Callback = Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]

_KEY_GAUGES: tuple[tuple[str, str, str, Callable[[KeyStats], float | None]], ...] = (
    ("rate", "{request}/s", "Requests per second that are allowed now", lambda key: key.rate),
    ("ceiling", "{request}/s", "Requests per second that are configured", lambda key: key.ceiling),
    ("waiting", "{call}", "Calls that wait to be sent", lambda key: key.waiting),
    ("in_flight", "{request}", "Requests that are on the wire", lambda key: key.in_flight),
    ("in_flight_limit", "{request}", "Requests that may be on the wire", lambda key: key.in_flight_limit),
    ("paused_for", "s", "Seconds until a pause ends", lambda key: key.paused_for),
    ("shared", "1", "Whether a limit store keeps the limit now: 0 while it is unavailable", lambda key: key.shared),
)
_KEY_COUNTERS: tuple[tuple[str, str, str, Callable[[KeyStats], float | None]], ...] = (
    ("accepted", "{request}", "Answers other than 429", lambda key: key.accepted),
    ("throttled", "{request}", "429s", lambda key: key.throttled),
    ("void", "{slot}", "Slots of a shared limit that were leased and not used in time", lambda key: key.void),
)
_CLIENT_GAUGES: tuple[tuple[str, str, str, Callable[[Stats], float | None]], ...] = (
    ("token.age", "s", "Seconds since the token was fetched", lambda stats: stats.token_age),
    ("token.left", "s", "Seconds that the token is good for", lambda stats: stats.token_left),
    ("retry_budget.left", "{unit}", "Units that are left for retries to spend", lambda stats: stats.retry_budget_left),
)


class Observed(Protocol):
    """An object that can be observed: a client."""

    def stats(self) -> Stats:
        """Return the present state."""
        ...


class ClientGauges:
    """The observable instruments. A thread collects metrics, so only data that grows is read here."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._clients: list[tuple[weakref.ref[Observed], Mapping[str, str]]] = []
        for name, unit, description, field in _KEY_GAUGES:
            meter.create_observable_gauge(f"octopia.key.{name}", [self._by_key(field)], unit, description)
        for name, unit, description, field in _KEY_COUNTERS:
            meter.create_observable_counter(f"octopia.key.{name}", [self._by_key(field)], unit, description)
        for name, unit, description, value in _CLIENT_GAUGES:
            meter.create_observable_gauge(f"octopia.client.{name}", [self._by_client(value)], unit, description)
        meter.create_observable_gauge(
            "octopia.client.circuit", [self._circuit], "1", "1 for the state that the circuit is in"
        )

    def add(self, client: Observed, attributes: Mapping[str, str]) -> None:
        alive = [entry for entry in self._clients if entry[0]() not in (None, client)]
        self._clients = [*alive, (weakref.ref(client), dict(attributes))]

    def _stats(self) -> Iterator[tuple[Stats, Mapping[str, str]]]:
        for reference, attributes in self._clients:
            if (client := reference()) is not None:
                yield client.stats(), attributes

    def _by_key(self, field: Callable[[KeyStats], float | None]) -> Callback:
        def observe(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for stats, attributes in self._stats():
                for key in stats.keys:
                    if (value := field(key)) is not None:
                        named = {**attributes, "octopia.seller_id": key.seller_id, "octopia.group": key.group}
                        yield metrics.Observation(value, named)

        return observe

    def _by_client(self, field: Callable[[Stats], float | None]) -> Callback:
        def observe(_: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            for stats, attributes in self._stats():
                if (value := field(stats)) is not None:
                    yield metrics.Observation(value, dict(attributes))

        return observe

    def _circuit(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for stats, attributes in self._stats():
            for state in get_args(CircuitState):
                yield metrics.Observation(int(state == stats.circuit), {**attributes, "octopia.circuit.state": state})
