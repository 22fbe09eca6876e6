"""The program under test: a shop that has its sales shipped, and never oversells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from octoffm_async import DeliveryAddress, Failed, Found, Missing, OutboundShipmentRequest, ShipmentLine
from octoffm_async.errors import UnusableAnswerError

if TYPE_CHECKING:
    from octoffm_async import Journal, SellerClient


class SoldOutError(Exception):
    """The error that there is not enough of a product."""


async def available(client: SellerClient, product: str) -> int:
    """Return the quantity of a product that can be sold; 0 if the seller has no stock of it.

    Raises:
        CallError: The API did not answer, or gave no quantity. That is not "sold out".
    """
    async with client.bulk.lookup_stocks([product]) as run:
        outcome = await anext(run)
    match outcome:
        case Found(quantities=quantities) if quantities.available is not None:
            return quantities.available
        case Missing():
            return 0
        case Failed(error=error):
            raise error
        case _:
            raise UnusableAnswerError(f"the API gives no available quantity of {product}")


async def sell(
    client: SellerClient, journal: Journal, *, number: int, product: str, quantity: int, to: DeliveryAddress
) -> str:
    """Have an order of the shop shipped and return the shipment's id. The same order again gives the same id.

    Raises:
        SoldOutError: There is not enough of the product; nothing was ordered.
    """
    if await available(client, product) < quantity:
        raise SoldOutError(product)
    order = OutboundShipmentRequest(
        reference=f"SHOP-{number}",
        lines=[ShipmentLine(seller_product_reference=product, quantity=quantity)],
        delivery_address=to,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )
    return await client.outbound.create(order, journal=journal)
