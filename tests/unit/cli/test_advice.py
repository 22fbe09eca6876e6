"""Errors that teach: each entry of the table, met by a real error where the sandbox can make it."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

import octoffm_async
from octoffm_async import (
    AnswerTimeoutError,
    AuthenticationError,
    BadRequestError,
    BadRowError,
    CircuitOpenError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    CredentialsRefusedError,
    InboundShipmentRequest,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    ShipmentLine,
    StatusUnreachableError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
)
from octoffm_async.cli.advice import ADVICE, advice_for
from octoffm_async.cli.app import octoffm
from octoffm_async.contract.requests.checks import FieldProblem
from octoffm_async.errors import CallError
from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.world.stock_movements import deactivate

TEXTS = {advice.name: advice.text for advice in ADVICE}
PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"


def of(error: CallError, operation: str) -> CallError:
    error.operation = operation
    return error


def unknown() -> CallError:
    error = ConnectionLostError("lost")
    error.outcome_unknown = True
    return error


def invalid(field: str, reason: str) -> ValidationError:
    return ValidationError("x", problems=[FieldProblem(field, "1", reason)])


CASES = [
    ("outcome unknown", unknown()),
    ("setting missing", ConfigurationError("not set in the environment: OCTOFFM_CLIENT_ID")),
    ("clock wrong", TLSError("no TLS connection to x: certificate is not yet valid")),
    ("clock wrong", TLSError("no TLS connection to x: certificate has expired")),
    ("clock wrong", AuthenticationError("401 Unauthorized: Token is not active (nbf)")),
    ("clock wrong", CredentialsRefusedError("401 invalid_client: Token used before iat")),
    ("wrong secret", CredentialsRefusedError("401 unauthorized_client: Invalid client or Invalid client credentials")),
    ("token refused", AuthenticationError("401 Unauthorized: The bearer token is missing")),
    ("proxy asks for a password", BadRequestError("407 Proxy Authentication Required", status=407, body=PAGE)),
    ("proxy asks for a password", ConnectError.of_proxy("a proxy refused to connect to x: 407", 407)),
    ("proxy forbids", ConnectError.of_proxy("a proxy refused to connect to x: 403", 403)),
    ("proxy cannot connect", ConnectError.of_proxy("a proxy refused to connect to x: 502", 502)),
    ("proxy cannot connect", ConnectError.of_proxy("a proxy refused to connect to x: 302", 302)),
    ("proxy in between", ServerError("503 Service Unavailable", status=503, body=PAGE)),
    ("proxy in between", NotFoundError("404 Not Found", status=404, body="<html><head>")),
    ("proxy in between", UnusableAnswerError("the answer (200, text/html, 91 bytes) cannot be used: not JSON")),
    ("certificate", TLSError("no TLS connection to x: self-signed certificate in certificate chain")),
    ("no connection", ConnectError("no connection to x: Connection refused")),
    ("seller not linked", PermissionDeniedError("403 Forbidden")),
    ("too late to cancel", of(ConflictError("409 Conflict"), "outbound.request_cancellation")),
    ("document too early", of(NotReadyError("404 Not Found"), "inbound.delivery_note")),
    ("no label", of(NotReadyError("404 Not Found"), "returns.label")),
    ("unknown id", of(NotFoundError("404 Not Found"), "outbound.get")),
    (
        "product not registered",
        StatusUnreachableError("it is Refused (UnknownProduct: Product 'P' is not registered.)"),
    ),
    ("out of stock", StatusUnreachableError("it is Refused (InsufficientStock: 2 of 5)")),
    ("country not activated", UnprocessableError("422: storageCountry: ES is not activated for this seller")),
    ("not what was shipped", of(UnprocessableError("422: 'P' was not in this shipment."), "returns.create")),
    ("order not found", of(UnprocessableError("422: not known"), "returns.create")),
    ("wrong gtin", invalid("gtin", "the check digit is 1, not 2")),
    ("filters exclude each other", invalid("sort", "cannot be combined with delivery_country")),
    ("too many calls", RateLimitedError("429 Too Many Requests")),
    ("api down", ServerError("500 Internal Server Error")),
    ("api down", CircuitOpenError("calls are held back")),
    ("too slow", AnswerTimeoutError("x did not answer in time")),
    ("too slow", OverloadedError("its turn would come too late")),
    ("row without identity", BadRowError("1 of 3 rows cannot be told apart: row 1: it has no id")),
    ("answer not understood", UnusableAnswerError("the answer (200, application/json, 2 bytes) cannot be used")),
]


@pytest.mark.parametrize(("name", "error"), CASES, ids=[f"{name}-{type(error).__name__}" for name, error in CASES])
def test_an_error_gets_its_advice(name, error):
    assert advice_for(error) == TEXTS[name]


def test_every_entry_is_met_and_none_is_there_twice():
    assert {name for name, _ in CASES} == set(TEXTS)
    assert len(TEXTS) == len(ADVICE)


def test_what_says_all_itself_gets_no_advice():
    assert advice_for(ValueError("x")) == ""
    assert advice_for(invalid("limit", "is not a whole number")) == ""


def test_commands_that_are_advised_exist():
    groups = {name: group for name, group in octoffm.commands.items() if isinstance(group, click.Group)}
    named = re.findall(rf"octoffm ({'|'.join(groups)}) ([a-z-]+)", "\n".join(TEXTS.values()))
    assert len(named) > 10
    assert [f"{group} {command}" for group, command in named if command not in groups[group].commands] == []


def test_a_wrong_secret_is_one_call_and_one_advice(api, monkeypatch):
    monkeypatch.setenv("OCTOFFM_CLIENT_SECRET", "not-it")
    done = api.octoffm("auth", "check")
    assert done.code == 2
    assert done.err.splitlines()[1].strip() == TEXTS["wrong secret"]
    assert "not-it" not in done.err


def test_a_seller_that_is_not_linked(api):
    done = api.octoffm("auth", "check", "--seller", "1")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[1].strip() == TEXTS["seller not linked"]


@pytest.mark.parametrize("group", ["inbound", "stocks", "orders", "returns"])
def test_an_unknown_id(api, group):
    done = api.octoffm(group, "show", "00000000-0000-0000-0000-000000000000")
    assert (done.code, done.out) == (1, "")
    assert "404" in done.err
    assert done.err.splitlines()[1].strip() == TEXTS["unknown id"]


def test_no_connection(api, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("OCTOFFM_TOKEN_URL", f"http://127.0.0.1:{port}/token")
    done = api.octoffm("auth", "check", "--timeout", 1)
    assert done.code == 1
    assert done.err.splitlines()[1].strip() == TEXTS["no connection"]


def test_a_proxy_in_between(api):
    api.sandbox.next_fault(Fault.UNAVAILABLE_HTML, operation="stocks.list", times=10)
    done = api.octoffm("stocks", "list", "--timeout", 1)
    assert done.code == 1
    assert done.err.splitlines()[1].strip() == TEXTS["proxy in between"]


def test_a_country_that_is_not_activated(api):
    api.sandbox.run(lambda sandbox: deactivate(sandbox._state.world, None, "ES"))
    line = ShipmentLine(quantity=1, seller_product_reference="SKU-000001")
    request = InboundShipmentRequest(reference="S", storage_country="ES", lines=[line])
    with pytest.raises(PermissionDeniedError) as raised:
        api.do(lambda client: client.inbound.create(request))
    assert advice_for(raised.value) == TEXTS["country not activated"]


def test_settings_that_are_missing(api, monkeypatch):
    monkeypatch.delenv("OCTOFFM_CLIENT_ID")
    done = api.octoffm("stocks", "list")
    assert done.code == 2
    assert "not set in the environment: OCTOFFM_CLIENT_ID" in done.err
    assert done.err.splitlines()[1].strip() == TEXTS["setting missing"]


def test_an_old_python_is_reported_before_anything_else_is_imported():
    source = Path(octoffm_async.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    script = "import sys; sys.version_info = (3, 9, 1); sys.version = '3.9.1 (main)'; import octoffm_async"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: octoffm_async needs Python 3.11 or later, and this is 3.9.1 (")
