"""Django: ``JsonResponse`` of answers in views over ASGI, and the guide's synchronous calls in views over WSGI."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import WSGIApplication

import aiohttp
import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from octoffm_async import (
    FulfillmentClient,
    OctoffmError,
    OutboundShipmentRequest,
    ValidationError,
    http_answer,
    json_default,
)
from octoffm_async.sandbox import Sandbox
from tests.support.guide import write_files
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


def ship(request: HttpRequest) -> HttpResponse:
    import fulfillment  # the guide's

    try:
        order = OutboundShipmentRequest.from_dict(json.loads(request.body))
        return JsonResponse({"id": fulfillment.create_order(order)}, status=201)
    except OctoffmError as error:
        status, headers, answer = http_answer(error)
        return HttpResponse(answer, status=status, headers=headers)


urlpatterns = [path("ship", ship), path("stocks", stocks), path("stocks/<str:stock_id>", one), path("orders", create)]
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


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Python's own WSGI server, with a thread a request."""


@contextmanager
def served_in_threads(application: WSGIApplication) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, ThreadingServer, WSGIRequestHandler) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


async def test_views_without_a_loop_share_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("synchronous-code", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    async with Sandbox(seed=7, catalogue=1, stock=5) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        fulfillment = importlib.import_module("fulfillment")
        with served_in_threads(get_wsgi_application()) as address:
            async with aiohttp.ClientSession(address) as session:

                async def ask(**changes: object) -> tuple[int, str]:
                    body = order("ORDER-1", product="SKU-00001").to_dict() | changes
                    async with session.post("/ship", json=body) as answer:
                        return answer.status, await answer.text()

                answers = await asyncio.gather(*(ask() for _ in range(5)))
                assert {status for status, _ in answers} == {201}
                assert len(set(answers)) == 1
                assert (await ask(storage_country="DE"))[0] == 409
                assert (await ask(lines=[]))[0] == 422
        await asyncio.to_thread(fulfillment.close)
        del sys.modules["fulfillment"]
    assert sandbox.effects.outbound == {"ORDER-1": 1}
