"""The hand-over from workers to the consumer: bounded, closable, lossless."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from octoffm_async.bulk.output import BoundedQueue


async def taken(outbox: BoundedQueue[int]) -> list[int]:
    found: list[int] = []
    while True:
        try:
            found.append(await outbox.get())
        except StopAsyncIteration:
            return found


async def test_items_come_out_in_the_order_in_which_they_went_in_and_then_it_ends() -> None:
    outbox = BoundedQueue[int](10)
    for item in range(5):
        await outbox.put(item)
    outbox.close()
    assert await taken(outbox) == list(range(5))
    with pytest.raises(StopAsyncIteration):
        await outbox.get()


async def test_an_item_that_is_there_is_taken_without_waiting() -> None:
    outbox = BoundedQueue[int](2)
    outbox.put_nowait(1)
    assert (outbox.get_nowait(), outbox.get_nowait()) == (1, None)


async def test_what_somebody_waits_to_leave_is_not_overtaken_by_a_taker_that_does_not_wait() -> None:
    outbox = BoundedQueue[int](1)
    outbox.put_nowait(1)
    putting = asyncio.create_task(outbox.put(2))
    await asyncio.sleep(0)
    assert outbox.get_nowait() is None  # full: get() tells the one that waits for room
    assert await outbox.get() == 1
    await putting
    assert await outbox.get() == 2


async def test_many_items_are_left_at_once_if_there_is_room() -> None:
    outbox = BoundedQueue[int](3)
    assert (outbox.has_room(3), outbox.has_room(4)) == (True, False)
    taking = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put_all_nowait([1, 2, 3])
    assert await taking == 1
    assert (outbox.has_room(1), outbox.has_room(2)) == (True, False)
    draining = asyncio.create_task(outbox.drain())
    await asyncio.sleep(0)
    outbox.put_all_nowait([4, 5])
    outbox.close()
    await draining
    assert outbox.rest() == []


async def test_a_full_box_holds_the_worker_until_one_is_taken() -> None:
    outbox = BoundedQueue[int](2)
    await outbox.put(1)
    await outbox.put(2)
    third = asyncio.create_task(outbox.put(3))
    await asyncio.sleep(0)
    assert not third.done()
    assert await outbox.get() == 1
    await third
    assert outbox.rest() == [2, 3]


async def test_many_workers_and_consumers_lose_nothing() -> None:
    outbox = BoundedQueue[int](3)

    async def work(first: int) -> None:
        for item in range(first, first + 100):
            await outbox.put(item)
            await asyncio.sleep(0)

    consumers = [asyncio.create_task(taken(outbox)) for _ in range(4)]
    await asyncio.gather(*(work(first) for first in range(0, 1000, 100)))
    outbox.close()
    assert sorted(chain.from_iterable(await asyncio.gather(*consumers))) == list(range(1000))


async def test_an_item_is_left_even_if_its_worker_is_cancelled_while_it_waits() -> None:
    outbox = BoundedQueue[int](1)
    await outbox.put(1)
    blocked = asyncio.create_task(outbox.put(2))
    await asyncio.sleep(0)
    blocked.cancel()
    await asyncio.wait([blocked])
    assert blocked.cancelled()
    assert outbox.rest() == [1, 2]


async def test_widening_lets_all_blocked_workers_go() -> None:
    outbox = BoundedQueue[int](1)
    workers = [asyncio.create_task(outbox.put(item)) for item in range(5)]
    await asyncio.sleep(0)
    outbox.widen()
    await asyncio.gather(*workers)
    assert sorted(outbox.rest()) == list(range(5))


async def test_a_consumer_that_is_cancelled_takes_no_item_with_it() -> None:
    outbox = BoundedQueue[int](1)
    waiting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put_nowait(1)
    waiting.cancel()  # at the very moment at which its item came
    await asyncio.wait([waiting])
    assert outbox.rest() == [1]


async def test_closing_wakes_a_consumer_that_waits() -> None:
    outbox = BoundedQueue[int](1)
    waiting = asyncio.create_task(taken(outbox))
    await asyncio.sleep(0)
    outbox.close()
    assert await waiting == []


async def test_the_rest_can_be_taken_once() -> None:
    outbox = BoundedQueue[int](1)
    outbox.put_nowait(1)
    outbox.put_nowait(2)
    assert outbox.rest() == [1, 2]
    assert outbox.rest() == []
