"""Stocks: one, all, by change, by country, by quantity."""

from typing import Any

import pytest

from octoffm_async.sandbox import Fault

from ..api import SECOND, Api, product
from ..conftest import Serve


async def fill(api: Api, *quantities: int) -> None:
    """Products REF-0, REF-1, … with so much stock each, put there one second after another."""
    await api.register(*(product(number) for number in range(len(quantities))))
    for number, quantity in enumerate(quantities):
        api.sandbox.clock.advance(1)
        if quantity:
            api.sandbox.add_stock(f"REF-{number}", quantity=quantity)


def available(pages: list[list[Any]]) -> list[int]:
    return [row["quantities"]["Available"] for page in pages for row in page]


async def test_a_stock_names_its_product_but_not_the_reference(api: Api) -> None:
    await fill(api, 5)
    (row,) = await api.references()
    stock = await api.stock("REF-0")
    assert stock["id"] == row["stockId"]
    assert (stock["productId"], stock["gtin"], stock["productCondition"]) == (row["productId"], row["gtin"], "New")
    assert stock["productState"] == "New"
    assert stock["quantities"] == {
        "Available": 5,
        "Allocated": 0,
        "Blocked": 0,
        "Litigation": 0,
        "Removal": 0,
        "Return": 0,
        "LogisticOperations": 0,
    }
    assert "sellerProductReference" not in stock


async def test_a_product_that_is_not_new_has_a_used_stock(api: Api) -> None:
    await api.register(product(1, productCondition="likenew"))
    stock = await api.stock("REF-1")
    assert (stock["productState"], stock["productCondition"]) == ("Used", "LikeNew")


async def test_an_unknown_stock_or_another_sellers_is_404(api: Api) -> None:
    await fill(api, 1)
    key = (await api.stock("REF-0"))["id"]
    assert (await api.get("/stocks/nothing")).is_problem(404)
    assert (await api.as_seller(SECOND).get(f"/stocks/{key}")).is_problem(404)


async def test_bounds_on_the_change_are_inclusive(api: Api) -> None:
    await fill(api, 1, 2, 3, 4)
    second, third = [(await api.stock(f"REF-{number}"))["updatedAt"] for number in (1, 2)]
    assert available(await api.walk("/stocks", limit=10, updatedAtMin=second)) == [2, 3, 4]
    assert available(await api.walk("/stocks", limit=10, updatedAtMax=third)) == [1, 2, 3]
    assert available(await api.walk("/stocks", limit=1, updatedAtMin=second, updatedAtMax=third)) == [2, 3]


async def test_a_list_by_change_ends_with_what_changed_last(api: Api) -> None:
    await fill(api, 1, 2, 3)
    low = (await api.stock("REF-0"))["updatedAt"]
    api.sandbox.clock.advance(1)
    api.sandbox.add_stock("REF-1", quantity=10)
    assert available(await api.walk("/stocks", limit=1, updatedAtMin=low)) == [1, 3, 12]
    assert available(await api.walk("/stocks", limit=1)) == [1, 12, 3]


async def test_a_storage_country_keeps_what_lies_there(api: Api) -> None:
    await fill(api, 1, 2, 0)
    api.sandbox.add_stock("REF-1", quantity=7, country="GB")
    assert available(await api.walk("/stocks", limit=1, storageCountry="FR")) == [1, 9]
    assert available(await api.walk("/stocks", limit=1, storageCountry="uk")) == [9]
    assert available(await api.walk("/stocks", limit=1, storageCountry="ES")) == []


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sort": "Available", "order": "Asc"}, [0, 2, 2, 5, 9]),
        ({"sort": "available", "order": "desc"}, [9, 5, 2, 2, 0]),
        ({"sort": "Available"}, [0, 2, 2, 5, 9]),
        ({"order": "Desc"}, [9, 5, 2, 2, 0]),
        ({"sort": "Available", "storageCountry": "FR"}, [2, 2, 5, 9]),
    ],
)
async def test_sorts_by_a_quantity(api: Api, limit: int, query: dict[str, str], expected: list[int]) -> None:
    await fill(api, 5, 2, 9, 0, 2)
    assert available(await api.walk("/stocks", limit=limit, **query)) == expected


async def test_sorts_by_any_type(api: Api) -> None:
    await fill(api, 5, 5)
    await api.order(lines=[{"sellerProductReference": "REF-0", "quantity": 3}])
    api.sandbox.clock.advance(5)
    pages = await api.walk("/stocks", limit=1, sort="Allocated", order="Desc")
    assert [row["quantities"]["Allocated"] for page in pages for row in page] == [3, 0]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"sort": "Colour"}, {"sort"}),
        ({"order": "Sideways"}, {"order"}),
        ({"updatedAtMin": "yesterday"}, {"updatedAtMin"}),
        ({"updatedAtMin": "2026-01-02T00:00:00Z", "updatedAtMax": "2026-01-01T00:00:00Z"}, {"updatedAtMin"}),
        ({"deliveryCountry": "FR", "storageCountry": "FR"}, {"storageCountry"}),
        ({"deliveryCountry": "FR", "updatedAtMin": "2026-01-01T00:00:00Z"}, {"updatedAtMin"}),
        ({"deliveryCountry": "FR", "updatedAtMax": "2026-01-01T00:00:00Z"}, {"updatedAtMax"}),
        ({"deliveryCountry": "FR", "sort": "Available", "order": "Asc"}, {"sort", "order"}),
    ],
)
async def test_filters_that_make_no_sense_are_400(api: Api, query: dict[str, str], fields: set[str]) -> None:
    answer = await api.get("/stocks", limit=1, **query)
    assert answer.is_problem(400)
    assert set(answer.json["errors"]) == fields


async def test_a_delivery_country_alone_keeps_all(api: Api) -> None:
    await fill(api, 1, 0)
    assert available(await api.walk("/stocks", limit=10, deliveryCountry="FR")) == [1, 0]


async def test_unknown_parameters_are_ignored(api: Api) -> None:
    await fill(api, 1)
    assert available(await api.walk("/stocks", limit=10, productState="Used", gtin="NONE")) == [1]


async def test_a_reference_names_its_stock_and_no_other(api: Api) -> None:
    await fill(api, 5, 0, 2)
    await api.as_seller(SECOND).register(product(7))
    for number, quantity in enumerate((5, 0, 2)):
        answer = await api.get("/stocks", limit=1, sellerProductReference=f"REF-{number}")
        assert (answer.status, answer.next) == (200, None)
        assert answer.json["items"] == [await api.stock(f"REF-{number}")]
        assert answer.json["items"][0]["quantities"]["Available"] == quantity
    for unknown in ("REF-9", "REF-7", "ref-0", " REF-0", "%"):
        answer = await api.get("/stocks", limit=10, sellerProductReference=unknown)
        assert (answer.status, answer.json["items"], answer.next) == (200, [], None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"storageCountry": "FR"}, True),
        ({"storageCountry": "ES"}, False),
        ({"updatedAtMin": "2000-01-01"}, True),
        ({"updatedAtMax": "2000-01-01"}, False),
        ({"deliveryCountry": "DE"}, True),
        ({"sort": "Available", "order": "Desc"}, True),
    ],
)
async def test_a_reference_goes_with_other_filters(api: Api, query: dict[str, object], found: bool) -> None:
    await fill(api, 5, 2)
    answer = await api.get("/stocks", limit=10, sellerProductReference="REF-1", **query)
    assert [row["quantities"]["Available"] for row in answer.json["items"]] == ([2] if found else [])


@pytest.mark.parametrize("wrong", [{"sort": "Nonsense"}, {"order": "Up"}, {"cursor": "x"}, {"limit": 0}])
async def test_a_reference_excuses_no_other_mistake(api: Api, wrong: dict[str, object]) -> None:
    answer = await api.get("/stocks", **{"limit": 10, "sellerProductReference": "NONE", **wrong})
    assert answer.is_problem(400)


async def test_a_stock_that_is_not_seen_yet_has_no_reference(api: Api) -> None:
    api.sandbox.faults.next(Fault.LATE_VISIBILITY, value=5)
    await api.register(product(1))
    assert (await api.get("/stocks", limit=1, sellerProductReference="REF-1")).json["items"] == []
    api.sandbox.clock.advance(5)
    assert len((await api.get("/stocks", limit=1, sellerProductReference="REF-1")).json["items"]) == 1


async def test_a_sandbox_may_ignore_references_as_a_sister_route_does(serve: Serve) -> None:
    api = await serve(reference_filter="ignored")
    await fill(api, 5, 2)
    assert available(await api.walk("/stocks", limit=1, sellerProductReference="NONE")) == [5, 2]
