"""Structs in ``help()``: a description with its source for each field, and a short signature."""

import inspect
import pydoc

import msgspec
import pytest

from octoffm_async.contract import access, common, inbound, outbound, products, returns, stocks
from octoffm_async.contract.base import modelled_fields, with_extra
from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.stocks import Stock

from .structs import structs_of, tags_of

MODULES = (access, common, inbound, outbound, products, returns, stocks)
STRUCTS = [struct for module in MODULES for struct in structs_of(module)]
WORDS = {"D": "(documented).", "S": "(seen).", "A": "(assumed)."}
each = pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)


@each
def test_every_field_is_described_with_its_source(struct: type[msgspec.Struct]) -> None:
    for name, (tag,) in tags_of(struct):
        assert WORDS[tag] in (inspect.getdoc(inspect.getattr_static(struct, name)) or ""), name


@each
def test_a_signature_has_all_fields_and_no_metadata(struct: type[msgspec.Struct]) -> None:
    signature = inspect.signature(struct)
    assert set(signature.parameters) == set(struct.__struct_fields__)
    assert "Annotated" not in str(signature)
    assert "Meta" not in str(signature)
    required = {name for name, one in signature.parameters.items() if one.default is inspect.Parameter.empty}
    assert required == {field.name for field in msgspec.structs.fields(struct) if field.required}


def test_the_schema_of_msgspec_has_the_descriptions() -> None:
    properties = msgspec.json.schema(FulfillmentProduct)["$defs"]["FulfillmentProduct"]["properties"]
    assert {name for name, field in properties.items() if not field.get("description")} == set()


def test_help_shows_descriptions_and_defaults() -> None:
    shown = pydoc.plain(pydoc.render_doc(FulfillmentProduct))
    assert "product_condition: str = 'New'" in shown
    assert "UN number of a dangerous good" in shown
    assert "quantities: octoffm_async.contract.stocks.Quantities = Quantities()" in str(inspect.signature(Stock))


def test_a_row_in_another_spelling_keeps_fields_and_descriptions() -> None:
    row = with_extra(Stock, {"id": "S"}, {"colour": "red"})
    assert modelled_fields(row) == modelled_fields(Stock)
    assert inspect.getdoc(type(row).id) == inspect.getdoc(Stock.id)
