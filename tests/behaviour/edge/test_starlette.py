"""Starlette: answers and requests by their dictionaries."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from octoffm_async import FulfillmentClient, FulfillmentProduct, ValidationError
from octoffm_async.sandbox import Sandbox
from tests.support.web import served


async def stock(request: Request) -> Response:
    found = await request.app.state.client.stocks.get(request.path_params["stock_id"])
    return JSONResponse(found.to_dict(wire=True))


async def text(request: Request) -> Response:
    found = await request.app.state.client.stocks.get(request.path_params["stock_id"])
    return Response(found.to_json(), media_type="application/json")


async def register(request: Request) -> Response:
    try:
        product = FulfillmentProduct.from_dict(await request.json())
    except ValidationError as error:
        return JSONResponse([{"field": problem.field, "reason": problem.reason} for problem in error.problems], 422)
    (result,) = await request.app.state.client.products.create([product])
    return JSONResponse(result.to_dict())


app = Starlette(
    routes=[
        Route("/stocks/{stock_id}", stock),
        Route("/text/{stock_id}", text),
        Route("/products", register, methods=["POST"]),
    ]
)


async def test_answers_leave_and_requests_come_in() -> None:
    async with Sandbox(seed=7, catalogue=1, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        app.state.client = client
        (one,) = await client.stocks.list().collect()
        async with served(app) as session:
            for path in ("stocks", "text"):
                async with session.get(f"/{path}/{one.id}") as answer:
                    assert await answer.json() == one.to_dict(wire=True)
            lamp = {"gtin": "2000000000015", "seller_product_reference": "LAMP-1", "title": "A lamp"}
            async with session.post("/products", json=lamp) as answer:
                assert (await answer.json())["status"] == "Accepted"
            wrong = {"gtin": 2000000000015, "sellerProductReference": "LAMP-2", "packaging": {"lenght_cm": 3}}
            async with session.post("/products", json=wrong) as answer:
                problems = {each["field"]: each["reason"] for each in await answer.json()}
    assert answer.status == 422
    assert problems["gtin"] == "is int, not str"
    assert problems["packaging.lenght_cm"] == "is not a field of Packaging; did you mean length_cm?"
    assert problems["packaging.width_cm"] == "is missing"
