import asyncio
import signal
import socket
import subprocess
import sys

import pytest

from octoffm_async import Config, FulfillmentClient

from .conftest import COMMAND

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


def test_a_port_that_is_taken_is_told_in_one_line(octoffm):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = octoffm("sandbox", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"octoffm: cannot serve on port {port}: ")
    assert done.stderr.count("\n") == 1
