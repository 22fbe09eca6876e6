"""Inbound shipments: supply orders sent in to the warehouse (API.md, 5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from .base import FILLED, A, Answer, D, OpenEnum, Query, Request, at_or_after, bounds, known
from .bounds import PAGE_MAX, REFERENCE_MAX, SUPPLY_LINES_MAX
from .common import Refusal, ShipmentLine


class InboundStatus(OpenEnum):
    """Where a supply order is (**A**, open).

    Created → Accepted or Refused; Accepted → Receiving → PartiallyReceived → Received; or Cancelled.
    """

    CREATED = "Created"
    ACCEPTED = "Accepted"
    RECEIVING = "Receiving"
    PARTIALLY_RECEIVED = "PartiallyReceived"
    RECEIVED = "Received"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"

    @property
    def final(self) -> bool:
        """Whether a supply order in this status will not change any more."""
        return self.meaning in _FINAL

    def reached(self, wanted: str) -> bool:
        """Whether this status is ``wanted`` or one that follows it on the way to Received."""
        return at_or_after(_FLOW, self, InboundStatus(wanted))


_FINAL = frozenset({InboundStatus.RECEIVED, InboundStatus.REFUSED, InboundStatus.CANCELLED})
_FLOW = (
    InboundStatus.CREATED,
    InboundStatus.ACCEPTED,
    InboundStatus.RECEIVING,
    InboundStatus.PARTIALLY_RECEIVED,
    InboundStatus.RECEIVED,
)


class InboundShipmentRequest(Request, frozen=True, kw_only=True):
    """Goods to expect. ``reference`` is the seller's own, and the key by which a lost answer is looked up.

    ``storage_country`` is FR, ES or UK (``GB`` is accepted) (**D**); an unregistered product refuses the order
    (**D**). ``expected_delivery_date`` needs a time zone.
    """

    reference: Annotated[str, D, bounds("A", minLength=1, maxLength=REFERENCE_MAX)]
    storage_country: Annotated[str, D, FILLED]
    lines: Annotated[Sequence[ShipmentLine], A, bounds("A", minItems=1, maxItems=SUPPLY_LINES_MAX)]
    expected_delivery_date: Annotated[datetime | None, A] = None


class InboundLine(Answer, frozen=True, kw_only=True):
    """One product of a supply order: announced, received so far, and known to be missing (**A**)."""

    seller_product_reference: Annotated[str | None, A] = None
    quantity: Annotated[int | None, A] = None
    received_quantity: Annotated[int | None, A] = None
    undelivered_quantity: Annotated[int | None, A] = None


class InboundShipment(Answer, frozen=True, kw_only=True):
    """A supply order as it stands. ``reference`` is the seller's, ``code`` Octopia's (**D**)."""

    inbound_shipment_id: Annotated[str, D]
    reference: Annotated[str | None, D] = None
    code: Annotated[str | None, D] = None
    storage_country: Annotated[str | None, D] = None
    expected_delivery_date: Annotated[datetime | None, A] = None
    status: Annotated[InboundStatus | None, A] = None
    lines: Annotated[list[InboundLine], A] = msgspec.field(default_factory=list[InboundLine])
    created_at: Annotated[datetime | None, A] = None
    updated_at: Annotated[datetime | None, A] = None
    refusal: Annotated[Refusal | None, A] = None


class InboundCountFilters(Query, frozen=True, kw_only=True):
    """What ``GET /inbound-shipments/count`` can be asked for (**A**: the list's filters)."""

    status: Annotated[str | None, A, known(InboundStatus)] = None
    storage_country: Annotated[str | None, A] = None
    created_at_min: Annotated[datetime | None, A] = None
    created_at_max: Annotated[datetime | None, A] = None
    updated_at_min: Annotated[datetime | None, A] = None
    updated_at_max: Annotated[datetime | None, A] = None


class InboundFilters(InboundCountFilters, frozen=True, kw_only=True):
    """What ``GET /inbound-shipments`` can be asked for."""

    # A factory, because a plain default would be left out of the query.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None
