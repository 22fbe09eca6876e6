"""The command in unkind surroundings: outputs that are closed, full, without a reader or of another encoding; inputs
that are pipes; signals; and the modes of what it writes."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.cli.app import run
from octoffm_async.cli.errors import ExitCode
from octoffm_async.sandbox import Fault
from tests.unit.tabular.files import ORDER_HEADER, order_row

from .conftest import COMMAND
from .remote import Api

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors, signals and pipes are POSIX here")

ORDERS = ("--set", "delivery_mode=TrackedHomeDelivery", "--set", "storage_country=FR", "--rate", "off")
PRODUCT = "SKU-000001"


def shell(line: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    octoffm = " ".join(COMMAND)
    command = ["/bin/bash", "-c", line.replace("octoffm", octoffm)]
    return subprocess.run(command, capture_output=True, timeout=40, check=False, **more)


def file_of(folder: Path, *references: str, bad: bool = False) -> Path:
    path = folder / "orders.csv"
    rows = [order_row(reference, PRODUCT) for reference in references]
    path.write_text("\n".join([ORDER_HEADER, *rows, *([order_row("bad", PRODUCT, 0)] if bad else []), ""]))
    return path


def sent(api: Api) -> list[str]:
    return sorted(api.sandbox.effects.outbound)


@pytest.mark.parametrize(("command", "closed"), [("orders list", "<&- >&- 2>&-"), ("--version", ">&-")])
def test_a_closed_stream_is_nowhere(api: Api, command: str, closed: str) -> None:
    done = shell(f"octoffm {command} {closed}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_no_file_takes_the_place_of_a_closed_stream(api: Api) -> None:
    file_of(api.folder, "A-1")
    done = shell(f"octoffm orders create orders.csv {' '.join(ORDERS)} --json <&- >&- 2>&-")
    assert (done.returncode, sent(api)) == (0, ["A-1"])
    assert api.octoffm("jobs", "list", "--journal", "orders.journal").code == 0  # no output went into the journal


@pytest.mark.parametrize("command", ["orders list --json", "orders create orders.csv"])
def test_a_full_output_is_found_before_anything_is_sent(api: Api, command: str) -> None:
    file_of(api.folder, "A-1")
    more = " ".join(ORDERS) if "create" in command else ""
    done = shell(f"octoffm {command} {more} > /dev/full")
    assert done.returncode == ExitCode.USAGE
    assert b"nothing was sent: cannot write standard output:" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert api.sandbox.stats()["tokens_issued"] == 0


@pytest.mark.parametrize("command", ["contract show --json", "--help"])
def test_a_full_output_has_a_code_of_its_own(command: str) -> None:
    done = shell(f"octoffm {command} > /dev/full")
    assert done.returncode == ExitCode.UNWRITTEN
    assert b"cannot write standard output:" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_stops_the_run_in_order(api: Api) -> None:
    references = [f"A-{number:03}" for number in range(150)]
    path = file_of(api.folder, *references)
    command = f"octoffm orders create {path} {' '.join(ORDERS)} --json --concurrency 4"
    done = shell(f"{command} | head -n 1 > /dev/null; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.strip() == b"141"
    assert b"Traceback" not in done.stderr
    first = sent(api)
    again = api.octoffm("orders", "create", path, *ORDERS)
    assert again.code == 0
    assert sent(api) == references
    assert len(first) < len(references)
    assert set(api.sandbox.effects.outbound.values()) == {1}


@pytest.mark.parametrize("option", ["--report", "--rejects"])
@pytest.mark.parametrize("target", ["/dev/full", "/proc/x", "folder", "link", "none/x"])
def test_a_file_that_cannot_be_written_is_found_before_anything_is_sent(api: Api, option: str, target: str) -> None:
    path = file_of(api.folder, "A-1", bad=True)
    (api.folder / "folder").mkdir()
    (api.folder / "victim").write_text("mine")
    (api.folder / "link").symlink_to("victim")
    done = api.octoffm("orders", "create", path, *ORDERS, option, target)
    assert done.code == ExitCode.USAGE
    assert target.partition("/x")[0] in done.err
    assert sent(api) == []
    assert (api.folder / "victim").read_text() == "mine"


@pytest.mark.parametrize(("option", "target"), [("--report", "/dev/stdout"), ("--rejects", "/dev/null")])
def test_devices_are_written_as_they_are(api: Api, option: str, target: str) -> None:
    path = file_of(api.folder, "A-1", bad=True)
    done = shell(f"octoffm orders create {path} {' '.join(ORDERS)} {option} {target}")
    assert (done.returncode, sent(api)) == (1, ["A-1"])
    assert (target == "/dev/stdout") == (b"octoffm_reason" in done.stdout or b"<!doctype" in done.stdout)


def test_a_report_that_fails_at_the_end_has_a_code_of_its_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(api.folder, "A-1")
    gone = api.folder / "gone"
    gone.mkdir()

    def vanish(*_: object) -> str:
        gone.rmdir()
        return "page"

    monkeypatch.setattr("octoffm_async.cli.files.run.report_page", vanish)
    done = api.octoffm("orders", "create", path, *ORDERS, "--report", gone / "r.html")
    assert done.code == ExitCode.UNWRITTEN
    assert "cannot write" in done.err
    assert sent(api) == ["A-1"]


EMOJI = "A-\N{GRINNING FACE}\u0141"


@pytest.mark.parametrize("coding", ["ascii", "cp1252", "latin-1", "utf-8", "cp437", "utf-16"])
def test_each_encoding_of_the_output(api: Api, monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    path = file_of(api.folder, "A-1", EMOJI, "A-3")
    for command in (["orders", "create", str(path), *ORDERS], ["orders", "list"], ["orders", "--help"]):
        for more in ([], ["--json"]) if "--help" not in command else ([],):
            raw = io.BytesIO()
            with monkeypatch.context() as patched:
                patched.setattr(sys, "stdout", io.TextIOWrapper(raw, coding))
                assert run([*command, *more]) == 0
                sys.stdout.flush()
                out = raw.getvalue().decode(coding)
            if more:
                assert EMOJI in {value for line in out.splitlines() for value in map(str, json.loads(line).values())}
            elif command[1] == "list":
                assert out.count("A-") == 3
    assert len(sent(api)) == 3


def test_a_process_whose_output_is_ascii(api: Api) -> None:
    file_of(api.folder, EMOJI)
    done = shell(f"PYTHONIOENCODING=ascii octoffm orders create orders.csv {' '.join(ORDERS)} --json")
    assert (done.returncode, sent(api)) == (0, [EMOJI])
    assert json.loads(done.stdout.splitlines()[0])["key"] == EMOJI
    assert done.stdout.isascii()


@pytest.mark.parametrize("given", ["fifo.csv", "/dev/stdin", "-", "<(cat orders.csv)"])
def test_orders_from_a_pipe(api: Api, given: str) -> None:
    path = file_of(api.folder, "A-1", "A-2")
    writer = threading.Thread(target=lambda: (api.folder / given).write_bytes(path.read_bytes()))
    if given.startswith("fifo"):
        os.mkfifo(api.folder / given)
        writer.start()
    beside = "" if given.startswith("fifo") else "--journal j"
    feed = "cat orders.csv | " if given in {"-", "/dev/stdin"} else ""
    done = shell(f"{feed}octoffm orders create {given} {' '.join(ORDERS)} {beside}")
    if writer.ident is not None:
        writer.join()
    assert (done.returncode, sent(api)) == (0, ["A-1", "A-2"]), done.stderr


@pytest.mark.parametrize("given", ["-"])
def test_standard_input_needs_a_journal_with_a_place(api: Api, given: str) -> None:
    file_of(api.folder, "A-1")
    done = shell(f"cat orders.csv | octoffm orders create {given} {' '.join(ORDERS)}")
    assert done.returncode == ExitCode.USAGE
    assert b"--journal" in done.stderr
    assert sent(api) == []
    dry = shell(f"cat orders.csv | octoffm orders create {given} {' '.join(ORDERS)} --dry-run")
    assert dry.returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_found_where_something_is_written_to_it(api: Api) -> None:
    path = file_of(api.folder, "A-1")
    api.folder.chmod(0o500)
    try:
        assert api.octoffm("orders", "create", path, *ORDERS, "--dry-run").code == 0
        assert api.octoffm("orders", "create", path, *ORDERS).code == ExitCode.USAGE
    finally:
        api.folder.chmod(0o700)


def test_rejects_of_standard_input_stand_beside_the_journal(api: Api) -> None:
    file_of(api.folder, "A-1", bad=True)
    done = shell(f"octoffm orders create - {' '.join(ORDERS)} --journal kept.journal < orders.csv")
    assert (done.returncode, sent(api)) == (1, ["A-1"])
    assert stat.S_IMODE((api.folder / "kept.rejects.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize("form", ["utf-16", "<(cat e.env)"])
def test_variables_in_each_form(api: Api, form: str) -> None:
    names = api.sandbox.environment()
    text = "".join(f"export {name}={value}\n" for name, value in names.items())
    content = (
        text.encode("utf-16")
        if form == "utf-16"
        else form.replace("{}", text).encode()
        if "{}" in form
        else text.encode()
    )
    (api.folder / "e.env").write_bytes(content.replace(b"\n", b"\r\n") if form == "\r\n" else content)
    named = form if form.startswith("<") else "e.env"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")}
    file_of(api.folder, "A-1")
    done = shell(f"octoffm orders create orders.csv {' '.join(ORDERS)} --env-file {named}", env=bare)
    assert (done.returncode, sent(api)) == (0, ["A-1"]), done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_a_run_in_order(moving: Api, number: signal.Signals, code: int) -> None:
    api, references = moving, [f"A-{number:03}" for number in range(300)]
    path = file_of(api.folder, *references)
    api.sandbox.set_fault_rates({Fault.LATENCY: (1.0, 0.2)}, only="writes")
    command = [*COMMAND, "orders", "create", str(path), *ORDERS, "--json", "--concurrency", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    told = [json.loads(line) for line in (first + out).splitlines()]
    created = {one["key"] for one in told if one.get("outcome") == "created"}
    assert process.returncode == code
    assert created == set(sent(api))  # what was in flight is told too
    assert 0 < len(created) < len(references)
    assert b"Traceback" not in err


def test_a_second_signal_ends_at_once(moving: Api) -> None:
    path = file_of(moving.folder, *[f"A-{number:03}" for number in range(50)])
    moving.sandbox.set_fault_rates({Fault.LATENCY: (0.9, 20.0)}, only="writes")
    command = [*COMMAND, "orders", "create", str(path), *ORDERS, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()  # one is created, and others are in flight
        process.send_signal(signal.SIGTERM)
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=8)
    assert process.returncode == 143


def test_a_command_without_a_run_ends_with_143(moving: Api) -> None:
    with subprocess.Popen([*COMMAND, "stocks", "watch", "--every", "0.1"], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while not moving.sandbox.stats()["tokens_issued"]:
            pass
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(10) == 143
    assert said.endswith(b"octoffm: terminated\n")
    assert b"Traceback" not in said


def test_a_pipe_that_never_ends_can_be_left(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    process = subprocess.Popen([*COMMAND, "orders", "create", str(tmp_path / "fifo"), *ORDERS], stderr=subprocess.PIPE)
    with (tmp_path / "fifo").open("wb") as writer:  # opens once the command reads
        writer.write(b"reference\n")
        writer.flush()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # it came right before a read began, which nothing but another one ends
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    assert process.stderr is not None
    process.stderr.close()


def test_all_that_is_written_is_for_its_owner_alone(api: Api) -> None:
    before = os.umask(0)
    try:
        path = file_of(api.folder, "A-1", bad=True)
        for name in ("orders.rejects.csv", "r.html", "export.csv", "export.jsonl"):
            (api.folder / name).write_text("older")
            (api.folder / name).chmod(0o666)
        more = ("--report", "r.html", "--save-mapping", "m.toml", "--drift", "d.json")
        api.octoffm("orders", "create", path, *ORDERS, *more)
        run = json.loads(api.octoffm("jobs", "list", "--journal", "orders.journal", "--json").out)["run"]
        for form in ("csv", "jsonl"):
            api.octoffm("jobs", "export", run, "--journal", "orders.journal", f"--{form}", "-o", f"export.{form}")
        api.octoffm("jobs", "backup", "orders.journal", "backup")
    finally:
        os.umask(before)
    written = [one for one in api.folder.rglob("*") if one != path and one.is_file()]
    assert len(written) >= 8
    assert {one.name: oct(stat.S_IMODE(one.stat().st_mode)) for one in written} == {
        one.name: "0o600" for one in written
    }


DAMAGING: dict[str, Callable[[Api], Any]] = {
    "orders.rejects.csv": lambda api: api.octoffm("orders", "create", "orders.csv", *ORDERS),
    "r.html": lambda api: api.octoffm("orders", "create", "orders.csv", *ORDERS, "--report", "r.html"),
    "m.toml": lambda api: api.octoffm("orders", "create", "orders.csv", *ORDERS, "--save-mapping", "m.toml"),
    "orders.journal.drift.json": lambda api: api.octoffm("orders", "create", "orders.csv", *ORDERS),
    "orders.journal.lock": lambda api: api.octoffm("orders", "create", "orders.csv", *ORDERS),
    "d.json": lambda api: api.octoffm("orders", "list", "--drift", "d.json"),
    "s.csv": lambda api: api.octoffm("stocks", "export", "-o", "s.csv"),
    "s.csv.part": lambda api: api.octoffm("stocks", "export", "-o", "s.csv"),
    "s.jsonl": lambda api: api.octoffm("stocks", "export", "-o", "s.jsonl"),
    "s.parquet": lambda api: api.octoffm("stocks", "export", "-o", "s.parquet"),
    "c.json": lambda api: api.octoffm("contract", "export", "-o", "c.json"),
    "probe/shapes.json": lambda api: api.octoffm("contract", "probe", "--out", "probe"),
    "probe/contract.toml": lambda api: api.octoffm("contract", "probe", "--out", "probe"),
    "demo.rejects.csv": lambda api: api.octoffm(
        "demo", "--products", "1", "--orders", "0", "--rejects", "demo.rejects.csv"
    ),
}


@pytest.mark.parametrize("name", DAMAGING)
def test_no_file_of_ours_follows_a_link(api: Api, name: str) -> None:
    file_of(api.folder, "A-1", bad=True)
    victim, link = api.folder / "victim", api.folder / name
    victim.write_text("mine")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(victim)
    DAMAGING[name](api)
    assert victim.read_text() == "mine"
    assert {one.name for one in link.parent.iterdir() if one.name.startswith(".")} == set()
