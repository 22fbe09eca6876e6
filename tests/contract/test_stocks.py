"""Stocks on the wire, in both layouts of quantities."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.products import ProductCondition
from octoffm_async.contract.stocks import ProductState, Quantities, QuantityType, Stock, StockFilters

EACH_ONCE = Quantities(available=1, allocated=2, blocked=3, litigation=4, removal=5, return_=6, logistic_operations=7)
TYPES = ["Available", "Allocated", "Blocked", "Litigation", "Removal", "Return", "LogisticOperations"]


def decoded(**fields: object) -> Stock:
    return msgspec.json.decode(msgspec.json.encode({"id": "S", **fields}), type=Stock)


def test_quantities_by_name() -> None:
    named = {name[0].lower() + name[1:]: number for number, name in enumerate(TYPES, 1)}
    assert decoded(quantities=named).quantities == EACH_ONCE


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_quantities_by_type(change) -> None:
    typed = [{"type": change(name), "quantity": number} for number, name in enumerate(TYPES, 1)]
    assert decoded(quantities=typed).quantities == EACH_ONCE


@pytest.mark.parametrize(
    ("reported", "quantities"),
    [
        ({}, Quantities()),
        ([], Quantities()),
        ({"available": 3, "inOrbit": 9}, Quantities(available=3)),
        ([{"type": "InOrbit", "quantity": 9}, {"type": "Available", "quantity": 3}], Quantities(available=3)),
        ([{"type": "Return", "quantity": 2, "unit": "piece"}], Quantities(return_=2)),
        ([{"type": "Return"}], Quantities()),
        ({"available": -1}, Quantities(available=-1)),
    ],
)
def test_what_is_missing_is_zero_and_what_is_unknown_is_ignored(reported, quantities) -> None:
    assert decoded(quantities=reported).quantities == quantities


def test_every_type_of_quantity_has_a_field() -> None:
    assert [member.value for member in QuantityType] == TYPES
    assert len(Quantities.__struct_fields__) == len(TYPES)


def test_a_stock_needs_only_its_id() -> None:
    stock = decoded(shelf=[1, {"x": None}])
    assert stock == Stock(id="S")
    assert stock.quantities == Quantities()
    assert stock.localizations == []


def test_a_whole_stock() -> None:
    stock = decoded(
        productId="P",
        productState="used",
        productCondition="Refurbished",
        gtin="1",
        updatedAt="2025-03-01T10:00:00.1234567Z",
        quantities={"available": 5},
        localizations=[
            {
                "storageCountry": "FR",
                "quantities": [{"type": "Blocked", "quantity": 2}],
                "updatedAt": "2025-03-01T11:00:00+01:00",
                "updateReason": "Inventory",
                "aisle": 3,
            },
            {"storageCountry": "GB"},
        ],
    )
    assert (stock.product_id, stock.product_state, stock.gtin) == ("P", ProductState.USED, "1")
    assert stock.product_condition == "Refurbished"
    assert isinstance(stock.product_condition, ProductCondition)
    assert stock.updated_at is not None
    assert abs(stock.updated_at - datetime(2025, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)).total_seconds() < 1e-5
    france, britain = stock.localizations
    assert (france.storage_country, france.update_reason) == ("FR", "Inventory")
    assert france.quantities == Quantities(blocked=2)
    assert france.updated_at == datetime(2025, 3, 1, 10, tzinfo=UTC)
    assert britain.quantities == Quantities()


def test_filters_always_carry_a_limit_and_leave_out_the_rest() -> None:
    assert msgspec.to_builtins(StockFilters()) == {"limit": 1000}


def test_all_filters() -> None:
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    filters = StockFilters(
        limit=5,
        cursor="c",
        updated_at_min=moment,
        updated_at_max=moment,
        storage_country="FR",
        delivery_country="ES",
        sort=QuantityType.RETURN,
        order="Desc",
    )
    assert msgspec.to_builtins(filters) == {
        "limit": 5,
        "cursor": "c",
        "updatedAtMin": "2025-03-01T00:00:00Z",
        "updatedAtMax": "2025-03-01T00:00:00Z",
        "storageCountry": "FR",
        "deliveryCountry": "ES",
        "sort": "Return",
        "order": "Desc",
    }
