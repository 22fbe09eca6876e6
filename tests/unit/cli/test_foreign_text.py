"""Texts of an API, of files and of their names, in all that the command prints: nothing in it moves a terminal."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.cli.app import run

from .conftest import COMMAND

EVIL = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202eevil\u200b\u2028\r\noctoffm: all is well\x7f\U000e0041"
OBEYED = ("\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\u2028", "\r", "\x7f", "\U000e0041")


class Nasty(BaseHTTPRequestHandler):
    """Tokens are good; lists hold nasty values if ``good`` is set, and all else is refused with a nasty text."""

    protocol_version = "HTTP/1.1"
    good = False

    def do_GET(self) -> None:
        row: dict[str, Any] = dict.fromkeys(("reference", "carrier", "comment", "city", "refusal"), EVIL)
        row |= {"id": "x-1", "returnId": "x-1", "outboundShipmentId": "x-1", "inboundShipmentId": "x-1", "gtin": EVIL}
        row |= {"status": EVIL, "type": EVIL, "state": EVIL, "sellerProductReference": EVIL, "productState": EVIL}
        self.answer(200, [row]) if self.good else self.refuse()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        if "token" in self.path:
            self.answer(200, {"access_token": "T0KEN-secret", "expires_in": 3600})
        else:
            self.refuse()

    def refuse(self) -> None:
        self.answer(400, {"title": EVIL, "status": 400, "detail": f"firstName '{EVIL}'", "errors": {EVIL: [EVIL]}})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


Said = pytest.CaptureFixture[str]


@pytest.fixture
def nasty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Nasty]]:
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)

    class Handler(Nasty):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        names = {
            "BASE_URL": base,
            "TOKEN_URL": f"{base}/token",
            "CLIENT_ID": "c",
            "CLIENT_SECRET": "hush-hush",
            "SELLER_ID": "1",
        }
        for name, value in names.items():
            monkeypatch.setenv(f"OCTOFFM_{name}", value)
        monkeypatch.chdir(tmp_path)
        yield Handler
        server.shutdown()


def safe(text: str) -> bool:
    forged = any(line.startswith("octoffm: all is well") for line in text.split("\n"))
    return not forged and not any(sign in text for sign in OBEYED)


READING = (
    ["orders", "list"],
    ["returns", "list"],
    ["inbound", "list"],
    ["stocks", "list"],
    ["products", "references"],
    ["orders", "show", "x-1"],
    ["returns", "show", "x-1"],
    ["stocks", "show", "x-1"],
    ["auth", "check"],
)
CHANGING = (
    ["orders", "cancel", "x-1"],
    ["returns", "create", "--reference", EVIL, "--reason", EVIL, "--line", "A=1"],
    ["returns", "label", "x-1"],
)


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("arguments", [*READING, *CHANGING], ids=lambda words: " ".join(words[:2]))
def test_refusals_of_the_api(nasty: type[Nasty], capsys: Said, arguments: list[str], more: list[str]) -> None:
    assert run([*arguments, *more]) != 0
    out, err = capsys.readouterr()
    assert safe(out), out
    assert safe(err), err
    assert "evil" in out + err or arguments[1] == "label"


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("arguments", READING[:5], ids=" ".join)
def test_rows_of_the_api(nasty: type[Nasty], capsys: Said, arguments: list[str], more: list[str]) -> None:
    nasty.good = True
    assert run([*arguments, *more]) == 0
    out, err = capsys.readouterr()
    assert safe(out), out
    assert safe(err), err
    if more:
        assert EVIL in json.loads(out).values()  # exact all the same


def test_log_lines(nasty: type[Nasty], capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    nasty.good = True
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert run(["-v", "orders", "list"]) == 0
    nasty.good = False
    run(["-v", "orders", "list"])
    _, err = capsys.readouterr()
    assert "evil" in err
    assert safe(err), err


@pytest.mark.parametrize(
    "name", [f"{EVIL.replace('/', '')}.csv", "a\nb.csv", "\udce9.csv"], ids=["evil", "line", "byte"]
)
def test_names_and_cells_of_files(nasty: type[Nasty], capsys: Said, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(f"reference;{EVIL!r};quantity\n'{'x' * 20}\x1b[2J\u202e;y;z\x9b\n", encoding="utf-8", newline="")
    for more in ([], ["--dry-run"], ["--dry-run", "--json"], ["--report", "r.html"], ["--mapping", name]):
        run(["orders", "create", str(path), "--map", "first_name=none\x1b[2J", *more])
        run(["orders", "create", str(path), "--map", "first_name=reference", *more])
        run(["stocks", "lookup", str(path), "--map", "seller_product_reference=reference"])
        run(["jobs", "list", "--journal", str(path)])
        run(["contract", "check", str(path)])
        run(["contract", "drift", str(path)])
        run(["auth", "check", "--env-file", str(path)])
    out, err = capsys.readouterr()
    assert safe(out), out
    assert safe(err), err


def test_an_api_description(capsys: Said, tmp_path: Path) -> None:
    operation = {"operationId": EVIL, "summary": EVIL, "description": EVIL, "responses": {"200": {"description": EVIL}}}
    schema = {
        "type": "object",
        "properties": {EVIL: {"type": "string"}, "reference": {"type": "string", "enum": [EVIL]}},
    }
    body = {"content": {"application/json": {"schema": schema}}}
    paths = {f"/{EVIL}": {"get": operation}, "/outbound-shipments": {"post": operation | {"requestBody": body}}}
    described = {"openapi": "3.0.0", "info": {"title": EVIL, "version": EVIL}, "paths": paths}
    path = tmp_path / "api.json"
    path.write_text(json.dumps(described))
    for command in ("check", "adopt"):
        for more in ([], ["--json"]):
            run(["contract", command, str(path), *more])
            out, err = capsys.readouterr()
            assert safe(out), out
            assert safe(err), err


@pytest.mark.parametrize("arguments", [["orders", "list"], ["orders", "show", "x-1"], ["orders", "list", "--json"]])
def test_a_terminal_gets_our_own_styles_only(nasty: type[Nasty], arguments: list[str]) -> None:
    nasty.good = arguments[1] == "list"
    end, other = pty.openpty()
    process = subprocess.Popen([*COMMAND, *arguments], stdout=other, stderr=other, env=os.environ | {"TERM": "xterm"})
    os.close(other)
    shown = b""
    try:
        while chunk := os.read(end, 65536):
            shown += chunk
    except OSError:  # the terminal has gone with its process
        pass
    process.wait(20)
    os.close(end)
    text = shown.decode().replace("\r\n", "\n")
    for own in ("\x1b[1m", "\x1b[0m"):
        text = text.replace(own, "")
    assert safe(text), text
    assert "evil" in text
