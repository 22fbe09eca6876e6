import sys

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.tabular.formats import sheet_table
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_types import PRODUCTS

from ..files import GOOD, problem_texts, read


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
