import asyncio
import signal
import socket
import stat
import subprocess
import sys

import pytest

from octoffm_async import Config, FulfillmentClient
from octoffm_async.sandbox.control.verbs import CONTROL_ROUTES
from octoffm_async.sandbox.spelling.styles import style_table

from ..conftest import COMMAND

VARIABLES = ["CLIENT_ID", "CLIENT_SECRET", "SELLER_ID", "BASE_URL", "TOKEN_URL"]
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="no signals to send")


def serve(*arguments: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "sandbox", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def exported(running: subprocess.Popen[str]) -> dict[str, str]:
    assert running.stdout is not None
    lines = [running.stdout.readline().removesuffix("\n") for _ in VARIABLES]
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


@needs_signals
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_environment_answers_and_ends_well(ending):
    async def call(environment: dict[str, str]) -> float:
        async with FulfillmentClient(Config.from_env(environment)) as client:
            return await client.check()

    with serve("--seed", "3", "--token-life", "300", "--limit", "100/1") as running:
        environment = exported(running)
        assert list(environment) == [f"OCTOFFM_{name}" for name in VARIABLES]
        assert asyncio.run(call(environment)) == pytest.approx(300, abs=60)
        running.send_signal(ending)
        rest, errors = running.communicate(timeout=20)
    assert (running.returncode, rest) == (0, "")
    assert errors.splitlines()[-1] == "octoffm: the sandbox has stopped"


@needs_signals
def test_it_begins_with_products_and_goes_on_from_its_state(tmp_path):
    async def look(environment: dict[str, str]) -> list[int]:
        async with FulfillmentClient(Config.from_env(environment)) as client:
            return [stock.quantities.available async for stock in client.stocks.list()]

    state = tmp_path / "state"
    for arguments in (["--products", "3", "--stock", "7"], ["--products", "9"]):
        with serve("--state", str(state), *arguments) as running:
            assert asyncio.run(look(exported(running))) == [7, 7, 7]
            running.send_signal(signal.SIGTERM)
            _, errors = running.communicate(timeout=20)
        assert running.returncode == 0, errors
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


@needs_signals
def test_it_names_the_address_of_its_page():
    with serve() as running:
        environment = exported(running)
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=20)
    page = environment["OCTOFFM_BASE_URL"].removesuffix("seller/v2")
    assert f"octoffm: watch it in a browser at {page}" in errors.splitlines()


def test_its_help_describes_every_control_route_in_lines_that_fit(octoffm):
    done = octoffm("sandbox", "--help")
    assert done.returncode == 0
    for verb in CONTROL_ROUTES:
        assert f"{verb.method:<4} {verb.route} " in done.stdout
        assert verb.example in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_foreign_state_file_is_reported_in_one_line_and_left_alone(octoffm, tmp_path):
    diary = tmp_path / "diary"
    diary.write_text("Dear diary\n")
    done = octoffm("sandbox", "--state", diary)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"octoffm: state file {diary} is not a state file of the sandbox\n"
    assert diary.read_text() == "Dear diary\n"


@pytest.mark.parametrize("wrong", [["--products", "-1"], ["--stock", "many"]])
def test_a_wrong_number_is_reported(octoffm, wrong):
    done = octoffm("sandbox", *wrong)
    assert done.returncode == 2
    assert wrong[0] in done.stderr


def test_a_port_that_is_taken_is_reported_in_one_line(octoffm):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = octoffm("sandbox", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"octoffm: cannot serve on port {port}: ")
    assert done.stderr.count("\n") == 1


@needs_signals
def test_it_has_the_sellers_and_the_style_that_were_asked_for():
    async def look(environment: dict[str, str]) -> tuple[str, bytes]:
        async with FulfillmentClient(Config.from_env(environment)) as client:
            answer = await client.request("GET", "/sellers")
            return environment["OCTOFFM_SELLER_ID"], answer.body

    with serve("--sellers", "7, 8", "--style", "names=pascal", "--style", "ids=integer") as running:
        assert asyncio.run(look(exported(running))) == ("7", b'{"Items":[{"SellerId":7},{"SellerId":8}]}')
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--style", "names=kebab"], "camel, pascal, snake"),
        (["--style", "nmes=pascal"], "list, links, creation"),
        (["--style", "names=snake", "--style", "names=camel"], "more than once"),
        (["--sellers", ","], "--sellers"),
    ],
)
def test_a_wrong_form_is_reported_with_those_there_are(octoffm, arguments, said):
    ended = octoffm("sandbox", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_help_shows_all_forms(octoffm):
    shown = octoffm("sandbox", "--help").stdout
    assert style_table().splitlines()[0].strip() in shown
    assert "  empty      list, null, 204" in shown
