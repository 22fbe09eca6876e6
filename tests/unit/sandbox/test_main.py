"""``python -m octoffm_async.sandbox``."""

import argparse
import asyncio
import json
import signal
import sys

import pytest

from octoffm_async.sandbox.__main__ import parse_limit


async def run(*options: str, stdin: int = asyncio.subprocess.DEVNULL) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "octoffm_async.sandbox", *options)
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_greets_in_one_line_serves_and_ends_on_a_signal(number: signal.Signals) -> None:
    child = await run()
    assert child.stdout is not None
    greeting = json.loads(await child.stdout.readline())
    assert set(greeting) == {"base_url", "token_url", "control_url", "client_id", "client_secret", "seller_id"}
    reader, writer = await asyncio.open_connection("127.0.0.1", int(greeting["base_url"].split(":")[2].split("/")[0]))
    writer.write(b"GET /_sandbox/stats HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).endswith(b"200 OK\r\n")
    writer.close()
    await writer.wait_closed()
    child.send_signal(number)
    assert await child.communicate() == (b"", b"")
    assert child.returncode == 0


async def test_ends_with_its_input_on_request() -> None:
    child = await run("--exit-with-parent", stdin=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    await child.stdout.readline()
    assert await child.communicate(b"anything") == (b"", b"")
    assert child.returncode == 0


async def test_a_wrong_option_says_what_is_wrong() -> None:
    child = await run("--limit", "many")
    assert b"'many' is not N/T" in (await child.communicate())[1]
    assert child.returncode == 2


def test_a_limit_is_requests_per_seconds() -> None:
    assert parse_limit("100/1") == (100, 1.0)
    assert parse_limit("5/0.5") == (5, 0.5)
    for text in ("", "5", "5/", "a/1", "0/1", "1/0"):
        with pytest.raises(argparse.ArgumentTypeError):
            parse_limit(text)
