"""The literals of known values, which editors complete in calls and requests."""

import inspect
from enum import StrEnum
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from octoffm_async.contract import common, inbound, outbound, products, returns, stocks
from octoffm_async.contract.base import OpenEnum
from octoffm_async.contract.inbound import InboundShipmentRequest
from octoffm_async.contract.outbound import OutboundShipmentRequest
from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.returns import ReturnRequest
from octoffm_async.resources.inbound import Inbound
from octoffm_async.resources.outbound import Outbound
from octoffm_async.resources.products import Products
from octoffm_async.resources.returns import Returns
from octoffm_async.resources.stocks import Stocks
from octoffm_async.sandbox.settings import STORAGE_COUNTRIES

MODULES = [inbound, outbound, products, returns, stocks]
ALIASES = [(module, name) for module in MODULES for name in vars(module) if name.endswith("Name")]
FIELDS = [
    (OutboundShipmentRequest, "delivery_mode"),
    (OutboundShipmentRequest, "storage_country"),
    (InboundShipmentRequest, "storage_country"),
    (FulfillmentProduct, "product_condition"),
    (ReturnRequest, "reason"),
]
CALLS = [
    (Outbound.list, "state", "ShipmentStateName | None"),
    (Outbound.count, "state", "ShipmentStateName | None"),
    (Outbound.wait_for, "status", "OutboundStatusName"),
    (Inbound.list, "status", "InboundStatusName | None"),
    (Inbound.count, "status", "InboundStatusName | None"),
    (Inbound.wait_for, "status", "InboundStatusName"),
    (Returns.list, "type", "ReturnTypeName | None"),
    (Returns.count, "status", "ReturnStatusName | None"),
    (Stocks.list, "sort", "QuantityTypeName | None"),
    (Stocks.list, "order", "SortOrderName | None"),
    (Stocks.list, "storage_country", "StorageCountry | None"),
    (Products.add_reference, "product_condition", "ProductConditionName"),
]


def literals(alias: Any) -> tuple[str, ...]:
    """The known values of an alias, which also takes any other text."""
    known, text = get_args(alias)
    assert get_origin(known) is Literal
    assert text is str
    return get_args(known)


@pytest.mark.parametrize(("module", "name"), ALIASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_literal_has_the_values_of_its_enum(module: ModuleType, name: str) -> None:
    enum: type[StrEnum] = getattr(module, name.removesuffix("Name"))
    assert issubclass(enum, OpenEnum)
    assert literals(getattr(module, name)) == tuple(member.value for member in enum)


def test_the_storage_countries_are_those_of_the_sandbox() -> None:
    assert len(ALIASES) == 10
    assert literals(common.StorageCountry) == STORAGE_COUNTRIES


@pytest.mark.parametrize(("call", "parameter", "shown"), CALLS)
def test_calls_take_known_values_or_text(call: Any, parameter: str, shown: str) -> None:
    assert inspect.signature(call).parameters[parameter].annotation == shown


@pytest.mark.parametrize(("request_type", "field"), FIELDS)
def test_fields_of_requests_are_text_for_msgspec(request_type: Any, field: str) -> None:
    (found,) = [one for one in msgspec.structs.fields(request_type) if one.name == field]
    assert get_args(found.type)[0] is str
