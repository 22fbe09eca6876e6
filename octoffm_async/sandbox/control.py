"""The control routes: what a test in another process does to the sandbox by HTTP.

They are outside the API: no token, no limits, no faults, and not counted.
"""

import time
from collections.abc import Callable

import msgspec

from .activation import activate, deactivate
from .faults import Fault, Only
from .movements import add_stock
from .overview import Overview
from .replies import Reply, json_reply
from .returns import return_by_carrier
from .state import State

CONTROL_PATH = "/_sandbox"

_SAVE = ("POST", "/save")
_Order = Callable[[bytes], object]


class StockOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST stock``: put goods behind one product, or behind each."""

    quantity: int
    reference: str | None = None
    country: str = "FR"
    seller: str | None = None


class ReturnOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST returns``: let the carrier bring back what is left of a shipment."""

    outbound_shipment_id: str
    seller: str | None = None


class CountryOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST countries``: let a seller supply a storage country, or no longer."""

    country: str
    seller: str | None = None
    active: bool = True


class ClockOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST clock``: seconds to jump."""

    advance: float


class LimitOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST limit``: requests per seconds for each seller and group, or no limit."""

    limit: tuple[int, float] | None


class Script(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault to script, by the name of its member."""

    fault: str
    operation: str | None = None
    times: int = 1
    value: float | None = None


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of ``POST faults``: clear, then set rates, then script; each if given."""

    clear: bool = False
    rates: dict[str, float | tuple[float, float]] | None = None
    only: Only | None = None
    operations: list[str] | None = None
    next: Script | None = None


class Control:
    """Answers the control routes. A mistake in an order is a 400 that says what is wrong."""

    def __init__(self, state: State, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._overview = Overview(state)
        self._routes: dict[tuple[str, str], _Order] = {
            ("POST", "/stock"): self._add_stock,
            ("POST", "/returns"): self._return_by_carrier,
            ("POST", "/countries"): self._set_country,
            ("POST", "/clock"): self._advance,
            ("POST", "/faults"): self._set_faults,
            ("POST", "/limit"): self._set_limit,
            ("GET", "/effects"): lambda _: state.world.effects.as_dict(),
            ("GET", "/state"): lambda _: self._overview.look(monotonic()),
            ("GET", "/stats"): lambda _: state.stats(),
        }

    async def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Do what the order says."""
        order = (method, path.removeprefix(CONTROL_PATH))
        route = self._routes.get(order)
        try:
            if order == _SAVE:
                return json_reply(await self._state.keeper.save_on_order())
            if route is None:
                return json_reply({"error": f"no control route {method} {path}"}, 404)
            return json_reply(route(body))
        except (ValueError, LookupError) as mistake:
            return json_reply({"error": str(mistake.args[0] if mistake.args else mistake)}, 400)

    def _add_stock(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=StockOrder)
        add_stock(self._state.world, order.seller, order.reference, quantity=order.quantity, country=order.country)
        return {}

    def _return_by_carrier(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=ReturnOrder)
        return {"return_id": return_by_carrier(self._state.world, order.seller, order.outbound_shipment_id)}

    def _set_country(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=CountryOrder)
        (activate if order.active else deactivate)(self._state.world, order.seller, order.country)
        return {}

    def _advance(self, body: bytes) -> object:
        clock = self._state.world.clock
        clock.advance(msgspec.json.decode(body, type=ClockOrder).advance)
        return {"now": clock.now()}

    def _set_limit(self, body: bytes) -> object:
        self._state.limits.set(msgspec.json.decode(body, type=LimitOrder).limit)
        return {}

    def _set_faults(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=FaultOrder)
        faults = self._state.faults
        if order.clear:
            faults.clear()
        if order.rates is not None:
            rates = {_fault(name): rate for name, rate in order.rates.items()}
            faults.set_rates(rates, only=order.only, operations=order.operations)
        if (script := order.next) is not None:
            faults.next(_fault(script.fault), operation=script.operation, times=script.times, value=script.value)
        return {}


def _fault(name: str) -> Fault:
    if name not in Fault.__members__:
        raise ValueError(f"fault = {name!r}: the sandbox has {', '.join(Fault.__members__)}")
    return Fault[name]
