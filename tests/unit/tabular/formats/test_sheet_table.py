import sys

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.tabular.formats import sheet_table
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS

from ..files import GOOD, ORDER_HEADER, ORDER_VALUES, order_row, problem_texts, read


@pytest.fixture
def frame():
    polars = pytest.importorskip("polars")
    columns = {"gtin": [int(GOOD), None, 123], "title": ["Pen", None, "Cup"], "is_traceable": [True, None, False]}
    return polars.DataFrame(columns)


@pytest.mark.parametrize("piece", [1, 2, 5000])
def test_parquet_is_read_a_piece_at_a_time(frame, tmp_path, monkeypatch, piece):
    monkeypatch.setattr(sheet_table, "PIECE", piece)
    path = tmp_path / "p.parquet"
    frame.write_parquet(path)
    found, faulty = read(path, PRODUCTS)
    assert [(one.gtin, one.title, one.is_traceable) for one in found] == [(GOOD, "Pen", True)]
    assert problem_texts(faulty) == ["line 4, column gtin = '123': has 3 digits, not 8, 12, 13 or 14"]
    rows = open_table(path).rows()
    assert [row.line for row in rows] == [2, 4]
    assert rows.share == 1.0


def test_a_workbook_is_read_with_its_numbers_as_digits(frame, tmp_path):
    pytest.importorskip("fastexcel")
    pytest.importorskip("xlsxwriter")
    path = tmp_path / "p.xlsx"
    frame.write_excel(path)
    found, faulty = read(path, PRODUCTS)
    assert [(one.gtin, one.title) for one in found] == [(GOOD, "Pen")]
    assert "has 3 digits" in problem_texts(faulty)[0]


def orders_in(path, references, *, number_format="General", hide=()):
    """The references that are read, and the problems, of a workbook of such orders."""
    xlsxwriter = pytest.importorskip("xlsxwriter")
    pytest.importorskip("fastexcel")
    names = ORDER_HEADER.split(",")
    with xlsxwriter.Workbook(str(path)) as book:
        sheet, form = book.add_worksheet(), book.add_format({"num_format": number_format})
        sheet.write_row(0, 0, names)
        for line, reference in enumerate(references, start=1):
            sheet.write_row(line, 1, order_row("").split(",")[1:])
            sheet.write_number(line, names.index("quantity"), 2)
            sheet.write(line, 0, reference, form)
            if line in hide:
                sheet.set_row(line, None, None, {"hidden": True})
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    return [(one.reference, one.lines[0].quantity) for one in found], problem_texts(faulty)


@pytest.mark.parametrize(
    ("number_format", "reference"),
    [("00000", "01001"), ("0000000;-0", "0001001"), ('0#" "##', "10 01"), ("00-00-00", "00-10-01"), ("00", "1001"),
     ('"CMD-"0', "CMD-1001"), (r"\C\-000000", "C-001001"), ("0", "1001"), ("#,##0", "1001"), ("0.00", "1001"),
     ('0" pcs"', "1001")],
)  # fmt: skip
def test_a_code_is_what_the_format_of_its_number_shows(tmp_path, number_format, reference):
    assert orders_in(tmp_path / "o.xlsx", [1001], number_format=number_format) == ([(reference, 2)], [])


def test_a_row_that_is_hidden_in_a_sheet_is_refused_with_its_reason(tmp_path):
    found, problems = orders_in(tmp_path / "o.xlsx", ["O-1", "O-2", "O-3"], hide=[2])
    assert [one for one, _ in found] == ["O-1", "O-3"]
    assert "line 3" in problems[0]
    assert "is hidden in the sheet" in problems[0]


def test_a_file_that_is_none_is_reported(tmp_path):
    pytest.importorskip("polars")
    pytest.importorskip("fastexcel")
    for name in ("x.parquet", "x.xlsx"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ConfigurationError, match=f"cannot read .*{name}"):
            open_table(tmp_path / name)


@pytest.mark.parametrize("name", ["x.parquet", "x.xlsx"])
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "polars", None)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"pip install 'octoffm-async\[tabular\]'"):
        open_table(tmp_path / name)
