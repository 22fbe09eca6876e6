"""Good files with random damage: no order leaves with a value that is not of its row, or that the report does not name.

Each field's good values begin with a letter of their own and no word of one field is a word of another, so that a value
that comes from another column is seen. More is tried with ``OCTOFFM_THOROUGH=1``; a campaign runs
``--hypothesis-seed`` 1, 2, 3 … with ``OCTOFFM_MUTATIONS`` set to the number of files.
"""

from __future__ import annotations

import os
import re
from itertools import count

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from octoffm_async import ConfigurationError
from octoffm_async.tabular.item_types import ORDERS
from tests.unit.sizes import tries

from .files import ORDER_VALUES, reading

HEADER = ("reference", "seller_product_reference", "quantity", "first_name", "last_name", "address_line1",
          "postal_code", "city", "country_code", "phone", "address_line2", "comment")  # fmt: skip
FIRST = ("Fanny", "Félix", "Fabiënne")
LAST = ("Lambert", "Lefèvre", "Lüders Lund")
STREET = ("Allée Ardente 12", "Avenue Aérée 7", "Am Acker 3")
CITY = ("Colmar", "Clérac", "Cöllen")
PLACES = (("68000", "FR"), ("01000", "FR"), ("10115", "DE"), ("1012 AB", "NL"))
WORDS = ["nan", "NULL", "None", "#N/A", "#REF!", "-", "1.000", "1,000", "2.0", "1.5e20", "1,5E+20", "1-Feb",
         "01/02/2026", "75011.0", "1000", "\u200b", "=1+1", "TRUE", "0", "", " ", "Paris", "75011", "FR", "FRA", "376012345678901000"]  # fmt: skip
SIGNS = [*",;\t|\"'\n\r .-=0159eEé\\", "\0", "\x1b", "\u200b", "\ufeff", "\u00a0", "Ã©", "³", "‡", '""', ", ", "\r\n"]
ENCODINGS = ["utf-8", "utf-8-sig", "cp1252", "utf-16", "mac_roman", "cp850", "iso-8859-15"]
FILES = int(os.environ.get("OCTOFFM_MUTATIONS", "0")) or tries(450)
_numbers = count()


@st.composite
def good_rows(draw):
    rows = []
    for number in range(draw(st.integers(1, 5))):
        zip_code, country = draw(st.sampled_from(PLACES))
        address = [draw(st.sampled_from(some)) for some in (FIRST, LAST, STREET)]
        address += [zip_code, draw(st.sampled_from(CITY)), country, "", "", ""]
        for line in range(draw(st.integers(1, 3))):
            rows.append([f"R-{number}", f"P-{number}{line}", str(draw(st.integers(1, 9))), *address])
    return rows


damages = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.floats(0, 1), st.sampled_from(SIGNS)),
        st.tuples(st.just("replace"), st.floats(0, 1), st.sampled_from(SIGNS)),
        st.tuples(st.just("delete"), st.floats(0, 1), st.integers(1, 12)),
        st.tuples(st.just("cell"), st.floats(0, 1), st.sampled_from(WORDS)),
        st.tuples(st.just("swap rows"), st.floats(0, 1), st.integers(1, 4)),
        st.tuples(st.just("repeat row"), st.floats(0, 1), st.integers(1, 4)),
        st.tuples(st.just("cut"), st.floats(0.3, 1), st.none()),
        st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=3,
)


def damaged(rows, delimiter, encoding, all_damage):
    """The bytes of a file with these rows, each damage done."""
    start = len(delimiter.join(HEADER)) + 1
    text = "".join(delimiter.join(row) + "\n" for row in [HEADER, *rows])
    data = b""
    for kind, share, how in [*all_damage, ("end", 0.0, None)]:
        place = start + int(share * (len(text) - start))
        lines = text.split("\n")
        number = 1 + int(share * max(0, len(lines) - 3))
        match kind:
            case "insert":
                text = text[:place] + how + text[place:]
            case "replace":
                text = text[:place] + how + text[place + len(how) :]
            case "delete":
                text = text[:place] + text[place + how :]
            case "cell":
                cells = lines[number].split(delimiter)
                cells[place % len(cells)] = how
                lines[number] = delimiter.join(cells)
                text = "\n".join(lines)
            case "swap rows" | "repeat row" if len(lines) > 3:
                line = lines[number] if kind == "repeat row" else lines.pop(number)
                lines.insert(1 + (number + how) % (len(lines) - 1), line)
                text = "\n".join(lines)
            case "cut":
                text = text[:place]
            case _:
                data = text.encode(encoding, "replace")
    for kind, share, how in all_damage:
        if kind == "byte":
            place = start + int(share * max(0, len(data) - start - 1))
            data = data[:place] + bytes([how]) + data[place + 1 :]
    return text, data


@settings(
    deadline=None, max_examples=FILES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(good_rows(), st.sampled_from(",;\t"), st.sampled_from(ENCODINGS), damages)
@example([["R-0", "P-00", "2", "Fanny", "Lambert", "Allée Ardente 12", "68000", "Colmar", "FR", "", "", ""]], ",", "utf-8",
         [("insert", 0.5, ", ")])  # fmt: skip
@example([["R-0", f"P-0{line}", "1", "Fanny", "Lambert", "Allée Ardente 12", "68000", "Colmar", "FR", "", "", ""]
          for line in range(3)], ",", "utf-8", [("insert", 0.0, ","), ("swap rows", 0.5, 1)])  # fmt: skip
def test_no_damaged_file_yields_a_value_that_was_not_in_its_row_or_is_not_told(
    tmp_path, rows, delimiter, encoding, all_damage
):
    path = tmp_path / f"{next(_numbers)}.csv"
    _, data = damaged(rows, delimiter, encoding, all_damage)
    path.write_bytes(data)
    faulty = []
    try:
        items = reading(path, ORDERS, faulty.append, values=ORDER_VALUES)
        found = list(items)
    except ConfigurationError:
        return
    finally:
        path.unlink()
    told = {change.field.rpartition(".")[2]: change for change in items.notes.changes}
    shown = data.decode(items._table.encoding, "replace")
    for order in found:
        own = [
            line
            for line in re.split(r"[\r\n]+", shown)
            if "reference" in told or order.reference in line.translate({0x200B: None, 0xFEFF: None})
        ]
        check(order, own, told)
        if not re.search('["\\r]', shown) and "reference" not in told:  # each physical line is a row
            begins = [line for line in own if tidy(line.split(delimiter)[0]) == tidy(order.reference)]
            assert len(begins) == len(order.lines), (order.reference, begins)


def tidy(cell):
    cell = cell.translate(dict.fromkeys([0x200B, 0xFEFF])).strip()
    return cell[1:].removesuffix("'") if cell.startswith("'") else cell


def check(order, own, told):
    """Assert that each value stands in a row of the order, in its own column, unless the report names the field."""
    to = order.delivery_address
    for name in HEADER[3:11]:
        value = getattr(to, name)
        if not value or name in told:  # an empty cell is an empty name
            continue
        assert any(part in line for line in own for part in value.splitlines()), (name, value)
        for other, words in OTHERS.items():
            if other != name:
                assert not words.intersection(value.split()), f"{name} = {value!r} has words of {other}"
    for line in order.lines:
        number = str(line.quantity)
        assert "quantity" in told or any(re.search(rf"(?<!\d)0*{number}(?!\d)", row) for row in own), line


OTHERS = {
    name: {word for value in values for word in value.split() if len(word) > 2 or word.isdigit()}
    for name, values in {"first_name": FIRST, "last_name": LAST, "address_line1": STREET, "city": CITY}.items()
}
