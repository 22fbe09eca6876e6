"""Real processes that share a token through a server: one token call for all, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.sandbox import SandboxProcess
from octoffm_async.stores import new_key
from tests.behaviour.fleet.test_token_processes import check_one_call_per_expiry, check_refused_once, peers
from tests.support.inside import VARIABLE

pytestmark = pytest.mark.one_loop


@pytest.fixture(params=["redis", "postgres"])
def sharing(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"OCTOFFM_STORE": request.getfixturevalue(request.param), VARIABLE: new_key()}


async def test_ten_processes_make_one_token_call_per_expiry(sharing: dict[str, str]) -> None:
    await check_one_call_per_expiry(sharing, tokens=4)


async def test_a_wrong_secret_is_tried_once_by_ten_processes(sharing: dict[str, str]) -> None:
    async with SandboxProcess() as sandbox:
        await check_refused_once(sandbox, sharing)


async def test_a_process_killed_while_it_holds_the_lock_is_waited_for_until_its_lease_ends(redis: str) -> None:
    async with SandboxProcess() as sandbox:
        async with (
            peers(1, "hold:1.5", sandbox.environment() | {"OCTOFFM_STORE": redis}) as started,
            FulfillmentClient(sandbox.config(store=redis)) as client,
        ):
            started.go()
            assert await started.report() == {"held": True}
            held = time.monotonic()
            waiting = asyncio.create_task(client.check())
            started.process.send_signal(signal.SIGKILL)
            await asyncio.sleep(0.5)
            assert not waiting.done()
            assert (await sandbox.stats())["tokens_issued"] == 0
            assert await waiting > 1000
            assert 1.2 < time.monotonic() - held < 5
        assert (await sandbox.stats())["tokens_issued"] == 1
