"""The shared iterator: each item to one worker, sync or async, never read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import chain

import pytest

from octoffm_async.bulk.item_source import Source
from tests.support.items import Counted, asynchronous


async def drained(source: Source[int]) -> list[int]:
    taken: list[int] = []
    while True:
        try:
            taken.append(await source.next())
        except StopAsyncIteration:
            return taken


@pytest.mark.parametrize("make", [list, iter, asynchronous, lambda items: asynchronous(items, pause=0.0)])
async def test_items_come_in_order_whatever_the_iterable(make) -> None:
    source = Source(make(range(50)))
    assert await drained(source) == list(range(50))
    assert await drained(source) == []


async def test_what_is_there_without_waiting_is_taken_at_once_up_to_a_number() -> None:
    source = Source(iter(range(10)))
    taken: list[int] = []
    source.take_ready(taken, 4)
    source.take_ready(taken, 4)
    assert taken == [0, 1, 2, 3]
    source.take_ready(taken, 20)
    assert taken == list(range(10))
    waited_for: list[int] = []
    Source(asynchronous(range(10), pause=0.0)).take_ready(waited_for, 4)
    assert waited_for == []


async def test_an_input_that_breaks_or_stops_the_run_has_given_what_it_gave() -> None:
    def items() -> Iterator[int]:
        yield 1
        source.stop()
        yield 2
        raise RuntimeError("torn")

    source = Source(items())
    taken: list[int] = []
    source.take_ready(taken, 9)
    assert taken == [1, 2]
    with pytest.raises(RuntimeError, match="torn"):
        source.take_ready(taken, 9)
    assert taken == [1, 2]


@pytest.mark.parametrize("make", [iter, lambda items: asynchronous(items, pause=0.0)])
async def test_each_item_goes_to_one_of_many_workers(make) -> None:
    source = Source(make(range(500)))
    shares = await asyncio.gather(*(drained(source) for _ in range(16)))
    assert sorted(chain.from_iterable(shares)) == list(range(500))


async def test_nothing_is_read_before_it_is_asked_for() -> None:
    counted = Counted(range(10))
    source = Source(counted)
    assert counted.read == 0
    await source.next()
    assert counted.read == 1


@pytest.mark.parametrize("wrong", [None, 5, object()])
def test_what_cannot_be_iterated_is_refused(wrong) -> None:
    with pytest.raises(TypeError):
        Source(wrong)


async def test_an_error_of_the_input_is_raised_once_and_then_it_is_at_its_end() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("row 2")

    async def broken_async() -> AsyncIterator[int]:
        yield 1
        raise LookupError("row 2")

    for source in (Source(broken()), Source(broken_async())):
        assert await source.next() == 1
        with pytest.raises(LookupError, match="row 2"):
            await source.next()
        assert await drained(source) == []


async def test_an_async_iterator_that_goes_on_after_its_error_is_not_asked_again() -> None:
    class Stubborn:
        asked = 0

        def __aiter__(self) -> Stubborn:
            return self

        async def __anext__(self) -> int:
            self.asked += 1
            raise OSError("disk")

    stubborn = Stubborn()
    source = Source(stubborn)
    with pytest.raises(OSError, match="disk"):
        await source.next()
    assert await drained(source) == []
    assert stubborn.asked == 1


@pytest.mark.virtual_time
async def test_a_waiting_worker_that_is_cancelled_takes_no_item_with_it() -> None:
    source = Source(asynchronous(range(3), pause=1.0))
    holder = asyncio.create_task(source.next())
    waiter = asyncio.create_task(source.next())
    await asyncio.sleep(0.5)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert await holder == 0
    assert await drained(source) == [1, 2]


class Closing:
    """An iterable that makes iterators, and an iterator of the caller's own: both can be closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.left = iter("abc")

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> str:
        return next(self.left)

    def close(self) -> None:
        self.closed += 1


async def test_an_iterator_of_the_callers_own_stays_open() -> None:
    mine = Closing()
    source = Source(mine)
    await source.next()
    await source.close()
    assert mine.closed == 0


async def test_an_iterator_made_from_an_iterable_is_closed() -> None:
    made = Closing()

    class Iterable:
        def __iter__(self) -> Closing:
            return made

    source = Source(Iterable())
    await source.next()
    await source.close()
    assert made.closed == 1


async def test_generators_are_closed_at_once() -> None:
    ended: list[str] = []

    def plain() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            ended.append("plain")

    async def asynchronous() -> AsyncIterator[int]:
        try:
            for number in range(5):
                yield number
        finally:
            ended.append("async")

    for source in (Source(plain()), Source(asynchronous())):
        await source.next()
        await source.close()
    assert ended == ["plain", "async"]
