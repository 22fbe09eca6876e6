"""Django: ``JsonResponse`` of answers, in views served over ASGI."""

from __future__ import annotations

import json
import sys

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from octoffm_async import FulfillmentClient, OutboundShipmentRequest, ValidationError, json_default
from octoffm_async.sandbox import Sandbox
from tests.support.items import order
from tests.support.web import served

held: dict[str, FulfillmentClient] = {}


async def stocks(request: HttpRequest) -> JsonResponse:
    found = await held["client"].stocks.list().collect()
    return JsonResponse({"stocks": found}, json_dumps_params={"default": json_default})


async def one(request: HttpRequest, stock_id: str) -> JsonResponse:
    return JsonResponse((await held["client"].stocks.get(stock_id)).to_dict(wire=True))


async def create(request: HttpRequest) -> JsonResponse:
    try:
        order = OutboundShipmentRequest.from_dict(json.loads(request.body))
    except ValidationError as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"id": await held["client"].outbound.create(order)}, status=201)


urlpatterns = [path("stocks", stocks), path("stocks/<str:stock_id>", one), path("orders", create)]
settings.configure(
    ROOT_URLCONF=sys.modules[__name__], ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="x", USE_TZ=True, LOGGING_CONFIG=None
)
django.setup()


async def test_answers_leave_and_requests_come_in() -> None:
    async with Sandbox(seed=7, catalogue=2, stock=5) as sandbox, FulfillmentClient(sandbox.config()) as client:
        held["client"] = client
        wanted = [stock.to_dict(wire=True) for stock in await client.stocks.list().collect()]
        async with served(get_asgi_application()) as session:
            async with session.get("/stocks") as answer:
                assert await answer.json() == {"stocks": wanted}
            async with session.get(f"/stocks/{wanted[0]['id']}") as answer:
                assert await answer.json() == wanted[0]
            body = order("ORDER-1", product="SKU-00001").to_dict(wire=True)
            async with session.post("/orders", json=body) as answer:
                assert answer.status == 201
            async with session.post("/orders", json=body | {"lines": None}) as answer:
                assert answer.status == 422
                assert "lines" in (await answer.json())["error"]
    assert sandbox.effects.outbound == {"ORDER-1": 1}
