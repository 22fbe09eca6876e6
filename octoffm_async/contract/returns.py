"""Returns: parcels that come back to the warehouse (API.md, 8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from .base import FILLED, A, Answer, D, OpenEnum, Query, Request, bounds, known
from .bounds import LINES_MAX, PAGE_MAX
from .common import ShipmentLine


class ReturnType(OpenEnum):
    """Who sends it back. Sellers create Customer returns only (**D**)."""

    CUSTOMER = "Customer"
    CARRIER = "Carrier"


class ReturnStatus(OpenEnum):
    """Where a return is (**D**)."""

    CREATED = "Created"
    REFERENCING = "Referencing"
    REFERENCED = "Referenced"
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    COMPLETED = "Completed"

    @property
    def final(self) -> bool:
        """Whether a return in this status will not change any more."""
        return self is ReturnStatus.COMPLETED


class ReturnReason(OpenEnum):
    """Why it comes back (**D**, open)."""

    REFERENCE_ERROR = "ReferenceError"
    DAMAGED = "Damaged"
    RETRACTION = "Retraction"
    TRANSPORT_DAMAGE = "TransportDamage"


class ReturnLineState(OpenEnum):
    """What the inspection found (**A**, open)."""

    GOOD = "Good"
    DAMAGED = "Damaged"
    WRONG = "Wrong"


class ReturnRequest(Request, frozen=True, kw_only=True):
    """A customer return to expect, for a parcel shipped from FR or ES (**D**).

    It names the outbound shipment by its id or by its reference; one of the two is needed.
    """

    reason: Annotated[str, A, FILLED, known(ReturnReason)]
    lines: Annotated[Sequence[ShipmentLine], A, bounds("A", minItems=1, maxItems=LINES_MAX)]
    outbound_shipment_id: Annotated[str | None, A] = None
    reference: Annotated[str | None, A] = None
    comment: Annotated[str | None, A] = None


class ReturnLine(Answer, frozen=True, kw_only=True):
    """One product of a return: announced, received, and in which state (**A**)."""

    seller_product_reference: Annotated[str | None, A] = None
    quantity: Annotated[int | None, A] = None
    received_quantity: Annotated[int | None, A] = None
    state: Annotated[ReturnLineState | None, A] = None


class Return(Answer, frozen=True, kw_only=True):
    """A return as it stands. ``undeclared_quantity`` counts items that were received but not announced."""

    return_id: Annotated[str, D]
    type: Annotated[ReturnType | None, D] = None
    status: Annotated[ReturnStatus | None, D] = None
    reason: Annotated[ReturnReason | None, D] = None
    recommended_return_reason: Annotated[ReturnReason | None, D] = None
    comment: Annotated[str | None, D] = None
    warehouse_comment: Annotated[str | None, D] = None
    outbound_shipment_id: Annotated[str | None, D] = None
    reference: Annotated[str | None, D] = None
    order_seller_id: Annotated[str | None, D] = None
    parcel_id: Annotated[str | None, D] = None
    receipt_date: Annotated[datetime | None, D] = None
    created_at: Annotated[datetime | None, D] = None
    updated_at: Annotated[datetime | None, D] = None
    lines: Annotated[list[ReturnLine], D] = msgspec.field(default_factory=list[ReturnLine])
    has_label: Annotated[bool | None, A] = None
    label_url: Annotated[str | None, A] = None
    undeclared_quantity: Annotated[int | None, A] = None


class ReturnCountFilters(Query, frozen=True, kw_only=True):
    """What ``GET /returns/count`` can be asked for (**A**: the list's filters)."""

    type: Annotated[str | None, A, known(ReturnType)] = None
    status: Annotated[str | None, A, known(ReturnStatus)] = None
    created_at_min: Annotated[datetime | None, A] = None
    created_at_max: Annotated[datetime | None, A] = None
    updated_at_min: Annotated[datetime | None, A] = None
    updated_at_max: Annotated[datetime | None, A] = None


class ReturnFilters(ReturnCountFilters, frozen=True, kw_only=True):
    """What ``GET /returns`` can be asked for."""

    # A factory, because a plain default would be left out of the query.
    limit: Annotated[int, D, bounds("D", minimum=1, maximum=PAGE_MAX)] = msgspec.field(default_factory=lambda: 1000)
    cursor: Annotated[str | None, D] = None
