"""Rows of lists as a table, JSON lines, CSV, Parquet and a workbook, on standard output and in files."""

from __future__ import annotations

import csv
import io
import json
import stat
from datetime import UTC, datetime

import click
import pytest

from octoffm_async.cli.rows import xlsx
from octoffm_async.cli.rows.target import RowTarget, kind_of, open_rows
from octoffm_async.contract.outbound import OutboundShipment, ShippedTo


def csv_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_every_list_is_csv_on_standard_output(api):
    order = api.ordered("A-1", quantity=2)
    (row,) = csv_of(api.octoffm("orders", "list", "-o", "-").out)
    assert (row["outbound_shipment_id"], row["reference"]) == (order, "A-1")
    assert row["delivery_address_postal_code"]
    assert json.loads(row["lines"])[0]["quantity"] == 2
    assert len(csv_of(api.octoffm("products", "list", "-o", "-", "--max-items", 2).out)) == 2
    assert len(csv_of(api.octoffm("stocks", "export", "-o", "-").out)) == 3
    for group in ("returns", "inbound"):
        done = api.octoffm(group, "list", "-o", "-")
        assert (done.code, done.out.count("\n"), done.err) == (0, 1, "")  # the names of the columns


def test_json_lines_of_standard_output_are_those_of_the_library(api):
    api.ordered("A-1")
    rows = api.octoffm("orders", "list", "--json").rows
    assert api.octoffm("orders", "list", "-o", "-", "--json").rows == rows
    assert api.octoffm("orders", "list", "-o", "-", "--format", "jsonl").rows == rows
    assert api.octoffm("orders", "list", "-o", "o.jsonl").out == "o.jsonl: 1 shipping order\n"
    path = api.folder / "o.jsonl"
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # addresses of customers
    done = api.octoffm("orders", "list", "-o", "o.jsonl", "--json")
    assert done.rows == [{"file": "o.jsonl", "shipping_orders": 1}]
    assert api.octoffm("orders", "list", "-o", "o.jsonl", "-q")[1:] == ("", "")


def test_columns_are_chosen_by_name_in_every_form(api):
    api.ordered("A-1")
    names = ("--columns", "reference, delivery_address_city")
    row = {"reference": "A-1", "delivery_address_city": "Paris"}
    assert api.octoffm("orders", "list", *names, "--json").rows == [row]
    assert csv_of(api.octoffm("orders", "list", *names, "-o", "-").out) == [row]
    assert api.octoffm("orders", "list", *names).out.split() == ["reference", "delivery_address_city", "A-1", "Paris"]
    done = api.octoffm("orders", "list", "--columns", "refernce")
    assert (done.code, done.out) == (2, "")
    assert "no column 'refernce'; there are reference" in done.err


def test_the_former_name_of_an_option_is_accepted_and_told(api):
    done = api.octoffm("products", "references", "--limit", 1, "--json")
    assert len(done.rows) == 1
    assert "--limit is --max-items from now on" in done.err
    assert "--limit" not in api.octoffm("products", "list", "--help").out
    assert api.octoffm("products", "list", "--limit", "2/1").code == 2
    (api.folder / "p.csv").write_text("gtin,seller_product_reference\n")
    done = api.octoffm("products", "create", "p.csv", "--limit", "5/1")
    assert (done.code, "--limit is --rate from now on" in done.err) == (0, True)


ODD = OutboundShipment(
    outbound_shipment_id="000123",
    reference="=1+1 <&> \x1b[31m _x0041_",
    delivery_address=ShippedTo(postal_code="01000", first_name="  Zoë 😀\n"),
    created_at=datetime(2026, 11, 30, 12, 30, tzinfo=UTC),
)
ORDERS = kind_of(OutboundShipment, "order", "orders", ())


def test_a_workbook_keeps_text_as_text_and_times_as_times(tmp_path):
    fastexcel = pytest.importorskip("fastexcel")
    path = tmp_path / "o.xlsx"
    with open_rows(RowTarget(path), ORDERS, as_json=False) as write:
        write([ODD, ODD])
    frame = fastexcel.read_excel(path).load_sheet(0).to_polars()
    assert (frame.columns, frame.height) == ([*ORDERS.columns], 2)
    row = frame.row(0, named=True)
    assert (row["outbound_shipment_id"], row["delivery_address_postal_code"]) == ("000123", "01000")
    assert row["delivery_address_first_name"] == "  Zoë 😀\n"
    assert row["reference"] == "=1+1 <&> \x1b[31m _x0041_"
    assert row["created_at"] == datetime(2026, 11, 30, 12, 30)  # noqa: DTZ001  (a workbook knows no zones)
    assert row["updated_at"] is None


def test_a_workbook_is_not_cut_silently(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "MOST_ROWS", 2)
    with open_rows(RowTarget(tmp_path / "o.xlsx"), ORDERS, as_json=False) as write:
        write([ODD])
    with (
        pytest.raises(click.ClickException, match="has 2 rows at most"),
        open_rows(RowTarget(tmp_path / "o.xlsx"), ORDERS, as_json=False) as write,
    ):
        write([ODD, ODD])


def test_a_terminal_is_no_place_for_a_workbook(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    target = RowTarget(form="xlsx")
    with pytest.raises(click.ClickException, match="is a terminal"), open_rows(target, ORDERS, as_json=False):
        pass
