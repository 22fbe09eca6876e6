import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from octoffm_async import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    RateLimitedError,
    ServerError,
    ValidationError,
)
from octoffm_async.cli.app import octoffm as group
from octoffm_async.cli.app import run
from octoffm_async.cli.errors import ExitCode, code_of, details_of, headline_of, line_of, without_call_details
from octoffm_async.errors import NO_USE
from octoffm_async.sandbox import Fault, SandboxStartError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--map", "gtin"], "'gtin' is not FIELD="),
        (["demo", "--map", "gtin="], "'gtin=' is not FIELD="),
        (["demo", "--catalogue", "x", "--map", "gtin=a", "--map", "gtin=b"], "gtin is given more than once"),
        (["demo", "--map", "gtin=a"], "--map and --set need a --catalogue"),
        (["demo", "--orders", "-1"], "--orders"),
        (["demo", "--products", "0"], "--products"),
        (["demo", "--rate", "5"], "'5' is not N/T"),
        (["demo", "--rate", "0/1"], "both numbers must be above zero"),
        (["sandbox", "--token-life", "0"], "--token-life"),
        (["sandbox", "--retry-after", "never"], "--retry-after"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_usage_error_is_one_line_that_points_to_the_help(octoffm):
    done = octoffm("demo", "--orders", "x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("(see: octoffm demo --help)\n")


def test_without_a_command_the_help_is_shown(octoffm):
    done = octoffm()
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert "sandbox" in done.stdout


def test_a_group_without_a_command_shows_its_help_in_lines(capsys):
    assert run(["jobs"]) == ExitCode.USAGE
    shown = capsys.readouterr().err
    assert not shown.startswith("octoffm: ")
    assert {"backup", "settle"} <= {line.split()[0] for line in shown.splitlines() if line.strip()}


def test_an_unknown_command_is_told_those_that_there_are(capsys):
    assert run(["orders", "get"]) == ExitCode.USAGE
    assert "(there are cancel, create, follow, list, mappings, show; see: octoffm orders" in capsys.readouterr().err
    assert run(["orders", "--dry-run"]) == ExitCode.USAGE
    assert "there are" not in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["click", "rich", "yaml"])
def test_without_the_extra_it_says_what_to_install(missing):
    script = f"import sys; sys.modules[{missing!r}] = None; from octoffm_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert done.stderr == f"octoffm: {missing} is missing: pip install 'octoffm-async[cli]'\n"


def test_the_rest_of_the_package_needs_neither_click_nor_rich():
    script = (
        "import sys, octoffm_async, octoffm_async.tabular.product_rows; print({'click', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "set()\n"


def lost() -> ConnectionLostError:
    error = ConnectionLostError("lost")
    error.outcome_unknown = True
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), ExitCode.USAGE),
        (ValidationError("order"), ExitCode.USAGE),
        (AuthenticationError("x"), ExitCode.USAGE),
        (click.UsageError("x"), ExitCode.USAGE),
        (RateLimitedError("x"), ExitCode.REFUSED),
        (SandboxStartError("x"), ExitCode.REFUSED),
        (ConnectionLostError("x"), ExitCode.REFUSED),
        (lost(), ExitCode.UNDECIDED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.name,
)
def test_errors_have_their_codes(error, code):
    assert code_of(error) == code


def test_an_error_of_many_lines_is_reported_in_one():
    assert line_of(SandboxStartError("it ended\nwith this\n")) == "it ended with this"


def test_what_only_helps_to_look_into_a_call_stands_apart():
    error = ServerError(f"500 Oops ({NO_USE})", status=500, trace_id="00-aa-bb-00")
    error.operation, error.seller_id, error.attempts, error.outcome_unknown = "outbound.create", "12345", 2, True
    assert line_of(error) == "OUTCOME UNKNOWN: 500 Oops"
    assert without_call_details(str(error)) == headline_of(error) == "500 Oops"
    assert details_of(error) == "outbound.create, seller 12345, 2 attempts, trace 00-aa-bb-00"
    assert (
        without_call_details("Product 'x [y]' (blue) is not registered.") == "Product 'x [y]' (blue) is not registered."
    )
    assert details_of(ValueError("x")) == ""
    assert line_of(ConfigurationError()) == "ConfigurationError"


def last_error(capsys) -> dict[str, object]:
    out, err = capsys.readouterr()
    assert out == ""
    return json.loads(err.splitlines()[-1])


def test_under_json_an_error_is_json_too(api, capsys):
    assert run(["orders", "show", "no-such-id", "--json"]) == 1
    found = last_error(capsys)
    assert (found["event"], found["error"], found["exit_code"]) == ("error", "NotFoundError", 1)
    assert (found["operation"], found["status"], found["attempts"]) == ("outbound.get", 404, 1)
    assert found["outcome_unknown"] is False
    words = ["returns", "create", "--order", "O", "--reason", "Retraction", "--line", "P=1", "--json"]
    api.sandbox.next_fault(Fault.RESET_AFTER, operation="returns.create")
    assert run(words) == 3
    assert last_error(capsys)["outcome_unknown"] is True
    assert run(["products", "add-reference", "--gtin", "12345678", "--reference", "R", "--json"]) == 2
    assert last_error(capsys)["problems"][0]["field"] == "gtin"
    assert run(["orders", "list", "--json", "--max-items", "many"]) == 2
    assert "'many' is not" in last_error(capsys)["message"]


def test_quiet_leaves_results_and_errors(api, capsys):
    for words in (["-q", "orders", "list"], ["orders", "list", "--quiet"]):
        assert run(words) == 0
        assert capsys.readouterr() == ("", "")
    assert run(["orders", "list"]) == 0
    assert "no shipping order matches" in capsys.readouterr().err
    assert run(["stocks", "list", "-q"]) == 0
    assert capsys.readouterr().out.count("\n") == 4
    assert run(["orders", "show", "no-such-id", "-q"]) == 1
    assert "octoffm: " in capsys.readouterr().err
