"""An OpenAPI document in other words gives the contract file that says those words."""

from functools import cache

import pytest

from octoffm_async.contract.adoption import Adoption, adopt
from octoffm_async.contract.contract_file.model import FieldMapping, OperationMapping
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.contract.contract_file.registry import BY_NAME, STRUCTS, fields_of
from octoffm_async.contract.openapi.export import openapi_document

from ....support.dialects import DIALECTS, OPERATIONS, Dialect, openapi


@cache
def adopted_from(name: str) -> Adoption:
    return adopt(openapi(next(dialect for dialect in DIALECTS if dialect.name == name)))


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def adopted(dialect: Dialect) -> Adoption:
    return adopted_from(dialect.name)


def test_each_field_is_found_where_the_dialect_has_it(dialect: Dialect, adopted: Adoption) -> None:
    expected = {
        struct: {
            name: FieldMapping(path=spelled.path, scale=spelled.scale)
            for name, spelled in fields.items()
            if (spelled.path, spelled.scale) != ((fields_of(STRUCTS[struct])[name].encode_name,), 1.0)
        }
        for struct, fields in dialect.fields.items()
    }
    assert adopted.contract.fields == {struct: fields for struct, fields in expected.items() if fields}


def test_each_value_is_found_as_the_dialect_spells_it(dialect: Dialect, adopted: Adoption) -> None:
    expected = {
        enum: {ours: theirs for ours, theirs in values.items() if ours != theirs}
        for enum, values in dialect.values.items()
    }
    assert adopted.contract.values == expected


def test_each_operation_is_found_as_the_dialect_has_it(dialect: Dialect, adopted: Adoption) -> None:
    for name, call in dialect.calls.items():
        found = adopted.contract.operations.get(name, OperationMapping())
        filters = BY_NAME[name].filters
        standing = {} if filters is None else {one.name: one.encode_name for one in fields_of(filters).values()}
        literal = [part for part in (found.path or BY_NAME[name].path).split("/") if "{" not in part]
        assert literal == [part for part in call.path.split("/") if "{" not in part]
        assert (found.wrap, found.body) == (call.wrap, None)
        assert standing | found.query == call.query
        if OPERATIONS[name].answer == "list":
            assert (found.items or ("items",)) == call.items
        assert (found.result or ()) == call.result
        assert (found.identifier or (BY_NAME[name].identifier,)) == (call.identifier or ("",))
        assert (found.count or ()) == call.count


def test_what_no_program_can_know_is_open_and_nothing_else(dialect: Dialect, adopted: Adoption) -> None:
    decidable = {"sales_channel": "CDISFR"}
    expected = {
        f"extra.{struct}.{name}"
        for struct, schemas in dialect.extra.items()
        for name in schemas
        if name not in decidable
    }
    assert {f"{one.section}.{one.name}" for one in adopted.open} == expected
    assert adopted.complete is (expected == set())


def test_a_required_member_with_one_value_is_filled() -> None:
    assert adopted_from("B").contract.extra == {"OutboundShipmentRequest": {"sales_channel": "CDISFR"}}


def test_what_is_open_stands_in_the_file_as_a_comment_that_can_be_used(adopted: Adoption) -> None:
    lines = adopted.text.splitlines()
    for one in adopted.open:
        assert f"# open: {one.sentence}" in lines
        lines[lines.index(f"# {one.cure}")] = one.cure
    decided = parse_contract("\n".join(lines))
    assert {name for fields in decided.extra.values() for name in fields} >= {one.name for one in adopted.open}


def test_synonyms_are_marked_with_their_reason(adopted: Adoption) -> None:
    assert adopted.synonyms
    for table, name, why in adopted.synonyms:
        section = adopted.text.partition(f"[{table}]\n")[2].partition("\n\n")[0]
        (line,) = (line for line in section.splitlines() if line.startswith(f"{name} = "))
        assert line.endswith(f"  # {why}")


def test_our_own_export_gives_an_empty_file() -> None:
    adopted = adopt(openapi_document())
    contract = adopted.contract
    assert (contract.fields, contract.values, contract.operations, contract.extra) == ({}, {}, {}, {})
    assert adopted.complete
    assert (adopted.operations, adopted.missing, adopted.synonyms, adopted.notes) == (len(BY_NAME), (), (), ())
