"""Products to begin with."""

from pathlib import Path

import pytest

from octoffm_async.contract.validation import gtin_check_digit
from octoffm_async.sandbox import Sandbox

from .api import SECOND, line
from .conftest import Serve


async def test_a_newcomer_finds_products_with_stock(serve: Serve) -> None:
    api = await serve(catalogue=30, stock=7)
    rows = await api.references()
    assert [row["sellerProductReference"] for row in rows[:2]] == ["SKU-000001", "SKU-000002"]
    assert len(rows) == len({row["gtin"] for row in rows}) == 30
    assert all(row["gtin"][-1] == str(gtin_check_digit(row["gtin"][:-1])) for row in rows)
    assert (await api.stock("SKU-000030"))["quantities"]["available"] == 7
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
