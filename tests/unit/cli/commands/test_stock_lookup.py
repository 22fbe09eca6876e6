"""``octoffm stocks`` where the API has several stocks of a reference, tells no number, or ignores a filter."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.cli.app import run
from tests.support.production import Production, environment

from ..remote import Said


@pytest.fixture
def octoffm(monkeypatch, capsys, tmp_path) -> Iterator[Callable[..., Said]]:
    """Runs the command against a :class:`Production`, in an empty folder."""
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        known: list[Production] = []

        def call(api: Production, *arguments: object) -> Said:
            if api not in known:
                known.append(api)
                for name, value in stack.enter_context(environment(api)).items():
                    monkeypatch.setenv(name, value)
            capsys.readouterr()
            code = run([*map(str, arguments)])
            return Said(code, *capsys.readouterr())

        yield call


@pytest.mark.parametrize("filter_", ["works", "ignored", "empty", 400])
def test_a_look_up_counts_all_stocks_and_leaves_empty_what_was_not_given(octoffm, filter_):
    api = Production(filter_)
    parts = api.product("R-37", 30, 7)
    for part in parts:
        part["localizations"] = [{"storageCountry": "FR", "quantities": part["quantities"]}]
    api.product("R-0", 0)
    (untold,) = api.product("untold", None)
    untold["localizations"] = [{"storageCountry": "ES"}]
    Path("w.csv").write_text("seller_product_reference\nR-37\nR-0\nuntold\nA-NONE\n")
    done = octoffm(api, "stocks", "lookup", "w.csv", "-o", "s.csv")
    assert done.code == 1
    rows = {row["seller_product_reference"]: row for row in csv.DictReader(io.StringIO(read("s.csv")))}
    assert {key: (row["stocks"], row["available"], row["available_by_country"]) for key, row in rows.items()} == {
        "R-37": ("2", "37", "FR=37"),
        "R-0": ("1", "0", ""),
        "untold": ("1", "", "ES=?"),
        "A-NONE": ("", "", ""),
    }
    assert rows["R-37"]["id"] == "S-0 S-1"
    octoffm(api, "stocks", "lookup", "w.csv", "-o", "s.jsonl")
    lines = {line["seller_product_reference"]: line for line in map(json.loads, read("s.jsonl").splitlines())}
    assert lines["R-37"]["quantities"]["available"] == 37
    assert [part["quantities"]["available"] for part in lines["R-37"]["stocks"]] == [30, 7]
    assert "stock" not in lines["R-37"]
    assert lines["untold"]["quantities"]["available"] is None
    assert lines["untold"]["stock"] == lines["untold"]["stocks"][0]
    done = octoffm(api, "stocks", "lookup", "w.csv")
    cells = {line.split()[0]: line.split()[2:] for line in done.out.splitlines()}
    assert cells["R-37"] == ["37", "FR=37"]
    assert cells["untold"] == ["ES=?"]


def test_a_list_of_one_reference(octoffm):
    api = Production("works")
    api.product("R-37", 30, 7)
    api.product("R-1", 1)
    done = octoffm(api, "stocks", "list", "--reference", "R-37", "--json")
    assert [row["quantities"]["available"] for row in done.rows] == [30, 7]
    done = octoffm(api, "stocks", "list", "--reference", "no such")
    assert (done.code, done.out) == (0, "")
    assert "no stock matches" in done.err


@pytest.mark.parametrize("filter_", ["ignored", 400])
def test_a_list_of_one_reference_is_refused_where_it_would_show_others(octoffm, filter_):
    api = Production(filter_)
    api.product("R-1", 1)
    done = octoffm(api, "stocks", "list", "--reference", "R-1")
    assert (done.code, done.out) == (2, "")
    assert "octoffm stocks lookup" in done.err
    assert api.calls == {"filter": 1}


@pytest.mark.parametrize("given", ["", "  "])
def test_an_empty_reference_is_refused_before_anything_is_sent(octoffm, given):
    api = Production("works")
    done = octoffm(api, "stocks", "list", "--reference", given)
    assert (done.code, done.out) == (2, "")
    assert "--reference" in done.err
    assert not api.calls


def test_an_export_names_a_reference_only_if_it_is_sure(octoffm):
    api = Production("ignored")
    api.product("A", 1)
    api.product("B", 2, product="P", productCondition="New")
    api.product("C", 3, product="P", productCondition="LikeNew")
    assert octoffm(api, "stocks", "export", "--references", "-o", "s.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(read("s.csv"))))
    assert [(row["id"], row["seller_product_reference"]) for row in rows] == [("S-0", "A"), ("S-1", ""), ("S-2", "")]


def read(name: str) -> Any:
    return Path(name).read_text(encoding="utf-8-sig")
