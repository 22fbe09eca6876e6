import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoffm_async import ConfigurationError, FulfillmentProduct
from octoffm_async.tabular.cells.signs import broken
from octoffm_async.tabular.formats import csv_table
from octoffm_async.tabular.product_rows import ProductRows
from octoffm_async.tabular.rejected_row import RejectedRow

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
GOOD = "4006381333931"
OTHER = "96385074"
MEASURES = {"length_cm": "20", "width_cm": 15, "height_cm": 10.5, "weight_g": "500"}


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "catalogue.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, **settings) -> tuple[list[FulfillmentProduct], list[RejectedRow]]:
    rejected: list[RejectedRow] = []
    return list(ProductRows(path, on_reject=rejected.append, **settings)), rejected


def problem_texts(rejected: list[RejectedRow]) -> list[tuple[int | None, str]]:
    return [(row.line, "; ".join(map(str, row.problems))) for row in rejected]


def test_columns_that_bear_a_fields_name_map_by_themselves(write):
    header = "gtin,seller_product_reference,title,product_condition,length_cm,width_cm,height_cm,weight_g"
    more = "origin_country,customs_code,un_code,icpe_code,is_traceable"
    path = write(f"{header},{more}\n{GOOD},REF-1,Pen,LikeNew,1,2.5,3e1,4,FR,123456,1234,1510,yes\n")
    (product,), rejected = read(path)
    assert not rejected
    assert product.seller_product_reference == "REF-1"
    assert product.product_condition == "LikeNew"
    assert product.packaging is not None
    assert (product.packaging.width_cm, product.packaging.height_cm) == (2.5, 30.0)
    assert (product.origin_country, product.customs_code, product.un_code) == ("FR", "123456", "1234")
    assert (product.icpe_code, product.is_traceable) == ("1510", True)


def test_a_mapping_and_constants_fill_the_rest(write):
    path = write(f"barcode,product_name\n{GOOD},Pen\n")
    (product,), _ = read(
        path, mapping={"gtin": "barcode", "title": "product_name"}, constants=MEASURES | {"is_traceable": True}
    )
    assert product.title == "Pen"
    assert product.is_traceable is True
    assert product.packaging is not None
    assert product.packaging.weight_g == 500.0


def test_long_names_of_measures_are_accepted(write):
    constants = {f"packaging.{name}": value for name, value in MEASURES.items()}
    (product,), _ = read(write(f"gtin\n{GOOD}\n"), constants=constants)
    assert product.packaging is not None


def test_the_gtin_is_the_reference_unless_another_is_named(write):
    (product,), _ = read(write(f"gtin\n{GOOD}\n"))
    assert product.seller_product_reference == GOOD
    assert product.packaging is None


def test_a_constant_goes_before_a_column_of_the_same_name(write):
    (product,), _ = read(write(f"gtin,title\n{GOOD},From the file\n"), constants={"title": "Set"})
    assert product.title == "Set"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_marks_newlines_and_delimiters_of_all_kinds(write, mark, newline, delimiter):
    lines = [f"gtin{delimiter}title", f"{GOOD}{delimiter}Étagère", "", f"{OTHER}{delimiter}茶", ""]
    products, rejected = read(write(mark + newline.join(lines).encode()))
    assert [product.title for product in products] == ["Étagère", "茶"]
    assert not rejected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("4006381333932,Pen,1", "gtin = '4006381333932': check digit is 2, should be 1"),
        ("400638133393,Pen,1", "gtin = '400638133393': check digit is 3"),
        ("123,Pen,1", "gtin = '123': has 3 digits, not 8, 12, 13 or 14"),
        ("4.00638E+12,Pen,1", "is not made of digits only"),
        (",Pen,1", "gtin = '': is empty"),
        (f"{GOOD},,1", "title = '': is empty"),
        (f"{GOOD},  ,1", "title = '': is empty"),
        (f"{GOOD},Pen,", "weight_g = '': is empty"),
        (f"{GOOD},Pen,abc", "weight_g = 'abc': is not a number"),
        (f'{GOOD},Pen,"1,500"', "weight_g = '1,500': is ambiguous: 1500 or 1.500?"),
        (f"{GOOD},Pen,1_000", "weight_g = '1_000': is not a number"),
        (f"{GOOD},Pen,nan", "weight_g = 'nan': is a word for an empty value"),
        (f"{GOOD},Pen,1e999", "weight_g = '1e999': is not a number above zero"),
        (f"{GOOD},Pen,0", "weight_g = '0': is not a number above zero"),
        (f"{GOOD},Pen,-3", "weight_g = '-3': is not a number above zero"),
        (f"{GOOD},Pen", "weight_g = '': is missing: the row ends before it"),
        (f"{GOOD},Pen,1,x", "the row has 4 columns, the header 3"),
        (f'{GOOD},"Pen"x,1', "cannot be separated"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason_and_the_next_goes_on(write, row, reason):
    path = write(f"gtin,title,weight_g\n{row}\n{OTHER},Cup,5\n")
    constants = {name: value for name, value in MEASURES.items() if name != "weight_g"}
    products, rejected = read(path, constants=constants)
    assert [product.gtin for product in products] == [OTHER]
    assert [line for line, _ in problem_texts(rejected)] == [2]
    assert reason in problem_texts(rejected)[0][1]


def test_all_problems_of_a_row_are_reported_at_once(write):
    _, rejected = read(write(f"gtin,title,is_traceable\n{GOOD},,maybe\n"))
    assert [problem.field for problem in rejected[0].problems] == ["title", "is_traceable"]
    assert rejected[0].key == GOOD


def test_an_empty_title_is_fine_where_no_title_is_mapped(write):
    products, rejected = read(write(f"gtin,name\n{GOOD},\n"))
    assert len(products) == 1
    assert not rejected


def test_a_reference_that_came_before_is_rejected(write):
    path = write(f"gtin,seller_product_reference\n{GOOD},A\n{OTHER},A\n{OTHER},B\n")
    products, rejected = read(path)
    assert [product.seller_product_reference for product in products] == ["A", "B"]
    ((line, reason),) = problem_texts(rejected)
    assert line == 3
    assert reason.startswith(
        "seller_product_reference = 'A': came before, on line 2, with another payload (different: gtin)"
    )


def test_a_rejected_row_does_not_claim_its_reference(write):
    products, rejected = read(write(f"gtin,title\n{GOOD},\n{GOOD},Pen\n"))
    assert [product.title for product in products] == ["Pen"]
    assert len(rejected) == 1


def test_lines_are_physical_ones_even_with_line_breaks_in_cells(write):
    path = write(f'gtin,title\n{GOOD},"two\nlines"\n\n123,"three\n\nlines"\n{OTHER},\n')
    products, rejected = read(path)
    assert products[0].title == "two\nlines"
    assert [row.line for row in rejected] == [5, 8]


def test_a_quote_that_is_never_closed_is_reported_with_the_lines_it_swallowed(write):
    path = write(f'gtin,title\n{GOOD},"never closed\n{OTHER},Cup\n')
    products, rejected = read(path)
    assert not products
    assert "lines 2 to 3 cannot be separated" in problem_texts(rejected)[0][1]


@pytest.mark.parametrize(("bad", "title"), [(b"\xff", "ÿ"), (b"Caf\xe9", "Café"), (b"\xc3(", "Ã(")])
def test_bytes_that_are_not_utf8_are_windows_1252_unless_other_lines_are_utf8(write, bad, title):
    line = GOOD.encode() + b"," + bad + b"\n"
    products, _ = read(write(b"gtin,title\n96385074,Cup\n" + line))
    assert products[1].title == title
    with pytest.raises(ConfigurationError, match="line 3 is not UTF-8"):
        ProductRows(write("gtin,title\n96385074,茶茶\n".encode() + line))


def test_a_line_without_end_does_not_fill_the_memory(write, monkeypatch):
    monkeypatch.setattr(csv_table, "LONGEST_LINE", 100)
    with pytest.raises(ConfigurationError, match="line 1 has more than 100 characters"):
        ProductRows(write("gtin," + "x" * 200))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("﻿", {}, "is empty"),
        (b"\xff\xfeg\x00t\x00", {}, "its first line is: gt"),
        ('"gtin\n', {}, "the header cannot be read"),
        (f"{GOOD},Pen\n", {"mapping": {"gtin": "barcode"}}, "none of the columns barcode; its first line is: 4006"),
        ("a,b\n", {}, "none of the columns gtin, "),
        ("gtin,name\n", {"mapping": {"gtin": "gtin", "title": "nam"}}, "no column nam; there are gtin, name"),
        ("gtin\n", {"mapping": {"gtn": "gtin"}}, "no field gtn; there are gtin, seller_product_reference, title"),
        ("ean,name\n", {"mapping": {"ean": "gtin"}}, "no field ean: the field comes first: gtin=ean"),
        ("gtin\n", {"constants": {"wheight": 1}}, "no field wheight"),
        ("gtin,a,a\n", {}, "more than one column a"),
        ("title\n", {}, "no column is mapped to gtin"),
        ("gtin,weight_g\n", {}, "neither mapped nor set: length_cm, width_cm, height_cm"),
        ("gtin\n", {"constants": MEASURES | {"weight_g": "heavy"}}, "weight_g = 'heavy': is not a number"),
        ("gtin,t\n", {"mapping": {"title": "t"}, "constants": {"title": "x"}}, "both mapped to a column and set"),
        ("gtin\n", {"constants": {"weight_g": 1, "packaging.weight_g": 1}}, "named more than once"),
    ],
)
def test_what_cannot_work_is_reported_before_a_row_is_read(write, content, settings, message):
    with pytest.raises(ConfigurationError) as caught:
        ProductRows(write(content), **settings)
    assert message in str(caught.value)


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot read"):
            ProductRows(path)


def test_iterating_again_reads_the_file_anew_and_reports_rejects_again(write):
    rejected: list[RejectedRow] = []
    rows = ProductRows(write(f"gtin\n{GOOD}\n123\n"), on_reject=rejected.append)
    assert [product.gtin for product in rows] == [product.gtin for product in rows] == [GOOD]
    assert len(rejected) == 2


def test_a_reading_counts_rows_and_knows_how_far_it_is(write):
    reading = iter(ProductRows(write(f"gtin\n{GOOD}\n123\n\n{OTHER}\n")))
    assert (reading.rows, reading.share) == (0, 0.0)
    next(reading)
    assert (reading.rows, reading.rejected, reading.line) == (1, 0, 2)
    list(reading)
    assert (reading.rows, reading.rejected, reading.share) == (3, 1, 1.0)


def test_a_reading_that_is_closed_early_closes_its_file(write):
    reading = iter(ProductRows(write(f"gtin\n{GOOD}\n{OTHER}\n")))
    next(reading)
    reading.close()
    assert list(reading) == []


def test_the_file_is_not_read_ahead_as_a_whole(write):
    rows = "".join(f"{GOOD},{number}\n" for number in range(50_000))
    reading = iter(ProductRows(write("gtin,seller_product_reference\n" + rows)))
    next(reading)
    assert reading.share < 0.1


def is_sound(text):
    return not broken(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Z"]), max_size=30)
    .map("Pen {}".format)
    .filter(is_sound)
)
def test_any_title_that_was_quoted_comes_back(tmp_path, title):
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["gtin", "title"], [GOOD, title]])
    (product,), rejected = read(path, delimiter=",")
    assert product.title == title.strip()
    assert not rejected
