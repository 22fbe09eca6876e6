"""Rows in order of creation and of change, entered at a position."""

from datetime import UTC, datetime, timedelta

from octoffm_async.sandbox.world.table import RowTable

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def table(count: int) -> RowTable[str]:
    filled = RowTable[str]()
    for number in range(count):
        filled.add(f"k{number}", f"row{number}", at(number))
    return filled


def every(_: str) -> bool:
    return True


def test_finds_rows_by_key() -> None:
    rows = table(3)
    assert rows.get("k1") == "row1"
    assert rows.get("k3") is None
    assert "k2" in rows
    assert "k3" not in rows
    assert len(rows) == 3


def test_cuts_by_creation_and_says_where_the_rest_begins() -> None:
    rows = table(5)
    assert rows.by_creation(0, 2) == (["row0", "row1"], 2)
    assert rows.by_creation(2, 3) == (["row2", "row3", "row4"], None)
    assert rows.by_creation(4, 2) == (["row4"], None)
    assert rows.by_creation(9, 2) == ([], None)


def test_a_filtered_cut_has_a_rest_only_if_another_row_matches() -> None:
    rows = table(5)
    assert rows.by_creation(0, 1, lambda row: row in {"row1", "row3"}) == (["row1"], 3)
    assert rows.by_creation(3, 1, lambda row: row in {"row1", "row3"}) == (["row3"], None)


def test_a_changed_row_keeps_its_place_and_comes_last_by_change() -> None:
    rows = table(3)
    rows.replace("k0", "changed", at(10))
    assert rows.by_creation(0, 3).rows == ["changed", "row1", "row2"]
    assert rows.by_change(0, 3, every).rows == ["row1", "row2", "changed"]


def test_first_change_is_at_or_after_the_moment() -> None:
    rows = table(3)
    rows.replace("k0", "changed", at(10))
    assert rows.by_change(rows.first_change(at(2)), 9, every).rows == ["row2", "changed"]
    assert rows.by_change(rows.first_change(at(2.5)), 9, every).rows == ["changed"]
    assert rows.by_change(rows.first_change(at(11)), 9, every) == ([], None)


def test_a_scan_by_change_goes_on_at_its_position_although_rows_change() -> None:
    rows = table(4)
    first = rows.by_change(0, 2, every)
    rows.replace("k3", "changed", at(10))
    assert first.following is not None
    assert rows.by_change(first.following, 9, every).rows == ["row2", "changed"]


def test_a_hidden_row_is_there_for_the_rules_and_not_for_readers() -> None:
    rows = table(4)
    rows.hide("k1")
    assert rows.get("k1") == "row1"
    assert "k1" in rows
    assert (rows.hides("k1"), rows.hides("k0"), rows.hides("k9"), rows.hidden_keys()) == (True, False, False, ["k1"])
    assert (len(rows), list(rows.rows)) == (3, ["row0", "row2", "row3"])
    assert list(rows.all_rows()) == ["row0", "row1", "row2", "row3"]
    assert rows.by_creation(0, 2) == (["row0", "row2"], 3)
    assert rows.by_creation(1, 9, every) == (["row2", "row3"], None)
    assert rows.by_change(0, 9) == (["row0", "row2", "row3"], None)


def test_a_revealed_row_is_at_its_old_place_in_both_orders() -> None:
    rows = table(3)
    rows.hide("k1")
    rows.replace("k0", "changed", at(10))
    rows.reveal("k1")
    assert rows.by_creation(0, 9).rows == ["changed", "row1", "row2"]
    assert rows.by_change(0, 9).rows == ["row1", "row2", "changed"]
    assert rows.by_change(rows.first_change(at(2)), 9).rows == ["row2", "changed"]
    assert (len(rows), rows.hidden_keys()) == (3, [])


def test_changes_are_all_there_and_can_be_read_in_parts() -> None:
    rows = table(2)
    rows.replace("k0", "changed", at(10))
    assert rows.changes() == [(0, at(0)), (1, at(1)), (0, at(10))]
    assert rows.changes(1, 1) == [(1, at(1))]
    assert (list(rows.keys()), rows.newest_keys(1)) == (["k0", "k1"], ["k1"])


def test_a_page_of_a_large_table_touches_no_other_row() -> None:
    rows = table(50_000)
    touched: list[str] = []

    def keep(row: str) -> bool:
        touched.append(row)
        return True

    page = rows.by_change(40_000, 10, keep)
    assert (len(page.rows), page.following) == (10, 40_010)
    assert len(touched) == 11


def test_what_changed_later_is_not_looked_at() -> None:
    rows = table(10)
    looked_at: list[str] = []
    found = rows.by_change(2, 99, lambda row: not looked_at.append(row), until=at(5))
    assert found == (["row2", "row3", "row4", "row5"], None)
    assert looked_at == found.rows
    assert rows.newest_change == at(9)
    assert RowTable[str]().newest_change is None
