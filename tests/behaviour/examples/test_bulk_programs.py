"""The examples that register, ship, mirror and export, as processes: to their end, and killed on the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from octoffm_async.sandbox import Fault, SandboxThread
from tests.support.inside import gtin_check_digit

from .programs import EXAMPLES, command, environment, run


def until(condition, seconds=20.0):
    """Wait for something that another process does."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.01)


def test_the_night_registers_what_is_right_and_rejects_the_rest(tmp_path):
    done = run("nightly_catalogue_sync.py", folder=tmp_path)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first.startswith("catalogue.csv: 194 products registered in ")
    assert second == "6 rows need a look: catalogue.rejects.csv"
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.rejects.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_night_that_is_killed_goes_on_and_registers_each_product_once(tmp_path, octoffm_sandbox):
    bodies = [f"2{number:011d}" for number in range(600)]
    rows = [f"{body}{gtin_check_digit(body)},Thing {body},1,2,3,4" for body in bodies]
    header = "ean,name,length_cm,width_cm,height_cm,weight_g"
    (tmp_path / "all.csv").write_text("\n".join([header, *rows[:400], ""]))
    octoffm_sandbox.next_fault(Fault.STALL_AFTER, operation="products.create", times=99)
    variables = octoffm_sandbox.environment()
    night = command("nightly_catalogue_sync.py", "all.csv")
    with subprocess.Popen(night, cwd=tmp_path, env=environment(**variables)) as killed:
        until(lambda: octoffm_sandbox.effects.products.total() == 400)
        killed.kill()
    octoffm_sandbox.clear_faults()
    (tmp_path / "all.csv").write_text("\n".join([header, *rows, ""]))
    for expected in (": 600 products registered in ", ", 600 were before\n"):
        done = run("nightly_catalogue_sync.py", "all.csv", folder=tmp_path, **variables)
        assert (done.stderr, done.returncode) == ("", 0)
        assert expected in done.stdout
        assert set(octoffm_sandbox.effects.products.values()) == {1}
        assert octoffm_sandbox.effects.products.total() == 600


def test_orders_are_shipped_and_one_is_reported_as_refused(tmp_path):
    done = run("ship_orders.py", folder=tmp_path)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].endswith("/seller/v2, seller 12345")
    assert "not shipped: Refused(key='EXAMPLE-0013', code='UnknownProduct'" in lines[1]
    assert [line.split(":")[0] for line in lines[2:5]] == ["EXAMPLE-0001", "EXAMPLE-0002", "EXAMPLE-0003"]
    assert lines[5] == "19 orders shipped in 19 parcels"
    assert done.returncode == 1


def test_the_mirror_follows_what_changes(tmp_path):
    done = run("stock_mirror.py", folder=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [
        "50 stocks changed",
        "SKU-000001: 100 available",
        "1 stocks changed",
        "SKU-000001: 125 available",
    ]


def test_a_mirror_that_is_killed_goes_on_with_its_watermark(tmp_path):
    def rows():
        with closing(sqlite3.connect(f"file:{tmp_path}/stocks.sqlite?mode=ro", uri=True)) as mirror:
            query = "SELECT reference, available FROM product JOIN stock USING (stock_id)"
            return dict(mirror.execute(query))

    def shows(expected):
        try:
            return rows() == expected
        except sqlite3.OperationalError:  # it is not there yet
            return False

    with SandboxThread(seed=7, catalogue=3, stock=10) as sandbox:
        expected = {f"SKU-{number:06d}": 10 for number in (1, 2, 3)}
        for turn in range(2):
            sandbox.add_stock("SKU-000002", quantity=5)
            expected["SKU-000002"] += 5
            follow = command("stock_mirror.py", "0.05")
            with subprocess.Popen(
                follow, cwd=tmp_path, env=environment(**sandbox.environment()), stdout=subprocess.PIPE
            ) as mirroring:
                try:
                    until(lambda: shows(expected))
                    sandbox.next_fault(Fault.ERROR_500, operation="stocks.list", times=2)
                    sandbox.add_stock("SKU-000003", quantity=turn + 1)
                    expected["SKU-000003"] += turn + 1
                    until(lambda: shows(expected))
                finally:
                    mirroring.kill()
                    mirroring.communicate(timeout=20)


def test_stocks_become_parquet_with_a_row_for_each_country(tmp_path):
    polars = pytest.importorskip("polars")
    done = run("stocks_to_parquet.py", "out.parquet", folder=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines()[:2] == [
        "ES: 2000 stocks, 10000 items available",
        "FR: 2000 stocks, 200000 items available",
    ]
    frame = polars.read_parquet(tmp_path / "out.parquet")
    assert frame.height == 4000
    assert frame.select("stock_id", "country").is_unique().all()
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_suite_of_ones_own_passes_with_a_configuration_of_its_own(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    for name in ("shop.py", "test_shop.py"):
        (tmp_path / name).write_bytes((EXAMPLES / "own_tests" / name).read_bytes())
    without = (f"-pno:{plugin}" for plugin in ("cacheprovider", "hypothesispytest", "schemathesis"))  # slow to import
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *without, str(tmp_path)],
        env=environment(PYTHONPATH=str(EXAMPLES.parent)),
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 passed in ")
