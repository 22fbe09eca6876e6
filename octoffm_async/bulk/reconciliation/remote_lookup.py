"""Remote look-up of creations by their business reference: one scan for all references.

Only documented filters restrict a scan, with a margin for clocks that differ. An API that refuses the filter (400) is
scanned without it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol, cast

from ...contract.answers.progress import STATE_INVALID, is_refused
from ...contract.inbound import InboundShipment
from ...contract.outbound import OutboundShipment
from ...errors import BadRequestError
from ...feeds.change_feed import Changed, ChangeFeed
from ...journal.states import is_long_ago
from ...resources.inbound import Inbound
from ...resources.outbound import Outbound
from ...resources.products import Products
from .absence import DAY, AbsenceScan, changed_at, unproven_end
from .controls import Evidence, Showing, ShownControl
from .freshness import Freshness
from .lookup_findings import LookupFindings, RemoteMatch, RowCollector, not_shown, shows_ours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from ...session.decoding.known_ids import KnownIds
    from ...session.seller_session import SellerSession
    from .controls import EntryLookup

OrderKind = Literal["outbound", "inbound"]

MARGIN = timedelta(minutes=5)
"""Maximum time by which a creation's stamp may precede its request, beyond the seen difference of the clocks."""

_LIMIT = 1000
LOOK_UPS_MOST = 4
"""Maximum number of look-ups of single calls that a session makes at a time."""

NOTHING = Evidence()
DAWN = datetime(1970, 1, 1, tzinfo=UTC)

MARGIN_UNTOLD = timedelta(days=1)
"""Margin for an API that sends no time: a clock in the wrong zone is some hours off."""


class RemoteLookup(Protocol):
    """Remote look-up of references of one kind."""

    async def find(self, references: Collection[str], *, since: datetime) -> LookupFindings:
        """Return everything that exists under the references and was created after ``since`` by the local clock.

        A scan that shows rows with an unreadable reference proves nothing about what it does not show: each of those
        rows may be one of the wanted.
        """
        ...

    async def prove(
        self, references: Collection[str], *, since: datetime, evidence: Evidence = NOTHING
    ) -> LookupFindings:
        """Return the same with the evidence that is needed to send again what is not found: see :mod:`.absence`."""
        ...


class OrderLookup:
    """Look-up of shipping or supply orders, by a scan by time of change."""

    def __init__(self, scope: SellerSession, kind: OrderKind) -> None:
        self._scope = scope
        self._kind: OrderKind = kind

    async def find(self, references: Collection[str], *, since: datetime) -> LookupFindings:
        """Find orders; see :class:`RemoteLookup`."""
        gathered = RowCollector(references, what="orders")
        scope = Freshness(self._scope).scope
        start = None if is_long_ago(since) else await by_their_clock(scope, self._kind, since)
        async for row in self._rows(scope, start):
            gathered.add(getattr(row, "reference", None), match_of(row))
        return gathered.findings()

    async def prove(
        self, references: Collection[str], *, since: datetime, evidence: Evidence = NOTHING
    ) -> LookupFindings:
        """Find orders or prove them absent; see :class:`RemoteLookup`."""
        controls = evidence.controls or ()
        gathered = RowCollector({*references, *(control.reference for control in controls)}, what="orders", inside=True)
        fresh = Freshness(self._scope, after=evidence.last, waited=evidence.waited)
        served_at = await their_clock(fresh.scope, self._kind)
        fresh.doubt = ""  # concerns only the lists and counts that are read below
        start = begin(since, served_at, margin=DAY)
        if evidence.first is not None:
            start = min(start, evidence.first - MARGIN - DAY)
        showing = Showing(
            controls, start=start, ahead=timedelta(0) if served_at is None else datetime.now(UTC) - served_at
        )

        def take(row: Changed) -> str | None:
            assert isinstance(row, OutboundShipment | InboundShipment)  # noqa: S101  (only orders are looked for)
            match = match_of(row)
            gathered.add(row.reference, match)
            showing.saw(row.reference, ShownControl(match.id, changed_at(row)))
            return match.id

        is_any_age = is_long_ago(since)
        scan = AbsenceScan(fresh.scope, self._kind, since=None if is_any_age else start, take=take)
        if evidence.controls is not None and not controls:
            doubt = await (scan.read() if is_any_age else scan.read_whole())
            if doubt and gathered.missing() and not is_any_age:
                await scan.read()  # this proves no absence, but may show the order
            doubt = doubt or scan.uncounted
        else:
            doubt = await scan.read()
            if gathered.missing():
                await scan.read_newest()
            if controls and not doubt:
                doubt = await self._shows(scan, showing, gathered, evidence)
        uncounted = scan.uncounted if evidence.controls is None else ""
        passing = bool(fresh.doubt or (doubt and scan.passing))
        return gathered.findings(fresh.doubt or doubt, uncounted, passing=passing)

    async def _shows(self, scan: AbsenceScan, showing: Showing, gathered: RowCollector, evidence: Evidence) -> str:
        """Return the reason why a list that agrees with its count lacks known orders, or "": see :mod:`.absence`."""
        if scan.since is not None and showing.lag > DAY:
            scan.since -= min(showing.lag, scan.since - DAWN)
            if doubt := await scan.read():
                return doubt
        since, created = scan.since, evidence.created
        ours = showing.is_any or await _is_ours(gathered, evidence.look_up)
        odd = showing.missing() or not ours or len(scan.ids) < created
        if since is not None and (odd or showing.misplaced(scan.ids, since)):
            if doubt := await scan.read_whole():
                return doubt
            ours = showing.is_any or await _is_ours(gathered, evidence.look_up)
        if missing := showing.missing() or ("" if ours else showing.first()):
            return not_shown(f"it does not show {missing!r} either, which is known to exist")
        if len(scan.ids) < created:
            return not_shown(f"it shows {len(scan.ids)} orders, and {created} of ours are known to exist")
        return ""

    async def _rows(self, scope: SellerSession, since: datetime | None) -> AsyncIterator[Changed]:
        unfiltered = since is None
        try:
            if since is not None:
                async for change in ChangeFeed(scope, since, kinds=[self._kind], overlap=0):
                    yield change.item
        except BadRequestError as error:
            if error.status != 400:
                raise
            unfiltered = True
        if unfiltered:
            everything = Outbound(scope).list() if self._kind == "outbound" else Inbound(scope).list()
            async for row in everything:
                yield row


class QueuedLookup:
    """A look-up of single calls, of which a session makes only a few at a time, in the order of the calls.

    Each scan takes several requests. Where hundreds of calls looked up their orders at once, after an outage, all scans
    would progress equally slowly, and none would end before the deadline of its call.
    """

    def __init__(self, lookup: RemoteLookup, scope: SellerSession) -> None:
        self._lookup = lookup
        turns = scope.session.seller_cache.setdefault(("look-ups", scope.seller_id), asyncio.Semaphore(LOOK_UPS_MOST))
        self._turns = cast("asyncio.Semaphore", turns)

    async def find(self, references: Collection[str], *, since: datetime) -> LookupFindings:
        """Find orders; see :class:`RemoteLookup`."""
        async with self._turns:
            return await self._lookup.find(references, since=since)

    async def prove(
        self, references: Collection[str], *, since: datetime, evidence: Evidence = NOTHING
    ) -> LookupFindings:
        """Find orders or prove them absent; see :class:`RemoteLookup`."""
        async with self._turns:
            return await self._lookup.prove(references, since=since, evidence=evidence)


class ProductLookup:
    """Look-up of registered products among the seller's references. A reference is unique, whenever it was added."""

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope
        self._products = Products(scope)

    async def find(self, references: Collection[str], *, since: datetime) -> LookupFindings:  # noqa: ARG002
        """Find products; see :class:`RemoteLookup`."""
        gathered = RowCollector(references, what="products")
        async for known in self._products.references():
            gathered.add(known.seller_product_reference, RemoteMatch(None))
        return gathered.findings()

    async def prove(
        self,
        references: Collection[str],
        *,
        since: datetime,  # noqa: ARG002
        evidence: Evidence = NOTHING,
    ) -> LookupFindings:
        """Find products or prove them absent; see :class:`RemoteLookup`.

        The API has no count: the list must have a proven end.
        """
        gathered = RowCollector(references, what="products")
        fresh = Freshness(self._scope, after=evidence.last, waited=evidence.waited)
        products = Products(fresh.scope)
        end = ""
        # A list that ends with a full page is read once more with another page size, which moves its last page
        # (bulk/reconciliation/absence.py).
        for limit in (_LIMIT, _LIMIT - 1):
            async for page in products.references(limit=limit).pages():
                for known in page.items:
                    gathered.add(known.seller_product_reference, RemoteMatch(None))
                end = unproven_end(page, limit)
            if not end:
                break
        return gathered.findings(fresh.doubt or (not_shown(end) if end else ""), passing=bool(fresh.doubt))


async def their_clock(scope: SellerSession, kind: OrderKind) -> datetime | None:
    """Return the time of the API's own clock, or ``None`` if its responses have no time."""
    resource = Outbound(scope) if kind == "outbound" else Inbound(scope)
    page = await resource.list(limit=1)
    return None if page.served_at is None else scope.session.api_clock


async def by_their_clock(scope: SellerSession, kind: OrderKind, moment: datetime) -> datetime:
    """Return the start of a scan, on the API's clock, for changes since the local time ``moment``."""
    return begin(moment, await their_clock(scope, kind))


def begin(moment: datetime, served_at: datetime | None, *, margin: timedelta = timedelta(0)) -> datetime:
    """Return the start of a scan, earlier by ``margin``, if the API's clock shows ``served_at`` now.

    An API clock that is ahead now may not have been ahead then: it makes no scan shorter. One that was ahead then makes
    no scan begin after now.
    """
    if served_at is None:
        return moment - MARGIN_UNTOLD - margin
    return min(moment + min(timedelta(0), served_at - datetime.now(UTC)), served_at) - MARGIN - margin


def learned(known_ids: KnownIds, found: LookupFindings) -> LookupFindings:
    """Record in the session the ids that the API itself shows."""
    for reference, matches in found.matches.items():
        for match in matches:
            if match.id is not None:
                known_ids.know(reference, match.id, proven=True)
    return found


async def _is_ours(gathered: RowCollector, look_up: EntryLookup | None) -> bool:
    """Return True if one of the rows is an order that the journal has as created."""
    if look_up is None or not (others := gathered.others):
        return False
    return shows_ours(others, await look_up([row.reference for row in others]))


def match_of(row: Changed) -> RemoteMatch:
    """Convert an order to a match."""
    assert isinstance(row, OutboundShipment | InboundShipment)  # noqa: S101  (only orders are looked for)
    key = row.outbound_shipment_id if isinstance(row, OutboundShipment) else row.inbound_shipment_id
    if is_refused(row):
        invalid = row.status is None or row.status.meaning != "Refused"
        code = (row.refusal and row.refusal.code) or (STATE_INVALID if invalid else str(row.status))
        message = (row.refusal and row.refusal.message) or ("state Invalid" if invalid else "refused later")
        return RemoteMatch(key, code, message, refused=True, created_at=row.created_at)
    return RemoteMatch(key, created_at=row.created_at)
