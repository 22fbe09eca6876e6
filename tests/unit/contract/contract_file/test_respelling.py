"""Our document in the words of a contract file is the document that those words come from."""

import pytest

from octoffm_async.contract.adoption import adopt
from octoffm_async.contract.contract_file.model import ContractFile
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.contract.contract_file.respelling import respelled_document
from octoffm_async.contract.openapi.comparison import compare
from octoffm_async.contract.openapi.description import describe
from octoffm_async.contract.openapi.differences import DifferenceKind
from octoffm_async.contract.openapi.export import openapi_document

from ....support.dialects import DIALECTS, Dialect, openapi

_OF_NAMES = {
    DifferenceKind.OPERATION_ABSENT,
    DifferenceKind.PARAMETER_ABSENT,
    DifferenceKind.FIELD_ABSENT,
    DifferenceKind.TYPE,
    DifferenceKind.VALUES_ABSENT,
    DifferenceKind.MEDIA_TYPE,
}


def respelled(text: str) -> dict[str, dict[str, object]]:
    return respelled_document(parse_contract(text))["components"]["schemas"]


def test_an_empty_file_changes_nothing() -> None:
    assert respelled_document(ContractFile()) == openapi_document()


def test_our_own_document_is_not_changed() -> None:
    before = openapi_document()
    respelled_document(parse_contract('[fields.Stock]\ngtin = "ean"\n'))
    assert openapi_document() == before


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_difference_of_names_is_left_in_a_dialect_that_was_adopted(dialect: Dialect) -> None:
    document = openapi(dialect)
    ours, theirs = respelled_document(adopt(document).contract), describe(document)
    left = [one for one in compare(describe(ours), theirs) if not one.harmless]
    assert not [one.sentence for one in left if one.kind in _OF_NAMES]
    before = [one for one in compare(describe(openapi_document()), theirs) if not one.harmless]
    assert {one.kind for one in before} & _OF_NAMES


def test_fields_stand_where_the_file_has_them() -> None:
    schemas = respelled(
        """
        [fields.FulfillmentProduct]
        packaging = "."
        title = "names.label"
        [fields.Packaging]
        weight_g = { name = "mass", scale = 0.001 }
        [extra.FulfillmentProduct]
        channel = "A"
        """
    )
    product = schemas["FulfillmentProduct"]
    properties = product["properties"]
    assert isinstance(properties, dict)
    assert {"mass", "length", "names", "channel"} <= set(properties)
    assert not {"packaging", "weight", "title"} & set(properties)
    assert properties["names"]["properties"]["label"]["type"] == "string"
    assert properties["channel"] == {"type": "string"}
    # A packaging is optional, so no part of it is required of its parent; what is added is always sent.
    assert set(product["required"]) == {"gtin", "sellerProductReference", "channel"}  # type: ignore[call-overload]


def test_limits_follow_the_scale() -> None:
    schemas = respelled("[fields.ShipmentLine]\nquantity = { scale = 12 }\n")
    assert schemas["ShipmentLine"]["properties"]["quantity"]["minimum"] == 12  # type: ignore[index]
