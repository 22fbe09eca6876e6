"""The parallel scan of stocks: nothing missed and nothing doubled, whatever changes meanwhile and however rows lie."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from octoffm_async import (
    ClosedError,
    ConnectionLostError,
    FulfillmentClient,
    Limit,
    NotFoundError,
    Stock,
    ValidationError,
)
from octoffm_async.feeds import window_reader as scanning
from octoffm_async.sandbox import Sandbox
from octoffm_async.transport.response import Response
from tests.support.fakes import FakeTransport, Sent, answer, config

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


class Shop:
    """Stocks behind a list that pages by OFFSET: the worst that is seen.

    A row that changes leaves its window, those behind it move up, and a reading of several pages skips some.
    ``inclusive`` and ``grain`` say how the bounds compare, ``ordered`` whether rows come in the order of time.
    """

    def __init__(
        self,
        *,
        inclusive: bool = True,
        grain: float = 1e-6,
        ordered: bool = True,
        dated: bool = True,
        before: Callable[[Shop], None] = lambda _: None,
    ) -> None:
        self.now = NOON
        self.inclusive, self.grain, self.ordered, self.dated, self.before = inclusive, grain, ordered, dated, before
        self.rows: dict[str, datetime] = {}
        self.asked: list[dict[str, str]] = []

    def put(self, key: str, at: datetime) -> None:
        self.rows[key] = at.replace(microsecond=0) if self.grain == 1 else at

    def change(self, key: str, *, seconds: float = 0.01) -> None:
        self.now += timedelta(seconds=seconds)
        self.put(key, self.now)

    def _window(self, query: dict[str, str]) -> tuple[datetime, datetime]:
        """From when on and before when rows pass, as the bounds compare."""
        grain, low, high = timedelta(seconds=self.grain), NOON - 1000 * YEAR, NOON + 1000 * YEAR
        if (text := query.get("updatedAtMin")) is not None:
            low = NOON + (datetime.fromisoformat(text) - NOON) // grain * grain + (not self.inclusive) * grain
        if (text := query.get("updatedAtMax")) is not None:
            high = NOON + (datetime.fromisoformat(text) - NOON) // grain * grain + self.inclusive * grain
        return low, high

    def __call__(self, sent: Sent) -> Response:
        query = dict(parse_qsl(urlsplit(sent.url).query))
        self.asked.append(query)
        self.before(self)
        low, high = self._window(query)
        found = [(at, key) for key, at in self.rows.items() if low <= at < high]
        if self.ordered:
            found.sort()
        start, limit = int(query.get("cursor", "0")), int(query["limit"])
        items = [{"id": key, "updatedAt": at.isoformat()} for at, key in found[start : start + limit]]
        headers = {"Date": format_datetime(self.now, usegmt=True)} if self.dated else {}
        if len(found) > start + limit:
            headers["Link"] = f'</seller/v2/stocks?cursor={start + limit}&limit={limit}>; rel="next"'
        return answer(200, items, **headers)

    @property
    def truth(self) -> dict[str, datetime]:
        return dict(self.rows)


def opened(shop: Callable[[Sent], Any], *, latency: float = 0.0, **settings: Any) -> FulfillmentClient:
    return FulfillmentClient(config(**settings), transport=FakeTransport(shop, latency=latency), hooks=())


def spread_evenly(shop: Shop, count: int, seconds: float) -> None:
    for number in range(count):
        shop.put(f"S-{number}", NOON - timedelta(seconds=seconds * (count - number) / count))


def view_of(given: list[Stock]) -> dict[str, datetime | None]:
    """What a reader that keeps the newest state of each stock ends with; no state may come twice."""
    twice = [state for state, times in Counter((stock.id, stock.updated_at) for stock in given).items() if times > 1]
    assert twice == []
    view: dict[str, datetime | None] = {}
    for stock in given:
        known = view.get(stock.id)
        if known is None or (stock.updated_at is not None and stock.updated_at > known):
            view[stock.id] = stock.updated_at
    return view


async def scanned(client: FulfillmentClient, **arguments: Any) -> list[Stock]:
    return [stock async for stock in client.bulk.scan_stocks(**arguments)]


@pytest.mark.virtual_time
async def test_one_page_is_one_call() -> None:
    shop = Shop()
    spread_evenly(shop, 10, 3600)
    async with opened(shop) as client:
        assert view_of(await scanned(client, limit=10)) == shop.truth
    assert shop.asked == [{"limit": "10"}]


@pytest.mark.virtual_time
async def test_no_stocks_are_no_stocks() -> None:
    async with opened(Shop()) as client:
        assert await scanned(client) == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("ordered", [True, False])
async def test_evenly_spread_rows_take_few_calls_more_than_pages(ordered: bool) -> None:
    shop = Shop(ordered=ordered)
    spread_evenly(shop, 10_000, 86_400 * 300)
    async with opened(shop, latency=0.05) as client:
        await client.check()
        began = asyncio.get_running_loop().time()
        assert view_of(await scanned(client, limit=100)) == shop.truth
        took = asyncio.get_running_loop().time() - began
    assert len(shop.asked) < 100 * 1.45
    assert took < 100 * 0.05 / 4


@pytest.mark.virtual_time
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("grain", [1e-6, 1e-3, 1])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(3))
async def test_however_bounds_compare_nothing_is_missed_or_doubled(
    inclusive: bool, grain: float, ordered: bool, seed: int
) -> None:
    rng = random.Random(seed)
    shop = Shop(inclusive=inclusive, grain=grain, ordered=ordered)
    for number in range(600):
        fraction = rng.choice([0, 0, 0.25, 0.999, 0.9999995, rng.random()])
        shop.put(f"S-{number}", NOON - timedelta(seconds=rng.randrange(200) + 1 - fraction))
    async with opened(shop) as client:
        assert view_of(await scanned(client, limit=30, overlap=rng.choice([0, 5, 60]))) == shop.truth


def in_bursts(shop: Shop, rng: random.Random) -> None:
    for number in range(2000):
        shop.put(f"S-{number}", NOON - timedelta(days=rng.choice([1, 2, 30, 31, 400]), seconds=rng.random() * 60))


def one_hour_of_years(shop: Shop, rng: random.Random) -> None:
    shop.put("first", NOON - timedelta(days=2000))
    shop.put("last", NOON - timedelta(minutes=10))
    for number in range(5000):
        shop.put(f"S-{number}", NOON - timedelta(days=3, seconds=rng.random() * 3600))


def one_second(shop: Shop, rng: random.Random) -> None:
    for number in range(1500):
        shop.put(f"S-{number}", NOON - timedelta(days=9, seconds=rng.random() * 0.9))


def this_very_second(shop: Shop, rng: random.Random) -> None:
    for number in range(1500):
        shop.put(f"S-{number}", NOON - timedelta(seconds=rng.random() * 0.9))


@pytest.mark.virtual_time
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    ("fill", "most"),
    [(in_bursts, 260), (one_hour_of_years, 240), (one_second, 70), (this_very_second, 60)],
)
async def test_rows_may_lie_as_unevenly_as_they_like(
    fill: Callable[[Shop, random.Random], None], most: int, ordered: bool
) -> None:
    shop = Shop(ordered=ordered)
    fill(shop, random.Random(1))
    async with opened(shop, latency=0.05) as client:
        assert view_of(await scanned(client, limit=50)) == shop.truth
    assert len(shop.asked) < most  # of which the bursts are 40 pages, the hour 101, the second 30


@pytest.mark.virtual_time
@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(8))
async def test_nothing_is_missed_while_rows_change(
    seed: int, ordered: bool, dated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    pace = rng.choice([0.2, 1.0, 9.0])

    def disturb(shop: Shop) -> None:
        for _ in range(rng.randrange(6)):
            shop.change(f"S-{rng.randrange(400)}", seconds=rng.random() * pace)

    shop = Shop(ordered=ordered, dated=dated, before=disturb)

    class Clock(datetime):
        """This machine's clock, by which the scan goes if answers are not dated."""

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return shop.now

    monkeypatch.setattr(scanning, "datetime", Clock)
    for number in range(400):
        shop.put(f"S-{number}", shop.now - timedelta(seconds=rng.choice([100, 3600]) * rng.random()))
    before = shop.truth
    async with opened(shop, latency=0.05) as client:
        given = await scanned(client, limit=40, concurrency=rng.choice([1, 3, 8]), overlap=5)
    view = view_of(given)
    assert view.keys() == before.keys()
    # What changed after the last answer is not the scan's matter; all else is in its newest state.
    assert all(at is not None and at >= before[key] for key, at in view.items())


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(6))
async def test_the_newest_states_are_given_once_changes_stop(seed: int) -> None:
    rng = random.Random(seed)

    def disturb(shop: Shop) -> None:
        if len(shop.asked) < 25:
            for _ in range(rng.randrange(5)):
                shop.change(f"S-{rng.randrange(400)}", seconds=rng.random() * 0.2)

    shop = Shop(before=disturb)
    spread_evenly(shop, 400, 7200)
    async with opened(shop, latency=0.05) as client:
        assert view_of(await scanned(client, limit=20)) == shop.truth
    assert len(shop.asked) > 25


@pytest.mark.virtual_time
async def test_a_plain_reading_of_all_pages_does_miss_some() -> None:
    """What windows are for: the same list, read page by page, skips rows."""
    rng = random.Random(1)
    shop = Shop(before=lambda shop: shop.change(f"S-{rng.randrange(50)}"))
    spread_evenly(shop, 400, 7200)
    async with opened(shop) as client:
        assert len({stock.id async for stock in client.stocks.list(limit=20)}) < 400


@pytest.mark.virtual_time
@pytest.mark.parametrize("where", ["first page", "anywhere"])
async def test_stocks_without_a_time_are_given_once(where: str) -> None:
    shop = Shop()
    spread_evenly(shop, 300, 7200)
    undated = {"first page": 5, "anywhere": 250}[where]

    def script(sent: Sent) -> Response:
        given = shop(sent)
        rows = [{"id": row["id"]} if row["id"] == f"S-{undated}" else row for row in given.json()]
        return answer(200, rows, **dict(given.headers))

    async with opened(script) as client:
        given = await scanned(client, limit=20)
    assert Counter(stock.id for stock in given) == Counter(shop.rows.keys())


@pytest.mark.virtual_time
async def test_a_server_that_takes_no_notice_of_the_filter_is_read_by_cursor() -> None:
    shop = Shop()
    spread_evenly(shop, 600, 7200)

    def deaf(sent: Sent) -> Response:
        return shop(sent._replace(url=sent.url.replace("updatedAt", "ignored")))

    async with opened(deaf) as client:
        assert view_of(await scanned(client, limit=20)) == shop.truth
    assert len(shop.asked) < 30 + 40


@pytest.mark.virtual_time
@pytest.mark.parametrize("ago", [0, 60, 7200])
async def test_stocks_that_every_window_shows_are_given_once(ago: int) -> None:
    """The list alone has a second page; the filter has no effect."""
    items = [{"id": f"S-{n}", "updatedAt": (NOON - timedelta(seconds=ago + n)).isoformat()} for n in range(3)]

    def deaf(sent: Sent) -> Response:
        link = {} if "updatedAt" in sent.url or "cursor" in sent.url else {"Link": '</stocks?cursor=3>; rel="next"'}
        return answer(200, items, Date=format_datetime(NOON, usegmt=True), **link)

    async with opened(deaf) as client:
        assert sorted(stock.id for stock in await scanned(client, limit=3)) == ["S-0", "S-1", "S-2"]


@pytest.mark.virtual_time
async def test_times_that_are_rounded_to_seconds_lose_no_stock() -> None:
    shop = Shop()
    spread_evenly(shop, 600, 700)

    def rounded(sent: Sent) -> Response:
        given = shop(sent)
        rows = [
            row
            | {
                "updatedAt": (datetime.fromisoformat(row["updatedAt"]) + timedelta(seconds=0.5))
                .replace(microsecond=0)
                .isoformat()
            }
            for row in given.json()
        ]
        return answer(200, rows, **dict(given.headers))

    async with opened(rounded) as client:
        assert view_of(await scanned(client, limit=20)).keys() == shop.rows.keys()


@pytest.mark.virtual_time
async def test_filters_are_passed_on() -> None:
    shop = Shop()
    spread_evenly(shop, 100, 7200)
    async with opened(shop) as client:
        await scanned(client, limit=20, storage_country="FR")
        assert {query["storageCountry"] for query in shop.asked} == {"FR"}
        shop.asked.clear()
        assert view_of(await scanned(client, limit=20, delivery_country="BE")) == shop.truth
    assert [set(query) - {"cursor"} for query in shop.asked] == [{"limit", "deliveryCountry"}] * 5


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(12))
async def test_an_error_is_told_and_the_next_step_goes_on(seed: int) -> None:
    rng = random.Random(seed)
    shop = Shop()
    spread_evenly(shop, 400, 7200)
    for number in range(100):
        shop.put(f"D-{number}", NOON - timedelta(seconds=1000))

    def script(sent: Sent) -> Response | BaseException:
        return rng.choice([ConnectionLostError("cut"), answer(404)]) if rng.random() < 0.1 else shop(sent)

    async with opened(script, latency=0.05, max_attempts=1) as client:
        stocks, given, errors = aiter(client.bulk.scan_stocks(limit=20)), list[Stock](), 0
        while True:
            try:
                given.append(await anext(stocks))
            except (ConnectionLostError, NotFoundError):
                errors += 1
            except StopAsyncIteration:
                break
    assert view_of(given) == shop.truth
    assert errors


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(15))
async def test_a_reader_that_is_cancelled_at_any_moment_can_go_on(seed: int) -> None:
    rng = random.Random(seed)
    shop = Shop()
    spread_evenly(shop, 300, 7200)
    async with opened(shop, latency=rng.choice([0.0, 0.05])) as client:
        stocks, given = aiter(client.bulk.scan_stocks(limit=20)), list[Stock]()

        async def read() -> None:
            async for stock in stocks:
                given.append(stock)
                if rng.random() < 0.1:
                    await asyncio.sleep(rng.choice([0, 0.1]))

        while True:
            reading = asyncio.create_task(read())
            for _ in range(rng.randrange(15)):
                await asyncio.sleep(0)
            await asyncio.sleep(rng.random() * 0.2)
            reading.cancel()
            try:
                await reading
            except asyncio.CancelledError:
                continue
            break
    assert view_of(given) == shop.truth


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.virtual_time
@pytest.mark.parametrize("way", ["break", "aclose", "error in the reader", "cancelled"])
@pytest.mark.parametrize("pages", [True, False])
@pytest.mark.parametrize("after", [0.0, 0.07, 5.0])
async def test_who_leaves_leaves_nothing_behind(way: str, pages: bool, after: float) -> None:
    shop = Shop()
    spread_evenly(shop, 1000, 7200)
    async with opened(shop, latency=0.05) as client:
        scan = client.bulk.scan_stocks(limit=5)

        async def read() -> None:
            iterator: Any = scan.pages() if pages else aiter(scan)
            async for _ in iterator:
                await asyncio.sleep(after)
                if way == "break":
                    break
                if way == "aclose":
                    await iterator.aclose()
                elif way == "cancelled":
                    await asyncio.sleep(1e9)
                else:
                    raise LookupError

        reading = asyncio.create_task(read())
        if way == "cancelled":
            await asyncio.sleep(after + 1)
            reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        del reading
        gc.collect()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert client._scope.session._calls_running == 0
    assert len(shop.asked) < 80


@pytest.mark.virtual_time
async def test_a_slow_reader_slows_the_calls_down() -> None:
    shop = Shop()
    spread_evenly(shop, 4000, 7200)
    async with opened(shop, latency=0.05) as client:
        pages = client.bulk.scan_stocks(limit=20, concurrency=4).pages()
        for given in range(1, 20):
            assert await anext(pages)
            await asyncio.sleep(60)
            # As many as are under way, two that lie ready, the first page, and those that were overfull.
            assert len(shop.asked) <= given + 4 + 2 + 1 + 12
        wasted = len(shop.asked) - 19
        for _ in range(40):
            await anext(pages)
        await asyncio.sleep(60)
        assert len(shop.asked) <= 59 + wasted + 4


@pytest.mark.virtual_time
async def test_workers_may_share_one_iterator() -> None:
    shop = Shop()
    spread_evenly(shop, 400, 7200)
    given: list[Stock] = []

    async def work(stocks: Any) -> None:
        async for stock in stocks:
            given.append(stock)
            await asyncio.sleep(0.001)

    async with opened(shop, latency=0.05) as client:
        stocks = aiter(client.bulk.scan_stocks(limit=20))
        await asyncio.gather(*(work(stocks) for _ in range(5)))
    assert view_of(given) == shop.truth


@pytest.mark.virtual_time
async def test_limits_hold_and_interactive_calls_go_first() -> None:
    shop = Shop()
    spread_evenly(shop, 2000, 7200)
    transport = FakeTransport(shop, latency=0.05)
    async with FulfillmentClient(config(limit=Limit(10, per=1.0)), transport=transport, hooks=()) as client:
        reading = asyncio.create_task(scanned(client, limit=20, concurrency=8))
        await asyncio.sleep(3)
        asked = asyncio.get_running_loop().time()
        await client.stocks.list(limit=1)
        assert asyncio.get_running_loop().time() - asked < 0.5
        assert view_of(await reading) == shop.truth
    times = [sent.at for sent in transport.sent]
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[10:], strict=False))


@pytest.mark.virtual_time
async def test_no_more_calls_at_a_time_than_allowed() -> None:
    shop, most = Shop(), 0
    spread_evenly(shop, 2000, 7200)
    async with opened(shop, latency=0.05) as client:
        async for _ in client.bulk.scan_stocks(limit=20, concurrency=3):
            most = max(most, client._scope.session._calls_running)
    assert most == 3


@pytest.mark.virtual_time
async def test_a_reader_learns_that_the_client_was_closed() -> None:
    shop = Shop()
    spread_evenly(shop, 2000, 7200)
    client = await opened(shop, latency=0.05).open()
    stocks = client.bulk.scan_stocks(limit=20).pages()
    await anext(stocks)
    await client.close(drain=0.1)
    with pytest.raises(ClosedError):
        [page async for page in stocks]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"overlap": -1}, "overlap"),
        ({"limit": 1001}, "limit"),
        ({"storage_country": "FR", "delivery_country": "FR"}, "storage_country"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_sent(arguments: dict[str, Any], field: str) -> None:
    client = opened(Shop())
    with pytest.raises(ValidationError) as caught:
        client.bulk.scan_stocks(**arguments)
    assert field in [problem.field for problem in caught.value.problems]


@pytest.mark.one_loop
@pytest.mark.parametrize("seed", range(4))
async def test_over_http_the_union_is_what_the_sandbox_holds_although_stocks_move(seed: int) -> None:
    rng = random.Random(seed)
    async with Sandbox(seed=seed) as sandbox:
        sandbox.seed_stocks(1500, spread=rng.choice([200.0, 86_400.0, 1.0]), quantity=rng.choice([0, 3]))
        async with FulfillmentClient(sandbox.config()) as client:
            given: list[Stock] = []
            async for page in client.bulk.scan_stocks(limit=50, overlap=2).pages():
                given += page
                if len(given) < 1400:
                    for _ in range(rng.randrange(4)):
                        sandbox.add_stock(f"SEED-{rng.randrange(1500) + 1:07d}", quantity=1)
            truth = {stock.id: stock async for stock in client.stocks.list()}
    view = view_of(given)
    assert view == {key: stock.updated_at for key, stock in truth.items()}
    newest = {stock.id: stock for stock in given if stock.updated_at == view[stock.id]}
    assert newest == truth


@pytest.mark.one_loop
async def test_faults_of_the_server_do_not_disturb_a_scan() -> None:
    from octoffm_async.sandbox import Fault

    async with Sandbox(seed=3) as sandbox:
        sandbox.seed_stocks(1000)
        sandbox.faults.set_rates({Fault.ERROR_500: 0.05, Fault.RESET_AFTER: 0.05, Fault.TRUNCATED: 0.05})
        async with FulfillmentClient(sandbox.config(max_attempts=10, backoff_base=0.01)) as client:
            assert len(view_of(await scanned(client, limit=50))) == 1000
