"""Fills a sandbox for .ci/fuzz, and tells schemathesis which ids and references exist there.

Usage: fuzz_seed.py FILE, with the sandbox's variables in the environment. Writes FILE as schemathesis's configuration,
with a token in it.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec

from octoffm_async import (
    Config,
    DeliveryAddress,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    OutboundShipmentRequest,
    ReturnRequest,
    ShipmentLine,
)

GTINS = ("4006381333931", "96385074", "036000291452")
LINES = [ShipmentLine(quantity=1, seller_product_reference="R-0")]
ADDRESS = DeliveryAddress(
    first_name="Ada", last_name="Lovelace", address_line1="1", postal_code="33000", city="Bordeaux", country_code="FR"
)


async def configuration() -> str:
    """Make one of everything; the configuration that knows their ids."""
    config = Config.from_env()
    control = f"{config.base_url.removesuffix('/seller/v2')}/_sandbox"
    async with FulfillmentClient(config) as client, aiohttp.ClientSession() as http:

        async def order(what: str, **body: object) -> None:
            async with http.post(f"{control}/{what}", data=msgspec.json.encode(body)) as answer:
                answer.raise_for_status()

        await client.products.create(
            [FulfillmentProduct(gtin=gtin, seller_product_reference=f"R-{n}") for n, gtin in enumerate(GTINS)]
        )
        await order("stock", quantity=1000)
        shipped = [await client.outbound.create(_outbound(f"O-{number}")) for number in range(2)]
        supplied = await client.inbound.create(
            InboundShipmentRequest(
                reference="I-0",
                storage_country="FR",
                lines=LINES,
                expected_delivery_date=datetime.now(UTC) + timedelta(days=30),
            )
        )
        await order("clock", advance=30 * 86400)
        returned = await client.returns.create(
            ReturnRequest(reason="Damaged", lines=LINES, outbound_shipment_id=shipped[0])
        )
        fresh = await client.outbound.create(_outbound("O-2"))
        cancelled = await client.outbound.request_cancellation(fresh)
        stocks = [stock.id async for stock in client.stocks.list()]
        async with http.post(config.token_url, data=_credentials(config)) as answer:
            token = (await answer.json())["access_token"]
    values = {
        "path.stockId": stocks,
        "path.outboundShipmentId": [*shipped, fresh],
        "path.inboundShipmentId": [supplied],
        "path.returnId": [returned],
        "path.outboundCancellationRequestId": [cancelled],
        "body.outboundShipmentId": [*shipped, fresh],
        "body.storageCountry": ["FR", "ES", "UK"],
        "body.reason": ["Damaged", "Retraction"],
        "body.lines[*].sellerProductReference": ["R-0", "R-1"],
        "body.[*].gtin": list(GTINS),
        "query.storageCountry": ["FR", "ES"],
        "query.state": ["Valid", "Invalid"],
        "query.sort": ["Available"],
        "query.order": ["Asc", "Desc"],
    }
    return _toml(token, config.seller_id, values)


def _outbound(reference: str) -> OutboundShipmentRequest:
    return OutboundShipmentRequest(
        reference=reference,
        lines=LINES,
        delivery_address=ADDRESS,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


def _credentials(config: Config) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": config.client_id,
        "client_secret": config.client_secret.reveal(),
    }


def _toml(token: str, seller: str, values: dict[str, list[str]]) -> str:
    """JSON's texts and lists are TOML's, too."""

    def quoted(value: object) -> str:
        return msgspec.json.encode(value).decode()

    lines = ["[headers]", f"Authorization = {quoted(f'Bearer {token}')}", f"SellerId = {quoted(seller)}"]
    for number, (place, known) in enumerate(values.items()):
        lines += [f"[dictionaries.d{number}]", f"values = {quoted(known)}"]
        lines += [f"[parameters.{quoted(place)}]", f"dictionary = 'd{number}'", "probability = 0.7"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(configuration()), encoding="utf-8")
