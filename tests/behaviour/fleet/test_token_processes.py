"""Real processes that share a token by a file: one token call for all, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import SandboxProcess
from tests.support.inside import VARIABLE
from tests.support.sharing import stored_token

pytestmark = pytest.mark.one_loop

ROOT = Path(__file__).parents[3]
LIFE = 1.0


class Peers:
    """The processes of one :mod:`tests.support.sharing`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return await self.process.stdout.readline()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def report(self) -> dict[str, Any]:
        return msgspec.json.decode(await self.line(), type=dict[str, Any])


@asynccontextmanager
async def peers(count: int, task: str, environment: dict[str, str]) -> AsyncIterator[Peers]:
    """Processes that are ready to begin; they are gone afterwards."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.sharing", task, str(count)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=pipe,
        stdout=pipe,
        start_new_session=True,
    )
    started = Peers(process)
    try:
        assert await started.line() == b"ready\n"
        yield started
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        await process.wait()


async def check_one_call_per_expiry(sharing: dict[str, str], *, tokens: int) -> None:
    """Ten processes use so many tokens."""
    async with SandboxProcess(token_life=LIFE) as sandbox:
        async with peers(10, f"use:{tokens}", sandbox.environment() | sharing) as started:
            begin = time.monotonic()
            started.go()
            reports = [await started.report() for _ in range(10)]
            took = time.monotonic() - begin
        stats = await sandbox.stats()
    # The last process may renew the token while it closes: it has saved it, and Redis forgets it as it expires.
    asked = await stored_token(sandbox.config(), sharing["OCTOFFM_STORE"], sharing.get(VARIABLE))
    for report in reports:
        asked |= report["seen"]
    assert stats["tokens_issued"] == sum(report["fetched"] for report in reports)
    assert 0 <= stats["tokens_issued"] - len(asked) <= 1
    assert stats["by_operation"]["token.create"] == {"200": stats["tokens_issued"]}
    assert len(asked) >= tokens
    times = sorted(asked.values())
    assert all(later - earlier > 0.5 * LIFE for earlier, later in pairwise(times)), times
    assert stats["by_operation"]["outbound.count"].get("200", 0) > 20 * tokens
    assert took < 15


async def check_refused_once(sandbox: SandboxProcess, sharing: dict[str, str]) -> None:
    """Ten processes have the same wrong secret."""
    environment = sandbox.environment() | sharing | {"OCTOFFM_CLIENT_SECRET": "wr0ng-s3cret"}
    async with peers(10, "refused", environment) as started:
        started.go()
        reports = [await started.report() for _ in range(10)]
    assert [report["errors"] for report in reports] == [["CredentialsRefusedError"] * 20] * 10
    assert not any("wr0ng" in report["text"] for report in reports)
    assert (await sandbox.stats())["by_operation"] == {"token.create": {"401": 1}}


async def test_ten_processes_make_one_token_call_per_expiry(tmp_path: Path) -> None:
    await check_one_call_per_expiry({"OCTOFFM_STORE": str(tmp_path / "state.sqlite")}, tokens=5)


async def test_a_wrong_secret_is_tried_once_by_ten_processes(tmp_path: Path) -> None:
    async with SandboxProcess() as sandbox:
        await check_refused_once(sandbox, {"OCTOFFM_STORE": str(tmp_path / "state.sqlite")})
        assert b"wr0ng" not in (tmp_path / "state.sqlite").read_bytes()
        config = sandbox.config(store=tmp_path / "state.sqlite", client_secret="wr0ng-s3cret")
        async with FulfillmentClient(config) as client:
            for calls in (1, 2):
                with pytest.raises(Exception, match="refused the credentials"):
                    await client.check()
                assert (await sandbox.stats())["tokens_refused"] == calls
                client.reset_credentials()


async def test_a_process_killed_while_it_holds_the_lock_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    async with SandboxProcess() as sandbox:
        environment = sandbox.environment() | {"OCTOFFM_STORE": str(path)}
        async with (
            peers(1, "hold:60", environment) as started,
            FulfillmentClient(sandbox.config(store=path)) as client,
        ):
            started.go()
            assert await started.report() == {"held": True}
            waiting = asyncio.create_task(client.check())
            await asyncio.sleep(0.3)
            assert not waiting.done()
            assert (await sandbox.stats())["tokens_issued"] == 0
            started.process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            assert await waiting > 1000
            assert time.monotonic() - killed < 12  # a lock lives for 5 s without its holder, not for its whole lease
        assert (await sandbox.stats())["tokens_issued"] == 1
