"""What a spelling that was learned must not do: read other values than the careful way, stay slow, or grow."""

from __future__ import annotations

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from octoffm_async.contract.answers.names import folded
from octoffm_async.contract.answers.reader import TolerantReader
from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.contract.operations import LIST_OUTBOUND, LIST_STOCKS
from octoffm_async.session.decoding import odd_json
from octoffm_async.session.decoding.answers import Answers, UnusableError
from octoffm_async.session.decoding.drift import DriftLog
from tests.support.fakes import answer


def answers() -> Any:
    reader = Answers(Translation(), DriftLog(lambda _: None))
    return lambda operation, body: reader.read(operation, answer(200, body))


def stock(**members: Any) -> dict[str, Any]:
    return {"items": [{"id": "S", "quantities": {"Available": 1}, **members}]}


TIMES = ["20261115", "202611151230", 0, 5, 1.5, "5", "", True, "1999-12-31T00:00:00Z", 1_700_000_000, "1700000000"]


@pytest.mark.parametrize("written", TIMES)
def test_numbers_as_text_make_no_time_of_a_number(written: Any) -> None:
    learned = answers()
    learned(LIST_STOCKS, stock(quantities={"Available": "37"}))
    (plain,) = answers()(LIST_STOCKS, stock(updatedAt=written))
    for _ in range(3):
        (found,) = learned(LIST_STOCKS, stock(updatedAt=written))
        assert (found.updated_at, found.extra) == (plain.updated_at, plain.extra)
    counted = datetime.fromtimestamp(1_700_000_000, UTC)
    reported = {"1999-12-31T00:00:00Z": datetime(1999, 12, 31, tzinfo=UTC), 1_700_000_000: counted}
    assert plain.updated_at == reported.get(written)


@pytest.mark.parametrize("written", [-1, 0, 10**14, 10**30, 5.5])
def test_a_number_that_is_no_gtin_is_kept_as_it_came(written: Any) -> None:
    learned = answers()
    assert learned(LIST_STOCKS, stock(gtin=12345670))[0].gtin == "12345670"
    for _ in range(2):
        (found,) = learned(LIST_STOCKS, stock(gtin=written))
        assert (found.gtin, found.extra) == (None, {"gtin": written})
        assert copy.copy(found) == found


def test_a_field_in_two_spellings_is_still_read_when_it_comes_in_one() -> None:
    learned = answers()
    row = {"outboundShipmentId": "O", "reference": "R", "status": "Created", "lines": []}
    for _ in range(2):
        (found,) = learned(LIST_OUTBOUND, [row | {"StorageCountry": "FR", "storageCountry": "ES"}])
        assert found.storage_country == "ES"
        (found,) = learned(LIST_OUTBOUND, [row | {"StorageCountry": "FR"}])
        assert (found.storage_country, found.extra) == ("FR", {})


@pytest.mark.parametrize(
    "page",
    [
        {"count": 5},
        {"total": "7", "page": 1},
        {"items": None, "totalCount": 3},
        {"page": [{"id": "S", "quantities": {"Available": 1}}]},
    ],
)
def test_a_page_that_speaks_of_rows_and_has_no_list_is_not_empty(page: dict[str, Any]) -> None:
    with pytest.raises(UnusableError):
        answers()(LIST_STOCKS, page)


@pytest.mark.parametrize(
    "page", [{}, {"count": 0}, {"total": "0"}, {"items": None}, {"itemsPerPage": 10}, {"items": [], "count": 9}]
)
def test_a_page_that_says_there_are_none_is_empty(page: dict[str, Any]) -> None:
    assert answers()(LIST_STOCKS, page) == []


def test_rows_in_items_are_not_missed_after_rows_in_data() -> None:
    learned = answers()
    rows = stock()["items"]
    assert len(learned(LIST_STOCKS, {"data": rows})) == 1
    assert len(learned(LIST_STOCKS, {"data": [], "items": rows})) == 1
    assert len(learned(LIST_STOCKS, {"data": [], "Items": rows})) == 1
    assert len(learned(LIST_STOCKS, {"data": rows, "items": None})) == 1


def test_a_text_that_does_not_end_costs_no_more_than_its_length() -> None:
    body = b'{"payload":"' + b'\\"x' * 200_000
    began = time.process_time()
    with pytest.raises(json.JSONDecodeError):
        odd_json.parse(body, "")
    assert time.process_time() - began < 5.0  # each quotation mark searched to the end anew: minutes


def test_a_mark_before_the_json_is_learned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = answers()
    body = b"\xef\xbb\xbf" + b'{"Items":[{"Id":"S","Quantities":{"available":37}}]}'
    assert learned(LIST_STOCKS, body)[0].quantities.available == 37
    monkeypatch.setattr(TolerantReader, "read", None)  # not read the careful way again
    assert learned(LIST_STOCKS, body)[0].quantities.available == 37


def test_pages_in_two_spellings_by_turns_are_both_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = answers()
    pages = [stock(), {"Items": [{"Id": "S", "Quantities": {"available": 1}}] * 500}]
    for page in pages * 2:
        learned(LIST_STOCKS, page)
    read: list[Any] = []
    plain = TolerantReader.read

    def counted(reader: TolerantReader, *some: Any) -> Any:
        read.append(some)
        return plain(reader, *some)

    monkeypatch.setattr(TolerantReader, "read", counted)
    assert len(learned(LIST_STOCKS, pages[0])) == 1
    assert len(learned(LIST_STOCKS, pages[1])) == 500
    assert len(read) < 100  # a sample, not each row


def test_names_of_any_length_are_compared_and_only_short_ones_remembered() -> None:
    long = "N_" * 100_000
    assert folded(long) == "n" * 100_000
    learned = answers()
    for number in range(3):
        (found,) = learned(LIST_STOCKS, stock(**{f"{long}{number}": number}))
        assert found.extra == {f"{long}{number}": number}


def test_a_row_shows_itself_alike_whatever_it_came_as() -> None:
    learned = answers()
    row = {
        "outboundShipmentId": "17",
        "reference": "77",
        "status": "Created",
        "lines": [],
        "createdAt": "2026-01-01T00:00Z",
    }
    (plain,) = learned(LIST_OUTBOUND, [row])
    other = {
        "OutboundShipmentId": 17,
        "Reference": 77,
        "Status": "created",
        "Lines": None,
        "createdAt": "2026-01-01T00:00",
    }
    for _ in range(3):
        (found,) = learned(LIST_OUTBOUND, [other | {"secret": "S3CR3T"}])
        assert repr(found) == repr(plain)
    assert repr(plain).startswith("OutboundShipment(outbound_shipment_id='17', reference='77', status=")


def test_a_page_that_cannot_be_used_leaves_what_was_learned() -> None:
    learned = answers()
    rows = stock()["items"]
    for _ in range(2):
        assert len(learned(LIST_STOCKS, rows)) == 1
        with pytest.raises(UnusableError):
            learned(LIST_STOCKS, {"items": None, "count": 3})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b'{"name": "Andr\xe9"}', {"name": "Andr\N{REPLACEMENT CHARACTER}"}),
        (b'{"\xff": 1}', {"\N{REPLACEMENT CHARACTER}": 1}),
        (b'{"n": 1e400}', {"n": float("inf")}),
    ],
)
def test_what_is_not_modelled_can_be_read_though_it_is_damaged(written: bytes, read: Any) -> None:
    learned = answers()
    learned(LIST_STOCKS, stock(more={"a": 1}))
    body = b'[{"id": "S", "quantities": {"Available": 1}, "more": ' + written + b"}]"
    for _ in range(2):
        (found,) = learned(LIST_STOCKS, body)
        assert found.extra == {"more": read}
        assert copy.copy(found) == found


def test_data_that_serves_as_a_name_is_not_told() -> None:
    reported: list[Any] = []
    reader = Answers(Translation(), DriftLog(reported.append))
    names = ("ada@example.org", "Ada Lovelace", "+33 1 23", "12345", "Lovelace, Ada")
    reader.read(LIST_STOCKS, answer(200, stock(**dict.fromkeys(names, 1), newName=1, **{"@type": "x", "new_name": 1})))
    assert [each.path for each in reported] == ["*", "newName", "@type", "new_name"]


@pytest.mark.parametrize("name", ['si"ze', "a\\b", "\x1b[31m", "a\r\nb", "\0", "\ud800"])
def test_names_that_no_type_can_have_are_read_all_the_same(name: str) -> None:
    learned = answers()
    for _ in range(3):
        (found,) = learned(LIST_STOCKS, json.dumps(stock(**{name: 5})).encode())
        assert found.quantities["Available"] == 1
        assert list(found.extra.values()) == [5]
