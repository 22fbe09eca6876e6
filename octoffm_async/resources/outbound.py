"""Outbound shipments: orders that the warehouse ships to customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw

from ..contract.outbound import (
    COUNT_OUTBOUND,
    CREATE_OUTBOUND,
    GET_CANCELLATION,
    GET_OUTBOUND,
    LIST_OUTBOUND,
    REQUEST_CANCELLATION,
    OutboundCancellationRequest,
    OutboundCountFilters,
    OutboundFilters,
    OutboundShipmentRequest,
    OutboundStatus,
)
from ..contract.requests.validation import cancellation_problems, outbound_problems, plain_order
from ..errors import ConfigurationError, ValidationError, check_type
from ..session.pagination import paginate
from .believing import IdVerifier, known_ids_of
from .polling import wait_for_status
from .protecting import check_protected
from .raw_method import RawResource, raw
from .references import check_reference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from datetime import datetime
    from typing import Any

    from ..contract.outbound import OutboundCancellation, OutboundShipment, OutboundStatusName, ShipmentStateName
    from ..journal import Journal
    from ..session.pagination import Pager
    from ..session.seller_session import SellerSession
    from ..session.session import Result
    from .protecting import CreateThroughJournal


class Outbound:
    """Shipping orders of a seller: ``client.outbound``.

    ::

        shipment_id = await client.outbound.create(request)
        shipment = await client.outbound.wait_for(shipment_id, "Shipped")
    """

    def __init__(self, scope: SellerSession, protect: CreateThroughJournal | None = None) -> None:
        self._scope = scope
        self._protect = protect

    async def create(
        self,
        request: OutboundShipmentRequest,
        *,
        journal: Journal | None = None,
        patience: float = 60.0,
        verify_first: bool = False,
    ) -> str:
        """Order one shipment, and return its ``outbound_shipment_id`` (documented).

        The client sends the order again only after a failure that shows that the API did not carry it out. The API
        refuses an order of an unknown product not here but later: check the shipment's status. Marketplace orders in
        supply mode ``Fulfillment`` must not be sent here: Octopia ships them by itself, and sending one would ship it
        twice (documented).

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
            CallError: the call did not succeed. If ``outcome_unknown``, a parcel may be on its way: look the reference
                up before you order again, or, with a journal, call again after ``retry_after`` seconds.
        """
        if journal is None:
            check_protected("create_outbound")
        scope = self._scope
        if journal is None and not verify_first and (encoded := plain_order(request)) is not None:
            check_reference(scope, "shipment", request.reference)
            answer = await scope.call(CREATE_OUTBOUND, body=Raw(encoded))
            doubt = known_ids_of(scope, CREATE_OUTBOUND).take(request.reference, answer[0], answer[1].history)
            if doubt is None:
                return answer[0]
            return await IdVerifier(scope, CREATE_OUTBOUND).resolve_doubt(request.reference, answer, doubt)
        check_shipment(request)
        scope.check_extra("shipment", request)
        check_reference(scope, "shipment", request.reference)
        if journal is None and verify_first:
            raise ConfigurationError("verify_first= needs a journal=, which remembers what is looked for")
        if journal is None:
            answer = await send_shipment(scope, request)
            return await IdVerifier(scope, CREATE_OUTBOUND).verified_id(request.reference, answer)
        if self._protect is None:
            raise ConfigurationError("journal= works on the resources of a client only")
        return await self._protect(
            scope, CREATE_OUTBOUND, request, journal=journal, patience=patience, verify_first=verify_first
        )

    async def get(self, outbound_shipment_id: str) -> OutboundShipment:
        """Return one shipment by its id (documented).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotFoundError: this seller has no such shipment.
            CallError: the call did not succeed.
        """
        shipment, _ = await self._scope.call(GET_OUTBOUND, path={"outboundShipmentId": outbound_shipment_id})
        return shipment

    async def wait_for(
        self,
        outbound_shipment_id: str,
        status: OutboundStatusName = OutboundStatus.SHIPPED,
        *,
        deadline: float = 3600.0,
    ) -> OutboundShipment:
        """Poll a shipment until it has reached ``status`` or a later one, and return it.

        ``deadline`` is in seconds; the polling interval grows from 1 s to 30 s.

        Raises:
            ValidationError: the status does not exist; nothing was sent.
            StatusUnreachableError: the shipment ended in another status; ``row.refusal`` may say why.
            DeadlineExceededError: the shipment did not reach the status in time.
            CallError: a call did not succeed.
        """
        return await wait_for_status(
            lambda: self.get(outbound_shipment_id),
            what="outbound",
            key=outbound_shipment_id,
            statuses=OutboundStatus,
            status=status,
            deadline=deadline,
        )

    async def request_cancellation(
        self, outbound_shipment_id: str, *, reason: str | None = None, extra: Mapping[str, Any] | None = None
    ) -> str:
        """Request the cancellation of a shipment, and return the ``outbound_cancellation_request_id`` (seen).

        The request has an outcome of its own, which :meth:`get_cancellation` reads: the shipment may be Shipped before
        the API decides the request. ``extra`` holds further members of the body.

        Raises:
            ValidationError: the id is invalid; nothing was sent.
            NotFoundError, UnprocessableError: this seller has no such shipment.
            ConflictError: it is too late to cancel the shipment.
            CallError: the call did not succeed; see ``outcome_unknown``.
        """
        request = OutboundCancellationRequest(outbound_shipment_id=outbound_shipment_id, reason=reason, extra=extra)
        if problems := cancellation_problems(request):
            raise ValidationError("cancellation", str(outbound_shipment_id), problems)
        self._scope.check_extra("cancellation", request)
        request_id, _ = await self._scope.call(REQUEST_CANCELLATION, body=request)
        return request_id

    async def get_cancellation(self, outbound_cancellation_request_id: str) -> OutboundCancellation:
        """Return a cancellation request with its outcome so far (seen).

        Raises:
            ValidationError: the id cannot be part of a URL; nothing was sent.
            NotFoundError: this seller made no such request.
            CallError: the call did not succeed.
        """
        path = {"outboundCancellationRequestId": outbound_cancellation_request_id}
        cancellation, _ = await self._scope.call(GET_CANCELLATION, path=path)
        return cancellation

    def list(
        self,
        *,
        state: ShipmentStateName | None = None,
        status_updated_at_min: datetime | None = None,
        status_updated_at_max: datetime | None = None,
        limit: int = 1000,
        resume_from: str | None = None,
        max_items: int | None = None,
    ) -> Pager[OutboundShipment]:
        """List the shipments that match the filters (documented; the filters on times were seen).

        ``state`` is a :class:`ShipmentState`. ``limit`` is the size of a page, 1 to 1000. Times need a time zone.
        ``resume_from`` is the cursor to start at; ``max_items`` ends the list early.

        Raises:
            ValidationError: a filter is out of range.
        """
        filters = OutboundFilters(
            state=state,
            status_updated_at_min=status_updated_at_min,
            status_updated_at_max=status_updated_at_max,
            limit=limit,
            cursor=resume_from,
        )
        return paginate(self._scope, LIST_OUTBOUND, filters, max_items=max_items)

    async def count(
        self,
        *,
        state: ShipmentStateName | None = None,
        status_updated_at_min: datetime | None = None,
        status_updated_at_max: datetime | None = None,
    ) -> int:
        """Return the number of shipments that match the filters (documented).

        Raises:
            ValidationError: a filter is out of range; nothing was sent.
            CallError: the call did not succeed.
        """
        filters = OutboundCountFilters(
            state=state,
            status_updated_at_min=status_updated_at_min,
            status_updated_at_max=status_updated_at_max,
        )
        return await self._scope.count(COUNT_OUTBOUND, filters)


def send_shipment(scope: SellerSession, request: OutboundShipmentRequest | Raw) -> Awaitable[Result[str]]:
    """Send a shipping order, which may be encoded already, in one call, without checks."""
    return scope.call(CREATE_OUTBOUND, body=request)


def check_shipment(request: OutboundShipmentRequest) -> None:
    """Check a shipping order before it is sent.

    Raises:
        ValidationError: the order is invalid; the error names all its problems.
    """
    check_type("shipment", request, OutboundShipmentRequest)
    if problems := outbound_problems(request):
        raise ValidationError("shipment", str(request.reference), problems)


class RawOutbound(RawResource):
    """The calls of ``client.outbound``; a list gives its first page."""

    @raw(Outbound.create)
    def create(self) -> None: ...

    @raw(Outbound.get)
    def get(self) -> None: ...

    @raw(Outbound.list)
    def list(self) -> None: ...

    @raw(Outbound.count)
    def count(self) -> None: ...

    @raw(Outbound.request_cancellation)
    def request_cancellation(self) -> None: ...

    @raw(Outbound.get_cancellation)
    def get_cancellation(self) -> None: ...
