"""Shipments on the wire."""

from datetime import UTC, datetime

import msgspec
import pytest

from octoffm_async.contract.answers.field_specs import specs_of
from octoffm_async.contract.common import Refusal, ShipmentLine
from octoffm_async.contract.outbound import (
    DeliveryAddress,
    DeliveryMode,
    OutboundFilters,
    OutboundShipment,
    OutboundShipmentRequest,
    OutboundStatus,
    ParcelLine,
    ShipmentState,
    ShippedTo,
)

ADDRESS = DeliveryAddress(
    first_name="Ada",
    last_name="Lovelace",
    address_line1="1 rue X",
    postal_code="33000",
    city="Bordeaux",
    country_code="FR",
)
ADDRESS_WIRE = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "addressLine1": "1 rue X",
    "postalCode": "33000",
    "city": "Bordeaux",
    "countryCode": "FR",
}


def wire(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def decoded(**fields: object) -> OutboundShipment:
    return msgspec.json.decode(msgspec.json.encode({"outboundShipmentId": "S", **fields}), type=OutboundShipment)


def test_absent_options_are_left_out() -> None:
    order = OutboundShipmentRequest(
        reference="O-1",
        lines=(ShipmentLine(quantity=1, seller_product_reference="R"),),
        delivery_address=ADDRESS,
        delivery_mode=DeliveryMode.TRACKED_HOME,
        storage_country="FR",
    )
    assert wire(order) == {
        "reference": "O-1",
        "lines": [{"quantity": 1, "sellerProductReference": "R"}],
        "deliveryAddress": ADDRESS_WIRE,
        "deliveryMode": "TrackedHomeDelivery",
        "storageCountry": "FR",
    }


def test_a_line_may_name_product_and_condition() -> None:
    line = ShipmentLine(quantity=2, product_id="P", product_condition="New")
    assert wire(line) == {"quantity": 2, "productId": "P", "productCondition": "New"}


def test_a_whole_address_on_the_wire() -> None:
    address = msgspec.structs.replace(
        ADDRESS,
        civility="Mrs",
        company_name="Engines",
        address_line2="2",
        address_line3="3",
        state_or_region="Gironde",
        email="a@b.fr",
        phone="+33",
    )
    sent = ADDRESS_WIRE | {
        "civility": "Mrs",
        "companyName": "Engines",
        "addressLine2": "2",
        "addressLine3": "3",
        "stateOrRegion": "Gironde",
        "email": "a@b.fr",
        "phone": "+33",
    }
    assert wire(address) == sent
    assert msgspec.convert(sent, DeliveryAddress) == address


def wire_names(struct: type[msgspec.Struct]) -> list[str]:
    return [spec.wire for spec in specs_of(struct)]


def test_what_is_read_back_has_the_same_names_as_what_was_sent() -> None:
    assert set(wire_names(ShippedTo)) == set(wire_names(DeliveryAddress))
    assert set(wire_names(ParcelLine)) == set(wire_names(ShipmentLine))


def test_a_shipment_needs_only_its_id() -> None:
    shipment = decoded(colour="red", deep={"x": [1]})
    assert shipment == OutboundShipment(outbound_shipment_id="S")
    assert (shipment.lines, shipment.parcels, shipment.status) == ([], [], None)


def test_a_whole_shipment() -> None:
    shipment = decoded(
        reference="O-1",
        status="shipped",
        state="VALID",
        storageCountry="FR",
        deliveryMode="DroneDelivery",
        deliveryAddress={"city": "Bordeaux", "door": 3},
        lines=[{"quantity": 1, "sellerProductReference": "R", "price": 3.5}],
        createdAt="2025-03-01T10:00:00Z",
        updatedAt="2025-03-02T10:00:00Z",
        statusUpdatedAt="2025-03-03T10:00:00Z",
        refusal={"code": "UnknownProduct", "message": "no"},
        parcels=[{"parcelId": "C", "carrier": "X", "trackingNumber": "1", "trackingUrl": "u", "lines": [{}]}],
    )
    assert shipment.status is OutboundStatus.SHIPPED
    assert shipment.state is ShipmentState.VALID
    assert shipment.delivery_mode == "DroneDelivery"
    assert shipment.delivery_address == ShippedTo(city="Bordeaux")
    assert shipment.lines == [ParcelLine(quantity=1, seller_product_reference="R")]
    assert [moment and moment.day for moment in (shipment.created_at, shipment.updated_at)] == [1, 2]
    assert shipment.status_updated_at == datetime(2025, 3, 3, 10, tzinfo=UTC)
    assert shipment.refusal == Refusal(code="UnknownProduct", message="no")
    (parcel,) = shipment.parcels
    assert (parcel.parcel_id, parcel.carrier, parcel.tracking_number, parcel.tracking_url) == ("C", "X", "1", "u")
    assert parcel.lines == [ParcelLine()]


@pytest.mark.parametrize(
    "field",
    ["refusal", "deliveryAddress", "status", "state", "deliveryMode", "createdAt"],
)
def test_null_is_the_same_as_absent(field) -> None:
    assert decoded(**{field: None}) == OutboundShipment(outbound_shipment_id="S")


def test_filters() -> None:
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    assert wire(OutboundFilters()) == {"limit": 1000}
    assert wire(OutboundFilters(state="Valid", status_updated_at_min=moment, status_updated_at_max=moment)) == {
        "limit": 1000,
        "state": "Valid",
        "statusUpdatedAtMin": "2025-03-01T00:00:00Z",
        "statusUpdatedAtMax": "2025-03-01T00:00:00Z",
    }
