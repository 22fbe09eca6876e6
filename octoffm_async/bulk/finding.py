"""Looking for creations on the remote side by their business reference: one scan for all that are wanted.

Only documented filters narrow a scan down, with a margin for clocks that differ. An API that refuses the filter (400)
is scanned without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ..contract.inbound import InboundShipment
from ..contract.outbound import OutboundShipment
from ..errors import BadRequestError
from ..resources.inbound import Inbound
from ..resources.outbound import Outbound
from ..resources.products import Products
from .changes import Changed, ChangeFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from ..session.scope import Scope

OrderKind = Literal["outbound", "inbound"]

MARGIN = timedelta(minutes=5)
"""How much earlier than its sending a creation may be stamped, beyond the difference of the clocks that was seen."""


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

    def __init__(self, scope: Scope, kind: OrderKind) -> None:
        self._scope = scope
        self._kind: OrderKind = kind

    async def find(self, wanted: Collection[str], *, since: datetime) -> Mapping[str, list[Match]]:
        """See :class:`Finder`."""
        found: dict[str, dict[str, Match]] = {}
        async for row in self._rows(await by_their_clock(self._scope, self._kind, since)):
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


async def by_their_clock(scope: Scope, kind: OrderKind, moment: datetime) -> datetime:
    """A moment of our clock by the API's, with a margin to the safe side. An API that tells no time has ours."""
    resource = Outbound(scope) if kind == "outbound" else Inbound(scope)
    page = await resource.list(limit=1)
    ahead = timedelta(0) if page.served_at is None else page.served_at - datetime.now(UTC)
    return moment + ahead - MARGIN


def match_of(row: Changed) -> Match:
    """An order as a match."""
    assert isinstance(row, OutboundShipment | InboundShipment)  # noqa: S101  (only orders are looked for)
    key = row.outbound_shipment_id if isinstance(row, OutboundShipment) else row.inbound_shipment_id
    if row.status == "Refused":
        refusal = row.refusal
        code, message = (None, None) if refusal is None else (refusal.code, refusal.message)
        return Match(key, code or "Refused", message or "refused later", refused=True)
    return Match(key)
