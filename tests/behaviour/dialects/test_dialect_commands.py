"""All of a seller's business by the command: the same with an API that says it in other words, and a contract file."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import OutboundShipmentRequest, Packaging
from tests.support.dialects import B, C, openapi
from tests.support.forks import OCTOFFM, Fork, Forks
from tests.support.inside import modelled_fields
from tests.support.items import order

from .contracts import decided
from .scenario import catalogue, without_chance
from .server import Speaking, speaking
from .shipping import BAD_ORDER, ORDERS, PATIENCE, PRODUCTS, UNKNOWN, killed_and_finished, orders
from .speech import PascalText, Speech, Tabled

DIALECTS = {"B": B, "C": C}
SPEECHES: dict[str, Speech] = {"A": PascalText(), "B": Tabled(B), "C": Tabled(C)}
_RUN = "octoffm_async.cli.app:run"
_ANY = (
    "drift",
    "seconds",
    "calls",
    "items_per_second",
    "followed_until",
    "retries",
    "run",
    "journal",
    "throttled",
    "file",
)
"""Members of a summary that differ from run to run."""

pytestmark = [pytest.mark.one_loop, pytest.mark.timeout(240)]  # two ways through forty commands, on a busy machine


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks(*OCTOFFM) as forks:
        yield forks


class Desk:
    """A folder in which the command is run against a server."""

    def __init__(self, api: Speaking, forks: Forks, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")}
        self.env |= api.environment()
        self.results: dict[str, Any] = {}
        self.drift = set[str]()
        self._forks = forks

    def start(self, *arguments: object) -> Fork:
        return self._forks.start(_RUN, ["octoffm", *map(str, arguments)], cwd=self.folder, env=self.env)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        fork = self.start(*arguments)
        results, errors = fork.stdout.read().decode(), fork.stderr.read().decode()
        return subprocess.CompletedProcess(arguments, fork.wait(), results, errors)

    def rows(self, *arguments: object, code: int = 0) -> list[dict[str, Any]]:
        """What a command says as JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def keep(self, name: str, *arguments: object, code: int = 0) -> None:
        """Keep what it says for the comparison, without ids and times."""
        rows = self.rows(*arguments, code=code)
        if any(row.get("drift") for row in rows):
            self.drift.add(name)
        self.results[name] = comparable(rows)

    def write(self, file: str, rows: list[dict[str, Any]]) -> None:
        with (self.folder / file).open("w", encoding="utf-8", newline="") as opened:
            writer = csv.DictWriter(opened, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)


def comparable(rows: list[dict[str, Any]]) -> list[str]:
    results = (without_chance("", {name: part for name, part in row.items() if name not in _ANY}) for row in rows)
    return sorted(json.dumps(row, sort_keys=True) for row in results)


def files(desk: Desk) -> None:
    """The same goods and orders as by the library."""
    products = [
        {name: getattr(one, name) for name in modelled_fields(one) if name != "packaging"}
        | {f"packaging.{name}": getattr(one.packaging, name) for name in modelled_fields(Packaging)}
        for one in catalogue()[:-1]  # a file has each reference once
    ]
    desk.write("catalogue.csv", products)
    lines = [
        {"reference": "S-FR", "storage_country": "FR", "seller_product_reference": f"P-{number}", "quantity": 100}
        for number in range(PRODUCTS)
    ]
    desk.write("supplies.csv", [*lines, lines[0] | {"reference": "S-BAD", "seller_product_reference": UNKNOWN}])
    desk.write("orders.csv", [order_row(one) for one in orders()])
    desk.write("late.csv", [order_row(order("CANCELLED", product="P-1"))])
    desk.write("wanted.csv", [{"seller_product_reference": wanted} for wanted in ("P-0", "P-39", UNKNOWN)])


def order_row(one: OutboundShipmentRequest) -> dict[str, Any]:
    to, (line,) = one.delivery_address, one.lines
    address = {name: part for name in modelled_fields(to) if (part := getattr(to, name)) is not None}
    product = {"seller_product_reference": line.seller_product_reference, "quantity": line.quantity}
    return {"reference": one.reference, **product, **address}


FILE_OPTIONS = (
    "--set",
    "delivery_mode=TrackedHomeDelivery",
    "--set",
    "storage_country=FR",
    "--patience",
    PATIENCE,
    "--rate",
    "off",
)


def business(desk: Desk) -> dict[str, Any]:
    """The whole way, command by command."""
    api = desk.api
    files(desk)
    desk.keep("registered", "products", "create", "catalogue.csv", code=1)
    desk.keep("references", "products", "references")
    desk.keep("supplied", "inbound", "create", "supplies.csv", "--concurrency", 1)
    api.thread.advance(60)
    desk.keep("supplies", "inbound", "list")
    supply = desk.rows("inbound", "list", "--status", "received")[0]["inbound_shipment_id"]
    note = desk.rows("inbound", "delivery-note", supply, "-o", "note.pdf")
    desk.results["note"] = [note[0]["media_type"], (desk.folder / "note.pdf").read_bytes()[:5].decode()]
    desk.keep("stocks", "stocks", "list", "--sort", "available", "--order", "desc", "--country", "FR")
    desk.keep("looked up", "stocks", "lookup", "wanted.csv", code=1)
    shipping = (
        "orders",
        "create",
        "orders.csv",
        *FILE_OPTIONS,
        "--follow",
        "shipped",
        "--journal",
        "o.journal",
        "--json",
    )
    code, said = killed_and_finished(api, lambda: desk.start(*shipping))
    rows = [json.loads(line) for line in said.splitlines()]
    desk.results["shipped"] = [code, summary(rows), bad(rows)]
    desk.keep("followed", "orders", "follow", "--reference", "O-003")
    desk.keep("orders", "orders", "list")
    api.made = lambda operation: operation.endswith("cancellation") and api.sandbox.clock.advance(6)
    desk.keep("ordered", "orders", "create", "late.csv", *FILE_OPTIONS)
    desk.keep("cancelled", "orders", "cancel", "--reference", "CANCELLED", "--reason", "changed their mind")
    api.made = None
    desk.keep("shown", "orders", "show", "--reference", "CANCELLED")
    returning = ("returns", "create", "--reference", "O-004", "--reason", "retraction", "--line", "P-4")
    key = desk.rows(*returning)[0]["return_id"]
    api.thread.advance(60)
    desk.keep("returns", "returns", "list", "--status", "completed", "--type", "customer")
    desk.keep("return", "returns", "show", key)
    label = desk.rows("returns", "label", key, "-o", "label.pdf")
    desk.results["label"] = [label[0]["media_type"], (desk.folder / "label.pdf").read_bytes()[:5].decode()]
    runs = desk.rows("jobs", "list", "--journal", "o.journal")
    desk.results["runs"] = [(run["state"], run["undecided"], run["counts"]["refused"]) for run in runs]
    desk.results["effects"] = api.thread.run(lambda sandbox: sandbox.effects.as_dict()["outbound"])
    return desk.results


def summary(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many exist now and how many do not, whichever of the two processes sent them."""
    counts = next(row["counts"] for row in rows if row.get("event") == "summary")
    return {name: count for name, count in counts.items() if count and name in {"refused", "failed", "unknown"}}


def bad(rows: list[dict[str, Any]]) -> list[str]:
    return comparable([row for row in rows if row.get("outcome") == "refused"])


def travelled(speech: Speech, forks: Forks, folder: Path) -> tuple[Desk, Speaking]:
    with speaking(speech) as api:
        desk = Desk(api, forks, folder)
        if speech.name in DIALECTS:
            adopt(desk, speech.name)
        business(desk)
    return desk, api


def adopt(desk: Desk, name: str) -> None:
    """Make the contract file by the command, and decide what it asks for."""
    dialect = DIALECTS[name]
    (desk.folder / "theirs.json").write_text(json.dumps(openapi(dialect)), encoding="utf-8")
    file = desk.folder / "contract.toml"
    done = desk.run("contract", "adopt", "theirs.json", "-o", file)
    assert done.returncode == (0 if name == "B" else 1), done.stderr
    file.write_text(decided(file.read_text(encoding="utf-8"), dialect), encoding="utf-8")
    desk.env["OCTOFFM_CONTRACT"] = str(file)


@pytest.fixture(scope="module")
def expected(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the commands say with the plain sandbox."""
    desk, api = travelled(Speech(), forks, tmp_path_factory.mktemp("plain"))
    assert api.refused == []
    assert_is_all_there(desk.results)
    return desk.results


def assert_is_all_there(expected: dict[str, Any]) -> None:
    """What the dialects are compared with is not empty."""
    code, counts, refused = expected["shipped"]
    assert (code, counts) == (1, {"refused": 1})
    assert f"O-{BAD_ORDER:03}" in refused[0]
    assert expected["effects"].keys() == {f"O-{number:03}" for number in range(ORDERS)} | {"CANCELLED"}
    assert set(expected["effects"].values()) == {1}
    assert expected["runs"][0][:2] == ("interrupted", 0)
    assert expected["runs"][1][:2] == ("finished", 0)
    assert len(expected["orders"]) == ORDERS
    assert '"status": "Cancelled"' in expected["shown"][0]
    assert '"status": "Completed"' in expected["return"][0]
    assert len(expected["stocks"]) == PRODUCTS
    assert '"available": 100' in expected["looked up"][1]


# Each takes some twenty seconds, so they are left to the soak, which CI runs; by the library, all are in every run.
@pytest.mark.soak
@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_the_commands_say_the_same_of_an_api_with_other_words(
    expected: dict[str, Any], forks: Forks, tmp_path: Path, name: str
) -> None:
    desk, api = travelled(SPEECHES[name], forks, tmp_path)
    assert api.refused == []
    assert desk.results.keys() == expected.keys()
    for part, value in expected.items():
        assert desk.results[part] == value, part
    # numbers as text are told, and a member beside the results that the OpenAPI file has and the contract has not
    assert desk.drift == ({"looked up"} if name == "A" else {"registered"})


@pytest.mark.parametrize("command", [("stocks", "list"), ("orders", "create", "orders.csv", *FILE_OPTIONS)])
def test_a_contract_file_that_is_wrong_ends_a_command_before_its_first_call(
    forks: Forks, tmp_path: Path, command: tuple[object, ...]
) -> None:
    with speaking(Tabled(B)) as api:
        desk = Desk(api, forks, tmp_path)
        adopt(desk, "B")
        file = tmp_path / "contract.toml"
        file.write_text("[fields.Stok]\nid = 'x'\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
        files(desk)
        done = desk.run(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "line 1" in done.stderr
        assert "Stock" in done.stderr
        assert (dict(api.heard), api.refused) == ({}, [])
        assert not list(tmp_path.glob("*.journal"))
