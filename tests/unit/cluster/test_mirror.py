"""Mirrors in PostgreSQL end with what the API holds, whatever stops them, and their numbers miss nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import FulfillmentClient, ServerError
from octoffm_async.cluster import mirror
from octoffm_async.cluster.mirror import MirrorResult, mirror_changes, mirror_stocks, prepare_mirrors
from octoffm_async.contract.stocks import Stock
from octoffm_async.sandbox import Sandbox
from octoffm_async.stores.database import Database
from octoffm_async.transport.response import Response
from tests.support.fakes import Sent, answer
from tests.unit.feeds.test_change_feed import NOON, Shop, opened

pytestmark = pytest.mark.one_loop


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    async with Database(postgres) as database:
        await prepare_mirrors(database)
        await prepare_mirrors(database)
        yield database


async def rows(database: Database, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        return await (await connection.execute(statement, values)).fetchall()


async def view(database: Database) -> dict[str, str]:
    return dict(await rows(database, "SELECT id, item->>'status' FROM octoffm_changes"))


async def numbers(database: Database) -> list[str]:
    return [row[0] for row in await rows(database, "SELECT id FROM octoffm_changes ORDER BY number")]


class TestStocks:
    """Of a sandbox."""

    async def test_each_stock_is_a_row_that_follows_it(self, database: Database) -> None:
        async with Sandbox(seed=7, catalogue=5) as sandbox, FulfillmentClient(sandbox.config(limit=None)) as client:
            other = client.seller("98980")
            assert await mirror_stocks(database, client) == MirrorResult(5, 5)
            assert await mirror_stocks(database, other) == MirrorResult(0, 0)
            stocks = {stock.id: stock async for stock in client.stocks.list()}
            found = await rows(
                database,
                "SELECT seller, id, product_id, product_condition, product_state, gtin, updated_at, available, item "
                "FROM octoffm_stocks",
            )
            assert {row[1] for row in found} == set(stocks)
            for seller, key, *columns, available, item in found:
                stock = stocks[key]
                assert seller == client.seller_id
                assert columns == [
                    stock.product_id,
                    stock.product_condition,
                    stock.product_state,
                    stock.gtin,
                    stock.updated_at,
                ]
                assert available == stock.quantities.available > 0
                assert msgspec.convert(item, type(stock)) == stock
            reference = next(iter([reference async for reference in client.products.references()]))
            sandbox.clock.advance(120)
            sandbox.add_stock(reference.seller_product_reference, quantity=1)
            assert (await mirror_stocks(database, client)).changed == 1
            (changed,) = await rows(database, "SELECT available FROM octoffm_stocks WHERE id = %s", reference.stock_id)
            assert changed[0] == stocks[reference.stock_id or ""].quantities.available + 1
            assert (await mirror_stocks(database, client)).changed == 0

    async def test_each_quantity_has_its_column(self, database: Database) -> None:
        names = ["available", "allocated", "blocked", "litigation", "removal", "return", "logisticOperations"]
        quantities = {name: number for number, name in enumerate(names, 1)}
        stock = {"id": "S\0-1", "productId": "P", "updatedAt": "2026-03-01T12:00:00Z", "quantities": quantities}

        async with opened(lambda _: answer(200, {"items": [stock]})) as client:
            assert await mirror_stocks(database, client) == MirrorResult(1, 1)
        (row,) = await rows(
            database,
            "SELECT id, item->>'id', available, allocated, blocked, litigation, removal, return, logistic_operations "
            "FROM octoffm_stocks",
        )
        assert row == ("S\ufffd-1", "S\ufffd-1", 1, 2, 3, 4, 5, 6, 7)

    async def test_a_quantity_that_was_not_told_is_null_also_in_tables_of_an_older_version(
        self, database: Database
    ) -> None:
        async with database.connection() as connection:
            await connection.execute("ALTER TABLE octoffm_stocks ALTER COLUMN available SET NOT NULL")
            await connection.execute("ALTER TABLE octoffm_stocks ALTER COLUMN logistic_operations SET NOT NULL")
            await connection.execute("UPDATE octoffm_schema SET version = 1 WHERE part = 'mirrors'")
        await prepare_mirrors(database)
        changed = "2026-03-01T12:00:00Z"
        part = {"storageCountry": "FR", "quantities": {"Blocked": 1}}
        stocks = [
            {"id": "S-1", "updatedAt": changed, "quantities": {"Blocked": 2}, "localizations": [part]},
            {"id": "S-2", "updatedAt": changed, "quantities": {}},
            {"id": "S-3", "updatedAt": changed},
            {"id": "S-4", "updatedAt": changed, "quantities": {"Available": 0}},
        ]
        async with opened(lambda _: answer(200, {"items": stocks})) as client:
            assert await mirror_stocks(database, client) == MirrorResult(4, 4)
            assert (await mirror_changes(database, client, kinds=["stocks"])).changed == 4
        found = await rows(
            database, "SELECT id, available, blocked, logistic_operations FROM octoffm_stocks ORDER BY id"
        )
        assert found == [
            ("S-1", None, 2, None),
            ("S-2", None, None, None),
            ("S-3", None, None, None),
            ("S-4", 0, None, None),
        ]
        for table in ("octoffm_stocks", "octoffm_changes"):
            items = dict(await rows(database, f"SELECT id, item FROM {table}"))  # type: ignore[arg-type]  # noqa: S608
            assert items["S-1"]["quantities"]["Available"] is None
            assert items["S-1"]["localizations"][0]["quantities"]["Available"] is None
            assert items["S-4"]["quantities"]["Available"] == 0

    async def test_items_have_the_names_of_the_contract_however_the_api_spells_them(self, database: Database) -> None:
        part = {"StorageCountry": "FR", "Quantities": {"available": 4}}
        stock = {"Id": "S-1", "UpdatedAt": "2026-03-01T12:00:00Z", "Quantities": {"available": 7}, "Shelf": "B"}
        async with opened(lambda _: answer(200, {"Items": [stock | {"Localizations": [part]}]})) as client:
            assert await mirror_stocks(database, client) == MirrorResult(1, 1)
            assert (await mirror_stocks(database, client)).changed == 0
        ((available, item),) = await rows(database, "SELECT available, item FROM octoffm_stocks")
        assert available == 7
        assert (item["id"], item["quantities"]["Available"], item["Shelf"]) == ("S-1", 7, "B")
        assert item["localizations"][0]["quantities"]["Available"] == 4


class TestChanges:
    """Of a list that pages as badly as any."""

    async def test_each_kind_and_seller_has_its_own_rows_and_watermark(self, database: Database) -> None:
        async with Sandbox(seed=7, catalogue=4) as sandbox, FulfillmentClient(sandbox.config(limit=None)) as client:
            assert await mirror_changes(database, client) == MirrorResult(4, 4)
            assert await mirror_changes(database, client.seller("98980"), kinds=["stocks"]) == MirrorResult(0, 0)
        assert await rows(database, "SELECT DISTINCT kind, seller FROM octoffm_changes") == [("stocks", "12345")]
        marks = await rows(database, "SELECT seller, mirror, kind FROM octoffm_watermarks ORDER BY seller, kind")
        assert marks == [
            *(("12345", "changes", kind) for kind in ("inbound", "outbound", "returns", "stocks")),
            ("98980", "changes", "stocks"),
        ]

    async def test_a_change_has_a_new_number_and_what_did_not_change_keeps_its_own(self, database: Database) -> None:
        shop = Shop(5)
        async with opened(shop) as client:
            await mirror_changes(database, client, kinds=["outbound"])
            assert await numbers(database) == ["S-0", "S-1", "S-2", "S-3", "S-4"]
            shop.change("S-1", "Shipped")
            assert (await mirror_changes(database, client, kinds=["outbound"])).changed == 1
            assert await numbers(database) == ["S-0", "S-2", "S-3", "S-4", "S-1"]
            listed = await mirror_changes(database, client, kinds=["outbound"])
            assert listed == MirrorResult(5, 0)  # the overlap
        assert await numbers(database) == ["S-0", "S-2", "S-3", "S-4", "S-1"]
        assert await view(database) == shop.truth

    @pytest.mark.parametrize("seed", range(2))
    async def test_nothing_is_missed_while_rows_change_and_mirrors_fail(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        rng = random.Random(seed)
        monkeypatch.setattr(mirror, "BATCH", 7)

        def disturb(shop: Shop) -> None:
            for _ in range(rng.randrange(4)):
                shop.change(f"S-{rng.randrange(60)}", rng.choice(["Accepted", "InPreparation", "Shipped", "Created"]))

        shop, failed = Shop(60, before=disturb), 0

        def script(sent: Sent) -> Response:
            return answer(503) if rng.random() < 0.03 else shop(sent)

        async with opened(script) as client:
            once = client.with_options(retries=0)
            for _ in range(15):
                try:
                    await mirror_changes(database, once, kinds=["outbound"], since=NOON)
                except ServerError:
                    failed += 1
            shop.before = lambda _: None
            await mirror_changes(database, client, kinds=["outbound"], since=NOON)
        assert 0 < failed < 15
        assert await view(database) == shop.truth

    async def test_a_reader_of_numbers_misses_nothing_while_sellers_are_mirrored_at_once(
        self, database: Database
    ) -> None:
        shops = {str(seller): Shop(20) for seller in range(4)}

        def script(sent: Sent) -> Response:
            return shops[sent.headers["SellerId"]](sent)

        read: dict[tuple[str, str], str] = {}
        last, running = 0, True

        async def reading() -> None:
            nonlocal last
            while True:
                ended = not running
                for number, seller, key, status in await rows(
                    database,
                    "SELECT number, seller, id, item->>'status' FROM octoffm_changes WHERE number > %s ORDER BY number",
                    last,
                ):
                    last = number
                    read[seller, key] = status
                if ended:
                    return

        async def mirroring(seller: str, client: FulfillmentClient) -> None:
            rng = random.Random(seller)
            for turn in range(12):
                await mirror_changes(database, client.seller(seller), kinds=["outbound"], since=NOON)
                for _ in range(5):
                    shops[seller].change(f"S-{rng.randrange(20)}", f"Turn{turn}")
            await mirror_changes(database, client.seller(seller), kinds=["outbound"])

        async with opened(script) as client:
            reader = asyncio.create_task(reading())
            await asyncio.gather(*(mirroring(seller, client) for seller in shops))
            running = False
            await reader
        assert read == {(seller, key): status for seller, shop in shops.items() for key, status in shop.truth.items()}

    async def test_an_older_state_never_replaces_a_newer_one(self, database: Database) -> None:
        shop = Shop(3)
        async with opened(shop) as client:
            stale = shop.rows.copy()
            shop.change("S-1", "Shipped")
            await mirror_changes(database, client, kinds=["outbound"])
            newest, shop.rows = shop.truth, stale
            assert await mirror_changes(database, client, kinds=["outbound"]) == MirrorResult(3, 0)
        assert await view(database) == newest

    async def test_the_watermark_never_goes_back(self, database: Database) -> None:
        shop = Shop(3)
        async with opened(shop) as client:
            await mirror_changes(database, client, kinds=["outbound"])
            (high,) = await rows(database, "SELECT at FROM octoffm_watermarks")
            shop.now = NOON - timedelta(days=1)
            shop.rows = {}
            shop.change("S-9", "Created")
            await mirror_changes(database, client, kinds=["outbound"])
        assert await rows(database, "SELECT at FROM octoffm_watermarks") == [high]

    async def test_a_mirror_without_anything_to_list_begins_again_where_it_began(self, database: Database) -> None:
        shop = Shop(0)
        async with opened(shop) as client:
            since = datetime(2026, 1, 1, tzinfo=UTC)
            assert await mirror_changes(database, client, kinds=["outbound"], since=since) == MirrorResult(0, 0)
            assert await rows(database, "SELECT at FROM octoffm_watermarks") == [(since,)]
            await mirror_changes(database, client, kinds=["outbound"])
        asked = {query["statusUpdatedAtMin"] for query in shop.asked}
        assert asked == {"2025-12-31T23:59:00Z"}


@given(text=st.text(st.sampled_from('\0\\u0a"é'), max_size=12))
def test_no_zero_byte_is_left_and_nothing_else_is_changed(text: str) -> None:
    made = mirror._json(Stock(id=text, gtin="1"))
    kept = msgspec.json.decode(made)
    assert (kept["id"], kept["gtin"]) == (text.replace("\0", "\ufffd"), "1")
