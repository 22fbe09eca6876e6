"""``octoffm jobs``, mostly in this process: real files, a real server, and one command that is interrupted."""

from __future__ import annotations

import asyncio
import csv
import getpass
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from octoffm_async.cli.app import run
from octoffm_async.cli.errors import ExitCode
from octoffm_async.cli.jobs import jobs as jobs_module
from octoffm_async.cli.jobs.hints import UNREAD, resume_command
from octoffm_async.cli.jobs.journal import state_of
from octoffm_async.cli.options import JournalAddress, environment
from octoffm_async.cli.output import age, hanging, items, printable
from octoffm_async.journal import Journal, OutgoingItem, RunRecord, State, payload_hash
from octoffm_async.journal.sqlite.file.lock import Holder, holder_of
from octoffm_async.sandbox import Fault, SandboxThread
from tests.support.items import order

from ..conftest import COMMAND

SELLER = "12345"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


@pytest.fixture
def jobs(path: Path, monkeypatch, capsys):
    """Runs ``octoffm jobs``; its exit code, output and errors."""
    monkeypatch.setenv("OCTOFFM_JOURNAL", str(path))
    for name in [name for name in os.environ if name.startswith("OCTOFFM_") and name != "OCTOFFM_JOURNAL"]:
        monkeypatch.delenv(name)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["jobs", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(
    path: Path,
    fates: dict[str, tuple[State, str, str]],
    *,
    seller: str = SELLER,
    finish: bool = False,
    source: str = "orders.csv",
) -> str:
    """A run whose items met these fates: state, code, message."""

    async def work() -> str:
        async with Journal.open(path) as journal:
            journal_run = await journal.begin_run(seller=seller, operation="outbound.create", source=source)
            for start in range(0, len(fates), 500):
                some = list(fates.items())[start : start + 500]
                payloads = [(key, msgspec.json.encode(order(key))) for key, _ in some]
                await journal_run.mark_sent(
                    [OutgoingItem(key, payload_hash(payload), payload) for key, payload in payloads]
                )
                for key, (state, code, message) in some:
                    if state is not State.SENT:
                        remote_id = f"id-{key}" if state is State.CREATED else None
                        journal_run.record_outcome(key, state, remote_id=remote_id, code=code, message=message)
            await (journal_run.finish() if finish else journal_run.flush())
            return journal_run.run

    return asyncio.run(work())


def made(count: int) -> dict[str, tuple[State, str, str]]:
    return {f"M-{number}": (State.CREATED, "", "") for number in range(count)}


MIXED = {
    "A-1": (State.CREATED, "", ""),
    "A-2": (State.REFUSED, "InvalidAddress", "the postal code is not one of France"),
    "A-3": (State.FAILED, "", "503 Service Unavailable"),
    "A-4": (State.SENT, "", ""),
    "A-5": (State.UNKNOWN, "", "the connection was lost"),
    "A-6": (State.PENDING, "", ""),
}


def test_runs_are_listed_with_age_state_and_counts(jobs, path):
    first, second = write(path, made(1200), finish=True), write(path, MIXED)
    code, out, err = jobs("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(rf"{first}  finished     (just now|\d+ s ago) +outbound.create  seller 12345", lines[0])
    assert lines[1] == "    1,200 items: 1,200 created; from orders.csv"
    assert re.fullmatch(rf"{second}  interrupted  (just now|\d+ s ago) +outbound.create  seller 12345", lines[2])
    assert lines[3] == "    6 items: 1 created, 1 refused, 1 failed, 1 pending, 1 sent, 1 unknown; from orders.csv"
    assert max(map(len, lines[::2])) <= 80
    code, out, _ = jobs("list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["run"], row["state"], row["total"], row["undecided"]) for row in rows] == [
        (first, "finished", 1200, 0),
        (second, "interrupted", 6, 2),
    ]
    assert rows[1]["counts"] == dict.fromkeys(rows[1]["counts"], 1)
    assert set(rows[1]["counts"]) == set(State)


def test_a_run_is_shown_with_what_wants_an_eye(jobs, path):
    run_id = write(path, MIXED)
    code, out, err = jobs("show", run_id)
    assert (code, err) == (0, "")
    lines = [re.sub(r"(just now|\d+ s ago) +", "NOW ", line) for line in out.splitlines()]
    begin = lines.index("2 undecided: each may exist or not; a resume finds out")
    assert lines[begin + 1 :] == [
        "  A-4  sent     NOW it was being sent; no answer is known",
        "  A-5  unknown  NOW the connection was lost",
        f"      octoffm jobs settle --journal {path} [--absent | --created ID] A-5",
        "",
        "1 refused: sent again only if they are changed",
        "  A-2  NOW InvalidAddress: the postal code is not one of France",
        "",
        "1 failed: not created; a resume sends them again",
        "  A-3  NOW 503 Service Unavailable",
        "",
        "To resume:",
        f"  {resume_command(path, run_id)}",
        UNREAD,
    ]
    assert "state      interrupted" in lines
    assert "source     orders.csv" in lines


def test_an_item_is_settled_by_whoever_looked_and_the_run_reports_it(jobs, path):
    run_id = write(path, MIXED)
    code, out, err = jobs("settle", "A-4", "--absent", "--yes", "--note", "Octopia's page")
    assert (code, err) == (0, "")
    assert out.startswith("A-4 is absent: the next run of its input, or octoffm jobs resume")
    code, out, _ = jobs("settle", "--yes", "--json", "--created", "5eed-7", "A-5")
    settled = {"key": "A-5", "seller": SELLER, "operation": "outbound.create", "run": run_id, "before": "unknown"}
    assert (code, json.loads(out)) == (0, settled | {"state": "created", "id": "5eed-7"})
    _, out, _ = jobs("show", run_id)
    lines = [re.sub(r"(just now|\d+ s ago) +", "NOW ", line) for line in out.splitlines()]
    begin = lines.index("settled by hand:")
    user = getpass.getuser()
    assert lines[begin + 1 : begin + 3] == [
        f"  A-4  NOW settled by hand: absent (by {user}: Octopia's page); pending",
        f"  A-5  NOW settled by hand: created (by {user}); created, id 5eed-7",
    ]
    assert "undecided" not in out
    _, out, _ = jobs("show", run_id, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["key"], row["state"]) for row in rows if row.get("code") == "ByHand"] == [
        ("A-4", "pending"),
        ("A-5", "created"),
    ]


def test_what_settles_an_item_is_reported_as_a_shell_takes_it(jobs, path):
    keys = ["-1", "it's", "a b", "\x1b]0;x\x07'\\é", "$HOME"]
    run_id = write(path, dict.fromkeys(keys, (State.UNKNOWN, "", "lost")))
    _, out, _ = jobs("show", run_id, "--json")
    cures = {row["key"]: row["settle"] for row in map(json.loads, out.splitlines()) if "settle" in row}
    assert set(cures) == set(keys)
    for key, command in cures.items():
        typed = command.replace("octoffm jobs", "printf '%s\\0' --absent --yes", 1)
        shown = subprocess.run(["/bin/bash", "-c", typed], stdout=subprocess.PIPE, check=True)
        options, settles, *words = shown.stdout.decode().split("\0")[:-1][1:]
        assert (options, settles, words[-1]) == ("--yes", "settle", key)
        code, _, err = jobs("settle", "--absent", "--yes", *words)
        assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["A-5"], 2, "say --absent, or --created"),
        (["A-5", "--absent", "--created", "5eed-1", "-y"], 2, "say --absent, or --created"),
        (["A-5", "--absent"], 2, "there is no terminal to ask: say --yes"),
        (["A-6", "--absent", "-y"], 1, "it is pending: the next run sends it"),
        (["A-1", "--created", "5eed-1", "-y"], 1, "created already, with id id-A-1"),
        (["A-5", "--created", "id-A-1", "-y"], 1, "id-A-1 is the id of 'A-1' already"),
        (["A-5", "--created", "null", "-y"], 2, "cannot be the id"),
        (["A-9", "--absent", "-y"], 2, "the nearest that is undecided is"),
        (["A-5", "A-9", "--absent", "-y"], 2, "'A-9'"),
    ],
)
def test_a_word_that_cannot_be_true_is_refused(jobs, path, arguments, code, message):
    run_id = write(path, MIXED)
    found, out, err = jobs("settle", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    _, out, _ = jobs("show", run_id, "--json")
    assert json.loads(out.splitlines()[0])["undecided"] == 2


def test_on_a_terminal_what_is_settled_is_shown_and_asked_for(jobs, path, monkeypatch):
    run_id = write(path, MIXED)
    monkeypatch.setattr("octoffm_async.cli.jobs.settle.sys.stdin", io.StringIO("n\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr(click, "confirm", lambda *_, **__: next(answers))
    code, out, err = jobs("settle", "A-5", "--absent")
    assert (code, out) == (1, "")
    assert "A-5  (seller 12345, outbound.create), unknown since" in err
    assert "the connection was lost" in err
    assert "as two parcels" in err
    code, out, _ = jobs("settle", "A-5", "--absent")
    assert code == 0
    assert run_id in out


def test_a_finished_run_has_nothing_to_go_on_with(jobs, path):
    run_id = write(path, made(2), finish=True)
    _, out, _ = jobs("show", run_id)
    assert "To resume" not in out
    assert out.splitlines()[-1] == "items      2 items: 2 created"


def test_only_the_first_are_shown_unless_all_are_requested(jobs, path):
    keys = [f"K-{number:03}" for number in range(70)]
    run_id = write(path, {key: (State.FAILED, "", f"reason of {key}") for key in keys})
    _, out, _ = jobs("show", run_id)
    assert re.findall(r"reason of (K-\d+)", out) == keys[:20]
    assert "… and 50 more: --all shows them" in out
    _, out, _ = jobs("show", run_id, "--all")
    assert re.findall(r"reason of (K-\d+)", out) == keys
    assert "more" not in out
    _, out, _ = jobs("show", run_id, "--all", "--json")
    first, *rest = map(json.loads, out.splitlines())
    assert (first["event"], first["run"], first["undecided"]) == ("run", run_id, 0)
    assert [(row["event"], row["key"], row["message"]) for row in rest] == [
        ("item", key, f"reason of {key}") for key in keys
    ]


def test_text_from_elsewhere_cannot_drive_the_terminal(jobs, path):
    run_id = write(path, {"\x1b]0;x\x07": (State.FAILED, "", "one\ntwo \x1b[31mred")})
    _, out, _ = jobs("show", run_id)
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "one two \N{REPLACEMENT CHARACTER}[31mred" in out


def test_a_beginning_that_no_other_run_has_is_enough(jobs, path):
    runs = [write(path, made(1), seller=str(number)) for number in range(7)]
    unique = next(length for length in range(1, 21) if sum(one.startswith(runs[3][:length]) for one in runs) == 1)
    code, out, _ = jobs("show", runs[3][:unique], "--json")
    assert (code, json.loads(out.splitlines()[0])["run"]) == (0, runs[3])
    code, out, err = jobs("show", "2")
    assert (code, out) == (2, "")
    assert err.startswith("octoffm: '2' is ambiguous: 2 older ones and ")
    code, _, err = jobs("show", "zz")
    assert code == 2
    assert err == f"octoffm: the journal {path} has no run 'zz'; there are 2 older ones and {', '.join(runs[2:])}\n"


@pytest.mark.parametrize(
    "command", [["list"], ["show", "2"], ["export", "2"], ["forget", "2", "--yes"], ["resume", "2"]]
)
@pytest.mark.parametrize("kind", ["missing", "foreign", "other program", "truncated", "folder"])
def test_what_is_no_journal_is_reported_in_one_line_and_left_alone(jobs, path, command, kind):
    match kind:
        case "foreign":
            path.write_text("Dear diary\n" * 100)
        case "other program":
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE diary (day)")
        case "truncated":
            write(path, made(600))
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "folder":
            path.mkdir()
        case _:
            pass
    before = path.read_bytes() if path.is_file() else None
    code, out, err = jobs(*command)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert str(path) in err
    assert (path.read_bytes() if path.is_file() else None) == before
    assert path.exists() == (kind != "missing")


def test_without_a_journal_it_says_how_to_name_one(jobs, monkeypatch):
    monkeypatch.delenv("OCTOFFM_JOURNAL")
    code, _, err = jobs("list")
    assert code == 2
    assert "--journal" in err
    assert "OCTOFFM_JOURNAL" in err


WRITER = """
import asyncio, sys
from octoffm_async.journal import OutgoingItem, Journal
async def main():
    async with Journal.open(sys.argv[1]) as journal:
        journal_run = await journal.begin_run(seller="12345", operation="outbound.create")
        await journal_run.mark_sent([OutgoingItem("K", bytes(16), b"{}")])
        print(journal_run.run, flush=True)
        sys.stdin.read()
asyncio.run(main())
"""


def test_reading_works_while_another_process_writes_and_writing_does_not(jobs, path, tmp_path):
    old = write(path, {"A-3": MIXED["A-3"]})
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    with writer:
        assert writer.stdout is not None
        now = writer.stdout.readline().strip()
        _, out, _ = jobs("list", "--json")
        rows = {row["run"]: row["state"] for row in map(json.loads, out.splitlines())}
        assert rows[now] == "running"
        assert rows[old] in ("unfinished", "running")  # within the second in which the writer began
        code, out, _ = jobs("show", now)
        assert code == 0
        assert f"running (process {writer.pid} writes the journal)" in out
        assert jobs("export", now, "-o", tmp_path / "out.csv")[0] == 0
        code, _, err = jobs("forget", now, "--yes", "--force")
        assert code == 1
        assert f"run {now} is under way in process {writer.pid}: wait until it ends" in err
        writer.kill()
    _, out, _ = jobs("list", "--json")
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["interrupted"] * 2


NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("started", "finished", "holder_since", "state"),
    [
        (0, 5, None, "finished"),
        (0, 5, -10, "finished"),
        (0, None, None, "interrupted"),
        (0, None, -10, "running"),
        (0, None, 0.4, "running"),
        (0, None, 10, "unfinished"),
    ],
)
def test_a_runs_state_follows_from_who_writes_the_journal(started, finished, holder_since, state):
    at = lambda seconds: None if seconds is None else NOW + timedelta(seconds=seconds)  # noqa: E731
    record = RunRecord(
        id="r", seller="1", operation="x", source="", started_at=NOW, finished_at=at(finished), counts={}
    )
    holder = None if holder_since is None else Holder(1, NOW + timedelta(seconds=holder_since))
    assert state_of(record, holder, JournalAddress("orders.sqlite")) == state


@pytest.mark.parametrize(
    ("fate", "state"), [(State.CREATED, "finished"), (State.REFUSED, "finished"), (State.UNKNOWN, "interrupted")]
)
def test_single_calls_that_are_all_decided_were_not_interrupted(fate, state, path, jobs):
    run_id = write(path, {"K": (fate, "", "")}, source="single calls")
    assert json.loads(jobs("list", "--json")[1])["state"] == state
    assert ("To resume" in jobs("show", run_id)[1]) == (state == "interrupted")


def test_the_holder_is_this_process_while_the_journal_is_open(path):
    async def look() -> Holder | None:
        async with Journal.open(path) as journal:
            await journal.begin_run(seller="S", operation="o")
            return holder_of(path)

    assert holder_of(path) is None
    holder = asyncio.run(look())
    assert holder is not None
    assert holder.pid == os.getpid()
    assert holder_of(path) is None


NASTY = {
    "=1+1": (State.FAILED, "+x", '@sum\nof two, "quoted"'),
    "-2": (State.REFUSED, "\tcode", "\rmessage"),
    "é;ü": (State.CREATED, "", ""),
    "\N{GRINNING FACE}": (State.UNKNOWN, "", "a\u2028b"),
}


def test_a_csv_export_is_safe_and_whole(jobs, path, tmp_path):
    run_id = write(path, NASTY)
    target = tmp_path / "out.csv"
    code, out, err = jobs("export", run_id, "--csv", "-o", target)
    assert (code, out, err) == (0, "", f"octoffm: 4 items of run {run_id} in {target}\n")
    rows = list(csv.DictReader(io.StringIO(target.read_bytes().decode("utf-8-sig"), newline="")))
    by_key = {row["key"].removeprefix("'"): row for row in rows}
    assert set(by_key) == set(NASTY)
    assert [by_key["=1+1"][name] for name in ("key", "state", "code", "message")] == [
        "'=1+1",
        "failed",
        "'+x",
        '\'@sum\nof two, "quoted"',
    ]
    assert [by_key["-2"][name] for name in ("key", "code", "message")] == ["'-2", "'\tcode", "'\rmessage"]
    assert by_key["é;ü"]["remote_id"] == "id-é;ü"
    for row in rows:
        assert row["run"] == run_id
        assert datetime.fromisoformat(row["sent_at"]) <= datetime.fromisoformat(row["changed_at"])
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


def test_a_json_export_is_exact(jobs, path, tmp_path):
    run_id = write(path, NASTY)
    target = tmp_path / "out.jsonl"
    assert jobs("export", run_id, "--jsonl", "-o", target)[0] == 0
    rows = [json.loads(line) for line in target.read_bytes().decode().split("\n")[:-1]]
    assert {row["key"]: (row["state"], row["code"], row["message"]) for row in rows} == NASTY


def test_half_a_surrogate_pair_is_exported_too(jobs, path, tmp_path):
    async def work() -> str:
        async with Journal.open(path) as journal:
            journal_run = await journal.begin_run(seller=SELLER, operation="outbound.create")
            await journal_run.mark_sent([OutgoingItem("half \ud83d", bytes(16), b"{}")])
            return journal_run.run

    run_id = asyncio.run(work())
    for form, read in (("--jsonl", lambda text: json.loads(text)["key"]), ("--csv", lambda text: text)):
        assert jobs("export", run_id, form, "-o", tmp_path / "out")[0] == 0
        assert "half " in read((tmp_path / "out").read_text(encoding="utf-8"))
    assert jobs("export", run_id, "--jsonl", "-o", tmp_path / "out")[0] == 0
    assert json.loads((tmp_path / "out").read_text(encoding="utf-8"))["key"] == "half \ud83d"


def test_an_export_goes_to_standard_output_unless_a_file_is_named(octoffm, path):
    run_id = write(path, MIXED)
    done = octoffm("jobs", "export", run_id, "--jsonl", "--journal", path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["key"] for line in done.stdout.splitlines()] == sorted(MIXED)


def test_an_export_never_overwrites_the_journal(jobs, path, tmp_path):
    run_id = write(path, MIXED)
    before = path.read_bytes()
    for name in ("orders.sqlite", "orders.sqlite-wal", "orders.sqlite.lock"):
        code, _, err = jobs("export", run_id, "-o", tmp_path / name)
        assert code == 2
        assert "would overwrite the journal" in err
    assert path.read_bytes() == before
    code, _, err = jobs("export", run_id, "-o", tmp_path / "nowhere" / "out.csv")
    assert code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in err


def test_an_export_keeps_few_items_in_memory(jobs, path, tmp_path):
    long = "x" * 1000
    run_id = write(path, {f"K-{number:05}": (State.FAILED, "", long) for number in range(6000)})
    tracemalloc.start()
    try:
        assert jobs("export", run_id, "-o", tmp_path / "out.csv")[0] == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out.csv").stat().st_size > 6_000_000
    assert peak < 4_000_000


def test_a_run_is_forgotten_on_request(jobs, path):
    gone, kept = write(path, made(3)), write(path, MIXED, seller="7")
    code, out, _ = jobs("forget", gone, "--yes")
    assert (code, out) == (0, f"forgot run {gone} with 3 items; their keys may be sent again\n")
    code, _, err = jobs("forget", kept, "--yes")
    assert code == 2
    assert err.startswith(f"octoffm: run {kept} has 2 undecided items: forgotten, they could be sent twice; ")
    assert resume_command(path, kept) in err
    assert [json.loads(line)["run"] for line in jobs("list", "--json")[1].splitlines()] == [kept]
    code, out, _ = jobs("forget", kept, "--yes", "--force", "--json")
    assert (code, json.loads(out)) == (0, {"run": kept, "forgotten": 6})
    assert jobs("list")[1] == f"the journal {path} has no runs\n"


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", ExitCode.REFUSED, 1), ("y\n", ExitCode.DONE, 0)])
def test_forgetting_asks_first(jobs, path, monkeypatch, *, answer, code, left):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    run_id = write(path, made(3))
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    done, _, err = jobs("forget", run_id)
    assert done == code
    assert jobs_module.FORGET_WARNING in err
    assert len(jobs("list", "--json")[1].splitlines()) == left


def test_forgetting_with_nobody_to_ask_wants_yes(jobs, path, monkeypatch):
    run_id = write(path, made(3))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = jobs("forget", run_id)
    assert code == 2
    assert "there is no terminal to ask: say --yes" in err
    assert len(jobs("list", "--json")[1].splitlines()) == 1


def test_a_run_is_resumed_to_its_end(jobs, path, tmp_path):
    with SandboxThread(seed=7, speed=0) as sandbox:
        run_id = write(path, {key: MIXED[key] for key in ("A-3", "A-4", "A-5", "A-6")}, seller=sandbox.seller_id)
        file = tmp_path / "sandbox.env"
        file.write_text("".join(f"export {name}='{value}'\n" for name, value in sandbox.environment().items()))
        code, out, err = jobs("resume", run_id, "--env-file", file, "--patience", "0.1")
        assert (code, err.count("\n")) == (0, 1), err
        assert "2 undecided items will be looked up" in err
        lines = out.splitlines()
        assert re.fullmatch(r"resume: 4 created in \d+\.\d s", lines[0])
        assert lines[1] == f"run {run_id}, outbound.create: 4 items: 4 created"
        assert sandbox.effects.outbound == dict.fromkeys(["A-3", "A-4", "A-5", "A-6"], 1)
        code, out, _ = jobs("resume", run_id, "--env-file", file, "--json")
        step, summary = map(json.loads, out.splitlines())
        assert code == 0
        assert set(step["counts"].values()) == {0}
        assert (summary["state"], summary["undecided"], summary["interrupted"]) == ("finished", 0, False)
        assert sandbox.effects.outbound.total() == 4


@pytest.mark.parametrize(
    ("fates", "fault", "code"),
    [
        ({"A-2": MIXED["A-2"]}, None, ExitCode.REFUSED),
        ({"A-3": MIXED["A-3"]}, ("outbound.create", Fault.ERROR_500), ExitCode.UNDECIDED),
        ({"A-5": MIXED["A-5"]}, ("outbound.list", Fault.ERROR_500), ExitCode.UNDECIDED),
    ],
)
def test_the_exit_code_says_what_is_left(jobs, path, monkeypatch, *, fates: Any, fault: Any, code: int):
    with SandboxThread(seed=7, speed=0) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        run_id = write(path, fates, seller=sandbox.seller_id)
        if fault is not None:
            operation, kind = fault
            sandbox.set_fault_rates({kind: 1.0}, operations=[operation, "outbound.list"])
            monkeypatch.setattr("octoffm_async.cli.jobs.resume.read_config", quick(sandbox))
        done, out, _ = jobs("resume", run_id, "--patience", "0")
        assert done == code
        assert f"why: octoffm jobs show {run_id} --journal {path}" in out


def quick(sandbox: SandboxThread) -> Any:
    return lambda _file, **_: sandbox.config(max_attempts=1)


def test_a_resume_needs_the_runs_own_seller_and_credentials(jobs, path, tmp_path):
    run_id = write(path, {"A-3": MIXED["A-3"]}, seller="4711")
    code, _, err = jobs("resume", run_id)
    assert code == 2
    assert err.startswith("octoffm: not set in the environment: OCTOFFM_CLIENT_ID")
    file = tmp_path / "env"
    file.write_text("OCTOFFM_CLIENT_ID=a\nOCTOFFM_CLIENT_SECRET=b\nOCTOFFM_SELLER_ID=98979\n")
    code, out, err = jobs("resume", run_id, "--env-file", file)
    assert (code, out) == (2, "")
    assert err == (
        f"octoffm: run {run_id} is of seller 4711, and the credentials are of seller 98979: set OCTOFFM_SELLER_ID, "
        "or say --seller\n"
    )


def test_refused_credentials_leave_a_run_that_can_be_resumed(jobs, path, monkeypatch):
    with SandboxThread(seed=7, speed=0) as sandbox:
        for name, value in (sandbox.environment() | {"OCTOFFM_CLIENT_SECRET": "wrong"}).items():
            monkeypatch.setenv(name, value)
        run_id = write(path, {"A-3": MIXED["A-3"]}, seller=sandbox.seller_id)
        code, _, err = jobs("resume", run_id)
        assert code == 2
        assert f"not finished; to resume: {resume_command(path, run_id)}\n" in err
        assert "wrong" not in err
        monkeypatch.setenv("OCTOFFM_CLIENT_SECRET", sandbox.client_secret)
        assert jobs("resume", run_id)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_a_run_that_can_be_resumed(jobs, path, monkeypatch, times):
    fates = {f"K-{number:03}": (State.FAILED, "", "x") for number in range(40)}
    with SandboxThread(seed=7, speed=0) as sandbox:
        sandbox.set_fault_rates({Fault.LATENCY: (1.0, 0.6)}, operations=["outbound.create"])
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        run_id = write(path, fates, seller=sandbox.seller_id)
        command = [*COMMAND, "jobs", "resume", run_id, "--patience", "0.5", "--concurrency", "4"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as running:
            while not sandbox.run(lambda inside: inside.requests.count("outbound.create")):
                time.sleep(0.01)
            running.send_signal(signal.SIGINT)
            assert running.stderr is not None
            assert "stopping" in running.stderr.readline()
            if times == 2:
                running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=20)
        assert running.returncode == 130, err
        assert err.splitlines()[-1] == f"  {resume_command(path, run_id)}"
        (row,) = [json.loads(line) for line in jobs("list", "--json")[1].splitlines()]
        assert row["state"] == "interrupted"
        assert row["counts"]["created"] < 40
        assert (row["undecided"] == 0) == (times == 1)
        assert "created" in out
        sandbox.clear_faults()
        code, _, _ = jobs("resume", run_id, "--patience", "0.8", "--rate", "500/1")
        assert code == 0
        assert sandbox.effects.outbound == dict.fromkeys(fates, 1)


def test_a_file_of_variables_wins_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTOFFM_SELLER_ID", "1")
    monkeypatch.setenv("OCTOFFM_CLIENT_ID", "me")
    file = tmp_path / "env"
    file.write_text("\n# mine\nexport OCTOFFM_SELLER_ID=2\nOCTOFFM_CLIENT_SECRET='a=b'\nPATH=/nowhere\n")
    found = environment(file)
    assert (found["OCTOFFM_SELLER_ID"], found["OCTOFFM_CLIENT_ID"]) == ("2", "me")
    assert found["OCTOFFM_CLIENT_SECRET"] == "a=b"
    assert found["PATH"] == os.environ["PATH"]
    assert environment(None) == dict(os.environ)


@pytest.mark.parametrize("content", [None, b"\xff\xfea", b"OCTOFFM_CLIENT_SECRET hush\n"])
def test_a_file_of_variables_that_cannot_be_read_is_reported_without_its_content(jobs, path, tmp_path, content):
    run_id = write(path, made(1))
    file = tmp_path / "env"
    if content is not None:
        file.write_bytes(content)
    code, _, err = jobs("resume", run_id, "--env-file", file)
    assert code == 2
    assert str(file) in err
    assert "hush" not in err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0.9, "just now"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600 * 3 + 1, "3 h ago"),
        (86400 * 2 - 1, "47 h ago"),
        (86400 * 2, "2 days ago"),
        (86400 * 1500, "1,500 days ago"),
    ],
)
def test_ages(seconds, text):
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


def test_words():
    assert [items(0), items(1), items(2000), items(1, "undecided")] == [
        "0 items",
        "1 item",
        "2,000 items",
        "1 undecided item",
    ]
    assert printable(" a\n\tb\x00 ") == "a b\N{REPLACEMENT CHARACTER}"
    assert hanging("  key  ", "word " * 3, None) == "  key  word word word"
    wrapped = hanging("  key  ", "word " * 20, 40).splitlines()
    assert len(wrapped) > 2
    assert all(len(line) <= 40 for line in wrapped)
    assert all(line.startswith("       word") for line in wrapped[1:])
    assert hanging("  " + "k" * 38 + "  ", "reason " * 6, 40).splitlines()[1].startswith("      reason")


def test_the_resume_command_can_be_copied_into_a_shell():
    text = resume_command("my orders.sqlite", "20260801-101500-3fa1", env_file="prod.env")
    assert text == "octoffm jobs resume 20260801-101500-3fa1 --journal 'my orders.sqlite' --env-file prod.env"
