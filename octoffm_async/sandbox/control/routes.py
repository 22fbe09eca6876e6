"""The control routes: HTTP requests by which another process drives the sandbox.

They are outside the API: they need no token, no limit or fault applies to them, and the counters ignore them.
"""

import time
from collections.abc import Callable
from itertools import islice

import msgspec

from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS

from ..faults import Fault, Faults
from ..handlers.returns import return_by_carrier
from ..http.responses import HttpReply, json_reply
from ..live_page.overview import LiveTotals
from ..settings import STORAGE_COUNTRIES
from ..state import SandboxState
from ..world.inbound_lifecycle import receive_supplies
from ..world.stock_movements import activate, add_stock, deactivate
from .verbs import (
    CONTROL_PATH,
    CONTROL_ROUTES,
    AddStockCommand,
    ClockCommand,
    ControlBody,
    ControlRoute,
    CountryCommand,
    FaultCommand,
    LimitCommand,
    ReceiveCommand,
    ReturnCommand,
    SaveCommand,
)

_SELLERS = 200
"""Number of sellers that ``/help`` lists; a command may name any other seller by its id."""
_VERBS = {(verb.method, verb.path): verb for verb in CONTROL_ROUTES}


class ControlRoutes:
    """Dispatcher of the control routes. An invalid command is a 400 whose error names the mistake."""

    def __init__(self, state: SandboxState, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        overview = LiveTotals(state)
        self._views: dict[str, Callable[[], object]] = {
            "/effects": state.world.effects.as_dict,
            "/state": lambda: overview.read(monotonic()),
            "/stats": state.stats,
            "/help": self._help,
        }

    async def answer(self, method: str, path: str, body: bytes) -> HttpReply:
        """Run the command of a control request and return the response."""
        verb = _VERBS.get((method, path.removeprefix(CONTROL_PATH)))
        if verb is None:
            return json_reply({"error": f"no control route {method} {path}"}, 404)
        try:
            return json_reply(await self._result(verb, body))
        except (ValueError, LookupError) as mistake:
            return json_reply({"error": str(mistake.args[0] if mistake.args else mistake)}, 400)

    async def _result(self, verb: ControlRoute, body: bytes) -> object:
        if verb.body is None:
            return self._views[verb.path]()
        order = msgspec.json.decode(b"{}" if verb.optional and not body else body, type=verb.body)
        if isinstance(order, SaveCommand):
            return await self._state.state_store.save_and_report()
        return carry_out(self._state, order)

    def _help(self) -> object:
        """Return the routes, and the names that their bodies may contain."""
        return {
            "routes": [
                {"method": verb.method, "path": verb.route, "purpose": verb.purpose, "example": verb.example}
                for verb in CONTROL_ROUTES
            ],
            "faults": list(Fault.__members__),
            "operations": [operation.name for operation in (*OPERATIONS, CREATE_TOKEN)],
            "countries": STORAGE_COUNTRIES,
            "sellers": list(islice(self._state.world.accounts, _SELLERS)),
        }


def carry_out(state: SandboxState, order: ControlBody) -> object:
    """Execute a command; return the content of the response of its route.

    Raises:
        ValueError: a value in the command is invalid.
        LookupError: the command names an unknown seller, product or shipment.
    """
    world = state.world
    match order:
        case AddStockCommand():
            stocks = add_stock(world, order.seller, order.reference, quantity=order.quantity, country=order.country)
            return {"stocks": stocks}
        case ReceiveCommand():
            return receive_supplies(world, order.seller)
        case ReturnCommand():
            return {"return_id": return_by_carrier(world, order.seller, order.outbound_shipment_id)}
        case ClockCommand():
            world.clock.advance(order.advance)
            return {"now": world.clock.now()}
        case CountryCommand():
            (activate if order.active else deactivate)(world, order.seller, order.country)
        case LimitCommand():
            _set_limit(state, order)
        case FaultCommand():
            _set_faults(state.faults, order)
        case _:
            raise TypeError(f"{order!r} is no command of the sandbox")
    return {}


def _set_limit(state: SandboxState, order: LimitCommand) -> None:
    state.limits.set(order.limit)
    if order.retry_after is not msgspec.UNSET:
        state.retry_after = order.retry_after


def _set_faults(faults: Faults, order: FaultCommand) -> None:
    if order.clear:
        faults.clear()
    if order.rates is not None:
        rates = {_fault(name): rate for name, rate in order.rates.items()}
        faults.set_rates(rates, only=order.only, operations=order.operations)
    if (script := order.next) is not None:
        faults.next(_fault(script.fault), operation=script.operation, times=script.times, value=script.value)


def _fault(name: str) -> Fault:
    if name not in Fault.__members__:
        raise ValueError(f"fault = {name!r}: the sandbox has {', '.join(Fault.__members__)}")
    return Fault[name]
