"""The sandbox in a thread: called from plain code, from loops, and gone when its block ends."""

import asyncio
import errno
import threading
import urllib.request
from contextlib import suppress
from urllib.error import URLError

import pytest

from octoffm_async import FulfillmentClient, ServerError
from octoffm_async.sandbox import Fault, SandboxThread, Timeline
from octoffm_async.sandbox.thread import LoopThread


def threads() -> int:
    return sum(thread.name == "octoffm-sandbox" for thread in threading.enumerate())


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (the sandbox's own address)
        content: bytes = answer.read()
    return content


def test_plain_code_can_use_it_without_a_loop() -> None:
    before = threads()
    with SandboxThread(catalogue=2, speed=0) as sandbox:
        assert threads() == before + 1
        assert b'"products":2' in read(sandbox.control_url + "/state")
        url = sandbox.control_url
    assert threads() == before
    with pytest.raises(URLError) as caught:
        read(url)
    assert isinstance(caught.value.reason, ConnectionRefusedError)


async def test_it_serves_a_client_on_another_loop_and_can_be_driven_meanwhile() -> None:
    with SandboxThread(catalogue=1, stock=5, speed=0) as sandbox:
        async with FulfillmentClient(sandbox.config(max_attempts=1)) as client:
            (reference,) = [row async for row in client.products.references()]
            stock_id = reference.stock_id or ""
            sandbox.add_stock("SKU-000001", quantity=2)
            assert (await client.stocks.get(stock_id)).quantities.available == 7
            sandbox.next_fault(Fault.ERROR_500, operation="stocks.get", times=99)
            with pytest.raises(ServerError):
                await client.stocks.get(stock_id)
            sandbox.clear_faults()
            sandbox.set_fault_rates({Fault.LATENCY: (1.0, 0.01)}, only="reads")
            assert (await client.stocks.get(stock_id)).quantities.available == 7
            before = sandbox.run(lambda inner: inner.clock.now())
            sandbox.advance(60)
            assert (sandbox.run(lambda inner: inner.clock.now()) - before).total_seconds() == 60
            assert sandbox.receive_supplies() == {}
            sandbox.set_limit((1, 600.0), retry_after="seconds")
            sandbox.set_limit((2, 600.0))
            assert sandbox.run(lambda inner: (inner.limit, inner.retry_after)) == ((2, 600.0), "seconds")
            sandbox.set_limit(None, retry_after=None)
            assert sandbox.run(lambda inner: (inner.limit, inner.retry_after)) == (None, None)
        assert sandbox.stats()["by_operation"]["stocks.get"]["500"] >= 1
        assert sandbox.effects.products == {}


def test_two_may_share_one_loop() -> None:
    loop = LoopThread()
    try:
        with SandboxThread(loop=loop) as one, SandboxThread(loop=loop) as other:
            assert one.base_url != other.base_url
            assert read(one.control_url + "/effects") == read(other.control_url + "/effects")
        with SandboxThread(loop=loop) as again:
            assert again.environment()["OCTOFFM_BASE_URL"] == again.base_url
    finally:
        loop.close()


def test_a_start_that_fails_leaves_no_thread() -> None:
    before = threads()
    with SandboxThread() as taken:
        port = int(taken.base_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EADDRINUSE):
            SandboxThread(port=port).__enter__()
    assert threads() == before


def test_settings_are_those_of_the_sandbox() -> None:
    with pytest.raises(TypeError, match="colour"):
        SandboxThread(colour="red")
    timeline = Timeline(accepted=0, in_preparation=0, shipped=0)
    with SandboxThread(timeline=timeline, client_id="me", client_secret="hush", sellers=("9",)) as sandbox:
        assert (sandbox.client_id, sandbox.client_secret, sandbox.seller_id) == ("me", "hush", "9")
        assert sandbox.token_url.startswith(sandbox.base_url.removesuffix("/seller/v2"))


def test_before_its_start_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="is not started"):
        SandboxThread().advance(1)


def test_an_error_of_an_order_reaches_the_caller() -> None:
    with SandboxThread() as sandbox, pytest.raises(LookupError, match="has not registered"):
        sandbox.add_stock("NONE", quantity=1)


def test_its_end_waits_for_no_client_that_stays_connected() -> None:
    async def hold() -> None:
        with SandboxThread() as sandbox:
            host, port = sandbox.base_url.removeprefix("http://").split("/")[0].split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /_sandbox/stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).endswith(b"200 OK\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def bounded() -> None:
        async with asyncio.timeout(5):
            await hold()

    asyncio.run(bounded())
