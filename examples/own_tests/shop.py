"""The program under test: a shop that has what it sold shipped, and never oversells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from octoffm_async import DeliveryAddress, Found, OutboundShipmentRequest, ShipmentLine

if TYPE_CHECKING:
    from octoffm_async import Journal, SellerClient


class SoldOutError(Exception):
    """There is not enough of a product."""


async def available(client: SellerClient, product: str) -> int:
    """How many of a product can be sold; none if it is unknown."""
    async with client.bulk.lookup_stocks([product]) as run:
        outcome = await anext(run)
    return outcome.stock.quantities.available if isinstance(outcome, Found) else 0


async def sell(
    client: SellerClient, journal: Journal, *, number: int, product: str, quantity: int, to: DeliveryAddress
) -> str:
    """Have an order of the shop shipped; the shipment's id. The same order again gives the same id.

    Raises:
        SoldOutError: there is not enough of it; nothing was ordered.
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
