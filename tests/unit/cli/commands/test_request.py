"""``octoffm request`` against a sandbox."""

from __future__ import annotations

import io
import json

import pytest

from octoffm_async.sandbox import Fault

NEW = {"sellerProductReference": "NEW-1", "gtin": "4006381333931", "productCondition": "New"}


def test_any_call_is_made_with_token_and_query(api):
    done = api.octoffm("request", "get", "/stocks", "--query", "limit=2")
    assert (done.code, done.err) == (0, "")
    stocks = json.loads(done.out)
    assert len(stocks["items"]) == 2
    (row,) = api.octoffm("request", "GET", "/stocks", "--query", "limit=2", "--json").rows
    assert (row["status"], row["body"]) == (200, stocks)
    assert "application/json" in {name.lower(): text for name, text in row["headers"].items()}["content-type"]
    assert api.octoffm("request", "GET", "/stocks", "--query", "limit=2", "-o", "s.json").out == ""
    assert json.loads((api.folder / "s.json").read_text()) == stocks


def test_what_changes_something_is_asked_for_and_sent_once(api, monkeypatch):
    words = ("request", "POST", "/fulfillment-products", "--data", json.dumps([NEW]))
    done = api.octoffm(*words)
    assert (done.code, done.out) == (2, "")
    assert "say --yes; octoffm products create checks it" in done.err
    assert api.sandbox.stats()["tokens_issued"] == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([NEW]).encode())))
    done = api.octoffm(*words[:-1], "@-", "--yes")
    assert (done.code, json.loads(done.out)["items"][0]["status"]) == (0, "Accepted")
    api.sandbox.next_fault(Fault.RESET_AFTER, operation="products.create")
    assert api.octoffm(*words, "--yes").code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("GET", "/nothing-here"), 1, "octoffm: "),
        (("GET", "stocks"), 2, "path"),
        (("GET", "https://elsewhere.example/stocks"), 2, "path"),
        (("FETCH", "/stocks"), 2, "'FETCH' is not one of"),
        (("POST", "/returns", "--data", "{", "-y"), 2, "it is not JSON"),
        (("POST", "/returns", "--data", "@none.json", "-y"), 2, "cannot read none.json"),
        (("GET", "/stocks", "--header", "Authorization=x"), 2, "Authorization"),
    ],
)
def test_what_is_wrong_is_named(api, arguments, code, message):
    done = api.octoffm("request", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
