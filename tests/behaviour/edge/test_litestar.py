"""Litestar, which knows msgspec: answers and bodies as they are."""

from __future__ import annotations

from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from octoffm_async import FulfillmentClient, OutboundShipmentRequest, Stock
from octoffm_async.sandbox import Sandbox
from tests.support.items import order
from tests.support.web import served


@get("/stocks")
async def stocks(state: State) -> list[Stock]:
    found: list[Stock] = await state.client.stocks.list().collect()
    return found


@post("/orders")
async def create(state: State, data: JSONBody[OutboundShipmentRequest]) -> dict[str, str]:
    return {"id": await state.client.outbound.create(data)}


async def test_answers_leave_and_requests_come_in() -> None:
    async with Sandbox(seed=7, catalogue=2, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        app = Litestar([stocks, create], state=State({"client": client}))
        wanted = [stock.to_dict(wire=True) for stock in await client.stocks.list().collect()]
        async with served(app) as session:
            async with session.get("/stocks") as answer:
                assert await answer.json() == wanted
            body = order("ORDER-1", product="SKU-00001").to_dict(wire=True)
            async with session.post("/orders", json=body) as answer:
                assert answer.status == 201
            del body["deliveryAddress"]["city"]
            async with session.post("/orders", json=body) as answer:
                assert answer.status == 400
                assert "city" in await answer.text()
            async with session.get("/schema/openapi.json") as answer:
                described = await answer.json(content_type=None)
    assert sandbox.effects.outbound == {"ORDER-1": 1}
    assert "OutboundShipmentRequest" in described["components"]["schemas"]
