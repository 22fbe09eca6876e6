"""Commands against an API that differs from the contract: one line in the end, and what ``contract drift`` shows."""

from __future__ import annotations

import json
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

from octoffm_async.cli.contract.drift_file import read_drift
from octoffm_async.sandbox import Fault
from tests.unit.tabular.files import ORDER_HEADER, order_row

from ..front import Front, with_field

ORDERS = ("--set", "delivery_mode=TrackedHomeDelivery", "--set", "storage_country=FR")


@contextmanager
def fronted(api, monkeypatch):
    with Front(api.sandbox) as front:
        for name, value in front.environment().items():
            monkeypatch.setenv(name, value)
        yield front


@pytest.fixture
def front(api, monkeypatch):
    """A server before the sandbox; the environment leads there."""
    with fronted(api, monkeypatch) as front:
        yield front


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_without_a_difference_nothing_is_said_and_nothing_kept(api):
    done = api.octoffm("stocks", "list")
    assert (done.code, done.err) == (0, "")
    assert list(api.folder.iterdir()) == []


def test_differences_are_reported_in_one_line_whatever_their_number(api, front):
    def change(answer):
        return with_field("giftWrap", True)(with_field("palletId", "customer's own")(answer))

    front.answers = change
    done = api.octoffm("stocks", "list", "--json")
    assert done.code == 0
    assert len(done.rows) == 3
    (line,) = lines(done.err)
    assert line.startswith("octoffm: the API's answers differed from the contract in 2 ways; ")
    assert "octoffm contract drift FILE" in line
    assert {row["extra"]["palletId"] for row in done.rows} == {"customer's own"}
    assert "customer" not in done.err
    assert list(api.folder.iterdir()) == []


def test_differences_are_kept_where_it_is_said_and_shown(api, front, monkeypatch):
    front.answers = with_field("giftWrap", True)
    done = api.octoffm("stocks", "list", "--drift", "d.json")
    assert lines(done.err)[-1].endswith("in 1 way; to see them and what to do: octoffm contract drift d.json")
    assert stat.S_IMODE(Path("d.json").stat().st_mode) == 0o600
    monkeypatch.setenv("OCTOFFM_DRIFT", "d.json")
    front.answers = with_field("palletId", 7)
    assert api.octoffm("products", "references").code == 0
    done = api.octoffm("contract", "drift")
    assert done.code == 1
    head, first, second, *_ = lines(done.out)
    assert head.split("  ")[0] == "operation"
    assert first.split()[:4] == ["products.references", "palletId", "unknown", "integer"]
    assert second.split()[:4] == ["stocks.list", "giftWrap", "unknown", "boolean"]
    assert "octoffm contract adopt OPENAPI" in done.out
    shown = api.octoffm("contract", "drift", "d.json", "--json")
    assert [(row["operation"], row["path"], row["kind"], row["found"]) for row in shown.rows] == [
        ("products.references", "palletId", "unknown", "integer"),
        ("stocks.list", "giftWrap", "unknown", "boolean"),
    ]
    assert all(row["first_seen"] <= row["last_seen"] for row in shown.rows)


def test_a_file_that_was_named_shows_a_run_without_differences_too(api):
    assert api.octoffm("stocks", "list", "--drift", "d.json").err == ""
    done = api.octoffm("contract", "drift", "d.json")
    assert (done.code, done.out) == (0, "")
    assert "no difference" in done.err


def test_another_file_is_never_overwritten(api, front):
    front.answers = with_field("giftWrap", True)
    Path("d.json").write_text("mine")
    done = api.octoffm("stocks", "list", "--drift", "d.json")
    assert done.code == 0
    (line,) = lines(done.err)
    assert "could not be kept: d.json is damaged, or holds something other" in line
    assert Path("d.json").read_text() == "mine"
    done = api.octoffm("contract", "drift", "d.json")
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name FILE or --journal PATH, or set OCTOFFM_DRIFT"),
        (["gone.json"], "there is no file gone.json"),
        (["--journal", "gone.journal"], "there is no journal gone.journal"),
    ],
)
def test_what_was_kept_nowhere_is_no_proof_of_anything(api, arguments, message):
    done = api.octoffm("contract", "drift", *arguments)
    assert done.code == 2
    assert message in done.err


def test_a_drift_file_in_no_folder_is_reported_before_anything_is_called(api):
    done = api.octoffm("stocks", "list", "--drift", "no/d.json")
    assert done.code == 2
    assert "there is no folder no" in done.err
    assert api.sandbox.stats()["tokens_issued"] == 0


def test_runs_with_a_journal_keep_their_differences_beside_it(moving, monkeypatch):
    api = moving
    with fronted(api, monkeypatch) as front:
        _a_run_with_a_journal(api, front)


def _a_run_with_a_journal(api, front):
    front.answers = with_field("giftWrap", True)
    Path("orders.csv").write_text("\n".join([ORDER_HEADER, order_row("A-1", "SKU-000001"), ""]))
    done = api.octoffm("orders", "create", "orders.csv", *ORDERS, "--follow", "accepted", "--json", "--rate", "off")
    assert done.code == 0
    assert done.rows[-1]["drift"] == len(read_drift(Path("orders.journal.drift.json"))) > 0
    assert lines(done.err)[-1].endswith("octoffm contract drift orders.journal.drift.json")
    shown = api.octoffm("contract", "drift", "--journal", "orders.journal", "--json")
    assert shown.code == 1
    assert {row["path"] for row in shown.rows} == {"giftWrap"}


def test_runs_without_a_difference_leave_nothing_beside_the_journal(api):
    Path("orders.csv").write_text("\n".join([ORDER_HEADER, order_row("A-1", "SKU-000001"), ""]))
    done = api.octoffm("orders", "create", "orders.csv", *ORDERS, "--json", "--rate", "off", "--report", "r.html")
    assert (done.code, done.rows[-1]["drift"], done.err) == (0, 0, "")
    assert "drift" in Path("r.html").read_text()
    assert not [path for path in api.folder.iterdir() if "drift" in path.name]
    shown = api.octoffm("contract", "drift", "--journal", "orders.journal")
    assert (shown.code, shown.out) == (0, "")


def test_a_resumed_run_reports_its_differences(api, front):
    Path("orders.csv").write_text("\n".join([ORDER_HEADER, order_row("A-1", "SKU-000001"), ""]))
    api.sandbox.set_fault_rates({Fault.ERROR_500: 1.0}, operations=["outbound.create", "outbound.list"])
    done = api.octoffm("orders", "create", "orders.csv", *ORDERS, "--rate", "off", "--timeout", "0.5")
    assert (done.code, "differed" in done.err) == (3, False)
    api.sandbox.clear_faults()
    api.ordered("B-1")
    front.answers = with_field("giftWrap", True)
    (run,) = [row["run"] for row in api.octoffm("jobs", "list", "--journal", "orders.journal", "--json").rows]
    done = api.octoffm("jobs", "resume", run, "--journal", "orders.journal", "--json", "--patience", "0")
    assert done.code == 0
    assert done.rows[-1]["drift"] == len(read_drift(Path("orders.journal.drift.json"))) > 0
    assert lines(done.err)[-1].endswith("octoffm contract drift orders.journal.drift.json")


def test_a_look_up_reports_its_differences(api, front):
    front.answers = with_field("giftWrap", True)
    Path("r.csv").write_text("seller_product_reference\nSKU-000001\n")
    done = api.octoffm("stocks", "lookup", "r.csv", "--json")
    assert done.code == 0
    assert done.rows[-1]["drift"] >= 1
    (line,) = lines(done.err)
    assert "differed from the contract" in line


def test_a_command_that_fails_reports_what_differed_all_the_same(api, front):
    front.answers = with_field("giftWrap", True)
    api.ordered("A-1")
    done = api.octoffm("orders", "show", "--reference", "NEVER", "--drift", "d.json")
    assert done.code != 0
    assert lines(done.err)[0].endswith("octoffm contract drift d.json")
    assert [one.path for one in read_drift(Path("d.json"))] == ["giftWrap"]


def test_a_verbose_command_shows_each_difference(octoffm, api, front):
    front.answers = with_field("giftWrap", True)
    done = octoffm("-v", "stocks", "list")
    assert done.returncode == 0
    assert "giftWrap" in done.stderr
    quiet = octoffm("stocks", "list")
    assert "giftWrap" not in quiet.stderr
    assert len(lines(quiet.stderr)) == 1


def test_a_row_without_identity_is_reported_in_one_line_with_what_helps(api, front):
    def nameless(answer):
        if isinstance(answer, dict) and isinstance(answer.get("items"), list):
            answer["items"][1].pop("id")
        return answer

    front.answers = nameless
    done = api.octoffm("stocks", "list", "--json")
    assert done.code == 1
    (row,) = [line for line in lines(done.err) if "row 1" in line]
    assert "1 of 3 rows" in row
    assert "a contract file (--contract)" in done.err
    assert "Traceback" not in done.err


def test_differences_are_stripped_of_what_drives_a_terminal(api):
    entry = {"operation": "x\x1b[31m", "path": "a\nb", "kind": "type", "found": "string"}
    times = {"first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z"}
    Path("d.json").write_text(json.dumps({"format": "octoffm-drift", "version": 1, "drift": [entry | times]}))
    done = api.octoffm("contract", "drift", "d.json")
    assert "\x1b" not in done.out
    assert lines(done.out)[1].startswith("x\N{REPLACEMENT CHARACTER}[31m ")
    assert " a b " in lines(done.out)[1]
