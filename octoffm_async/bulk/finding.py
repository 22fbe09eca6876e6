"""Looking for creations on the remote side by their business reference: one scan for all that are wanted.

Only documented filters narrow a scan down, with a margin for clocks that differ. An API that refuses the filter (400)
is scanned without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from ..contract.inbound import InboundShipment
from ..contract.outbound import OutboundShipment
from ..contract.progress import STATE_INVALID, is_refused
from ..errors import BadRequestError
from ..resources.inbound import Inbound
from ..resources.outbound import Outbound
from ..resources.products import Products
from .absence import DAY, AbsenceScan, unproven_end
from .changes import Changed, ChangeFeed
from .gathering import Findings, Gathered, Match, not_shown
from .journal.states import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from ..session.scope import Scope

OrderKind = Literal["outbound", "inbound"]

MARGIN = timedelta(minutes=5)
"""How much earlier than its sending a creation may be stamped, beyond the difference of the clocks that was seen."""

_LIMIT = 1000

MARGIN_UNTOLD = timedelta(days=1)
"""The same where the API does not tell its time: a clock in the wrong zone is some hours away."""


class Finder(Protocol):
    """Looks for references of one kind."""

    async def find(self, wanted: Collection[str], *, since: datetime) -> Findings:
        """All that exists under the wanted references and was created after ``since`` by our clock.

        A scan that shows rows whose reference cannot be read proves nothing of what it does not show: each of those
        rows may be one that is wanted.
        """
        ...

    async def prove(self, wanted: Collection[str], *, since: datetime) -> Findings:
        """The same, as thoroughly as it takes to send again what is not found: see :mod:`.absence`."""
        ...


class OrderFinder:
    """Looks for shipping or supply orders, in a scan by time of change."""

    def __init__(self, scope: Scope, kind: OrderKind) -> None:
        self._scope = scope
        self._kind: OrderKind = kind

    async def find(self, wanted: Collection[str], *, since: datetime) -> Findings:
        """See :class:`Finder`."""
        gathered = Gathered(wanted, what="orders")
        start = None if is_long_ago(since) else await by_their_clock(self._scope, self._kind, since)
        async for row in self._rows(start):
            gathered.add(getattr(row, "reference", None), match_of(row))
        return gathered.findings()

    async def prove(self, wanted: Collection[str], *, since: datetime) -> Findings:
        """See :class:`Finder`."""
        gathered = Gathered(wanted, what="orders")

        def take(row: Changed) -> str | None:
            match = match_of(row)
            gathered.add(getattr(row, "reference", None), match)
            return match.id

        start = None if is_long_ago(since) else await by_their_clock(self._scope, self._kind, since, margin=DAY)
        scan = AbsenceScan(self._scope, self._kind, since=start, take=take)
        doubt = await scan.read()
        if gathered.missing():
            await scan.read_newest()
        return gathered.findings(doubt, scan.uncounted)

    async def _rows(self, since: datetime | None) -> AsyncIterator[Changed]:
        unfiltered = since is None
        try:
            if since is not None:
                async for change in ChangeFeed(self._scope, since, kinds=[self._kind], overlap=0):
                    yield change.item
        except BadRequestError as error:
            if error.status != 400:
                raise
            unfiltered = True
        if unfiltered:
            everything = Outbound(self._scope).list() if self._kind == "outbound" else Inbound(self._scope).list()
            async for row in everything:
                yield row


class ProductFinder:
    """Looks for registered products among the seller's references. A reference is unique, whenever it was added."""

    def __init__(self, scope: Scope) -> None:
        self._products = Products(scope)

    async def find(self, wanted: Collection[str], *, since: datetime) -> Findings:  # noqa: ARG002
        """See :class:`Finder`."""
        gathered = Gathered(wanted, what="products")
        async for known in self._products.references():
            gathered.add(known.seller_product_reference, Match(None))
        return gathered.findings()

    async def prove(self, wanted: Collection[str], *, since: datetime) -> Findings:  # noqa: ARG002
        """See :class:`Finder`. Nothing counts references: the list must have a proven end."""
        gathered = Gathered(wanted, what="products")
        end = ""
        # A list that ends with a full page is cut otherwise once more: its last page is then another one.
        for limit in (_LIMIT, _LIMIT - 1):
            async for page in self._products.references(limit=limit).pages():
                for known in page.items:
                    gathered.add(known.seller_product_reference, Match(None))
                end = unproven_end(page, limit)
            if not end:
                break
        return gathered.findings(not_shown(end) if end else "")


def is_long_ago(moment: datetime) -> bool:
    """Whether nothing is known of when an item was sent: it is looked for among all orders."""
    return moment <= LONG_AGO + DAY


async def by_their_clock(
    scope: Scope, kind: OrderKind, moment: datetime, *, margin: timedelta = timedelta(0)
) -> datetime:
    """Where a scan begins, on the API's clock, for what happened since ``moment`` of ours; by ``margin`` earlier.

    A clock that is ahead now may not have been so then: it makes no scan shorter. One that was ahead then makes none
    begin after now.
    """
    resource = Outbound(scope) if kind == "outbound" else Inbound(scope)
    page = await resource.list(limit=1)
    if page.served_at is None:
        return moment - MARGIN_UNTOLD - margin
    return min(moment + min(timedelta(0), page.served_at - datetime.now(UTC)), page.served_at) - MARGIN - margin


def match_of(row: Changed) -> Match:
    """An order as a match."""
    assert isinstance(row, OutboundShipment | InboundShipment)  # noqa: S101  (only orders are looked for)
    key = row.outbound_shipment_id if isinstance(row, OutboundShipment) else row.inbound_shipment_id
    if is_refused(row):
        invalid = row.status is None or row.status.meaning != "Refused"
        code = (row.refusal and row.refusal.code) or (STATE_INVALID if invalid else str(row.status))
        message = (row.refusal and row.refusal.message) or ("state Invalid" if invalid else "refused later")
        return Match(key, code, message, refused=True)
    return Match(key)
