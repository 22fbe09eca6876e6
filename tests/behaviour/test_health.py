"""The health of a client: what it says without a request, and what it says when it asks."""

from __future__ import annotations

import asyncio

import pytest

from octoffm_async import CallError, FulfillmentClient
from octoffm_async.sandbox import Fault, Sandbox


async def test_nothing_is_sent_unless_it_is_to_ask() -> None:
    async with Sandbox() as sandbox:
        client = FulfillmentClient(sandbox.config())
        closed = await client.health(ask=True)
        assert (closed.alive, closed.ready, len(closed.reasons)) == (False, False, 1)
        async with client:
            fresh = await client.health()
            assert (fresh.alive, fresh.ready, fresh.reasons, fresh.token_left) == (True, True, (), None)
            assert (fresh.circuit, fresh.paused) == ("closed", {})
            assert sandbox.requests.total == 0
            asked = await client.health(ask=True)
            assert (asked.ready, sandbox.requests.total) == (True, 1)
            assert asked.token_left is not None
            assert asked.token_left > 0
            elsewhere = await asyncio.to_thread(lambda: asyncio.run(client.health()))
            assert (elsewhere.alive, elsewhere.ready) == (False, False)
        assert not (await client.health()).alive


async def test_refused_credentials_are_alive_and_not_ready() -> None:
    async with Sandbox() as sandbox, FulfillmentClient(sandbox.config(client_secret="wr0ng")) as client:
        assert (await client.health()).ready
        for ask in (True, False):
            found = await client.health(ask=ask)
            assert (found.alive, found.ready) == (True, False)
            assert "the credentials are refused" in found.reasons
            assert "wr0ng" not in repr(found)


async def test_a_pause_is_told_and_an_open_circuit_is_not_ready() -> None:
    settings = {"retry_budget": 20, "backoff_base": 0.0, "deadline": 0.5}
    async with (
        Sandbox(catalogue=1, retry_after="seconds") as sandbox,
        FulfillmentClient(sandbox.config(**settings)) as client,
    ):
        sandbox.faults.next(Fault.THROTTLE, operation="stocks.list")
        with pytest.raises(CallError):
            await client.stocks.list(limit=1)
        found = await client.health()
        assert found.ready
        assert [*found.paused] == [f"{client.seller_id} stocks"]
        sandbox.faults.next(Fault.ERROR_500, operation="outbound.list", times=80)
        failed = await asyncio.gather(
            *(client.outbound.list(limit=1).collect() for _ in range(80)), return_exceptions=True
        )
        assert all(isinstance(error, CallError) for error in failed)
        found = await client.health()
        assert (found.alive, found.ready, found.circuit) == (True, False, "open")
