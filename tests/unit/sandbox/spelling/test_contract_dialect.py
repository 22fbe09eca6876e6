"""A sandbox that speaks a contract file: a client with the file does all it does otherwise, another is refused."""

from __future__ import annotations

import pytest

from octoffm_async import (
    BadRequestError,
    Created,
    DeliveryAddress,
    FulfillmentClient,
    FulfillmentProduct,
    InboundShipmentRequest,
    OutboundShipmentRequest,
    Packaging,
    ReturnRequest,
    ShipmentLine,
)
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.sandbox import Sandbox

CONTRACT = """
[fields.FulfillmentProduct]
title = "label"
packaging = "."
[fields.Packaging]
weight_g = { name = "packagedWeight", scale = 0.001 }
[fields.OutboundShipmentRequest]
reference = "orderNumber"
delivery_address = "shipping.address"
delivery_mode = "shipping.mode"
[fields.OutboundShipment]
outbound_shipment_id = "orderId"
reference = "orderNumber"
[fields.Stock]
id = "stockId"
quantities = "levels"
[values.OutboundStatus]
Shipped = "DISPATCHED"
[operations."products.create"]
body = { wrap = "products" }
[operations."outbound.list"]
path = "/orders"
items = "result.rows"
query = { cursor = "pageToken", limit = "pageSize" }
[operations."outbound.count"]
path = "/orders/count"
count = "result.total"
[operations."outbound.get"]
path = "/v1/orders/{outboundShipmentId}"
result = "result"
[operations."stocks.list"]
query = { storage_country = "country" }
items = "data"
[extra.OutboundShipmentRequest]
salesChannel = "CDISFR"
"""
ADDRESS = DeliveryAddress(
    first_name="A", last_name="B", address_line1="C", postal_code="75011", city="Paris", country_code="FR"
)


def order(reference: str) -> OutboundShipmentRequest:
    return OutboundShipmentRequest(
        reference=reference,
        lines=[ShipmentLine(quantity=1, seller_product_reference="SKU-000001")],
        delivery_address=ADDRESS,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


async def test_the_client_does_all_it_does_by_the_same_contract_file() -> None:
    contract = parse_contract(CONTRACT)
    async with Sandbox(seed=7, contract=contract, catalogue=3) as sandbox:
        async with FulfillmentClient(sandbox.config().with_(contract=contract)) as client:
            box = Packaging(length_cm=1, width_cm=2, height_cm=3, weight_g=350)
            product = FulfillmentProduct(
                gtin="3560070123452", seller_product_reference="NEW-1", title="Lamp", packaging=box
            )
            (result,) = await client.products.create([product])
            assert result.status == "Accepted"
            await client.inbound.create(
                InboundShipmentRequest(
                    reference="IN-1",
                    storage_country="FR",
                    lines=[ShipmentLine(quantity=5, seller_product_reference="NEW-1")],
                )
            )
            stocks = [stock async for stock in client.stocks.list(limit=2, storage_country="FR")]
            assert [stock.quantities.available for stock in stocks] == [100, 100, 100]
            assert (await client.stocks.get(stocks[0].id)) == stocks[0]
            async with client.bulk.create_outbound([order(f"O-{number}") for number in range(5)]) as run:
                created = [outcome async for outcome in run]
            assert all(isinstance(outcome, Created) for outcome in created)
            sandbox.clock.advance(60)
            listed = [shipment async for shipment in client.outbound.list(limit=2)]
            assert sorted(shipment.reference or "" for shipment in listed) == [f"O-{number}" for number in range(5)]
            assert {str(shipment.status) for shipment in listed} == {"Shipped"}
            assert await client.outbound.count() == 5
            shipment = await client.outbound.get(listed[0].outbound_shipment_id)
            assert (shipment.reference, shipment.delivery_address.city) == (listed[0].reference, "Paris")
            line = ShipmentLine(quantity=1, seller_product_reference="SKU-000001")
            await client.returns.create(ReturnRequest(reference="O-1", reason="Damaged", lines=[line]))
            assert client.stats().drift == 0
    assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_client_without_the_file_is_refused_in_the_names_of_the_file() -> None:
    async with Sandbox(seed=7, contract=parse_contract(CONTRACT), catalogue=1) as sandbox:
        async with FulfillmentClient(sandbox.config()) as client:
            with pytest.raises(BadRequestError, match=r"orderNumber|salesChannel"):
                await client.outbound.create(order("O-1"))
    assert not sandbox.effects.outbound


async def test_what_no_contract_file_speaks_of_is_answered_as_ever() -> None:
    async with Sandbox(seed=7, contract=parse_contract(CONTRACT)) as sandbox:
        async with FulfillmentClient(sandbox.config()) as client:
            assert (await client.request("GET", "/sellers")).status == 200


async def test_what_a_contract_file_adds_is_required() -> None:
    contract = parse_contract(CONTRACT)
    without = parse_contract(CONTRACT.replace('salesChannel = "CDISFR"', ""))
    async with Sandbox(seed=7, contract=contract, catalogue=1) as sandbox:
        async with FulfillmentClient(sandbox.config().with_(contract=without)) as client:
            with pytest.raises(BadRequestError, match="salesChannel"):
                await client.outbound.create(order("O-1"))


def test_a_file_and_a_spelling_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="contract file"):
        Sandbox(contract=parse_contract(CONTRACT), names="pascal")
