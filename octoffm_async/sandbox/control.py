"""The control routes: HTTP requests by which another process drives the sandbox.

They are outside the API: they need no token, no limit or fault applies to them, and the counters ignore them.
"""

import time
from collections.abc import Callable
from itertools import islice

import msgspec

from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS

from .activation import activate, deactivate
from .faults import Fault
from .movements import add_stock
from .overview import Overview
from .receiving import receive_supplies
from .replies import Reply, json_reply
from .returns import return_by_carrier
from .settings import STORAGE_COUNTRIES
from .state import State
from .verbs import (
    CONTROL_PATH,
    VERBS,
    ClockOrder,
    CountryOrder,
    FaultOrder,
    LimitOrder,
    ReceiveOrder,
    ReturnOrder,
    SaveOrder,
    StockOrder,
)

_SAVE = ("POST", "/save")
_SELLERS = 200
"""Number of sellers that ``/help`` lists; a command may name any other seller by its id."""
_Order = Callable[[bytes], object]


class Control:
    """Dispatcher of the control routes. An invalid command is a 400 whose error names the mistake."""

    def __init__(self, state: State, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._overview = Overview(state)
        self._routes: dict[tuple[str, str], _Order] = {
            ("POST", "/stock"): self._add_stock,
            ("POST", "/receive"): self._receive,
            ("POST", "/returns"): self._return_by_carrier,
            ("POST", "/countries"): self._set_country,
            ("POST", "/clock"): self._advance,
            ("POST", "/faults"): self._set_faults,
            ("POST", "/limit"): self._set_limit,
            ("GET", "/effects"): lambda _: state.world.effects.as_dict(),
            ("GET", "/state"): lambda _: self._overview.look(monotonic()),
            ("GET", "/stats"): lambda _: state.stats(),
            ("GET", "/help"): lambda _: self._help(),
        }

    async def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Run the command of a control request and return the response."""
        order = (method, path.removeprefix(CONTROL_PATH))
        route = self._routes.get(order)
        try:
            if order == _SAVE:
                msgspec.json.decode(body or b"{}", type=SaveOrder)
                return json_reply(await self._state.keeper.save_on_order())
            if route is None:
                return json_reply({"error": f"no control route {method} {path}"}, 404)
            return json_reply(route(body))
        except (ValueError, LookupError) as mistake:
            return json_reply({"error": str(mistake.args[0] if mistake.args else mistake)}, 400)

    def _add_stock(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=StockOrder)
        world = self._state.world
        stocks = add_stock(world, order.seller, order.reference, quantity=order.quantity, country=order.country)
        return {"stocks": stocks}

    def _receive(self, body: bytes) -> object:
        order = msgspec.json.decode(body or b"{}", type=ReceiveOrder)
        return receive_supplies(self._state.world, order.seller)

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
        order = msgspec.json.decode(body, type=LimitOrder)
        self._state.limits.set(order.limit)
        if order.retry_after is not msgspec.UNSET:
            self._state.retry_after = order.retry_after
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

    def _help(self) -> object:
        """Return the routes, and the names that their bodies may contain."""
        return {
            "routes": [
                {"method": verb.method, "path": verb.route, "purpose": verb.purpose, "example": verb.example}
                for verb in VERBS
            ],
            "faults": list(Fault.__members__),
            "operations": [operation.name for operation in (*OPERATIONS, CREATE_TOKEN)],
            "countries": STORAGE_COUNTRIES,
            "sellers": list(islice(self._state.world.accounts, _SELLERS)),
        }


def _fault(name: str) -> Fault:
    if name not in Fault.__members__:
        raise ValueError(f"fault = {name!r}: the sandbox has {', '.join(Fault.__members__)}")
    return Fault[name]
