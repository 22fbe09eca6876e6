"""Outbound shipments: create, get, list, count.

Their life cycle is in :mod:`..world.shipment_lifecycle`.
"""

from collections.abc import Callable
from typing import Any

from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.operation import Operation
from octoffm_async.contract.outbound import (
    COUNT_OUTBOUND,
    CREATE_OUTBOUND,
    GET_OUTBOUND,
    LIST_OUTBOUND,
    DeliveryMode,
    OutboundCountFilters,
    OutboundFilters,
    OutboundShipment,
    OutboundShipmentRequest,
    OutboundStatus,
    ParcelLine,
    ShipmentState,
    ShippedTo,
)
from octoffm_async.contract.requests.validation import outbound_problems

from ..http.call import (
    Handler,
    IncomingRequest,
    count_response,
    creation_response,
    decode_body,
    enum_filter,
    field_errors,
    list_response,
    read_filters,
    resource_response,
)
from ..http.request_reader import BodyReader
from ..http.responses import HttpReply, validation_problem
from ..world.shipment_lifecycle import schedule_shipment

_request = BodyReader(OutboundShipmentRequest)


def create_outbound(call: IncomingRequest) -> HttpReply:
    """Create a shipment. A used reference creates another shipment: the API has no idempotency key."""
    request = decode_body(call, _request)
    if errors := field_errors(outbound_problems(request, assumed=True)):
        raise validation_problem(errors)
    key = call.world.new_id()
    call.account.shipments.add(key, _new_shipment(call, key, request), call.now)
    call.account.shipments_of_reference.setdefault(request.reference, []).append(key)
    call.world.effects.add(call.account.seller, "outbound", request.reference)
    schedule_shipment(call.world, call.account, key, call.now)
    return creation_response(call, key)


def list_outbound(call: IncomingRequest) -> HttpReply:
    """List the seller's shipments in order of creation or, with ``statusUpdatedAtMin``, of change of status."""
    filters = read_filters(call, OutboundFilters)
    shipments = call.account.shipments
    return list_response(call, shipments, filters, keep=_predicate(filters), since=filters.status_updated_at_min)


def count_outbound(call: IncomingRequest) -> HttpReply:
    """Count the shipments that the list with the same filters has."""
    filters = read_filters(call, OutboundCountFilters)
    return count_response(call, call.account.shipments, _predicate(filters))


def get_outbound(call: IncomingRequest) -> HttpReply:
    """Return one shipment by its id."""
    return resource_response(call.account.shipments.get(call.resource_id), "Outbound shipment", call.resource_id)


def _predicate(filters: OutboundCountFilters) -> Callable[[OutboundShipment], bool] | None:
    low, high = filters.status_updated_at_min, filters.status_updated_at_max
    states = enum_filter("state", ShipmentState, filters.state)
    if low is None and high is None and states is None:
        return None

    def keep(shipment: OutboundShipment) -> bool:
        moment = shipment.status_updated_at
        return (
            moment is not None
            and (low is None or moment >= low)
            and (high is None or moment <= high)
            and (states is None or shipment.state in states)
        )

    return keep


def _new_shipment(call: IncomingRequest, key: str, request: OutboundShipmentRequest) -> OutboundShipment:
    address = request.delivery_address
    lines = [
        ParcelLine(
            quantity=line.quantity,
            seller_product_reference=line.seller_product_reference,
            product_id=line.product_id,
            product_condition=line.product_condition,
        )
        for line in request.lines
    ]
    return OutboundShipment(
        outbound_shipment_id=key,
        reference=request.reference,
        status=OutboundStatus.CREATED,
        state=ShipmentState.VALID,
        storage_country=request.storage_country,
        delivery_mode=DeliveryMode(request.delivery_mode),
        delivery_address=ShippedTo(**{name: getattr(address, name) for name in modelled_fields(address)}),
        lines=lines,
        created_at=call.now,
        updated_at=call.now,
        status_updated_at=call.now,
    )


HANDLERS: dict[Operation[Any], Handler] = {
    CREATE_OUTBOUND: create_outbound,
    LIST_OUTBOUND: list_outbound,
    COUNT_OUTBOUND: count_outbound,
    GET_OUTBOUND: get_outbound,
}
