"""``octoffm … FILE``: real files, a real server; most in this process, those with signals in one of their own."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octoffm_async import FulfillmentClient, FulfillmentProduct
from octoffm_async.cli.app import run
from octoffm_async.cli.files.options import FileOptions
from octoffm_async.cli.rows import formats
from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.sandbox import Fault
from tests.unit.tabular.files import GOOD, ORDER_HEADER, OTHER, order_row

from ..conftest import COMMAND

CATALOGUE = Path(__file__).parents[4] / "examples" / "catalogue.csv"
MAPPED = ("--map", "gtin=ean", "--map", "title=name")
ORDERS = ("--set", "delivery_mode=TrackedHomeDelivery", "--set", "storage_country=FR")


@pytest.fixture
def octoffm(octoffm_sandbox, tmp_path, monkeypatch, capsys):
    """Runs the command in this process against a sandbox; its exit code, output and errors."""
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    for name, value in octoffm_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([*map(str, arguments), "--rate", "off"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def stocked(octoffm_sandbox):
    """A sandbox with three products that it has plenty of."""
    gtins = [f"{body}{gtin_check_digit(body)}" for body in ("200000000001", "200000000002", "200000000003")]
    products = [
        FulfillmentProduct(gtin=gtin, seller_product_reference=f"P-{number}", title="Thing")
        for number, gtin in enumerate(gtins)
    ]

    async def register() -> None:
        async with FulfillmentClient(octoffm_sandbox.config()) as client:
            await client.products.create(products)

    asyncio.run(register())
    octoffm_sandbox.add_stock(quantity=100_000)
    return octoffm_sandbox


def write_orders(count: int, path: str = "orders.csv") -> None:
    rows = [order_row(f"A-{number:05d}", f"P-{number % 3}") for number in range(count)]
    Path(path).write_text("\n".join([ORDER_HEADER, *rows, ""]))


def summary(output: str) -> dict[str, object]:
    return json.loads(output.splitlines()[-1])


def counts(output: str) -> dict[str, int]:
    return {name: count for name, count in summary(output)["counts"].items() if count}


def rejected(path: str, delimiter: str = ",") -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_the_help_of_orders_says_which_ones_octopia_ships_itself(capsys):
    assert run(["orders", "create", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "marketplace orders in supply mode Fulfillment: Octopia ships them itself" in said
    assert "must not be sent here. Sending one would ship it twice." in said


def test_a_dry_run_checks_all_shows_bodies_and_sends_nothing(octoffm, octoffm_sandbox, tmp_path):
    code, out, _ = octoffm("products", "create", CATALOGUE, *MAPPED, "--dry-run")
    assert code == 1
    assert "200 rows, 194 products in 2 calls would be sent, 6 are faulty (6 rows); nothing was sent" in out
    assert "line 59, column name (title) = '': is empty" in out
    assert '"gtin":"2000000079196"' in out
    assert not octoffm_sandbox.effects.products
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [("Cmd-1", "cmd-1"), ("007", "7"), ("A 1", "A1"), ("É-10", "E\u0301-10")])
def test_a_dry_run_tells_references_that_an_api_may_take_for_one(octoffm, first, second):
    Path("o.csv").write_text("\n".join([ORDER_HEADER, order_row(first), order_row("B-2"), order_row(second), ""]))
    code, out, _ = octoffm("orders", "create", "o.csv", *ORDERS, "--dry-run")
    assert code == 0
    assert f"o.csv, line 4: odd reference: {second!r}" in out
    assert f"differs from {first!r}, which came before" in out
    code, out, _ = octoffm("orders", "create", "o.csv", *ORDERS, "--dry-run", "--json", "--strict-references")
    assert (code, summary(out)["odd_references"]) == (1, 1)


def test_where_the_journal_is_lost_every_order_is_looked_up_first(octoffm, stocked):
    write_orders(4)
    octoffm("orders", "create", "orders.csv", *ORDERS)
    Path("orders.journal").unlink()
    write_orders(6)
    again = ("orders", "create", "orders.csv", *ORDERS, "--patience", "0.05", "--verify-first")
    code, out, err = octoffm(*again, "--json")
    assert (code, counts(out), err) == (0, {"created": 2, "already": 4}, "")
    assert set(stocked.effects.outbound.values()) == {1}
    Path("orders.journal").unlink()
    code, _, err = octoffm(*again)
    assert code == 0
    assert "within 0.1 s, the list of all orders is read once" in err
    assert set(stocked.effects.outbound.values()) == {1}


def test_a_dry_run_needs_no_credentials(octoffm, monkeypatch):
    monkeypatch.delenv("OCTOFFM_CLIENT_SECRET")
    code, out, _ = octoffm("products", "create", CATALOGUE, *MAPPED, "--dry-run", "--json")
    assert code == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["line"] for line in lines[:-2]] == [25, 59, 93, 120, 152, 179]
    assert (lines[-2]["event"], lines[-2]["encoding"]) == ("read_as", "UTF-8 (detected)")
    assert (lines[-1]["products"], lines[-1]["calls"], lines[-1]["faulty"]) == (194, 2, 6)
    assert lines[-1]["would_send"][0]["packaging"]["weight"] == 980


def test_every_row_of_a_catalogue_is_sent_or_rejected_and_a_second_time_nothing_is(octoffm, octoffm_sandbox, tmp_path):
    (tmp_path / "c.csv").write_bytes(CATALOGUE.read_bytes())
    code, out, err = octoffm("products", "create", "c.csv", *MAPPED, "--save-mapping", "m.toml")
    assert code == 1
    assert "194" in out
    assert "c.csv, line 120, column weight_g (packaging.weight_g) = '': is empty" in err
    assert octoffm_sandbox.effects.products.total() == 194
    assert [row["octoffm_line"] for row in rejected("c.rejects.csv")] == ["25", "59", "93", "120", "152", "179"]
    code, out, _ = octoffm("products", "create", "c.csv", "--mapping", "m.toml", "--json")
    assert (code, counts(out)) == (1, {"already": 194, "faulty": 6})
    assert octoffm_sandbox.effects.products.total() == 194


def test_rejects_that_were_mended_share_the_journal_and_finish_the_job(octoffm, octoffm_sandbox):
    Path("c.csv").write_text(f"gtin;title\n{GOOD};Pen\n{OTHER};{'x' * 133}\n")
    code, out, _ = octoffm("products", "create", "c.csv", "--json")
    assert (code, counts(out)) == (1, {"created": 1, "refused": 1})
    (row,) = rejected("c.rejects.csv", ";")
    assert "133 characters" in row["octoffm_reason"]
    text = Path("c.rejects.csv").read_text("utf-8-sig").replace("x" * 133 + "\n", "Cup\n")
    Path("c.rejects.csv").write_text(text.replace(";" + "x" * 133, ";Cup"), "utf-8-sig")
    code, out, _ = octoffm("products", "create", "c.rejects.csv", "--json")
    assert (code, counts(out), summary(out)["journal"]) == (0, {"created": 1}, "c.journal")
    assert octoffm_sandbox.effects.products.total() == 2


def test_orders_are_created_once_and_followed(octoffm, stocked):
    write_orders(20)
    code, out, err = octoffm("orders", "create", "orders.csv", *ORDERS, "--json")
    assert (code, err, counts(out)) == (0, "", {"created": 20})
    first = json.loads(out.splitlines()[0])
    assert (first["event"], first["outcome"]) == ("outcome", "created")
    assert first["id"]
    assert first["line"] == int(first["key"][2:]) + 2
    stocked.advance(100_000)
    code, out, _ = octoffm("orders", "create", "orders.csv", *ORDERS, "--json", "--follow", "shipped")
    assert (code, sum(counts(out).values())) == (0, 20)
    assert set(stocked.effects.outbound.values()) == {1}


def test_an_order_that_is_refused_later_is_rejected_with_its_rows(octoffm, octoffm_sandbox):
    Path("orders.csv").write_text("\n".join([ORDER_HEADER, order_row("A", "A-NONE"), order_row("A", "NO", 2), ""]))
    octoffm("orders", "create", "orders.csv", *ORDERS)
    octoffm_sandbox.advance(100_000)
    code, out, _ = octoffm("orders", "create", "orders.csv", *ORDERS, "--json", "--follow", "accepted")
    assert (code, counts(out)) == (1, {"refused": 1})
    assert [row["quantity"] for row in rejected("orders.rejects.csv")] == ["1", "2"]


def test_supply_orders_are_announced(octoffm, octoffm_sandbox):
    Path("s.csv").write_text("Ref;SKU;Qty;Date\nS-1;P-1;5;2026-12-01\nS-1;P-2;2,0;\nS-2;P-1;x;\n")
    names = {"reference": "Ref", "seller_product_reference": "SKU", "quantity": "Qty", "expected_delivery_date": "Date"}
    mapped = [part for field, column in names.items() for part in ("--map", f"{field}={column}")]
    code, _, err = octoffm("inbound", "create", "s.csv", *mapped, "--set", "storage_country=FR")
    assert (code, dict(octoffm_sandbox.effects.inbound)) == (1, {"S-1": 1})
    assert err.splitlines() == [
        "s.csv, line 4, column Qty (lines.quantity) = 'x': is not a whole number, such as 2",
        "octoffm: 1 rejected, with the reasons: correct them in s.rejects.csv and send that file with the same options",
    ]


def test_stocks_of_references_are_looked_up(octoffm, stocked):
    Path("w.csv").write_text("sku\nP-0\nP-2\n=NONE\n")
    mapped = ("--map", "seller_product_reference=sku")
    code, out, _ = octoffm("stocks", "lookup", "w.csv", *mapped, "-o", "s.csv", "--json")
    assert (code, counts(out)) == (1, {"found": 2, "missing": 1})
    rows = {row["seller_product_reference"]: row for row in rejected("s.csv")}
    assert {key: row["outcome"] for key, row in rows.items()} == {"P-0": "found", "P-2": "found", "'=NONE": "missing"}
    assert rows["P-2"]["available"] == "100000"
    code, _, _ = octoffm("stocks", "lookup", "w.csv", *mapped, "-o", "s.jsonl")
    lines = [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()]
    assert code == 1
    assert {line["seller_product_reference"]: line["line"] for line in lines} == {"P-0": 2, "P-2": 3, "=NONE": 4}


def test_stocks_that_were_looked_up_are_a_table_unless_a_file_is_named(octoffm, stocked, tmp_path):
    Path("w.csv").write_text("seller_product_reference\nA-NONE\nP-1\n")
    code, out, err = octoffm("stocks", "lookup", "w.csv")
    assert (code, err) == (1, "octoffm: 1 found, 1 missing\n")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:5] == ["reference", "outcome", "available", "allocated", "blocked"]
    assert sorted(row[:3] for row in rows[1:]) == [["A-NONE", "missing", "the"], ["P-1", "found", "100000"]]
    code, out, _ = octoffm("stocks", "lookup", "w.csv", "--json")
    outcomes = {line["seller_product_reference"]: line for line in map(json.loads, out.splitlines()[:-1])}
    assert outcomes["P-1"]["stock"]["quantities"]["available"] == 100_000
    assert (outcomes["A-NONE"]["outcome"], outcomes["A-NONE"]["line"]) == ("missing", 2)
    assert counts(out) == {"found": 1, "missing": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["w.csv"]


def test_an_order_file_without_a_product_is_one_mistake_and_not_one_a_row(octoffm, stocked):
    Path("o.csv").write_text(ORDER_HEADER.replace("seller_product_reference", "product") + "\n" + order_row("A") + "\n")
    code, out, err = octoffm("orders", "create", "o.csv", *ORDERS)
    assert (code, out) == (2, "")
    assert err.startswith("octoffm: no column is mapped to lines.seller_product_reference; o.csv has the columns ")
    assert "--map lines.seller_product_reference=COLUMN" in err


def test_stocks_that_were_looked_up_may_be_parquet(octoffm, stocked, tmp_path, monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setattr(formats, "PART", 2)
    Path("w.csv").write_text("seller_product_reference\nA-NONE\nP-1\nP-0\n")
    code, out, _ = octoffm("stocks", "lookup", "w.csv", "-o", "s.parquet", "--json")
    assert (code, counts(out)) == (1, {"found": 2, "missing": 1})
    frame = polars.read_parquet("s.parquet").sort("seller_product_reference")
    assert frame["outcome"].to_list() == ["missing", "found", "found"]
    assert frame["available"].to_list() == [None, 100_000, 100_000]
    assert frame["available"].dtype == polars.Int64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.parquet", "w.csv"]
    monkeypatch.setitem(sys.modules, "polars", None)
    code, _, err = octoffm("stocks", "lookup", "w.csv", "-o", "other.parquet")
    assert (code, "pip install 'octoffm-async[tabular]'" in err, Path("other.parquet").exists()) == (2, True, False)


def test_undecided_orders_are_code_3_and_decided_by_the_same_command(octoffm, stocked):
    write_orders(3)
    stocked.next_fault(Fault.RESET_AFTER, operation="outbound.create")
    code, out, _ = octoffm("orders", "create", "orders.csv", *ORDERS, "--json", "--patience", "0")
    assert sum(counts(out).values()) == 3
    assert code in {0, 3}
    code, out, _ = octoffm("orders", "create", "orders.csv", *ORDERS, "--json", "--patience", "0")
    assert code == 0
    assert dict(stocked.effects.outbound) == {f"A-{number:05d}": 1 for number in range(3)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.csv",), "cannot read none.csv"),
        ((CATALOGUE, "--map", "gtin=barcode"), "has no column barcode; there are ean, name"),
        ((CATALOGUE, "--map", "gtn=ean"), "no field gtn; there are gtin, "),
        ((CATALOGUE, *MAPPED, "--set", "is_traceable=maybe"), "is_traceable = 'maybe'"),
        ((CATALOGUE, *MAPPED, "--rejects", CATALOGUE), "--rejects would overwrite the input"),
        ((CATALOGUE, *MAPPED, "--report", "no/r.html"), "--report: there is no folder no"),
        ((CATALOGUE, *MAPPED, "--report", "x", "--rejects", "x"), "would overwrite the file of"),
        ((CATALOGUE, *MAPPED, "--report", "x", "--journal", "x"), "would overwrite the journal"),
        ((CATALOGUE, *MAPPED, "--rejects", "x-wal", "--journal", "x"), "would overwrite the journal"),
        ((CATALOGUE, *MAPPED, "--report", "x.lock", "--journal", "x"), "would overwrite the journal"),
        ((CATALOGUE, *MAPPED, "--rejects", "x.writer-7", "--journal", "x"), "would overwrite the journal"),
        ((CATALOGUE, *MAPPED, "--rejects", "m.toml", "--mapping", "m.toml"), "would overwrite the mapping"),
        ((CATALOGUE, *MAPPED, "--mapping", "none.toml"), "cannot read none.toml"),
    ],
)
def test_a_mistake_is_one_line_and_code_2_and_leaves_nothing(octoffm, tmp_path, arguments, message):
    code, out, err = octoffm("products", "create", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_secret_is_code_2_and_the_bars_are_gone(octoffm, monkeypatch):
    monkeypatch.setenv("OCTOFFM_CLIENT_SECRET", "wrong")
    write_orders(3)
    code, _, err = octoffm("orders", "create", "orders.csv", *ORDERS)
    assert code == 2
    assert err.splitlines()[0].startswith("octoffm: not finished; to resume, run the same command again: octoffm")
    assert not Path("orders.rejects.csv").exists()
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("file", "rejects", "journal"),
    [
        ("a/c.csv", "a/c.rejects.csv", "a/c.journal"),
        ("c.xlsx", "c.rejects.csv", "c.journal"),
        ("c.jsonl", "c.rejects.jsonl", "c.journal"),
        ("c.rejects.csv", "c.rejects-2.csv", "c.journal"),
        ("c.rejects-2.csv", "c.rejects-3.csv", "c.journal"),
    ],
)
def test_files_beside_the_input(file, rejects, journal):
    options = FileOptions(
        file=Path(file), mapping={}, constants={}, mapping_file=None, save_mapping=None, delimiter=None, encoding=None,
        env_file=None, seller=None, rate=None, concurrency=None, timeout=None, proxies=False, as_json=False,
    )  # fmt: skip
    assert (options.rejects_file, options.journal_address.file) == (Path(rejects), Path(journal))


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_a_terminal_sees_a_bar_with_rate_and_limit(stocked, tmp_path, monkeypatch):
    import pty

    monkeypatch.chdir(tmp_path)
    write_orders(150)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "orders", "create", "orders.csv", *ORDERS, "--rate", "100/1"]
    environment = {**os.environ, **stocked.environment(), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs, stdin=theirs
    ) as running:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # Linux tells the end so
            pass
        assert running.wait(20) == 0
    os.close(ours)
    text = shown.decode(errors="replace")
    assert re.search(r"\d+ done: \S*\d+ created", text), text[-2000:]
    assert "% of the limit" in text
    assert "/s" in text


COUNT = 400


class Running:
    """The command as a process of its own, against a sandbox with a limit."""

    def __init__(self, sandbox, folder: Path) -> None:
        self._environment = {**os.environ, **sandbox.environment()}
        self._folder = folder
        self._sandbox = sandbox

    def __call__(self, *signals: signal.Signals, patience: float = 0.3) -> tuple[int, str, str]:
        """Run it; after some orders were created, send signals. The exit code, output and errors."""
        before = self._sandbox.effects.outbound.total()
        limit = ("--rate", "300/1") if signals else ("--rate", "off")
        command = [*COMMAND, "orders", "create", "orders.csv", *ORDERS, "--json", "--patience", str(patience), *limit]
        with subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as running:  # fmt: skip
            if signals:
                until = time.monotonic() + 20
                while self._sandbox.effects.outbound.total() < before + 40 and time.monotonic() < until:
                    time.sleep(0.02)
            for number in signals:
                running.send_signal(number)
                time.sleep(0.01)
            out, err = running.communicate(timeout=40)
        return running.returncode, out, err


@pytest.fixture
def running(stocked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_orders(COUNT)
    return Running(stocked, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGINT, signal.SIGINT)], ids=["once", "twice"])
def test_ctrl_c_leaves_a_journal_and_the_same_command_goes_on(running, stocked, signals):
    code, out, err = running(*signals)
    assert code == 130
    assert "To resume:\n  octoffm orders create orders.csv" in err
    found = summary(out)
    assert found["interrupted"] is True
    created = stocked.effects.outbound.total()
    assert 40 <= created < COUNT
    code, out, err = running()
    assert (code, sum(counts(out).values())) == (0, COUNT)
    assert dict(stocked.effects.outbound) == {f"A-{number:05d}": 1 for number in range(COUNT)}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
def test_what_was_killed_goes_on_with_all_accounted_for(running, stocked):
    code, _, _ = running(signal.SIGKILL)
    assert code == -9
    assert 40 <= stocked.effects.outbound.total() < COUNT
    code, out, err = running()
    assert (code, sum(counts(out).values())) == (0, COUNT)
    assert "--json" not in err
    assert dict(stocked.effects.outbound) == {f"A-{number:05d}": 1 for number in range(COUNT)}


MEMORY = """
import resource, sys
from octoffm_async.tabular.item_reader import ItemReader
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.column_plan import plan_for
from octoffm_async.tabular.item_types import PRODUCTS
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def read(path):
    table = open_table(path)
    items = ItemReader(table, plan_for(table, PRODUCTS, {}, {}), keep=True)
    for item in items: items.release(item.seller_product_reference)
    return items.good
read(sys.argv[1])
before = peak()
print(read(sys.argv[2]), peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is counted in KiB there")
def test_a_long_file_is_never_held_as_a_whole(tmp_path):
    for name, count in (("short.csv", 5_000), ("long.csv", 50_000)):
        with (tmp_path / name).open("w") as file:
            file.write("gtin,seller_product_reference,title\n")
            file.writelines(
                f"{GOOD},REF-{number:09d},A title of some length for number {number} {'and so on ' * 6}end\n"
                for number in range(count)
            )
    command = [sys.executable, "-c", MEMORY, "short.csv", "long.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=55)
    rows, grown = map(int, done.stdout.split())
    assert rows == 50_000
    assert grown < 6  # MiB; the file has 7, and as Python objects some 50
