"""The life of a shipment: Created → Accepted → InPreparation → Shipped, or Refused where it would have been accepted.

Before it is Shipped it may be Cancelled; a scheduled event of a cancelled shipment finds another status and does
nothing.

The warehouse checks products and stock at acceptance, not at creation: a shipment of an unknown product is Refused
later (documented).
"""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from octoffm_async.contract.common import Refusal
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus, Parcel, ParcelLine, ShipmentState
from octoffm_async.contract.products import SellerReference

from .scheduled_events import scheduled_event
from .stock_movements import Reason, apply_movement, available_in, country_code, required_number
from .world import SellerAccount, World


def schedule_shipment(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    """Schedule the acceptance of a shipment that was created at ``moment``."""
    world.schedule(moment + timedelta(seconds=world.timeline.accepted), partial(_accept, world, account, key))


def cancel(account: SellerAccount, key: str, moment: datetime) -> bool:
    """Cancel a shipment unless its status is final; return True if cancelled. Its items become available again."""
    shipment = _shipment(account, key)
    if shipment.status is None or shipment.status.final:
        return False
    if shipment.status is not OutboundStatus.CREATED:
        for stock_id, quantity in _demand(account, shipment).items():
            _move(account, shipment, stock_id, moment, "OutboundCancelled", available=quantity, allocated=-quantity)
    _progress(account, shipment, moment, status=OutboundStatus.CANCELLED)
    return True


@scheduled_event("shipping._accept")
def _accept(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    shipment = _shipment(account, key)
    if shipment.status is not OutboundStatus.CREATED:
        return
    refusal = _unknown_product(account, shipment) or _shortage(account, shipment)
    if refusal is not None:
        _progress(
            account, shipment, moment, status=OutboundStatus.REFUSED, state=ShipmentState.INVALID, refusal=refusal
        )
        return
    for stock_id, quantity in _demand(account, shipment).items():
        _move(account, shipment, stock_id, moment, "OutboundAccepted", available=-quantity, allocated=quantity)
    _progress(account, shipment, moment, status=OutboundStatus.ACCEPTED)
    wait = world.timeline.in_preparation - world.timeline.accepted
    world.schedule(moment + timedelta(seconds=wait), partial(_prepare, world, account, key))


@scheduled_event("shipping._prepare")
def _prepare(world: World, account: SellerAccount, key: str, moment: datetime) -> None:
    shipment = _shipment(account, key)
    if shipment.status is not OutboundStatus.ACCEPTED:
        return
    _progress(account, shipment, moment, status=OutboundStatus.IN_PREPARATION)
    wait = world.timeline.shipped - world.timeline.in_preparation
    world.schedule(moment + timedelta(seconds=wait), partial(_ship, account, key))


@scheduled_event("shipping._ship")
def _ship(account: SellerAccount, key: str, moment: datetime) -> None:
    shipment = _shipment(account, key)
    if shipment.status is not OutboundStatus.IN_PREPARATION:
        return
    for stock_id, quantity in _demand(account, shipment).items():
        _move(account, shipment, stock_id, moment, "OutboundShipped", allocated=-quantity)
    _progress(account, shipment, moment, status=OutboundStatus.SHIPPED, parcels=[_parcel(shipment)])


def _shipment(account: SellerAccount, key: str) -> OutboundShipment:
    shipment = account.shipments.get(key)
    assert shipment is not None, "shipments are never removed"  # noqa: S101  (an invariant, not a check of input)
    return shipment


def _progress(account: SellerAccount, shipment: OutboundShipment, moment: datetime, **changes: object) -> None:
    after = replace(shipment, updated_at=moment, status_updated_at=moment, **changes)
    account.shipments.replace(shipment.outbound_shipment_id, after, moment)


def _move(
    account: SellerAccount,
    shipment: OutboundShipment,
    stock_id: str,
    moment: datetime,
    reason: Reason,
    *,
    available: int = 0,
    allocated: int = 0,
) -> None:
    stock = account.stocks.get(stock_id)
    if stock is not None:
        country = country_code(shipment.storage_country or "")
        after = apply_movement(stock, country, moment, reason, available=available, allocated=allocated)
        account.stocks.replace(stock_id, after, moment)


def _unknown_product(account: SellerAccount, shipment: OutboundShipment) -> Refusal | None:
    for line in shipment.lines:
        if _stock_of(account, line) is None:
            named = line.seller_product_reference or line.product_id
            return Refusal(code="UnknownProduct", message=f"Product '{named}' is not registered.")
    return None


def _shortage(account: SellerAccount, shipment: OutboundShipment) -> Refusal | None:
    country = country_code(shipment.storage_country or "")
    for stock_id, quantity in _demand(account, shipment).items():
        stock = account.stocks.get(stock_id)
        free = 0 if stock is None else available_in(stock, country)
        if free < quantity:
            message = f"{quantity} requested of stock '{stock_id}' in {country}, {free} available."
            return Refusal(code="InsufficientStock", message=message)
    return None


def _demand(account: SellerAccount, shipment: OutboundShipment) -> Counter[str]:
    """Count the demanded items of each stock; several lines may name the same product."""
    demand: Counter[str] = Counter()
    for line in shipment.lines:
        stock_id = _stock_of(account, line)
        if stock_id is not None:
            demand[stock_id] += required_number(line.quantity)
    return demand


def _stock_of(account: SellerAccount, line: ParcelLine) -> str | None:
    """Return the id of the stock of a line's product."""
    row = reference_of(account, line)
    return None if row is None else row.stock_id


def reference_of(account: SellerAccount, line: ParcelLine) -> SellerReference | None:
    """Return the product that a line names. If the line has reference and id, the reference wins (documented)."""
    if line.seller_product_reference:
        return account.references.get(line.seller_product_reference)
    reference = account.reference_of_product.get(line.product_id or "")
    row = None if reference is None else account.references.get(reference)
    if row is None or (row.product_condition or "").casefold() != (line.product_condition or "").casefold():
        return None
    return row


def _parcel(shipment: OutboundShipment) -> Parcel:
    # Made from the shipment's id, not drawn: ids must not depend on the times at which events run.
    digits = shipment.outbound_shipment_id.replace("-", "")
    number = f"6A{int(digits[:9], 16):011d}"
    return Parcel(
        parcel_id=digits[-12:],
        carrier="Colissimo",
        tracking_number=number,
        tracking_url=f"https://tracking.example/{number}",
        lines=shipment.lines,
    )
