"""Returns: parcels that come back to the warehouse."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .access import PageBody
from .base import NON_EMPTY, A, Answer, D, OpenEnum, Query, Request, Text, bounds, known_values
from .common import Document, DocumentAnswer, PageCursor, PageLimit, ShipmentLine
from .operation import Group, Operation, Repeatability, Shape
from .requests.checks import LINES_MAX


class ReturnType(OpenEnum):
    """Origin of a return. Sellers create Customer returns only (documented)."""

    CUSTOMER = "Customer"
    CARRIER = "Carrier"


ReturnTypeName: TypeAlias = Literal["Customer", "Carrier"] | str
"""The values of :class:`ReturnType`, or any other text."""


class ReturnStatus(OpenEnum):
    """Status of a return (documented)."""

    CREATED = "Created"
    REFERENCING = "Referencing"
    REFERENCED = "Referenced"
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    COMPLETED = "Completed"

    @property
    def final(self) -> bool:
        """True if a return in this status does not change any more."""
        return self is ReturnStatus.COMPLETED


ReturnStatusName: TypeAlias = Literal["Created", "Referencing", "Referenced", "Accepted", "Pending", "Completed"] | str
"""The values of :class:`ReturnStatus`, or any other text."""


class ReturnReason(OpenEnum):
    """Reason of a return (documented, open)."""

    REFERENCE_ERROR = "ReferenceError"
    DAMAGED = "Damaged"
    RETRACTION = "Retraction"
    TRANSPORT_DAMAGE = "TransportDamage"


ReturnReasonName: TypeAlias = Literal["ReferenceError", "Damaged", "Retraction", "TransportDamage"] | str
"""The values of :class:`ReturnReason`, or any other text."""


class ReturnLineState(OpenEnum):
    """Result of the inspection of a returned item (assumed, open)."""

    GOOD = "Good"
    DAMAGED = "Damaged"
    WRONG = "Wrong"


class ReturnRequest(Request, frozen=True, kw_only=True):
    """A customer return that the warehouse should expect, for a parcel shipped from FR or ES (documented).

    It names the outbound shipment by its id or by its reference; one of the two is required.
    """

    reason: Annotated[
        Text[ReturnReasonName],
        A,
        Meta(description="Reason of the return, such as Damaged or Retraction"),
        NON_EMPTY,
        known_values(ReturnReason),
    ]
    lines: Annotated[
        Sequence[ShipmentLine],
        A,
        Meta(description="Products and quantities"),
        bounds("A", minItems=1, maxItems=LINES_MAX),
    ]
    outbound_shipment_id: Annotated[str | None, A, Meta(description="Octopia's id of the shipping order")] = None
    reference: Annotated[str | None, A, Meta(description="The seller's reference of the shipping order")] = None
    comment: Annotated[str | None, A, Meta(description="Comment of the seller")] = None


class ReturnLine(Answer, frozen=True, kw_only=True):
    """A product of a return: announced and received items, and their state (assumed)."""

    seller_product_reference: Annotated[
        str | None, A, Meta(description="The seller's own reference of the product")
    ] = None
    quantity: Annotated[int | None, A, Meta(description="Number of items announced")] = None
    received_quantity: Annotated[int | None, A, Meta(description="Number of items received")] = None
    state: Annotated[ReturnLineState | None, A, Meta(description="Result of the inspection")] = None


class Return(Answer, frozen=True, kw_only=True):
    """A return as the API returns it."""

    return_id: Annotated[str, D, Meta(description="Octopia's id of the return")]
    type: Annotated[ReturnType | None, D, Meta(description="Origin of the return: Customer or Carrier")] = None
    status: Annotated[ReturnStatus | None, D, Meta(description="Status of the return")] = None
    reason: Annotated[ReturnReason | None, D, Meta(description="Reason that the seller gave")] = None
    recommended_return_reason: Annotated[
        ReturnReason | None, D, Meta(description="Reason that the warehouse recommends")
    ] = None
    comment: Annotated[str | None, D, Meta(description="Comment of the seller")] = None
    warehouse_comment: Annotated[str | None, D, Meta(description="Comment of the warehouse")] = None
    outbound_shipment_id: Annotated[str | None, D, Meta(description="Octopia's id of the shipping order")] = None
    reference: Annotated[str | None, D, Meta(description="The seller's reference of the shipping order")] = None
    order_seller_id: Annotated[str | None, D, Meta(description="The seller's id of the marketplace order")] = None
    parcel_id: Annotated[str | None, D, Meta(description="Id of the parcel")] = None
    receipt_date: Annotated[datetime | None, D, Meta(description="Time of receipt in the warehouse")] = None
    created_at: Annotated[datetime | None, D, Meta(description="Time of creation")] = None
    updated_at: Annotated[datetime | None, D, Meta(description="Time of the last change")] = None
    lines: Annotated[list[ReturnLine], D, Meta(description="Products with their quantities")] = msgspec.field(
        default_factory=list[ReturnLine]
    )
    has_label: Annotated[bool | None, A, Meta(description="True if a return label exists")] = None
    label_url: Annotated[str | None, A, Meta(description="URL of the return label")] = None
    undeclared_quantity: Annotated[
        int | None, A, Meta(description="Number of items received that were not announced")
    ] = None


class ReturnCountFilters(Query, frozen=True, kw_only=True):
    """Filters of ``GET /returns/count`` (assumed to equal those of the list)."""

    type: Annotated[
        str | None, A, Meta(description="Origin of the return: Customer or Carrier"), known_values(ReturnType)
    ] = None
    status: Annotated[str | None, A, Meta(description="Status of the return"), known_values(ReturnStatus)] = None
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


class ReturnFilters(ReturnCountFilters, frozen=True, kw_only=True):
    """Filters of ``GET /returns``."""

    # A factory: the encoder omits plain defaults.
    limit: PageLimit = msgspec.field(default_factory=lambda: 1000)
    cursor: PageCursor = None


COUNT_RETURNS = Operation[int](
    name="returns.count",
    method="GET",
    path="/returns/count",
    group=Group.RETURNS,
    tag="S",
    filters=ReturnCountFilters,
    answer=int,
    shape=Shape.COUNT,
)

LIST_RETURNS = Operation[list[Return]](
    name="returns.list",
    method="GET",
    path="/returns",
    group=Group.RETURNS,
    tag="D",
    filters=ReturnFilters,
    answer=PageBody[Return] | list[Return],
    row=Return,
    shape=Shape.PAGE,
)

CREATE_RETURN = Operation[str](
    name="returns.create",
    method="POST",
    path="/returns",
    group=Group.RETURNS,
    tag="D",
    repeatability=Repeatability.VERIFY,
    request=ReturnRequest,
    answer=str,
    shape=Shape.IDENTIFIER,
    identifier="returnId",
    success=201,  # A
)

GET_RETURN = Operation[Return](
    name="returns.get",
    method="GET",
    path="/returns/{returnId}",
    group=Group.RETURNS,
    tag="D",
    answer=Return,
)

GET_LABEL = Operation[Document | str](
    name="returns.label",
    method="GET",
    path="/returns/{returnId}/labels",
    group=Group.RETURNS,
    tag="D",
    answer=DocumentAnswer,
    shape=Shape.DOCUMENT,
)

OPERATIONS = (
    COUNT_RETURNS,
    LIST_RETURNS,
    CREATE_RETURN,
    GET_RETURN,
    GET_LABEL,
)
