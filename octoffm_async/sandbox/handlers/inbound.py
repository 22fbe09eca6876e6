"""Inbound shipments: create, get, list, count. Their life cycle is in :mod:`..world.inbound_lifecycle`."""

from collections.abc import Callable
from typing import Any

from octoffm_async.contract.inbound import (
    COUNT_INBOUND,
    CREATE_INBOUND,
    GET_DELIVERY_NOTE,
    GET_INBOUND,
    LIST_INBOUND,
    InboundCountFilters,
    InboundFilters,
    InboundLine,
    InboundShipment,
    InboundShipmentRequest,
    InboundStatus,
)
from octoffm_async.contract.operation import Operation
from octoffm_async.contract.requests.validation import inbound_problems

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
    within,
)
from ..http.request_reader import BodyReader
from ..http.responses import HttpReply, ProblemError, validation_problem
from ..settings import STORAGE_COUNTRIES
from ..world.inbound_lifecycle import schedule_supply_order
from ..world.stock_movements import country_code
from ..world.world import World
from .documents import delivery_note, document_reply

_request = BodyReader(InboundShipmentRequest)


def create_inbound(call: IncomingRequest) -> HttpReply:
    """Create a supply order. As with shipments, a used reference creates another supply order."""
    request = decode_body(call, _request)
    errors = field_errors(inbound_problems(request, assumed=True))
    country = country_code(request.storage_country)
    if country not in STORAGE_COUNTRIES:
        errors.setdefault("storageCountry", [f"is not one of {', '.join(STORAGE_COUNTRIES)}"])
    if errors:
        raise validation_problem(errors)
    _check_activated(call, country)
    key = call.world.new_id()
    call.account.inbound.add(key, _new_shipment(call, key, request, country), call.now)
    call.world.effects.add(call.account.seller, "inbound", request.reference)
    schedule_supply_order(call.world, call.account, key, call.now)
    return creation_response(call, key)


def list_inbound(call: IncomingRequest) -> HttpReply:
    """List the seller's supply orders in order of creation or, with ``updatedAtMin``, of change."""
    filters = read_filters(call, InboundFilters)
    return list_response(call, call.account.inbound, filters, keep=_predicate(filters), since=filters.updated_at_min)


def count_inbound(call: IncomingRequest) -> HttpReply:
    """Count the supply orders that the list with the same filters has."""
    filters = read_filters(call, InboundCountFilters)
    return count_response(call, call.account.inbound, _predicate(filters))


def get_inbound(call: IncomingRequest) -> HttpReply:
    """Return one supply order by its id."""
    return resource_response(call.account.inbound.get(call.resource_id), "Inbound shipment", call.resource_id)


def get_delivery_note(call: IncomingRequest) -> HttpReply:
    """Return the delivery note, which exists from Accepted on (documented)."""
    shipment = call.account.inbound.get(call.resource_id)
    if shipment is None:
        raise ProblemError(404, f"Inbound shipment '{call.resource_id}' was not found.")
    if shipment.status is None or not shipment.status.reached(InboundStatus.ACCEPTED):
        raise ProblemError(409, f"An inbound shipment that is {shipment.status} has no delivery note.")
    return document_reply(call, delivery_note(shipment), f"delivery-note-{shipment.code}.pdf")


def _check_activated(call: IncomingRequest, country: str) -> None:
    """Refuse a storage country that the seller has not activated: a 403, since a retry cannot help."""
    if country not in call.account.countries:
        detail = f"Storage in {country} is not activated for seller '{call.account.seller}'."
        raise ProblemError(403, detail, errors={"storageCountry": ["The country is not activated."]})


def _predicate(filters: InboundCountFilters) -> Callable[[InboundShipment], bool] | None:
    country = None if filters.storage_country is None else country_code(filters.storage_country)
    statuses = enum_filter("status", InboundStatus, filters.status)
    made = filters.created_at_min, filters.created_at_max
    changed = filters.updated_at_min, filters.updated_at_max
    if (country, statuses, *made, *changed) == (None,) * 6:
        return None

    def keep(shipment: InboundShipment) -> bool:
        return (
            (statuses is None or shipment.status in statuses)
            and (country is None or shipment.storage_country == country)
            and within(shipment.created_at, *made)
            and within(shipment.updated_at, *changed)
        )

    return keep


def _new_shipment(call: IncomingRequest, key: str, request: InboundShipmentRequest, country: str) -> InboundShipment:
    return InboundShipment(
        inbound_shipment_id=key,
        reference=request.reference,
        code=_next_code(call.world),
        storage_country=country,
        expected_delivery_date=request.expected_delivery_date,
        status=InboundStatus.CREATED,
        lines=[
            InboundLine(
                seller_product_reference=line.seller_product_reference,
                quantity=line.quantity,
                received_quantity=0,
                undelivered_quantity=0,
            )
            for line in request.lines
        ],
        created_at=call.now,
        updated_at=call.now,
    )


def _next_code(world: World) -> str:
    """Return Octopia's own number of a new supply order, unique over all sellers."""
    return f"IS-{world.effects.inbound.total() + 1:06d}"


HANDLERS: dict[Operation[Any], Handler] = {
    CREATE_INBOUND: create_inbound,
    LIST_INBOUND: list_inbound,
    COUNT_INBOUND: count_inbound,
    GET_INBOUND: get_inbound,
    GET_DELIVERY_NOTE: get_delivery_note,
}
