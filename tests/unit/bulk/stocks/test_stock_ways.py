"""Looking stocks up where the API obeys the filter by reference, ignores it, refuses it, or answers it with nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from octoffm_async import Failed, Found, Quantities, Stock
from octoffm_async.bulk.outcomes import Outcome, total
from octoffm_async.bulk.stocks.references import ReferenceIndex, References
from octoffm_async.contract.products import ProductCondition, SellerReference
from octoffm_async.errors import PagingError, UnusableAnswerError
from tests.support.production import Production, opened

pytestmark = pytest.mark.one_loop

FILTERS: list[str | int] = ["works", "ignored", "empty", "prefix", 400, 404, 422, 500]


async def looked_up(client: Any, *references: str, **options: Any) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    async with client.bulk.lookup_stocks(references, **options) as run:
        async for outcome in run:
            assert outcome.key not in found, "a second outcome"
            found[outcome.key] = outcome
    assert set(found) == set(references)
    return found


def shown(outcomes: dict[str, Outcome]) -> dict[str, int | str | None]:
    """What is available of each, or the kind of its outcome."""
    return {
        key: outcome.quantities.available if isinstance(outcome, Found) else type(outcome).__name__
        for key, outcome in outcomes.items()
    }


@pytest.mark.parametrize("how", ["auto", "get", "scan"])
@pytest.mark.parametrize("with_ids", [False, True], ids=["by product", "by stockId"])
@pytest.mark.parametrize("filter_", FILTERS)
async def test_all_stocks_of_a_reference_count_whatever_the_filter_does(
    filter_: str | int, with_ids: bool, how: str
) -> None:
    api = Production(filter_)
    for reference, numbers in {"R-3": [30, 7], "R-0": [0], "R-37": [5], "R-9": [9], "none": []}.items():
        stocks = api.product(reference, *numbers)
        if with_ids and stocks:
            (row,) = [row for row in api.references if row["sellerProductReference"] == reference]
            api.references.remove(row)
            api.references += [row | {"stockId": stock["id"]} for stock in stocks]
    async with opened(api) as client:
        for _ in range(2):
            found = await looked_up(client, "R-3", "R-0", "R-37", "none", "no such", how=how)
            assert shown(found) == {"R-3": 37, "R-0": 0, "R-37": 5, "none": "Missing", "no such": "Missing"}
            assert isinstance(found["R-3"], Found)
            assert len(found["R-3"].stocks) == 2
            assert found["R-3"].stock is found["R-3"].stocks[0]


async def test_a_filter_that_works_needs_no_reference_list_and_is_proven_once() -> None:
    api = Production("works")
    api.product("R-37", 30, 7)
    api.product("R-1", 1)
    async with opened(api) as client:
        assert (await client.bulk.prove_stock_filter()).obeyed
        assert api.calls == {"filter": 1, "scan": 1}
        for view in (client, client.with_options(deadline=30), client.seller("12345")):
            found = await looked_up(view, "R-37", "R-1", "no such", how="filter")
            assert shown(found) == {"R-37": 37, "R-1": 1, "no such": "Missing"}
    assert api.calls == {"filter": 1 + 3 * 3, "scan": 1}


@pytest.mark.parametrize("filter_", ["ignored", 400, 404])
async def test_a_filter_that_is_not_obeyed_is_reported_once_and_never_used(
    filter_: str | int, caplog: pytest.LogCaptureFixture
) -> None:
    api = Production(filter_)
    api.product("R-1", 1)
    api.product("R-2", 2)
    with caplog.at_level(logging.WARNING, "octoffm_async"):
        async with opened(api) as client:
            for _ in range(2):
                assert shown(await looked_up(client, "R-1")) == {"R-1": 1}
            forced = await looked_up(client, "R-1", "no such", how="filter")
            proof = await client.bulk.prove_stock_filter()
    assert {type(outcome) for outcome in forced.values()} == {Failed}
    assert not proof.obeyed
    assert all(proof.reason in str(outcome.error) for outcome in forced.values() if isinstance(outcome, Failed))
    assert api.calls["filter"] == 1
    assert [record.getMessage() for record in caplog.records].count(
        f"the client does not use the filter of stocks by sellerProductReference for seller 12345: {proof.reason}"
    ) == 1


async def test_each_seller_has_its_own_proof() -> None:
    api = Production("works")
    api.product("R-1", 1)
    async with opened(api) as client:
        for seller in ("1", "2", "1"):
            assert (await client.seller(seller).bulk.prove_stock_filter()).obeyed
    assert api.calls["filter"] == 2


async def test_an_empty_answer_concludes_nothing_until_the_filter_has_shown_a_stock() -> None:
    api = Production("empty")
    for number in range(100):
        api.product(f"R-{number}", number)
    async with opened(api) as client:
        found = await looked_up(client, *(f"R-{number}" for number in range(3)), "no such")
        assert shown(found) == {"R-0": 0, "R-1": 1, "R-2": 2, "no such": "Missing"}
        asked = api.calls["filter"]
        assert shown(await looked_up(client, "R-5")) == {"R-5": 5}
        assert api.calls["filter"] == asked, "a filter that was caught is asked again"


async def test_a_filter_that_shows_nothing_is_not_asked_for_everything() -> None:
    api = Production("empty")
    requested = [f"R-{number}" for number in range(100)]
    for reference in requested:
        api.product(reference, 1)
    api.references += [{"sellerProductReference": f"X-{number}", "productId": "X"} for number in range(13_000)]
    async with opened(api) as client:
        found = await looked_up(client, *requested, concurrency=8)
    assert {type(outcome) for outcome in found.values()} == {Found}
    assert api.calls["filter"] <= 1 + 32 + 8


async def test_a_seller_without_stock_proves_nothing() -> None:
    api = Production("ignored")
    api.product("R-1")
    api.product("R-2")
    async with opened(api) as client:
        proof = await client.bulk.prove_stock_filter()
        assert not proof.obeyed
        assert shown(await looked_up(client, "R-1")) == {"R-1": "Missing"}
        forced = await looked_up(client, "R-1", how="filter")
        assert isinstance(forced["R-1"], Failed)
        api.stock("R-1", 5, product="P-R-1")
        api.stock("R-2", 6, product="P-R-2")
        assert shown(await looked_up(client, "R-1", "R-2")) == {"R-1": 5, "R-2": 6}


@pytest.mark.parametrize("how", ["auto", "get", "scan"])
async def test_a_product_of_several_references_is_not_guessed(how: str) -> None:
    api = Production("ignored")
    new = api.product("NEW", 5, product="P", productCondition="New")
    worn = api.product("WORN", 3, product="P", productCondition="LikeNew")
    api.product("OTHER", 8)
    async with opened(api) as client:
        found = await looked_up(client, "NEW", "WORN", "OTHER", how=how)
        assert shown(found) == {"NEW": "Failed", "WORN": "Failed", "OTHER": 8}  # productState says New for each
        assert isinstance(found["NEW"], Failed)
        assert isinstance(found["NEW"].error, UnusableAnswerError)
        assert "productCondition" in str(found["NEW"].error)
        new[0]["productCondition"], worn[0]["productCondition"] = "new", "LikeNew"
        found = await looked_up(client, "NEW", "WORN", how=how)
        assert shown(found) == {"NEW": 5, "WORN": 3}
        worn[0]["productCondition"] = "Used"  # the condition of neither
        assert shown(await looked_up(client, "NEW", "WORN", how=how)) == {"NEW": "Failed", "WORN": "Failed"}


async def test_a_stock_that_one_reference_names_is_not_another_ones() -> None:
    api = Production("ignored")
    (first,) = api.product("A", 5, product="P", productCondition="New")
    api.references[0]["stockId"] = first["id"]
    api.product("B", product="P", productCondition="LikeNew")
    async with opened(api) as client:
        assert shown(await looked_up(client, "A", "B")) == {"A": 5, "B": "Missing"}
        api.stock("B", 2, product="P")
        assert shown(await looked_up(client, "A", "B")) == {"A": 5, "B": "Failed"}


async def test_the_filter_finds_what_a_join_cannot_show() -> None:
    api = Production("works")
    api.product("NEW", 5, product="P", productCondition="New")
    api.product("WORN", 3, product="P", productCondition="LikeNew")
    async with opened(api) as client:
        assert shown(await looked_up(client, "NEW", "WORN")) == {"NEW": 5, "WORN": 3}


@pytest.mark.parametrize("filter_", ["ignored", "works"])
async def test_a_quantity_that_one_stock_does_not_show_has_no_sum(filter_: str) -> None:
    api = Production(filter_)
    api.product("A", 30, None)
    api.product("B", None)
    async with opened(api) as client:
        found = await looked_up(client, "A", "B")
        assert shown(found) == {"A": None, "B": None}


async def test_rows_that_cannot_be_read_conclude_nothing() -> None:
    api = Production("ignored")
    api.product("A", 1)
    api.references += [{"sellerProductReference": "", "productId": "P-B"}]
    api.references += [{"sellerProductReference": "C"}]
    async with opened(api) as client:
        found = await looked_up(client, "A", "B", "C")
        assert shown(found) == {"A": "Failed", "B": "Failed", "C": "Failed"}  # C may be of A's product, too
        api.stocks[0]["productCondition"] = api.references[0]["productCondition"] = "New"
    async with opened(api) as client:
        assert shown(await looked_up(client, "A")) == {"A": 1}


@pytest.mark.parametrize("on_bad_row", [None, "raise", "skip"])
async def test_rows_without_an_identity_conclude_nothing_and_cost_no_other(on_bad_row: Any) -> None:
    api = Production("ignored")
    (named,) = api.product("A", 1)
    api.references[0]["stockId"] = named["id"]
    api.references += [{"productId": "P-B"}]
    async with opened(api) as client:
        client = client.with_options(on_bad_row=on_bad_row)  # noqa: PLW2901
        assert shown(await looked_up(client, "A", "B")) == {"A": 1, "B": "Failed"}
    del api.references[1]
    api.product("C", 3)
    api.stocks += [{"productId": "P-C", "quantities": {"Available": 9}}]
    async with opened(api) as client:
        client = client.with_options(on_bad_row=on_bad_row)  # noqa: PLW2901
        assert shown(await looked_up(client, "A", "C", "no such")) == {"A": 1, "C": "Failed", "no such": "Missing"}


async def test_stocks_without_a_product_may_be_anyones() -> None:
    api = Production("ignored")
    api.product("A", 1)
    (named,) = api.product("B", 2)
    api.references[-1]["stockId"] = named["id"]
    api.product("C")
    api.stocks.append({"id": "S-odd", "quantities": {"Available": 9}})
    async with opened(api) as client:
        assert shown(await looked_up(client, "A", "B", "C")) == {"A": "Failed", "B": 2, "C": "Failed"}


async def test_a_reference_list_without_a_proven_end_concludes_nothing() -> None:
    api = Production("ignored")
    api.references += [{"sellerProductReference": f"X-{number}", "productId": f"X-{number}"} for number in range(1500)]
    api.product("R-1", 1)
    proper = api._page

    def looping(request: Any, rows: Any) -> Any:
        given = proper(request, rows)
        if rows is api.references:
            given.headers["Link"] = f'<{request.path}?limit=1000&cursor=1000>; rel="next"'
        return given

    api._page = looping  # type: ignore[method-assign]
    async with opened(api) as client:
        found = await looked_up(client, "R-1", "no such")
    assert {type(outcome) for outcome in found.values()} == {Failed}
    assert {type(outcome.error) for outcome in found.values() if isinstance(outcome, Failed)} == {PagingError}


@pytest.mark.parametrize(("filter_", "pages"), [("ignored", 5), ("works", 1)])
async def test_look_ups_through_many_views_read_the_references_once(filter_: str, pages: int) -> None:
    api = Production(filter_)
    for number in range(5000):
        (stock,) = api.product(f"R-{number}", number)
        api.references[-1]["stockId"] = stock["id"]
    async with opened(api) as client:
        views: list[Any] = [client.with_options(deadline=100 + number) for number in range(10)]
        views += [client.seller("12345") for _ in range(10)]
        for place, view in enumerate(views):
            found = await looked_up(view, *(f"R-{number}" for number in range(place, 5000, 500)))
            assert shown(found) == {f"R-{number}": number for number in range(place, 5000, 500)}
    assert api.calls["references"] == pages


async def test_ids_may_be_whole_numbers() -> None:
    for filter_ in ("works", "ignored"):
        api = Production(filter_)
        stocks = api.product("A", 30, 7, product=42)
        stocks += api.product("B", 1, product=43)
        api.references[-1]["stockId"] = 3
        for number, stock in enumerate(stocks, start=1):
            api.owners[number] = api.owners[stock["id"]]
            stock["id"] = number
        async with opened(api) as client:
            assert shown(await looked_up(client, "A", "B")) == {"A": 37, "B": 1}


async def test_look_ups_that_start_together_read_the_references_once_even_if_one_is_cancelled() -> None:
    api = Production("ignored")
    for number in range(2500):
        api.product(f"R-{number}", number)
    async with opened(api) as client:
        await client.bulk.prove_stock_filter()
        api.reading = asyncio.Event()
        first = asyncio.create_task(looked_up(client, "R-1", drain=0))
        await api.asked.wait()
        others = [asyncio.create_task(looked_up(client.with_options(deadline=50), f"R-{each}")) for each in range(2, 6)]
        index = ReferenceIndex.of(client._scope)
        while index._under_way is None or index._under_way.waiting < 5:  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait((first,))
        api.reading.set()
        found = await asyncio.gather(*others)
    assert first.cancelled()
    assert [shown(each) for each in found] == [{f"R-{each}": each} for each in range(2, 6)]
    assert api.calls["references"] == 3


async def test_a_reading_that_nobody_waits_for_ends() -> None:
    api = Production("ignored")
    for number in range(2500):
        api.product(f"R-{number}", number)
    async with opened(api) as client:
        api.reading = asyncio.Event()
        task = asyncio.create_task(looked_up(client, "R-1", drain=0))
        await api.asked.wait()
        task.cancel()
        await asyncio.wait((task,))
        api.reading.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not [each for each in asyncio.all_tasks() if each.get_name() == "octoffm: references"]
        assert shown(await looked_up(client, "R-1")) == {"R-1": 1}


async def test_one_look_up_whose_deadline_passes_fails_no_other() -> None:
    api = Production("ignored")
    api.product("R-1", 1)
    async with opened(api) as client:
        await client.bulk.prove_stock_filter()
        api.reading = asyncio.Event()
        hasty = asyncio.create_task(looked_up(client.with_options(deadline=0.05, retries=0), "R-1"))
        await api.asked.wait()
        patient = asyncio.create_task(looked_up(client, "R-1"))
        assert shown(await hasty) == {"R-1": "Failed"}
        api.reading.set()
        assert shown(await patient) == {"R-1": 1}


@pytest.mark.parametrize(
    ("requested", "calls"),
    [
        (3, {"filter": 1 + 3, "scan": 1}),
        (24, {"filter": 1 + 24, "scan": 1, "references": 3}),  # more would cost more than the filter
        (200, {"filter": 1, "scan": 1 + 5, "references": 5}),
    ],
)
async def test_the_cheapest_way_is_taken(requested: int, calls: dict[str, int]) -> None:
    api = Production("works")
    for number in range(5000):
        api.product(f"R-{number}", number)
    references = [f"R-{number}" for number in range(0, 5000, 5000 // requested)][:requested]
    async with opened(api) as client:
        assert set(map(type, (await looked_up(client, *references)).values())) == {Found}
        assert api.calls == calls
        await looked_up(client, *references)
    assert api.calls["references"] == calls.get("references", 0), "the references are read again"


async def test_a_proven_filter_does_without_a_reference_list_that_cannot_be_read() -> None:
    api = Production("works")
    for number in range(50):
        api.product(f"R-{number}", number)
    api.broken = True
    async with opened(api) as client:
        found = await looked_up(client, *(f"R-{number}" for number in range(50)))
    assert shown(found) == {f"R-{number}": number for number in range(50)}


async def test_what_is_kept_ends_with_the_session() -> None:
    api = Production("works")
    api.product("R-1", 1)
    async with opened(api) as client:
        bulk = client.bulk
        assert (await bulk.prove_stock_filter()).obeyed
        await client.close()
        api.filter = "ignored"
        await client.open()
        assert not (await bulk.prove_stock_filter()).obeyed
        assert shown(await looked_up(client, "R-1")) == {"R-1": 1}


def reference(name: str, **fields: Any) -> SellerReference:
    return SellerReference(seller_product_reference=name, **fields)


NEW, WORN = ProductCondition.NEW, ProductCondition.LIKE_NEW


@pytest.mark.parametrize(
    ("rows", "condition", "owned"),
    [
        ([("A", None)], None, True),
        ([("A", NEW)], None, True),
        ([("A", None)], NEW, True),
        ([("A", NEW)], NEW, True),
        ([("A", NEW)], WORN, None),
        ([("A", NEW), ("B", WORN)], None, None),
        ([("A", NEW), ("B", WORN)], NEW, True),
        ([("A", NEW), ("B", WORN)], WORN, False),
        ([("A", NEW), ("B", NEW)], NEW, None),
        ([("A", NEW), ("B", None)], NEW, True),
        ([("A", None), ("B", NEW)], NEW, None),
        ([("A", None), ("B", None)], None, None),
        ([("A", NEW), ("", WORN)], None, None),
        ([("A", NEW)] + [(f"B-{number}", None) for number in range(200)], NEW, None),
    ],
)
def test_a_stock_belongs_to_a_reference_only_if_something_shows_it(
    rows: list[tuple[str, ProductCondition | None]], condition: ProductCondition | None, owned: bool | None
) -> None:
    known = References()
    known.add([reference(name, product_id="P", product_condition=each) for name, each in rows])
    known.sort()
    assert known.owns("A", Stock(id="S", product_id="P", product_condition=condition)) is owned
    known.close()


def test_the_reference_of_a_stock_is_reported_only_if_it_is_sure() -> None:
    known = References()
    known.add(
        [
            reference("A", product_id="P"),
            reference("B", product_id="Q", product_condition=NEW),
            reference("C", product_id="Q", product_condition=WORN),
            reference("D", product_id="R", stock_id="S-4"),
        ]
    )
    known.sort()
    stocks = [
        Stock(id="S-1", product_id="P"),
        Stock(id="S-2", product_id="Q"),
        Stock(id="S-3", product_id="Q", product_condition=WORN),
        Stock(id="S-4", product_id="R"),
        Stock(id="S-5", product_id="R"),
        Stock(id="S-6", product_id="nobody's"),
        Stock(id="S-7"),
    ]
    assert [known.reference_of(stock) for stock in stocks] == ["A", None, "C", "D", None, None, None]
    known.close()


def test_a_sum_needs_every_part() -> None:
    stocks = [
        Stock(id="1", quantities=Quantities(available=30, blocked=2, return_=1)),
        Stock(id="2", quantities=Quantities(available=7, return_=0)),
    ]
    assert total(stocks) == Quantities(available=37, return_=1)
    assert total(stocks[:1]) == stocks[0].quantities
    found = Found(key="A", stocks=stocks)
    assert (found.stock, found.quantities) == (stocks[0], total(stocks))
