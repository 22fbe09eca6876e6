"""Outbound shipments: orders shipped to customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .access import PageBody
from .base import NON_EMPTY, A, Answer, D, OpenEnum, Query, Request, S, Text, at_or_after, bounds, known_values
from .common import PageCursor, PageLimit, Refusal, ShipmentLine, StorageCountry
from .operation import Group, Operation, Repeatability, Shape
from .requests.checks import LINES_MAX, REFERENCE_MAX


class DeliveryMode(OpenEnum):
    """Mode of delivery of a parcel (documented for the seller API, open)."""

    TRACKED_HOME = "TrackedHomeDelivery"
    SIGNED_HOME = "SignedHomeDelivery"
    EXPRESS_HOME = "ExpressHomeDelivery"
    NOT_TRACKED_HOME = "NotTrackedHomeDelivery"
    FIXED_DATE_HOME = "FixedDateHomeDelivery"
    SPECIFIC_ROOM_HOME = "SpecificRoomHomeDelivery"
    WITH_SETUP_HOME = "WithSetupHomeDelivery"


DeliveryModeName: TypeAlias = (
    Literal[
        "TrackedHomeDelivery",
        "SignedHomeDelivery",
        "ExpressHomeDelivery",
        "NotTrackedHomeDelivery",
        "FixedDateHomeDelivery",
        "SpecificRoomHomeDelivery",
        "WithSetupHomeDelivery",
    ]
    | str
)
"""The values of :class:`DeliveryMode`, or any other text."""


class OutboundStatus(OpenEnum):
    """Status of a shipping order (open).

    Created → Accepted → InPreparation → Shipped (documented); Refused and Cancelled (assumed).
    """

    CREATED = "Created"
    ACCEPTED = "Accepted"
    IN_PREPARATION = "InPreparation"
    SHIPPED = "Shipped"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"

    @property
    def final(self) -> bool:
        """True if a shipment in this status does not change any more."""
        return self.meaning in _FINAL

    def reached(self, wanted: str) -> bool:
        """Return True if this status is ``wanted`` or a later one on the way to Shipped."""
        return at_or_after(_FLOW, self, OutboundStatus(wanted))


OutboundStatusName: TypeAlias = Literal["Created", "Accepted", "InPreparation", "Shipped", "Refused", "Cancelled"] | str
"""The values of :class:`OutboundStatus`, or any other text."""


_FINAL = frozenset({OutboundStatus.SHIPPED, OutboundStatus.REFUSED, OutboundStatus.CANCELLED})
_FLOW = (
    OutboundStatus.CREATED,
    OutboundStatus.ACCEPTED,
    OutboundStatus.IN_PREPARATION,
    OutboundStatus.SHIPPED,
)


class ShipmentState(OpenEnum):
    """Validity of a shipment, independent of its status (``Valid`` seen, ``Invalid`` assumed)."""

    VALID = "Valid"
    INVALID = "Invalid"


ShipmentStateName: TypeAlias = Literal["Valid", "Invalid"] | str
"""The values of :class:`ShipmentState`, or any other text."""


class DeliveryAddress(Request, frozen=True, kw_only=True):
    """The recipient's address (meaning documented, names assumed)."""

    first_name: Annotated[str, A, Meta(description="First name of the recipient"), NON_EMPTY]
    last_name: Annotated[str, A, Meta(description="Last name of the recipient"), NON_EMPTY]
    address_line1: Annotated[str, A, Meta(description="Street and number"), NON_EMPTY]
    postal_code: Annotated[str, A, Meta(description="Postal code"), NON_EMPTY]
    city: Annotated[str, A, Meta(description="City"), NON_EMPTY]
    country_code: Annotated[str, A, Meta(description="Country, ISO 3166-1 alpha-2, such as FR"), NON_EMPTY]
    civility: Annotated[str | None, A, Meta(description="Title of the recipient, such as Mr or Mrs")] = None
    company_name: Annotated[str | None, A, Meta(description="Name of the recipient's company")] = None
    address_line2: Annotated[
        str | None, A, Meta(description="Second line of the address, such as building or floor")
    ] = None
    address_line3: Annotated[str | None, A, Meta(description="Third line of the address")] = None
    state_or_region: Annotated[str | None, A, Meta(description="State or region")] = None
    email: Annotated[str | None, A, Meta(description="E-mail address of the recipient")] = None
    phone: Annotated[str | None, A, Meta(description="Phone number of the recipient")] = None


class OutboundShipmentRequest(Request, frozen=True, kw_only=True):
    """A shipping order. ``reference`` is the seller's own; the client looks up the order by it after a lost response.

    The API has no idempotency key: if a reference is sent twice, the warehouse may ship two parcels.

    Octopia itself ships marketplace orders in supply mode ``Fulfillment``. Do not send them here: the warehouse would
    ship them twice (documented).
    """

    reference: Annotated[
        str,
        A,
        Meta(description="The seller's own reference of the order, unique per order, 1 to 50 characters"),
        bounds("A", minLength=1, maxLength=REFERENCE_MAX),
    ]
    lines: Annotated[
        Sequence[ShipmentLine],
        A,
        Meta(description="Products and quantities"),
        bounds("A", minItems=1, maxItems=LINES_MAX),
    ]
    delivery_address: Annotated[DeliveryAddress, A, Meta(description="Address of the recipient")]
    delivery_mode: Annotated[
        Text[DeliveryModeName],
        A,
        Meta(description="Mode of delivery, such as TrackedHomeDelivery"),
        NON_EMPTY,
        known_values(DeliveryMode),
    ]
    storage_country: Annotated[
        Text[StorageCountry], A, Meta(description="Storage country of the goods, such as FR"), NON_EMPTY
    ]


class ParcelLine(Answer, frozen=True, kw_only=True):
    """A quantity of one product in a shipment or a parcel, as the API returns it (assumed)."""

    quantity: Annotated[int | None, A, Meta(description="Number of items")] = None
    seller_product_reference: Annotated[
        str | None, A, Meta(description="The seller's own reference of the product")
    ] = None
    product_id: Annotated[str | None, A, Meta(description="Octopia's id of the product")] = None
    product_condition: Annotated[
        str | None, A, Meta(description="Condition of the product, such as New or LikeNew")
    ] = None


class Parcel(Answer, frozen=True, kw_only=True):
    """A parcel of a shipment; the API returns it once shipped (meaning documented, names assumed)."""

    parcel_id: Annotated[str | None, A, Meta(description="Id of the parcel")] = None
    carrier: Annotated[str | None, A, Meta(description="Name of the carrier")] = None
    tracking_number: Annotated[str | None, A, Meta(description="The carrier's tracking number")] = None
    tracking_url: Annotated[str | None, A, Meta(description="URL of the carrier's tracking page")] = None
    lines: Annotated[list[ParcelLine], A, Meta(description="Products in the parcel")] = msgspec.field(
        default_factory=list[ParcelLine]
    )


class ShippedTo(Answer, frozen=True, kw_only=True):
    """The delivery address as the API returns it; every field may be absent (assumed)."""

    first_name: Annotated[str | None, A, Meta(description="First name of the recipient")] = None
    last_name: Annotated[str | None, A, Meta(description="Last name of the recipient")] = None
    address_line1: Annotated[str | None, A, Meta(description="Street and number")] = None
    postal_code: Annotated[str | None, A, Meta(description="Postal code")] = None
    city: Annotated[str | None, A, Meta(description="City")] = None
    country_code: Annotated[str | None, A, Meta(description="Country, ISO 3166-1 alpha-2, such as FR")] = None
    civility: Annotated[str | None, A, Meta(description="Title of the recipient, such as Mr or Mrs")] = None
    company_name: Annotated[str | None, A, Meta(description="Name of the recipient's company")] = None
    address_line2: Annotated[
        str | None, A, Meta(description="Second line of the address, such as building or floor")
    ] = None
    address_line3: Annotated[str | None, A, Meta(description="Third line of the address")] = None
    state_or_region: Annotated[str | None, A, Meta(description="State or region")] = None
    email: Annotated[str | None, A, Meta(description="E-mail address of the recipient")] = None
    phone: Annotated[str | None, A, Meta(description="Phone number of the recipient")] = None


class OutboundShipment(Answer, frozen=True, kw_only=True):
    """A shipping order as the API returns it."""

    outbound_shipment_id: Annotated[str, D, Meta(description="Octopia's id of the order")]
    reference: Annotated[str | None, A, Meta(description="The seller's own reference of the order")] = None
    status: Annotated[OutboundStatus | None, A, Meta(description="Status of the order")] = None
    state: Annotated[ShipmentState | None, S, Meta(description="Validity of the order: Valid or Invalid")] = None
    storage_country: Annotated[str | None, A, Meta(description="Storage country of the goods, such as FR")] = None
    delivery_mode: Annotated[
        DeliveryMode | None, A, Meta(description="Mode of delivery, such as TrackedHomeDelivery")
    ] = None
    delivery_address: Annotated[ShippedTo | None, A, Meta(description="Address of the recipient")] = None
    lines: Annotated[list[ParcelLine], A, Meta(description="Products and quantities")] = msgspec.field(
        default_factory=list[ParcelLine]
    )
    created_at: Annotated[datetime | None, A, Meta(description="Time of creation")] = None
    updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change")] = None
    status_updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change of the status")] = None
    refusal: Annotated[Refusal | None, A, Meta(description="Reason of a refusal")] = None
    parcels: Annotated[list[Parcel], A, Meta(description="Parcels, once the order is shipped")] = msgspec.field(
        default_factory=list[Parcel]
    )


class OutboundCountFilters(Query, frozen=True, kw_only=True):
    """Filters of ``GET /outbound-shipments/count``, equal to those of the list (documented)."""

    state: Annotated[
        str | None, D, Meta(description="Validity of the order: Valid or Invalid"), known_values(ShipmentState)
    ] = None
    status_updated_at_min: Annotated[
        datetime | None,
        S,
        Meta(description="Earliest time of the last change of the status, with a time zone"),
    ] = None
    status_updated_at_max: Annotated[
        datetime | None,
        S,
        Meta(description="Latest time of the last change of the status, with a time zone"),
    ] = None


class OutboundFilters(OutboundCountFilters, frozen=True, kw_only=True):
    """Filters of ``GET /outbound-shipments``."""

    # A factory: the encoder omits plain defaults.
    limit: PageLimit = msgspec.field(default_factory=lambda: 1000)
    cursor: PageCursor = None


class CancellationStatus(OpenEnum):
    """Status of a cancellation request (assumed, open)."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    REFUSED = "Refused"

    @property
    def final(self) -> bool:
        """True if the request is decided."""
        return self.meaning in (CancellationStatus.ACCEPTED, CancellationStatus.REFUSED)


class OutboundCancellationRequest(Request, frozen=True, kw_only=True):
    """A request to cancel a shipment, possible only before it is Shipped (documented)."""

    outbound_shipment_id: Annotated[str, A, Meta(description="Octopia's id of the order to cancel"), NON_EMPTY]
    reason: Annotated[str | None, A, Meta(description="Reason of the cancellation")] = None


class OutboundCancellation(Answer, frozen=True, kw_only=True):
    """A cancellation request as the API returns it (meaning documented, names assumed)."""

    outbound_cancellation_request_id: Annotated[str, A, Meta(description="Id of the cancellation request")]
    outbound_shipment_id: Annotated[str | None, A, Meta(description="Octopia's id of the order")] = None
    status: Annotated[CancellationStatus | None, A, Meta(description="Status of the request")] = None
    created_at: Annotated[datetime | None, A, Meta(description="Time of creation")] = None
    updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change")] = None


COUNT_OUTBOUND = Operation[int](
    name="outbound.count",
    method="GET",
    path="/outbound-shipments/count",
    group=Group.OUTBOUND,
    tag="D",
    filters=OutboundCountFilters,
    answer=int,
    shape=Shape.COUNT,
)

LIST_OUTBOUND = Operation[list[OutboundShipment]](
    name="outbound.list",
    method="GET",
    path="/outbound-shipments",
    group=Group.OUTBOUND,
    tag="D",
    filters=OutboundFilters,
    answer=PageBody[OutboundShipment] | list[OutboundShipment],
    row=OutboundShipment,
    shape=Shape.PAGE,
)

CREATE_OUTBOUND = Operation[str](
    name="outbound.create",
    method="POST",
    path="/outbound-shipments",
    group=Group.OUTBOUND,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=OutboundShipmentRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="outboundShipmentId",
    success=201,  # A
)

GET_OUTBOUND = Operation[OutboundShipment](
    name="outbound.get",
    method="GET",
    path="/outbound-shipments/{outboundShipmentId}",
    group=Group.OUTBOUND,
    tag="D",
    answer=OutboundShipment,
)

REQUEST_CANCELLATION = Operation[str](
    name="outbound.request_cancellation",
    method="POST",
    path="/outbound-cancellation-requests",
    group=Group.OUTBOUND,
    tag="S",
    repeatability=Repeatability.NEVER,
    request=OutboundCancellationRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="outboundCancellationRequestId",
    success=201,  # A
)

GET_CANCELLATION = Operation[OutboundCancellation](
    name="outbound.get_cancellation",
    method="GET",
    path="/outbound-cancellation-requests/{outboundCancellationRequestId}",
    group=Group.OUTBOUND,
    tag="S",
    answer=OutboundCancellation,
)

OPERATIONS = (
    COUNT_OUTBOUND,
    LIST_OUTBOUND,
    CREATE_OUTBOUND,
    GET_OUTBOUND,
    REQUEST_CANCELLATION,
    GET_CANCELLATION,
)
