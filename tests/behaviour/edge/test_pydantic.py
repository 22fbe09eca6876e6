"""pydantic: our types as fields of models, in and out of JSON."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from octoffm_async import DeliveryAddress, OutboundShipment, OutboundStatus, Quantities, ShipmentLine, Stock


class Shop(BaseModel):
    stock: Stock
    others: list[Stock] = []
    status: OutboundStatus | None = None


STOCK = Stock(id="S-1", gtin="2000000000015", quantities=Quantities(available=3, return_=1))


def test_a_model_takes_and_gives_our_types() -> None:
    shop = Shop(stock=STOCK, others=[STOCK], status=OutboundStatus.SHIPPED)
    assert shop.stock is STOCK
    assert Shop.model_validate_json(shop.model_dump_json()) == shop
    assert Shop.model_validate(shop.model_dump()) == shop
    assert shop.model_copy(deep=True) == shop
    dumped = shop.model_dump()
    assert dumped["stock"]["quantities"]["Return"] == 1
    assert dumped["stock"]["quantities"]["Allocated"] is None


def test_an_unknown_status_is_kept() -> None:
    shop = Shop.model_validate({"stock": {"id": "S-1"}, "status": "Teleported"})
    assert shop.status == "Teleported"
    assert shop.status is not None
    assert not shop.status.known
    assert '"status":"Teleported"' in shop.model_dump_json()


def test_members_that_are_not_modelled_stay() -> None:
    stock = TypeAdapter(Stock).validate_python({"id": "S-1", "brandNew": {"a": 1}})
    assert stock.extra == {"brandNew": {"a": 1}}
    assert TypeAdapter(Stock).dump_python(stock)["brandNew"] == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "value", "where"),
    [
        (Stock, {}, [("id",)]),
        (Stock, {"id": "S", "quantities": {"Available": "3"}}, [("quantities", "Available")]),
        (Stock, {"id": "S", "quantities": {"Available": True}}, [("quantities", "Available")]),
        (Stock, "S", [()]),
        (ShipmentLine, {"quantity": 1, "sku": "x"}, [("sku",)]),
        (ShipmentLine, {"quantity": 1, "product_id": "1", "productId": "2"}, [("productId",)]),
        (OutboundShipment, {"outboundShipmentId": "1", "createdAt": "yesterday"}, [("createdAt",)]),
        (OutboundShipment, {"outboundShipmentId": "1", "lines": "none"}, [("lines",)]),
    ],
)
def test_a_value_of_another_type_is_refused_at_its_place(kind: Any, value: Any, where: list[tuple[str]]) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    assert [problem["loc"] for problem in refused.value.errors()] == where


def test_the_schema_is_that_of_the_json_in_both_directions() -> None:
    for mode in ("validation", "serialization"):
        schema = TypeAdapter(DeliveryAddress).json_schema(mode=mode)  # type: ignore[arg-type]
        assert "addressLine1" in schema["required"]
        assert "email" not in schema["required"]
        assert schema["title"] == "DeliveryAddress"
        assert schema["properties"]["city"] == {
            "type": "string",
            "title": "City",
            "description": "City",
            "minLength": 1,
            "x-provenance": "A",
            "x-bounds-provenance": "A",
        }
    known = Shop.model_json_schema()["$defs"]["Stock"]["properties"]["productState"]["anyOf"][0]
    assert known == {"type": "string", "x-known-values": ["New", "Used", "Refurbished"]}
