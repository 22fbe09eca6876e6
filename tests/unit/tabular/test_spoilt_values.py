"""Every kind of value that a program puts in place of the one that was meant: mended and told, or refused; none is sent.

Each table names the kind; the variants stand for it. ``None`` is a refusal, a text is the value that is sent.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.tabular.cells.countries import POSTAL_DIGITS, country_code, postal_code
from octoffm_async.tabular.cells.readers import ReadingOptions
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS

from .files import GOOD, ORDER_VALUES, problem_texts, reading

ROW = {
    "reference": "O-1",
    "seller_product_reference": "P-1",
    "quantity": "2",
    "first_name": "Zoé",
    "last_name": "Müller",
    "address_line1": "1 rue Été",
    "address_line2": "",
    "postal_code": "75011",
    "city": "Paris",
    "country_code": "FR",
    "phone": "",
}


@pytest.fixture
def orders(tmp_path):
    """Reads rows, given by what is changed in the usual one: the orders, the problems, and the report."""

    def read_rows(*changes, delimiter=";", options=None, header=tuple(ROW)):
        path = tmp_path / "o.csv"
        lines = [header, *([(ROW | change)[name] for name in header] for change in changes)]
        path.write_text("".join(delimiter.join(line) + "\n" for line in lines), encoding="utf-8")
        faulty = []
        items = reading(path, ORDERS, faulty.append, values=ORDER_VALUES, options=options)
        return list(items), problem_texts(faulty), items.notes

    return read_rows


def value_of(order, name):
    return order.reference if name == "reference" else getattr(order.delivery_address, name)


DECIMALS = {
    "75011.0": "75011",
    "75011,0": "75011",
    "75011.00": "75011",
    "1001.0": "1001",
    "+33612345678.0": "+33612345678",
    "1001.": "1001",
    "75011,": "75011",
    "1,001.00": "1001",
    "1.001,00": "1001",
    "1 001,00": "1001",
    "1'234'567.0": "1234567",
}
SCIENTIFIC = ["1.5e20", "1,5E+20", "1.23457E+12", "1,23457E+12", "1.23457e+012", "1E+12", "1e+20", "1e20", "1.0E20", "12.3E+9", "1.23457E12", "1.5E-5", "1.23457x10^12", "1.23457×10^12", "1.23457·10^12", "-1.2E+10", "6.12E+08"]  # fmt: skip
GROUPED = ["1,001,002", "12,345,678", "1'001", "1’234’567", "CMD-1001.0", "ORD 20260.0"]
ROUNDED = ["3760123456789010", "376012345678901000", "12345678901234500000", "376012345678901248.0"]
DAY = date(2026, 2, 1)
DATES = [
    *(DAY.strftime(form) for form in ("%Y-%m-%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00Z", "%d/%m/%Y", "%d.%m.%Y",
      "%d-%m-%Y", "%m/%d/%y", "%Y/%m/%d", "%d-%b", "%b-%y", "%d %b %Y", "%d-%b-%y", "%B %d, %Y", "%d %B %Y")),
    *["1-Feb", "01-févr", "févr-26", "1.Feb", "01.Feb", "1-mars", "mars-26", "3-mai", "Mai-26", "2-août", "1-ene", "ene-26", "1-gen", "1-mrt", "3-lut", "01-FEB-26", "1/2/2026", "2026-2-1", "12:30", "12:30:00", "1:05"],
]  # fmt: skip
MORE_DATES = ["5-úno", "2-márc.", "2-Şub-26", "5-tammi", "1-Φεβ", "1-фев", "2026年2月1日", "2月1日", "5-iun."]
WORDS = ["nan", "NaN", "NAN", "None", "none", "NONE", "null", "NULL", "Null", "nil", "NIL", "<NA>", "N/A", "n/a", "NA", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#NV", "#BEZUG!", "#NOM?", "#¡REF!", "######", "NaT", "<null>", "(null)", "[null]", "\\N", "undefined", "-", "--", "—", ".", "...", "?", "*", "_", "Err:508", "n.a.", "(blank)", "<none>"]  # fmt: skip
JOINED = ["-1.#IND", "1.#QNAN", "#NA", "#N/A N/A", "inf", "nan nan", "NoneNone", "None-None", "undefined undefined", "NULL, NULL, NULL", "Loading...",
         "#DIV/0 !", "#NOM ?", "#VALEUR\u00a0!", "#ДЕЛ/0!", "#GEÇERSİZ?", "#Н/Д", "#GETTING_DATA"]  # fmt: skip
UNSEEN = ["\u200b", "\u200e", "\u200f", "\u2060", "\ufeff", "\u00ad", "\u202a", "\u202c", "\u2066", "\u180e", "\u00a0"]


@pytest.mark.parametrize(("cell", "value"), DECIMALS.items())
@pytest.mark.parametrize("field", ["reference", "phone"])
def test_a_whole_number_with_decimals_is_mended_and_told(orders, field, cell, value):
    (order,), problems, notes = orders({field: cell})
    assert (value_of(order, field), problems) == (value, [])
    assert [(change.before, change.after) for change in notes.changes] == [(cell, value)]


@pytest.mark.parametrize("field", ["reference", "phone", "postal_code"])
@pytest.mark.parametrize(
    "cell",
    [
        *SCIENTIFIC,
        *ROUNDED,
        *DATES,
        "TRUE",
        "false",
        "WAHR",
        "1.000",
        "75,000",
        "=A1",
        "=1+2",
        "=SUM(A1)",
        '"O\n1"',
    ],
)
def test_a_code_that_became_a_number_or_a_date_is_refused(orders, field, cell):
    found, problems, _ = orders({field: cell, "country_code": "GB"})
    assert not found
    assert field in problems[0]


@pytest.mark.parametrize(
    "cell",
    ["1-2", "2E4", "4E12", "12E4", "SET-24", "MAR-12", "2024-0001", "12-05-2026-7", "1.1.1", "20260201", "O-2026-02-01",
     "1.001", "1,001", "1 001", "1.001.00", "12.34.56", "00123", "123456789012345", "1234567890123456", "376012345678901234", "E12", "A.0", "75-0"],
)  # fmt: skip
def test_a_code_that_only_looks_like_a_number_or_a_date_is_sent_as_it_is(orders, cell):
    (order,), problems, notes = orders({"reference": cell})
    assert (order.reference, problems, notes.changes) == (cell, [], [])


@pytest.mark.parametrize(
    ("others", "cell"),
    [(["1.5"], "1.0"), (["45-99-87"], "10-12-25"), (["3760123456789012"], "3760123456789010")],
    ids=["decimals", "no-dates", "exact"],
)
def test_the_other_cells_of_the_column_tell_if_a_code_was_changed(orders, others, cell):
    found, problems, _ = orders(*({"reference": other} for other in [*others, cell]))
    alone, _, _ = orders({"reference": cell})
    if cell == "1.0":  # both 1 and 1.0 may be meant
        assert [one.reference for one in found] == others
        assert "is ambiguous: 1, or 1.0 itself" in problems[0]
    else:
        assert ([one.reference for one in found], problems, alone) == ([*others, cell], [], [])


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("field", ["reference", "seller_product_reference", "first_name", "last_name", "city"])
def test_a_word_for_nothing_is_refused_where_a_value_is_needed(orders, field, word):
    found, problems, _ = orders({field: word})
    assert not found
    assert f"= {word!r}: is a" in problems[0] or "is a status" in problems[0]


@pytest.mark.parametrize("field", ["seller_product_reference", "last_name", "city"])
def test_joined_words_and_errors_of_many_languages_are_refused(orders, field):
    found, problems, _ = orders(*({"reference": f"O-{number}", field: word} for number, word in enumerate(JOINED)))
    assert (found, len(problems)) == ([], len(JOINED))


@pytest.mark.parametrize("field", ["seller_product_reference", "postal_code"])
def test_grouped_numbers_and_dates_of_many_languages_are_no_codes(orders, field):
    cells = [*GROUPED, *MORE_DATES]
    changes = ({"reference": f"O-{n}", field: cell, "country_code": "GB"} for n, cell in enumerate(cells))
    found, problems, _ = orders(*changes)
    assert (found, len(problems)) == ([], len(cells))


@pytest.mark.parametrize("word", [word for word in WORDS if word[0] not in "#E"])
@pytest.mark.parametrize("field", ["address_line2", "phone"])
def test_a_word_for_nothing_is_left_out_where_none_is_needed_and_told(orders, field, word):
    (order,), problems, notes = orders({field: word})
    assert (value_of(order, field), problems) == (None, [])
    assert [(change.before, change.after) for change in notes.changes] == [(word, "")]


REPEATED = ['""""', "''", "〃", "″", ",,", "^", "idem", "Idem", "id.", "ditto", "dito", "do.", "s.o."]


@pytest.mark.parametrize("sign", REPEATED)
@pytest.mark.parametrize("field", ["last_name", "address_line2"])
def test_a_sign_for_the_value_of_the_row_above_is_no_value(orders, field, sign):
    found, problems, _ = orders({}, {"reference": "O-2", field: sign})
    assert [one.reference for one in found] == ["O-1"]
    assert "row above" in problems[0]


@pytest.mark.parametrize("sign", [*REPEATED, "nan", "None", "-", "\u200b", "\u00a0", ""])
def test_a_group_whose_reference_stands_only_in_its_first_row_is_refused_whole(orders, sign):
    changes = ({}, {"reference": sign, "seller_product_reference": "P-2"}, {"reference": "O-2"})
    found, problems, _ = orders(*changes)
    assert [one.reference for one in found] == ["O-2"]
    assert "are the cells merged?" in problems[0]
    found, problems, _ = orders(*changes, options=ReadingOptions(fill_down=True))
    assert [(one.reference, len(one.lines)) for one in found] == [("O-1", 2), ("O-2", 1)]
    assert problems == []


@pytest.mark.parametrize("name", ["Nan", "Nat", "Na", "Nil", "Nulle", "Noneman", "Ng", "O", "Ø", "李"])
def test_names_like_such_words_are_names(orders, name):
    (order,), problems, _ = orders({"last_name": name})
    assert (order.delivery_address.last_name, problems) == (name, [])


def test_the_user_can_say_that_a_field_is_as_it_stands(orders):
    options = ReadingOptions(literal=frozenset({"reference", "last_name"}))
    changes = ({"reference": "1.0", "last_name": "Null"}, {"reference": "1", "last_name": "None"})
    found, problems, notes = orders(*changes, options=options)
    assert [(one.reference, one.delivery_address.last_name) for one in found] == [("1.0", "Null"), ("1", "None")]
    assert (problems, notes.changes) == ([], [])


@pytest.mark.parametrize("sign", UNSEEN)
def test_signs_that_cannot_be_seen_are_removed_and_told(orders, sign):
    for cell in (f"O-1{sign}", f"{sign}O-1", f"O{sign}-1"):
        (order,), problems, notes = orders({"reference": cell, "city": f"Par{sign}is"})
        if sign == "\u00a0":
            assert order.reference == cell.strip()
            continue
        assert (order.reference, order.delivery_address.city, problems) == ("O-1", "Paris", [])
        assert [(change.before, change.after) for change in notes.changes] == [
            ("Par" + sign + "is", "Paris"),
            (cell, "O-1"),
        ][::-1]


@pytest.mark.parametrize(
    "sign", [chr(n) for n in range(1, 32) if chr(n) not in "\t\r\n"] + ["\0", "\x7f", "\x81", "\ufffd"]
)
@pytest.mark.parametrize("field", ["reference", "first_name", "address_line2", "phone"])
def test_control_signs_and_lost_letters_are_refused(orders, field, sign):
    found, problems, _ = orders({field: f"A{sign}b"})
    assert not found
    assert f"U+{ord(sign):04X}" in problems[0] or "was lost" in problems[0]


@pytest.mark.parametrize(
    "name",
    ["RenÃ©", "FranÃ§ois", "MÃ¼ller", "PaweÅ‚", "Å»Ã³Å‚Ä‡", "Dâ€™Arc", "Ã‰ric", "ï¿½", "RenĂ©", "MĂĽller", "MГјller", "Mьller",
     "Mﾃｼller", "Pawe³", "Fran‡ois", "£ukasz", "¯ó³æ", "C½ur", "Ren‚"],
)  # fmt: skip
def test_letters_that_were_read_in_a_wrong_encoding_are_refused(orders, name):
    assert orders({"first_name": name})[0] == []


@pytest.mark.parametrize(
    "name",
    ["João", "SÃO PAULO", "ÂNGELA", "Åse", "Łódź", "Ñuñoa", "D’Arc", "Þór", "Été", "Ærø", "ĂRSTIG", "Ĺuboš", "Αθήνα",
     "Москва", "大阪", "Ｔｏｋｙｏ", "l’Haÿ-les-Roses", "50 m² Nord", "¡Hola!", "« Le Clos »"],
)  # fmt: skip
def test_letters_of_many_languages_are_letters(orders, name):
    (order,), problems, notes = orders({"city": name})
    assert (order.delivery_address.city, problems, notes.changes) == (name, [], [])


COUNTRIES = {"FR": "FR", "fr": "FR", "FRA": "FR", "France": "FR", "FRANCE": "FR", "Frankreich": "FR", "Francia": "FR",
             "UK": "GB", "GB": "GB", "United Kingdom": "GB", "EL": "GR", "Grèce": "GR", "XK": "XK", "NA": "NA",
             "Deutschland": "DE", "España": "ES", "Pays-Bas": "NL", "Österreich": "AT", "la Réunion": "RE",
             "Paris": "", "75011": "", "XX": "", "Building B": "", "F": "", "Franc": ""}  # fmt: skip


@pytest.mark.parametrize(("cell", "code"), COUNTRIES.items())
def test_a_country_is_its_code_and_what_is_no_country_says_so(orders, cell, code):
    found, problems, notes = orders({"country_code": cell, "postal_code": "SW1A 1AA" if code not in POSTAL_DIGITS else
                                     "1" * POSTAL_DIGITS[code][0]})  # fmt: skip
    assert country_code(cell) == code
    if not code:
        assert not found
        assert "is no country" in problems[0]
        assert "shifted" in problems[0]
    else:
        assert (found[0].delivery_address.country_code, problems) == (code, [])
        assert len(notes.changes) == (cell != code)


LOST = {("FR", "1000"): "01000", ("FR", "1000.0"): "01000", ("fr", "1000"): "01000", ("France", "1000"): "01000",
        ("FRA", "1000"): "01000", ("IT", "118"): "00118", ("DE", "1067"): "01067", ("ES", "8001"): "08001",
        ("FI", "100"): "00100", ("US", "2134"): "02134", ("US", "2134-1234"): "02134-1234", ("MX", "1000"): "01000",
        ("RO", "10011"): "010011", ("SG", "18956"): "018956", ("JP", "600001"): "0600001", ("AU", "800"): "0800",
        ("NO", "150"): "0150", ("PL", "1001"): "01001", ("SK", "1001"): "01001", ("TR", "1010"): "01010",
        ("BR", "1310100"): "01310100", ("PR", "901"): "00901", ("LT", "1100"): "01100", ("VI", "801"): "00801"}  # fmt: skip


@pytest.mark.parametrize(("given", "right"), LOST.items())
def test_a_postal_code_that_lost_its_zeros_is_refused_or_filled_if_the_user_says_so(orders, given, right):
    country, code = given
    found, problems, _ = orders({"country_code": country, "postal_code": code})
    assert not found
    assert f"did a spreadsheet drop a zero of {right}?" in problems[0]
    (order,), problems, notes = orders(
        {"country_code": country, "postal_code": code}, options=ReadingOptions(fill_zeros=True)
    )
    assert (order.delivery_address.postal_code, problems) == (right, [])
    assert ("dropped zeros were filled", right) in [(change.kind, change.after) for change in notes.changes]


@pytest.mark.parametrize(
    ("country", "code"),
    [("FR", "75011"), ("FR", "F-75011"), ("FR", "75 011"), ("FR", "2A004"), ("FR", "75011 CEDEX 11"), ("NL", "1012 AB"),
     ("NL", "1012AB"), ("SE", "114 55"), ("GR", "104 31"), ("PL", "00-001"), ("PT", "1000-001"), ("PT", "1000"),
     ("LT", "LT-01100"), ("CZ", "110 00"), ("US", "02134-1234"), ("GB", "SW1A 1AA"), ("IE", "D02 AF30"), ("JP", "100-0001"),
     ("CH", "8001"), ("CH", "CH-8001"), ("LU", "L-1009"), ("BE", "1000"), ("CA", "K1A 0B1"), ("HK", "-")],
)  # fmt: skip
def test_postal_codes_as_people_write_them_are_right(country, code):
    assert postal_code(country, code) == ("", "")


@given(st.sampled_from(sorted(POSTAL_DIGITS)), st.integers(0, 10**9 - 1))
def test_no_postal_code_of_another_length_is_sent(country, number):
    code = str(number)
    filled, reason = postal_code(country, code)
    assert bool(reason) is (len(code) not in POSTAL_DIGITS[country])
    assert not filled or (filled.lstrip("0") == code.lstrip("0") and len(filled) in POSTAL_DIGITS[country])


@pytest.mark.parametrize(
    ("country", "code"),
    [("GP", "9711"), ("RE", "9740"), ("PT", "100-001"), ("TW", "1000"), ("CL", "832000"), ("BE", "100")],
)
def test_no_zero_is_invented_where_no_postal_code_begins_with_one(country, code):
    filled, reason = postal_code(country, code)
    assert filled == ""
    assert f"those of {country} have" in reason


@pytest.mark.parametrize("field", ["reference", "seller_product_reference"])
@pytest.mark.parametrize("cell", ["0", "0.0", "-0"])
def test_a_zero_is_no_code_where_one_is_needed(orders, field, cell):
    found, problems, _ = orders({field: cell}, {"reference": "O-2"})
    assert [one.reference for one in found] == ["O-2"]
    assert "is a zero in place of a value" in problems[0]


def test_an_address_without_a_postal_code_or_any_name_is_refused_and_half_a_name_told(orders):
    blank = {"reference": "O-2", "first_name": "", "last_name": "\u00a0"}
    found, problems, notes = orders({"postal_code": ""}, blank, {"reference": "O-3", "last_name": ""})
    assert [one.reference for one in found] == ["O-3"]
    assert "addresses of FR have one" in problems[0]
    assert "who gets the parcel?" in problems[1]
    assert "delivery_address.last_name" in [change.field for change in notes.changes]
    assert len(orders({"postal_code": "", "country_code": "IE"})[0]) == 1
    literal = ReadingOptions(literal=frozenset({"postal_code", "last_name"}))
    assert len(orders({"postal_code": ""}, blank, options=literal)[0]) == 2


def test_two_lines_that_are_alike_are_sent_and_told(orders):
    (order,), problems, notes = orders({}, {})
    assert (len(order.lines), problems) == (2, [])
    assert [(change.field, change.before) for change in notes.changes] == [("lines", "O-1")]
    assert orders({}, {"quantity": "3"})[2].changes == []


SHIFTED = [
    ("1 rue Été, Bâtiment B", "address_line1"),
    ("Zoé, Anna", "first_name"),
    ("2,0", "quantity"),
    ("Müller, Zoé", "last_name"),
    ("Paris, 11e", "city"),
    ("75011, 75012", "postal_code"),
]


@pytest.mark.parametrize(("cell", "field"), SHIFTED)
@pytest.mark.parametrize("tail", [(), ("comment",), ("comment", "more"), ("phone", "address_line2")])
@pytest.mark.parametrize("first", [(), ("country_code",), ("country_code", "postal_code")])
def test_a_separator_inside_a_cell_shifts_columns_and_no_order_leaves(orders, cell, field, tail, first):
    needed = [name for name in ROW if name not in {"phone", "address_line2", *first}]
    header = (*first, *needed, *tail)
    if field in first:
        pytest.skip("the column stands elsewhere")
    found, problems, _ = orders({field: cell} | dict.fromkeys(("comment", "more"), ""), delimiter=",", header=header)
    assert not found
    assert problems
    quoted, problems, _ = orders(
        {field: f'"{cell}"'} | dict.fromkeys(("comment", "more"), ""), delimiter=",", header=header
    )
    assert len(quoted) == (field != "postal_code")


@pytest.mark.parametrize("name", [" Anna", "Anna "])
def test_a_blank_before_a_name_is_no_separator_where_the_cells_behind_it_stand_right(orders, name):
    (order,), problems, _ = orders({"first_name": name}, delimiter=",")
    assert (order.delivery_address.first_name, problems) == ("Anna", [])


@pytest.mark.parametrize("extra", [(",", ","), (",", ",,"), ("", ",")])
def test_rows_may_be_longer_than_the_header_only_together(tmp_path, extra):
    path = tmp_path / "o.csv"
    rows = [",".join((ROW | {"reference": f"O-{place}"}).values()) + end for place, end in enumerate(extra)]
    path.write_text("\n".join([",".join(ROW), *rows, ""]))
    faulty = []
    found = [one.reference for one in reading(path, ORDERS, faulty.append, values=ORDER_VALUES)]
    assert found == (["O-0", "O-1"] if extra[0] else ["O-0"])
    assert ["the row has 12 columns, the header 11" in text for text in problem_texts(faulty)] == [True] * (
        not extra[0]
    )


NUMBERS = [  # the cells of the column, the decimal sign that is given, the numbers that are read; None: refused
    (["1.000"], "", [None]),
    (["1,000"], "", [None]),
    (["2", "1.000"], "", ["2", None]),
    (["2.0", "1.000"], "", [2, 1]),
    (["2,0", "1.000"], "", [2, 1000]),
    (["2,0", "1,000"], "", [2, 1]),
    (["1.234.567", "1.000"], "", [1234567, 1000]),
    (["1,234,567", "1,000"], "", [1234567, 1000]),
    (["2.0", "2,0", "1.000"], "", [2, 2, None]),
    (["1.000"], ".", [1]),
    (["1.000"], ",", [1000]),
    (["1,000"], ",", [1]),
    (["1,000"], ".", [1000]),
    (["2.0"], ",", [None]),
    (["1.000,00", "1.000"], "", [1000, 1000]),
    (["2.0000"], "", [2]),
    (["1 000"], "", [None]),
    (["12-May"], "", [None]),
]


@pytest.mark.parametrize(("cells", "decimal", "expected"), NUMBERS)
def test_decimal_and_thousands_signs_are_told_apart_by_the_file_or_refused(orders, cells, decimal, expected):
    changes = [{"reference": f"O-{place}", "quantity": cell} for place, cell in enumerate(cells)]
    found, problems, notes = orders(*changes, options=ReadingOptions(decimal=decimal))
    read = {one.reference: one.lines[0].quantity for one in found}
    numbers = [read.get(f"O-{place}") for place in range(len(cells))]
    right = [None if one is None else int(one) for one in expected]
    if cells == ["1.234.567", "1.000"] or cells == ["1,234,567", "1,000"]:
        assert numbers in (right, [None, 1000])
    else:
        assert numbers == right
    assert len(problems) == numbers.count(None)
    if "1.000" in cells and 1000 in numbers and not decimal:
        assert "decimal sign" in notes.facts


@pytest.mark.parametrize("zeros", ["0" * 8, "0" * 12, "0" * 13, "0" * 14])
def test_a_gtin_of_zeros_is_no_article(tmp_path, zeros):
    path = tmp_path / "p.csv"
    path.write_text(f"gtin,title\n{zeros},Pen\n")
    faulty = []
    assert list(reading(path, PRODUCTS, faulty.append)) == []
    assert "zeros only" in problem_texts(faulty)[0]


@pytest.mark.parametrize(
    "forms", [("012345678905", "0012345678905"), ("00012345678905", "012345678905"), (GOOD, f"0{GOOD}")]
)
def test_one_article_in_two_lengths_is_one_product_and_told(tmp_path, forms):
    path = tmp_path / "p.csv"
    path.write_text("gtin,title\n" + "".join(f"{form},Pen\n" for form in forms))
    faulty = []
    items = reading(path, PRODUCTS, faulty.append)
    assert [one.gtin for one in items] == [forms[0]]
    assert "came before, on line 2" in problem_texts(faulty)[0]
    assert "several lengths" in items.notes.facts["same articles"]


@given(
    st.dates(date(2000, 1, 1), date(2049, 12, 31)), st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%d-%b-%y"])
)
def test_no_date_is_a_code(day: date, form):
    from octoffm_async.tabular.cells.codes import CodeColumn, mended

    assert mended(day.strftime(form), CodeColumn())[1].startswith("is a date")
    assert mended((day + timedelta(1)).strftime(form), CodeColumn())[1]
