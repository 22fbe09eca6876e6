"""The control routes as a table: what each does, by which method and path, and the body that it takes.

The help of the commands, the live page and ``/openapi.json`` are made from it.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .faults import Only
from .quota import RetryAfter

CONTROL_PATH = "/_sandbox"

_MOST_ITEMS = 1_000_000_000  # far above any shop, far below what no longer fits an integer of JSON
_MOST_CALLS = 1_000_000_000
_YEAR = 366 * 86400.0


class ControlBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of the bodies: an unknown name is a mistake that is told."""


class StockOrder(ControlBody):
    """Put available items behind one product, or behind each of a seller's products (no ``reference``)."""

    quantity: Annotated[int, Meta(le=_MOST_ITEMS)]
    reference: str | None = None
    country: str = "FR"
    seller: str | None = None


class ReceiveOrder(ControlBody):
    """Take in at once what the supply orders of one seller, or of all, have on its way."""

    seller: str | None = None


class ReturnOrder(ControlBody):
    """Let the carrier bring back what is left of a shipment."""

    outbound_shipment_id: str
    seller: str | None = None


class CountryOrder(ControlBody):
    """Let a seller supply a storage country, or no longer."""

    country: str
    seller: str | None = None
    active: bool = True


class ClockOrder(ControlBody):
    """Seconds to jump ahead."""

    advance: float


class LimitOrder(ControlBody):
    """Requests per seconds for each seller and group, or no limit; how 429 says when to come back, if given."""

    limit: tuple[Annotated[int, Meta(le=_MOST_CALLS)], Annotated[float, Meta(le=_YEAR)]] | None
    retry_after: RetryAfter | UnsetType | None = UNSET


class Script(ControlBody):
    """A fault for the next calls, by the name of its member."""

    fault: str
    operation: str | None = None
    times: Annotated[int, Meta(le=_MOST_CALLS)] = 1
    value: float | None = None


class FaultOrder(ControlBody):
    """Clear, then set rates, then script; each if given."""

    clear: bool = False
    rates: dict[str, float | tuple[float, float]] | None = None
    only: Only | None = None
    operations: list[str] | None = None
    next: Script | None = None


class SaveOrder(ControlBody):
    """Nothing is to be said."""


class Verb(NamedTuple):
    """One control route. ``example`` is a body as JSON; ``optional`` bodies may be empty."""

    method: str
    path: str
    purpose: str
    body: type[ControlBody] | None = None
    example: str = ""
    optional: bool = False

    @property
    def route(self) -> str:
        """The whole path."""
        return CONTROL_PATH + self.path


VERBS = (
    Verb(
        "POST",
        "/stock",
        "Put items behind one product, or behind each.",
        StockOrder,
        '{"quantity": 5, "reference": "REF-1", "country": "FR", "seller": "12345"}',
    ),
    Verb(
        "POST",
        "/receive",
        "Receive supply orders now (of all sellers).",
        ReceiveOrder,
        '{"seller": "12345"}',
        optional=True,
    ),
    Verb(
        "POST",
        "/returns",
        "Let the carrier bring a shipped parcel back.",
        ReturnOrder,
        '{"outbound_shipment_id": "ID", "seller": "12345"}',
    ),
    Verb(
        "POST",
        "/countries",
        "Let a seller supply a country, or no longer.",
        CountryOrder,
        '{"country": "ES", "active": false, "seller": "12345"}',
    ),
    Verb("POST", "/clock", "Let the clock jump ahead, in seconds.", ClockOrder, '{"advance": 3600}'),
    Verb(
        "POST",
        "/faults",
        "Let the next calls go wrong, or a share of all.",
        FaultOrder,
        '{"clear": true, "next": {"fault": "RESET_AFTER", "times": 2}}',
    ),
    Verb(
        "POST",
        "/limit",
        "Limit requests per seconds (null: no limit).",
        LimitOrder,
        '{"limit": [5, 1.0], "retry_after": "seconds"}',
    ),
    Verb("POST", "/save", "Save the state file now.", SaveOrder, optional=True),
    Verb("GET", "/effects", "What was really created, by reference."),
    Verb("GET", "/stats", "Counters of requests and tokens."),
    Verb("GET", "/state", "What the live page shows."),
    Verb("GET", "/help", "These routes, and the names they take."),
)


def help_lines() -> Iterator[str]:
    """The routes as lines of a help text, each of at most 78 characters."""
    yield "Control routes, for tests and programs on this machine: JSON, no token. All"
    yield "but the first field of a body may be left out; the first seller is meant then."
    for verb in VERBS:
        yield f"{verb.method:<4} {verb.route:<20} {verb.purpose}"
        if verb.example:
            yield f"     {verb.example}"
    yield f"curl -d '{{\"quantity\": 5}}' http://127.0.0.1:PORT{CONTROL_PATH}/stock"
