"""Returns: announce, get, list, count, labels. Their life cycle is in :mod:`..world.return_lifecycle`.

API requests create customer returns; :func:`return_by_carrier` creates carrier returns.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.operation import Operation
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus
from octoffm_async.contract.requests.validation import return_problems
from octoffm_async.contract.returns import (
    COUNT_RETURNS,
    CREATE_RETURN,
    GET_LABEL,
    GET_RETURN,
    LIST_RETURNS,
    Return,
    ReturnCountFilters,
    ReturnFilters,
    ReturnLine,
    ReturnReason,
    ReturnRequest,
    ReturnStatus,
    ReturnType,
)

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
from ..world.return_lifecycle import returnable_items, schedule_return, shipment_of, shipped_items, storage_country
from ..world.world import SellerAccount, World
from .documents import document_reply, return_label

_COUNTRIES = ("FR", "ES")  # documented: origin of a shipment that allows a customer return

_request = BodyReader(ReturnRequest)


def create_return(call: IncomingRequest) -> HttpReply:
    """Announce a customer return. An unknown shipment or product is a 422 that names the field."""
    request = decode_body(call, _request)
    if errors := field_errors(return_problems(request, assumed=True)):
        raise validation_problem(errors)
    shipment = _named_shipment(call.account, request)
    key = shipment.outbound_shipment_id
    if shipment.status is not OutboundStatus.SHIPPED:
        raise ProblemError(409, f"Outbound shipment '{key}' is {shipment.status}: only a Shipped one can be returned.")
    if (country := storage_country(shipment)) not in _COUNTRIES:
        raise ProblemError(
            409, f"Outbound shipment '{key}' was shipped from {country}: returns exist for {' and '.join(_COUNTRIES)}."
        )
    _check_lines(call.account, shipment, request.lines)
    lines = [_announced(line.seller_product_reference or "", line.quantity) for line in request.lines]
    row = _begin_return(
        call.world,
        call.account,
        shipment,
        call.now,
        type=ReturnType.CUSTOMER,
        lines=lines,
        reason=ReturnReason(request.reason),
        comment=request.comment,
    )
    call.world.effects.add(call.account.seller, "returns", key)
    return creation_response(call, row.return_id)


def list_returns(call: IncomingRequest) -> HttpReply:
    """List the seller's returns in order of creation or, with ``updatedAtMin``, of change."""
    filters = read_filters(call, ReturnFilters)
    return list_response(call, call.account.returns, filters, keep=_predicate(filters), since=filters.updated_at_min)


def count_returns(call: IncomingRequest) -> HttpReply:
    """Count the returns that the list with the same filters has."""
    return count_response(call, call.account.returns, _predicate(read_filters(call, ReturnCountFilters)))


def get_return(call: IncomingRequest) -> HttpReply:
    """Return one return by its id."""
    return resource_response(call.account.returns.get(call.resource_id), "Return", call.resource_id)


def get_label(call: IncomingRequest) -> HttpReply:
    """Return the label for the customer's parcel; it exists for returns to FR only, from Referenced on."""
    row = call.account.returns.get(call.resource_id)
    if row is None:
        raise ProblemError(404, f"Return '{call.resource_id}' was not found.")
    shipment = shipment_of(call.account, row)
    if row.type is not ReturnType.CUSTOMER:
        raise ProblemError(404, f"Return '{call.resource_id}' is brought by the carrier: it has no label.")
    if storage_country(shipment) == "ES":
        raise ProblemError(404, f"Return '{call.resource_id}' goes to ES: its label comes by mail.")
    if not row.has_label:
        raise ProblemError(409, f"Return '{call.resource_id}' is {row.status}: its label exists once it is Referenced.")
    content = return_label(row, shipment.delivery_address)
    return document_reply(call, content, f"return-label-{row.return_id}.pdf")


def return_by_carrier(world: World, seller: str | None, outbound_shipment_id: str) -> str:
    """Create a carrier return of all returnable items of a shipment, from any country; return the return's id.

    Raises:
        LookupError: the seller or the shipment is unknown.
        ValueError: the shipment is not Shipped, or no item of it is returnable.
    """
    moment = world.run_due_events()
    account = world.account(seller)
    shipment = account.shipments.get(outbound_shipment_id)
    named = f"outbound_shipment_id = {outbound_shipment_id!r}"
    if shipment is None:
        raise LookupError(f"{named}: seller {account.seller} has no such shipment")
    if shipment.status is not OutboundStatus.SHIPPED:
        raise ValueError(f"{named}: it is {shipment.status}, not Shipped")
    left = returnable_items(account, shipment)
    lines = [_announced(name, items) for name, items in left.items() if items > 0]
    if not lines:
        raise ValueError(f"{named}: all of it has been returned or announced")
    return _begin_return(world, account, shipment, moment, type=ReturnType.CARRIER, lines=lines).return_id


def _begin_return(
    world: World, account: SellerAccount, shipment: OutboundShipment, moment: datetime, **given: Any
) -> Return:
    row = Return(
        return_id=world.new_id(),
        status=ReturnStatus.CREATED,
        outbound_shipment_id=shipment.outbound_shipment_id,
        reference=shipment.reference,
        order_seller_id=shipment.reference,
        parcel_id=shipment.parcels[0].parcel_id,
        created_at=moment,
        updated_at=moment,
        has_label=False,
        undeclared_quantity=0,
        **given,
    )
    account.returns.add(row.return_id, row, moment)
    account.returns_of_shipment.setdefault(shipment.outbound_shipment_id, []).append(row.return_id)
    schedule_return(world, account, row.return_id, moment)
    return row


def _announced(reference: str, quantity: int) -> ReturnLine:
    return ReturnLine(seller_product_reference=reference, quantity=quantity, received_quantity=0)


def _named_shipment(account: SellerAccount, request: ReturnRequest) -> OutboundShipment:
    """Return the shipment of a request by id or reference; given both, they must name the same shipment."""
    key, reference = request.outbound_shipment_id, request.reference
    if not (key and key.strip()):
        return _only_shipment(account, reference or "")
    shipment = account.shipments.get(key)
    if shipment is None:
        raise _unprocessable("outboundShipmentId", f"Outbound shipment '{key}' was not found.")
    if reference and reference.strip() and reference != shipment.reference:
        raise _unprocessable("reference", f"Outbound shipment '{key}' has the reference '{shipment.reference}'.")
    return shipment


def _only_shipment(account: SellerAccount, reference: str) -> OutboundShipment:
    """Return the shipment with a reference; a Shipped one takes precedence over cancelled or refused ones."""
    rows = [account.shipments.get(key) for key in account.shipments_of_reference.get(reference, ())]
    shipments = [row for row in rows if row is not None]
    if not shipments:
        raise _unprocessable("reference", f"No outbound shipment has the reference '{reference}'.")
    shipped = [row for row in shipments if row.status is OutboundStatus.SHIPPED]
    if len(shipped) > 1:
        raise ProblemError(
            409, f"Reference '{reference}' is ambiguous: it was shipped {len(shipped)} times; name outboundShipmentId."
        )
    return shipped[0] if shipped else shipments[-1]


def _check_lines(account: SellerAccount, shipment: OutboundShipment, lines: Sequence[ShipmentLine]) -> None:
    shipped, left = shipped_items(account, shipment), returnable_items(account, shipment)
    requested: Counter[str] = Counter()
    errors: dict[str, list[str]] = {}
    for place, line in enumerate(lines):
        name = line.seller_product_reference or ""
        requested[name] += line.quantity
        if name not in shipped:
            errors[f"lines[{place}].sellerProductReference"] = [f"'{name}' was not in this shipment."]
        elif requested[name] > left[name]:
            errors[f"lines[{place}].quantity"] = [
                f"{requested[name]} of '{name}' requested, {max(left[name], 0)} can be returned."
            ]
    if errors:
        raise ProblemError(422, "The return does not match what was shipped.", errors=errors)


def _unprocessable(field: str, message: str) -> ProblemError:
    return ProblemError(422, message, errors={field: [message]})


def _predicate(filters: ReturnCountFilters) -> Callable[[Return], bool] | None:
    kinds = enum_filter("type", ReturnType, filters.type)
    statuses = enum_filter("status", ReturnStatus, filters.status)
    bounds = (filters.created_at_min, filters.created_at_max, filters.updated_at_min, filters.updated_at_max)
    if kinds is None and statuses is None and bounds == (None,) * 4:
        return None

    def keep(row: Return) -> bool:
        return (
            (kinds is None or row.type in kinds)
            and (statuses is None or row.status in statuses)
            and within(row.created_at, filters.created_at_min, filters.created_at_max)
            and within(row.updated_at, filters.updated_at_min, filters.updated_at_max)
        )

    return keep


HANDLERS: dict[Operation[Any], Handler] = {
    COUNT_RETURNS: count_returns,
    LIST_RETURNS: list_returns,
    CREATE_RETURN: create_return,
    GET_RETURN: get_return,
    GET_LABEL: get_label,
}
