"""The sandbox as its user holds it."""

import asyncio
import dataclasses
import errno
import inspect
import socket
from typing import Any

import aiohttp
import pytest

import octoffm_async.sandbox
from octoffm_async.sandbox import BaseSandbox, Fault, Sandbox, SandboxProcess, SandboxThread
from octoffm_async.sandbox.control.methods import ControlMethods

from .api import Api, product
from .conftest import Serve


def test_the_public_names_are_all_there_and_sorted() -> None:
    names = octoffm_async.sandbox.__all__
    assert names == sorted(names)
    assert all(hasattr(octoffm_async.sandbox, name) for name in names)


def test_both_sandboxes_share_one_face() -> None:
    assert issubclass(Sandbox, BaseSandbox)
    assert issubclass(SandboxProcess, BaseSandbox)


def test_all_sandboxes_have_the_same_control_methods_as_help_shows_them() -> None:
    names = [name for name in vars(ControlMethods) if not name.startswith("_")]
    assert {"add_stock", "advance", "clear_faults"} < set(names)
    for name in names:
        methods = [getattr(sandbox, name) for sandbox in (Sandbox, SandboxThread, SandboxProcess)]
        assert len(set(map(inspect.signature, methods))) == 1
        assert all(method.__doc__ for method in methods)
    shown = inspect.signature(SandboxProcess.return_by_carrier)
    assert str(shown) == "(self, outbound_shipment_id: str, seller: str | None = None) -> str"


def test_a_sandbox_here_has_the_control_methods_of_one_elsewhere() -> None:
    sandbox = Sandbox(speed=0)
    before = sandbox.clock.now()
    sandbox.advance(60)
    assert (sandbox.clock.now() - before).total_seconds() == 60
    sandbox.set_limit((2, 600.0), retry_after="date")
    sandbox.set_limit((3, 600.0))
    assert (sandbox.limit, sandbox.retry_after) == ((3, 600.0), "date")
    sandbox.next_fault(Fault.STALL, times=2)
    sandbox.set_fault_rates({Fault.LATENCY: 0.5}, only="reads")
    faults = sandbox.faults.as_dict()
    assert (faults["script"][0]["times"], faults["rates"], faults["only"]) == (2, {"LATENCY": 0.5}, "reads")
    sandbox.clear_faults()
    assert (sandbox.faults.as_dict()["script"], sandbox.faults.as_dict()["rates"]) == ([], {})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", ""])  # noqa: S104  (refused)
def test_serves_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Sandbox(host=host)


def test_a_form_of_retry_after_that_does_not_exist_is_reported_at_once() -> None:
    with pytest.raises(ValueError, match="retry_after = 1: must be one of seconds, date, or None"):
        Sandbox(retry_after=1)  # type: ignore[arg-type]
    sandbox = Sandbox(retry_after="date")
    with pytest.raises(ValueError, match="retry_after = 'later'"):
        sandbox.retry_after = "later"  # type: ignore[assignment]
    assert sandbox.retry_after == "date"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_every_loopback_has_a_url(host: str) -> None:
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    async with Sandbox(host=host) as sandbox, aiohttp.ClientSession() as http:
        assert (await Api(sandbox, http).login()).token


async def test_addresses_have_the_paths_of_the_real_ones() -> None:
    async with Sandbox() as sandbox:
        origin = sandbox.base_url.removesuffix("/seller/v2")
        assert origin.startswith("http://127.0.0.1:")
        assert sandbox.token_url == f"{origin}/auth/realms/maas/protocol/openid-connect/token"
        assert sandbox.control_url == f"{origin}/_sandbox"
        assert sandbox.page_url == f"{origin}/"


def test_there_is_no_address_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = Sandbox().base_url


async def test_environment_holds_what_a_client_reads() -> None:
    async with Sandbox(sellers=("42",), client_id="me", client_secret="hush") as sandbox:
        assert sandbox.environment() == {
            "OCTOFFM_CLIENT_ID": "me",
            "OCTOFFM_CLIENT_SECRET": "hush",
            "OCTOFFM_SELLER_ID": "42",
            "OCTOFFM_BASE_URL": sandbox.base_url,
            "OCTOFFM_TOKEN_URL": sandbox.token_url,
        }


async def test_config_is_a_clients_configuration_and_takes_overrides() -> None:
    async with Sandbox() as sandbox:
        config = sandbox.config()
        assert (config.client_id, config.seller_id) == ("sandbox-client", "12345")
        assert (config.base_url, config.token_url) == (sandbox.base_url, sandbox.token_url)
        assert dataclasses.replace(config, seller_id="98980") == sandbox.config(seller_id="98980")


async def test_a_given_port_is_taken(unused_tcp_port: int) -> None:
    async with Sandbox(port=unused_tcp_port) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{unused_tcp_port}/seller/v2"


async def test_a_port_in_use_is_an_error_and_leaves_nothing_open() -> None:
    async with Sandbox() as first:
        taken = int(first.base_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EADDRINUSE):
            await Sandbox(port=taken).__aenter__()


async def test_an_outage_keeps_the_port_and_all_that_exists(api: Api) -> None:
    sandbox, url = api.sandbox, api.sandbox.base_url
    await api.register(product(1))
    await sandbox.stop()
    await sandbox.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.references()
    assert sandbox.effects.products["REF-1"] == 1
    await sandbox.start()
    assert sandbox.base_url == url
    assert [row["sellerProductReference"] for row in await api.references()] == ["REF-1"]


async def test_it_cannot_be_started_twice() -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="already started"):
            await sandbox.start()


@pytest.mark.parametrize("settings", [{"token_life": 0}, {"limit": (0, 1)}, {"speed": -1}, {"sellers": ()}])
def test_settings_that_make_no_sense_fail_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"= "):
        Sandbox(**settings)


async def test_many_clients_are_served_at_once(serve: Serve) -> None:
    api = await serve()
    answers = await asyncio.gather(*(api.order(f"ORDER-{number}") for number in range(300)))
    assert len(set(answers)) == 300
    assert all(api.sandbox.effects.outbound[f"ORDER-{number}"] == 1 for number in range(300))
