import sys
import zipfile
from datetime import timedelta

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


def orders_in(path, references, *, number_format="General", hide=(), change=None):
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
        if change is not None:
            change(sheet)
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    return [(one.reference, one.lines[0].quantity) for one in found], problem_texts(faulty)


@pytest.mark.parametrize(
    ("number_format", "reference"),
    [("00000", "01001"), ("0000000;-0", "0001001"), ('0#" "##', "10 01"), ("00-00-00", "00-10-01"), ("00", "1001"),
     ('"CMD-"0', "CMD-1001"), (r"\C\-000000", "C-001001"), ("0", "1001"), ("#,##0", "1001"), ("0.00", "1001"),
     ('0" pcs"', "1001"), ("[Red]00000", "01001"), ("[$-40C]00000", "01001"), ("00000_-", "01001"), ("*000000", "01001"),
     ("[<=99999]00000;00000-0000", "01001"), ("[>99999]00000-0000;00000", "01001"), ("[<999]00000;0", "1001"), ("00000 ", "01001")],
)  # fmt: skip
def test_a_code_is_what_the_format_of_its_number_shows(tmp_path, number_format, reference):
    assert orders_in(tmp_path / "o.xlsx", [1001], number_format=number_format) == ([(reference, 2)], [])


def test_a_row_that_is_hidden_in_a_sheet_is_refused_with_its_reason(tmp_path):
    found, problems = orders_in(tmp_path / "o.xlsx", ["O-1", "O-2", "O-3"], hide=[2])
    assert [one for one, _ in found] == ["O-1", "O-3"]
    assert "line 3" in problems[0]
    assert "is hidden in the sheet" in problems[0]


def test_what_merged_cells_cover_is_not_read_and_hidden_columns_are_told(tmp_path):
    def merge(sheet):
        sheet.merge_range(1, 0, 2, 0, "O-1")
        sheet.write_string(2, 0, "O-9")
        sheet.set_column(5, 6, 9, None, {"hidden": True})

    found, problems = orders_in(tmp_path / "o.xlsx", ["O-1", "O-9", "O-3"], change=merge)
    assert [one for one, _ in found] == ["O-3"]
    assert "are the cells merged?" in problems[0]
    assert open_table(tmp_path / "o.xlsx").guesses["hidden columns"] == "address_line1, postal_code"


def test_a_row_without_height_is_hidden(tmp_path):
    found, problems = orders_in(tmp_path / "o.xlsx", ["O-1", "O-2"], change=lambda sheet: sheet.set_row(2, 0))
    assert [one for one, _ in found] == ["O-1"]
    assert "is hidden in the sheet" in problems[0]


def test_values_of_parquet_that_are_no_texts_are_read_or_refused(tmp_path):
    polars = pytest.importorskip("polars")
    row = dict(zip(ORDER_HEADER.split(","), order_row("O-1").split(","), strict=True))
    path = tmp_path / "o.parquet"
    for reference, sent in ((b"O-1", ["O-1"]), (b"\xff", []), (["O-1"], []), ({"id": "O-1"}, []), (timedelta(1), [])):
        polars.DataFrame([row | {"reference": reference}]).write_parquet(path)
        found, faulty = read(path, ORDERS, values=ORDER_VALUES)
        assert ([one.reference for one in found], len(faulty)) == (sent, not sent)


def test_a_parquet_file_that_is_damaged_in_its_rows_is_refused(frame, tmp_path):
    path = tmp_path / "p.parquet"
    frame.write_parquet(path)
    data = path.read_bytes()
    path.write_bytes(data[:8] + bytes(len(data) // 3) + data[8 + len(data) // 3 :])
    with pytest.raises(ConfigurationError, match=r"cannot read .*p\.parquet: it is damaged"):
        read(path, PRODUCTS)


ODS_CONTENT = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet>
<table:table table:name="A">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"""
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def ods_row(cells, attributes=""):
    """A row behind an empty column; a number is what is stored and what is shown."""
    found = ["<table:table-cell/>"]
    for cell in cells:
        value, shown = cell if isinstance(cell, tuple) else (None, cell)
        kind = 'office:value-type="string"' if value is None else f'office:value-type="float" office:value="{value}"'
        found.append(f"<table:table-cell {kind}><text:p>{shown}</text:p></table:table-cell>")
    return f"<table:table-row {attributes}>{''.join(found)}</table:table-row>"


def test_an_ods_is_read_as_it_is_shown_and_its_hidden_rows_are_refused(tmp_path):
    pytest.importorskip("fastexcel")
    path = tmp_path / "o.ods"
    shown = [("1001", "01001"), ("7", "CMD-0007"), ("1001", "1001"), ("1002", "1,002"), "01003"]
    row = order_row("").split(",")[1:]
    row[1] = ("2", "2")
    rows = ['<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>']
    rows += [ods_row(ORDER_HEADER.split(","))] + [ods_row([reference, *row]) for reference in shown]
    rows += [ods_row(["O-9", *row]).replace("<table:table-cell office", "<table:covered-table-cell office", 1)
             .replace("</table:table-cell>", "</table:covered-table-cell>", 1)]  # fmt: skip
    rows += [ods_row([f"H-{way}", *row], f'table:visibility="{way}"') for way in ("collapse", "filter")]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", ODS_TYPE)
        archive.writestr("content.xml", ODS_CONTENT.format(rows="".join(rows)))
        entries = [("/", ODS_TYPE), ("content.xml", "text/xml")]
        listed = "".join(f'<m:file-entry m:full-path="{name}" m:media-type="{kind}"/>' for name, kind in entries)
        manifest = f'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{listed}</m:manifest>'
        archive.writestr("META-INF/manifest.xml", manifest)
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    assert [one.reference for one in found] == ["01001", "CMD-0007", "1001", "1002"]
    assert [one.lines[0].quantity for one in found] == [2] * 4
    assert [(one.line, one.key) for one in faulty] == [(8, "01003"), (10, "H-collapse"), (11, "H-filter")]
    assert "are the cells merged?" in problem_texts(faulty)[0]
    assert "is hidden in the sheet" in problem_texts(faulty)[1]


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
