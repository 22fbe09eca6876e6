"""Requests to cancel a shipment: Pending, then Accepted or Refused.

A request is a row of its own, and the warehouse decides it after a delay (``Timeline.cancellation``). Meanwhile the
shipment goes on: if it is Shipped when the decision is due, it stays Shipped and the request is Refused.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from octoffm_async.contract.operation import Operation
from octoffm_async.contract.outbound import (
    GET_CANCELLATION,
    REQUEST_CANCELLATION,
    CancellationStatus,
    OutboundCancellation,
    OutboundCancellationRequest,
)
from octoffm_async.contract.requests.validation import cancellation_problems

from ..http.call import Handler, IncomingRequest, creation_response, decode_body, field_errors, resource_response
from ..http.request_reader import BodyReader
from ..http.responses import HttpReply, ProblemError, validation_problem
from ..world.scheduled_events import scheduled_event
from ..world.shipment_lifecycle import cancel
from ..world.world import SellerAccount

_request = BodyReader(OutboundCancellationRequest)


def request_cancellation(call: IncomingRequest) -> HttpReply:
    """Create a request to cancel a shipment that is not in a final status and has no Pending request.

    An unknown shipment is a 422 that names the field: a 404 would mean that the route does not exist.
    """
    request = decode_body(call, _request)
    if errors := field_errors(cancellation_problems(request)):
        raise validation_problem(errors)
    shipment_id = request.outbound_shipment_id
    _check(call.account, shipment_id)
    key = call.world.new_id()
    row = OutboundCancellation(
        outbound_cancellation_request_id=key,
        outbound_shipment_id=shipment_id,
        status=CancellationStatus.PENDING,
        created_at=call.now,
        updated_at=call.now,
    )
    call.account.cancellations.add(key, row, call.now)
    call.account.cancellation_of_shipment[shipment_id] = key
    call.world.effects.add(call.account.seller, "cancellations", shipment_id)
    due = call.now + timedelta(seconds=call.world.timeline.cancellation)
    call.world.schedule(due, partial(_decide, call.account, key))
    return creation_response(call, key)


def get_cancellation(call: IncomingRequest) -> HttpReply:
    """Return one cancellation request by its id."""
    return resource_response(
        call.account.cancellations.get(call.resource_id), "Outbound cancellation request", call.resource_id
    )


def _check(account: SellerAccount, shipment_id: str) -> None:
    shipment = account.shipments.get(shipment_id)
    if shipment is None:
        detail = f"Outbound shipment '{shipment_id}' was not found."
        raise ProblemError(422, detail, errors={"outboundShipmentId": [detail]})
    if shipment.status is None or shipment.status.final:
        raise ProblemError(409, f"Outbound shipment '{shipment_id}' is {shipment.status}: it cannot be cancelled.")
    last = account.cancellations.get(account.cancellation_of_shipment.get(shipment_id, ""))
    if last is not None and last.status is CancellationStatus.PENDING:
        key = last.outbound_cancellation_request_id
        raise ProblemError(409, f"Request '{key}' to cancel outbound shipment '{shipment_id}' is still Pending.")


@scheduled_event("cancellations._decide")
def _decide(account: SellerAccount, key: str, moment: datetime) -> None:
    row = account.cancellations.get(key)
    assert row is not None, "requests are never removed"  # noqa: S101  (an invariant, not a check of input)
    cancelled = cancel(account, row.outbound_shipment_id or "", moment)
    status = CancellationStatus.ACCEPTED if cancelled else CancellationStatus.REFUSED
    account.cancellations.replace(key, replace(row, status=status, updated_at=moment), moment)


HANDLERS: dict[Operation[Any], Handler] = {
    REQUEST_CANCELLATION: request_cancellation,
    GET_CANCELLATION: get_cancellation,
}
