"""The feed of changes: nothing missed and nothing doubled, whatever the API's lists do meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from octoffm_async import BadRequestError, ConnectionLostError, FulfillmentClient, ServerError, ValidationError
from octoffm_async.feeds.change_feed import KINDS, Change, ChangeFeed
from octoffm_async.feeds.window_reader import FRUITLESS_MOST
from octoffm_async.transport.response import Response
from tests.support.fakes import FakeTransport, Sent, answer, config
from tests.unit.sizes import tries

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Shop:
    """Outbound shipments behind a list that pages by OFFSET over the order of change: the worst that is seen.

    A row that changes while a list is read moves to its end, those behind it move up, and a plain reading of all pages
    skips some. ``before`` is called ahead of each answer.
    """

    def __init__(self, count: int, *, before: Callable[[Shop], None] = lambda _: None, dated: bool = True) -> None:
        self.now = NOON
        self.before = before
        self.dated = dated
        self.lag = timedelta(0)
        self.rows: dict[str, tuple[datetime, str]] = {}
        self.asked: list[dict[str, str]] = []
        for number in range(count):
            self.change(f"S-{number}", "Created", seconds=0.5)

    def change(self, key: str, status: str, *, seconds: float = 0.01) -> None:
        self.now += timedelta(seconds=seconds)
        self.rows[key] = (self.now, status)

    def __call__(self, sent: Sent) -> Response:
        query = dict(parse_qsl(urlsplit(sent.url).query))
        self.asked.append(query)
        self.before(self)
        low, high = (query.get(f"statusUpdatedAt{end}") for end in ("Min", "Max"))
        found = sorted(
            (at, key, status)
            for key, (at, status) in self.rows.items()
            if at <= self.now - self.lag
            and (low is None or at >= datetime.fromisoformat(low))
            and (high is None or at <= datetime.fromisoformat(high))
        )
        start, limit = int(query.get("cursor", "0")), int(query["limit"])
        items = [
            {"outboundShipmentId": key, "status": status, "statusUpdatedAt": at.isoformat()}
            for at, key, status in found[start : start + limit]
        ]
        headers = {"Date": format_datetime(self.now, usegmt=True)} if self.dated else {}
        if len(found) > start + limit:
            headers["Link"] = f'</seller/v2/outbound-shipments?cursor={start + limit}&limit={limit}>; rel="next"'
        return answer(200, {"items": items}, **headers)

    @property
    def truth(self) -> dict[str, str]:
        return {key: status for key, (_, status) in self.rows.items()}


def opened(shop: Callable[[Sent], Any]) -> FulfillmentClient:
    return FulfillmentClient(config(), transport=FakeTransport(shop))


async def taken(feed: ChangeFeed) -> list[Change]:
    return [change async for change in feed]


def view_of(changes: list[Change]) -> dict[str, str]:
    return {change.id: str(change.item.status) for change in changes}  # type: ignore[union-attr]


async def test_a_scan_gives_what_changed_since_then_and_the_next_one_what_is_new() -> None:
    shop = Shop(10)
    async with opened(shop) as client:
        feed = client.changes(NOON + timedelta(seconds=2.6), kinds=["outbound"], overlap=0)
        assert list(view_of(await taken(feed))) == ["S-5", "S-6", "S-7", "S-8", "S-9"]
        assert await taken(feed) == []
        shop.change("S-2", "Accepted")
        (change,) = await taken(feed)
    assert (change.kind, change.id, change.at) == ("outbound", "S-2", shop.now)
    assert change.item.status == "Accepted"  # type: ignore[union-attr]


async def test_two_states_with_one_time_are_two_changes() -> None:
    shop = Shop(1)
    async with opened(shop) as client:
        feed = client.changes(NOON, kinds=["outbound"])
        await taken(feed)
        shop.change("S-0", "Accepted", seconds=0)
        assert view_of(await taken(feed)) == {"S-0": "Accepted"}


async def test_a_row_that_comes_in_another_spelling_has_not_changed() -> None:
    shop = Shop(5)
    scans = 0

    def respelled(sent: Sent) -> Response:
        nonlocal scans
        scans += 1
        given = shop(sent)
        return given._replace(body=given.body.replace(b'"status"', b'"Status"' if scans % 2 else b'"status"'))

    async with opened(respelled) as client:
        feed = client.changes(NOON, kinds=["outbound"])
        assert len(await taken(feed)) == 5
        assert await taken(feed) == []
        assert await taken(feed) == []


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("limit", [3, 10, 1000])
@pytest.mark.parametrize("seed", range(tries(5)))
async def test_nothing_is_missed_while_rows_change_under_a_scan(seed: int, limit: int, dated: bool) -> None:
    rng = random.Random(seed)

    def disturb(shop: Shop) -> None:
        for _ in range(rng.randrange(4)):
            shop.change(f"S-{rng.randrange(60)}", rng.choice(["Accepted", "InPreparation", "Shipped", "Created"]))

    shop, view, given = Shop(60, before=disturb, dated=dated), dict[str, str](), set[tuple[str, datetime | None]]()
    async with opened(shop) as client:
        feed = client.changes(NOON, kinds=["outbound"], overlap=0.5, limit=limit)
        for _ in range(8):
            for change in await taken(feed):
                assert (change.id, change.at) not in given
                given.add((change.id, change.at))
                view[change.id] = str(change.item.status)  # type: ignore[union-attr]
        shop.before = lambda _: None
        view |= view_of(await taken(feed))
    assert view == shop.truth


async def test_a_plain_reading_of_all_pages_does_miss_some() -> None:
    """What the feed is for: the same list, read page by page, skips rows."""
    rng = random.Random(1)
    shop = Shop(60, before=lambda shop: shop.change(f"S-{rng.randrange(10)}", "Shipped"))
    async with opened(shop) as client:
        read = {shipment.outbound_shipment_id async for shipment in client.outbound.list(limit=10)}
    assert len(read) < 60


async def test_more_than_a_page_within_a_second_is_read_by_cursor() -> None:
    shop = Shop(0)
    for number in range(50):
        shop.change(f"S-{number}", "Created", seconds=0)
    async with opened(shop) as client:
        feed = client.changes(NOON - timedelta(hours=1), kinds=["outbound"], limit=7)
        assert view_of(await taken(feed)) == shop.truth
    assert len(shop.asked) < 40


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("reported", [True, False])
async def test_a_filter_that_narrows_nothing_is_left_and_the_list_read_by_cursor(
    newest_first: bool, reported: bool
) -> None:
    asked: list[Sent] = []
    shop = Shop(40)

    def wide(sent: Sent) -> Any:
        asked.append(sent)
        start = int(dict(parse_qsl(urlsplit(sent.url).query)).get("cursor", "0"))
        rows = sorted(shop.rows.items(), key=lambda row: row[1][0], reverse=newest_first)
        items = [
            {"outboundShipmentId": key, "status": status, **({"statusUpdatedAt": at.isoformat()} if reported else {})}
            for key, (at, status) in rows[start : start + 10]
        ]
        headers = {"Date": format_datetime(shop.now, usegmt=True)}
        if start + 10 < len(rows):
            headers["Link"] = f'</seller/v2/outbound-shipments?cursor={start + 10}&limit=10>; rel="next"'
        return answer(200, {"items": items}, **headers)

    async with opened(wide) as client:
        feed = client.changes(NOON - timedelta(days=30), kinds=["outbound"], overlap=0)
        assert view_of(await taken(feed)) == shop.truth
    assert len(asked) < 3 * FRUITLESS_MOST


async def test_rows_that_become_visible_late_are_found_within_the_overlap() -> None:
    shop = Shop(20)
    shop.lag = timedelta(seconds=5)
    async with opened(shop) as client:
        feed = client.changes(NOON, kinds=["outbound"], overlap=10)
        first = view_of(await taken(feed))
        assert len(first) == 10
        shop.lag = timedelta(0)
        assert view_of(await taken(feed)).keys() == shop.truth.keys() - first.keys()


async def test_an_older_state_from_a_lagging_replica_is_not_given() -> None:
    rows = [
        {"outboundShipmentId": "S", "status": "Shipped", "statusUpdatedAt": "2026-03-01T12:00:09Z"},
        {"outboundShipmentId": "S", "status": "Accepted", "statusUpdatedAt": "2026-03-01T12:00:05Z"},
    ]
    async with opened(lambda sent: answer(200, [rows[len(given) > 0]])) as client:
        given: list[Change] = []
        feed = client.changes(NOON, kinds=["outbound"])
        given += await taken(feed)
        given += await taken(feed)
    assert [change.item.status for change in given] == ["Shipped"]  # type: ignore[union-attr]


async def test_a_watermark_goes_on_later_and_repeats_no_more_than_the_overlap() -> None:
    shop = Shop(100)
    async with opened(shop) as client:
        feed = client.changes(NOON, kinds=["outbound"])
        await taken(feed)
        saved = feed.watermark
        shop.change("S-3", "Shipped", seconds=1)
        again = view_of(await taken(client.changes(saved, kinds=["outbound"], overlap=5)))
    assert again["S-3"] == "Shipped"
    assert len(again) <= 13


async def test_a_consumer_that_stops_on_the_way_gets_the_rest_again() -> None:
    shop = Shop(10)
    async with opened(shop) as client:
        feed = client.changes(NOON, kinds=["outbound"])
        before, given = feed.watermark, []
        async for change in feed:
            given.append(change.id)
            if len(given) == 4:
                break
        assert feed.watermark == before
        given += view_of(await taken(feed))
    assert sorted(set(given)) == sorted(shop.rows)


async def test_a_scan_that_fails_can_be_repeated_and_loses_nothing() -> None:
    shop = Shop(60)
    fail = False

    def script(sent: Sent) -> Response | BaseException:
        return ConnectionLostError("gone") if fail and len(shop.asked) % 3 == 2 else shop(sent)

    view: dict[str, str] = {}
    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(script)) as client:
        feed = client.changes(NOON, kinds=["outbound"], limit=10)
        for fail in (True, False):
            try:
                async for change in feed:
                    view[change.id] = str(change.item.status)  # type: ignore[union-attr]
            except ConnectionLostError:
                assert fail
    assert view == shop.truth


@pytest.mark.virtual_time
async def test_a_first_scan_takes_few_calls_more_than_pages_and_remembers_few_rows() -> None:
    shop = Shop(10_000)
    async with FulfillmentClient(config(), transport=FakeTransport(shop, latency=0.05)) as client:
        await client.check()
        began = asyncio.get_running_loop().time()
        feed = client.changes(NOON - timedelta(days=9000), kinds=["outbound"], limit=100, overlap=10)
        assert view_of(await taken(feed)) == shop.truth
        took = asyncio.get_running_loop().time() - began
    assert len(shop.asked) < 100 * 1.3
    assert took < 100 * 0.05 / 4
    assert len(feed._feeds[0]._given) <= 21  # those of the overlap


@pytest.mark.virtual_time
async def test_what_an_iteration_leaves_the_next_one_gives_once() -> None:
    rng = random.Random(7)
    shop = Shop(600)

    def script(sent: Sent) -> Response | BaseException:
        return ConnectionLostError("gone") if rng.random() < 0.1 else shop(sent)

    given: list[str] = []
    errors = left = 0
    transport = FakeTransport(script, latency=0.05)
    async with FulfillmentClient(config(max_attempts=1), transport=transport) as client:
        feed = client.changes(NOON, kinds=["outbound"], limit=20)
        before = feed.watermark
        while feed.watermark == before:
            try:
                async for change in feed:
                    given += [change.id] if given[-1:] != [change.id] else []  # the last one comes again
                    if rng.random() < 0.02:
                        left += 1
                        break
            except ConnectionLostError:
                errors += 1
            await asyncio.sleep(rng.random())
            assert asyncio.all_tasks() == {asyncio.current_task()}  # a feed that is left makes no calls
    assert sorted(given) == sorted(shop.rows)
    assert errors
    assert left


async def test_a_scan_begins_anew_where_no_repetition_helps() -> None:
    shop = Shop(0)
    for number in range(50):
        shop.change(f"S-{number}", "Created", seconds=0)
    expired = False

    def script(sent: Sent) -> Response:
        return answer(400) if expired and "cursor=" in sent.url else shop(sent)

    async with opened(script) as client:
        feed = client.changes(NOON - timedelta(hours=1), kinds=["outbound"], limit=7)
        given: list[Change] = []
        for expired in (False, True, False):
            asked = len(shop.asked)
            try:
                async for change in feed:
                    given.append(change)
                    if not (expired or asked):
                        break
            except BadRequestError:
                assert expired
        assert "cursor" not in shop.asked[asked]
        assert view_of(given) == shop.truth


@pytest.mark.parametrize("shown", ["rounded", "other", "some without"])
async def test_rows_whose_times_are_not_those_of_the_filter_are_given_once(shown: str) -> None:
    shop = Shop(0)
    for number in range(300):
        shop.change(f"S-{number}", "Created", seconds=0.7)

    def times_of(row: dict[str, Any]) -> dict[str, Any]:
        at = datetime.fromisoformat(row["statusUpdatedAt"])
        if shown == "rounded":
            at = (at + timedelta(seconds=0.5)).replace(microsecond=0)
        elif shown == "other" and int(row["outboundShipmentId"][2:]) % 3 == 0:
            at = NOON - timedelta(days=400)
        elif shown == "some without" and int(row["outboundShipmentId"][2:]) % 3 == 0:
            return row | {"statusUpdatedAt": None}
        return row | {"statusUpdatedAt": at.isoformat()}

    def script(sent: Sent) -> Response:
        given = shop(sent)
        return answer(200, [times_of(row) for row in given.json()["items"]], **dict(given.headers))

    async with opened(script) as client:
        feed = client.changes(NOON, kinds=["outbound"], limit=20)
        changes = await taken(feed)
        assert sorted(change.id for change in changes) == sorted(shop.rows)
        assert await taken(feed) == []


@pytest.mark.virtual_time
async def test_a_feed_that_goes_on_looks_again_every_so_often() -> None:
    shop, seen, moments = Shop(1), [], []
    async with opened(shop) as client:
        async for change in client.changes(NOON, kinds=["outbound"], every=30):
            seen.append(str(change.item.status))  # type: ignore[union-attr]
            moments.append(asyncio.get_running_loop().time())
            if len(seen) == 3:
                break
            shop.change("S-0", ["Accepted", "Shipped"][len(seen) - 1], seconds=1)
    assert seen == ["Created", "Accepted", "Shipped"]
    assert [round(later - earlier) for earlier, later in pairwise(moments)] == [30, 30]


async def test_each_kind_has_its_list_its_filter_and_its_watermark() -> None:
    asked: dict[str, dict[str, str]] = {}
    bodies = {
        "outbound-shipments": {"outboundShipmentId": "O", "statusUpdatedAt": "2026-03-01T12:00:01Z"},
        "inbound-shipments": {"inboundShipmentId": "I", "updatedAt": "2026-03-01T12:00:02Z"},
        "stocks": {"id": "S", "updatedAt": "2026-03-01T12:00:03Z"},
        "returns": {"returnId": "R", "updatedAt": "2026-03-01T12:00:04Z"},
    }

    def script(sent: Sent) -> Response:
        name = urlsplit(sent.url).path.rpartition("/")[2]
        asked[name] = dict(parse_qsl(urlsplit(sent.url).query))
        return answer(200, [bodies[name]])

    async with opened(script) as client:
        since = {kind: NOON + timedelta(minutes=place) for place, kind in enumerate(KINDS)}
        feed = client.changes(since, overlap=0)
        changes = await taken(feed)
    assert [(change.kind, change.id) for change in changes] == [
        ("outbound", "O"),
        ("inbound", "I"),
        ("stocks", "S"),
        ("returns", "R"),
    ]
    assert asked["outbound-shipments"]["statusUpdatedAtMin"] == "2026-03-01T12:00:00Z"
    assert asked["inbound-shipments"]["updatedAtMin"] == "2026-03-01T12:01:00Z"
    assert asked["stocks"]["updatedAtMin"] == "2026-03-01T12:02:00Z"
    assert asked["returns"]["updatedAtMin"] == "2026-03-01T12:03:00Z"
    assert feed.watermark.keys() == set(KINDS)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"since": NOON.replace(tzinfo=None)}, "since"),
        ({"since": "2026-03-01"}, "since"),
        ({"since": {"outbound": NOON}}, "since['inbound']"),
        ({"since": NOON, "kinds": []}, "kinds"),
        ({"since": NOON, "kinds": ["parcels"]}, "kinds"),
        ({"since": NOON, "overlap": -1}, "overlap"),
        ({"since": NOON, "every": 0}, "every"),
        ({"since": NOON, "limit": 1001}, "limit"),
    ],
)
async def test_bad_arguments_are_named_before_anything_is_sent(arguments: dict[str, Any], field: str) -> None:
    client = opened(Shop(0))
    with pytest.raises(ValidationError) as caught:
        client.changes(**arguments)
    assert field in [problem.field for problem in caught.value.problems]


async def test_the_beginning_of_time_is_a_time() -> None:
    shop = Shop(3)
    async with opened(shop) as client:
        feed = client.changes(datetime.min.replace(tzinfo=UTC), kinds=["outbound"], limit=2)
        assert view_of(await taken(feed)) == shop.truth


async def test_an_error_of_the_api_reaches_the_consumer() -> None:
    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(lambda _: answer(500))) as client:
        with pytest.raises(ServerError):
            await taken(client.changes(NOON))
