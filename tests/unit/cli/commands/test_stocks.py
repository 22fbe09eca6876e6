"""``octoffm stocks`` against a sandbox."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest

from octoffm_async.cli.commands.stocks import STOCKS, referenced
from octoffm_async.cli.files.lookup import STOCK_COLUMNS, row_of_all
from octoffm_async.cli.rows import formats
from octoffm_async.cli.rows.target import RowTarget, open_rows
from octoffm_async.contract.stocks import Localization, Quantities, Stock
from octoffm_async.sandbox import Fault, SandboxThread
from octoffm_async.tabular.flat_rows import flat_row

from ..conftest import COMMAND


def written(path, form, kind=STOCKS):
    return open_rows(RowTarget(path, form), kind, as_json=False)


def stock(number: int, **fields: object) -> Stock:
    return Stock(id=f"S-{number}", gtin="4006381333931", **fields)  # pyright: ignore[reportArgumentType]


def test_stocks_are_listed(api):
    api.sandbox.add_stock("SKU-000002", quantity=50, country="ES")
    done = api.octoffm("stocks", "list", "--sort", "available", "--order", "desc")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0][:4] == ["id", "gtin", "condition", "available"]
    assert [line[3] for line in lines[1:]] == ["150", "100", "100"]
    rows = api.octoffm("stocks", "list", "--country", "es", "--json").rows
    assert [row["quantities"]["available"] for row in rows] == [150]
    assert [part["storage_country"] for part in rows[0]["localizations"]] == ["FR", "ES"]
    assert len(api.octoffm("stocks", "list", "--max-items", 2, "--json").rows) == 2


def test_filters_that_exclude_each_other_are_taught(api):
    done = api.octoffm("stocks", "list", "--delivery-country", "fr", "--country", "FR")
    assert done.code == 2
    assert "the API accepts --delivery-country only without other filters" in done.err


def test_a_stock_is_shown_by_country(api):
    api.sandbox.add_stock("SKU-000001", quantity=50, country="ES")
    stock_id = api.octoffm("products", "references", "--max-items", 1, "--json").rows[0]["stock_id"]
    done = api.octoffm("stocks", "show", stock_id)
    assert "available            150" in done.out.splitlines()
    table = done.out.split("\n\n")[1].splitlines()
    assert [line.split()[:2] for line in table[1:]] == [["FR", "100"], ["ES", "50"]]
    (row,) = api.octoffm("stocks", "show", stock_id, "--json").rows
    assert (row["id"], row["quantities"]["available"], row["quantities"]["return"]) == (stock_id, 150, 0)


def test_stocks_are_exported_as_csv_and_json_lines(api):
    api.sandbox.add_stock("SKU-000002", quantity=50, country="ES")
    done = api.octoffm("stocks", "export", "-o", "stocks.csv")
    assert (done.code, done.out) == (0, "stocks.csv: 3 stocks\n")
    content = (api.folder / "stocks.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfid,")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert tuple(rows[0]) == tuple(STOCK_COLUMNS)
    assert sorted(row["available_by_country"] for row in rows) == ["FR=100", "FR=100", "FR=100 ES=50"]
    done = api.octoffm("stocks", "export", "-o", "stocks.jsonl", "--country", "ES", "--json")
    assert done.rows == [{"file": "stocks.jsonl", "stocks": 1}]
    (row,) = [json.loads(line) for line in (api.folder / "stocks.jsonl").read_text().splitlines()]
    assert row["quantities"]["available"] == 150
    assert sorted(path.name for path in api.folder.iterdir()) == ["stocks.csv", "stocks.jsonl"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_may_name_the_sellers_references(api, ending):
    path = api.folder / f"stocks.{ending}"
    if ending == "parquet":
        polars = pytest.importorskip("polars")
    done = api.octoffm("stocks", "export", "--references", "-o", path)
    assert done.code == 0
    if ending == "csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    elif ending == "jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        rows = polars.read_parquet(path).to_dicts()
    known = api.octoffm("products", "references", "--json").rows
    assert {row["seller_product_reference"]: row["id"] for row in rows} == {
        row["seller_product_reference"]: row["stock_id"] for row in known
    }
    assert next(iter(rows[0])) == "seller_product_reference"


def test_a_stock_without_a_reference_is_exported_all_the_same(tmp_path):
    with written(tmp_path / "out", "csv", referenced(lambda one: {"S-1": "=MINE"}.get(one.id))) as write:
        write([stock(1), stock(2)])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out").read_text(encoding="utf-8-sig"))))
    assert [row["seller_product_reference"] for row in rows] == ["'=MINE", ""]


def test_an_export_that_fails_leaves_the_older_file(api):
    (api.folder / "stocks.csv").write_text("older")
    api.sandbox.next_fault(Fault.HTML_200, operation="stocks.list")
    done = api.octoffm("stocks", "export", "-o", "stocks.csv")
    assert done.code == 1
    assert [path.name for path in api.folder.iterdir()] == ["stocks.csv"]
    assert (api.folder / "stocks.csv").read_text() == "older"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("stocks.xls", "stocks.xls ends in none of .csv, .jsonl, .parquet, .xlsx: say --format"),
        ("no/where.csv", "there is no folder no"),
    ],
)
def test_a_file_that_cannot_be_is_reported_before_anything_is_read(api, output, message):
    done = api.octoffm("stocks", "export", "-o", output)
    assert done.code == 2
    assert message in done.err
    assert api.sandbox.stats()["tokens_issued"] == 0


def test_exported_text_is_no_formula_and_numbers_stay_numbers(tmp_path):
    path = tmp_path / "stocks.csv"
    evil = Stock(id="=1+1", product_id="@SUM(A1)", gtin="+33", quantities=Quantities(available=-5))
    with written(path, "csv") as write:
        write([evil])
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    assert (row["id"], row["product_id"], row["gtin"]) == ("'=1+1", "'@SUM(A1)", "'+33")
    assert row["available"] == "-5"


def place(country: str | None, available: int | None) -> Localization:
    return Localization(storage_country=country, quantities=Quantities(available=available))


def test_a_quantity_that_was_not_given_is_no_zero_in_a_row():
    places = [place("FR", 7), place("ES", None), place(None, 0)]
    row = flat_row(stock(1, quantities=Quantities(blocked=2, return_=0), localizations=places))
    assert (row["return"], row["blocked"], row["available"]) == (0, 2, None)
    assert row["available_by_country"] == "FR=7 ES=? ?=0"
    assert tuple(row) == tuple(STOCK_COLUMNS)


def test_all_stocks_of_a_reference_are_one_row():
    first = stock(1, quantities=Quantities(available=30, blocked=1), localizations=[place("FR", 30), place("ES", 0)])
    second = stock(
        2, product_id="P", quantities=Quantities(available=7), localizations=[place("FR", 7), place("IT", 1)]
    )
    row = row_of_all([first, second])
    assert tuple(row) == ("stocks", *STOCK_COLUMNS)
    assert (row["stocks"], row["id"], row["product_id"], row["gtin"]) == (2, "S-1 S-2", "P", "4006381333931")
    assert (row["available"], row["blocked"], row["allocated"]) == (37, None, None)
    assert row["available_by_country"] == "FR=37 ES=0 IT=1"
    untold = stock(3, localizations=[place("FR", None)])
    assert row_of_all([first, untold])["available_by_country"] == "FR=? ES=0"
    assert row_of_all([first]) == {"stocks": 1, **flat_row(first)}


def test_a_file_holds_no_zero_that_was_not_given(tmp_path):
    untold = stock(1, quantities=Quantities(blocked=0), localizations=[place("FR", None)])
    with written(tmp_path / "out.csv", "csv") as write:
        write([untold])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8-sig")))
    assert (row["available"], row["blocked"], row["available_by_country"]) == ("", "0", "FR=?")
    with written(tmp_path / "out.jsonl", "jsonl") as write:
        write([untold])
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    fields = json.loads(line)
    assert (fields["quantities"]["available"], fields["quantities"]["blocked"]) == (None, 0)
    assert fields["localizations"][0]["quantities"]["available"] is None
    polars = pytest.importorskip("polars")
    with written(tmp_path / "out.parquet", "parquet") as write:
        write([untold])
    frame = polars.read_parquet(tmp_path / "out.parquet")
    assert (frame["available"].to_list(), frame["blocked"].to_list()) == ([None], [0])


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_memory_does_not_grow_with_the_export(tmp_path, form):
    some = [stock(number) for number in range(500)]

    def peak(times: int) -> int:
        tracemalloc.start()
        with written(tmp_path / "out", form) as write:
            for _ in range(times):
                write(some)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    def least(times: int) -> int:
        return min(peak(times) for _ in range(3))  # other threads of the process allocate too, now and then

    peak(12)  # what the interpreter and caches take once
    assert least(12) < least(2) * 1.5


def test_parquet_has_types_and_is_written_in_parts(api, monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setattr(formats, "PART", 2)
    path = api.folder / "[odd] *.parquet"
    with written(path, "parquet") as write:
        for number in range(5):
            write([stock(number, quantities=Quantities(available=number))])
    frame = polars.read_parquet(path, glob=False)
    assert tuple(frame.columns) == tuple(STOCK_COLUMNS)
    assert frame["available"].to_list() == [0, 1, 2, 3, 4]
    assert str(frame.schema["updated_at"]) == "Datetime(time_unit='us', time_zone='UTC')"
    assert [one.name for one in api.folder.iterdir()] == [path.name]
    done = api.octoffm("stocks", "export", "-o", "stocks.parquet")
    assert done.code == 0
    assert polars.read_parquet(api.folder / "stocks.parquet")["gtin"].n_unique() == 3


def test_parquet_without_a_stock_is_an_empty_frame(tmp_path):
    polars = pytest.importorskip("polars")
    with written(tmp_path / "none.parquet", "parquet"):
        pass
    assert polars.read_parquet(tmp_path / "none.parquet").shape == (0, len(STOCK_COLUMNS))


def test_parquet_without_polars_names_the_extra(api, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    done = api.octoffm("stocks", "export", "-o", "stocks.parquet")
    assert done.code == 2
    assert done.err == ("octoffm: Parquet needs polars, which is not installed: pip install 'octoffm-async[tabular]'\n")
    assert list(api.folder.iterdir()) == []


def test_changes_are_watched_for_some_time(api):
    done = api.octoffm("stocks", "watch", "--since", "1h", "--every", 0.05, "--for", 0.3)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:4] == ["changed", "(UTC)", "id", "gtin"]
    assert [line.split()[-2:] for line in lines[1:]] == [["FR", "Inbound"]] * 3
    assert done.err.startswith("octoffm: to continue from here: octoffm stocks watch --since 20")


def test_a_watch_outlives_an_outage(api):
    api.sandbox.set_fault_rates({Fault.ERROR_500: 1.0}, operations=["stocks.list"])
    done = api.octoffm("stocks", "watch", "--since", "1h", "--every", 0.05, "--for", 1, "--timeout", 0.2)
    assert done.code == 0
    assert "trying again in 0.05 s" in done.err
    api.sandbox.clear_faults()


def test_ctrl_c_ends_a_watch_and_says_how_to_go_on():
    with SandboxThread(seed=7, catalogue=1, speed=0) as sandbox:
        environment = os.environ | sandbox.environment()
        command = [*COMMAND, "stocks", "watch", "--since", "1h", "--every", "30", "--json"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watch:
            assert watch.stdout is not None
            first = json.loads(watch.stdout.readline())
            time.sleep(0.1)
            watch.send_signal(signal.SIGINT)
            rest, err = watch.communicate(timeout=20)
    assert (first["kind"], first["item"]["quantities"]["available"]) == ("stocks", 100)
    assert (watch.returncode, rest) == (130, "")
    first_line, *others = filter(None, err.splitlines())
    assert first_line.startswith("octoffm: to continue from here: octoffm stocks watch --since ")
    assert [json.loads(line)["exit_code"] for line in others] == [130]


def test_a_reader_that_leaves_is_no_error():
    with SandboxThread(seed=7, catalogue=2000, speed=0) as sandbox:
        environment = os.environ | sandbox.environment()
        command = [*COMMAND, "stocks", "list", "--json"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as listing:
            assert listing.stdout is not None
            assert listing.stderr is not None
            json.loads(listing.stdout.readline())
            listing.stdout.close()
            said = listing.stderr.read()
            code = listing.wait(timeout=20)
    assert (code, said) == (141, "")
