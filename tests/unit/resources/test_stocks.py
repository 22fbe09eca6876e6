"""client.stocks against the sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import pytest

from octoffm_async import QuantityType, SortOrder, ValidationError
from octoffm_async.errors import BadRequestError, NotFoundError
from tests.support.fakes import answer
from tests.support.items import fake
from tests.support.production import Production, opened

WRONG_IDS = ["", " ", ".", "..", "a\nb", "a\0b", "a\x7fb", "\u2028"]
ODD_IDS = ["a?b=c", "a#b", "a%2Fb", "a b", "é", "{stockId}", "..a", "a;b", "%00"]
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


async def listed(client, **filters) -> list[int]:
    return [stock.quantities.available async for stock in client.stocks.list(**filters)]


async def test_a_stock_is_read_by_its_id(shop) -> None:
    rows = [row async for row in shop.client.products.references()]
    stock = await shop.client.stocks.get(rows[3].stock_id)
    assert (stock.id, stock.product_id, stock.gtin) == (rows[3].stock_id, rows[3].product_id, rows[3].gtin)
    assert stock.quantities.available == 4
    assert [part.storage_country for part in stock.localizations] == ["FR"]


async def test_a_stock_of_nobody_or_of_another_seller_is_not_found(shop) -> None:
    [first, *_] = [row async for row in shop.client.products.references()]
    with pytest.raises(NotFoundError):
        await shop.client.seller("98980").stocks.get(first.stock_id)
    with pytest.raises(NotFoundError):
        await shop.client.stocks.get("nobody's")


@pytest.mark.parametrize("wrong", WRONG_IDS, ids=ascii)
async def test_an_id_that_cannot_be_part_of_an_address_is_refused_before_it_is_sent(pair, wrong: str) -> None:
    with pytest.raises(ValidationError):
        await pair.client.stocks.get(wrong)
    with pytest.raises(ValidationError):
        await pair.client.outbound.get(wrong)
    assert pair.sandbox.requests.total == 0


@pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
async def test_an_odd_id_stays_one_segment_and_reaches_no_other_route(pair, odd: str) -> None:
    for method, operation in ((pair.client.stocks.get, "stocks.get"), (pair.client.outbound.get, "outbound.get")):
        with pytest.raises(NotFoundError) as caught:
            await method(odd)
        assert caught.value.operation == operation
        assert pair.sandbox.requests.count(operation, 404) == 1
    assert pair.sandbox.requests.total == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize("odd", ["a/b", "../stocks", "a\\b", *ODD_IDS], ids=ascii)
async def test_an_odd_id_is_sent_as_one_segment(odd: str) -> None:
    client, transport = fake(lambda sent: answer(404, {"title": "Not Found"}))
    async with client:
        for method in (client.stocks.get, client.outbound.get):
            with pytest.raises(NotFoundError):
                await method(odd)
    for sent, name in zip(transport.sent, ("stocks", "outbound-shipments"), strict=True):
        head, _, last = sent.url.rpartition("/")
        assert head == f"http://127.0.0.1:9/seller/v2/{name}"
        assert unquote(last) == odd
        assert not set(last) & set("?# ;")


@pytest.mark.parametrize("odd", ["a/b", "../stocks", "../../x"])
async def test_an_id_with_a_slash_is_not_found_and_leads_nowhere_else(shop, odd: str) -> None:
    for method in (shop.client.stocks.get, shop.client.outbound.get):
        with pytest.raises(NotFoundError):
            await method(odd)


@pytest.mark.parametrize("limit", [1, 3, 10, 1000])
async def test_stocks_come_whole_whatever_the_page(shop, limit: int) -> None:
    assert await listed(shop.client, limit=limit) == list(range(1, 11))


async def test_stocks_can_be_sorted_by_a_quantity(shop) -> None:
    for order, expected in ((SortOrder.ASC, range(1, 11)), (SortOrder.DESC, range(10, 0, -1))):
        found = await listed(shop.client, sort=QuantityType.AVAILABLE, order=order, limit=4)
        assert found == list(expected)
    assert await listed(shop.client, sort="Available", order="Desc") == list(range(10, 0, -1))


async def test_stocks_can_be_filtered_by_country(shop) -> None:
    assert await listed(shop.client, storage_country="FR", limit=2) == [2, 4, 6, 8, 10]
    assert await listed(shop.client, storage_country="ES") == []
    assert await listed(shop.client, delivery_country="FR", limit=3) == list(range(1, 11))


async def test_stocks_can_be_filtered_by_the_time_of_their_change(shop) -> None:
    changed = [stock.updated_at async for stock in shop.client.stocks.list()]
    assert await listed(shop.client, updated_at_min=changed[6], limit=2) == [7, 8, 9, 10]
    assert await listed(shop.client, updated_at_max=changed[2], limit=2) == [1, 2, 3]
    assert await listed(shop.client, updated_at_min=changed[4], updated_at_max=changed[5]) == [5, 6]
    elsewhere = changed[6].astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert await listed(shop.client, updated_at_min=elsewhere) == [7, 8, 9, 10]


@pytest.mark.parametrize(("filter_", "found"), [("works", [30, 7]), ("ignored", [30, 7, 1]), ("empty", [])])
async def test_stocks_can_be_asked_for_by_reference(filter_: str, found: list[int]) -> None:
    api = Production(filter_)
    api.product("R-37 é&+", 30, 7)
    api.product("R-1", 1)
    async with opened(api) as client:
        assert await listed(client, seller_product_reference="R-37 é&+", limit=1) == found


async def test_a_list_goes_on_from_a_cursor(shop) -> None:
    first = await anext(shop.client.stocks.list(limit=4).pages())
    assert await listed(shop.client, limit=4, resume_from=first.next_cursor) == list(range(5, 11))


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"updated_at_min": NOW.replace(tzinfo=None)},
        {"updated_at_min": NOW, "updated_at_max": NOW - timedelta(seconds=1)},
        {"seller_product_reference": ""},
        {"seller_product_reference": "  "},
        {"seller_product_reference": 5},
        {"seller_product_reference": "\ud800"},
        {"delivery_country": "FR", "storage_country": "FR"},
        {"delivery_country": "FR", "sort": "Available"},
        {"delivery_country": "FR", "order": "Asc"},
        {"delivery_country": "FR", "updated_at_min": NOW},
        {"delivery_country": "FR", "updated_at_max": NOW},
    ],
    ids=ascii,
)
async def test_filters_that_cannot_be_right_are_refused_here(pair, filters) -> None:
    with pytest.raises(ValidationError):
        pair.client.stocks.list(**filters)
    assert pair.sandbox.requests.total == 0


@pytest.mark.parametrize("filters", [{"sort": "Sideways"}, {"order": "Up"}, {"resume_from": "not a cursor"}], ids=str)
async def test_filters_that_only_the_api_knows_are_refused_there(shop, filters) -> None:
    with pytest.raises(BadRequestError) as caught:
        await listed(shop.client, **filters)
    assert caught.value.field_errors


async def test_each_seller_sees_its_own(shop) -> None:
    assert await listed(shop.client.seller("98980")) == []
