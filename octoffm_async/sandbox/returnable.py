"""The items of a shipment that can still be returned."""

from collections import Counter

from octoffm_async.contract.outbound import OutboundShipment

from .counts import required_number
from .shipping import reference_of
from .world import SellerAccount


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
