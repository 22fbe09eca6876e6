"""A client in another thread and on another loop: refused with the reason, nothing sent, its own loop undisturbed."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from octoffm_async import ClosedError, Created, FulfillmentClient
from octoffm_async.sandbox import Sandbox, SandboxThread
from tests.behaviour.loops.entries import begun_entries, entries_of, order, refusals

T = TypeVar("T")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxThread]:
    with SandboxThread(seed=7, catalogue=5) as served:
        yield served


def requests(sandbox: SandboxThread) -> int:
    return sandbox.run(lambda inner: inner.requests.total)


@contextmanager
def left_open() -> Generator[None]:
    """A loop that was closed before the client on it: Python tells of the sockets that were left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def in_another_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of another thread, while the loop of this one is in the middle of a handler."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return results[0]


async def test_another_thread_is_refused_in_the_middle_of_a_handler(sandbox: SandboxThread) -> None:
    async with FulfillmentClient(sandbox.config(), hooks=()) as client:
        await client.outbound.count()
        before = requests(sandbox)
        found = in_another_thread(refusals(entries_of(client)))
        assert {name: text for name, text in found.items() if "open on another loop" not in text} == {}
        assert requests(sandbox) == before
        assert await client.outbound.count() >= 0
    assert sandbox.effects.outbound["ELSEWHERE-1"] == sandbox.effects.outbound["ELSEWHERE-2"] == 0


async def test_another_thread_is_refused_while_the_first_waits(sandbox: SandboxThread) -> None:
    async with FulfillmentClient(sandbox.config(), hooks=()) as client:
        before = requests(sandbox)
        found = await asyncio.to_thread(asyncio.run, refusals(entries_of(client)))
        assert {name: text for name, text in found.items() if "open on another loop" not in text} == {}
        assert requests(sandbox) == before


async def test_what_began_here_goes_on_here_only(sandbox: SandboxThread) -> None:
    async with FulfillmentClient(sandbox.config(), hooks=()) as client:
        begun = await begun_entries(client)
        found = in_another_thread(refusals(begun))
        assert {name: text for name, text in found.items() if "open on another loop" not in text} == {}
        summary = await begun["end of a begun run"]()
        assert summary.created == 3  # type: ignore[attr-defined]
        await begun["leaving a begun run"]()


def test_the_next_loop_of_the_thread_is_refused_until_the_client_is_entered_anew(sandbox: SandboxThread) -> None:
    client = FulfillmentClient(sandbox.config(), hooks=())

    async def opened() -> int:
        await client.open()
        return await client.outbound.count()

    async def used() -> dict[str, str]:
        begin = entries_of(client)
        return await refusals({name: begin[name] for name in begin if name not in ("enter", "close")})

    async def entered() -> object:
        async with client, client.bulk.create_outbound([order("NEXT")]) as run:
            return [type(outcome) async for outcome in run]

    with left_open():
        asyncio.run(opened())
        before = requests(sandbox)
        found = asyncio.run(used())
        assert {name: text for name, text in found.items() if "which was closed without closing it" not in text} == {}
        assert requests(sandbox) == before
        assert asyncio.run(entered()) == [Created]
        asyncio.run(opened())
        asyncio.run(client.close())
        assert asyncio.run(entered()) != []
        client = FulfillmentClient(sandbox.config(), hooks=())
        asyncio.run(opened())  # fetches the token on a loop that is gone when the client is closed
        asyncio.run(client.close())


def test_a_loop_that_was_opened_here_and_runs_in_a_thread_is_its_own_loop(sandbox: SandboxThread) -> None:
    loop = asyncio.new_event_loop()
    client = FulfillmentClient(sandbox.config(), hooks=())
    loop.run_until_complete(client.open())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert asyncio.run_coroutine_threadsafe(client.outbound.count(), loop).result(10) >= 0
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def test_a_sandbox_is_stopped_where_it_was_started() -> None:
    async with Sandbox(seed=7) as sandbox:

        async def stopped() -> str:
            with pytest.raises(ClosedError) as refused:
                await sandbox.stop()
            return str(refused.value)

        assert "open on another loop" in in_another_thread(stopped())
        async with FulfillmentClient(sandbox.config(), hooks=()) as client:
            assert await client.outbound.count() == 0


def test_a_sandbox_whose_loop_was_closed_can_be_stopped_and_started_again() -> None:
    sandbox = Sandbox(seed=7)

    async def counted() -> int:
        await sandbox.start()
        async with FulfillmentClient(sandbox.config(), hooks=()) as client:
            return await client.outbound.count()

    with left_open():
        assert asyncio.run(counted()) == 0
        asyncio.run(sandbox.stop())
        assert asyncio.run(counted()) == 0
        assert asyncio.run(counted()) == 0
        asyncio.run(sandbox.stop())
