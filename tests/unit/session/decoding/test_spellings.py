"""Answers in any spelling: what is read was written, each row comes out, and nothing that was told is lost."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.contract.operations import GET_OUTBOUND, LIST_OUTBOUND, LIST_STOCKS, Operation
from octoffm_async.events import ContractDrift
from octoffm_async.session.decoding.answers import Answers, BadRowsError
from octoffm_async.session.decoding.drift import DriftLog
from tests.support.fakes import answer
from tests.unit.sizes import tries

MOMENT = "2026-01-02T03:04:05Z"
TYPES = ("Available", "Allocated", "Blocked", "Litigation", "Removal", "Return", "LogisticOperations")


def stock(number: int) -> dict[str, Any]:
    """A stock as the contract has it; each number stands in it once."""
    return {
        "id": f"S-{number}",
        "productId": f"P-{number}",
        "productState": "Used",
        "gtin": f"{number:013}",
        "updatedAt": MOMENT,
        "quantities": {name: number * 100 + place for place, name in enumerate(TYPES)},
        "localizations": [
            {
                "storageCountry": "FR",
                "quantities": {name: number * 100 + 50 + place for place, name in enumerate(TYPES)},
            }
        ],
    }


def order(number: int) -> dict[str, Any]:
    return {
        "outboundShipmentId": f"O-{number}",
        "reference": f"R-{number}",
        "status": "Shipped",
        "deliveryAddress": {"city": f"C-{number}", "postalCode": f"{number:05}"},
        "lines": [
            {"sellerProductReference": f"L-{number}-{line}", "quantity": number * 10 + line} for line in range(2)
        ],
        "createdAt": MOMENT,
        "parcels": [{"parcelId": f"K-{number}", "lines": [{"quantity": number * 10 + 7}]}],
    }


class AnswersUnderTest:
    """Answers of one session, and what it told of them."""

    def __init__(self) -> None:
        self.drift: list[ContractDrift] = []
        self._answers = Answers(Translation(), DriftLog(self.drift.append))

    def read(self, operation: Operation[Any], body: Any, *, skip: bool = False, **headers: str) -> Any:
        return self._answers.read(operation, answer(200, body, **headers), skip_bad_rows=skip)

    @property
    def kinds(self) -> set[tuple[str, str]]:
        return {(each.path, each.kind) for each in self.drift}


def respelled(value: Any, spell: Any) -> Any:
    match value:
        case dict():
            return {spell(name): respelled(part, spell) for name, part in value.items()}
        case list():
            return [respelled(part, spell) for part in value]
        case _:
            return value


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


SPELLINGS = {
    "pascal": lambda name: name[0].upper() + name[1:],
    "camel": lambda name: name[0].lower() + name[1:],
    "snake": snake,
    "kebab": lambda name: snake(name).replace("_", "-"),
    "capitals": str.upper,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("row", [stock, order])
def test_a_spelling_makes_no_difference_at_any_depth(spelling, row) -> None:
    operation = LIST_STOCKS if row is stock else LIST_OUTBOUND
    plain = AnswersUnderTest().read(operation, [row(number) for number in range(1, 4)])
    reported = AnswersUnderTest()
    for _ in range(3):  # unknown, learned, known
        page = respelled({"items": [row(number) for number in range(1, 4)]}, SPELLINGS[spelling])
        assert reported.read(operation, page) == plain
    assert reported.kinds == set()  # a spelling is no difference


def test_a_spelling_is_learned_for_each_operation_and_may_change() -> None:
    reported = AnswersUnderTest()
    pages = [[stock(1)], respelled([stock(2)], snake), respelled([stock(3)], SPELLINGS["pascal"]), [stock(4)]]
    for number, page in enumerate(pages, 1):
        (found,) = reported.read(LIST_STOCKS, page)
        assert (found.id, found.quantities.available, found.localizations[0].quantities.return_) == (
            f"S-{number}",
            number * 100,
            number * 100 + 55,
        )


def test_mixed_spellings_in_one_page() -> None:
    rows = [respelled(stock(number), spell) for number, spell in enumerate(SPELLINGS.values(), 1)]
    for _ in range(2):
        found = AnswersUnderTest().read(LIST_STOCKS, rows)
        assert [one.quantities.available for one in found] == [100, 200, 300, 400, 500]


def test_two_spellings_of_one_field_in_one_object_are_told_and_both_kept() -> None:
    reported = AnswersUnderTest()
    for _ in range(2):
        (found,) = reported.read(LIST_STOCKS, [{"id": "S", "quantities": {"available": 0, "Available": 37}}])
        assert (found.quantities.available, found.quantities.extra) == (37, {"available": 0})
    assert ("quantities.available", "unknown") in reported.kinds


# What a value may look like


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[("37", 37), (" 37 ", 37), ("37.0", 37), (37.0, 37), (0, 0), ("0", 0), (-1, -1), (None, None)],
        *[(odd, None) for odd in ("1e400", "many", "", 37.5, "37.5", True, [37], {}, "٣")],
    ],
)
def test_a_quantity_is_what_was_written_or_none(written, read) -> None:
    reported = AnswersUnderTest()
    for _ in range(3):
        (found,) = reported.read(LIST_STOCKS, [{"id": "S", "quantities": {"Available": written, "Blocked": 1}}])
        assert (found.quantities.available, found.quantities.blocked) == (read, 1)
        unreadable = read is None and written is not None
        assert found.quantities.extra == ({"Available": written} if unreadable else {})
    assert (("quantities.available", "type") in reported.kinds) == (written is not None and type(written) is not int)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567", datetime(2026, 1, 2, 3, 4, 5, 123457, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123457, tzinfo=UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+0200", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.9999999", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("2026-01-02T04:04:05+01", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045000, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("/Date(1767323045000)/", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (17, None),
        (1767323045000000, None),
        (True, None),
        ("", None),
    ],
)
def test_a_time_is_aware_or_none(written, read) -> None:
    reported = AnswersUnderTest()
    for _ in range(3):
        plain, odd = reported.read(LIST_STOCKS, [stock(1), stock(2) | {"updatedAt": written}])
        assert plain.updated_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert odd.updated_at == read
        assert odd.updated_at is None or odd.updated_at.tzinfo is not None


def test_numbers_as_text_do_not_make_a_time_of_a_number() -> None:
    reported = AnswersUnderTest()
    for _ in range(3):
        (found,) = reported.read(
            LIST_STOCKS, [stock(1) | {"quantities": {"Available": "3"}, "updatedAt": "2026-01-02"}]
        )
        assert (found.quantities.available, found.updated_at) == (3, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(3560070123452, "3560070123452"), (12345670, "12345670"), (1234567, "01234567")],
        *[(123456789012, "0123456789012"), (10614141000415, "10614141000415")],
        *[("00012345678905", "00012345678905"), (10**15, None), (-1, None)],
    ],
)
def test_a_gtin_that_came_as_a_number_gets_its_zeros_back(written, read) -> None:
    reported = AnswersUnderTest()
    for _ in range(3):
        (found,) = reported.read(LIST_STOCKS, [stock(1) | {"gtin": written, "id": 17, "productId": 3}])
        assert (found.gtin, found.id, found.product_id) == (read, "17", "3")


def test_a_refusal_may_be_a_text() -> None:
    reported = AnswersUnderTest()
    for _ in range(2):
        found = reported.read(GET_OUTBOUND, order(1) | {"refusal": "no stock"})
        assert (found.refusal.message, found.refusal.code) == ("no stock", None)
    assert reported.kinds == {("refusal", "type")}


def test_localizations_may_be_keyed_by_country() -> None:
    parts = {"FR": {"quantities": {"Available": 30}}, "ES": {"quantities": {"Available": 7}}}
    reported = AnswersUnderTest()
    for _ in range(2):
        (found,) = reported.read(LIST_STOCKS, [stock(1) | {"localizations": parts}])
        assert {part.storage_country: part.quantities.available for part in found.localizations} == {"FR": 30, "ES": 7}


def test_an_unknown_status_is_told_by_its_word_also_after_learning() -> None:
    reported = AnswersUnderTest()
    reported.read(LIST_OUTBOUND, [order(1)])
    (found,) = reported.read(LIST_OUTBOUND, [order(2) | {"status": "Teleported"}])
    assert str(found.status) == "Teleported"
    assert [(each.path, each.kind, each.found) for each in reported.drift] == [("status", "value", "Teleported")]
    reported.read(LIST_OUTBOUND, [order(2) | {"status": "Teleported"}])
    assert len(reported.drift) == 1


# Drift


def test_each_difference_is_told_once(caplog) -> None:
    reported = AnswersUnderTest()
    row = {"id": "S-1", "shelf": {"a": 1}, "quantities": {"InOrbit": 3}, "localizations": [{"quantities": {}}]}
    with caplog.at_level(logging.WARNING, "octoffm_async"):
        for _ in range(3):
            reported.read(LIST_STOCKS, [row, row])
    assert reported.kinds == {
        ("shelf", "unknown"),
        ("quantities", "missing"),
        ("quantities.available", "missing"),
        ("quantities.InOrbit", "unknown"),
        ("localizations[].storage_country", "missing"),
        ("localizations[].quantities", "missing"),
        ("localizations[].quantities.available", "missing"),
    }
    assert len(reported.drift) == len(reported.kinds) == len(caplog.records)


def test_drift_holds_no_value() -> None:
    reported = AnswersUnderTest()
    secret = "customer-at-home"
    row = order(1) | {
        "deliveryAddress": {"city": [secret], "door": secret},
        "note": {"x": secret},
        "state": f"{secret}!",
    }
    reported.read(GET_OUTBOUND, row)
    assert reported.drift
    assert secret not in repr(reported.drift)


def test_a_map_with_keys_of_its_own_is_told_as_one(caplog) -> None:
    reported = AnswersUnderTest()
    for start in range(3):
        rows = [stock(1) | {f"key-{start}-{number}": number for number in range(200)}]
        (found,) = reported.read(LIST_STOCKS, rows)
        assert len(found.extra) == 200
        assert found.quantities.available == 100
    assert ("*", "unknown") in reported.kinds
    assert len(reported.drift) <= 70


def test_a_problem_with_200_is_no_empty_list() -> None:
    reported = AnswersUnderTest()
    with pytest.raises(Exception, match="without a list"):
        reported.read(LIST_STOCKS, {"title": "Sorry", "status": 500})
    assert reported.read(LIST_STOCKS, {"itemsPerPage": 10}) == []
    assert reported.kinds == {("$.items", "missing")}


# Rows


def test_one_odd_row_costs_no_other(caplog) -> None:
    rows = [stock(number) for number in range(1, 60)]
    rows[40] = {"id": "S-41", "quantities": "all of them", "localizations": 5, "gtin": {"x": 1}}
    for reported in (AnswersUnderTest(),):
        for _ in range(3):
            found = reported.read(LIST_STOCKS, rows)
            assert [one.id for one in found] == [f"S-{number}" for number in range(1, 60)]
            assert found[40].extra == {"quantities": "all of them", "localizations": 5, "gtin": {"x": 1}}
            assert found[40].quantities.available is None
            assert found[41].quantities.available == 4200


def test_rows_without_an_identity_are_an_error_that_holds_the_others() -> None:
    reported = AnswersUnderTest()
    rows = [stock(1), {"quantities": {}}, stock(3), 5, None]
    with pytest.raises(BadRowsError, match="3 of 5 rows have no identity; row 1") as caught:
        reported.read(LIST_STOCKS, rows)
    assert ([one.id for one in caught.value.rows], caught.value.places) == (["S-1", "S-3"], (1, 3, 4))
    assert [one.id for one in reported.read(LIST_STOCKS, rows, skip=True)] == ["S-1", "S-3"]


@pytest.mark.parametrize(
    ("body", "city"),
    [
        (b'{"outboundShipmentId":"O","deliveryAddress":{"city":"A\tB"}}', "A\ufffdB"),
        (b'{"outboundShipmentId":"O","deliveryAddress":{"city":"A\\ud83dB"}}', "A\ufffdB"),
        (b'{"outboundShipmentId":"O","deliveryAddress":{"city":"A\\ud83d\\ude00B"}}', "A\U0001f600B"),
        (b'{"outboundShipmentId":"O","deliveryAddress":{"city":"A\xed\xa0\xbd\xed\xb8\x80B"}}', "A\U0001f600B"),
        (b'{"outboundShipmentId":"O","deliveryAddress":{"city":"Orl\xe9ans"}}', "Orl\ufffdans"),
        (b'\xef\xbb\xbf{"outboundShipmentId":"O","deliveryAddress":{"city":"A\\tB"}}', "A\tB"),
    ],
)
def test_a_damaged_text_is_mended_and_told(body, city) -> None:
    reported = AnswersUnderTest()
    assert reported.read(GET_OUTBOUND, body).delivery_address.city == city
    assert (
        reported.read(LIST_OUTBOUND, b"[" + body.removeprefix(b"\xef\xbb\xbf") + b"]")[0].delivery_address.city == city
    )
    assert (("$", "value") in reported.kinds) == (not body.startswith(b"\xef") and b"ude00" not in body)


def test_a_charset_that_is_told_is_obeyed() -> None:
    body = b'{"outboundShipmentId":"O","deliveryAddress":{"city":"Orl\xe9ans"}}'
    found = AnswersUnderTest().read(GET_OUTBOUND, body, Content_Type="application/json; charset=ISO-8859-1")
    assert found.delivery_address.city == "Orléans"


# Any mutation at all


@st.composite
def mutated(draw: st.DrawFn, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with names in other cases, fields dropped, numbers as text, fields added."""
    spell = draw(st.sampled_from([*SPELLINGS.values(), lambda name: name]))

    def change(value: Any, depth: int) -> Any:
        match value:
            case dict():
                kept = {
                    name: part for name, part in value.items() if name in _IDENTITIES or draw(st.integers(0, 9)) > 0
                }
                changed = {spell(name): change(part, depth + 1) for name, part in kept.items()}
                if draw(st.integers(0, 5)) == 0:
                    changed[draw(st.sampled_from(["shelf", "zz-new", "Ω"]))] = draw(_ADDED)
                return changed
            case list():
                return [change(part, depth + 1) for part in value]
            case bool() | None:
                return value
            case int():
                return draw(st.sampled_from([value, value, str(value), float(value), f"{value}.0", None, "some"]))
            case _:
                return value

    return change(row, 0)


_IDENTITIES = ("id", "outboundShipmentId")
_ADDED = st.sampled_from([1, "text", None, True, [1, {"deep": [2]}], {"nested": {"a": 1}}, 1.5])


def leaves(value: Any) -> list[str]:
    match value:
        case dict():
            return [leaf for part in value.values() for leaf in leaves(part)]
        case list():
            return [leaf for part in value for leaf in leaves(part)]
        case None:
            return []
        case bool():
            return [str(value)]
        case float() if value.is_integer():
            return [str(int(value))]
        case _:
            return [str(value).removesuffix(".0")]


def at(value: Any, names: tuple[str, ...]) -> Any:
    """What stands at a path of contract names, whatever its spelling."""
    for name in names:
        if not isinstance(value, dict):
            return None
        wanted = snake(name).replace("_", "")
        value = next(
            (part for key, part in value.items() if key.lower().replace("_", "").replace("-", "") == wanted), None
        )
    return value


def number_in(written: Any) -> int | None:
    try:
        return None if written is None else int(float(written))
    except (TypeError, ValueError):
        return None


@pytest.fixture(scope="module")
def silent() -> Iterator[None]:
    """Let the many differences of random answers go unlogged."""
    logger = logging.getLogger("octoffm_async")
    logger.disabled = True
    yield
    logger.disabled = False


@pytest.mark.usefixtures("silent")
@settings(max_examples=tries(40))
@given(st.data())
def test_no_value_is_read_that_was_not_written_and_no_row_is_lost(data: st.DataObject) -> None:
    reported = AnswersUnderTest()
    for operation, row in ((LIST_STOCKS, stock), (LIST_OUTBOUND, order)):
        for start in (1, 11, 21):
            rows = [
                data.draw(mutated(copy.deepcopy(row(start + number)))) for number in range(data.draw(st.integers(1, 5)))
            ]
            found = reported.read(operation, msgspec.json.encode(rows))
            assert len(found) == len(rows)
            for number, (one, written) in enumerate(zip(found, rows, strict=True), start):
                assert next(iter(one.to_dict(wire=True).values())) in (f"S-{number}", f"O-{number}")
                told_all = leaves(written)
                for leaf in leaves(_without_times(one.to_dict(wire=True))):
                    assert leaf in told_all
                if row is stock:
                    for name in TYPES:
                        field = {"Return": "return_", "LogisticOperations": "logistic_operations"}.get(
                            name, name.lower()
                        )
                        assert getattr(one.quantities, field) == number_in(at(written, ("quantities", name)))
                else:
                    lines = at(written, ("lines",)) or []
                    assert [line.quantity for line in one.lines] == [
                        number_in(at(line, ("quantity",))) for line in lines
                    ]


def _without_times(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_times(part) for name, part in value.items()}
        case list():
            return [_without_times(part) for part in value]
        case str() if value == MOMENT:
            return MOMENT
        case _:
            return value


@pytest.mark.parametrize("change", [{"Reference": "R"}, {"lines": [{"quantity": "2"}]}, {"parcels": None}])
def test_an_object_that_is_null_stays_none_in_a_spelling_that_was_learned(change: dict[str, Any]) -> None:
    """An empty one would be made up: an order that was not refused has no refusal."""
    row = {name: part for name, part in order(1).items() if name.casefold() not in map(str.casefold, change)}
    reported = AnswersUnderTest()
    for _ in range(3):
        (found,) = reported.read(LIST_OUTBOUND, [{**row, **change, "refusal": None, "deliveryAddress": None}])
        assert (found.refusal, found.delivery_address) == (None, None)
