"""Tokens and pages on the wire; tags of every field of the contract."""

import msgspec
import pytest

from octoffm_async.contract import access, outbound, products, stocks
from octoffm_async.contract.access import PageBody, Problem, TokenAnswer, TokenRequest
from octoffm_async.contract.base import modelled_fields

from .structs import structs_of, tags_of

STRUCTS = [struct for module in (access, outbound, products, stocks) for struct in structs_of(module)]


def test_the_walk_finds_the_structs() -> None:
    assert len(STRUCTS) >= 20
    assert {"TokenRequest", "DeliveryAddress", "FulfillmentProduct", "Stock"} <= {s.__name__ for s in STRUCTS}


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_has_exactly_one_tag(struct) -> None:
    tags = dict(tags_of(struct))
    assert tags
    assert tuple(tags) == modelled_fields(struct)
    assert {name: found for name, found in tags.items() if len(found) != 1} == {}


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_structs_are_frozen_and_keyword_only(struct) -> None:
    assert struct.__struct_config__.frozen
    with pytest.raises(TypeError):
        struct(*["x"] * len(struct.__struct_fields__))


def test_tags_come_out_in_the_schema() -> None:
    properties = msgspec.json.schema(TokenAnswer)["$defs"]["TokenAnswer"]["properties"]
    assert {field["x-provenance"] for field in properties.values()} == {"D"}


def test_a_token_request_always_names_its_grant() -> None:
    form = msgspec.to_builtins(TokenRequest(client_id="a", client_secret="b"))
    assert form == {"client_id": "a", "client_secret": "b", "grant_type": "client_credentials"}


@pytest.mark.parametrize("life", [300, 7200, 0.5])
def test_a_token_answer_needs_only_token_and_life(life) -> None:
    answer = msgspec.convert({"access_token": "t", "expires_in": life, "scope": "x"}, TokenAnswer)
    assert (answer.access_token, answer.expires_in, answer.token_type) == ("t", life, "Bearer")


def test_a_problem_may_be_empty() -> None:
    assert msgspec.json.decode(b'{"traceId": "t", "extra": 1}', type=Problem) == Problem(trace_id="t")


def test_a_page_needs_items() -> None:
    assert msgspec.json.decode(b'{"items": [1], "total": 3}', type=PageBody[int]).items == [1]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"itemsPerPage": 3}', type=PageBody[int])
