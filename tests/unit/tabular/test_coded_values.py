"""Values in a coded form, and values that a program broke: each is mended and told, or refused with the reason."""

import pytest

from octoffm_async import ConfigurationError
from octoffm_async.tabular.cells.readers import ReadingOptions
from octoffm_async.tabular.item_types import ORDERS

from .files import ORDER_VALUES, problem_texts, read, reading

NAMES = ["reference", "seller_product_reference", "quantity", "first_name", "last_name", "address_line1", "address_line2", "postal_code", "city", "country_code", "phone", "email"]  # fmt: skip
GOOD_ROW = dict(
    zip(NAMES, ["R", "P-1", "2", "Zoé", "Müller", "1 rue Été", "", "75011", "Paris", "FR", "", ""], strict=True)
)
CELLS = [  # the field, its cell, the value that is sent; None: refused
    ("reference", "[object Object]", None),
    ("last_name", "M&uuml;ller", "Müller"),
    ("last_name", "O&#39;Neil", "O'Neil"),
    ("last_name", "O&#x27;Neil", "O'Neil"),
    ("address_line1", "M&amp;amp;M Street", "M&M Street"),
    ("address_line1", "Marks & Spencer; Lyon", "Marks & Spencer; Lyon"),
    ("reference", "O&#45;1", None),
    ("last_name", "M%C3%BCller", None),
    ("address_line1", "1%20rue%20X", None),
    ("address_line1", "100% Pizza 20", "100% Pizza 20"),
    ("last_name", "M\\u00fcller", None),
    ("last_name", "M\\xfcller", None),
    ("last_name", "=?UTF-8?Q?M=C3=BCller?=", None),
    ("last_name", "M├╝ller", None),
    ("last_name", "Orl├®ans", None),
    ("last_name", "M√ºller", None),
    ("last_name", "M?ller", None),
    ("city", "Orl??ans", None),
    ("address_line1", "Chez qui ?", "Chez qui ?"),
    ("first_name", "{{customer.name}}", None),
    ("first_name", "${name}", None),
    ("first_name", "{name}", None),
    ("address_line2", "[object Object]", ""),
    ("address_line2", "4.0", "4"),
    ("address_line1", "2026-12-14 00:00:00", None),
    ("address_line1", "12-Feb", None),
    ("address_line1", "14-déc.", None),
    ("address_line1", "14 juillet 1789", "14 juillet 1789"),
    ("address_line2", "1/2/12", "1/2/12"),
    ("city", "01/02/2026", None),
    ("city", "12.0", None),
    ("first_name", "+33612345678", None),
    ("city", "東京", "東京"),
    ("postal_code", "７５０１１", "75011"),
    ("postal_code", "٧٥٠١١", "75011"),
    ("postal_code", "75011.5", None),
    ("postal_code", "75.011", None),
    ("phone", "０６１２３４５６７８", "0612345678"),
    ("address_line1", "1E+05", None),
    ("address_line1", "1.23457E+12", None),
    ("address_line1", "1.5e3", None),
    ("address_line2", "12E15", "12E15"),
    ("address_line1", "=A1", None),
    ("address_line1", "0", None),
    ("address_line2", "0", ""),
    ("phone", "0", ""),
    ("email", "0", ""),
    ("email", "zoe@example.org", "zoe@example.org"),
    ("email", "zoe", None),
    ("email", "zoe@example.org; anna@example.org", None),
    ("email", "Zoé <zoe@example.org>", None),
    ("quantity", "1.5E+03", None),
    ("quantity", "2e0", None),
    ("quantity", "２", None),
    ("email", "zoe@example.org\nBcc: x@y", None),  # the last one, because it takes two lines
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The orders of a file of all these cells by their numbers, the problems, and the fields that were mended."""
    path = tmp_path_factory.mktemp("coded") / "o.csv"
    rows = [{**GOOD_ROW, "reference": f"R-{number}", name: cell} for number, (name, cell, _) in enumerate(CELLS)]
    lines = [";".join(f'"{cell}"' for cell in row.values()) for row in rows]
    path.write_text("\n".join([";".join(NAMES), *lines, ""]), encoding="utf-8")
    faulty = []
    items = reading(path, ORDERS, faulty.append, values=ORDER_VALUES)
    orders = {one.reference: one for one in items}
    return orders, {one.line: problem_texts([one]) for one in faulty}, {change.field for change in items.notes.changes}


@pytest.mark.parametrize("number", range(len(CELLS)), ids=[ascii(cell) for _, cell, _ in CELLS])
def test_a_coded_or_broken_value_is_mended_and_told_or_refused(found, number):
    orders, problems, told = found
    name, cell, value = CELLS[number]
    order = orders.get(f"R-{number}")
    if value is None:
        assert order is None
        assert any(name in text and ": " in text for text in problems[number + 2])
        return
    assert getattr(order.delivery_address, name) == (value or None)
    assert cell == value or f"delivery_address.{name}" in told


def test_a_question_mark_in_a_name_is_taken_if_the_user_says_so(tmp_path):
    path = tmp_path / "o.csv"
    path.write_text(";".join(NAMES) + "\n" + ";".join({**GOOD_ROW, "last_name": "Who?Me"}.values()) + "\n")
    (order,), _ = read(path, ORDERS, values=ORDER_VALUES, options=ReadingOptions(literal=frozenset({"last_name"})))
    assert order.delivery_address.last_name == "Who?Me"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1254", "Şahin"), ("cp1254", "İzmir"), ("cp1257", "Šiauliai"), ("cp1250", "Galaţi"), ("mac_roman", "Müller"),
     ("mac_roman", "Märkt"), ("mac_roman", "A Coruña"), ("mac_roman", "Côte"), ("mac_roman", "Naïve"),
     ("iso-8859-15", "Škoda"), ("iso-8859-15", "Žiga"), ("iso-8859-15", "Œuilly")],
)  # fmt: skip
def test_words_that_are_none_in_windows_1252_show_another_encoding(tmp_path, encoding, name):
    path = tmp_path / "o.csv"
    path.write_bytes((";".join(NAMES) + "\n" + ";".join({**GOOD_ROW, "city": name}.values())).encode(encoding))
    with pytest.raises(ConfigurationError, match="is no word in Windows-1252"):
        reading(path, ORDERS, print)


@pytest.mark.parametrize(
    "name", ["Paris–Lyon", "Œuilly", "’s Hertogenbosch", "´t Hart", "HAŸ-LES-ROSES", "Ÿ", "10 – 12"]
)
def test_words_of_windows_1252_are_words(tmp_path, name):
    path = tmp_path / "o.csv"
    path.write_bytes((";".join(NAMES) + "\n" + ";".join({**GOOD_ROW, "city": f"Aé {name}"}.values())).encode("cp1252"))
    (order,), _ = read(path, ORDERS, values=ORDER_VALUES)
    assert order.delivery_address.city == f"Aé {name}"


@pytest.mark.parametrize(
    ("encoding", "country", "code", "name"),
    [("cp1250", "CZ", "30100", "Dvořák"), ("cp1250", "HU", "9021", "Győr"), ("cp1250", "SI", "4220", "Kovač"),
     ("cp1254", "TR", "04000", "Kadıköy"), ("cp1251", "BG", "1000", "Ан"), ("cp1253", "GR", "104 31", "Μ")],
)  # fmt: skip
def test_letters_of_a_guessed_encoding_are_not_sent_to_a_country_that_writes_another(
    tmp_path, encoding, country, code, name
):
    path = tmp_path / "o.csv"
    row = {**GOOD_ROW, "city": name, "country_code": country, "postal_code": code, "last_name": "José"}
    path.write_bytes((";".join(NAMES) + "\n" + ";".join(row.values())).encode(encoding, "replace"))
    found, problems = read(path, ORDERS, values=ORDER_VALUES)
    assert not found
    assert f"may be {name!r} in {country}" in problem_texts(problems)[0]
    for given in (encoding, "cp1252"):
        (order,), _ = read(path, ORDERS, values=ORDER_VALUES, encoding=given)
        assert (order.delivery_address.city == name) is (given == encoding)
