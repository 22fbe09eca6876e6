import csv
import io
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoffm_async.contract.outbound import OutboundShipmentRequest
from octoffm_async.tabular.cells.codes import grouping_key
from octoffm_async.tabular.cells.readers import ReadingOptions
from octoffm_async.tabular.column_plan import plan_for
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_reader import ItemReader
from octoffm_async.tabular.item_types import ORDERS, PRODUCTS
from octoffm_async.tabular.rejects import RejectsFile
from tests.unit.sizes import tries

from .files import GOOD, ORDER_HEADER, ORDER_VALUES, OTHER, order_row, read

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), min_size=1).map(str.strip).filter(bool)
CELL = st.one_of(TEXT, st.sampled_from(["=1+1", "'=1", "''@x", "-5", "+33123", '"', ";", "a\nb", "'", "@SUM(A1)"]))
COLUMNS = ORDER_HEADER.split(",")


def reject(path, target, values=None, rejects=None):
    table = open_table(path)
    plan = plan_for(table, target, {}, values or {})
    with RejectsFile(rejects, table) as file:
        return list(ItemReader(table, plan, file)), file


def test_rejects_can_be_mended_and_sent_again(tmp_path):
    path, rejects = tmp_path / "p.csv", tmp_path / "r.csv"
    path.write_text(f"gtin;title;note\n{GOOD};Pen;=SUM(A1)\n123;Cup;'-5\n{OTHER};;x\n", encoding="cp1252")
    found, _ = reject(path, PRODUCTS, rejects=rejects)
    assert [one.gtin for one in found] == [GOOD]
    text = rejects.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [(row["octoffm_line"], row["note"]) for row in rows] == [("3", "''-5"), ("4", "x")]
    assert "has 3 digits" in rows[0]["octoffm_reason"]
    rejects.write_text(
        text.replace("123;", "2000000079196;").replace(f"{OTHER};;", f"{OTHER};Mug;"), encoding="utf-8-sig"
    )
    again = tmp_path / "again.csv"
    found, file = reject(rejects, PRODUCTS, rejects=again)
    assert [one.title for one in found] == ["Cup", "Mug"]
    assert file.items == 0
    assert not again.exists()


def test_all_rows_of_a_faulty_order_are_rejected_each_with_its_reason(tmp_path):
    path, rejects = tmp_path / "o.csv", tmp_path / "r.csv"
    path.write_text("\n".join([ORDER_HEADER, order_row("A"), order_row("A", "P-2", 0), order_row("B"), ""]))
    found, _ = reject(path, ORDERS, ORDER_VALUES, rejects)
    assert [one.reference for one in found] == ["B"]
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["quantity"] for row in rows] == ["1", "0"]
    assert rows[0]["octoffm_reason"] == "see line 3 of the same item"
    assert rows[1]["octoffm_reason"].startswith("column quantity")


def test_rejects_of_json_lines_are_json_lines(tmp_path):
    path, rejects = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    path.write_text(json.dumps({"gtin": "123", "packaging": {"weight": 5}}) + "\nnot json\n")
    reject(path, PRODUCTS, rejects=rejects)
    first, second = map(json.loads, rejects.read_text().splitlines())
    assert (first["octoffm_line"], first["gtin"], first["packaging"]) == (1, "123", {"weight": 5})
    assert "packaging is all or nothing" in first["octoffm_reason"]
    assert second["octoffm_text"] == "not json"


def test_a_row_of_the_wrong_length_stays_as_it_is(tmp_path):
    path, rejects = tmp_path / "p.csv", tmp_path / "r.csv"
    path.write_text(f"gtin,title\n{GOOD},a,b\n{OTHER}\n")
    reject(path, PRODUCTS, rejects=rejects)
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        assert [row[2:] for row in csv.reader(file)] == [["gtin", "title"], [GOOD, "a", "b"], [OTHER]]


@settings(max_examples=tries(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(CELL, min_size=6, max_size=6).filter(lambda row: grouping_key(row[0].strip())),
        max_size=5,
        unique_by=lambda row: row[0],
    )
)
def test_rows_become_items_and_rows_again_through_a_rejects_file(tmp_path, rows):
    """Every cell survives being rejected, opened as CSV, and read again."""
    path, rejects = tmp_path / "o.csv", tmp_path / "r.csv"
    rejects.unlink(missing_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for reference, product, *names in rows:
            writer.writerow([reference, product, 0, *names, "Hongkong", "HK"])
    found, rejected = reject(path, ORDERS, ORDER_VALUES, rejects)
    assert (found, rejected.items) == ([], len(rows))
    if not rows:
        return
    table = open_table(rejects)
    cells = [row.cells | {"quantity": "2"} for row in table.rows()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(cells)
    as_written = ReadingOptions(literal=frozenset(COLUMNS) - {"quantity", "country_code"})
    items, faulty = read(path, ORDERS, values=ORDER_VALUES, options=as_written)
    assert not faulty
    assert [cells_of(one) for one in items] == [[cell.strip() for cell in row] for row in rows]


def cells_of(order: OutboundShipmentRequest) -> list[str]:
    to = order.delivery_address
    return [order.reference, str(order.lines[0].seller_product_reference), to.first_name, to.last_name,
            to.address_line1, to.postal_code]  # fmt: skip
