"""Shapes: what is kept of a body, what is not, and that neither size nor depth can be chosen by the other side."""

from __future__ import annotations

import msgspec
import pytest

from octoffm_async.probe.shapes import (
    DATA,
    DEPTH_MOST,
    NODES_MOST,
    ValueShape,
    count_at,
    form_of,
    merged,
    readable,
    result_at,
    rows_at,
    rows_in,
    shape_of,
    text_of,
    walk,
)
from octoffm_async.probe.words import NAMES_MOST, WORDS_MOST, Censor


def shape(body: object) -> ValueShape:
    return shape_of(body, Censor())


def places(found: ValueShape) -> dict[str, str]:
    return {path: "/".join(one.types) for path, one in walk(found)}


def test_all_objects_of_an_array_make_one_shape() -> None:
    found = shape({"items": [{"id": "a", "n": 1}, {"id": None, "n": 1.5, "more": [True]}, {"id": 7}]})
    assert places(found) == {
        "": "object",
        "items": "array",
        "items[]": "object",
        "items[].id": "string/null/integer",
        "items[].n": "integer/number",
        "items[].more": "array",
        "items[].more[]": "boolean",
    }
    items = found.fields["items"]
    assert (items.least, items.most) == (3, 3)
    assert items.items is not None
    assert (items.items.seen, items.items.fields["n"].seen) == (3, 2)


def test_lengths_of_arrays_are_the_least_and_the_most() -> None:
    lines = shape([{"lines": [1, 2]}, {"lines": []}]).items
    assert lines is not None
    assert (lines.fields["lines"].least, lines.fields["lines"].most) == (0, 2)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("37", "integer"),
        ("-3.5", "number"),
        ("true", "boolean"),
        ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "uuid"),
        ("2026-01-02", "date"),
        ("0001-01-01", "edge date"),
        ("2026-01-02T03:04:05Z", "time Z"),
        ("2026-01-02T03:04:05.1234567", "time no zone 7 decimals"),
        ("2026-01-02T03:04:05.123+01:00", "time offset 3 decimals"),
        ("9999-12-31T23:59:59.9999999", "edge time no zone 7 decimals"),
        ("https://a.example/b", "url"),
        ("/labels/1", "path"),
        ("1 rue de la Paix", "text"),
        ("٣٧", "text"),
        ("2026-01-02T03:04:05Z; Dupont", "text"),
    ],
)
def test_a_text_is_kept_by_its_form(text: str, form: str) -> None:
    assert form_of(text) == form


def test_values_are_kept_of_enums_only() -> None:
    body = {
        "status": "Shipped",
        "firstName": "Jeanne",
        "carrier": "Colissimo",
        "newState": "Odd",
        "reference": "Xavier",
    }
    found = shape(body)
    assert {name: one.values for name, one in found.fields.items() if one.values} == {
        "status": ["Shipped"],
        "newState": ["Odd"],
    }


def test_a_field_with_too_many_words_is_no_enum() -> None:
    words = [f"{first}{second}" for first in "ABCDEFG" for second in "abcdefg"]
    found = shape([{"status": word} for word in words[: WORDS_MOST + 1]] + [{"status": "Shipped"}])
    assert found.items is not None
    assert found.items.fields["status"].values == []
    assert found.items.fields["status"].cut


def test_the_keys_of_a_large_map_are_data() -> None:
    found = shape({f"key{'abcdefghij'[n % 10] * (n + 1)}": n for n in range(NAMES_MOST + 1)})
    assert list(found.fields) == [DATA]
    assert found.fields[DATA].seen == NAMES_MOST + 1


def test_objects_with_ever_new_names_are_bounded() -> None:
    names = [f"{a}{b}{c}" for a in "abcdefg" for b in "hijklmn" for c in "opqrstu"]
    found = shape([{name: 1} for name in names])
    assert found.items is not None
    assert len(found.items.fields) <= NAMES_MOST + 1


def test_a_deep_or_broad_body_is_cut() -> None:
    deep: object = 1
    for _ in range(200):
        deep = {"a": deep}
    assert max(path.count("a") for path in places(shape(deep))) <= DEPTH_MOST + 1
    letters = [f"{a}{b}" for a in "abcdefgh" for b in "abcdef"]
    broad = {one: {two: dict.fromkeys(letters, 1) for two in letters} for one in letters}
    assert len(places(shape(broad))) <= NODES_MOST + 1


def test_shapes_of_several_answers_are_merged() -> None:
    total = merged([shape({"a": 1, "l": [1]}), shape({"a": "x", "b": None, "l": []})])
    assert places(total) == {"": "object", "a": "integer/string", "l": "array", "l[]": "integer", "b": "null"}
    assert (total.seen, total.fields["a"].seen, total.fields["l"].least) == (2, 2, 0)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000, b"<html>", b'{"a": NaN}'])
def test_what_is_no_json_is_told(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (its kind is all that is promised)
        readable(body)


def test_a_mark_before_json_is_no_fault() -> None:
    assert readable(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("body", "path", "rows"),
    [
        ([{"a": 1}], (), 1),
        ({"items": [{"a": 1}], "tags": []}, ("items",), 1),
        ({"Data": [], "more": [1]}, ("Data",), 0),
        ({"results": [{"a": 1}, 7], "tags": ["x"]}, ("results",), 1),
        ({"result": {"rows": [{}]}}, ("result", "rows"), 1),
        ({"one": [{}], "two": [{}]}, None, 0),
        ({"a": 1}, None, 0),
        ("text", None, 0),
    ],
)
def test_rows_are_found_where_they_can_be(body: object, path: tuple[str, ...] | None, rows: int) -> None:
    where = rows_at(shape(body))
    assert where == path
    assert len(rows_in(body, where)) == rows


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (3, ()),
        ({"count": 3}, ("count",)),
        ({"Total_Item_Count": 3, "page": 1}, ("Total_Item_Count",)),
        ({"total": 3}, ("total",)),
        ({"data": {"total": 3}}, ("data", "total")),
        ({"total": 3, "page": 1}, None),
        ({"count2": "3"}, None),
    ],
)
def test_a_count_is_found_where_it_can_be(body: object, path: tuple[str, ...] | None) -> None:
    assert count_at(shape(body)) == path


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"id": 1, "productId": 2}, ()),
        ({"stock": {"id": 1, "productId": 2}}, ("stock",)),
        ({"stock": {"id": 1}}, ()),
        ([{"id": 1}], ()),
    ],
)
def test_the_object_of_an_answer_is_found_inside_another(body: object, path: tuple[str, ...]) -> None:
    assert result_at(shape(body), ["id", "productId"]) == path


def test_a_text_of_a_row_is_read_in_any_spelling() -> None:
    assert text_of({"Outbound_Shipment_Id": 7}, "outboundShipmentId", "id") == "7"
    assert text_of({"id": True, "x": ""}, "id", "x") == ""


def test_a_shape_can_be_written_and_read_back() -> None:
    found = shape({"items": [{"status": "Shipped", "at": "2026-01-02T03:04:05Z"}]})
    assert msgspec.json.decode(msgspec.json.encode(found), type=ValueShape) == found
