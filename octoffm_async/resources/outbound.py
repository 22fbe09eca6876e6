"""Outbound shipments: have orders shipped to customers (API.md, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.operations import CREATE_OUTBOUND, GET_OUTBOUND, LIST_OUTBOUND
from ..contract.outbound import OutboundFilters, OutboundShipmentRequest
from ..contract.validation import outbound_problems
from ..errors import ValidationError, check_type

if TYPE_CHECKING:
    from datetime import datetime

    from ..contract.outbound import OutboundShipment
    from ..session.paging import Pager
    from ..session.scope import Scope


class Outbound:
    """``client.outbound``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(self, request: OutboundShipmentRequest) -> str:
        """Order one shipment; its ``outbound_shipment_id`` (**D**).

        It is sent again only after a failure that shows that it was not carried out. An unknown product is not refused
        here but later: follow the shipment's status.

        Raises:
            ValidationError: the order cannot be right; nothing was sent. CallError: the call did not succeed. If
            ``outcome_unknown``, a parcel may be on its way: look the reference up
                before ordering again.
        """
        check_shipment(request)
        return await self.send(request)

    async def send(self, request: OutboundShipmentRequest) -> str:
        """One call, without checks."""
        shipment_id, _ = await self._scope.call(CREATE_OUTBOUND, body=request)
        return shipment_id

    async def get(self, outbound_shipment_id: str) -> OutboundShipment:
        """One shipment by its id (**D**).

        Raises:
            ValidationError: the id cannot be part of an address; nothing was sent.
            NotFoundError: this seller has no such shipment.
            CallError: the call did not succeed.
        """
        shipment, _ = await self._scope.call(GET_OUTBOUND, path={"outboundShipmentId": outbound_shipment_id})
        return shipment

    def list(
        self,
        *,
        state: str | None = None,
        status_updated_at_min: datetime | None = None,
        status_updated_at_max: datetime | None = None,
        limit: int = 1000,
        cursor: str | None = None,
    ) -> Pager[OutboundShipment]:
        """Shipments that pass the filters, ``limit`` a page (1 to 1000); times need a zone (**D**, times **S**).

        Raises:
            ValidationError: a filter is out of range.
        """
        return self._scope.list(
            LIST_OUTBOUND,
            OutboundFilters(
                limit=limit,
                cursor=cursor,
                state=state,
                status_updated_at_min=status_updated_at_min,
                status_updated_at_max=status_updated_at_max,
            ),
        )


def check_shipment(request: OutboundShipmentRequest) -> None:
    """Refuse a shipping order that cannot be right.

    Raises:
        ValidationError: naming all its problems.
    """
    check_type("shipment", request, OutboundShipmentRequest)
    if problems := outbound_problems(request):
        raise ValidationError("shipment", str(request.reference), problems)
