"""Requests to cancel a shipment (API.md, 7): Pending, then Accepted or Refused.

A request is a row of its own, and the warehouse decides it after a delay (``Timeline.cancellation``). Meanwhile the
shipment goes on: if it is Shipped when the decision is due, it stays Shipped and the request is Refused.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace

from octoffm_async.contract.operations import GET_CANCELLATION, REQUEST_CANCELLATION, Operation
from octoffm_async.contract.outbound import CancellationStatus, OutboundCancellation, OutboundCancellationRequest
from octoffm_async.contract.validation import cancellation_problems

from .calls import Call, Handler, created, field_errors, found, read_body
from .happenings import happening
from .incoming import BodyReader
from .replies import ProblemError, Reply, invalid
from .shipping import cancel
from .world import Account

_request = BodyReader(OutboundCancellationRequest)


def request_cancellation(call: Call) -> Reply:
    """Create a request to cancel a shipment that is not in a final status and has no Pending request.

    An unknown shipment is a 422 that names the field: a 404 would mean that the route does not exist.
    """
    request = read_body(call, _request)
    if errors := field_errors(cancellation_problems(request)):
        raise invalid(errors)
    shipment_id = request.outbound_shipment_id
    _check(call.account, shipment_id)
    key = call.world.new_id()
    row = OutboundCancellation(
        outbound_cancellation_request_id=key,
        outbound_shipment_id=shipment_id,
        status=CancellationStatus.PENDING,
        created_at=call.moment,
        updated_at=call.moment,
    )
    call.account.cancellations.add(key, row, call.moment)
    call.account.cancellation_of_shipment[shipment_id] = key
    call.world.effects.note(call.account.seller, "cancellations", shipment_id)
    due = call.moment + timedelta(seconds=call.world.timeline.cancellation)
    call.world.schedule(due, partial(_decide, call.account, key))
    return created(call, key)


def get_cancellation(call: Call) -> Reply:
    """Return one cancellation request by its id."""
    return found(call.account.cancellations.get(call.item), "Outbound cancellation request", call.item)


def _check(account: Account, shipment_id: str) -> None:
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


@happening("cancellations._decide")
def _decide(account: Account, key: str, moment: datetime) -> None:
    row = account.cancellations.get(key)
    assert row is not None, "requests are never removed"  # noqa: S101  (an invariant, not a check of input)
    cancelled = cancel(account, row.outbound_shipment_id or "", moment)
    status = CancellationStatus.ACCEPTED if cancelled else CancellationStatus.REFUSED
    account.cancellations.replace(key, replace(row, status=status, updated_at=moment), moment)


HANDLERS: dict[Operation[Any], Handler] = {
    REQUEST_CANCELLATION: request_cancellation,
    GET_CANCELLATION: get_cancellation,
}
