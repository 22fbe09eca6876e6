"""A probe of real servers: what it asks, in which order, how far apart, and when it stops."""

from __future__ import annotations

import asyncio
import itertools
import socket

import msgspec
import pytest
from aiohttp import web

from octoffm_async import Config
from octoffm_async.probe.calls import CALLS, NO_SUCH_REFERENCE, STEPS
from octoffm_async.probe.evaluation.answers import seen_answers
from octoffm_async.probe.folder import results_of
from octoffm_async.probe.running import REFUSED, Prober
from octoffm_async.probe.sending import APART, LARGEST
from octoffm_async.sandbox import Sandbox

from .api import CUT, STOCKS, TOKEN_PATH, Clock, kept, not_there, probed, serving, shop

pytestmark = pytest.mark.one_loop


async def test_all_steps_are_made_against_the_sandbox() -> None:
    async with Sandbox(seed=7, catalogue=3) as sandbox:
        prober = Prober(sandbox.config(), clock=Clock())
        probe = await prober.run()
    assert probe.done
    assert probe.ended == "all calls were made"
    assert {one.step for one in probe.answered} == set(range(1, STEPS + 1))
    assert [one.name for one in probe.calls] == ["token", *(call.name for call in CALLS)]
    assert kept(probe, "stocks").rows == 2
    assert "equals its row in the list" in kept(probe, "stock").notes
    assert kept(probe, "products").status == 405
    drift = results_of(probe, stocks_seen=prober.known.stocks_seen).drift
    assert [one for one in drift if one.operation != "token.create"] == []


async def test_what_an_answer_shows_is_asked_for_next() -> None:
    async with serving(shop) as api:
        probe = (await probed(api)).probe
        paths = [one.path for one in api.calls]
    assert probe.done
    for path in (
        "/stocks/stock-1",
        "/inbound-shipments/supply-Accepted",
        "/inbound-shipments/supply-Accepted/delivery-notes",
        "/inbound-shipments/supply-Created/delivery-notes",
        "/outbound-shipments/order-Shipped",
        "/outbound-shipments/order-Refused",
        "/outbound-shipments/order-Created",
        "/returns/return-True/labels",
        "/returns/return-False/labels",
    ):
        assert path in paths
    assert kept(probe, "label").body == "pdf"
    skipped = {one.name for one in probe.calls if one.outcome == "skipped"}
    assert skipped == {"seller.none", "seller.other", "stocks.next"}


async def test_only_get_is_sent_behind_the_token_requests() -> None:
    async with serving(shop) as api:
        await probed(api, wrong_secret=True)
        sent = [(one.method, one.path) for one in api.arrived]
    assert sent[:2] == [("POST", TOKEN_PATH)] * 2
    assert len(sent) > 40
    assert {method for method, _ in sent[2:]} == {"GET"}
    assert TOKEN_PATH not in {path for _, path in sent[2:]}


async def test_calls_are_apart_from_the_end_of_one_to_the_start_of_the_next() -> None:
    async with serving(shop, takes=0.2) as api:
        await probed(api)
        times = [one.at for one in api.arrived]
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(apart) >= 0.2 + APART - 1e-6


async def test_a_wait_that_ends_too_early_goes_on() -> None:
    class Hasty(Clock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds / 2 if seconds > 0.01 else seconds)

    async with serving(shop, clock=Hasty(), takes=0.0) as api:
        await probed(api)
        times = [one.at for one in api.arrived]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= APART - 1e-6


async def test_calls_name_the_seller_another_one_and_none() -> None:
    async with serving(shop) as api:
        await probed(api)
        sellers = [one.seller for one in api.calls if one.path == "/sellers"]
        rest = {one.seller for one in api.calls if one.path != "/sellers"}
    assert sellers == ["98979-the-seller", None, "1"]
    assert rest == {"98979-the-seller"}


async def test_without_a_route_for_sellers_another_is_asked_as_nobody() -> None:
    async with serving(lambda one: web.Response(status=404) if one.path == "/sellers" else shop(one)) as api:
        probe = (await probed(api)).probe
    assert kept(probe, "seller.none").status == 400
    assert kept(probe, "seller.other").status == 200


@pytest.mark.parametrize("at", [0, 1, 17, 30])
@pytest.mark.parametrize(
    ("header", "form"), [({"Retry-After": "7"}, "seconds"), ({"Retry-After": "Wed, 01 Jan 2031 00:00:00 GMT"}, "date")]
)
async def test_the_first_429_ends_it(at: int, header: dict[str, str], form: str) -> None:
    def answer(one: object) -> object:
        if len(api.calls) == at + 1:
            return web.Response(status=429, headers={**header, "X-RateLimit-Limit": "10"})
        return shop(one)  # type: ignore[arg-type]

    async with serving(answer) as api:
        probe = (await probed(api)).probe
        assert len(api.calls) == at + 1
    assert not probe.done
    assert "429" in probe.ended
    last = probe.calls[-1]
    assert (last.status, last.retry_after) == (429, form)
    assert last.rate_headers == ["X-RateLimit-Limit"]


async def test_a_429_of_the_token_endpoint_ends_it() -> None:
    async with serving(shop) as api:
        api.token = web.Response(status=429)
        probe = (await probed(api)).probe
        assert len(api.arrived) == 1
    assert "429" in probe.ended


async def test_without_rights_all_that_can_be_asked_is_asked() -> None:
    async with serving(lambda _: web.json_response({"title": "Forbidden", "status": 403}, status=403)) as api:
        probe = (await probed(api)).probe
    assert probe.done
    assert {one.step for one in probe.answered} == set(range(1, STEPS + 1))
    assert "GET /stocks?limit=2" in [one.call for one in probe.forbidden]
    assert seen_answers(probe)[1:] == []


async def test_web_pages_are_noted_as_such() -> None:
    page = web.Response
    async with serving(lambda _: page(text="<!DOCTYPE html><p>Jeanne Dupont", content_type="text/html")) as api:
        prober = await probed(api)
    stocks = kept(prober.probe, "stocks")
    assert (stocks.status, stocks.body, stocks.media_type, stocks.rows) == (200, "html", "text/html", None)
    found = results_of(prober.probe, stocks_seen=prober.known.stocks_seen)
    assert ("stocks.list", "type", "html") in {(one.operation, one.kind, one.found) for one in found.drift}
    assert (found.proof.stocks_filter.verdict, found.proof.orders_lookup.verdict) == ("undecided", "undecided")


async def test_a_server_that_hangs_ends_it_after_two_calls() -> None:
    async def hang() -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(lambda _: hang()) as api:
        probe = (await probed(api, deadline=0.05)).probe
        assert len(api.calls) == 2
    assert [one.why for one in probe.calls[1:]] == ["no answer in time"] * 2
    assert "in a row" in probe.ended


async def test_one_call_without_an_answer_is_noted_and_not_repeated() -> None:
    async with serving(lambda one: CUT if one.path == "/stocks" and not one.query else shop(one)) as api:
        probe = (await probed(api)).probe
        asked = [one for one in api.calls if one.path == "/stocks" and not one.query]
    assert probe.done
    assert kept(probe, "stocks.unlimited").why == "the connection was lost"
    assert len(asked) == 1


async def test_failures_of_the_api_in_a_row_end_it() -> None:
    async with serving(lambda _: web.Response(status=503, text="<html>down")) as api:
        probe = (await probed(api)).probe
        assert len(api.calls) == 3
    assert "5xx" in probe.ended


async def test_a_refused_token_ends_it() -> None:
    async with serving(lambda one: web.Response(status=401) if one.query == {"limit": "2"} else shop(one)) as api:
        probe = (await probed(api)).probe
    assert probe.calls[-1].name == "stocks"
    assert "401" in probe.ended


async def test_refused_credentials_end_it_before_any_call() -> None:
    async with serving(shop) as api:
        probe = (await probed(api, client_secret="another")).probe
        assert [one.path for one in api.arrived] == [TOKEN_PATH]
    assert probe.ended == REFUSED
    shape = kept(probe, "token").shape
    assert shape is not None
    assert list(shape.fields) == ["error", "error_description"]


async def test_the_second_token_request_has_a_wrong_secret() -> None:
    async with serving(shop) as api:
        probe = (await probed(api, wrong_secret=True)).probe
    assert (kept(probe, "token").status, kept(probe, "token.wrong").status) == (200, 401)
    assert probe.done


@pytest.mark.parametrize(
    "token", [{}, [], {"access_token": ""}, {"access_token": 7}, {"access_token": "a\r\nb"}, web.Response(text="hello")]
)
async def test_what_is_no_token_is_not_sent(token: object) -> None:
    async with serving(shop) as api:
        api.token = token
        probe = (await probed(api)).probe
        assert len(api.arrived) == 1
    assert probe.ended.startswith("no token")


@pytest.mark.parametrize(
    ("reported", "noted"), [(300, "300"), (-5, "not given"), ("7200", "not given"), (None, "not given")]
)
async def test_the_life_of_a_token_is_noted_if_it_can_be_one(reported: object, noted: str) -> None:
    async with serving(shop) as api:
        api.token = {**api.token, "expires_in": reported}
        probe = (await probed(api)).probe
    assert probe.facts == {"token_seconds": noted}


async def test_an_unreachable_host_ends_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{free.getsockname()[1]}"
        config = Config(client_id="a", client_secret="b", seller_id="c", base_url=origin, token_url=origin)
        seen: list[str] = []
        probe = await Prober(config, clock=Clock(), on_progress=lambda probe: seen.append(probe.ended)).run()
    assert probe.ended == "no token: no connection"
    assert seen[-1] == probe.ended


async def test_a_cancelled_probe_has_told_what_it_learned() -> None:
    seen: list[tuple[str, int]] = []

    def answer(one: object) -> object:
        if len(api.calls) == 6:
            task.cancel()
        return shop(one)  # type: ignore[arg-type]

    async with serving(answer) as api:
        prober = Prober(
            api.config(), clock=api.clock, on_progress=lambda probe: seen.append((probe.ended, len(probe.calls)))
        )
        task = asyncio.create_task(prober.run())
        with pytest.raises(asyncio.CancelledError):
            await task
    assert seen[-1][0] == "it was interrupted"
    assert not prober.probe.done
    assert seen[-1][1] >= 6


async def test_a_redirect_is_not_followed() -> None:
    async with serving(lambda one: web.Response(status=302, headers={"Location": "/elsewhere"})) as api:
        probe = (await probed(api)).probe
        assert "/elsewhere" not in {one.path for one in api.arrived}
    assert kept(probe, "stocks").status == 302
    assert "a redirect: not followed" in kept(probe, "stocks").notes


async def test_a_body_without_end_is_not_read_to_its_end() -> None:
    big = b'["' + b"x" * LARGEST + b'"]'
    async with serving(lambda one: web.Response(body=big) if one.path == "/sellers" else shop(one)) as api:
        probe = (await probed(api)).probe
    assert kept(probe, "sellers").body == "too large"
    assert kept(probe, "sellers").shape is None
    assert probe.done


@pytest.mark.parametrize("form", ["relative", "absolute"])
async def test_the_link_to_the_next_page_is_followed(form: str) -> None:
    def answer(one: object) -> object:
        arrival = api.calls[-1]
        if arrival.path != "/stocks" or arrival.query.get("limit") != "2":
            return shop(one)  # type: ignore[arg-type]
        if "cursor" in arrival.query:
            return {"items": STOCKS[1:]}
        origin = api.origin if form == "absolute" else ""
        link = f'<{origin}/seller/v2/stocks?limit=2&cursor=a%2Fb>; rel="next"'
        return web.json_response({"items": STOCKS[:1]}, headers={"Link": link})

    async with serving(answer) as api:
        prober = await probed(api)
        assert [one.query for one in api.calls if "cursor" in one.query] == [{"limit": "2", "cursor": "a/b"}]
    assert kept(prober.probe, "stocks").link == ("absolute" if form == "absolute" else "relative to the origin")
    assert kept(prober.probe, "stocks").relations == ["next"]
    assert prober.known.stocks_seen == 2
    assert "a/b" not in msgspec.json.encode(prober.probe).decode()


async def test_a_link_to_another_origin_is_not_followed() -> None:
    def answer(one: object) -> object:
        link = {"Link": '<https://elsewhere.example/seller/v2/stocks?cursor=x>; rel="next"'}
        return web.json_response({"items": STOCKS}, headers=link) if api.calls[-1].path == "/stocks" else shop(one)  # type: ignore[arg-type]

    async with serving(answer) as api:
        probe = (await probed(api)).probe
    assert kept(probe, "stocks.next").outcome == "skipped"
    assert "elsewhere" not in msgspec.json.encode(probe).decode()


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (shop, "proven"),
        (lambda one: {"items": STOCKS} if one.path == "/stocks" else shop(one), "refuted"),
        (lambda one: {"items": []} if one.path == "/stocks" else shop(one), "undecided"),
        (lambda one: not_there(one) if "sellerProductReference" in one.query else shop(one), "undecided"),
        (
            lambda one: {"items": STOCKS[1:]} if one.query.get("sellerProductReference") == "REF-1" else shop(one),
            "refuted",
        ),
        (lambda one: {"items": []} if "sellerProductReference" in one.query else shop(one), "undecided"),
        (
            lambda one: {"nothing": 1} if one.query.get("sellerProductReference") == NO_SUCH_REFERENCE else shop(one),
            "undecided",
        ),
        (
            lambda one: None if one.query.get("sellerProductReference") == NO_SUCH_REFERENCE else shop(one),
            "proven",
        ),
    ],
    ids=["works", "ignored", "no stock", "refused", "another product", "gives nothing", "no list", "null"],
)
async def test_the_filter_of_stocks_is_proven_or_not(answers: object, verdict: str) -> None:
    async with serving(answers) as api:  # type: ignore[arg-type]
        prober = await probed(api)
    proof = results_of(prober.probe, stocks_seen=prober.known.stocks_seen).proof
    assert proof.stocks_filter.verdict == verdict, proof.stocks_filter.why


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([{"outboundShipmentId": "a", "reference": "R"}, {"outboundShipmentId": "b", "Reference": 7}], "undecided"),
        ([{"outboundShipmentId": "a", "reference": "R"}, {"outboundShipmentId": "b", "reference": 7}], "proven"),
        ([{"outboundShipmentId": "a", "reference": "R"}, {"outboundShipmentId": "b", "reference": " "}], "undecided"),
        ([{"outboundShipmentId": "a", "reference": None}], "undecided"),
        ([{"outboundShipmentId": "a"}], "refuted"),
        ([], "undecided"),
    ],
)
async def test_the_look_up_of_orders_is_proven_or_not(rows: list[object], verdict: str) -> None:
    async with serving(lambda one: rows if one.path == "/outbound-shipments" else shop(one)) as api:
        prober = await probed(api)
    assert results_of(prober.probe, stocks_seen=0).proof.orders_lookup.verdict == verdict


async def test_nothing_is_mended_where_all_is_usual() -> None:
    async with serving(shop) as api:
        probe = (await probed(api)).probe
    results = results_of(probe, stocks_seen=2)
    assert (results.corrections.count, results.corrections.undecided, results.drift) == (0, {}, [])


async def test_enums_that_a_refusal_lists_are_kept() -> None:
    reported = {
        "errors": {"sort": ["'Nonsense' is not one of Available, Allocated or OnTheWay, says Jeanne-7 Dupont-7"]}
    }
    refused = web.json_response
    async with serving(lambda one: refused(reported, status=400) if "sort" in one.query else shop(one)) as api:
        probe = (await probed(api)).probe
    assert kept(probe, "stocks.sort").listed_values == ["Available", "Allocated", "OnTheWay"]
