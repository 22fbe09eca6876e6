"""Inbound shipments: supply orders sent in to the warehouse."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .access import PageBody
from .base import NON_EMPTY, A, Answer, D, OpenEnum, Query, Request, Text, at_or_after, bounds, known_values
from .common import Document, DocumentAnswer, PageCursor, PageLimit, Refusal, ShipmentLine, StorageCountry
from .forms.times import plain_times
from .operation import Group, Operation, Repeatability, Shape
from .requests.checks import REFERENCE_MAX, SUPPLY_LINES_MAX


class InboundStatus(OpenEnum):
    """Status of a supply order (assumed, open).

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
        """True if a supply order in this status does not change any more."""
        return self.meaning in _FINAL

    def reached(self, wanted: str) -> bool:
        """Return True if this status is ``wanted`` or a later one on the way to Received."""
        return at_or_after(_FLOW, self, InboundStatus(wanted))


InboundStatusName: TypeAlias = (
    Literal["Created", "Accepted", "Receiving", "PartiallyReceived", "Received", "Refused", "Cancelled"] | str
)
"""The values of :class:`InboundStatus`, or any other text."""


_FINAL = frozenset({InboundStatus.RECEIVED, InboundStatus.REFUSED, InboundStatus.CANCELLED})
_FLOW = (
    InboundStatus.CREATED,
    InboundStatus.ACCEPTED,
    InboundStatus.RECEIVING,
    InboundStatus.PARTIALLY_RECEIVED,
    InboundStatus.RECEIVED,
)


class InboundShipmentRequest(Request, frozen=True, kw_only=True):
    """A supply order: goods that the warehouse should expect.

    ``reference`` is the seller's own; the client looks up the order by it if the response was lost.
    ``storage_country`` is FR, ES or UK (the API accepts ``GB``); an unregistered product makes the API refuse the order
    (documented). ``expected_delivery_date`` needs a time zone.
    """

    reference: Annotated[
        str,
        D,
        Meta(description="The seller's own reference of the order, 1 to 50 characters"),
        bounds("A", minLength=1, maxLength=REFERENCE_MAX),
    ]
    storage_country: Annotated[Text[StorageCountry], D, Meta(description="Storage country: FR, ES or UK"), NON_EMPTY]
    lines: Annotated[
        Sequence[ShipmentLine],
        A,
        Meta(description="Products and quantities"),
        bounds("A", minItems=1, maxItems=SUPPLY_LINES_MAX),
    ]
    expected_delivery_date: Annotated[
        datetime | None, A, Meta(description="Expected time of arrival, with a time zone")
    ] = None

    def __post_init__(self) -> None:
        """Take a time of another library, such as pandas' ``Timestamp``, as a plain one."""
        for name, moment in plain_times(self).items():
            msgspec.structs.force_setattr(self, name, moment)


class InboundLine(Answer, frozen=True, kw_only=True):
    """A product of a supply order: announced, received and missing items (assumed)."""

    seller_product_reference: Annotated[
        str | None, A, Meta(description="The seller's own reference of the product")
    ] = None
    quantity: Annotated[int | None, A, Meta(description="Number of items announced")] = None
    received_quantity: Annotated[int | None, A, Meta(description="Number of items received so far")] = None
    undelivered_quantity: Annotated[int | None, A, Meta(description="Number of items that are missing")] = None


class InboundShipment(Answer, frozen=True, kw_only=True):
    """A supply order as the API returns it."""

    inbound_shipment_id: Annotated[str, D, Meta(description="Octopia's id of the order")]
    reference: Annotated[str | None, D, Meta(description="The seller's own reference of the order")] = None
    code: Annotated[str | None, D, Meta(description="Octopia's code of the order")] = None
    storage_country: Annotated[str | None, D, Meta(description="Storage country, such as FR")] = None
    expected_delivery_date: Annotated[datetime | None, A, Meta(description="Expected time of arrival")] = None
    status: Annotated[InboundStatus | None, A, Meta(description="Status of the order")] = None
    lines: Annotated[list[InboundLine], A, Meta(description="Products with their quantities")] = msgspec.field(
        default_factory=list[InboundLine]
    )
    created_at: Annotated[datetime | None, A, Meta(description="Time of creation")] = None
    updated_at: Annotated[datetime | None, A, Meta(description="Time of the last change")] = None
    refusal: Annotated[Refusal | None, A, Meta(description="Reason of a refusal")] = None


class InboundCountFilters(Query, frozen=True, kw_only=True):
    """Filters of ``GET /inbound-shipments/count`` (assumed to equal those of the list)."""

    status: Annotated[str | None, A, Meta(description="Status of the order"), known_values(InboundStatus)] = None
    storage_country: Annotated[str | None, A, Meta(description="Storage country, such as FR")] = None
    created_at_min: Annotated[
        datetime | None,
        A,
        Meta(description="Earliest time of creation, with a time zone"),
    ] = None
    created_at_max: Annotated[
        datetime | None,
        A,
        Meta(description="Latest time of creation, with a time zone"),
    ] = None
    updated_at_min: Annotated[
        datetime | None,
        A,
        Meta(description="Earliest time of the last change, with a time zone"),
    ] = None
    updated_at_max: Annotated[
        datetime | None,
        A,
        Meta(description="Latest time of the last change, with a time zone"),
    ] = None


class InboundFilters(InboundCountFilters, frozen=True, kw_only=True):
    """Filters of ``GET /inbound-shipments``."""

    # A factory: the encoder omits plain defaults.
    limit: PageLimit = msgspec.field(default_factory=lambda: 1000)
    cursor: PageCursor = None


COUNT_INBOUND = Operation[int](
    name="inbound.count",
    method="GET",
    path="/inbound-shipments/count",
    group=Group.INBOUND,
    tag="S",
    filters=InboundCountFilters,
    answer=int,
    shape=Shape.COUNT,
)

LIST_INBOUND = Operation[list[InboundShipment]](
    name="inbound.list",
    method="GET",
    path="/inbound-shipments",
    group=Group.INBOUND,
    tag="D",
    filters=InboundFilters,
    answer=PageBody[InboundShipment] | list[InboundShipment],
    row=InboundShipment,
    shape=Shape.PAGE,
)

CREATE_INBOUND = Operation[str](
    name="inbound.create",
    method="POST",
    path="/inbound-shipments",
    group=Group.INBOUND,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=InboundShipmentRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="inboundShipmentId",
    success=201,  # A
)

GET_INBOUND = Operation[InboundShipment](
    name="inbound.get",
    method="GET",
    path="/inbound-shipments/{inboundShipmentId}",
    group=Group.INBOUND,
    tag="D",
    answer=InboundShipment,
)

GET_DELIVERY_NOTE = Operation[Document | str](
    name="inbound.delivery_note",
    method="GET",
    path="/inbound-shipments/{inboundShipmentId}/delivery-notes",
    group=Group.INBOUND,
    tag="D",
    answer=DocumentAnswer,
    shape=Shape.DOCUMENT,
)

OPERATIONS = (
    COUNT_INBOUND,
    LIST_INBOUND,
    CREATE_INBOUND,
    GET_INBOUND,
    GET_DELIVERY_NOTE,
)
