"""The sandbox in a process of its own: it comes up, is driven, and never outlives its parent."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from octoffm_async.sandbox import Fault, SandboxProcess, SandboxStartError

from .api import product, shipment
from .supplies import supply


class Remote:
    """The calls that this file needs, against a sandbox in another process."""

    def __init__(self, sandbox: SandboxProcess, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self._http = http
        self._headers: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if not self._headers:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.sandbox.client_id,
                "client_secret": self.sandbox.client_secret,
            }
            async with self._http.post(self.sandbox.token_url, data=form) as response:
                token = (await response.json())["access_token"]
            self._headers = {"Authorization": f"Bearer {token}", "SellerId": self.sandbox.seller_id}
        url = self.sandbox.base_url + path
        async with self._http.request(method, url, json=body, headers=self._headers) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    settings: dict[str, Any] = {"speed": 0, "limit": (30, 3600.0), "retry_after": "seconds", "seed": 3}
    async with SandboxProcess(**settings) as sandbox, aiohttp.ClientSession() as http:
        yield Remote(sandbox, http)


async def ends(pid: int) -> bool:
    """Whether a process that is not our child ends within some seconds."""
    for _ in range(500):
        if not _runs(pid):
            return True
        await asyncio.sleep(0.02)
    return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  (a process that waits to be reaped does not run)
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return os.path.isdir("/proc/self") is False  # noqa: PTH112  (no /proc at all: the signal's word counts)


async def test_serves_and_is_driven_by_its_control_routes(remote: Remote) -> None:
    sandbox = remote.sandbox
    assert sandbox.page_url + "seller/v2" == sandbox.base_url
    assert (await remote.call("POST", "/fulfillment-products", [product(1)]))[0] == 202
    await sandbox.add_stock("REF-1", quantity=5)
    status, created = await remote.call("POST", "/outbound-shipments", shipment("ORDER-1"))
    assert status == 201
    await sandbox.advance(30)
    _, found = await remote.call("GET", f"/outbound-shipments/{created['outboundShipmentId']}")
    assert found["status"] == "Shipped"
    carried = await sandbox.return_by_carrier(created["outboundShipmentId"])
    assert (await remote.call("GET", f"/returns/{carried}"))[1]["type"] == "Carrier"
    effects = {kind: counts for kind, counts in (await sandbox.effects()).items() if counts}
    assert effects == {"products": {"REF-1": 1}, "outbound": {"ORDER-1": 1}}
    stats = await sandbox.stats()
    assert (stats["total"], stats["by_status"]["201"], stats["tokens_issued"]) == (5, 1, 1)
    with pytest.raises(ValueError, match="reference = 'NONE'"):
        await sandbox.add_stock("NONE", quantity=1)


async def test_storage_countries_are_activated_from_here(remote: Remote) -> None:
    await remote.sandbox.deactivate("ES")
    assert (await remote.call("POST", "/inbound-shipments", supply(storageCountry="ES")))[0] == 403
    await remote.sandbox.activate("ES", "12345")
    assert (await remote.call("POST", "/inbound-shipments", supply(storageCountry="ES")))[0] == 201
    with pytest.raises(ValueError, match="country = 'DE'"):
        await remote.sandbox.activate("DE")


async def test_supply_orders_are_received_from_here(remote: Remote) -> None:
    await remote.call("POST", "/fulfillment-products", [product(1)])
    for _ in range(2):
        assert (await remote.call("POST", "/inbound-shipments", supply()))[0] == 201
    assert await remote.sandbox.receive_supplies("98980") == {}
    assert await remote.sandbox.receive_supplies() == {"Received": 2}
    with pytest.raises(ValueError, match="seller = '1'"):
        await remote.sandbox.receive_supplies("1")


async def test_limit_and_retry_after_are_set_from_here(remote: Remote) -> None:
    await remote.sandbox.set_limit((1, 600.0), retry_after=None)
    assert [(await remote.call("GET", "/stocks?limit=1"))[0] for _ in range(2)] == [200, 429]
    await remote.sandbox.set_limit(None)
    assert (await remote.call("GET", "/stocks?limit=1"))[0] == 200


async def test_faults_are_driven_from_here(remote: Remote) -> None:
    await remote.sandbox.next_fault(Fault.ERROR_500, operation="stocks.list")
    assert [(await remote.call("GET", "/stocks?limit=1"))[0] for _ in range(2)] == [500, 200]
    await remote.sandbox.set_fault_rates({Fault.THROTTLE: (1.0, 2.0)}, operations=["stocks.list"])
    assert (await remote.call("GET", "/stocks?limit=1"))[0] == 429
    await remote.sandbox.clear_faults()
    assert (await remote.call("GET", "/stocks?limit=1"))[0] == 200


async def test_its_limit_is_the_one_that_was_asked_for(remote: Remote) -> None:
    statuses = [(await remote.call("GET", "/stocks?limit=1"))[0] for _ in range(32)]
    assert statuses == [200] * 30 + [429] * 2
    assert (await remote.sandbox.stats())["throttled"] == 2


async def test_config_and_environment_are_those_of_the_face(remote: Remote) -> None:
    sandbox = remote.sandbox
    assert sandbox.config(seller_id="98980").base_url == sandbox.base_url == sandbox.environment()["OCTOFFM_BASE_URL"]
    assert sandbox.environment()["OCTOFFM_SELLER_ID"] == "12345"


async def test_the_child_is_gone_when_the_block_ends() -> None:
    async with SandboxProcess() as sandbox:
        pid = sandbox.pid
        assert _runs(pid)
        with pytest.raises(RuntimeError, match="already started"):
            await sandbox.start()
    assert not _runs(pid)
    with pytest.raises(RuntimeError, match="not started"):
        await sandbox.stats()


async def test_a_child_that_ignores_the_request_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octoffm_async.sandbox.process._TERMINATION", 0.2)
    async with SandboxProcess() as sandbox:
        pid = sandbox.pid
        os.kill(pid, signal.SIGSTOP)
    assert not _runs(pid)


async def test_a_cancelled_start_leaves_no_child() -> None:
    sandbox = SandboxProcess()
    starting = asyncio.create_task(sandbox.__aenter__())
    async with asyncio.timeout(5):
        while True:
            await asyncio.sleep(0.005)
            try:
                pid = sandbox.pid
                break
            except RuntimeError:
                pass
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not _runs(pid)


async def test_a_child_that_cannot_start_says_why(unused_tcp_port: int) -> None:
    async with SandboxProcess(port=unused_tcp_port):
        with pytest.raises(SandboxStartError, match=rf"(?s)the sandbox process ended.*{unused_tcp_port}"):
            await SandboxProcess(port=unused_tcp_port).start()


async def test_a_child_that_says_nothing_is_given_up() -> None:
    with pytest.raises(SandboxStartError, match=r"printed nothing for 0\.001 s"):
        await SandboxProcess(start_timeout=0.001).start()


def test_there_is_no_address_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = SandboxProcess().base_url
    with pytest.raises(RuntimeError, match="not started"):
        _ = SandboxProcess().pid


PARENT = """
import asyncio
from octoffm_async.sandbox import SandboxProcess

async def main():
    async with SandboxProcess() as sandbox:
        print(sandbox.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_child_ends_when_its_parent_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert _runs(child)
    parent.kill()
    await parent.wait()
    assert await ends(child)
