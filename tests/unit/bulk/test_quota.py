"""Items that a success refuses for a quota: a throttling of the key, and in a run nothing final."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Created, FulfillmentClient, Limit, Refused, Unknown
from octoffm_async.contract.operations import Group
from octoffm_async.errors import ConnectionLostError
from octoffm_async.events import RateChanged, Throttled
from octoffm_async.sandbox import Fault
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import all_of, fake, on_virtual_time, posted, products, serving
from tests.unit.sizes import tries


def answering(sent: Sent, over: set[str], code: str = "QuotaExceeded", **headers: str) -> Answer:
    """Accept all but those over the quota."""
    rows = [
        {"sellerProductReference": key, "status": "Refused", "code": code, "message": "tomorrow"}
        if key in over
        else {"sellerProductReference": key, "status": "Accepted"}
        for key in posted(sent)
    ]
    return answer(202, {"items": rows}, **headers)


def quota_of(first: int, times: int, **headers: str) -> Any:
    """A script: the first so many of a call are over the quota, in so many calls."""
    left = times

    def script(sent: Sent) -> Answer:
        nonlocal left
        left -= 1
        return answering(sent, set(posted(sent)[:first]) if left >= 0 else set(), **headers)

    return script


async def test_a_run_sends_what_a_quota_refused_again_and_nothing_twice() -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(Fault.QUOTA_EXCEEDED, operation="products.create", times=3, value=40)
        found, error = await all_of(client.bulk.create_products(products(250), concurrency=2))
        assert error is None
        assert Counter(map(type, found)) == {Created: 250}
        assert len({outcome.key for outcome in found}) == 250
        assert max(sandbox.effects.products.values()) == 1
        assert sandbox.requests.count("products.create") > 3


async def test_a_single_call_returns_the_refusal_and_the_key_pauses() -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(Fault.QUOTA_EXCEEDED, operation="products.create", value=2)
        results = await client.products.create(products(3))
        assert [(result.status.value, result.code) for result in results] == [
            ("Refused", "QuotaExceeded"),
            ("Refused", "QuotaExceeded"),
            ("Accepted", None),
        ]
        assert client.stats().throttled == 1
        key = next(key for key in client.stats().keys if key.group == Group.PRODUCTS.value)
        assert (key.throttled, key.accepted) == (1, 1)
        assert sandbox.requests.count("products.create") == 1


@pytest.mark.virtual_time
async def test_the_pause_is_what_the_answer_asks_for_and_is_reported_once() -> None:
    events: list[Any] = []
    transport = FakeTransport(quota_of(1, 3, Retry_After="30"), latency=0.1)
    client = FulfillmentClient(config(limit=Limit(50)), transport=transport, hooks=[events.append])
    async with client:
        await asyncio.gather(*(client.products.create(products(2)) for _ in range(3)))  # one burst
        loop = asyncio.get_running_loop()
        started = loop.time()
        await client.seller("98980").products.create(products(1))
        assert loop.time() - started < 1
        await client.products.create(products(1))
        assert 29 < loop.time() - started < 31
    throttled = [event for event in events if isinstance(event, Throttled)]
    assert [(event.pause, event.told, event.group) for event in throttled] == [(30.0, True, "products")]
    changes = [event.reason for event in events if isinstance(event, RateChanged)]
    assert changes == ["quota", "throttled"]


@pytest.mark.virtual_time
async def test_a_quota_that_never_ends_refuses_at_the_deadline_of_the_chunk() -> None:
    # Responses come at once: one that the deadline cuts off would rightly be Unknown.
    client, transport = fake(quota_of(5, 10**9), latency=0.0, bulk_deadline=300.0)
    async with client:
        loop = asyncio.get_running_loop()
        started = loop.time()
        found, error = await all_of(client.bulk.create_products(products(100)))
        assert error is None
        assert loop.time() - started <= 300.1
    outcomes = {outcome.key: outcome for outcome in found}
    assert Counter(map(type, found)) == {Created: 95, Refused: 5}
    refused = outcomes["P-0"]
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == ("QuotaExceeded", "tomorrow")
    assert len(transport.sent) < 100, "the pauses grow"


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", ["1000", "86400"])
async def test_a_pause_beyond_the_deadline_refuses_at_once(seconds: str) -> None:
    client, transport = fake(quota_of(5, 10**9, Retry_After=seconds), latency=0.1)
    async with client:
        loop = asyncio.get_running_loop()
        started = loop.time()
        found, _ = await all_of(client.bulk.create_products(products(10)))
        assert loop.time() - started < 1
    assert Counter(map(type, found)) == {Created: 5, Refused: 5}
    assert len(transport.sent) == 1


@pytest.mark.virtual_time
async def test_what_is_lost_when_it_is_sent_again_is_unknown() -> None:
    script = quota_of(5, 1)

    def losing(sent: Sent) -> Answer:
        return ConnectionLostError("cut") if len(posted(sent)) == 5 else script(sent)

    client, transport = fake(losing)
    async with client:
        found, _ = await all_of(client.bulk.create_products(products(10)))
    assert Counter(map(type, found)) == {Created: 5, Unknown: 5}
    assert len(transport.sent) == 2


@settings(max_examples=tries(30))
@given(
    count=st.integers(1, 250),
    over=st.lists(st.sets(st.integers(0, 249), max_size=40), max_size=6),
    code=st.sampled_from(["QuotaExceeded", "quotaexceeded", "QUOTAEXCEEDED"]),
    workers=st.integers(1, 4),
)
def test_whatever_a_quota_refuses_all_is_created_exactly_once(
    count: int, over: list[set[int]], code: str, workers: int
) -> None:
    async def main() -> None:
        waves = [{f"P-{number}" for number in wave} for wave in over]
        taken: Counter[str] = Counter()

        def script(sent: Sent) -> Answer:
            wave = waves.pop(0) if waves else set[str]()
            taken.update(key for key in posted(sent) if key not in wave)
            return answering(sent, wave, code)

        client, _ = fake(script, latency=0.05)
        async with client:
            found, error = await all_of(client.bulk.create_products(products(count), concurrency=workers))
        assert error is None
        assert Counter(map(type, found)) == {Created: count}
        assert set(taken.values()) == {1}
        assert len(taken) == count

    on_virtual_time(main)
