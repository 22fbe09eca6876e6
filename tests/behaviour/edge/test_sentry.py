"""Sentry: its integration with aiohttp has a span for each request, and its trace travels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from sentry_sdk.integrations.aiohttp import AioHttpIntegration
from sentry_sdk.transport import Transport

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import Sandbox
from tests.support.fakes import config


class Kept(Transport):
    """A transport that keeps what would go to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events += [item.payload.json for item in envelope.items if item.type == "transaction"]


@pytest.fixture
def sentry() -> Iterator[Kept]:
    kept = Kept()
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=kept,
        traces_sample_rate=1.0,
        shutdown_timeout=0,
        default_integrations=False,
        integrations=[AioHttpIntegration()],
        trace_propagation_targets=["127.0.0.1"],
    )
    yield kept
    sentry_sdk.get_global_scope().set_client(None)


async def test_every_request_is_a_span(sentry: Kept) -> None:
    async with Sandbox(seed=7, catalogue=3, stock=5) as sandbox:
        with sentry_sdk.start_transaction(name="job", op="task"):
            async with FulfillmentClient(sandbox.config()) as client:
                for stock in await client.stocks.list().collect():
                    await client.stocks.get(stock.id)
    (job,) = sentry.events
    spans = [span for span in job["spans"] if span["op"] == "http.client"]
    assert [span["description"].split()[0] for span in spans] == ["POST", "GET", "GET", "GET", "GET"]
    assert len(spans) == sandbox.requests.total


async def test_the_trace_of_a_span_travels_with_its_request(sentry: Kept) -> None:
    travelled: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        travelled.append(request.headers.get("sentry-trace", ""))
        return web.json_response({"access_token": "t", "expires_in": 3600} if request.method == "POST" else [])

    async with RawTestServer(answer) as server:
        addresses = {"base_url": str(server.make_url("/v2")), "token_url": str(server.make_url("/token"))}
        with sentry_sdk.start_transaction(name="job", op="task"):
            async with FulfillmentClient(config().with_(**addresses)) as client:
                assert await client.stocks.list().collect() == []
    (job,) = sentry.events
    assert travelled == [f"{span['trace_id']}-{span['span_id']}-1" for span in job["spans"]]
    assert len(travelled) == 2
