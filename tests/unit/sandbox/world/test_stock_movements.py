"""Stock movements keep totals, countries and times in step."""

from datetime import UTC, datetime

import pytest

from octoffm_async.contract.stocks import Stock
from octoffm_async.sandbox.world.stock_movements import NO_ITEMS, apply_movement, available_in, country_code

from ..api import SECOND, Api, product

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_movement_changes_the_total_and_one_country() -> None:
    stock = apply_movement(Stock(id="s", quantities=NO_ITEMS), "FR", NOW, "Inbound", available=5)
    stock = apply_movement(stock, "UK", LATER, "Inbound", available=2)
    stock = apply_movement(stock, "FR", LATER, "OutboundAccepted", available=-3, allocated=3)
    assert (stock.quantities.available, stock.quantities.allocated) == (4, 3)
    assert [available_in(stock, country) for country in ("FR", "UK", "ES")] == [2, 2, 0]
    assert stock.updated_at == LATER
    assert [(part.storage_country, part.update_reason) for part in stock.localizations] == [
        ("FR", "OutboundAccepted"),
        ("UK", "Inbound"),
    ]


def test_a_movement_leaves_the_old_row_as_it_was() -> None:
    stock = Stock(id="s", quantities=NO_ITEMS)
    apply_movement(stock, "FR", NOW, "Inbound", available=5)
    assert (stock.quantities.available, stock.localizations) == (0, [])


@pytest.mark.parametrize(("text", "code"), [("FR", "FR"), (" fr ", "FR"), ("GB", "UK"), ("uk", "UK")])
def test_a_country_has_one_spelling(text: str, code: str) -> None:
    assert country_code(text) == code


async def test_add_stock_puts_goods_behind_one_product(api: Api) -> None:
    await api.register(product(1), product(2))
    api.sandbox.clock.advance(60)
    api.sandbox.add_stock("REF-1", quantity=5, country="ES")
    stock = await api.stock("REF-1")
    (part,) = stock["localizations"]
    assert (part["storageCountry"], part["quantities"]["Available"], part["updateReason"]) == ("ES", 5, "Inbound")
    now = api.sandbox.clock.now().isoformat().replace("+00:00", "Z")
    assert stock["updatedAt"] == part["updatedAt"] == now
    assert (await api.stock("REF-2"))["quantities"]["Available"] == 0


async def test_add_stock_without_a_reference_means_every_product_of_the_seller(api: Api) -> None:
    other = api.as_seller(SECOND)
    await api.register(product(1), product(2))
    await other.register(product(1))
    api.sandbox.add_stock(quantity=3)
    assert [(await api.stock(name))["quantities"]["Available"] for name in ("REF-1", "REF-2")] == [3, 3]
    assert (await other.stock("REF-1"))["quantities"]["Available"] == 0
    api.sandbox.add_stock("REF-1", quantity=4, seller=SECOND)
    assert (await other.stock("REF-1"))["quantities"]["Available"] == 4


def test_add_stock_refuses_what_makes_no_sense(api: Api) -> None:
    with pytest.raises(LookupError, match="reference = 'NONE'"):
        api.sandbox.add_stock("NONE", quantity=1)
    with pytest.raises(LookupError, match="seller = '1'"):
        api.sandbox.add_stock(quantity=1, seller="1")
    with pytest.raises(ValueError, match="quantity = 0"):
        api.sandbox.add_stock(quantity=0)
