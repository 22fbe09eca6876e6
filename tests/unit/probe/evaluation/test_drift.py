"""What differs from the contract: each kind of difference, where it is, and what takes care of it."""

from __future__ import annotations

from typing import Any

import pytest

from octoffm_async.contract.operations import (
    COUNT_RETURNS,
    CREATE_TOKEN,
    GET_STOCK,
    LIST_OUTBOUND,
    LIST_REFERENCES,
    LIST_STOCKS,
    OPERATIONS,
    Shape,
)
from octoffm_async.probe.evaluation.answers import struct_of
from octoffm_async.probe.evaluation.corrections import mend
from octoffm_async.probe.evaluation.drift import ProbeDrift, drift_of
from octoffm_async.probe.evaluation.expectations import fields_of

from ..api import ORDERS, REFERENCES, STOCKS
from ..seen import seen


def drift(operation: Any, body: Any) -> list[ProbeDrift]:
    answers = seen((operation, body))
    return drift_of(answers, mend(answers))


def reported(found: list[ProbeDrift]) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in found]


def changed(**changes: Any) -> dict[str, Any]:
    row = {**STOCKS[0], **changes}
    return {"items": [{name: value for name, value in row.items() if value is not ...}]}


@pytest.mark.parametrize(
    "body",
    [
        {"items": STOCKS, "itemsPerPage": 2},
        STOCKS,
        {"Data": STOCKS},
        {"items": [{name.upper(): value for name, value in row.items()} for row in STOCKS]},
        {"items": []},
    ],
    ids=["usual", "bare", "data", "upper case", "empty"],
)
def test_what_the_reader_takes_anyway_is_no_drift(body: Any) -> None:
    assert drift(LIST_STOCKS, body) == []


def test_a_missing_field_is_told_with_its_tag() -> None:
    (one,) = drift(LIST_STOCKS, changed(gtin=...))
    assert (one.operation, one.path, one.kind, one.tag, one.found) == (
        "stocks.list",
        "gtin",
        "missing",
        "A",
        "in none of 1",
    )


def test_what_the_contract_file_mends_is_told_as_cured() -> None:
    row = {"lastUpdate" if name == "updatedAt" else name: value for name, value in STOCKS[0].items()}
    found = drift(LIST_STOCKS, [row])
    assert [(one.kind, one.path, one.spelled, one.cure) for one in found] == [
        ("missing", "updated_at", "updatedAt", "contract file"),
        ("unknown", "lastUpdate", "lastUpdate", "contract file"),
    ]


def test_a_field_that_some_rows_have_is_not_missing() -> None:
    without = {name: value for name, value in STOCKS[0].items() if name != "gtin"}
    assert drift(LIST_STOCKS, [STOCKS[0], without]) == []


def test_an_unknown_field_is_told_with_its_type() -> None:
    (one,) = drift(LIST_STOCKS, changed(colour="red"))
    assert (one.kind, one.path, one.found, one.cure) == ("unknown", "colour", "string", "")


@pytest.mark.parametrize(
    ("changes", "path", "found", "cure"),
    [
        ({"gtin": 4006381333931}, "gtin", "integer", "reader"),
        ({"id": 7}, "id", "integer", "reader"),
        (
            {"quantities": {**STOCKS[0]["quantities"], "Available": "37"}},
            "quantities.available",
            "string (integer)",
            "reader",
        ),
        ({"quantities": {**STOCKS[0]["quantities"], "Available": "many"}}, "quantities.available", "string", ""),
        ({"quantities": [1]}, "quantities", "array", ""),
        ({"productState": {"a": 1}}, "product_state", "object", ""),
        ({"updatedAt": "2026-01-02T03:04:05.1234567"}, "updated_at", "time no zone 7 decimals", "reader"),
        ({"updatedAt": "2026-01-02"}, "updated_at", "date", "reader"),
        ({"updatedAt": "yesterday"}, "updated_at", "text", ""),
    ],
)
def test_another_type_is_told(changes: dict[str, Any], path: str, found: str, cure: str) -> None:
    one = next(one for one in drift(LIST_STOCKS, changed(**changes)) if one.kind == "type")
    assert (one.path, one.found, one.cure) == (path, found, cure)


def test_an_unknown_value_of_an_enum_is_told() -> None:
    (one,) = drift(LIST_STOCKS, changed(productState="Broken"))
    assert (one.kind, one.path, one.expected, one.found) == ("value", "product_state", "ProductState", "Broken")


def test_values_in_another_case_are_no_drift() -> None:
    assert drift(LIST_STOCKS, changed(productState="NEW")) == []


def test_nested_rows_are_compared_too() -> None:
    row = {**ORDERS[0], "parcels": [{**ORDERS[0]["parcels"][0], "weight": 1}]}
    assert reported(drift(LIST_OUTBOUND, [row])) == [("unknown", "parcels[].weight")]


@pytest.mark.parametrize(
    ("operation", "body", "kind", "path", "cure"),
    [
        (LIST_STOCKS, {"results": STOCKS}, "missing", "$", "contract file"),
        (LIST_STOCKS, {"items": STOCKS, "total": 3}, "unknown", "$.total", ""),
        (LIST_STOCKS, {"a": 1}, "missing", "$", ""),
        (COUNT_RETURNS, {"total": 3}, "missing", "$", "contract file"),
        (COUNT_RETURNS, {"total": "3"}, "missing", "$", ""),
        (GET_STOCK, {"stock": STOCKS[0]}, "missing", "$", "contract file"),
    ],
)
def test_what_stands_elsewhere_is_told(operation: Any, body: Any, kind: str, path: str, cure: str) -> None:
    (one,) = drift(operation, body)
    assert (one.kind, one.path, one.cure) == (kind, path, cure)


@pytest.mark.parametrize("body", [3, {"count": 3}, {"total_item_count": 3}, {"totalItemCount": 3}])
def test_all_usual_counts_are_no_drift(body: Any) -> None:
    assert drift(COUNT_RETURNS, body) == []


def test_what_was_not_seen_is_not_compared() -> None:
    assert [one.operation.name for one in seen((LIST_REFERENCES, REFERENCES))] == ["products.references"]


def test_the_struct_of_each_answer_is_known() -> None:
    for operation in OPERATIONS:
        if operation.shape in (Shape.PAGE, Shape.OBJECT):
            struct = struct_of(operation)
            assert struct is not None
            assert fields_of(struct)
            assert all(field.holds.types for field in fields_of(struct))


def test_what_keycloak_tells_beside_a_token_is_no_drift_and_all_else_is() -> None:
    token = {"access_token": "t", "expires_in": 60, "token_type": "Bearer"}
    beside = {"refresh_expires_in": 0, "not-before-policy": 0, "scope": "profile"}
    assert drift(CREATE_TOKEN, token | beside) == []
    assert reported(drift(CREATE_TOKEN, token | {"tenant": "x"})) == [("unknown", "tenant")]
