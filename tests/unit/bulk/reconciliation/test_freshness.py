"""Whether an answer comes from the API itself, as its head tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import Journal
from octoffm_async.bulk.durable.settings import OTHER_SERVER
from octoffm_async.bulk.reconciliation.freshness import Freshness
from octoffm_async.contract.operations import LIST_OUTBOUND as OPERATION
from octoffm_async.journal.sqlite.journal import SQLiteJournalRun
from octoffm_async.session.seller_session import SellerSession
from octoffm_async.transport.response import Response
from tests.support.fakes import Sent, answer
from tests.support.items import all_of, fake, order, orders
from tests.support.out_of_step import speaking

SENT = datetime(2026, 11, 30, 12, 0, 0, 900_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("head", "doubt"),
    [
        ({}, ""),
        ({"Age": "0"}, ""),
        ({"Age": "312"}, "Age 312"),
        ({"Age": " 12, 0"}, "Age 12"),
        ({"Age": "soon"}, ""),
        ({"Age": "9" * 400}, "Age 999999999"),
        ({"Date": "Mon, 30 Nov 2026 12:00:00 GMT"}, ""),
        ({"Date": "Mon, 30 Nov 2026 11:59:59 GMT"}, "its Date is 2026-11-30 11:59:59"),
        ({"Date": "Mon, 30 Nov 2026 13:00:00 +0200"}, "its Date is 2026-11-30 13:00:00"),
        ({"Date": "yesterday"}, ""),
    ],
)
async def test_what_a_head_says_of_a_cache(head: dict[str, str], doubt: str) -> None:
    client, _ = fake(lambda _: answer(200, {"items": []}, **head))
    async with client:
        fresh = Freshness(client._scope, after=SENT)
        await client.outbound.list()
        assert fresh.doubt == ""  # it hears its own calls alone
        await SellerSession(fresh.scope.session, "12345", fresh.scope.options).call(OPERATION, query={"limit": "1"})
    assert doubt in fresh.doubt
    assert bool(fresh.doubt) is bool(doubt)


@pytest.mark.parametrize(
    ("date", "is_old"), [("12:00:30", True), ("12:00:57", True), ("12:00:58", False), ("12:01:01", False)]
)
async def test_an_answer_of_soon_after_the_request_is_too_old_for_who_waited_longer(date: str, is_old: bool) -> None:
    client, _ = fake(lambda _: answer(200, {"items": []}, Date=f"Mon, 30 Nov 2026 {date} GMT"))
    async with client:
        fresh = Freshness(client._scope, after=SENT, waited=60.0)
        await fresh.scope.call(OPERATION, query={"limit": "1"})
    assert ("58 s before it was looked for" in fresh.doubt) is is_old
    assert bool(fresh.doubt) is is_old


async def test_an_old_list_does_not_make_the_clock_of_the_api_old() -> None:
    dates = {"POST": "Mon, 30 Nov 2026 12:00:00 GMT", "GET": "Mon, 30 Nov 2026 11:00:00 GMT"}

    ids = iter(("S-1", "S-2"))

    def script(sent: Sent) -> Any:
        body = {"outboundShipmentId": next(ids)} if sent.method == "POST" else {"items": []}
        return answer(201 if sent.method == "POST" else 200, body, Date=dates[sent.method])

    client, _ = fake(script)
    async with client:
        session = client._scope.session
        await client.outbound.list(limit=1)
        assert session.api_clock is not None
        assert session.api_clock.hour == 11  # nothing else is known
        await client.outbound.create(order("A"))
        await client.outbound.list(limit=1)
        assert session.api_clock is not None
        assert session.api_clock.hour == 12
        dates["POST"] = "Mon, 30 Nov 2026 10:00:00 GMT"  # the API's clock was set
        await client.outbound.create(order("B"))
        assert session.api_clock is not None
        assert session.api_clock.hour == 10


async def test_an_answer_that_is_none_proves_nothing_either_way() -> None:
    answers = [answer(503, Age="5"), answer(200, {"items": []})]
    client, _ = fake(lambda _: answers.pop(0))
    async with client:
        fresh = Freshness(client._scope)
        await fresh.scope.call(OPERATION, query={"limit": "1"})
    assert fresh.doubt == ""


async def test_look_ups_alone_make_caches_ask_and_the_callers_listener_hears_them_too() -> None:
    heard: list[Response] = []

    def script(sent: Sent) -> Any:
        if sent.method == "POST":
            return answer(201, {"outboundShipmentId": "S-1"})
        return answer(200, {"items": []})

    client, transport = fake(script)
    async with client:
        view = client.with_options(on_response=heard.append)
        await Freshness(view._scope).scope.call(OPERATION, query={"limit": "1"})
        await view.outbound.list(limit=1)
        await view.outbound.create(order("A"))
    assert [sent.headers.get("Cache-Control") for sent in transport.sent] == ["no-cache", None, None]
    assert len(heard) == 3


@pytest.mark.parametrize("is_run", [True, False])
async def test_a_journal_knows_the_clock_of_the_api_from_the_first_order_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_run: bool
) -> None:
    """By the answer with the token, which is fetched once; it may be another server's, whose clock is ahead."""
    known: list[datetime] = []
    sent = SQLiteJournalRun.mark_sent

    async def noted(journal_run: SQLiteJournalRun, items: Any, **given: Any) -> None:
        known.extend([given["api_at"]] * len(items))
        await sent(journal_run, items, **given)

    monkeypatch.setattr(SQLiteJournalRun, "mark_sent", noted)
    began = datetime.now(UTC).replace(microsecond=0)
    async with (
        speaking(lambda _, __, ___, answer: [answer]) as (api, client),
        Journal.open(tmp_path / "orders.sqlite") as journal,
    ):
        if is_run:
            await all_of(client.bulk.create_outbound(orders(3), journal=journal, patience=0))
        else:
            await client.outbound.create(order("O-0"), journal=journal)
        assert len(known) == len(api.ids)
        assert all(began <= at + OTHER_SERVER <= datetime.now(UTC) for at in known)
        assert client.stats().attempts == len(api.ids) + 1
