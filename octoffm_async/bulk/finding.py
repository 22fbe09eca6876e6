"""Looking for creations on the remote side by their business reference: one scan for all that are wanted.

Only documented filters narrow a scan down, with a margin for clocks that differ. An API that refuses the filter (400)
is scanned without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..contract.inbound import InboundShipment
from ..contract.outbound import OutboundShipment
from ..errors import BadRequestError
from ..resources.inbound import Inbound
from ..resources.outbound import Outbound
from ..resources.products import Products
from .changes import Changed, ChangeFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from typing import Literal

    from ..session.scope import Scope

MARGIN = timedelta(minutes=5)
"""How much earlier than its sending a creation may be stamped, beyond the difference of the clocks that was seen."""

MARGIN_UNTOLD = timedelta(days=1)
"""The same where the API does not tell its time: a clock in the wrong zone is some hours away."""


class Match(NamedTuple):
    """Something that exists remotely under a wanted reference."""

    id: str | None
    code: str = ""
    message: str = ""
    refused: bool = False


class Finder(Protocol):
    """Looks for references of one kind."""

    async def find(self, wanted: Collection[str], *, since: datetime) -> Mapping[str, list[Match]]:
        """All that exists under the wanted references and was created after ``since`` by our clock."""
        ...


class OrderFinder:
    """Looks for shipping or supply orders, in a scan by time of change."""

    def __init__(self, scope: Scope, kind: Literal["outbound", "inbound"]) -> None:
        self._scope = scope
        self._kind: Literal["outbound", "inbound"] = kind

    async def find(self, wanted: Collection[str], *, since: datetime) -> Mapping[str, list[Match]]:
        """See :class:`Finder`."""
        found: dict[str, dict[str, Match]] = {}
        async for row in self._rows(since + await self._offset()):
            reference = row.reference if isinstance(row, OutboundShipment | InboundShipment) else None
            if reference is not None and reference in wanted:
                match = match_of(row)
                found.setdefault(reference, {})[match.id or ""] = match
        return {reference: list(matches.values()) for reference, matches in found.items()}

    async def _rows(self, since: datetime) -> AsyncIterator[Changed]:
        refused = False
        try:
            async for change in ChangeFeed(self._scope, since, kinds=[self._kind], overlap=0):
                yield change.item
        except BadRequestError as error:
            if error.status != 400:
                raise
            refused = True
        if refused:
            everything = Outbound(self._scope).list() if self._kind == "outbound" else Inbound(self._scope).list()
            async for row in everything:
                yield row

    async def _offset(self) -> timedelta:
        """From our time of sending to where a scan begins on the API's clock.

        A clock that is ahead now may not have been so then: it makes no scan shorter.
        """
        resource = Outbound(self._scope) if self._kind == "outbound" else Inbound(self._scope)
        page = await resource.list(limit=1)
        if page.served_at is None:
            return -MARGIN_UNTOLD
        return min(timedelta(0), page.served_at - datetime.now(UTC)) - MARGIN


class ProductFinder:
    """Looks for registered products among the seller's references. A reference is unique, whenever it was added."""

    def __init__(self, scope: Scope) -> None:
        self._products = Products(scope)

    async def find(self, wanted: Collection[str], *, since: datetime) -> Mapping[str, list[Match]]:  # noqa: ARG002
        """See :class:`Finder`."""
        return {
            known.seller_product_reference: [Match(None)]
            async for known in self._products.references()
            if known.seller_product_reference in wanted
        }


def match_of(row: Changed) -> Match:
    """An order as a match."""
    assert isinstance(row, OutboundShipment | InboundShipment)  # noqa: S101  (only orders are looked for)
    key = row.outbound_shipment_id if isinstance(row, OutboundShipment) else row.inbound_shipment_id
    if row.status == "Refused":
        refusal = row.refusal
        code, message = (None, None) if refusal is None else (refusal.code, refusal.message)
        return Match(key, code or "Refused", message or "refused later", refused=True)
    return Match(key)
