"""``octoffm cluster`` in this process and as a real command, over a real PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import click
import pytest

from octoffm_async.cli.app import run
from octoffm_async.cli.cluster.worker import _minutes
from octoffm_async.cli.errors import ExitCode
from octoffm_async.sandbox import SandboxThread
from tests.support.servers import postgres, postgres_server  # noqa: F401
from tests.unit.cluster.test_submission import HEADER, row
from tests.unit.tabular.files import GOOD

from ..conftest import COMMAND
from ..front import Front, with_field


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(folder, postgres, monkeypatch, capsys):  # noqa: F811
    """Runs ``octoffm cluster`` on an empty database; its exit code, output and errors."""
    monkeypatch.setenv("OCTOFFM_CLUSTER", postgres)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["cluster", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(folder: Path, count: int, *more: str) -> None:
    (folder / "orders.csv").write_text(HEADER + "".join(row(f"O-{n}") for n in range(count)) + "".join(more))


def submit(call, *options: object) -> str:
    code, out, err = call("submit", "orders", "create", "orders.csv", "--seller", "12345", "--json", *options)
    assert code in (ExitCode.DONE, ExitCode.REFUSED), err
    job: str = json.loads(out)["job"]
    return job


def test_from_a_file_to_its_export(call, folder: Path, monkeypatch) -> None:
    write(folder, 5, row("O-9", quantity="many"))
    code, out, err = call("submit", "orders", "create", "orders.csv", "--seller", "12345", "--chunk", 2)
    assert code == ExitCode.REFUSED
    assert "5 items in 3 chunks" in out
    assert "1 were rejected, with the reasons in orders.rejects.csv" in err
    assert "many" in (folder / "orders.rejects.csv").read_text(encoding="utf-8-sig")
    job = next(line for line in out.splitlines() if line.startswith("job")).split()[1]
    code, out, _ = call("status")
    assert code == ExitCode.DONE
    assert "waiting" in out
    assert "no worker is running" in out
    with SandboxThread(catalogue=1, stock=1000) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("OCTOFFM_SELLER_ID")  # each job names its own
        code, out, err = call("worker", "--until-done", "--rate", "off", "--concurrency", 2)
        assert code == ExitCode.DONE, err
        assert "the worker has stopped; it decided 5 items" in err
        assert dict(sandbox.effects.outbound) == {f"O-{number}": 1 for number in range(5)}
    code, out, _ = call("status", job[:-1], "--json")
    assert code == ExitCode.DONE
    events = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in events] == ["job", "fleet"]
    assert (events[0]["state"], events[0]["counts"]["created"], events[0]["left"]) == ("done", 5, 0)
    assert call("status", job, "--watch")[0] == ExitCode.DONE  # it is over: it ends at once
    code, out, _ = call("export", job)
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    assert [(one["line"], one["key"], one["state"]) for one in rows] == [
        (str(number + 2), f"O-{number}", "created") for number in range(5)
    ]
    code, _, err = call("export", job, "--jsonl", "-o", "out.jsonl")
    assert "5 items in out.jsonl" in err
    assert [json.loads(line)["key"] for line in (folder / "out.jsonl").read_text().splitlines()] == [
        f"O-{number}" for number in range(5)
    ]
    assert call("forget", job)[0] == ExitCode.DONE
    assert "no jobs yet" in call("status")[1]


def test_cancelling_and_trying_again(call, folder: Path) -> None:
    write(folder, 4)
    job = submit(call)
    code, out, _ = call("cancel", job)
    assert code == ExitCode.DONE
    assert "cancelled" in out
    assert call("status", job)[0] == ExitCode.REFUSED  # over, with items that were not sent
    _, _, err = call("forget", "nothing")
    assert f"no job 'nothing': there are {job}" in err
    assert json.loads(call("retry", job, "--json")[1])["state"] == "waiting"
    assert "is waiting: cancel it first" in call("forget", job)[2]


def test_what_is_wrong_is_said_in_one_line(call, folder: Path, monkeypatch) -> None:
    write(folder, 1)
    code, _, err = call("submit", "orders", "create", "orders.csv")
    assert code == ExitCode.USAGE
    assert "OCTOFFM_SELLER_ID" in err
    code, _, err = call("submit", "orders", "create", "none.csv", "--seller", "1")
    assert code == ExitCode.USAGE
    assert "none.csv" in err
    code, out, _ = call("submit", "orders", "create", "orders.csv", "--dry-run")
    assert code == ExitCode.DONE
    assert "1 orders in 1 calls would be sent" in out
    monkeypatch.setenv("OCTOFFM_CLUSTER", "postgresql://me:hush@127.0.0.1:1/x")
    for arguments in (["status"], ["submit", "orders", "create", "orders.csv", "--seller", "1"]):
        code, _, err = call(*arguments)
        assert code == ExitCode.REFUSED
        assert "me@127.0.0.1:1" in err
        assert "hush" not in err
    monkeypatch.setenv("OCTOFFM_CLUSTER", "orders.sqlite")
    assert call("status")[0] == ExitCode.USAGE
    monkeypatch.delenv("OCTOFFM_CLUSTER")
    code, _, err = call("status")
    assert code == ExitCode.USAGE
    assert "--cluster" in err


def test_a_worker_is_stopped_in_order_by_a_signal(call, folder: Path) -> None:
    write(folder, 300)
    job = submit(call, "--chunk", 150)
    with SandboxThread(catalogue=1, stock=100_000) as sandbox:
        environment = os.environ | sandbox.environment()
        command = [*COMMAND, "cluster", "worker", "--rate", "30/1"]
        child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8")
        try:
            ends = time.monotonic() + 30
            while len(sandbox.effects.outbound) < 5 and time.monotonic() < ends:
                time.sleep(0.05)
            child.send_signal(signal.SIGTERM)
            _, err = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()
        assert child.returncode == ExitCode.DONE, err
        sent = len(sandbox.effects.outbound)
    assert 5 <= sent < 150
    assert f"the worker has stopped; it decided {sent} items" in err
    fields = json.loads(call("status", job, "--json")[1].splitlines()[0])
    assert (fields["state"], fields["counts"]["created"], fields["counts"]["unsent"]) == ("running", sent, 150 - sent)


def test_a_fleet_is_watched_until_nothing_is_left_to_do(call, folder: Path, monkeypatch) -> None:
    write(folder, 60)
    job = submit(call, "--chunk", 20)
    with SandboxThread(catalogue=1, stock=100_000) as sandbox:
        command = [*COMMAND, "cluster", "worker", "--rate", "30/1"]
        child = subprocess.Popen(command, env=os.environ | sandbox.environment(), stderr=subprocess.DEVNULL)
        try:
            code, out, err = call("status", "--watch", "--every", 0.2, "--json")
        finally:
            child.terminate()
            assert child.wait(30) == ExitCode.DONE
    assert code == ExitCode.DONE, err
    events = [json.loads(line) for line in out.splitlines()]
    states = [one["state"] for one in events if one["event"] == "job"]
    assert (states[0], states[-1]) == ("waiting", "done")
    assert "running" in states
    assert any(one["workers"] and one["running"] == 1 for one in events if one["event"] == "fleet")
    code, out, _ = call("status", job)
    assert code == ExitCode.DONE
    assert "60 created" in out


@pytest.mark.parametrize(("given", "minutes"), [("15m", 15), ("2h", 120), (None, None)])
def test_spans(given: str | None, minutes: int | None) -> None:
    assert _minutes(click.Context(click.Command("x")), click.Option(["--x"]), given) == minutes


@pytest.mark.parametrize("given", ["15", "m", "0m", "-1h", "1d", ""])
def test_what_is_no_span(given: str) -> None:
    with pytest.raises(click.BadParameter, match="is not like 15m or 2h"):
        _minutes(click.Context(click.Command("x")), click.Option(["--x"]), given)


def test_the_command_loads_none_of_the_packages_that_only_a_fleet_needs() -> None:
    code = (
        "import sys; from octoffm_async.cli import app; "
        "print([name for name in ('procrastinate', 'psycopg', 'redis') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_contract_file_is_each_workers_own_and_nothing_of_it_stands_in_the_database(
    call,
    folder: Path,
    monkeypatch,
    postgres,  # noqa: F811
) -> None:
    Path("c.toml").write_text('[fields.FulfillmentProduct]\ntitle = "marketingLabel"\n')
    Path("p.csv").write_text(f"gtin,title\n{GOOD},Pen\n")
    given = ("p.csv", "--seller", "12345", "--set", "extra.brandId=7")
    code, _, err = call("submit", "products", "create", *given, "--contract", "c.toml")
    assert code == ExitCode.DONE
    assert [line.split(":")[1] for line in err.splitlines()] == [" read as"], err
    submitted = stored(postgres)

    def named_as_we_do(products: list[dict[str, object]]) -> list[dict[str, object]]:
        return [{"title": one.pop("marketingLabel"), **one} for one in products]

    with SandboxThread() as sandbox, Front(sandbox) as front:
        front.requests, front.answers = named_as_we_do, with_field("giftWrap", True)
        for name, value in front.environment().items():
            monkeypatch.setenv(name, value)
        code, _, err = call("worker", "--until-done", "--rate", "off", "--contract", "c.toml", "--drift", "d.json")
        assert code == ExitCode.DONE, err
        assert sandbox.effects.products == {GOOD: 1}
        (body,) = front.bodies("/fulfillment-products")
        assert (body[0]["marketingLabel"], body[0]["brandId"], "title" in body[0]) == ("Pen", 7, False)
    assert err.splitlines()[-1].endswith("octoffm contract drift d.json")
    for content in (submitted, stored(postgres)):
        for word in ("marketingLabel", "c.toml"):
            assert word not in content
            assert word.encode().hex() not in content
    assert "brandId" in submitted  # the items were there


def stored(address: str) -> str:
    """All that stands in a database, as text, and once more without the compression of items."""
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(address) as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        each = [psycopg.sql.SQL("SELECT t::text FROM {} t").format(psycopg.sql.Identifier(name)) for (name,) in tables]
        text = " ".join(row[0] for query in each for row in connection.execute(query).fetchall())
    packed = [bytes.fromhex(digits) for digits in re.findall(r"\\x(78(?:[0-9a-f]{2})+)", text)]
    return text + " ".join(zlib.decompress(one).decode() for one in packed)
