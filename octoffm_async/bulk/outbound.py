"""Ordering shipments by the thousand: one call an order, never the same order twice by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CallError
from ..resources.outbound import Outbound, check_shipment
from .outcomes import Created, outcome_of
from .run import RUN_ENDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contract.outbound import OutboundShipmentRequest
    from ..session.scope import Scope
    from .run import Deliver


class CreateOutbound:
    """The job of ``client.bulk.create_outbound``."""

    batch = 1

    def __init__(self, scope: Scope) -> None:
        self._outbound = Outbound(scope)

    def key(self, item: OutboundShipmentRequest) -> str:
        return item.reference

    def check(self, item: OutboundShipmentRequest) -> None:
        check_shipment(item)

    async def handle(self, items: Sequence[OutboundShipmentRequest], deliver: Deliver) -> None:
        for order in items:
            try:
                shipment_id = await self._outbound.send(order)
            except RUN_ENDING:
                raise
            except CallError as error:
                await deliver(outcome_of(order.reference, error))
            else:
                await deliver(Created(key=order.reference, id=shipment_id))

    async def finish(self, deliver: Deliver) -> None:
        """Each order was decided by its own answer."""

    def undecided(self) -> list[str]:
        return []
