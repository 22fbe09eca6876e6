"""Filters: bounds of a page, periods, what excludes what, and nothing of a wrong type on the wire."""

from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest

from octoffm_async.contract.inbound import InboundCountFilters, InboundFilters
from octoffm_async.contract.operations import OPERATIONS, Shape
from octoffm_async.contract.outbound import OutboundCountFilters, OutboundFilters
from octoffm_async.contract.requests.checks import PAGE_MAX, FieldProblem
from octoffm_async.contract.requests.filters import filter_problems
from octoffm_async.contract.returns import ReturnCountFilters, ReturnFilters
from octoffm_async.contract.stocks import StockFilters
from tests.unit.cases import Cases

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
LISTS = [operation.filters for operation in OPERATIONS if operation.shape is Shape.PAGE]
COUNTS = [operation.filters for operation in OPERATIONS if operation.shape is Shape.COUNT]
PERIODS = [
    (StockFilters, "updated_at"),
    (OutboundFilters, "status_updated_at"),
    (OutboundCountFilters, "status_updated_at"),
    *((filters, stem) for filters in (InboundFilters, InboundCountFilters) for stem in ("created_at", "updated_at")),
    *((filters, stem) for filters in (ReturnFilters, ReturnCountFilters) for stem in ("created_at", "updated_at")),
]
TEXTS = [
    (filters, name)
    for filters in LISTS + COUNTS
    for name in filters.__struct_fields__
    if name != "limit" and not name.endswith(("_min", "_max"))
]


def fields(problems: list[FieldProblem]) -> list[str]:
    return [problem.field for problem in problems]


@pytest.mark.parametrize("filters", LISTS)
@pytest.mark.parametrize(
    ("limit", "fine"),
    [(1, True), (1000, True), *((bad, False) for bad in (0, 1001, -1, True, 1.0, "5", None, [], {}))],
)
def test_limits_of_a_page(filters, limit, fine) -> None:
    assert fields(filter_problems(filters(limit=limit))) == ([] if fine else ["limit"])


@pytest.mark.parametrize("filters", LISTS)
def test_a_list_asks_for_the_largest_page_and_says_so(filters) -> None:
    assert filters().limit == PAGE_MAX
    assert msgspec.to_builtins(filters()) == {"limit": 1000}
    assert filter_problems(filters()) == []


@pytest.mark.parametrize("filters", COUNTS)
def test_a_count_sends_no_filter_unless_given(filters) -> None:
    assert msgspec.to_builtins(filters()) == {}
    assert filter_problems(filters()) == []


@pytest.mark.parametrize(("filters", "stem"), PERIODS)
@pytest.mark.parametrize(
    ("low", "high", "wrong"),
    [
        (None, None, ""),
        (NOON, NOON, ""),
        (NOON, None, ""),
        (NOON, NOON + timedelta(1), ""),
        (NOON, NOON.astimezone(timezone(timedelta(hours=-9))), ""),
        (NOON + timedelta(microseconds=1), NOON, "min"),
        (NOON.replace(tzinfo=None), NOON, "min"),
        (NOON, NOON.replace(tzinfo=None), "max"),
        (NOON.replace(tzinfo=None), NOON.replace(tzinfo=None), "min max"),
        ("2025-03-01T12:00:00Z", NOON, "min"),
        (NOON, 5, "max"),
        (date(2025, 3, 1), {}, "min max"),
    ],
)
def test_periods(filters, stem, low, high, wrong) -> None:
    problems = filter_problems(filters(**{f"{stem}_min": low, f"{stem}_max": high}))
    assert fields(problems) == [f"{stem}_{end}" for end in wrong.split()]


def test_two_periods_are_looked_at_one_by_one() -> None:
    late = NOON + timedelta(1)
    filters = InboundFilters(created_at_min=late, created_at_max=NOON, updated_at_min=late, updated_at_max=NOON)
    assert fields(filter_problems(filters)) == ["created_at_min", "updated_at_min"]
    assert filter_problems(InboundFilters(created_at_min=late, updated_at_max=NOON)) == []


@pytest.mark.parametrize("value", ["", " ", 5, True, [], ["FR"], {}, {"a": 1}, b"FR", object(), "\ud800"])
def test_text_is_text(value) -> None:
    with Cases() as cases:
        for filters, name in TEXTS:
            with cases.case(filters, name):
                assert fields(filter_problems(filters(**{name: value}))) == [name]


@pytest.mark.parametrize(("filters", "name"), TEXTS)
def test_any_text_may_be_asked_for(filters, name) -> None:
    assert filter_problems(filters(**{name: "Something new &=?#"})) == []


def test_all_problems_are_found_at_once() -> None:
    bad = ReturnFilters(
        type="",
        status=5,
        created_at_min="x",
        updated_at_min=NOON,
        updated_at_max=NOON - timedelta(1),
        limit=0,
        cursor="",
    )
    assert sorted(fields(filter_problems(bad))) == [
        "created_at_min",
        "cursor",
        "limit",
        "status",
        "type",
        "updated_at_min",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"updated_at_min": NOON},
        {"updated_at_max": NOON},
        {"storage_country": "FR"},
        {"sort": "Available"},
        {"order": "Asc"},
        {"updated_at_min": NOON, "storage_country": "FR", "sort": "Return", "order": "Desc"},
    ],
)
def test_what_goes_with_a_delivery_country(change) -> None:
    assert fields(filter_problems(StockFilters(delivery_country="ES", **change))) == list(change)
    assert filter_problems(StockFilters(**change)) == []
    assert filter_problems(StockFilters(delivery_country="ES", cursor="c", limit=3)) == []
