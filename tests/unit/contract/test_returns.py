"""Returns on the wire."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.common import ShipmentLine
from octoffm_async.contract.outbound import CancellationStatus, OutboundCancellation, OutboundCancellationRequest
from octoffm_async.contract.returns import (
    Return,
    ReturnCountFilters,
    ReturnFilters,
    ReturnLine,
    ReturnLineState,
    ReturnReason,
    ReturnRequest,
    ReturnStatus,
    ReturnType,
)

MOMENT = datetime(2025, 3, 1, 10, tzinfo=UTC)
WHOLE = {
    "returnId": "B",
    "type": "Customer",
    "status": "Referenced",
    "reason": "TransportDamage",
    "recommendedReturnReason": "ReferenceError",
    "comment": "broken",
    "warehouseComment": "indeed",
    "outboundShipmentId": "S",
    "reference": "O-1",
    "orderSellerId": "12345",
    "parcelId": "C",
    "receiptDate": "2025-03-01T10:00:00Z",
    "createdAt": "2025-03-02T10:00:00Z",
    "updatedAt": "2025-03-03T10:00:00Z",
    "lines": [{"sellerProductReference": "R", "quantity": 2, "receivedQuantity": 1, "state": "Damaged"}],
    "hasLabel": True,
    "labelUrl": "/seller/v2/returns/B/labels",
    "undeclaredQuantity": 4,
}


def wire(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(**fields: object) -> Return:
    return msgspec.json.decode(msgspec.json.encode({"returnId": "B", **fields}), type=Return)


def test_absent_options_are_left_out() -> None:
    request = ReturnRequest(
        reason=ReturnReason.RETRACTION,
        lines=(ShipmentLine(quantity=1, seller_product_reference="R"),),
        outbound_shipment_id="S",
    )
    sent = {
        "reason": "Retraction",
        "lines": [{"quantity": 1, "sellerProductReference": "R"}],
        "outboundShipmentId": "S",
    }
    assert wire(request) == sent
    whole = msgspec.structs.replace(request, reference="O-1", comment="broken")
    assert wire(whole) == sent | {"reference": "O-1", "comment": "broken"}
    read = msgspec.json.decode(msgspec.json.encode(whole), type=ReturnRequest)
    assert msgspec.structs.replace(read, lines=tuple(read.lines)) == whole


def test_a_return_needs_only_its_id() -> None:
    assert decoded(colour="red", deep={"x": [1]}) == Return(return_id="B")
    with pytest.raises(msgspec.ValidationError, match="returnId"):
        msgspec.convert({}, Return)


def test_a_whole_return_there_and_back() -> None:
    found = msgspec.json.decode(msgspec.json.encode(WHOLE), type=Return)
    assert found == Return(
        return_id="B",
        type=ReturnType.CUSTOMER,
        status=ReturnStatus.REFERENCED,
        reason=ReturnReason.TRANSPORT_DAMAGE,
        recommended_return_reason=ReturnReason.REFERENCE_ERROR,
        comment="broken",
        warehouse_comment="indeed",
        outbound_shipment_id="S",
        reference="O-1",
        order_seller_id="12345",
        parcel_id="C",
        receipt_date=MOMENT,
        created_at=MOMENT.replace(day=2),
        updated_at=MOMENT.replace(day=3),
        lines=[
            ReturnLine(seller_product_reference="R", quantity=2, received_quantity=1, state=ReturnLineState.DAMAGED)
        ],
        has_label=True,
        label_url="/seller/v2/returns/B/labels",
        undeclared_quantity=4,
    )
    assert wire(found) == WHOLE
    assert set(WHOLE) == set(Return.__struct_encode_fields__)


@pytest.mark.parametrize("field", [name for name in WHOLE if name not in ("returnId", "lines", "undeclaredQuantity")])
def test_null_is_the_same_as_absent(field) -> None:
    assert decoded(**{field: None}) == decoded()


@pytest.mark.parametrize(
    ("field", "enum"),
    [
        ("type", ReturnType),
        ("status", ReturnStatus),
        ("reason", ReturnReason),
        ("recommendedReturnReason", ReturnReason),
    ],
)
def test_values_compare_ignoring_case_and_unknown_ones_keep_their_text(field, enum) -> None:
    name = dict(zip(Return.__struct_encode_fields__, Return.__struct_fields__, strict=True))[field]
    for member in enum:
        assert getattr(decoded(**{field: member.value.upper()}), name) is member
    unknown = getattr(decoded(**{field: "Something new"}), name)
    assert isinstance(unknown, enum)
    assert (unknown.value, unknown.known) == ("Something new", False)


def test_what_is_final() -> None:
    assert [status for status in ReturnStatus if status.final] == [ReturnStatus.COMPLETED]
    assert not ReturnStatus("Something new").final
    assert ReturnStatus("COMPLETED").final


def test_filters() -> None:
    fields = {
        "type": "Customer",
        "status": "Pending",
        "created_at_min": MOMENT,
        "created_at_max": MOMENT,
        "updated_at_min": MOMENT,
        "updated_at_max": MOMENT,
    }
    names = ["type", "status", "createdAtMin", "createdAtMax", "updatedAtMin", "updatedAtMax"]
    sent = dict(zip(names, ["Customer", "Pending", *["2025-03-01T10:00:00Z"] * 4], strict=True))
    assert wire(ReturnCountFilters(**fields)) == sent
    assert wire(ReturnFilters(**fields, limit=7, cursor="c")) == sent | {"limit": 7, "cursor": "c"}


def test_a_cancellation_there_and_back() -> None:
    assert wire(OutboundCancellationRequest(outbound_shipment_id="S")) == {"outboundShipmentId": "S"}
    assert wire(OutboundCancellationRequest(outbound_shipment_id="S", reason="why")) == {
        "outboundShipmentId": "S",
        "reason": "why",
    }
    whole = {
        "outboundCancellationRequestId": "X",
        "outboundShipmentId": "S",
        "status": "Pending",
        "createdAt": "2025-03-01T10:00:00Z",
        "updatedAt": "2025-03-01T10:00:00Z",
    }
    found = msgspec.convert(whole, OutboundCancellation)
    assert wire(found) == whole
    assert found.status is CancellationStatus.PENDING
    assert [status.value for status in CancellationStatus if status.final] == ["Accepted", "Refused"]
    assert not CancellationStatus("Parked").final
    assert msgspec.convert({"outboundCancellationRequestId": "X"}, OutboundCancellation).status is None
