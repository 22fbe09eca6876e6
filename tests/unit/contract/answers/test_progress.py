"""Where an order is, seen from a status that somebody waits for: tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.answers.progress import (
    OrderProgress,
    is_refused,
    progress_of,
    quoted_status,
    refusal_reasons,
)
from octoffm_async.contract.common import Refusal
from octoffm_async.contract.inbound import InboundShipment, InboundStatus
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus, ShipmentState


def shipment(status: str | None, state: str | None = None, **fields: Any) -> OutboundShipment:
    return OutboundShipment(
        outbound_shipment_id="S",
        status=None if status is None else OutboundStatus(status),
        state=None if state is None else ShipmentState(state),
        **fields,
    )


@pytest.mark.parametrize(
    ("status", "state", "target_status", "stand"),
    [
        ("Created", None, "Shipped", OrderProgress.IN_PROGRESS),
        ("Created", "Valid", "Shipped", OrderProgress.IN_PROGRESS),
        ("Created", "Doubtful", "Shipped", OrderProgress.IN_PROGRESS),
        ("In Preparation", None, "Accepted", OrderProgress.REACHED),
        ("in_preparation", None, "InPreparation", OrderProgress.REACHED),
        ("Shipped", None, "Accepted", OrderProgress.REACHED),
        ("Shipped", "Invalid", "Shipped", OrderProgress.REACHED),
        ("Accepted", "Invalid", "Accepted", OrderProgress.REFUSED),
        ("Created", " INVALID", "Shipped", OrderProgress.REFUSED),
        (None, "Invalid", "Shipped", OrderProgress.REFUSED),
        ("Delivered", "Invalid", "Shipped", OrderProgress.REFUSED),
        ("Created", "Invalid", "Refused", OrderProgress.REACHED),
        ("Cancelled", "Invalid", "Shipped", OrderProgress.CANCELLED),
        ("Refused", None, "Shipped", OrderProgress.REFUSED),
        ("rejected", None, "Shipped", OrderProgress.REFUSED),
        ("Re-jected", None, "Shipped", OrderProgress.REFUSED),
        ("Rejected", None, "Refused", OrderProgress.REACHED),
        ("Refused", None, "Rejected", OrderProgress.REACHED),
        ("Canceled", None, "Shipped", OrderProgress.CANCELLED),
        ("Canceled", None, "Cancelled", OrderProgress.REACHED),
        ("Shipped", None, "Cancelled", OrderProgress.ENDED),
        ("Delivered", None, "Shipped", OrderProgress.UNCLEAR),
        ("Delivered", None, "Created", OrderProgress.UNCLEAR),
        ("Refusedish", None, "Shipped", OrderProgress.UNCLEAR),
        ("", None, "Shipped", OrderProgress.UNCLEAR),
        (None, None, "Shipped", OrderProgress.UNCLEAR),
        (None, "Valid", "Created", OrderProgress.UNCLEAR),
    ],
)
def test_where_a_shipping_order_is(
    status: str | None, state: str | None, target_status: str, stand: OrderProgress
) -> None:
    assert progress_of(shipment(status, state), OutboundStatus(target_status)) is stand


@pytest.mark.parametrize(
    ("status", "stand"),
    [
        ("Receiving", OrderProgress.IN_PROGRESS),
        ("RECEIVED", OrderProgress.REACHED),
        ("Rejected", OrderProgress.REFUSED),
        ("canceled ", OrderProgress.CANCELLED),
        ("Stored", OrderProgress.UNCLEAR),
        (None, OrderProgress.UNCLEAR),
    ],
)
def test_where_a_supply_order_is(status: str | None, stand: OrderProgress) -> None:
    row = InboundShipment(inbound_shipment_id="I", status=None if status is None else InboundStatus(status))
    assert progress_of(row, InboundStatus.RECEIVED) is stand


@given(st.none() | st.text(), st.sampled_from(OutboundStatus))
def test_text_that_is_not_in_the_contract_is_never_an_end(text: str | None, target_status: OutboundStatus) -> None:
    row = shipment(text)
    if row.status is None or not row.status.meaning.known:
        assert progress_of(row, target_status) is OrderProgress.UNCLEAR
        assert not is_refused(row)


@pytest.mark.parametrize(
    ("status", "state", "refused"),
    [
        ("Refused", None, True),
        ("REJECTED", None, True),
        ("Created", "Invalid", True),
        (None, "Invalid", True),
        ("Shipped", "Invalid", False),
        ("Canceled", "Invalid", False),
        ("Created", "Valid", False),
        ("Refunded", None, False),
        (None, None, False),
    ],
)
def test_what_is_refused(status: str | None, state: str | None, refused: bool) -> None:
    assert is_refused(shipment(status, state)) is refused


@pytest.mark.parametrize(
    ("refusal", "state", "expected"),
    [
        (None, None, []),
        (None, "Invalid", ["state Invalid"]),
        (Refusal(), "Invalid", ["state Invalid"]),
        (Refusal(code="X"), "Invalid", ["X"]),
        (Refusal(code="X", message="no"), None, ["X", "no"]),
        (Refusal(code="", message="no"), None, ["no"]),
    ],
)
def test_the_reasons_of_a_refusal(refusal: Refusal | None, state: str | None, expected: list[str]) -> None:
    assert refusal_reasons(shipment("Refused", state, refusal=refusal)) == expected


@pytest.mark.parametrize(
    ("status", "expected"), [(None, "no status"), ("Delivered", "status 'Delivered'"), ("", "status ''")]
)
def test_how_a_status_is_named(status: str | None, expected: str) -> None:
    assert quoted_status(status) == expected


@given(st.text(st.characters(codec=None), max_size=500))
def test_any_status_is_named_in_one_short_line(text: str) -> None:
    expected = quoted_status(text)
    assert expected.isprintable()
    assert len(expected) < 700
