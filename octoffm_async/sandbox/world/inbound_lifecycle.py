"""The life of a supply order: Created → Accepted → Receiving → PartiallyReceived → Received, or Refused.

The warehouse checks the products at acceptance: an order with an unregistered product is Refused then, as a shipment
is. The goods arrive in two deliveries; their sizes depend on the settings and the order's id alone.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from random import Random

from msgspec.structs import replace

from octoffm_async.contract.common import Refusal
from octoffm_async.contract.inbound import InboundLine, InboundShipment, InboundStatus

from ..settings import Reception
from .scheduled_events import scheduled_event
from .stock_movements import apply_movement, country_code, required_number
from .world import ScheduledEvent, SellerAccount, World


def schedule_supply_order(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Schedule the acceptance of a supply order that was created at ``moment``."""
    wait = world.timeline.inbound_accepted
    world.schedule(moment + timedelta(seconds=wait), partial(_accept, world, account, key))


def undelivered_of(reception: Reception, key: str, lines: Sequence[InboundLine]) -> list[int]:
    """Return the items of each line that never arrive: its share, rounded up or down by the order's id."""
    rng = Random(key)
    quantities = [required_number(line.quantity) for line in lines]
    return [min(quantity, int(quantity * reception.undelivered + rng.random())) for quantity in quantities]


def first_delivery_of(reception: Reception, key: str, lines: Sequence[InboundLine]) -> list[int]:
    """Return the items of each line in the first delivery: its share, rounded up, at most the items that arrive."""
    missing = undelivered_of(reception, key, lines)
    return [
        min(quantity - lacking, ceil(quantity * reception.first_delivery - 1e-9))
        for quantity, lacking in zip((required_number(line.quantity) for line in lines), missing, strict=True)
    ]


def receive_supplies(world: World, seller: str | None = None) -> dict[str, int]:
    """Receive all open supply orders of one seller, or of all, at once; return the number of orders by final status."""
    accounts = set(world.accounts.values()) if seller is None else {world.account(seller)}
    steps = {_accept, _receive, _take_first_delivery, _take_second_delivery}

    def is_chosen(happen: ScheduledEvent) -> bool:
        return isinstance(happen, partial) and happen.func in steps and happen.args[1] in accounts

    done = world.run_now(is_chosen)
    orders: dict[tuple[SellerAccount, str], None] = dict.fromkeys(
        happen.args[1:] for happen in done if isinstance(happen, partial)
    )
    return dict(Counter(str(_shipment(*order).status) for order in orders))


@scheduled_event("receiving._accept")
def _accept(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    shipment = _shipment(account, key)
    for line in shipment.lines:
        if _stock_of(account, line) is None:
            message = f"Product '{line.seller_product_reference}' is not registered."
            refusal = Refusal(code="UnknownProduct", message=message)
            _progress(account, shipment, moment, status=InboundStatus.REFUSED, refusal=refusal)
            return
    _progress(account, shipment, moment, status=InboundStatus.ACCEPTED)
    wait = world.timeline.receiving - world.timeline.inbound_accepted
    world.schedule(moment + timedelta(seconds=wait), partial(_receive, world, account, key))


@scheduled_event("receiving._receive")
def _receive(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    _progress(account, _shipment(account, key), moment, status=InboundStatus.RECEIVING)
    wait = world.timeline.partially_received - world.timeline.receiving
    world.schedule(moment + timedelta(seconds=wait), partial(_take_first_delivery, world, account, key))


@scheduled_event("receiving._take_first_delivery")
def _take_first_delivery(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Receive the first delivery. If it contains all announced items, the order is Received at once."""
    shipment = _shipment(account, key)
    lines = _take_in(account, shipment, first_delivery_of(world.reception, key, shipment.lines), moment)
    if all(line.received_quantity == line.quantity for line in lines):
        _progress(account, shipment, moment, status=InboundStatus.RECEIVED, lines=lines)
        return
    _progress(account, shipment, moment, status=InboundStatus.PARTIALLY_RECEIVED, lines=lines)
    wait = world.timeline.received - world.timeline.partially_received
    world.schedule(moment + timedelta(seconds=wait), partial(_take_second_delivery, world, account, key))


@scheduled_event("receiving._take_second_delivery")
def _take_second_delivery(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Receive the second delivery. All items that have not arrived by now are undelivered."""
    shipment = _shipment(account, key)
    missing = undelivered_of(world.reception, key, shipment.lines)
    pairs = list(zip(shipment.lines, missing, strict=True))
    rest = [
        required_number(line.quantity) - required_number(line.received_quantity) - lacking for line, lacking in pairs
    ]
    taken = _take_in(account, shipment, rest, moment)
    lines = [replace(line, undelivered_quantity=lacking) for line, lacking in zip(taken, missing, strict=True)]
    _progress(account, shipment, moment, status=InboundStatus.RECEIVED, lines=lines)


def _take_in(
    account: SellerAccount, shipment: InboundShipment, quantities: Sequence[int], moment: datetime
) -> list[InboundLine]:
    """Add the arrived items to the stocks; return the lines with these items counted as received."""
    pairs = list(zip(shipment.lines, quantities, strict=True))
    arrived: Counter[str] = Counter()
    for line, quantity in pairs:
        stock_id = _stock_of(account, line)
        if stock_id is not None and quantity:
            arrived[stock_id] += quantity
    country = country_code(shipment.storage_country or "")
    for stock_id, quantity in arrived.items():
        stock = account.stocks.get(stock_id)
        if stock is not None:
            account.stocks.replace(
                stock_id, apply_movement(stock, country, moment, "Inbound", available=quantity), moment
            )
    return [
        replace(line, received_quantity=required_number(line.received_quantity) + quantity) for line, quantity in pairs
    ]


def _shipment(account: SellerAccount, key: str) -> InboundShipment:
    shipment = account.inbound.get(key)
    assert shipment is not None, "supply orders are never removed"  # noqa: S101  (an invariant, not a check of input)
    return shipment


def _stock_of(account: SellerAccount, line: InboundLine) -> str | None:
    row = account.references.get(line.seller_product_reference or "")
    return None if row is None else row.stock_id


def _progress(account: SellerAccount, shipment: InboundShipment, moment: datetime, **changes: object) -> None:
    after = replace(shipment, updated_at=moment, **changes)
    account.inbound.replace(shipment.inbound_shipment_id, after, moment)
