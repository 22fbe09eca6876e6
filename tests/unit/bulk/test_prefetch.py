"""Items made ready ahead: all of them, in bounds, and nothing lost when reading ahead ends early."""

from __future__ import annotations

import asyncio

import pytest

from octoffm_async.bulk.item_source import END
from octoffm_async.bulk.prefetch import Prefetcher, end_all

pytestmark = pytest.mark.one_loop


class Chunks:
    """Gives so many chunks, a turn of the loop each; then none, or an error."""

    def __init__(self, count: int, size: int = 10, error: Exception | None = None) -> None:
        self.left = count
        self.size = size
        self.error = error
        self.given = 0

    async def __call__(self) -> list[int] | None:
        if not self.left:
            if self.error is not None:
                raise self.error
            return None
        self.left -= 1
        begin, self.given = self.given, self.given + self.size
        await asyncio.sleep(0)
        return list(range(begin, begin + self.size))


async def taken(ahead: Prefetcher[int]) -> list[int]:
    found: list[int] = []
    while True:
        try:
            found.append(await ahead.next())
        except StopAsyncIteration:
            return found


@pytest.mark.parametrize("workers", [1, 3])
async def test_everything_is_given_once(workers: int) -> None:
    ahead = Prefetcher(Chunks(20), low=5)
    shares = await asyncio.gather(*(taken(ahead) for _ in range(workers)))
    assert sorted(item for share in shares for item in share) == list(range(200))


async def test_what_is_there_can_be_taken_without_waiting() -> None:
    ahead = Prefetcher(Chunks(2), low=5)
    assert next(ahead.ready) is END
    found = [await ahead.next()]
    for _ in range(10):
        await asyncio.sleep(0)
    while (item := next(ahead.ready)) is not END:
        found.append(item)
        await asyncio.sleep(0)
    assert sorted(found) == list(range(20))
    with pytest.raises(StopAsyncIteration):
        await ahead.next()
    assert next(ahead.ready) is END


async def test_what_lies_ahead_is_bounded() -> None:
    chunks = Chunks(1000)
    ahead = Prefetcher(chunks, low=5)
    await ahead.next()
    for _ in range(50):
        await asyncio.sleep(0)
    assert chunks.given <= 40
    await ahead.close()


async def test_the_next_are_made_ready_when_no_more_than_so_many_are_left() -> None:
    chunks = Chunks(10)
    ahead = Prefetcher(chunks, low=0)
    first = [await ahead.next()]

    async def left_after(taken: int) -> int:
        first.extend([await ahead.next() for _ in range(taken)])
        for _ in range(10):
            await asyncio.sleep(0)
        return chunks.left

    assert [await left_after(18), await left_after(1)] == [8, 6]
    ahead.low = 15
    assert [await left_after(4), await left_after(1)] == [6, 4]
    assert sorted(first) == list(range(25))
    await ahead.close()


async def test_tasks_are_ended_also_by_who_is_cancelled_meanwhile() -> None:
    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)

    tasks = [asyncio.create_task(slow_to_end()) for _ in range(2)]
    await asyncio.sleep(0)
    after: list[str] = []

    async def end() -> None:
        await end_all(tasks)
        after.append("all have ended" if all(task.done() for task in tasks) else "one is left")
        await asyncio.sleep(0)
        after.append("went on")

    ending = asyncio.create_task(end())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert after == ["all have ended"]


async def test_empty_chunks_are_no_end() -> None:
    chunks = Chunks(5, size=0)
    assert await taken(Prefetcher(chunks, low=5)) == []
    assert chunks.left == 0


async def test_an_error_is_raised_behind_what_was_ready() -> None:
    ahead = Prefetcher(Chunks(2, error=RuntimeError("torn")), low=5)
    found = [await ahead.next() for _ in range(20)]
    with pytest.raises(RuntimeError, match="torn"):
        await ahead.next()
    assert sorted(found) == list(range(20))


async def test_closing_gives_back_what_nobody_took() -> None:
    ahead = Prefetcher(Chunks(3), low=100)
    first = await ahead.next()
    for _ in range(10):
        await asyncio.sleep(0)
    left = await ahead.close()
    assert sorted([first, *left]) == list(range(30))
    assert not [task for task in asyncio.all_tasks() if "look-ahead" in task.get_name()]
