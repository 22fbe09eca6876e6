"""FastAPI: answers and requests as they are, in endpoints, bodies and the OpenAPI description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import Body, FastAPI

from octoffm_async import FulfillmentClient, OutboundShipmentRequest, Stock
from octoffm_async.sandbox import Sandbox
from tests.support.web import served

ORDER = {
    "reference": "ORDER-1",
    "lines": [{"quantity": 1, "sellerProductReference": "SKU-00001"}],
    "deliveryAddress": {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "addressLine1": "1 rue de la Paix",
        "postalCode": "75002",
        "city": "Paris",
        "countryCode": "FR",
    },
    "deliveryMode": "TrackedHomeDelivery",
    "storageCountry": "FR",
}
app = FastAPI()


@app.get("/typed/{stock_id}")
async def typed(stock_id: str) -> Stock:
    return await app.state.client.stocks.get(stock_id)


@app.get("/untyped/{stock_id}")
async def untyped(stock_id: str):
    return await app.state.client.stocks.get(stock_id)


@app.get("/stocks")
async def stocks() -> list[Stock]:
    return await app.state.client.stocks.list().collect()


@app.get("/untyped")
async def untyped_stocks():
    return {"stocks": await app.state.client.stocks.list().collect()}


@app.post("/orders", status_code=201)
async def create(order: Annotated[OutboundShipmentRequest, Body()]) -> dict[str, str]:
    return {"id": await app.state.client.outbound.create(order)}


@app.post("/batches")
async def batch(orders: list[OutboundShipmentRequest]) -> list[str]:
    return [order.reference for order in orders]


@pytest.fixture
async def shop() -> AsyncIterator[tuple[aiohttp.ClientSession, Sandbox]]:
    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        app.state.client = client
        async with served(app) as session:
            yield session, sandbox


async def ask(session: aiohttp.ClientSession, path: str, body: Any = None) -> tuple[int, Any]:
    async with session.request("GET" if body is None else "POST", path, json=body) as answer:
        return answer.status, await answer.json()


async def test_an_answer_is_the_same_json_with_a_return_type_and_without(shop) -> None:
    session, _ = shop
    client = app.state.client
    wanted = [stock.to_dict(wire=True) for stock in await client.stocks.list().collect()]
    assert len(wanted) == 3
    assert wanted[0]["quantities"]["Available"] == 5
    stock_id = wanted[0]["id"]
    assert await ask(session, f"/typed/{stock_id}") == (200, wanted[0])
    assert await ask(session, f"/untyped/{stock_id}") == (200, wanted[0])
    assert await ask(session, "/stocks") == (200, wanted)
    assert await ask(session, "/untyped") == (200, {"stocks": wanted})


async def test_a_body_is_a_request_that_can_be_sent(shop) -> None:
    session, sandbox = shop
    status, answer = await ask(session, "/orders", ORDER)
    assert (status, sandbox.effects.outbound["ORDER-1"]) == (201, 1)
    assert answer["id"]
    assert await ask(session, "/batches", [ORDER, {**ORDER, "reference": "ORDER-2"}]) == (200, ["ORDER-1", "ORDER-2"])


async def test_a_body_that_cannot_be_sent_is_a_422_that_names_every_field(shop) -> None:
    session, sandbox = shop
    wrong: dict[str, Any] = {**ORDER, "lines": [{"quantity": "many"}], "delivryMode": "Standard"}
    wrong["deliveryAddress"] = {"firstName": "Ada"}
    del wrong["reference"]
    status, answer = await ask(session, "/orders", wrong)
    assert status == 422
    assert {tuple(problem["loc"]): problem["type"] for problem in answer["detail"]} == {
        ("body", "reference"): "missing",
        ("body", "lines", 0, "quantity"): "octoffm",
        ("body", "delivryMode"): "octoffm",
        ("body", "deliveryAddress", "lastName"): "missing",
        ("body", "deliveryAddress", "addressLine1"): "missing",
        ("body", "deliveryAddress", "postalCode"): "missing",
        ("body", "deliveryAddress", "city"): "missing",
        ("body", "deliveryAddress", "countryCode"): "missing",
    }
    assert "did you mean deliveryMode?" in str(answer)
    assert sandbox.effects.outbound == {}


async def test_the_openapi_description_names_fields_types_and_what_is_required(shop) -> None:
    session, _ = shop
    status, described = await ask(session, "/openapi.json")
    assert status == 200
    schemas = described["components"]["schemas"]
    order, stock = schemas["OutboundShipmentRequest"], schemas["Stock"]
    assert set(order["required"]) == set(ORDER)
    assert order["additionalProperties"] is False
    assert order["properties"]["lines"]["items"] == {"$ref": "#/components/schemas/ShipmentLine"}
    assert order["properties"]["deliveryAddress"]["$ref"] == "#/components/schemas/DeliveryAddress"
    assert order["properties"]["reference"]["type"] == "string"
    assert stock["required"] == ["id"]
    assert "It is not zero" in schemas["Quantities"]["description"]
    times = stock["properties"]["updatedAt"]
    assert {"type": "string", "format": "date-time"} in times["anyOf"]
    assert times["description"] == "Time of the last change"
    shown = described["paths"]["/typed/{stock_id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shown == {"$ref": "#/components/schemas/Stock"}
