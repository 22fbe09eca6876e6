import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.tabular.cells import parsers as fields


@pytest.mark.parametrize(
    ("cell", "value"),
    [("17.5", 17.5), ("17,5", 17.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("1 234,5", 1234.5), ("0,125", 0.125),
     ("12,34", 12.34), ("3e1", 30.0), ("1234,567", 1234.567), ("1\u202f234,50", 1234.5)],
)  # fmt: skip
def test_numbers_of_many_countries(cell, value):
    assert fields.number(cell) == value


@pytest.mark.parametrize("cell", ["1,234", "12,345", "1.2.3", "1,2,3", "abc", "nan", "1_000", "", "1,"])
def test_what_could_be_two_numbers_or_none_is_refused(cell):
    with pytest.raises(ValueError, match=r"ambiguous|not a number"):
        fields.number(cell)


@given(st.floats(0, 1e6, allow_nan=False))
def test_a_number_comes_back_with_either_mark(number):
    text = f"{number:.2f}"
    assert fields.number(text) == fields.number(text.replace(".", ",")) == float(text)


@pytest.mark.parametrize(("cell", "value"), [("2", 2), ("2.0", 2), ("2,0", 2), ("-1", -1)])
def test_whole_numbers(cell, value):
    assert fields.whole(cell) == value


@pytest.mark.parametrize("cell", ["1.5", "1,5", "x", "1e300"])
def test_what_is_no_whole_number(cell):
    with pytest.raises(ValueError, match="whole number"):
        fields.whole(cell)


def test_a_date_without_a_zone_is_utc():
    assert fields.moment("2026-09-01").isoformat() == "2026-09-01T00:00:00+00:00"
    assert fields.moment("2026-09-01T08:00:00+02:00").isoformat() == "2026-09-01T08:00:00+02:00"
    with pytest.raises(ValueError, match="is not a date such as"):
        fields.moment("01/09/2026")
