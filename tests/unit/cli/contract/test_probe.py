"""The command: its files, its exit codes, and that nothing of an account gets into either files or terminal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from octoffm_async.cli.app import run
from octoffm_async.contract.contract_file.parser import parse_contract
from octoffm_async.probe import sending
from octoffm_async.probe.calls import CALLS
from octoffm_async.probe.evaluation.proofs import account_key
from octoffm_async.probe.folder import CONTRACT, DRIFT, PROOFS, REPORT, SHAPES, read_proofs
from octoffm_async.sandbox.thread import LoopThread
from tests.unit.probe.api import SECRET, TOKEN, Api, Clock, serving, shop
from tests.unit.probe.markers import FOUND, TOKEN_ANSWER, marked, problem

from ..conftest import COMMAND
from ..remote import Said

FILES = {SHAPES, DRIFT, CONTRACT, REPORT, PROOFS}


class Probing:
    """A server in a thread of its own, and the command run against it."""

    def __init__(self, api: Api, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.api = api
        self.folder = folder / "octoffm-probe"
        self._capsys = capsys

    def probe(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        code = run(["contract", "probe", *map(str, arguments)])
        return Said(code, *self._capsys.readouterr())

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    @property
    def all_files(self) -> str:
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.folder.iterdir()))


@pytest.fixture
def against(monkeypatch, capsys, tmp_path) -> Iterator[Callable[..., Probing]]:
    """Starts a server with the answers given; the environment names it, and time passes at once."""
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sending, "LoopClock", Clock)
    thread = LoopThread()
    open_: list[Any] = []

    def start(answers: Any, **attributes: Any) -> Probing:
        server = serving(answers)
        api = thread.run(server.__aenter__())
        open_.append(server)
        for name, value in attributes.items():
            setattr(api, name, value)
        for name, value in settings(api).items():
            monkeypatch.setenv(name, value)
        return Probing(api, capsys, tmp_path)

    yield start
    for server in open_:
        thread.run(server.__aexit__(None, None, None))
    thread.close()


def settings(api: Api) -> dict[str, str]:
    config = api.config()
    return {
        "OCTOFFM_CLIENT_ID": config.client_id,
        "OCTOFFM_CLIENT_SECRET": SECRET,
        "OCTOFFM_SELLER_ID": config.seller_id,
        "OCTOFFM_BASE_URL": config.base_url,
        "OCTOFFM_TOKEN_URL": config.token_url,
    }


def test_a_whole_probe_writes_its_files_and_makes_it_0(against) -> None:
    probing = against(shop)
    said = probing.probe()
    assert said.code == 0
    assert {path.name for path in probing.folder.iterdir()} == FILES
    assert "all calls were made" in said.out
    assert [one["name"] for one in probing.read(SHAPES)["calls"]] == ["token", *(call.name for call in CALLS)]
    assert probing.read(DRIFT) == {"ended": "all calls were made", "done": True, "drift": []}
    parse_contract((probing.folder / CONTRACT).read_text(encoding="utf-8"))
    assert all(f"## Step {step}:" in (probing.folder / REPORT).read_text(encoding="utf-8") for step in range(1, 14))


def test_what_somebody_decided_in_the_contract_file_of_an_earlier_probe_is_kept(against) -> None:
    probing = against(shop)
    probing.probe()
    decided = '[fields.Stock]\nproduct_id = "decidedByHand"\n'
    (probing.folder / CONTRACT).write_text(decided, encoding="utf-8")
    for _ in range(3):
        assert probing.probe().code == 0
    assert (probing.folder / "contract.before-1.toml").read_text(encoding="utf-8") == decided
    assert {path.name for path in probing.folder.iterdir()} == FILES | {"contract.before-1.toml"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_only_the_owner_can_read_the_files(against) -> None:
    probing = against(shop)
    before = os.umask(0)
    try:
        probing.probe()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in probing.folder.iterdir()} == {0o600}
    assert probing.folder.stat().st_mode & 0o777 == 0o700


def test_json_is_one_object(against) -> None:
    probing = against(shop)
    said = probing.probe("--json", "--out", probing.folder / "deeper")
    (row,) = said.rows
    assert (row["done"], row["forbidden"], row["drift"]) == (True, [], 0)
    assert row["proofs"]["stocks_filter"]["verdict"] == row["proofs"]["orders_lookup"]["verdict"] == "proven"
    assert row["answered"] + row["skipped"] == len(CALLS) + 1
    assert (probing.folder / "deeper" / REPORT).exists()


def test_a_dry_run_sends_and_writes_nothing(against) -> None:
    probing = against(shop)
    said = probing.probe("--dry-run", "--wrong-secret")
    assert said.code == 0
    assert len(said.out.splitlines()) == len(CALLS) + 2
    assert " 5  GET /stocks?limit=5&sellerProductReference=<real reference>" in said.out
    assert probing.api.arrived == []
    assert not probing.folder.exists()
    assert len(probing.probe("--dry-run", "--json").rows[0]["calls"]) == len(CALLS) + 1


def test_a_dry_run_needs_no_account(against, monkeypatch) -> None:
    probing = against(shop)
    monkeypatch.delenv("OCTOFFM_CLIENT_SECRET")
    assert probing.probe("--dry-run").code == 0
    said = probing.probe()
    assert said.code == 2
    assert "OCTOFFM_CLIENT_SECRET" in said.err


def test_the_wrong_secret_is_asked_for(against) -> None:
    probing = against(shop)
    assert probing.probe("--wrong-secret").code == 0
    assert [one.method for one in probing.api.arrived[:3]] == ["POST", "POST", "GET"]


@pytest.mark.parametrize(
    ("answers", "code", "ended"),
    [
        (lambda _: web.Response(status=403), 1, "all calls were made"),
        (lambda one: web.Response(status=429) if one.path == "/returns" else shop(one), 1, "429"),
        (lambda _: web.Response(status=500, text="<html>"), 1, "5xx"),
        (lambda one: web.Response(status=403) if one.path == "/returns" else shop(one), 1, "all calls were made"),
    ],
    ids=["403 everywhere", "429 late", "500", "403 for one service"],
)
def test_what_was_learned_before_the_end_is_written(against, answers, code, ended) -> None:
    probing = against(answers)
    assert probing.probe().code == code
    assert {path.name for path in probing.folder.iterdir()} == FILES
    assert ended in probing.read(SHAPES)["ended"]
    assert probing.read(SHAPES)["calls"][0]["status"] == 200


def test_refused_credentials_make_it_2(against, monkeypatch) -> None:
    probing = against(shop)
    monkeypatch.setenv("OCTOFFM_CLIENT_SECRET", "not-the-right-one")
    said = probing.probe()
    assert said.code == 2
    assert "refused the credentials" in said.out
    assert probing.read(SHAPES)["calls"][0]["shape"]["fields"].keys() == {"error", "error_description"}
    assert "OCTOFFM_CLIENT_SECRET" in said.err
    assert "not-the-right-one" not in probing.all_files + said.out + said.err


def test_an_unreachable_host_makes_it_1(against, monkeypatch) -> None:
    probing = against(shop)
    monkeypatch.setenv("OCTOFFM_TOKEN_URL", "http://127.0.0.1:9/token")
    said = probing.probe()
    assert said.code == 1
    assert "no connection" in said.out
    assert "firewall" in said.err
    assert {path.name for path in probing.folder.iterdir()} == FILES


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_sent(against) -> None:
    probing = against(shop)
    probing.folder.write_text("a file", encoding="utf-8")
    assert probing.probe().code == 2
    said = probing.probe("--out", probing.folder / "deeper")
    assert said.code == 2
    assert "cannot write" in said.err
    assert probing.api.arrived == []


def test_proofs_of_other_accounts_stay(against) -> None:
    probing = against(shop)
    probing.probe()
    first = read_proofs(probing.folder / PROOFS)
    assert probing.probe("--seller", "another").code == 0
    both = read_proofs(probing.folder / PROOFS)
    assert both.accounts.items() > first.accounts.items()
    config = probing.api.config()
    key = account_key(base_url=config.base_url, client_id=config.client_id, seller_id="another")
    assert both.accounts[key].orders_lookup.proven
    assert not any(text in (probing.folder / PROOFS).read_text() for text in (SECRET, TOKEN, config.client_id))


def test_a_strange_file_of_proofs_is_left_alone(against) -> None:
    probing = against(shop)
    probing.folder.mkdir()
    (probing.folder / PROOFS).write_text('{"format": 99}', encoding="utf-8")
    said = probing.probe()
    assert said.code == 2
    assert "move it away" in said.err
    assert (probing.folder / PROOFS).read_text(encoding="utf-8") == '{"format": 99}'
    assert probing.api.arrived == []


def test_a_contract_file_mends_what_was_seen(against) -> None:
    def spelled(one: Any) -> Any:
        answer = shop(one)
        if not one.path.startswith("/outbound-shipments") or not isinstance(answer, dict):
            return answer
        return {"results": [renamed(row) for row in answer["items"]]} if "items" in answer else renamed(answer)

    def renamed(row: dict[str, Any]) -> dict[str, Any]:
        return {"products" if name == "lines" else name: value for name, value in row.items()}

    probing = against(spelled)
    said = probing.probe("--json")
    contract = parse_contract((probing.folder / CONTRACT).read_text(encoding="utf-8"))
    assert contract.fields["OutboundShipment"]["lines"].path == ("products",)
    assert contract.operations["outbound.list"].items == ("results",)
    assert said.rows[0]["mended"] == 2


@pytest.mark.parametrize(
    "answers",
    [
        marked,
        lambda _: problem(403),
        lambda one: problem(429) if one.path == "/returns" else marked(one),
        lambda _: problem(302),
        lambda _: web.Response(text=f"<html>{FOUND[0]}", content_type="text/html"),
        lambda _: web.Response(body=FOUND[0].encode(), content_type=f"application/{FOUND[0]}"),
        lambda _: web.json_response({f"{FOUND[0]}{number}": number for number in range(100)}),
        lambda _: web.json_response([FOUND[0]]),
    ],
    ids=["all good", "403", "429 late", "302", "html", "bytes", "map", "texts"],
)
def test_nothing_of_an_account_is_kept_or_shown(against, answers) -> None:
    probing = against(answers, token=TOKEN_ANSWER, sends=TOKEN_ANSWER["access_token"])
    said = probing.probe("--wrong-secret")
    as_json = probing.probe("--json")
    everything = f"{probing.all_files} {said.out} {said.err} {as_json.out} {as_json.err}".casefold()
    assert len(probing.api.arrived) > 4
    for found in (*FOUND, SECRET, "the-client-id", "98979-the-seller", "sku-abc", "jeanne"):
        assert found.casefold() not in everything


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_ctrl_c_leaves_what_was_learned(against, tmp_path) -> None:
    reached = threading.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    probing = against(lambda one: hang() if one.path == "/sellers" else shop(one))
    command = [*COMMAND, "contract", "probe"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    written = probing.read(SHAPES)
    assert (written["ended"], written["done"]) == ("it was interrupted", False)
    assert [one["outcome"] for one in written["calls"]] == ["answered", "no answer"]
    assert {path.name for path in probing.folder.iterdir()} == FILES
