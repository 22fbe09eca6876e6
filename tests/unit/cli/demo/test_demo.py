import csv
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import COMMAND

CATALOGUE = Path(__file__).parents[4] / "examples" / "catalogue.csv"
MAPPED = ("--catalogue", CATALOGUE, "--map", "gtin=ean", "--map", "title=name")
FAST = ("--rate", "1000/1", "--orders", "60")


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_made_up_products_go_all_the_way(octoffm):
    done = octoffm("demo", "--products", "250", *FAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert "register: 250 created" in done.stdout
    assert "lookup: 250 found" in done.stdout
    assert "ship: 60 created" in done.stdout
    assert "59 shipped" in done.stdout
    assert "1 refused" in done.stdout
    assert "export OCTOFFM_CLIENT_ID=" in done.stdout


def test_output_in_a_pipe_is_plain_text(octoffm):
    done = octoffm("demo", "--products", "5", "--orders", "2")
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert not any(line.endswith(" ") for line in done.stdout.splitlines() if "seconds" in line)


def test_every_row_of_a_catalogue_is_sent_or_reported(octoffm, tmp_path):
    done = octoffm("demo", *MAPPED, *FAST)
    assert done.returncode == 0
    assert "194 sent + 6 reported = 200" in done.stdout
    with (tmp_path / "catalogue.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        reported = {row["octoffm_line"]: row["octoffm_reason"] for row in csv.DictReader(file)}
    fields = {"25": "gtin", "59": "title", "93": "seller_product_reference", "120": "weight_g", "152": "height_cm"}
    fields["179"] = "height_cm"
    assert [*reported] == [*fields]
    assert all(field in reported[line] for line, field in fields.items())


def test_json_is_one_object_a_line(octoffm):
    done = octoffm("demo", *MAPPED, *FAST, "--json", "--rejects", "mine.csv")
    *steps, summary = events(done.stdout)
    assert [step["step"] for step in steps] == ["register", "stock", "lookup", "ship", "follow"]
    assert steps[0]["counts"] == {"created": 194, "rejected": 6}
    assert steps[3]["calls"] == 60
    assert steps[4]["counts"] == {"refused": 1, "shipped": 59}
    assert summary["rows"] == {"total": 200, "sent": 194, "reported": 6}
    assert summary["rejects_file"] == "mine.csv"
    assert summary["peak_memory_MiB"]


def test_what_the_api_refuses_is_reported_with_its_line(octoffm, tmp_path):
    long = "x" * 133
    (tmp_path / "c.csv").write_text(f"gtin,title\n4006381333931,Pen\n96385074,{long}\n")
    done = octoffm("demo", "--catalogue", "c.csv", "--orders", "3", "--json")
    assert done.returncode == 0
    assert events(done.stdout)[-1]["rows"] == {"total": 2, "sent": 1, "reported": 1}
    with (tmp_path / "c.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["octoffm_line"], row["gtin"]) == ("3", "96385074")
    assert "133 characters" in row["octoffm_reason"]


def test_nothing_to_sell_means_nothing_to_ship(octoffm, tmp_path):
    (tmp_path / "c.csv").write_text("gtin,title\n123,Pen\n")
    done = octoffm("demo", "--catalogue", "c.csv", "--json")
    assert done.returncode == 0
    assert [event.get("counts") for event in events(done.stdout)][3:5] == [{}, {}]


def test_the_same_seed_makes_the_same_catalogue_and_orders(octoffm):
    first, second = (events(octoffm("demo", "--products", 20, "--orders", 9, "--json").stdout) for _ in range(2))
    assert [event.get("counts") for event in first] == [event.get("counts") for event in second]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--catalogue", "none.csv"), f"cannot read none.csv: {os.strerror(errno.ENOENT)}"),
        ((*MAPPED[:2], "--map", "gtin=barcode", "--map", "title=name"), "has no column barcode; there are ean, name"),
        ((*MAPPED[:2], "--map", "gtn=ean"), "no field gtn; there are gtin, "),
        ((*MAPPED, "--set", "origin_country=FR", "--set", "is_traceable=maybe"), "is_traceable = 'maybe'"),
        ((*MAPPED, "--rejects", CATALOGUE), "would overwrite the catalogue"),
        ((*MAPPED, "--rejects", "no-such-folder/r.csv"), "there is no folder no-such-folder"),
    ],
    ids=["missing file", "unknown column", "unknown field", "bad constant", "rejects over catalogue", "no folder"],
)
def test_a_mistake_is_one_line_and_code_2(octoffm, arguments, message):
    done = octoffm("demo", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("octoffm: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_verbose_shows_the_traceback(octoffm):
    done = octoffm("-v", "demo", "--catalogue", "none.csv")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("octoffm: cannot read")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_ends_it_with_130_and_leaves_no_process(tmp_path):
    command = [*COMMAND, "demo", "--orders", "5000"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("lookup"):
                break
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does it: to the whole group
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 130
    assert errors.strip() == "octoffm: interrupted"
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


def test_a_reader_that_leaves_early_is_no_disaster(tmp_path):
    with subprocess.Popen(
        [*COMMAND, "demo", "--products", "10", "--orders", "3"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr is not None
        errors = running.stderr.read()
    assert running.returncode == 141
    assert "Traceback" not in errors
