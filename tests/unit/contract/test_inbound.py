"""Supply orders on the wire."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.common import Refusal, ShipmentLine
from octoffm_async.contract.inbound import (
    InboundCountFilters,
    InboundFilters,
    InboundLine,
    InboundShipment,
    InboundShipmentRequest,
    InboundStatus,
)

MOMENT = datetime(2025, 3, 1, 10, tzinfo=UTC)
FLOW = ["Created", "Accepted", "Receiving", "PartiallyReceived", "Received"]
WHOLE = {
    "inboundShipmentId": "I",
    "reference": "R-1",
    "code": "OCT-1",
    "storageCountry": "FR",
    "expectedDeliveryDate": "2025-03-01T10:00:00Z",
    "status": "PartiallyReceived",
    "lines": [{"sellerProductReference": "R", "quantity": 5, "receivedQuantity": 3, "undeliveredQuantity": 2}],
    "createdAt": "2025-03-02T10:00:00Z",
    "updatedAt": "2025-03-03T10:00:00Z",
    "refusal": {"code": "UnknownProduct", "message": "no"},
}


def wire(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(**fields: object) -> InboundShipment:
    return msgspec.json.decode(msgspec.json.encode({"inboundShipmentId": "I", **fields}), type=InboundShipment)


def test_absent_options_are_left_out() -> None:
    request = InboundShipmentRequest(
        reference="R-1", storage_country="FR", lines=(ShipmentLine(quantity=1, seller_product_reference="R"),)
    )
    sent = {
        "reference": "R-1",
        "storageCountry": "FR",
        "lines": [{"quantity": 1, "sellerProductReference": "R"}],
    }
    assert wire(request) == sent
    whole = msgspec.structs.replace(request, expected_delivery_date=MOMENT)
    assert wire(whole) == sent | {"expectedDeliveryDate": "2025-03-01T10:00:00Z"}


def test_a_request_reads_back_as_it_was_written() -> None:
    request = InboundShipmentRequest(
        reference="R-1", storage_country="FR", lines=[ShipmentLine(quantity=1)], expected_delivery_date=MOMENT
    )
    assert msgspec.json.decode(msgspec.json.encode(request), type=InboundShipmentRequest) == request


def test_a_supply_order_needs_only_its_id() -> None:
    assert decoded(colour="red", deep={"x": [1]}) == InboundShipment(inbound_shipment_id="I")
    with pytest.raises(msgspec.ValidationError, match="inboundShipmentId"):
        msgspec.convert({}, InboundShipment)


def test_a_whole_supply_order_there_and_back() -> None:
    shipment = msgspec.json.decode(msgspec.json.encode(WHOLE), type=InboundShipment)
    assert shipment == InboundShipment(
        inbound_shipment_id="I",
        reference="R-1",
        code="OCT-1",
        storage_country="FR",
        expected_delivery_date=MOMENT,
        status=InboundStatus.PARTIALLY_RECEIVED,
        lines=[InboundLine(seller_product_reference="R", quantity=5, received_quantity=3, undelivered_quantity=2)],
        created_at=MOMENT.replace(day=2),
        updated_at=MOMENT.replace(day=3),
        refusal=Refusal(code="UnknownProduct", message="no"),
    )
    assert wire(shipment) == WHOLE
    assert set(WHOLE) == set(InboundShipment.__struct_encode_fields__)


@pytest.mark.parametrize("field", [name for name in WHOLE if name not in ("inboundShipmentId", "lines")])
def test_null_is_the_same_as_absent(field) -> None:
    assert decoded(**{field: None}) == decoded()


def test_lines_of_nothing() -> None:
    assert decoded(lines=[{}]).lines == [InboundLine()]
    assert decoded(lines=[]).lines == decoded().lines == []


@pytest.mark.parametrize("target", FLOW)
@pytest.mark.parametrize("status", FLOW)
def test_what_is_reached(status, target) -> None:
    assert InboundStatus(status).reached(target) is (FLOW.index(status) >= FLOW.index(target))
    assert InboundStatus(status.lower()).reached(target.upper()) is (FLOW.index(status) >= FLOW.index(target))


@pytest.mark.parametrize("end", ["Refused", "Cancelled", "Lost in space"])
def test_off_the_flow_only_itself_is_reached(end) -> None:
    assert InboundStatus(end).reached(end)
    assert not any(InboundStatus(end).reached(target) for target in FLOW)
    assert not any(InboundStatus(status).reached(end) for status in FLOW)
    assert not InboundStatus("Lost in space").reached("Lost at sea")


def test_what_is_final() -> None:
    assert [status.value for status in InboundStatus if status.final] == ["Received", "Refused", "Cancelled"]
    assert not InboundStatus("Lost in space").final
    assert decoded(status="received").status is InboundStatus.RECEIVED


def test_an_unknown_status_keeps_its_text() -> None:
    status = decoded(status="Quarantined").status
    assert isinstance(status, InboundStatus)
    assert (status.value, status.known) == ("Quarantined", False)


def test_filters() -> None:
    fields = {
        "status": "Accepted",
        "storage_country": "FR",
        "created_at_min": MOMENT,
        "created_at_max": MOMENT,
        "updated_at_min": MOMENT,
        "updated_at_max": MOMENT,
    }
    names = ["status", "storageCountry", "createdAtMin", "createdAtMax", "updatedAtMin", "updatedAtMax"]
    sent = dict(zip(names, ["Accepted", "FR", *["2025-03-01T10:00:00Z"] * 4], strict=True))
    assert wire(InboundCountFilters(**fields)) == sent
    assert wire(InboundFilters(**fields, limit=7, cursor="c")) == sent | {"limit": 7, "cursor": "c"}
