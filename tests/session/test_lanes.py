"""Places by lane: who goes first, that nobody starves, and that no cancellation loses a place."""

import asyncio
import random

import pytest

from octoffm_async.session.lanes import BULK_EVERY, Lane, Places


async def queued(places: Places, lanes: list[Lane]) -> tuple[list[str], list[asyncio.Task[None]]]:
    """Tasks that wait in this order; each notes its number and lane, and gives its place back."""
    order: list[str] = []

    async def wait(number: int, lane: Lane) -> None:
        await places.take(lane)
        order.append(f"{lane[0]}{number}")
        await asyncio.sleep(0)
        places.give_back()

    tasks = [asyncio.create_task(wait(number, lane)) for number, lane in enumerate(lanes)]
    await asyncio.sleep(0)
    return order, tasks


async def test_a_free_place_is_taken_at_once() -> None:
    places = Places(2)
    await places.take("bulk")
    await places.take("interactive")
    assert places.free == 0
    places.give_back()
    places.give_back()
    assert places.free == 2


async def test_interactive_calls_go_first_and_in_order() -> None:
    places = Places(1)
    await places.take("bulk")
    order, tasks = await queued(places, ["bulk", "bulk", "interactive", "interactive"])
    places.give_back()
    await asyncio.gather(*tasks)
    assert order == ["i2", "i3", "b0", "b1"]


async def test_bulk_gets_its_share_while_both_wait() -> None:
    places = Places(1)
    await places.take("bulk")
    lanes: list[Lane] = ["bulk"] * 10 + ["interactive"] * 30
    order, tasks = await queued(places, lanes)
    places.give_back()
    await asyncio.gather(*tasks)
    both = order[: 30 + 30 // (BULK_EVERY - 1)]
    assert sum(name.startswith("b") for name in both) == len(both) // BULK_EVERY
    assert len(order) == 40


@pytest.mark.parametrize("given", [False, True])
async def test_a_cancelled_wait_passes_its_place_on(given: bool) -> None:
    places = Places(1)
    await places.take("bulk")
    order, (first, second) = await queued(places, ["bulk", "bulk"])
    if given:
        places.give_back()
    first.cancel()
    if not given:
        places.give_back()
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert order == ["b1"]
    assert places.free == 1


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_or_made_whoever_is_cancelled(seed: int) -> None:
    rng = random.Random(seed)
    places, held = Places(3), 0

    async def work() -> None:
        nonlocal held
        await places.take(rng.choice(("interactive", "bulk")))
        held += 1
        assert held <= 3
        try:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
        finally:
            held -= 1
            places.give_back()

    tasks = [asyncio.create_task(work()) for _ in range(60)]
    while not all(task.done() for task in tasks):
        rng.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert (held, places.free) == (0, 3)


async def test_waits_that_were_cancelled_cost_their_lane_no_turn() -> None:
    places = Places(1)
    await places.take("bulk")
    lanes: list[Lane] = ["bulk"] * 11 + ["interactive"] * 30
    order, tasks = await queued(places, lanes)
    for task in tasks[:10]:
        task.cancel()
    await asyncio.sleep(0)
    places.give_back()
    await asyncio.wait(tasks)
    assert "b10" in order[: 2 * BULK_EVERY]
