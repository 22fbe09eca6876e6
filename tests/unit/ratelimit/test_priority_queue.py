"""Who is next: interactive calls before bulk ones, nobody starves, and no cancellation loses a turn."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.ratelimit.priority_queue import CREDIT, Priority, PriorityQueue

pytestmark = pytest.mark.one_loop


def order_of(waiters: PriorityQueue, places: dict[asyncio.Future[bool], str]) -> list[str]:
    """The names of those that wait, in the order in which they are let go."""
    order: list[str] = []
    while waiters.any():
        waiters.admit(probe=False)
        done = [place for place in places if place.done() and not place.cancelled()]
        order += [places.pop(place) for place in done]
    return order


def queued(waiters: PriorityQueue, lanes: list[Priority]) -> dict[asyncio.Future[bool], str]:
    return {waiters.add(lane): f"{lane[0]}{number}" for number, lane in enumerate(lanes)}


async def test_interactive_calls_go_first_and_in_order() -> None:
    waiters = PriorityQueue(0.25)
    places = queued(waiters, ["bulk", "bulk", "interactive", "interactive"])
    assert order_of(waiters, places) == ["i2", "i3", "b0", "b1"]


@pytest.mark.parametrize(("share", "every"), [(0.25, 4), (0.5, 2), (0.1, 10)])
async def test_bulk_gets_its_share_while_both_wait(share: float, every: int) -> None:
    waiters = PriorityQueue(share)
    places = queued(waiters, ["bulk"] * 40 + ["interactive"] * 40)
    first = order_of(waiters, places)[:40]
    assert sum(name.startswith("b") for name in first) == 40 // every


async def test_a_share_of_nothing_lets_bulk_go_only_when_nobody_else_waits() -> None:
    waiters = PriorityQueue(0.0)
    places = queued(waiters, ["bulk"] * 2 + ["interactive"] * 50)
    assert order_of(waiters, places)[-2:] == ["b0", "b1"]


async def test_a_rare_interactive_call_never_waits_for_bulk() -> None:
    waiters = PriorityQueue(0.25)
    queued(waiters, ["bulk"] * 1000)
    for _ in range(50):
        place = waiters.add("interactive")
        waiters.admit(probe=False)
        assert place.done()
        for _ in range(9):
            waiters.admit(probe=False)


async def test_what_bulk_had_while_nobody_else_waited_counts_for_a_few_calls_only() -> None:
    waiters = PriorityQueue(0.5)
    places = queued(waiters, ["bulk"] * 300)
    for _ in range(200):
        waiters.admit(probe=False)
    places |= queued(waiters, ["interactive"] * 100)
    for place in [place for place in places if place.done()]:
        del places[place]
    order = order_of(waiters, places)
    assert order.index(next(name for name in order if name.startswith("b"))) <= (CREDIT + 1) / 0.5


async def test_a_cancelled_wait_costs_its_lane_no_turn() -> None:
    waiters = PriorityQueue(0.25)
    places = queued(waiters, ["bulk"] * 11 + ["interactive"] * 30)
    for place in list(places)[:10]:
        place.cancel()
        del places[place]
    assert "b10" in order_of(waiters, places)[:8]


async def test_the_head_of_a_lane_can_be_taken_again() -> None:
    waiters = PriorityQueue(0.25)
    places = queued(waiters, ["bulk", "bulk"])
    places[waiters.add("bulk", first=True)] = "again"
    assert order_of(waiters, places) == ["again", "b0", "b1"]


async def test_the_one_that_is_let_go_learns_whether_it_probes() -> None:
    waiters = PriorityQueue(0.25)
    place = waiters.add("bulk")
    waiters.admit(probe=True)
    assert await place is True


async def test_a_failure_reaches_all_who_wait() -> None:
    waiters = PriorityQueue(0.25)
    places = queued(waiters, ["bulk", "interactive"])
    gone = waiters.add("bulk")
    gone.cancel()
    waiters.fail(RuntimeError("closed"))
    for place in places:
        with pytest.raises(RuntimeError, match="closed"):
            await place
    assert not waiters.any()


@given(
    st.lists(st.sampled_from(["bulk", "interactive", "admit", "cancel"]), max_size=200),
    st.sampled_from([0.0, 0.1, 0.25, 1.0]),
)
def test_nobody_is_lost_whoever_is_cancelled(steps: list[str], share: float) -> None:
    async def walk() -> None:
        waiters, waiting = PriorityQueue(share), []
        for step in steps:
            match step:
                case "bulk" | "interactive":
                    waiting.append(waiters.add(step))
                case "admit" if waiters.any():
                    before = sum(place.done() for place in waiting)
                    waiters.admit(probe=False)
                    assert sum(place.done() for place in waiting) == before + 1
                case "cancel" if waiting:
                    waiting[len(waiting) // 2].cancel()
                case _:
                    pass
        left = sum(not place.done() for place in waiting)
        while waiters.any():
            waiters.admit(probe=False)
            left -= 1
        assert left == 0

    asyncio.run(walk())
