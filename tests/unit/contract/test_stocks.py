"""Stocks on the wire, in each layout of quantities."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.operations import GET_STOCK
from octoffm_async.contract.products import ProductCondition
from octoffm_async.contract.stocks import ProductState, Quantities, QuantityType, Stock, StockFilters
from tests.support.fakes import answer, read_twice

EACH_ONCE = Quantities(available=1, allocated=2, blocked=3, litigation=4, removal=5, return_=6, logistic_operations=7)
TYPES = ["Available", "Allocated", "Blocked", "Litigation", "Removal", "Return", "LogisticOperations"]


def decoded(**fields: object) -> Stock:
    return read_twice(GET_STOCK, answer(200, {"id": "S", **fields}))


def test_quantities_by_name() -> None:
    assert decoded(quantities={name: number for number, name in enumerate(TYPES, 1)}).quantities == EACH_ONCE
    assert msgspec.to_builtins(EACH_ONCE) == {name: number for number, name in enumerate(TYPES, 1)}


@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize(("kind", "amount"), [("type", "quantity"), ("quantityType", "value"), ("Type", "Quantity")])
def test_quantities_by_type(change, kind, amount) -> None:
    typed = [{kind: change(name), amount: number} for number, name in enumerate(TYPES, 1)]
    assert decoded(quantities=typed).quantities == EACH_ONCE


@pytest.mark.parametrize(
    ("reported", "quantities"),
    [
        ({}, Quantities()),
        ([], Quantities()),
        (None, Quantities()),
        ({"available": 3}, Quantities(available=3)),
        ({"AVAILABLE": "37", "logistic_operations": 1.0}, Quantities(available=37, logistic_operations=1)),
        ([{"type": "Return", "quantity": 2, "unit": "piece"}], Quantities(return_=2)),
        ([{"type": "Return"}], Quantities()),
        ({"available": -1}, Quantities(available=-1)),
    ],
)
def test_a_quantity_that_is_missing_is_none_and_never_zero(reported, quantities) -> None:
    assert decoded(quantities=reported).quantities == quantities


def test_an_unknown_type_of_quantity_is_kept() -> None:
    assert decoded(quantities={"Available": 3, "InOrbit": 9}).quantities.extra == {"InOrbit": 9}
    typed = [{"type": "InOrbit", "quantity": 9}, {"type": "Available", "quantity": 3}]
    found = decoded(quantities=typed).quantities
    assert (found.available, found.allocated, found.extra) == (3, None, {"InOrbit": 9})


def test_every_type_of_quantity_has_a_field() -> None:
    assert [member.value for member in QuantityType] == TYPES
    assert len(Quantities.__struct_fields__) == len(TYPES)


def test_a_stock_needs_only_its_id() -> None:
    stock = decoded(shelf=[1, {"x": None}])
    assert stock.extra == {"shelf": [1, {"x": None}]}
    assert decoded() == Stock(id="S")
    assert stock.quantities == Quantities()
    assert stock.localizations == []


def test_a_whole_stock() -> None:
    stock = decoded(
        productId="P",
        productState="used",
        productCondition="Refurbished",
        gtin="1",
        updatedAt="2025-03-01T10:00:00.1234567Z",
        quantities={"Available": 5},
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
    assert france.extra == {"aisle": 3}
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
