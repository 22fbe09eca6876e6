"""Inbound shipments: supply orders sent in to the warehouse."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import msgspec

from ..contract.inbound import (
    COUNT_INBOUND,
    CREATE_INBOUND,
    GET_DELIVERY_NOTE,
    GET_INBOUND,
    LIST_INBOUND,
    InboundCountFilters,
    InboundFilters,
    InboundShipmentRequest,
    InboundStatus,
)
from ..contract.requests.validation import inbound_problems
from ..errors import ConfigurationError, ValidationError, check_type
from ..session.pagination import paginate
from .believing import IdVerifier, known_ids_of
from .polling import wait_for_status
from .protecting import check_protected
from .raw_method import RawResource, raw
from .references import check_reference

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime

    from ..contract.common import Document, StorageCountry
    from ..contract.inbound import InboundShipment, InboundStatusName
    from ..journal import Journal
    from ..session.pagination import Pager
    from ..session.seller_session import SellerSession
    from ..session.session import Result
    from .protecting import CreateThroughJournal


class Inbound:
    """Supply orders of a seller: ``client.inbound``.

    ::

        shipment_id = await client.inbound.create(request)
        shipment = await client.inbound.wait_for(shipment_id, "Accepted")
        note = await client.inbound.delivery_note(shipment_id)
    """

    def __init__(self, scope: SellerSession, protect: CreateThroughJournal | None = None) -> None:
        self._scope = scope
        self._protect = protect

    async def create(
        self,
        request: InboundShipmentRequest,
        *,
        journal: Journal | None = None,
        patience: float = 60.0,
        verify_first: bool = False,
    ) -> str:
        """Announce one supply order, and return its ``inbound_shipment_id`` (documented).

        The client sends the order again only after a failure that shows that the API did not carry it out. The API
        refuses an order of an unregistered product later: check its status.

        With a ``journal`` (open, see :meth:`octoffm_async.Journal.open`) a second call with the same order returns the
        same id, also after a crash: if the outcome of an earlier request is unknown, the client first looks for the
        order, until ``patience`` seconds have passed since that request. ``verify_first`` looks for every order among
        all existing ones before sending it; use it for a while after a journal was lost or restored from a backup.

        Raises:
            ValidationError: the order is invalid; nothing was sent.
            PayloadConflictError: with a journal: another order was sent under its reference; nothing was sent.
            ConflictError: an order under its reference exists, perhaps this very one; with a journal, the client looked
                it up, and it is another one.
            JournalError: the journal could not be read or written; nothing was sent, or a note says otherwise.
            CallError: the call did not succeed. If ``outcome_unknown``, look the reference up before you send the order
                again, or, with a journal, call again after ``retry_after`` seconds.
        """
        check_supply_order(request)
        self._scope.check_extra("supply order", request)
        check_reference(self._scope, "supply order", request.reference)
        if journal is None and verify_first:
            raise ConfigurationError("verify_first= needs a journal=, which remembers what is looked for")
        if journal is None:
            check_protected("create_inbound")
            answer = await send_supply_order(self._scope, request)
            doubt = known_ids_of(self._scope, CREATE_INBOUND).take(request.reference, answer[0], answer[1].history)
            if doubt is None:
                return answer[0]
            return await IdVerifier(self._scope, CREATE_INBOUND).resolve_doubt(request.reference, answer, doubt)
        if self._protect is None:
            raise ConfigurationError("journal= works on the resources of a client only")
        return await self._protect(
            self._scope, CREATE_INBOUND, request, journal=journal, patience=patience, verify_first=verify_first
        )

    async def get(self, inbound_shipment_id: str) -> InboundShipment:
        """Return one supply order by its id (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotFoundError: this seller has no such supply order.
            CallError: the call did not succeed.
        """
        shipment, _ = await self._scope.call(GET_INBOUND, path={"inboundShipmentId": inbound_shipment_id})
        return shipment

    async def delivery_note(self, inbound_shipment_id: str) -> Document:
        """Download the delivery note to put into the parcels, usually a PDF; it exists from Accepted on (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotReadyError: the order exists, and its note does not exist yet.
            NotFoundError: this seller has no such supply order.
            UnusableAnswerError: the answer is no document, or the document's URL is on another origin.
            CallError: the call did not succeed.
        """
        path = {"inboundShipmentId": inbound_shipment_id}
        return await self._scope.document(GET_DELIVERY_NOTE, path=path, owner=GET_INBOUND)

    async def wait_for(
        self, inbound_shipment_id: str, status: InboundStatusName = InboundStatus.RECEIVED, *, deadline: float = 3600.0
    ) -> InboundShipment:
        """Poll a supply order until it has reached ``status`` or a later one, and return it.

        ``deadline`` is in seconds; the polling interval grows from 1 s to 30 s.

        Raises:
            ValidationError: the status does not exist; nothing was sent.
            StatusUnreachableError: the order ended in another status; ``row.refusal`` may say why.
            DeadlineExceededError: the order did not reach the status in time.
            CallError: a call did not succeed.
        """
        return await wait_for_status(
            lambda: self.get(inbound_shipment_id),
            what="inbound",
            key=inbound_shipment_id,
            statuses=InboundStatus,
            status=status,
            deadline=deadline,
        )

    def list(
        self,
        *,
        status: InboundStatusName | None = None,
        storage_country: StorageCountry | None = None,
        created_at_min: datetime | None = None,
        created_at_max: datetime | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        limit: int = 1000,
        resume_from: str | None = None,
        max_items: int | None = None,
    ) -> Pager[InboundShipment]:
        """List the supply orders that match the filters (documented; the filters are assumed).

        ``limit`` is the size of a page, 1 to 1000. Times need a time zone. ``resume_from`` is the cursor to start at;
        ``max_items`` ends the list early.

        Raises:
            ValidationError: a filter is out of range.
        """
        filters = InboundFilters(
            status=status,
            storage_country=storage_country,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            limit=limit,
            cursor=resume_from,
        )
        return paginate(self._scope, LIST_INBOUND, filters, max_items=max_items)

    async def count(
        self,
        *,
        status: InboundStatusName | None = None,
        storage_country: StorageCountry | None = None,
        created_at_min: datetime | None = None,
        created_at_max: datetime | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
    ) -> int:
        """Return the number of supply orders that match the filters (seen).

        Raises:
            ValidationError: a filter is out of range; nothing was sent.
            CallError: the call did not succeed.
        """
        filters = InboundCountFilters(
            status=status,
            storage_country=storage_country,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
        )
        return await self._scope.count(COUNT_INBOUND, filters)


def send_supply_order(scope: SellerSession, request: InboundShipmentRequest) -> Awaitable[Result[str]]:
    """Send a supply order in one call, without checks, with its expected date in UTC, as the API writes times."""
    if request.expected_delivery_date is not None:
        expected = request.expected_delivery_date.astimezone(UTC)
        request = msgspec.structs.replace(request, expected_delivery_date=expected)
    return scope.call(CREATE_INBOUND, body=request)


def check_supply_order(request: InboundShipmentRequest) -> None:
    """Check a supply order before it is sent.

    Raises:
        ValidationError: the order is invalid; the error names all its problems.
    """
    check_type("supply order", request, InboundShipmentRequest)
    if problems := inbound_problems(request):
        raise ValidationError("supply order", str(request.reference), problems)


class RawInbound(RawResource):
    """The calls of ``client.inbound``; a list gives its first page."""

    @raw(Inbound.create)
    def create(self) -> None: ...

    @raw(Inbound.get)
    def get(self) -> None: ...

    @raw(Inbound.list)
    def list(self) -> None: ...

    @raw(Inbound.count)
    def count(self) -> None: ...

    @raw(Inbound.delivery_note)
    def delivery_note(self) -> None: ...
