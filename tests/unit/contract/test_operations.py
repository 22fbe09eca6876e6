"""The operations table is consistent with itself and with the documented list of calls."""

import re

import pytest

from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS, Group, Repeatability, Shape

DOCUMENTED = {
    "POST /fulfillment-products": "D",
    "GET /stock-seller-references": "D",
    "GET /inbound-shipments/count": "S",
    "GET /inbound-shipments": "D",
    "POST /inbound-shipments": "D",
    "GET /inbound-shipments/{inboundShipmentId}": "D",
    "GET /inbound-shipments/{inboundShipmentId}/delivery-notes": "D",
    "GET /stocks": "D",
    "GET /stocks/{stockId}": "D",
    "GET /outbound-shipments/count": "D",
    "GET /outbound-shipments": "D",
    "POST /outbound-shipments": "D",
    "GET /outbound-shipments/{outboundShipmentId}": "D",
    "POST /outbound-cancellation-requests": "S",
    "GET /outbound-cancellation-requests/{outboundCancellationRequestId}": "S",
    "GET /returns/count": "S",
    "GET /returns": "D",
    "POST /returns": "D",
    "GET /returns/{returnId}": "D",
    "GET /returns/{returnId}/labels": "D",
}
each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def test_the_calls_that_are_not_assumed_are_the_documented_ones_in_their_order() -> None:
    known = [one for one in OPERATIONS if one.tag != "A"]
    assert [(f"{one.method} {one.path}", one.tag) for one in known] == list(DOCUMENTED.items())


def test_names_and_calls_are_unique() -> None:
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)
    assert len({(one.method, one.path) for one in OPERATIONS}) == len(OPERATIONS)


def test_only_the_token_call_has_an_address_of_its_own() -> None:
    assert CREATE_TOKEN not in OPERATIONS
    assert not [one for one in OPERATIONS if one.group in (Group.TOKEN, Group.OTHER)]
    assert CREATE_TOKEN.path == ""


@each
def test_names_begin_with_the_group(operation) -> None:
    assert str(operation) == operation.name
    assert re.fullmatch(operation.group.value + r"\.[a-z_]+", operation.name)


@each
def test_creations_are_not_safe_and_reads_are(operation) -> None:
    assert (operation.repeatability is Repeatability.SAFE) == (operation.method == "GET")
    assert (operation.request is not None) == (operation.method == "POST")


@each
def test_lists_and_counts_have_filters_and_lists_a_limit(operation) -> None:
    assert (operation.shape in (Shape.PAGE, Shape.COUNT)) == (operation.filters is not None)
    if operation.shape is Shape.PAGE:
        assert {"limit", "cursor"} <= set(operation.filters.__struct_encode_fields__)


@each
def test_an_identifier_is_named_where_one_is_read(operation) -> None:
    assert (operation.shape is Shape.IDENTIFIER) == bool(operation.identifier)
    assert 200 <= operation.success < 300
    assert operation.max_items >= 1
