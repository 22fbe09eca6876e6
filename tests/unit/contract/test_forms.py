"""Conversions of requests and answers: dictionaries, JSON, and what a dictionary may not hold."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

import octoffm_async
from octoffm_async import (
    CallError,
    Failed,
    FulfillmentProduct,
    InboundShipmentRequest,
    Limit,
    OutboundShipment,
    OutboundShipmentRequest,
    OutboundStatus,
    Packaging,
    Quantities,
    ShipmentLine,
    Stock,
    Summary,
    ValidationError,
    json_default,
)
from octoffm_async.contract.base import Answer, Request
from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.contract.forms.times import plain_time
from octoffm_async.contract.operations import OPERATIONS
from octoffm_async.session.decoding.answers import Answers
from octoffm_async.session.decoding.drift import DriftLog
from tests.support.fakes import answer
from tests.support.items import order

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


EXAMPLES = {
    msgspec.inspect.StrType: "text",
    msgspec.inspect.IntType: 3,
    msgspec.inspect.FloatType: 1.5,
    msgspec.inspect.BoolType: True,
    msgspec.inspect.DateTimeType: NOON,
}


def sample(kind: Any) -> Any:
    """A value for a type of the contract, with every field set."""
    match kind:
        case msgspec.inspect.StructType():
            return kind.cls(**{field.name: sample(field.type) for field in kind.fields if field.name != "extra"})
        case msgspec.inspect.Metadata():
            return sample(kind.type)
        case msgspec.inspect.UnionType():
            return sample(next(part for part in kind.types if not isinstance(part, msgspec.inspect.NoneType)))
        case msgspec.inspect.EnumType():
            return next(iter(kind.cls))
        case _ if hasattr(kind, "item_type"):
            return [sample(kind.item_type)]
        case _:
            return EXAMPLES[type(kind)]


ALL = [
    kind
    for name in octoffm_async.__all__
    if isinstance(kind := getattr(octoffm_async, name), type) and issubclass(kind, Answer | Request)
]


@pytest.mark.parametrize("kind", ALL)
def test_every_struct_comes_back_from_both_of_its_dictionaries_and_its_json(kind: type[Any]) -> None:
    full = sample(msgspec.inspect.type_info(kind))
    extra = {"brandNew": {"deep": [1, None]}}
    for one in (full, full.__replace__(extra=extra)):
        assert kind.from_dict(one.to_dict()) == one
        assert kind.from_dict(one.to_dict()).extra == one.extra
        wire = one.to_dict(wire=True)
        assert json.loads(json.dumps(wire)) == wire == json.loads(one.to_json()) == dict(one) == {**one}
        read = kind.from_dict(wire if issubclass(kind, Answer) else one.to_dict())
        assert (read, read.extra) == (one, one.extra)


def test_what_the_api_did_not_say_is_none_in_every_form() -> None:
    stock = Stock(id="S")
    assert stock.to_dict()["quantities"]["available"] is None
    assert stock.to_dict(wire=True)["quantities"]["Available"] is None
    assert json.loads(stock.to_json())["gtin"] is None
    assert Stock.from_dict({"id": "S", "quantities": None}) == stock


def test_the_json_of_a_request_is_what_the_client_sends() -> None:
    for request in (
        order("R-1"),
        FulfillmentProduct(
            gtin="2000000000015",
            seller_product_reference="P",
            packaging=Packaging(length_cm=1, width_cm=2, height_cm=3, weight_g=4),
        ),
        InboundShipmentRequest(
            reference="I", storage_country="FR", lines=[ShipmentLine(quantity=1)], expected_delivery_date=NOON
        ),
    ):
        assert request.to_dict(wire=True) == msgspec.json.decode(msgspec.json.encode(request))
    line = ShipmentLine(quantity=1, extra={"giftWrap": True})
    assert line.to_dict(wire=True) == {"quantity": 1, "giftWrap": True}
    assert line.to_dict()["extra"] == {"giftWrap": True}


def test_python_names_and_values() -> None:
    shipment = OutboundShipment(outbound_shipment_id="1", status=OutboundStatus.SHIPPED, created_at=NOON)
    assert shipment.to_dict()["created_at"] is NOON
    assert shipment.to_dict()["status"] is OutboundStatus.SHIPPED
    assert shipment.to_dict(wire=True)["createdAt"] == "2026-11-30T12:00:00Z"
    assert Quantities(return_=4).to_dict()["return"] == 4
    assert Quantities.from_dict({"return": 4}) == Quantities.from_dict({"return_": 4}) == Quantities(return_=4)


def test_a_row_in_the_apis_own_spelling_has_the_contracts_names() -> None:
    operation = next(each for each in OPERATIONS if each.name == "stocks.get")
    answers = Answers(Translation(), DriftLog(lambda _: None))
    for _ in range(3):  # the third is decoded by a type made for this spelling
        row = answers.read(operation, answer(200, {"ID": "S", "QUANTITIES": {"available": "7"}, "brand_new": {"a": 1}}))
    assert type(row) is not Stock
    assert row.to_dict(wire=True)["quantities"]["Available"] == 7
    assert row.to_dict(wire=True)["brand_new"] == {"a": 1}
    assert row.to_dict()["extra"] == {"brand_new": {"a": 1}}
    changed = row.__replace__(gtin="1")
    assert (changed.gtin, changed.quantities, changed.extra) == ("1", row.quantities, row.extra)


def test_a_dictionary_that_cannot_be_a_request_is_refused_with_every_reason() -> None:
    wrong = {
        "reference": None,
        "lines": [{"quantity": "1", "selerProductReference": "x"}, 7],
        "delivery_address": "Paris",
        "deliveryMode": "Standard",
        "delivery_mode": "Express",
        "extra": "x",
    }
    with pytest.raises(ValidationError) as refused:
        OutboundShipmentRequest.from_dict(wrong)
    assert {problem.field: problem.reason for problem in refused.value.problems} == {
        "reference": "is null",
        "lines[0].quantity": "is str, not int",
        "lines[0].selerProductReference": "is not a field of ShipmentLine; did you mean seller_product_reference?",
        "lines[1]": "is int, not an object",
        "delivery_address": "is str, not an object",
        "delivery_mode": "is the same field as deliveryMode",
        "extra": "is str, not an object",
        "storage_country": "is missing",
    }
    with pytest.raises(ValidationError, match="members that are not modelled go into extra"):
        ShipmentLine.from_dict({"quantity": 1, "zzz": 1})
    with pytest.raises(ValidationError, match="not an object"):
        ShipmentLine.from_dict([1])  # type: ignore[arg-type]


def test_a_loop_over_one_row_is_a_mistake_and_an_unknown_name_too() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(Stock(id="S"))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="no field gtn"):
        Stock(id="S").__replace__(gtn="1")


def test_copy_replace() -> None:
    replace = getattr(copy, "replace", lambda one, **changes: one.__replace__(**changes))  # new in Python 3.13
    assert replace(Stock(id="S"), gtin="1") == Stock(id="S", gtin="1")
    assert replace(ShipmentLine(quantity=1, extra={"a": 1}), quantity=2) == ShipmentLine(quantity=2, extra={"a": 1})


def test_json_dumps_takes_our_types_by_its_default() -> None:
    failed = Failed(key="R", error=CallError("no use"))
    text = json.dumps({"stock": Stock(id="S"), "at": NOON, "failed": failed, "sum": Summary()}, default=json_default)
    read = json.loads(text)
    assert (read["stock"]["id"], read["at"]) == ("S", "2026-11-30T12:00:00Z")
    assert read["failed"]["key"] == "R"
    assert read["failed"]["error"] == {"type": "CallError", "message": "no use"}
    assert read["sum"]["created"] == 0
    with pytest.raises(TypeError, match="Limit is not JSON"):
        json.dumps(Limit(1), default=json_default)


def test_times_of_other_libraries_become_plain() -> None:
    class Timestamp(datetime):
        """As pandas has it."""

    odd = Timestamp(2026, 11, 30, 13, 0, 0, 5, timezone(timedelta(hours=1)))
    assert type(plain_time(odd)) is datetime
    assert plain_time(odd) == odd
    assert plain_time(NOON) is NOON

    class NaT(Timestamp):
        def __eq__(self, other: object) -> bool:
            return False

        def __ne__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match="is no time"):
        plain_time(NaT(2026, 1, 1))


def test_the_error_is_the_public_one_and_is_pickled() -> None:
    with pytest.raises(ValidationError) as refused:
        ShipmentLine.from_dict({})
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert str(again) == str(refused.value)
    assert type(again).__module__ == "octoffm_async.errors"


def test_pydantic_is_loaded_only_when_it_asks() -> None:
    program = (
        "import sys, octoffm_async; octoffm_async.Stock(id='S').to_json(); assert 'pydantic_core' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
