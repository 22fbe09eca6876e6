"""Outbound shipments: orders shipped to customers (API.md, 7)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from .base import FILLED, A, Answer, D, OpenEnum, Query, Request, S, at_or_after, bounds, known
from .bounds import LINES_MAX, PAGE_MAX, REFERENCE_MAX
from .common import Refusal, ShipmentLine


class DeliveryMode(OpenEnum):
    """How a parcel travels (**D** of the seller API, open)."""

    TRACKED_HOME = "TrackedHomeDelivery"
    SIGNED_HOME = "SignedHomeDelivery"
    EXPRESS_HOME = "ExpressHomeDelivery"
    NOT_TRACKED_HOME = "NotTrackedHomeDelivery"
    FIXED_DATE_HOME = "FixedDateHomeDelivery"
    SPECIFIC_ROOM_HOME = "SpecificRoomHomeDelivery"
    WITH_SETUP_HOME = "WithSetupHomeDelivery"


class OutboundStatus(OpenEnum):
    """Where a shipment is: Created → Accepted → InPreparation → Shipped (**D**); Refused and Cancelled (**A**)."""

    CREATED = "Created"
    ACCEPTED = "Accepted"
    IN_PREPARATION = "InPreparation"
    SHIPPED = "Shipped"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"

    @property
    def final(self) -> bool:
        """Whether a shipment in this status will not change any more."""
        return self.meaning in _FINAL

    def reached(self, wanted: str) -> bool:
        """Whether this status is ``wanted`` or one that follows it on the way to Shipped."""
        return at_or_after(_FLOW, self, OutboundStatus(wanted))


_FINAL = frozenset({OutboundStatus.SHIPPED, OutboundStatus.REFUSED, OutboundStatus.CANCELLED})
_FLOW = (
    OutboundStatus.CREATED,
    OutboundStatus.ACCEPTED,
    OutboundStatus.IN_PREPARATION,
    OutboundStatus.SHIPPED,
)


class ShipmentState(OpenEnum):
    """Validity of a shipment, separate from its status (``Valid`` **S**, ``Invalid`` **A**)."""

    VALID = "Valid"
    INVALID = "Invalid"


class DeliveryAddress(Request, frozen=True, kw_only=True):
    """Where the parcel goes (meaning **D**, names **A**)."""

    first_name: Annotated[str, A, FILLED]
    last_name: Annotated[str, A, FILLED]
    address_line1: Annotated[str, A, FILLED]
    postal_code: Annotated[str, A, FILLED]
    city: Annotated[str, A, FILLED]
    country_code: Annotated[str, A, FILLED]
    civility: Annotated[str | None, A] = None
    company_name: Annotated[str | None, A] = None
    address_line2: Annotated[str | None, A] = None
    address_line3: Annotated[str | None, A] = None
    state_or_region: Annotated[str | None, A] = None
    email: Annotated[str | None, A] = None
    phone: Annotated[str | None, A] = None


class OutboundShipmentRequest(Request, frozen=True, kw_only=True):
    """An order to ship. ``reference`` is the seller's own, and the key by which a lost answer is looked up.

    The API has no idempotency key: a reference that is sent twice may well ship two parcels.

    Marketplace orders in supply mode ``Fulfillment`` are shipped by Octopia itself and must not be sent here: sending
    one would ship it twice (**D**).
    """

    reference: Annotated[str, A, bounds("A", minLength=1, maxLength=REFERENCE_MAX)]
    lines: Annotated[Sequence[ShipmentLine], A, bounds("A", minItems=1, maxItems=LINES_MAX)]
    delivery_address: Annotated[DeliveryAddress, A]
    delivery_mode: Annotated[str, A, FILLED, known(DeliveryMode)]
    storage_country: Annotated[str, A, FILLED]


class ParcelLine(Answer, frozen=True, kw_only=True):
    """So many of one product in a shipment or a parcel, as the API reads them back (**A**)."""

    quantity: Annotated[int | None, A] = None
    seller_product_reference: Annotated[str | None, A] = None
    product_id: Annotated[str | None, A] = None
    product_condition: Annotated[str | None, A] = None


class Parcel(Answer, frozen=True, kw_only=True):
    """A parcel of a shipment, readable once shipped (meaning **D**, names **A**)."""

    parcel_id: Annotated[str | None, A] = None
    carrier: Annotated[str | None, A] = None
    tracking_number: Annotated[str | None, A] = None
    tracking_url: Annotated[str | None, A] = None
    lines: Annotated[list[ParcelLine], A] = msgspec.field(default_factory=list[ParcelLine])


class ShippedTo(Answer, frozen=True, kw_only=True):
    """The delivery address as the API reads it back: nothing of it is sure to be there (**A**)."""

    first_name: Annotated[str | None, A] = None
    last_name: Annotated[str | None, A] = None
    address_line1: Annotated[str | None, A] = None
    postal_code: Annotated[str | None, A] = None
    city: Annotated[str | None, A] = None
    country_code: Annotated[str | None, A] = None
    civility: Annotated[str | None, A] = None
    company_name: Annotated[str | None, A] = None
    address_line2: Annotated[str | None, A] = None
    address_line3: Annotated[str | None, A] = None
    state_or_region: Annotated[str | None, A] = None
    email: Annotated[str | None, A] = None
    phone: Annotated[str | None, A] = None


class OutboundShipment(Answer, frozen=True, kw_only=True):
    """A shipping order as it stands."""

    outbound_shipment_id: Annotated[str, D]
    reference: Annotated[str | None, A] = None
    status: Annotated[OutboundStatus | None, A] = None
    state: Annotated[ShipmentState | None, S] = None
    storage_country: Annotated[str | None, A] = None
    delivery_mode: Annotated[DeliveryMode | None, A] = None
    delivery_address: Annotated[ShippedTo | None, A] = None
    lines: Annotated[list[ParcelLine], A] = msgspec.field(default_factory=list[ParcelLine])
    created_at: Annotated[datetime | None, A] = None
    updated_at: Annotated[datetime | None, A] = None
    status_updated_at: Annotated[datetime | None, A] = None
    refusal: Annotated[Refusal | None, A] = None
    parcels: Annotated[list[Parcel], A] = msgspec.field(default_factory=list[Parcel])


class OutboundCountFilters(Query, frozen=True, kw_only=True):
    """What ``GET /outbound-shipments/count`` can be asked for: the list's filters (**D**)."""

    state: Annotated[str | None, D, known(ShipmentState)] = None
    status_updated_at_min: Annotated[datetime | None, S] = None
    status_updated_at_max: Annotated[datetime | None, S] = None


class OutboundFilters(OutboundCountFilters, frozen=True, kw_only=True):
    """What ``GET /outbound-shipments`` can be asked for."""

    # A factory, because a plain default would be left out of the query.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None


class CancellationStatus(OpenEnum):
    """What became of a request to cancel (**A**)."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    REFUSED = "Refused"

    @property
    def final(self) -> bool:
        """Whether the request is decided."""
        return self.meaning in (CancellationStatus.ACCEPTED, CancellationStatus.REFUSED)


class OutboundCancellationRequest(Request, frozen=True, kw_only=True):
    """The wish to have a shipment cancelled, possible only before it is Shipped (**D**)."""

    outbound_shipment_id: Annotated[str, A, FILLED]
    reason: Annotated[str | None, A] = None


class OutboundCancellation(Answer, frozen=True, kw_only=True):
    """A request to cancel, with its own outcome (**D**; names **A**)."""

    outbound_cancellation_request_id: Annotated[str, A]
    outbound_shipment_id: Annotated[str | None, A] = None
    status: Annotated[CancellationStatus | None, A] = None
    created_at: Annotated[datetime | None, A] = None
    updated_at: Annotated[datetime | None, A] = None
