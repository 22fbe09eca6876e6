"""The table of control routes: method, path, purpose and body of each.

The dispatcher (:mod:`.routes`), the control methods (:mod:`.methods`), the help of the commands and
``/openapi.json`` use this table.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..faults import Only
from ..http.rate_limit import RetryAfter

CONTROL_PATH = "/_sandbox"

_MOST_ITEMS = 1_000_000_000  # far above any shop, far below the largest integer in JSON
_MOST_CALLS = 1_000_000_000
_YEAR = 366 * 86400.0


class ControlBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of the bodies of control requests. An unknown name in a body is an error."""


class AddStockCommand(ControlBody):
    """Add available items to one product, or to each of a seller's products (no ``reference``)."""

    quantity: Annotated[int, Meta(le=_MOST_ITEMS)]
    reference: str | None = None
    country: str = "FR"
    seller: str | None = None


class ReceiveCommand(ControlBody):
    """Receive at once the open supply orders of one seller, or of all sellers."""

    seller: str | None = None


class ReturnCommand(ControlBody):
    """Create a carrier return of all returnable items of a shipment."""

    outbound_shipment_id: str
    seller: str | None = None


class CountryCommand(ControlBody):
    """Activate or deactivate a storage country for a seller."""

    country: str
    seller: str | None = None
    active: bool = True


class ClockCommand(ControlBody):
    """Move the clock ahead by ``advance`` seconds."""

    advance: float


class LimitCommand(ControlBody):
    """Set the limit of each seller and group (requests, seconds; null: none), and the form of Retry-After if given."""

    limit: tuple[Annotated[int, Meta(le=_MOST_CALLS)], Annotated[float, Meta(le=_YEAR)]] | None
    retry_after: RetryAfter | UnsetType | None = UNSET


class ScriptedFault(ControlBody):
    """A fault, by the name of its member, for the next ``times`` requests."""

    fault: str
    operation: str | None = None
    times: Annotated[int, Meta(le=_MOST_CALLS)] = 1
    value: float | None = None


class FaultCommand(ControlBody):
    """Clear all faults, then set rates, then add a scripted fault; each step only if given."""

    clear: bool = False
    rates: dict[str, float | tuple[float, float]] | None = None
    only: Only | None = None
    operations: list[str] | None = None
    next: ScriptedFault | None = None


class SaveCommand(ControlBody):
    """Save the state file; the body has no fields."""


class ControlRoute(NamedTuple):
    """A control route. ``example`` is a body as JSON; an ``optional`` body may be empty."""

    method: str
    path: str
    purpose: str
    body: type[ControlBody] | None = None
    example: str = ""
    optional: bool = False

    @property
    def route(self) -> str:
        """The whole path, with the prefix of the control routes."""
        return CONTROL_PATH + self.path


CONTROL_ROUTES = (
    ControlRoute(
        "POST",
        "/stock",
        "Add available items to one product, or to each.",
        AddStockCommand,
        '{"quantity": 5, "reference": "REF-1", "country": "FR", "seller": "12345"}',
    ),
    ControlRoute(
        "POST",
        "/receive",
        "Receive open supply orders now (of all sellers).",
        ReceiveCommand,
        '{"seller": "12345"}',
        optional=True,
    ),
    ControlRoute(
        "POST",
        "/returns",
        "Create a carrier return of a shipped parcel.",
        ReturnCommand,
        '{"outbound_shipment_id": "ID", "seller": "12345"}',
    ),
    ControlRoute(
        "POST",
        "/countries",
        "Activate or deactivate a storage country.",
        CountryCommand,
        '{"country": "ES", "active": false, "seller": "12345"}',
    ),
    ControlRoute("POST", "/clock", "Move the clock ahead, in seconds.", ClockCommand, '{"advance": 3600}'),
    ControlRoute(
        "POST",
        "/faults",
        "Set faults of the next requests, or of a share.",
        FaultCommand,
        '{"clear": true, "next": {"fault": "RESET_AFTER", "times": 2}}',
    ),
    ControlRoute(
        "POST",
        "/limit",
        "Set the limit: requests, seconds (null: no limit).",
        LimitCommand,
        '{"limit": [5, 1.0], "retry_after": "seconds"}',
    ),
    ControlRoute("POST", "/save", "Save the state file now.", SaveCommand, optional=True),
    ControlRoute("GET", "/effects", "Return the counters of created rows by reference."),
    ControlRoute("GET", "/stats", "Return the counters of requests and tokens."),
    ControlRoute("GET", "/state", "Return the content of the live page."),
    ControlRoute("GET", "/help", "Return these routes, and the names in bodies."),
)

VERB_OF_BODY: Mapping[type[ControlBody], ControlRoute] = {
    verb.body: verb for verb in CONTROL_ROUTES if verb.body is not None
}
"""The route of each body."""


def help_lines() -> Iterator[str]:
    """Yield the routes as lines of a help text, each of at most 78 characters."""
    yield "Control routes, for tests and programs on this machine: JSON, no token. All"
    yield "but the first field of a body are optional; the default is the first seller."
    for verb in CONTROL_ROUTES:
        yield f"{verb.method:<4} {verb.route:<20} {verb.purpose}"
        if verb.example:
            yield f"     {verb.example}"
    yield f"curl -d '{{\"quantity\": 5}}' http://127.0.0.1:PORT{CONTROL_PATH}/stock"
