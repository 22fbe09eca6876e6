"""The life of a return: Created → Referencing → Referenced → Accepted → Pending → Completed.

The parcel reaches the warehouse when the return becomes Pending. The goods are in the quantity ``return`` until the
inspection, which completes the return: Good items are available again, Damaged items blocked, Wrong and undeclared
items in litigation. The contents of a parcel are drawn from the return's id, and ids come from the seed: the time of a
request has no influence on them.
"""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from octoffm_async.contract.operations import GET_LABEL
from octoffm_async.contract.outbound import OutboundShipment
from octoffm_async.contract.returns import Return, ReturnLine, ReturnLineState, ReturnReason, ReturnStatus, ReturnType

from ..http.call import API_PATH
from ..settings import Inspection, Timeline
from .scheduled_events import scheduled_event
from .shipment_lifecycle import reference_of
from .stock_movements import Reason, apply_movement, country_code, required_number
from .world import SellerAccount, World

_FLOW = tuple(ReturnStatus)
_PLACE = {
    ReturnLineState.GOOD: "available",
    ReturnLineState.DAMAGED: "blocked",
    ReturnLineState.WRONG: "litigation",
}


class Contents(NamedTuple):
    """The contents of a parcel: the announced lines with their received items, and a flag for one undeclared item."""

    lines: list[ReturnLine]
    one_more: bool


def contents(row: Return, shares: Inspection) -> Contents:
    """Draw the contents of a return's parcel. Each line takes the same number of draws, whatever the shares are."""
    rng = Random(row.return_id)
    one_more = rng.random() < shares.undeclared
    return Contents([_arrived(line, shares, rng) for line in row.lines], one_more)


def _arrived(line: ReturnLine, shares: Inspection, rng: Random) -> ReturnLine:
    announced = required_number(line.quantity)
    chance, is_missing, missing = rng.random(), rng.random() < shares.missing, 1 + int(rng.random() * announced)
    received = announced - (min(missing, announced) if is_missing else 0)
    state = ReturnLineState.GOOD
    if chance < shares.damaged:
        state = ReturnLineState.DAMAGED
    elif chance < shares.damaged + shares.wrong:
        state = ReturnLineState.WRONG
    return replace(line, received_quantity=received, state=state if received else None)


def schedule_return(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Schedule the first step of a return that was created at ``moment``."""
    _schedule(world, account, key, ReturnStatus.CREATED, moment)


def shipment_of(account: SellerAccount, row: Return) -> OutboundShipment:
    """Return the shipment that a return belongs to."""
    shipment = account.shipments.get(row.outbound_shipment_id or "")
    assert shipment is not None, "shipments are never removed"  # noqa: S101  (an invariant, not a check of input)
    return shipment


def storage_country(shipment: OutboundShipment) -> str:
    """Return the country from which a shipment was sent, and to which its returns go."""
    return country_code(shipment.storage_country or "")


def _schedule(world: World, account: SellerAccount, key: str, status: ReturnStatus, moment: datetime) -> None:
    wait = _seconds(world.timeline, _after(status)) - _seconds(world.timeline, status)
    world.schedule(moment + timedelta(seconds=wait), partial(_step, world, account, key))


def _after(status: ReturnStatus) -> ReturnStatus:
    return _FLOW[_FLOW.index(status) + 1]


def _seconds(timeline: Timeline, status: ReturnStatus) -> float:
    seconds = (
        0.0,
        timeline.return_referencing,
        timeline.return_referenced,
        timeline.return_accepted,
        timeline.return_pending,
        timeline.return_completed,
    )
    return seconds[_FLOW.index(status)]


@scheduled_event("inspection._step")
def _step(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Move a return to its next status."""
    row = account.returns.get(key)
    assert row is not None, "returns are never removed"  # noqa: S101  (an invariant, not a check of input)
    status = _after(row.status or ReturnStatus.CREATED)
    match status:
        case ReturnStatus.REFERENCED:
            row = _labelled(account, row)
        case ReturnStatus.PENDING:
            _receive(world, account, row, moment)
        case ReturnStatus.COMPLETED:
            row = _inspect(account, key, moment)
        case _:
            pass
    account.returns.replace(key, replace(row, status=status, updated_at=moment), moment)
    if not status.final:
        _schedule(world, account, key, status, moment)


def _labelled(account: SellerAccount, row: Return) -> Return:
    """Add the label, which exists for customer returns to FR only (documented); labels for ES come by mail."""
    if row.type is not ReturnType.CUSTOMER or storage_country(shipment_of(account, row)) != "FR":
        return row
    return replace(row, has_label=True, label_url=API_PATH + GET_LABEL.path.format(returnId=row.return_id))


def _receive(world: World, account: SellerAccount, row: Return, moment: datetime) -> None:
    """Receive the parcel. Its contents are decided now, and the API shows them after the inspection."""
    lines, one_more = contents(row, world.inspection)
    first = row.lines[0].seller_product_reference or ""
    undeclared = 1 if one_more and returnable_items(account, shipment_of(account, row))[first] > 0 else 0
    account.received[row.return_id] = replace(
        row,
        lines=lines,
        undeclared_quantity=undeclared,
        receipt_date=moment,
        warehouse_comment=_comment(lines, undeclared),
        recommended_return_reason=_recommended(row, lines),
    )
    for line in lines:
        _move(account, row, line, moment, "ReturnReceived", return_=required_number(line.received_quantity))
    _move(account, row, lines[0], moment, "ReturnReceived", return_=undeclared)


def _inspect(account: SellerAccount, key: str, moment: datetime) -> Return:
    row = account.received.pop(key)
    for line in row.lines:
        if line.state is not None:
            received = required_number(line.received_quantity)
            changes = {"return_": -received, _PLACE[line.state]: received}
            _move(account, row, line, moment, "ReturnInspected", **changes)
    undeclared = required_number(row.undeclared_quantity)
    _move(account, row, row.lines[0], moment, "ReturnInspected", return_=-undeclared, litigation=undeclared)
    return row


def _move(
    account: SellerAccount, row: Return, line: ReturnLine, moment: datetime, reason: Reason, **changes: int
) -> None:
    product = account.references.get(line.seller_product_reference or "")
    stock = None if product is None or product.stock_id is None else account.stocks.get(product.stock_id)
    if stock is None or not any(changes.values()):
        return
    country = storage_country(shipment_of(account, row))
    account.stocks.replace(stock.id, apply_movement(stock, country, moment, reason, **changes), moment)


def _comment(lines: list[ReturnLine], undeclared: int) -> str:
    remarks: list[str] = []
    for line in lines:
        received, announced = required_number(line.received_quantity), required_number(line.quantity)
        if received < announced:
            remarks.append(f"{received} of {announced} {line.seller_product_reference} received.")
        if line.state is ReturnLineState.DAMAGED:
            remarks.append(f"{line.seller_product_reference} is damaged.")
        elif line.state is ReturnLineState.WRONG:
            remarks.append(f"The parcel contained another product than {line.seller_product_reference}.")
    if undeclared:
        remarks.append(f"{undeclared} item was not announced.")
    return " ".join(remarks) or "Complete and in good state."


def _recommended(row: Return, lines: list[ReturnLine]) -> ReturnReason | None:
    """Return the reason that the goods suggest; ``None`` without goods or for good ones that the carrier returns."""
    states = {line.state for line in lines}
    customer = row.type is ReturnType.CUSTOMER
    if ReturnLineState.DAMAGED in states:
        return ReturnReason.DAMAGED if customer else ReturnReason.TRANSPORT_DAMAGE
    if ReturnLineState.WRONG in states:
        return ReturnReason.REFERENCE_ERROR
    return ReturnReason.RETRACTION if customer and ReturnLineState.GOOD in states else None


def shipped_items(account: SellerAccount, shipment: OutboundShipment) -> Counter[str]:
    """Count the items of a shipment by seller reference; its lines may name products by their ids."""
    items: Counter[str] = Counter()
    for line in shipment.lines:
        row = reference_of(account, line)
        if row is not None:
            items[row.seller_product_reference] += required_number(line.quantity)
    return items


def returnable_items(account: SellerAccount, shipment: OutboundShipment) -> Counter[str]:
    """Count the shipped items that no return has announced or contained, by seller reference.

    Announced items that did not arrive count as announced. An undeclared item is an item of the first line's product.
    """
    items = shipped_items(account, shipment)
    for key in account.returns_of_shipment.get(shipment.outbound_shipment_id, ()):
        row = account.returns.get(key)
        if row is None:
            continue
        for line in row.lines:
            items[line.seller_product_reference or ""] -= required_number(line.quantity)
        undeclared = required_number(account.received.get(key, row).undeclared_quantity)
        items[row.lines[0].seller_product_reference or ""] -= undeclared
    return items
