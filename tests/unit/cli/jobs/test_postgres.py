"""``octoffm jobs`` on a journal in PostgreSQL: the same commands, and no password in what they print."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest

from octoffm_async.cli.app import run
from octoffm_async.cli.errors import ExitCode
from octoffm_async.cli.files.options import repeated_command
from octoffm_async.cli.options import JournalAddress
from octoffm_async.journal import Journal, OutgoingItem, State, payload_hash
from octoffm_async.sandbox import SandboxThread
from tests.support.items import order
from tests.support.servers import postgres, postgres_server  # noqa: F401

SELLER = "12345"


@pytest.fixture
def jobs(postgres, monkeypatch, capsys):  # noqa: F811
    """Runs ``octoffm jobs`` on the database of the test; its exit code, output and errors."""
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OCTOFFM_JOURNAL", postgres)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["jobs", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(address: str, fates: dict[str, State]) -> str:
    """A run whose items met these fates, and which was then killed."""

    async def work() -> str:
        async with Journal.open(address) as journal:
            journal_run = await journal.begin_run(seller=SELLER, operation="outbound.create", source="orders.csv")
            payloads = [(key, msgspec.json.encode(order(key))) for key in fates]
            await journal_run.mark_sent(
                [OutgoingItem(key, payload_hash(payload), payload) for key, payload in payloads]
            )
            for key, state in fates.items():
                journal_run.record_outcome(
                    key, state, remote_id=f"id-{key}" if state is State.CREATED else None, message="as told"
                )
            await journal_run.flush()
            return journal_run.run

    return asyncio.run(work())


def test_every_command_reads_a_database(jobs, postgres: str, tmp_path: Path) -> None:  # noqa: F811
    name = write(postgres, {"A": State.CREATED, "B": State.UNKNOWN, "C": State.UNKNOWN})
    code, out, _ = jobs("list", "--json")
    listed = json.loads(out)
    assert (code, listed["run"], listed["state"], listed["undecided"]) == (0, name, "unfinished", 2)
    code, out, _ = jobs("show", name[:12])
    assert code == 0
    assert "1 created, 2 unknown" in out
    assert "octoffm jobs settle --journal" in out
    code, _, err = jobs("export", name, "-o", tmp_path / "items.csv")
    assert (code, (tmp_path / "items.csv").read_text(encoding="utf-8-sig").count("unknown")) == (0, 2), err
    assert jobs("settle", "B", "--absent", "--yes")[0] == 0
    assert "undecided" in jobs("forget", name, "--yes")[2]
    assert jobs("forget", name, "--yes", "--force")[0] == 0
    assert "has no runs" in jobs("list")[1]


def test_a_run_is_resumed_from_a_database(jobs, postgres: str, monkeypatch) -> None:  # noqa: F811
    with SandboxThread(catalogue=3, stock=100) as sandbox:
        for variable, value in sandbox.environment().items():
            monkeypatch.setenv(variable, value)
        name = write(postgres, {"A": State.FAILED, "B": State.FAILED})
        code, out, err = jobs("resume", name)
        assert (code, sandbox.effects.outbound["A"], sandbox.effects.outbound["B"]) == (0, 1, 1), err
        assert "2 created" in out


def test_a_file_of_orders_is_sent_with_a_journal_in_a_database(jobs, postgres: str, monkeypatch, tmp_path) -> None:  # noqa: F811
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(b"".join(msgspec.json.encode(order(key)) + b"\n" for key in "ABC"))
    with SandboxThread(catalogue=3, stock=100) as sandbox:
        for variable, value in sandbox.environment().items():
            monkeypatch.setenv(variable, value)
        assert [run(["orders", "create", str(orders)]) for _ in range(2)] == [0, 0]
        assert [sandbox.effects.outbound[key] for key in "ABC"] == [1, 1, 1]
    assert list(tmp_path.iterdir()) == [orders]
    code, out, _ = jobs("list")
    assert code == 0
    assert "3 items: 3 created" in out


def test_a_command_that_is_repeated_has_no_password(monkeypatch) -> None:
    address = "postgresql://me:hush@host/name?password=hush"
    monkeypatch.setattr("sys.argv", ["octoffm", "orders", "create", "--journal", address, f"--journal={address}"])
    shown = "postgresql://me@host/name"
    assert repeated_command() == f"octoffm orders create --journal {shown} --journal={shown}"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:hush@host:5432/name?sslpassword=hush", "postgresql://me@host:5432/name"),
        ("postgres://me@host/name", "postgres://me@host/name"),
        ("postgresql://host/name", "postgresql://host/name"),
        ("folder/orders.sqlite", "folder/orders.sqlite"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    assert str(JournalAddress(address)) == shown
    assert (JournalAddress(address).file is None) is address.startswith("postgres")


def test_a_database_without_a_journal_says_so(jobs) -> None:
    code, out, err = jobs("list")
    assert (code, out) == (ExitCode.USAGE, "")
    assert "there is no journal in postgresql://" in err


def test_a_database_is_backed_up_by_its_own_tools(jobs, postgres: str) -> None:  # noqa: F811
    code, _, err = jobs("backup", postgres)
    assert code == ExitCode.USAGE
    assert "pg_dump" in err
