"""Where an order is, seen from a status that somebody waits for: tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.common import Refusal
from octoffm_async.contract.inbound import InboundShipment, InboundStatus
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus, ShipmentState
from octoffm_async.contract.progress import Stand, is_refused, reasons_of, stand_of, told_status


def shipment(status: str | None, state: str | None = None, **fields: Any) -> OutboundShipment:
    return OutboundShipment(
        outbound_shipment_id="S",
        status=None if status is None else OutboundStatus(status),
        state=None if state is None else ShipmentState(state),
        **fields,
    )


@pytest.mark.parametrize(
    ("status", "state", "wanted", "stand"),
    [
        ("Created", None, "Shipped", Stand.ON_ITS_WAY),
        ("Created", "Valid", "Shipped", Stand.ON_ITS_WAY),
        ("Created", "Doubtful", "Shipped", Stand.ON_ITS_WAY),
        ("In Preparation", None, "Accepted", Stand.REACHED),
        ("in_preparation", None, "InPreparation", Stand.REACHED),
        ("Shipped", None, "Accepted", Stand.REACHED),
        ("Shipped", "Invalid", "Shipped", Stand.REACHED),
        ("Accepted", "Invalid", "Accepted", Stand.REFUSED),
        ("Created", " INVALID", "Shipped", Stand.REFUSED),
        (None, "Invalid", "Shipped", Stand.REFUSED),
        ("Delivered", "Invalid", "Shipped", Stand.REFUSED),
        ("Created", "Invalid", "Refused", Stand.REACHED),
        ("Cancelled", "Invalid", "Shipped", Stand.CANCELLED),
        ("Refused", None, "Shipped", Stand.REFUSED),
        ("rejected", None, "Shipped", Stand.REFUSED),
        ("Re-jected", None, "Shipped", Stand.REFUSED),
        ("Rejected", None, "Refused", Stand.REACHED),
        ("Refused", None, "Rejected", Stand.REACHED),
        ("Canceled", None, "Shipped", Stand.CANCELLED),
        ("Canceled", None, "Cancelled", Stand.REACHED),
        ("Shipped", None, "Cancelled", Stand.ENDED),
        ("Delivered", None, "Shipped", Stand.UNCLEAR),
        ("Delivered", None, "Created", Stand.UNCLEAR),
        ("Refusedish", None, "Shipped", Stand.UNCLEAR),
        ("", None, "Shipped", Stand.UNCLEAR),
        (None, None, "Shipped", Stand.UNCLEAR),
        (None, "Valid", "Created", Stand.UNCLEAR),
    ],
)
def test_where_a_shipping_order_is(status: str | None, state: str | None, wanted: str, stand: Stand) -> None:
    assert stand_of(shipment(status, state), OutboundStatus(wanted)) is stand


@pytest.mark.parametrize(
    ("status", "stand"),
    [
        ("Receiving", Stand.ON_ITS_WAY),
        ("RECEIVED", Stand.REACHED),
        ("Rejected", Stand.REFUSED),
        ("canceled ", Stand.CANCELLED),
        ("Stored", Stand.UNCLEAR),
        (None, Stand.UNCLEAR),
    ],
)
def test_where_a_supply_order_is(status: str | None, stand: Stand) -> None:
    row = InboundShipment(inbound_shipment_id="I", status=None if status is None else InboundStatus(status))
    assert stand_of(row, InboundStatus.RECEIVED) is stand


@given(st.none() | st.text(), st.sampled_from(OutboundStatus))
def test_text_that_is_not_in_the_contract_is_never_an_end(text: str | None, wanted: OutboundStatus) -> None:
    row = shipment(text)
    if row.status is None or not row.status.meaning.known:
        assert stand_of(row, wanted) is Stand.UNCLEAR
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
    ("refusal", "state", "told"),
    [
        (None, None, []),
        (None, "Invalid", ["state Invalid"]),
        (Refusal(), "Invalid", ["state Invalid"]),
        (Refusal(code="X"), "Invalid", ["X"]),
        (Refusal(code="X", message="no"), None, ["X", "no"]),
        (Refusal(code="", message="no"), None, ["no"]),
    ],
)
def test_the_reasons_of_a_refusal(refusal: Refusal | None, state: str | None, told: list[str]) -> None:
    assert reasons_of(shipment("Refused", state, refusal=refusal)) == told


@pytest.mark.parametrize(
    ("status", "told"), [(None, "no status"), ("Delivered", "status 'Delivered'"), ("", "status ''")]
)
def test_how_a_status_is_named(status: str | None, told: str) -> None:
    assert told_status(status) == told


@given(st.text(st.characters(codec=None), max_size=500))
def test_any_status_is_named_in_one_short_line(text: str) -> None:
    told = told_status(text)
    assert told.isprintable()
    assert len(told) < 700
