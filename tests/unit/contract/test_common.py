"""What several services share, on the wire; tags of the fields of all new services."""

import msgspec
import pytest

from octoffm_async.contract import common, inbound, returns
from octoffm_async.contract.base import modelled_fields
from octoffm_async.contract.common import Document, DocumentAnswer, Refusal, ShipmentLine

from .structs import structs_of, tags_of

STRUCTS = [struct for module in (common, inbound, returns) for struct in structs_of(module)]
each = pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)


def test_the_walk_finds_the_structs() -> None:
    assert {struct.__name__ for struct in STRUCTS} == {
        "DocumentAnswer",
        "InboundCountFilters",
        "InboundFilters",
        "InboundLine",
        "InboundShipment",
        "InboundShipmentRequest",
        "Refusal",
        "Return",
        "ReturnCountFilters",
        "ReturnFilters",
        "ReturnLine",
        "ReturnRequest",
        "ShipmentLine",
    }


@each
def test_every_field_has_exactly_one_tag(struct) -> None:
    tags = dict(tags_of(struct))
    assert tuple(tags) == modelled_fields(struct)
    assert {name: found for name, found in tags.items() if len(found) != 1} == {}


@each
def test_structs_are_frozen_and_keyword_only(struct) -> None:
    assert struct.__struct_config__.frozen
    with pytest.raises(TypeError):
        struct(*["x"] * len(struct.__struct_fields__))


@each
def test_names_on_the_wire_are_in_camel_case(struct) -> None:
    for name, wire in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        first, *others = name.split("_")
        assert wire == first + "".join(map(str.capitalize, others))


def test_a_line_on_the_wire() -> None:
    line = ShipmentLine(quantity=2, seller_product_reference="R", product_id="P", product_condition="New")
    sent = {"quantity": 2, "sellerProductReference": "R", "productId": "P", "productCondition": "New"}
    assert msgspec.json.decode(msgspec.json.encode(line)) == sent
    assert msgspec.convert(sent, ShipmentLine) == line
    assert msgspec.to_builtins(ShipmentLine(quantity=1)) == {"quantity": 1}


@pytest.mark.parametrize("fields", [{}, {"code": None, "message": None}, {"colour": "red"}])
def test_a_refusal_may_say_nothing(fields) -> None:
    assert msgspec.convert(fields, Refusal) == Refusal(code=None, message=None)


def test_a_document_inside_json() -> None:
    fields = {"content": "JVBERi0=", "url": "/x", "fileName": "a.pdf", "mediaType": "application/pdf", "size": 5}
    assert msgspec.convert(fields, DocumentAnswer) == DocumentAnswer(
        content="JVBERi0=", url="/x", file_name="a.pdf", media_type="application/pdf"
    )
    assert msgspec.convert({}, DocumentAnswer) == DocumentAnswer()


def test_a_document_shows_its_size_and_not_its_bytes() -> None:
    document = Document(content=b"secret", media_type="application/pdf", file_name="a'b.pdf")
    assert repr(document) == """Document("a'b.pdf", application/pdf, 6 bytes)"""
    assert document == Document(content=b"secret", media_type="application/pdf", file_name="a'b.pdf")
    with pytest.raises(AttributeError):
        document.content = b""  # type: ignore[misc]
