"""Products to begin with."""

from datetime import datetime
from pathlib import Path

import pytest

from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.sandbox import Sandbox

from ..api import SECOND, line
from ..conftest import Serve


async def test_a_newcomer_finds_products_with_stock(serve: Serve) -> None:
    api = await serve(catalogue=30, stock=7)
    rows = await api.references()
    assert [row["sellerProductReference"] for row in rows[:2]] == ["SKU-000001", "SKU-000002"]
    assert len(rows) == len({row["gtin"] for row in rows}) == 30
    assert all(row["gtin"][-1] == str(gtin_check_digit(row["gtin"][:-1])) for row in rows)
    assert (await api.stock("SKU-000030"))["quantities"]["Available"] == 7
    key = await api.order(lines=[line("SKU-000005", 7)])
    api.sandbox.clock.advance(30)
    assert (await api.shipment(key))["status"] == "Shipped"


async def test_no_call_made_them_and_no_other_seller_has_them(serve: Serve) -> None:
    api = await serve(catalogue=3)
    assert api.sandbox.effects.products == {}
    assert await api.as_seller(SECOND).references() == []


async def test_the_seed_makes_them_the_same_again(serve: Serve) -> None:
    def identity(rows: list[dict[str, object]]) -> list[tuple[object, object]]:
        return [(row["gtin"], row["stockId"]) for row in rows]

    one, same, other = [identity(await (await serve(catalogue=3, seed=seed)).references()) for seed in (1, 1, 2)]
    assert one == same
    assert {gtin for gtin, _ in one}.isdisjoint(gtin for gtin, _ in other)


async def test_what_was_loaded_is_not_filled_again(serve: Serve, tmp_path: Path) -> None:
    first = await serve(catalogue=2, state_file=tmp_path / "state")
    await first.sandbox.stop()
    second = await serve(catalogue=5, state_file=tmp_path / "state")
    assert len(await second.references()) == 2


async def test_products_may_have_no_stock(serve: Serve) -> None:
    api = await serve(catalogue=1, stock=0)
    assert (await api.stock("SKU-000001"))["localizations"] == []


@pytest.mark.parametrize("wrong", [{"catalogue": -1}, {"stock": -1}])
def test_a_number_below_zero_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must not be below zero"):
        Sandbox(**wrong)  # type: ignore[arg-type]


def changes_of(sandbox: Sandbox, stocks: list[dict[str, str]]) -> list[float]:
    """How many seconds ago each stock changed."""
    now = sandbox.clock.now()
    return [round((now - datetime.fromisoformat(stock["updatedAt"])).total_seconds(), 3) for stock in stocks]


async def test_stocks_can_have_changed_in_the_past(serve: Serve) -> None:
    api = await serve(speed=0)
    api.sandbox.seed_stocks(4, spread=100.0, quantity=3)
    stocks = (await api.walk("/stocks", limit=10))[0]
    assert changes_of(api.sandbox, stocks) == [100.0, 75.0, 50.0, 25.0]
    assert [stock["quantities"]["Available"] for stock in stocks] == [3] * 4
    assert [row["sellerProductReference"] for row in await api.references()][-1] == "SEED-0000004"
    assert api.sandbox.effects.products == {}


async def test_stocks_can_have_changed_unevenly_and_more_can_follow(serve: Serve) -> None:
    api = await serve(speed=0)
    api.sandbox.seed_stocks(3, spread=lambda number: 90.0 if number < 2 else 10.0, quantity=0)
    api.sandbox.seed_stocks(2, spread=10.0)
    api.sandbox.add_stock("SEED-0000001", quantity=1)
    stocks = (await api.walk("/stocks", limit=10))[0]
    assert changes_of(api.sandbox, stocks) == [0.0, 90.0, 10.0, 10.0, 5.0]
    assert len({stock["gtin"] for stock in stocks}) == 5


@pytest.mark.parametrize("spread", [-1.0, float, 200.0])
async def test_stocks_change_one_after_the_other(serve: Serve, spread: float) -> None:
    api = await serve(speed=0)
    api.sandbox.seed_stocks(1, spread=100.0)
    with pytest.raises(ValueError, match="spread"):
        api.sandbox.seed_stocks(3, spread=spread)
