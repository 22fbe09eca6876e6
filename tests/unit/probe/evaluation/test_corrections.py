"""The contract file that a probe writes: what is sure becomes an entry, what is not a comment; it can be read back."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from octoffm_async.contract.base import A, Answer, OpenEnum
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.contract.operations import (
    COUNT_RETURNS,
    GET_OUTBOUND,
    GET_STOCK,
    LIST_OUTBOUND,
    LIST_RETURNS,
    LIST_STOCKS,
    Group,
    Operation,
)
from octoffm_async.probe.evaluation.answers import seen_answers
from octoffm_async.probe.evaluation.corrections import Corrections, contract_text, mend
from octoffm_async.probe.shapes import merged, shape_of
from octoffm_async.probe.words import Censor

from ..api import ORDERS, RETURNS, STOCKS
from ..seen import answered, seen


def renamed(row: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in row.items()}


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def corrections(*bodies: tuple[Operation[Any], Any]) -> Corrections:
    return mend(seen(*bodies))


def test_known_synonyms_of_the_same_type_become_entries() -> None:
    order = renamed(ORDERS[0], lines="items", deliveryAddress="shippingAddress", status="shipmentStatus")
    order["shippingAddress"] = renamed(order["shippingAddress"], postalCode="zipCode", addressLine1="address1")
    found = corrections((LIST_OUTBOUND, [order]))
    assert found.fields == {
        "OutboundShipment": {"status": "shipmentStatus", "delivery_address": "shippingAddress", "lines": "items"},
        "ShippedTo": {"address_line1": "address1", "postal_code": "zipCode"},
    }
    assert found.undecided == {}


def test_names_that_differ_by_case_and_separators_need_no_entry() -> None:
    order = renamed(ORDERS[0], deliveryAddress="Delivery_Address", outboundShipmentId="OutboundShipmentID")
    assert corrections((LIST_OUTBOUND, [order])).count == 0


def test_requests_get_the_same_names_as_comments() -> None:
    order = renamed(ORDERS[0], lines="items")
    text = contract_text(corrections((LIST_OUTBOUND, [order])), note="n")
    assert '# [fields.OutboundShipmentRequest]\n# lines = "items"' in text
    assert "OutboundShipmentRequest" not in parse_contract(text).fields


def test_an_object_spread_into_its_parent_is_seen() -> None:
    order = {**without(ORDERS[0], "deliveryAddress"), **ORDERS[0]["deliveryAddress"]}
    assert corrections((LIST_OUTBOUND, [order])).fields == {"OutboundShipment": {"delivery_address": "."}}


def test_a_field_deeper_inside_is_seen() -> None:
    order = {**without(ORDERS[0], "deliveryMode"), "shipping": {"deliveryMode": "TrackedHomeDelivery", "price": 1}}
    assert corrections((LIST_OUTBOUND, [order])).fields == {
        "OutboundShipment": {"delivery_mode": "shipping.deliveryMode"}
    }


def test_places_of_rows_counts_and_objects_become_entries() -> None:
    found = corrections(
        (LIST_STOCKS, {"page": {"n": 1}, "results": STOCKS}),
        (COUNT_RETURNS, {"total": 3}),
        (GET_STOCK, {"stock": STOCKS[0]}),
    )
    text = contract_text(found, note="n")
    operations = parse_contract(text).operations
    assert operations["stocks.list"].items == ("results",)
    assert operations["returns.count"].count == ("total",)
    assert operations["stocks.get"].result == ("stock",)
    assert found.fields == {}


def test_values_that_differ_by_separators_become_entries() -> None:
    order = {**ORDERS[0], "status": "IN_PREPARATION"}
    assert corrections((LIST_OUTBOUND, [order])).values == {"OutboundStatus": {"InPreparation": "IN_PREPARATION"}}


class _Status(OpenEnum):
    REFUSED = "Refused"
    SENT = "Sent"


class _Row(Answer, frozen=True, kw_only=True):
    status: Annotated[_Status | None, A] = None


def words_seen(*words: str) -> Corrections:
    one = Operation[_Row](name="x.get", method="GET", path="/x", group=Group.OTHER, tag="A", answer=_Row)
    bodies = [shape_of({"status": word}, Censor()) for word in words]
    (template,) = seen((GET_STOCK, {"id": 1}))
    whole = merged(bodies)
    return mend([template._replace(operation=one, whole=whole, where=(), part=whole)])


def test_two_words_of_one_meaning_become_an_entry_if_ours_was_not_seen() -> None:
    assert words_seen("Rejected").values == {"_Status": {"Refused": "Rejected"}}
    both = words_seen("Rejected", "Refused")
    assert (both.values, list(both.undecided)) == ({}, ["_Status"])


def test_an_unknown_value_is_a_comment() -> None:
    found = words_seen("Lost")
    assert (found.values, found.undecided) == ({}, {"_Status": ['"Lost" is not known']})


def test_what_is_not_sure_is_a_comment_with_its_candidates() -> None:
    order = {**without(ORDERS[0], "reference"), "externalReference": "a", "orderReference": "b"}
    found = corrections((LIST_OUTBOUND, [order]))
    assert found.fields == {}
    assert found.undecided == {"OutboundShipment": ['reference = "externalReference" or "orderReference"']}
    text = contract_text(found, note="n")
    assert '# reference = "externalReference" or "orderReference"' in text
    assert parse_contract(text).fields == {}


def test_a_synonym_of_another_type_is_not_taken() -> None:
    order = {**without(ORDERS[0], "lines"), "items": "three"}
    assert corrections((LIST_OUTBOUND, [order])).fields == {}


def test_a_name_that_another_answer_contradicts_is_a_comment() -> None:
    found = corrections((LIST_OUTBOUND, [renamed(ORDERS[0], lines="items")]), (GET_OUTBOUND, ORDERS[0]))
    assert found.fields == {}
    assert found.undecided["OutboundShipment"] == ['lines = "items"  # not always']
    assert found.guesses == {}


def test_entries_that_contradict_each_other_are_comments() -> None:
    contradicting = Corrections(fields={"OutboundShipment": {"reference": "a", "status": "a"}})
    text = contract_text(contradicting, note="n")
    assert "contradict" in text
    assert parse_contract(text).fields == {}


@pytest.mark.parametrize("count", [1, 5])
def test_rows_of_returns_are_mended_too(count: int) -> None:
    rows = [renamed(RETURNS[0], updatedAt="lastUpdate", createdAt="creationDate")] * count
    assert corrections((LIST_RETURNS, {"items": rows})).fields == {
        "Return": {"created_at": "creationDate", "updated_at": "lastUpdate"}
    }


def test_a_file_without_entries_says_so() -> None:
    text = contract_text(mend(seen_answers(answered())), note="n")
    assert "nothing to correct" in text
    assert parse_contract(text).operations == {}
