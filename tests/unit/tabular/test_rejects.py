import csv

import pytest

from octoffm_async import ConfigurationError, FieldProblem
from octoffm_async.tabular.product_rows import RejectsReport
from octoffm_async.tabular.rejected_row import RejectedRow
from octoffm_async.tabular.rejects import harmless

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")


def lines(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_no_reject_makes_no_file(tmp_path):
    with RejectsReport(tmp_path / "r.csv"):
        pass
    assert not (tmp_path / "r.csv").exists()


def test_each_problem_is_a_line_and_each_row_counts_once(tmp_path):
    problems = (FieldProblem("gtin", "12", "has 2 digits"), FieldProblem("title", "", "is empty"))
    with RejectsReport(tmp_path / "r.csv") as report:
        report(RejectedRow(7, "REF", problems))
        report.add("OTHER", "refused: no")
    assert report.rows == 2
    assert lines(tmp_path / "r.csv") == [
        ["line", "key", "field", "value", "reason"],
        ["7", "REF", "gtin", "12", "has 2 digits"],
        ["7", "REF", "title", "", "is empty"],
        ["", "OTHER", "", "", "refused: no"],
    ]


def test_a_row_without_problems_is_not_lost(tmp_path):
    with RejectsReport(tmp_path / "r.csv") as report:
        report(RejectedRow(2, "REF", ()))
    assert len(lines(tmp_path / "r.csv")) == 2


def test_what_was_reported_is_on_disk_at_once(tmp_path):
    with RejectsReport(tmp_path / "r.csv") as report:
        report.add("A", "x")
        assert len(lines(tmp_path / "r.csv")) == 2


def test_an_older_report_is_replaced_but_a_closed_one_goes_on(tmp_path):
    (tmp_path / "r.csv").write_text("old")
    report = RejectsReport(tmp_path / "r.csv")
    report.add("A", "x")
    report.close()
    report.add("B", "x")
    report.close()
    assert [line[1] for line in lines(tmp_path / "r.csv")] == ["key", "A", "B"]


def test_the_file_begins_with_the_mark_that_spreadsheets_look_for(tmp_path):
    with RejectsReport(tmp_path / "r.csv") as report:
        report.add("é", "x")
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbfline")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path, start):
    text = f"{start}HYPERLINK(1)"
    with RejectsReport(tmp_path / "r.csv") as report:
        report(RejectedRow(1, text, (FieldProblem(text, text, text),)))
    assert lines(tmp_path / "r.csv")[1] == ["1", *[f"'{text}"] * 4]


@pytest.mark.parametrize(("cell", "text"), [(None, ""), (5, "5"), (-3.0, "'-3.0"), ("a=b", "a=b"), ("", "")])
def test_harmless(cell, text):
    assert harmless(cell) == text


def test_a_place_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot write"), RejectsReport(tmp_path / "none" / "r.csv") as report:
        report.add("A", "x")
