"""Files as pandas and LibreOffice saved them, and as Excel does, byte for byte: read right, or refused with the reason.

``saved/`` holds the same three products, saved with GTINs as text and as numbers. Excel's files are made here, by what
it is known to write: a semicolon where the decimal mark is a comma, Windows-1252 or a byte order mark, CRLF, and no
delimiters for the empty cells at the end of some rows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS, SUPPLIES

from .files import ORDER_HEADER, ORDER_VALUES, order_row, problem_texts, read

SAVED = Path(__file__).parent / "saved"
MAPPING = {
    "gtin": "ean",
    "title": "nom",
    "length_cm": "long",
    "width_cm": "larg",
    "height_cm": "haut",
    "weight_g": "poids",
    "is_traceable": "tracable",
}
GTINS = ("3250390000013", "0400638133390", "96385074")
HEADER = "ean;nom;long;larg;haut;poids;tracable;arrivee;note"
ROWS = (
    '3250390000013;Théière “été” 1,2 L;17,5;22;24;980;VRAI;01/09/2026;"Ligne 1\nLigne 2; œuvre €"',
    '400638133390;"Stylo 0,5"" noir";1,25;2;3;15;FAUX;24/12/2026',
    "96385074;Mug;10;10;12;350;VRAI",
    ";;;;;;;;",
)
EXCEL = "".join(f"{line}\r\n" for line in (HEADER, *ROWS))


@pytest.mark.parametrize("path", sorted(filter(Path.is_file, SAVED.iterdir())), ids=lambda path: path.name)
def test_what_pandas_and_libreoffice_saved_is_read_right(path):
    if path.suffix not in {".csv", ".jsonl"}:
        pytest.importorskip("polars")
        pytest.importorskip("fastexcel")
    found, faulty = read(path, PRODUCTS, mapping=MAPPING)
    assert not faulty
    assert [one.gtin.zfill(13) for one in found] == [gtin.zfill(13) for gtin in GTINS]
    assert [one.title for one in found] == ["Théière “été” 1,2 L", 'Stylo 0,5" noir', "Mug"]
    assert [one.packaging.length_cm for one in found] == [17.5, 1.25, 10.0]
    assert [one.packaging.weight_g for one in found] == [980, 15, 350]
    assert [one.is_traceable for one in found] == [True, False, True]
    rows = list(open_table(path).rows())
    if path.suffix == ".jsonl":
        assert [row.line for row in rows] == [1, 2, 3]
    else:
        assert [row.line for row in rows] == ([2, 4, 5] if path.suffix == ".csv" else [2, 3, 4])
        assert rows[0].cells["note"] == "Ligne 1\nLigne 2; œuvre €"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16"])
def test_what_a_french_excel_saves_is_read_right(tmp_path, encoding):
    path = tmp_path / "excel.csv"
    path.write_bytes(EXCEL.replace(";", "\t" if encoding == "utf-16" else ";").encode(encoding))
    found, faulty = read(path, PRODUCTS, mapping=MAPPING)
    assert not faulty
    assert [one.gtin for one in found] == ["3250390000013", "400638133390", "96385074"]
    assert [one.title for one in found] == ["Théière “été” 1,2 L", 'Stylo 0,5" noir', "Mug"]
    assert [one.packaging.length_cm for one in found] == [17.5, 1.25, 10.0]
    assert [one.is_traceable for one in found] == [True, False, True]
    assert [row.line for row in open_table(path).rows()] == [2, 4, 5]


def test_a_gtin_that_excel_shortened_names_file_line_column_value_and_what_to_do(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes(EXCEL.replace("3250390000013", "3,25039E+12").encode("cp1252"))
    found, faulty = read(path, PRODUCTS, mapping=MAPPING)
    assert len(found) == 2
    reason = (
        "is not made of digits only: a spreadsheet shortened the number; format the column as text and export again"
    )
    assert problem_texts(faulty) == [f"line 2, column ean (gtin) = '3,25039E+12': {reason}"]


@pytest.mark.parametrize("cell", ['="0400638133390"', "0400638133390.0", "0400638133390,0"])
def test_a_gtin_whose_digits_are_all_there_is_read(tmp_path, cell):
    path = tmp_path / "p.csv"
    quoted = cell.replace('"', '""')
    path.write_text(f'gtin;title\n"{quoted}";="Pen"\n')
    found, faulty = read(path, PRODUCTS)
    assert (faulty, found[0].gtin, found[0].seller_product_reference, found[0].title) == (
        [],
        "0400638133390",
        "0400638133390",
        "Pen",
    )


def test_what_is_needed_and_left_out_at_the_end_of_a_row_is_missed(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("gtin;note;unCode;title\n96385074;x\n96385074;x;;Mug;;\n96385074;x;;Mug;y\n3250390000013;;;Pen\n")
    found, faulty = read(path, PRODUCTS)
    assert [one.title for one in found] == ["Pen"]
    assert problem_texts(faulty) == [
        "line 2, column title = '': is missing: the row ends before it",
        "line 3: the row has 6 columns, the header 4",
        "line 4: the row has 5 columns, the header 4",
    ]
    path.write_text("gtin;title;productCondition;length_cm;width_cm;height_cm;weight_g\n96385074;Pen\n")
    reason = "is missing: the row ends before it"
    assert problem_texts(read(path, PRODUCTS)[1]) == [f"line 2, column length_cm (packaging.length_cm) = '': {reason}"]


@pytest.mark.parametrize("error", ["#N/A", "#NOM?", "#REF!", "#VALEUR!", "#DIV/0!", "#¡REF!", "########"])
def test_a_spreadsheets_error_is_no_title(tmp_path, error):
    path = tmp_path / "p.csv"
    path.write_text(f"gtin;title\n96385074;{error}\n", encoding="utf-8")
    found, faulty = read(path, PRODUCTS)
    assert not found
    assert problem_texts(faulty) == [
        f"line 2, column title = '{error}': is a spreadsheet's error and not a value: correct the cell and export again"
    ]


@pytest.mark.parametrize("title", ["#1 Pen", "#PEN", "# Pen", "#"])
def test_a_title_may_begin_like_an_error(tmp_path, title):
    path = tmp_path / "p.csv"
    path.write_text(f"gtin;title\n96385074;{title}\n")
    assert [one.title for one in read(path, PRODUCTS)[0]] == [title]


def test_a_reference_that_was_shortened_is_refused_since_two_may_have_become_one(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("gtin;seller_product_reference\n96385074;3,25039E+12\n0400638133390;4E12\n")
    found, faulty = read(path, PRODUCTS)
    assert [one.seller_product_reference for one in found] == ["4E12"]
    assert problem_texts(faulty)[0].startswith(
        "line 2, column seller_product_reference = '3,25039E+12': was a number that a spreadsheet shortened"
    )


@pytest.mark.parametrize(
    ("code", "country", "taken"),
    [("1000", "FR", False), ("100", "IT", False), ("01000", "FR", True), ("1000", "BE", True), ("2A004", "FR", True)],
)
def test_a_postal_code_whose_zeros_were_dropped_is_refused(tmp_path, code, country, taken):
    path = tmp_path / "o.csv"
    path.write_text("\n".join([ORDER_HEADER, order_row("A").replace("75011", code).replace("FR", country), ""]))
    found, faulty = read(path, ORDERS, values=ORDER_VALUES)
    assert len(found) == taken
    if not taken:
        reason = (
            f"has {len(code)} digits, and those of {country} have 5: did a spreadsheet drop a zero of {code.zfill(5)}? "
            "(--fill-zeros fills them)"
        )
        assert problem_texts(faulty) == [
            f"line 2, column postal_code (delivery_address.postal_code) = '{code}': {reason}"
        ]


@pytest.mark.parametrize(
    ("cell", "read_as"),
    [("2026-09-01 00:00:00", "2026-09-01"), ("2026-09-01", "2026-09-01"), ("01/09/2026", None), ("46266", None)],
)
def test_dates_are_those_that_can_be_read_in_one_way_only(tmp_path, cell, read_as):
    path = tmp_path / "s.csv"
    header = "reference;storage_country;seller_product_reference;quantity;expected_delivery_date"
    path.write_text(f"{header}\nS-1;FR;P-1;2,0;{cell}\n")
    found, faulty = read(path, SUPPLIES)
    if read_as is None:
        assert problem_texts(faulty)[0].startswith(
            f"line 2, column expected_delivery_date = '{cell}': is not a date such as "
        )
    else:
        assert found[0].expected_delivery_date.date().isoformat() == read_as


@pytest.fixture
def workbook(tmp_path):
    """Writes rows to a workbook, beginning at a row of the sheet."""
    pytest.importorskip("polars")
    pytest.importorskip("fastexcel")
    xlsxwriter = pytest.importorskip("xlsxwriter")

    def write(rows, first=0):
        path = tmp_path / "p.xlsx"
        with xlsxwriter.Workbook(str(path)) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate(rows, start=first):
                sheet.write_row(number, 0, row)
        return path

    return write


def test_rows_of_a_workbook_have_the_numbers_that_the_spreadsheet_shows(workbook):
    rows = [["gtin", "title", "", "note"], [96385074.0, "Mug", "", ""], [], [123, "Cup", "", ""], [], [" ", "", "", ""]]
    found, faulty = read(workbook(rows, first=2), PRODUCTS)
    assert [one.gtin for one in found] == ["96385074"]
    assert problem_texts(faulty) == ["line 6, column gtin = '123': has 3 digits, not 8, 12, 13 or 14"]


def test_a_workbook_without_a_header_that_fits_is_reported_in_words_that_fit(workbook):
    with pytest.raises(ConfigurationError, match="is empty"):
        open_table(workbook([]))
    with pytest.raises(ConfigurationError, match="more than one column gtin"):
        open_table(workbook([["gtin", "gtin"]]))
    with pytest.raises(ConfigurationError, match=r"its first line is: ean;nom, \(no name\), x"):
        read(workbook([["ean;nom", "", "x"], ["1;a", "", ""]]), PRODUCTS, mapping={"gtin": "ean"})
