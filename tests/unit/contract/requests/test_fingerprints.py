"""Fingerprints: equal for equal requests, and they name the fields in which two differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from octoffm_async import FulfillmentProduct, InboundShipmentRequest, OutboundShipmentRequest, ShipmentLine
from octoffm_async.contract.requests.fingerprints import (
    differing_fields,
    differing_paths,
    fingerprint,
    fingerprints,
    shortened,
)
from tests.support.items import ADDRESS, order, product

OUTBOUND = order("A")
INBOUND = InboundShipmentRequest(
    reference="A", storage_country="FR", lines=OUTBOUND.lines, expected_delivery_date=datetime(2026, 12, 1, tzinfo=UTC)
)
OTHER: list[tuple[Any, dict[str, Any]]] = [
    (OUTBOUND, {"lines": [ShipmentLine(quantity=2, seller_product_reference="P-0")]}),
    (OUTBOUND, {"delivery_address": replace(ADDRESS, phone="1")}),
    (OUTBOUND, {"delivery_mode": "ExpressHomeDelivery"}),
    (OUTBOUND, {"storage_country": "ES"}),
    (OUTBOUND, {"extra": {"channel": [1]}}),
    (INBOUND, {"expected_delivery_date": None}),
    (INBOUND, {"lines": [], "storage_country": "ES"}),
    (product(1), {"title": "Another"}),
    (product(1), {"gtin": "1", "is_traceable": True}),
]


@pytest.mark.parametrize(("item", "changes"), OTHER, ids=lambda value: "+".join(value) if type(value) is dict else "")
@pytest.mark.parametrize("form", [bytes, shortened])
def test_the_fields_that_differ_are_named(item: Any, changes: dict[str, Any], form: Any) -> None:
    other = replace(item, **changes)
    assert set(differing_fields(item, form(fingerprint(item)), form(fingerprint(other)))) == set(changes)
    assert not differing_fields(item, form(fingerprint(item)), form(fingerprint(replace(item))))


def test_the_reference_is_no_part_of_it() -> None:
    assert fingerprint(order("A")) == fingerprint(order("B"))
    assert fingerprint(product(1, "A")) == fingerprint(product(1, "B"))


@pytest.mark.parametrize("kind", [OutboundShipmentRequest, InboundShipmentRequest, FulfillmentProduct])
def test_many_have_those_that_each_has_alone(kind: type) -> None:
    same = [item for item, _ in OTHER if type(item) is kind]
    changed = [replace(item, **changes) for item, changes in OTHER if type(item) is kind]
    for items in (same, changed, [*same, *changed], [*same, OUTBOUND, INBOUND, "text", None]):
        assert fingerprints(items) == list(map(fingerprint, items))
    assert fingerprints([]) == []


@pytest.mark.parametrize(
    "odd", ["text", None, 5, replace(OUTBOUND, delivery_mode="\ud800"), replace(OUTBOUND, lines=[{1, object()}])]
)
def test_what_has_none_is_never_reported_to_differ(odd: Any) -> None:
    assert fingerprint(odd) == b""
    assert fingerprints([odd, OUTBOUND]) == [b"", fingerprint(OUTBOUND)]
    assert fingerprints([OUTBOUND, replace(OUTBOUND), odd])[:2] == [fingerprint(OUTBOUND)] * 2
    assert differing_fields(OUTBOUND, b"", fingerprint(OUTBOUND)) == ()


def test_one_of_another_version_is_not_compared() -> None:
    whole = fingerprint(OUTBOUND)
    for cut in (whole[:-1], whole[4:], whole + b"1234", shortened(whole)):
        assert differing_fields(OUTBOUND, cut, whole) == ()


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"lines": [ShipmentLine(quantity=2, seller_product_reference="P-0")]}, ("lines[0].quantity",)),
        ({"lines": [*OUTBOUND.lines, *OUTBOUND.lines]}, ("lines",)),
        (
            {"delivery_address": replace(ADDRESS, city="Lyon", phone="1")},
            ("delivery_address.city", "delivery_address.phone"),
        ),
        ({"extra": {"a": 1}}, ("extra",)),
        ({}, ()),
    ],
    ids=str,
)
def test_paths_show_where_two_requests_differ(changes: dict[str, Any], paths: tuple[str, ...]) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(OUTBOUND), type=OutboundShipmentRequest)
    assert set(differing_paths(kept, replace(OUTBOUND, **changes))) == set(paths)


def test_a_tuple_of_lines_is_the_same_as_a_list_of_them() -> None:
    assert differing_paths(OUTBOUND, replace(OUTBOUND, lines=tuple(OUTBOUND.lines))) == ()


def test_no_more_than_a_dozen_paths_are_reported() -> None:
    many = [ShipmentLine(quantity=number + 1, seller_product_reference=f"P-{number}") for number in range(100)]
    twice = [replace(line, quantity=line.quantity * 2) for line in many]
    assert len(differing_paths(replace(OUTBOUND, lines=many), replace(OUTBOUND, lines=twice))) == 12
