import bz2
import csv
import gzip
import io
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import ConfigurationError
from octoffm_async.tabular.formats import csv_table, encodings
from octoffm_async.tabular.formats.csv_table import CsvTable, escape_formula
from octoffm_async.tabular.formats.open import open_table


@pytest.fixture
def table(tmp_path):
    def write(content: bytes, **settings):
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        return CsvTable(path, **settings)

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_found_out(table, encoding, delimiter):
    text = f"réf{delimiter}nom\r\nA{delimiter}Étagère\r\nB{delimiter}Müller\r\n"
    found = table(text.encode(encoding))
    assert found.columns == ("réf", "nom")
    assert [(row.line, row.cells["nom"]) for row in found.rows()] == [(2, "Étagère"), (3, "Müller")]


def test_a_delimiter_inside_quotes_of_the_header_does_not_count(table):
    assert table(b'"a, b, c, d";e\n1;2\n').columns == ("a, b, c, d", "e")


def test_excels_line_that_names_the_delimiter_is_no_header(table):
    found = table(b"sep=|\na,x|b\n1|2\n")
    assert found.columns == ("a,x", "b")
    assert [(row.line, dict(row.cells)) for row in found.rows()] == [(3, {"a,x": "1", "b": "2"})]


def test_quoted_newlines_keep_physical_lines(table):
    rows = list(table(b'a,b\n1,"x\ny"\n\n2,z\n').rows())
    assert [(row.line, row.cells["b"]) for row in rows] == [(2, "x\ny"), (5, "z")]


def test_rows_of_delimiters_are_no_rows(table):
    assert [row.line for row in table(b"a;b\n;\n1;\n;\n;\n").rows()] == [3]


@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 20])
def test_a_bad_byte_in_utf8_is_reported_with_its_line_and_not_guessed_away(table, monkeypatch, chunk):
    monkeypatch.setattr(encodings, "_CHUNK", chunk)
    with pytest.raises(ConfigurationError, match="line 3 is not UTF-8, though the rest of the file is"):
        table("a\nÉtagère, Müller\n".encode() + b"Caf\xe9\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a\nx\x81\n", "line 2 is neither UTF-8 nor Windows-1252"),
        ("ab\n".encode("utf-16-le"), "is UTF-16 without a mark"),
        (b"a,a\n", "more than one column a"),
        (b'"a\n', "the header cannot be read"),
    ],
)
def test_what_cannot_be_read_is_reported_at_once(table, content, message):
    with pytest.raises(ConfigurationError) as caught:
        table(content)
    assert message in str(caught.value)


def test_an_encoding_can_be_named(table):
    assert table("a\nЖ\n".encode("cp1251"), encoding="cp1251").columns == ("a",)
    with pytest.raises(ConfigurationError, match="no encoding is called 'klingon'"):
        table(b"a\n", encoding="klingon")


def test_a_workbook_under_another_name_is_reported(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(ConfigurationError, match=r"name it \.xlsx"):
        open_table(path)


@given(st.text())
def test_a_guarded_cell_is_no_formula(cell):
    assert not escape_formula(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


def rows_by_a_plain_reader(text):
    """The line on which each row begins, and its cells."""
    reader, line = csv.reader(io.StringIO(text, newline="")), 1
    for cells in reader:
        if line > 1 and any(cells):
            yield line, cells
        line = reader.line_num + 1


LINES = ["1,x,3", '2,"x, y",3', '3,"x\ny",z', '4,"""",', "5,x", "", ",,", "6,é,\u2028", '"7",8,9']


@given(st.lists(st.sampled_from(LINES), max_size=25), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 60))
def test_rows_are_the_same_in_each_way_of_reading_them(tmp_path_factory, rows, end, fetched):
    text = end.join(["a,b,c", *rows, ""])
    path = tmp_path_factory.getbasetemp() / "ways.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_table, "_FETCHED", fetched)
        found = [(row.line, row.raw, row.problem) for row in CsvTable(path).rows()]
    assert found == [(line, cells, "") for line, cells in rows_by_a_plain_reader(text)]


def test_a_broken_row_between_others_leaves_their_lines_right(table):
    rows = list(table(b'a,b\n1,2\n"3"x,4\n5,6\n7,8,9\n10,11').rows())
    assert [(row.line, row.cells.get("b"), bool(row.problem)) for row in rows] == [
        (2, "2", False),
        (3, None, True),
        (4, "6", False),
        (5, "8", True),
        (6, "11", False),
    ]


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("end", ["\n", ""])
def test_the_last_row_of_a_file_that_was_cut_off_at_a_block_is_refused(table, missing, end):
    content = b"a,b\n1,2\n"
    last = "3," + "4" * (csv_table.BLOCK - len(content) - 2 - len(end) - missing) + end
    rows = list(table(content + last.encode()).rows())
    assert [row.cells["a"] for row in rows] == ["1", "3"]
    assert [bool(row.problem) for row in rows] == [False, not missing and not end]


@pytest.mark.parametrize(
    ("content", "told"),
    [(gzip.compress(b"a,b", mtime=0), "compressed"), (bz2.compress(b"a"), "compressed"), (lzma.compress(b"a"), "compressed"),
     (b"PK\x03\x04", "name it .xlsx"), (b'[{"a": 1}]', "name it .jsonl"), (b'\xef\xbb\xbf\n{ "a": 1}', "name it .jsonl"),
     (b"<!DOCTYPE html>", "web page"), (b"<?xml?>", "XML"), (b"%PDF-1.7", "PDF")],
)  # fmt: skip
def test_a_file_of_another_kind_says_what_it_is(tmp_path, content, told):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        open_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"[a],<b>,{c}\n1,2,3\n")
    assert open_table(tmp_path / "t.csv").columns is not None
