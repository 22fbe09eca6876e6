"""The snapshot: what was counted, how the client stands, and that it stays as it was taken."""

import asyncio
from dataclasses import asdict, fields

import msgspec
import pytest

from octoffm_async import FulfillmentClient, Stats
from octoffm_async.ratelimit.stats import SessionCounters
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.fakes import FakeTransport, config


def test_a_snapshot_has_every_counter_and_does_not_move() -> None:
    taken = FulfillmentClient(config(), transport=FakeTransport()).stats()
    assert {field.name: getattr(taken, field.name) for field in fields(SessionCounters)} == asdict(SessionCounters())
    with pytest.raises(AttributeError):
        taken.calls = 7  # type: ignore[misc]


async def test_a_client_tells_before_it_is_open_while_it_is_and_after() -> None:
    client = FulfillmentClient(config(retry_budget=50), transport=FakeTransport(token_life=100.0))
    fresh = client.stats()
    assert (fresh.calls, fresh.attempts, fresh.token_left, fresh.retry_budget_left) == (0, 0, None, 50)
    assert fresh.circuit == "closed"
    async with client:
        await client.stocks.get("S-1")
        during = client.stats()
    assert (during.calls, during.attempts, during.tokens) == (1, 2, 1)
    assert during.token_left is not None
    assert 80.0 < during.token_left <= 100.0
    after = client.stats()
    assert (after.calls, after.token_left) == (1, None)
    assert fresh.calls == 0


async def test_each_failure_spends_from_the_budget_that_is_told() -> None:
    async with Sandbox(seed=7, catalogue=1) as sandbox:
        sandbox.faults.next(Fault.ERROR_500, times=10)
        settings = sandbox.config(limit=None, backoff_base=0.001, retry_budget=100, max_attempts=3)
        async with FulfillmentClient(settings) as client:
            with pytest.raises(Exception, match="3 attempts failed"):
                await client.stocks.list(limit=1)
            stats = client.stats()
    assert (stats.retries, stats.retry_budget_left) == (2, 85)


async def test_it_can_be_asked_for_from_another_thread_and_encoded() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport()) as client:
        await client.stocks.get("S-1")
        stats = await asyncio.to_thread(client.stats)
        few = client.stats(keys=False)
    assert stats.calls == few.calls == 1
    assert {key.group for key in stats.keys} == {"stocks", "token"}
    assert few.keys == ()
    assert msgspec.json.decode(msgspec.json.encode(stats), type=Stats) == stats
