"""Delivery notes and labels: what is asked, whom, what a 404 means, and who is never asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from octoffm_async import (
    CallError,
    Document,
    FulfillmentClient,
    NotFoundError,
    NotReadyError,
    ServerError,
    UnusableAnswerError,
)
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.unit.session.decoding.test_documents import FOREIGN, ORIGIN, PDF
from tests.unit.transport.test_aiohttp_transport import OK, Server

Call = Callable[[FulfillmentClient], Awaitable[Document]]


async def note(client: FulfillmentClient) -> Document:
    return await client.inbound.delivery_note("X-1")


async def label(client: FulfillmentClient) -> Document:
    return await client.returns.label("X-1")


OWNERS = {note: ("/inbound-shipments/X-1", "delivery-notes"), label: ("/returns/X-1", "labels")}
OWNED = answer(200, {"inboundShipmentId": "X-1", "returnId": "X-1"})
both = pytest.mark.parametrize("call", [note, label], ids=["note", "label"])


@asynccontextmanager
async def answering(**by_tail: Answer) -> AsyncIterator[tuple[FulfillmentClient, FakeTransport]]:
    """A client whose calls are answered by the last segment of their path; ``owner`` for ``X-1``."""

    def script(sent: Sent) -> Answer:
        tail = urlsplit(sent.url).path.rpartition("/")[2]
        return by_tail["owner" if tail == "X-1" else "paper" if tail in ("labels", "delivery-notes") else tail]

    transport = FakeTransport(script)
    async with FulfillmentClient(config(), transport=transport, hooks=()) as client:
        yield client, transport


@both
async def test_a_document_is_asked_for_in_both_forms(call: Call) -> None:
    async with answering(paper=answer(200, PDF, Content_Type="application/pdf")) as (client, transport):
        found = await call(client)
    owner, tail = OWNERS[call]
    assert (found.content, found.file_name) == (PDF, f"{tail}-X-1.pdf")
    (sent,) = transport.sent
    assert (sent.method, urlsplit(sent.url).path) == ("GET", f"/seller/v2{owner}/{tail}")
    accepted = {kind.partition(";")[0].strip() for kind in sent.headers["Accept"].split(",")}
    assert {"application/pdf", "application/json"} <= accepted


@both
@pytest.mark.parametrize("url", ["/files/1", f"{ORIGIN}/files/1"])
async def test_an_address_is_read_with_the_same_token(call: Call, url: str) -> None:
    paper = answer(200, {"url": url})
    async with answering(paper=paper, **{"1": answer(200, PDF, Content_Type="application/pdf")}) as (client, transport):
        found = await call(client)
    assert (found.content, found.file_name) == (PDF, "1-files.pdf")
    assert transport.sent[1].url == f"{ORIGIN}/files/1"
    assert transport.sent[1].headers["Authorization"] == "Bearer token-1"


@both
@pytest.mark.parametrize("status", [404, 409])
async def test_a_document_of_a_known_owner_is_not_ready(call: Call, status: int) -> None:
    early = answer(status, {"title": "Too early", "traceId": "t-1"})
    async with answering(paper=early, owner=OWNED) as (client, transport):
        with pytest.raises(NotReadyError) as caught:
            await call(client)
    owner, _ = OWNERS[call]
    assert (caught.value.status, caught.value.trace_id, caught.value.seller_id) == (status, "t-1", "12345")
    assert not caught.value.outcome_unknown
    assert [urlsplit(sent.url).path for sent in transport.sent[1:]] == [f"/seller/v2{owner}"] * (status == 404)


@both
async def test_a_document_of_an_unknown_owner_is_not_found(call: Call) -> None:
    async with answering(paper=answer(404), owner=answer(404, {"title": "Unknown"})) as (client, _):
        with pytest.raises(NotFoundError, match="Unknown") as caught:
            await call(client)
    assert type(caught.value) is NotFoundError
    assert caught.value.operation.endswith(".get")


@both
async def test_an_owner_that_cannot_be_read_is_told_as_it_is(call: Call) -> None:
    async with answering(paper=answer(404), owner=answer(500)) as (client, _):
        with pytest.raises(ServerError):
            await call(client.with_options(retries=0))  # type: ignore[arg-type]


@both
async def test_an_address_that_leads_to_one_more_is_not_followed(call: Call) -> None:
    async with answering(paper=answer(200, {"url": "/files/1"}), **{"1": answer(200, {"url": "/files/2"})}) as (
        client,
        transport,
    ):
        with pytest.raises(UnusableAnswerError, match="one more address") as caught:
            await call(client)
    assert len(transport.sent) == 2
    assert caught.value.operation in ("inbound.delivery_note", "returns.label")
    assert caught.value.seller_id == "12345"


@both
@pytest.mark.parametrize("url", FOREIGN)
async def test_nothing_is_sent_elsewhere(call: Call, url: str) -> None:
    async with answering(paper=answer(200, {"url": url})) as (client, transport):
        with pytest.raises(UnusableAnswerError) as caught:
            await call(client)
    assert len(transport.sent) == 1
    assert not caught.value.outcome_unknown


async def test_a_redirect_to_a_document_is_not_followed() -> None:
    async with answering(paper=answer(302, Location="https://evil.example/x")) as (client, transport):
        with pytest.raises(UnusableAnswerError):
            await note(client)
    assert len(transport.sent) == 1


@pytest.mark.parametrize("bad", ["", " ", ".", "..", "a\x00b", "\ud800", None, 5])
@both
async def test_a_bad_id_is_refused_before_anything_is_sent(call: Call, bad: Any) -> None:
    async with answering() as (client, transport):
        with pytest.raises(ValueError, match=r"(?i)id"):
            await (client.inbound.delivery_note(bad) if call is note else client.returns.label(bad))
    assert transport.sent == []


TOKEN = b'{"access_token": "a-long-token", "expires_in": 3600, "token_type": "Bearer"}'


def over_http(server: Server, tokens: Server, **settings: Any) -> FulfillmentClient:
    return FulfillmentClient(
        config(deadline=2.0, **settings).with_(
            base_url=f"http://localhost:{server.port}/seller/v2", token_url=f"http://localhost:{tokens.port}/token"
        ),
        hooks=(),
    )


def http(body: bytes, kind: str = "application/json") -> bytes:
    return OK + f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_too_large_a_document_is_told_clearly() -> None:
    async with Server(http(TOKEN)) as tokens, Server(http(PDF + bytes(5000), "application/pdf")) as server:
        async with over_http(server, tokens, max_answer_bytes=1000) as client:
            with pytest.raises(UnusableAnswerError, match=r"max_answer_bytes \(1000 bytes\).*inbound.delivery_note"):
                await note(client)


async def test_over_http_no_foreign_server_hears_of_it() -> None:
    async with Server(http(TOKEN)) as tokens, Server(http(PDF)) as foreign:
        async with Server(http(msgspec.json.encode({"url": f"http://localhost:{foreign.port}/x"}))) as server:
            async with over_http(server, tokens) as client:
                with pytest.raises(UnusableAnswerError, match="another origin"):
                    await label(client)
    assert foreign.connections == 0


async def test_over_http_a_user_name_in_an_address_is_one_of_our_errors() -> None:
    async with Server(http(TOKEN)) as tokens:
        server = Server()
        async with server:
            server.pieces = (http(msgspec.json.encode({"url": f"http://u:p@localhost:{server.port}/x"})),)
            async with over_http(server, tokens) as client:
                with pytest.raises(CallError):
                    await asyncio.wait_for(label(client), 2)
