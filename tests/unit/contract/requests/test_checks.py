"""The small rules, and how a problem is told."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.inbound import InboundShipmentRequest
from octoffm_async.contract.outbound import DeliveryAddress, OutboundShipmentRequest
from octoffm_async.contract.requests.checks import (
    FieldProblem,
    is_whole_number,
    text_problems,
    time_problems,
    with_encoding_problems,
)
from octoffm_async.contract.requests.validation import outbound_problems


def test_a_problem_reports_field_value_and_reason_and_stays_short() -> None:
    assert str(FieldProblem("gtin", "1", "is short")) == "gtin = '1': is short"
    assert re.fullmatch(r"title = 'x{56}…: is long", str(FieldProblem("title", "x" * 10_000, "is long")))


@pytest.mark.parametrize(("length", "cut"), [(58, False), (59, True)])
def test_a_value_is_shown_whole_up_to_sixty_characters(length, cut) -> None:
    assert ("…" in str(FieldProblem("f", "x" * length, "r"))) is cut


@pytest.mark.parametrize("value", [0, 1, -1, 10**30])
def test_whole_numbers(value) -> None:
    assert is_whole_number(value)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, [], 1j])
def test_what_is_no_whole_number(value) -> None:
    assert not is_whole_number(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", ""),
        ("x" * 5, ""),
        (" x ", ""),
        ("é" * 5, ""),
        ("x" * 6, "has 6 characters, at most 5 are allowed"),
        ("", "is empty"),
        (" \t\n\u00a0", "is empty"),
        (None, "is NoneType, not text"),
        (5, "is int, not text"),
        (b"x", "is bytes, not text"),
        (["x"], "is list, not text"),
    ],
)
def test_text(value, expected) -> None:
    assert [str(problem.reason) for problem in text_problems("f", value, most=5)] == [expected] * bool(expected)


@given(st.text())
def test_text_without_a_bound_needs_only_to_be_there(value) -> None:
    seen = any(not sign.isspace() and unicodedata.category(sign) not in {"Cf", "Cc"} for sign in value)
    control = any(unicodedata.category(sign) == "Cc" and sign not in "\t\n\r" for sign in value)
    assert (list(text_problems("f", value)) == []) is (seen and not control)


@pytest.mark.parametrize("name", list(modelled_fields(DeliveryAddress)))
@pytest.mark.parametrize("sign", ["\0", "\x1b", "\x7f", "\x9b", "\x0b"])
def test_no_field_of_an_address_has_a_control_sign(name, sign) -> None:
    address = DeliveryAddress(**dict.fromkeys(modelled_fields(DeliveryAddress), "Ana") | {name: f"A{sign}"})
    request = OutboundShipmentRequest(
        reference="O-1",
        lines=[ShipmentLine(quantity=1, seller_product_reference="P")],
        delivery_address=address,
        delivery_mode="X",
        storage_country="FR",
    )
    (problem,) = outbound_problems(request)
    assert (problem.field, problem.reason.split(",")[0]) == (
        f"delivery_address.{name}",
        f"has the control sign U+{ord(sign):04X}",
    )


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u2060 \u200e", "\u00ad", "\u00a0"])
def test_a_text_of_signs_without_width_is_empty(unseen) -> None:
    assert [problem.reason for problem in text_problems("f", unseen)] == ["is empty"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2025, 3, 1, tzinfo=UTC), ""),
        (datetime(2025, 3, 1, tzinfo=timezone(timedelta(hours=-12))), ""),
        (datetime(2025, 3, 1), "has no time zone"),  # noqa: DTZ001
        (date(2025, 3, 1), "is date, not a datetime"),
        ("2025-03-01T00:00:00Z", "is str, not a datetime"),
        (1.5, "is float, not a datetime"),
        (None, "is NoneType, not a datetime"),
    ],
)
def test_moments(value, expected) -> None:
    assert [problem.reason for problem in time_problems("f", value)] == [expected] * bool(expected)


LINE = ShipmentLine(quantity=1, seller_product_reference="R")


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({}, []),
        ({"reference": "\ud800"}, ["reference"]),
        ({"lines": [LINE, ShipmentLine(quantity=1, product_id="\udfff")]}, ["lines[1].product_id"]),
        ({"lines": (ShipmentLine(quantity=1j),)}, ["lines[0].quantity"]),  # type: ignore[arg-type]
        ({"lines": [[["\ud800"]]]}, ["lines[0][0][0]"]),
        ({"reference": object(), "storage_country": "\ud800"}, ["reference", "storage_country"]),
        ({"lines": {"a": "\ud800"}}, ["lines"]),
    ],
)
def test_what_json_cannot_carry_is_reported_wherever_it_stands(change, paths) -> None:
    item = msgspec.structs.replace(InboundShipmentRequest(reference="R", storage_country="FR", lines=[LINE]), **change)
    found = with_encoding_problems([], item)
    assert [problem.field for problem in found] == paths
    assert all(problem.reason.startswith("cannot be sent as JSON") for problem in found)
