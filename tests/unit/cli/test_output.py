"""Tables that stream, facts, and JSON lines."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from fcntl import ioctl
from termios import TIOCSWINSZ
from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest

from octoffm_async.cli.app import octoffm
from octoffm_async.cli.output import (
    ROWS_MEASURED,
    Column,
    TablePrinter,
    as_fields,
    cell,
    print_facts,
    print_json_line,
    quantity_of,
    received_of,
)
from octoffm_async.cli.rows.target import RowKind, RowTarget, open_rows
from octoffm_async.contract.outbound import OutboundShipment, OutboundStatus
from octoffm_async.contract.stocks import Stock

from .conftest import COMMAND


class Row(NamedTuple):
    name: object
    count: object = 0


COLUMNS = (Column("name", "name"), Column("count", "count", right=True))


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_table_is_as_wide_as_its_first_rows_need(capsys):
    rows = TablePrinter(COLUMNS)
    rows.add(Row("a", 7))
    rows.add(Row("longer", 12345678))
    assert lines(capsys) == []
    rows.close()
    assert lines(capsys) == ["name       count", "a              7", "longer  12345678"]


def test_wide_letters_take_two_places_and_control_characters_none(capsys):
    rows = TablePrinter(COLUMNS)
    for row in (Row("日本", 1), Row("abcd", 2), Row("\x1b[2J\nx", 3)):
        rows.add(row)
    rows.close()
    out = lines(capsys)
    assert out[1:3] == ["日本        1", "abcd        2"]
    assert "\x1b" not in out[3]


def test_a_long_table_streams(capsys):
    rows = TablePrinter(COLUMNS)
    for number in range(ROWS_MEASURED - 1):
        rows.add(Row(f"r{number}"))
    assert lines(capsys) == []
    rows.add(Row("last of the first"))
    assert len(lines(capsys)) == ROWS_MEASURED + 1
    rows.add(Row("a name that is longer than all before it"))
    assert lines(capsys) == ["a name that is longer than all before it      0"]
    rows.close()
    assert lines(capsys) == []


def test_an_error_on_the_way_loses_no_row(capsys):
    kind = RowKind("row", "rows", {}, COLUMNS)

    def rows() -> Iterator[Row]:
        yield Row("a")
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"), open_rows(RowTarget(), kind, as_json=False) as write:
        write(rows())
    assert lines(capsys) == ["name  count", "a         0"]


def test_facts_leave_out_what_is_not_known(capsys):
    print_facts({"id": "1", "reference": None, "status": "", "made": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)})
    assert lines(capsys) == ["id    1", "made  2026-01-02 03:04:05"]


def test_json_carries_what_only_an_escape_can_hold(capsys):
    print_json_line({"a": "\ud800", "b": ["\udfff", 1], "c": {"d": "ok"}})
    assert json.loads(capsys.readouterr().out) == {"a": "\ud800", "b": ["\udfff", 1], "c": {"d": "ok"}}


def test_json_has_the_names_and_values_of_the_library(capsys):
    told = {"id": "1", "quantities": {"Return": 3}, "somethingNew": {"a": [1]}}
    stock = msgspec.convert(told, Stock)
    order = OutboundShipment(outbound_shipment_id="1", status=OutboundStatus("Teleported"))
    for item in (stock, order):
        print_json_line(as_fields(item))
        assert json.loads(capsys.readouterr().out) == item.to_dict()


@pytest.mark.parametrize(
    ("numbers", "total"), [([2, 3], 5), ([0], 0), ([0, 0], 0), ([2, None], None), ([None], None), ([], None)]
)
def test_a_sum_of_lines_is_reported_only_if_each_line_reports_its_part(numbers, total):
    lines = [SimpleNamespace(quantity=number, received_quantity=number) for number in numbers]
    row = SimpleNamespace(lines=lines)
    assert (quantity_of(row), received_of(row)) == (total, total)


@pytest.mark.parametrize(("value", "text"), [(None, ""), (True, "yes"), (False, "no"), (0, "0"), (12345, "12345")])
def test_cells(value, text):
    assert cell(value) == text


def on_terminal(columns: int, script: str) -> str:
    """What a script writes on a terminal that is so wide."""
    leader, follower = pty.openpty()
    ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen([sys.executable, "-c", script], stdout=follower, stderr=follower, env=environment) as child:
        child.wait(timeout=20)
    os.close(follower)
    with os.fdopen(leader, "rb", buffering=0) as file:
        return file.read(65536).decode()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_a_narrow_terminal_gets_whole_columns_only():
    script = (
        "from types import SimpleNamespace as S; from octoffm_async.cli.output import *\n"
        "rows = TablePrinter([Column('id', 'a'), Column('name', 'b'), Column('more', 'c')])\n"
        "rows.add(S(a='i' * 20, b='n' * 15, c='m' * 10)); rows.close()"
    )
    out = on_terminal(40, script).split("\r\n")
    assert out[0].startswith("\x1b[1mid")
    assert out[1:3] == ["i" * 20 + "  " + "n" * 15, "octoffm: no room for more (--json)"]
    assert "m" * 10 in on_terminal(80, script)


def test_every_command_that_calls_the_api_has_the_same_options():
    required = {"--seller", "--env-file", "--timeout", "--proxies", "--json", "--verbose"}
    for name in ("auth", "products", "inbound", "stocks", "orders", "returns"):
        for command in getattr(octoffm.commands[name], "commands").values():  # noqa: B009
            if command.name == "mappings":
                continue  # it calls nothing
            options = {text for param in command.params for text in param.opts}
            assert required <= options, command.name
            assert command.help, command.name


def test_help_describes_completion_and_completion_completes():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, encoding="utf-8", check=True)
    assert 'eval "$(_OCTOFFM_COMPLETE=bash_source octoffm)"' in done.stdout
    words = {"_OCTOFFM_COMPLETE": "bash_complete", "COMP_WORDS": "octoffm orders l", "COMP_CWORD": "2"}
    done = subprocess.run(COMMAND, env=os.environ | words, capture_output=True, encoding="utf-8", check=False)
    assert re.findall("list|show|cancel|follow|create", done.stdout) == ["list"]


def test_verbose_behind_the_command_logs_calls(api):
    environment = os.environ | api.sandbox.environment()
    command = [*COMMAND, "stocks", "list", "-v"]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert "stocks.list" in done.stderr
    assert "sandbox-secret" not in done.stderr
    assert len(done.stdout.splitlines()) == 4
