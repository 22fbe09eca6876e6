"""Totals that follow a table and cost what has changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.sandbox.live_page.totals import TableTotals
from octoffm_async.sandbox.world.table import RowTable

START = datetime(2026, 1, 1, tzinfo=UTC)


def one(row: str) -> dict[str, int]:
    return {row: 1}


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from("abcdef"), st.sampled_from(["x", "y", "z"])),
            st.tuples(st.just("look"), st.integers(0, 4), st.none()),
        )
    )
)
def test_totals_are_those_of_a_full_count_whenever_nothing_is_left(steps: list[tuple[str, Any, Any]]) -> None:
    rows = RowTable[str]()
    tally = TableTotals(rows, one)
    for number, (what, first, second) in enumerate(steps):
        if what == "look":
            assert tally.update(first) <= first
        elif first in rows:
            rows.replace(first, second, START + timedelta(seconds=number))
        else:
            rows.add(first, second, START + timedelta(seconds=number))
    while tally.uncounted:
        assert tally.update(3) > 0
    everything = list(rows.all_rows())
    assert {name: total for name, total in tally.totals.items() if total} == {
        name: everything.count(name) for name in set(everything)
    }


def test_a_look_touches_what_has_changed_and_no_more_than_it_may() -> None:
    rows = RowTable[str]()
    touched: list[str] = []

    def measure(row: str) -> dict[str, int]:
        touched.append(row)
        return {"rows": 1}

    tally = TableTotals(rows, measure)
    for number in range(1000):
        rows.add(str(number), "row", START)
    assert (tally.update(600), tally.uncounted, tally.totals["rows"]) == (600, 400, 600)
    tally.update(600)
    touched.clear()
    rows.replace("5", "changed", START)
    assert (tally.update(600), tally.uncounted, tally.totals["rows"]) == (1, 0, 1000)
    assert touched == ["row", "changed"]
