"""Looking stocks up by reference: both ways give the same, references are learned once, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Failed, Found, Missing, Refused, Skipped
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.bulk.stocks.lookup import scan_is_cheaper
from octoffm_async.bulk.stocks.references import UNKNOWN_FOR
from octoffm_async.errors import AuthenticationError
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.fakes import Answer, Sent, answer, refuse_later_tokens
from tests.support.items import all_of, asynchronous, fake, products, serving


async def outcomes_of(client: Any, references: Any, **options: Any) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    async with client.bulk.lookup_stocks(references, **options) as run:
        async for outcome in run:
            assert outcome.key not in found, "a second outcome"
            found[outcome.key] = outcome
    assert run.summary.total == len(found)
    return found


async def stocked(sandbox: Sandbox, client: Any, count: int) -> None:
    async with client.bulk.create_products(products(count)) as run:
        await run.wait()
    for number in range(count):
        sandbox.add_stock(f"P-{number}", quantity=number + 1)


class Shop:
    """An API with these stocks by reference, which ignores the filter by it; it counts the calls of each kind."""

    def __init__(self, stocks: dict[str, str | None]) -> None:
        self.stocks = stocks
        self.gone: set[str] = set()
        self.calls = Counter[str]()

    def __call__(self, sent: Sent) -> Answer:
        path = sent.url.partition("/v2/")[2].partition("?")[0]
        if path == "stock-seller-references":
            self.calls["references"] += 1
            rows = [
                {"sellerProductReference": key, "productId": f"P-{key}", "stockId": stock}
                for key, stock in self.stocks.items()
            ]
            return answer(200, {"items": rows})
        if path == "stocks":
            self.calls["filter" if "sellerProductReference=" in sent.url else "scan"] += 1
            return answer(200, {"items": [{"id": stock} for stock in self.there()]})
        self.calls["get"] += 1
        stock = path.rpartition("/")[2]
        return answer(200, {"id": stock}) if stock in self.there() else answer(404, {"title": "Not Found"})

    def there(self) -> set[str]:
        return {stock for stock in self.stocks.values() if stock is not None} - self.gone


def shop(count: int) -> Shop:
    return Shop({f"R-{number}": f"S-{number}" for number in range(count)})


@pytest.mark.parametrize(
    ("requested", "rows", "scan"),
    [
        (0, 0, False),
        (0, 1_000_000, False),
        (1, 1, False),
        (4, 1000, False),
        (5, 1000, True),
        (5, 1001, False),
        (8, 2000, False),
        (9, 2000, True),
        (4000, 1_000_000, False),
        (4001, 1_000_000, True),
    ],
)
def test_scanning_pays_above_four_calls_a_page(requested: int, rows: int, scan: bool) -> None:
    assert scan_is_cheaper(requested=requested, rows=rows) is scan


@given(st.integers(0, 10**6), st.integers(0, 10**7))
def test_wanting_more_never_makes_scanning_dearer_nor_more_rows_cheaper(requested: int, rows: int) -> None:
    if scan_is_cheaper(requested=requested, rows=rows):
        assert scan_is_cheaper(requested=requested + 1, rows=rows)
        assert scan_is_cheaper(requested=requested, rows=max(0, rows - 1000))


@pytest.mark.parametrize("list_shape", ["object", "array"])
async def test_both_ways_and_the_automatic_one_find_the_same(list_shape: str) -> None:
    requested = [f"P-{number}" for number in range(0, 130, 2)]
    async with serving(list_shape=list_shape) as (sandbox, client):
        await stocked(sandbox, client, 120)
        by_way = {how: await outcomes_of(client, requested, how=how) for how in ("get", "scan", "auto")}
    assert by_way["get"] == by_way["scan"] == by_way["auto"]
    found = {key: outcome for key, outcome in by_way["get"].items() if isinstance(outcome, Found)}
    assert {key: outcome.stock.quantities.available for key, outcome in found.items()} == {
        f"P-{number}": number + 1 for number in range(0, 120, 2)
    }
    assert {type(by_way["get"][f"P-{number}"]) for number in range(120, 130, 2)} == {Missing}


@pytest.mark.virtual_time
@pytest.mark.parametrize(("requested", "way"), [(4, "get"), (5, "scan")])
async def test_the_automatic_way_is_the_cheaper_one(requested: int, way: str) -> None:
    api = shop(50)
    client, _ = fake(api)
    async with client:
        outcomes = await outcomes_of(client, [f"R-{number}" for number in range(requested)])
    assert {type(outcome) for outcome in outcomes.values()} == {Found}
    assert api.calls == {"filter": 1, "references": 1, way: requested if way == "get" else 1}


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["get", "scan"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_each_reference_gets_one_outcome_of_its_kind(how: str, is_async: bool) -> None:
    api = shop(20)
    api.stocks["no stock yet"] = None
    api.gone = {"S-3"}
    requested = ["R-1", "R-3", "R-1", "", "  ", "nobody's", "no stock yet", "R-2"]
    client, _ = fake(api)
    async with client:
        found, _ = await all_of(client.bulk.lookup_stocks(asynchronous(requested) if is_async else requested, how=how))
    assert Counter(outcome.key for outcome in found) == Counter(requested)
    kinds = {(outcome.key, type(outcome)) for outcome in found}
    assert kinds == {
        ("R-1", Found),
        ("R-1", Skipped),
        ("R-2", Found),
        ("R-3", Missing),
        ("", Refused),
        ("  ", Refused),
        ("nobody's", Missing),
        ("no stock yet", Missing),
    }


@pytest.mark.virtual_time
async def test_references_are_learned_once_and_an_unknown_one_is_not_searched_again_within_a_minute() -> None:
    api = shop(20)
    client, _ = fake(api)
    async with client:
        for reference in ("R-1", "R-2", "R-1"):
            await outcomes_of(client, [reference])
        assert api.calls["references"] == 1
        await outcomes_of(client, ["typo"])
        assert api.calls["references"] == 2
        for requested in (["typo"], ["typo", "R-3"], ["R-1"]):
            await outcomes_of(client, requested)
        assert api.calls["references"] == 2
        await asyncio.sleep(UNKNOWN_FOR + 1)
        await outcomes_of(client, ["R-1"])
        assert api.calls["references"] == 2
        assert isinstance((await outcomes_of(client, ["typo"]))["typo"], Missing)
        assert api.calls["references"] == 3


@pytest.mark.virtual_time
async def test_an_unknown_reference_stays_noted_when_another_one_is_searched() -> None:
    api = shop(20)
    client, _ = fake(api)
    async with client:
        for reference in ("typo 1", "typo 2", "typo 1", "typo 2", "typo 1"):
            await outcomes_of(client, [reference])
    assert api.calls["references"] == 2


@pytest.mark.virtual_time
async def test_a_newly_registered_reference_is_found_at_once() -> None:
    api = shop(3)
    client, _ = fake(api)
    async with client:
        await outcomes_of(client, ["R-1"])
        api.stocks["new"] = "S-new"
        assert isinstance((await outcomes_of(client, ["new"]))["new"], Found)
    assert api.calls["references"] == 2


@pytest.mark.virtual_time
async def test_look_ups_that_start_together_learn_once() -> None:
    api = shop(3)
    client, _ = fake(api, latency=1.0)
    async with client:
        await asyncio.gather(*(outcomes_of(client, [f"R-{number}"]) for number in range(3)))
    assert api.calls["references"] == 1


@pytest.mark.virtual_time
async def test_a_stock_that_vanished_is_missing_and_one_that_the_scan_passed_by_is_found() -> None:
    api = shop(10)
    client, transport = fake(api)
    script = transport.script

    def moving(sent: Sent) -> Answer:
        if "/stocks?" in sent.url:  # R-1's row moves away from the page that is just read, R-2's goes for ever
            api.calls["scan"] += 1
            return answer(200, {"items": [{"id": f"S-{number}"} for number in range(3, 10)]})
        return script(sent)

    transport.script = moving
    api.gone = {"S-2"}
    async with client:
        outcomes = await outcomes_of(client, [f"R-{number}" for number in range(1, 10)], how="scan")
    assert isinstance(outcomes["R-2"], Missing)
    assert Counter(map(type, outcomes.values())) == {Found: 8, Missing: 1}
    assert api.calls == {"references": 1, "scan": 1, "get": 2}


@pytest.mark.parametrize("fault", [Fault.MALFORMED_JSON, Fault.FOREIGN_LINK, Fault.LINK_LOOP], ids=lambda it: it.value)
async def test_if_the_references_cannot_be_had_every_look_up_has_failed(fault: Fault) -> None:
    async with serving() as (sandbox, client):
        await stocked(sandbox, client, 10)
        sandbox.faults.next(fault, operation="products.references", times=2)
        outcomes = await outcomes_of(client, [f"P-{number}" for number in range(10)], how="get")
        assert Counter(map(type, outcomes.values())) == {Failed: 10}
        sandbox.faults.clear()
        again = await outcomes_of(client, [f"P-{number}" for number in range(10)], how="get")
        assert Counter(map(type, again.values())) == {Found: 10}


async def test_a_scan_that_breaks_off_keeps_what_it_found_and_fails_the_rest() -> None:
    async with serving() as (sandbox, client):
        await stocked(sandbox, client, 10)
        sandbox.faults.next(Fault.MALFORMED_JSON, operation="stocks.list")
        outcomes = await outcomes_of(client, [f"P-{number}" for number in range(12)], how="scan")
        assert Counter(map(type, outcomes.values())) == {Failed: 10, Missing: 2}


async def test_one_call_that_fails_fails_one_look_up() -> None:
    async with serving() as (sandbox, client):
        await stocked(sandbox, client, 10)
        sandbox.faults.next(Fault.MALFORMED_JSON, operation="stocks.get")
        sandbox.faults.next(Fault.RESET_BEFORE, operation="stocks.get", times=3)  # tried again
        outcomes = await outcomes_of(client, [f"P-{number}" for number in range(10)], how="get")
        assert Counter(map(type, outcomes.values())) == {Failed: 1, Found: 9}


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["get", "scan"])
async def test_refused_credentials_end_the_look_up_with_one_outcome_each(how: str) -> None:
    api = shop(100)
    client, transport = fake(lambda sent: api(sent) if "references" in sent.url else answer(401, {"title": "no"}))
    refuse_later_tokens(transport)
    async with client:
        found, error = await all_of(client.bulk.lookup_stocks(api.stocks, how=how, concurrency=8))
    assert isinstance(error, AuthenticationError)
    assert Counter(outcome.key for outcome in found) == Counter(api.stocks.keys())
    assert {type(outcome) for outcome in found} == {Failed}
    assert len(transport.sent) <= 1 + 2 * 8


@pytest.mark.virtual_time
async def test_leaving_a_look_up_in_the_middle_decides_all_that_was_read() -> None:
    api = shop(500)
    client, transport = fake(api, latency=1.0)
    taken: list[Outcome] = []
    async with client, client.bulk.lookup_stocks(api.stocks, how="get", concurrency=10, drain=5.0) as run:
        async for outcome in run:
            taken.append(outcome)
            break
    everything = [*taken, *run.leftover]
    assert Counter(outcome.key for outcome in everything) == Counter(api.stocks.keys())
    assert set(map(type, everything)) == {Found, Skipped}
    assert len(transport.sent) < 100


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["get", "scan"])
async def test_two_references_of_one_stock_both_get_an_outcome(how: str) -> None:
    client, _ = fake(Shop({"A": "S-1", "B": "S-1"}))
    async with client:
        outcomes = await outcomes_of(client, ["A", "B"], how=how)
    assert set(outcomes) == {"A", "B"}


@pytest.mark.virtual_time
async def test_a_look_up_without_workers_is_refused() -> None:
    client, _ = fake(shop(3))
    async with client:
        with pytest.raises(ValueError):  # noqa: PT011
            await outcomes_of(client, ["R-1"], how="get", concurrency=0)


@pytest.mark.virtual_time
async def test_a_way_that_does_not_exist_is_refused() -> None:
    client, _ = fake(shop(3))
    async with client:
        with pytest.raises(ValueError):  # noqa: PT011
            await outcomes_of(client, ["R-1"], how="sacn")


async def test_sellers_look_into_their_own_stocks_only() -> None:
    async with serving() as (sandbox, client):
        await stocked(sandbox, client, 3)
        other = await outcomes_of(client.seller("98980"), ["P-1"])
        assert isinstance(other["P-1"], Missing)
        assert isinstance((await outcomes_of(client, ["P-1"]))["P-1"], Found)
