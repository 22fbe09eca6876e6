"""How outcomes leave a run: each is counted once, and offered only while there is room."""

from __future__ import annotations

import asyncio

from octoffm_async import Created, Failed, Skipped
from octoffm_async.bulk.job import RunOptions
from octoffm_async.bulk.output import OUTBOX_ROOM, OutcomeQueue
from octoffm_async.errors import ErrorBudgetExceededError

FAILED = Failed(key="F", error=RuntimeError())


def delivering(ended: list[Exception] | None = None, **options) -> OutcomeQueue:
    delivery = OutcomeQueue(RunOptions(workers=1, **options), [].append if ended is None else ended.append)
    delivery.begin()
    return delivery


async def test_an_outcome_is_offered_only_while_there_is_room_and_counted_if_it_was_left() -> None:
    delivery = delivering()
    taking = asyncio.create_task(delivery.get())
    await asyncio.sleep(0)
    outcomes = [Created(key=str(number)) for number in range(OUTBOX_ROOM + 1)]
    assert [delivery.offer(outcome) for outcome in outcomes] == [True] * OUTBOX_ROOM + [False]
    assert await taking == outcomes[0]
    assert delivery.offer(outcomes[-1])
    assert (delivery.summary.created, delivery.summary.total) == (OUTBOX_ROOM + 1, OUTBOX_ROOM + 1)
    delivery.widen()
    assert delivery.offer(Skipped(key="more", reason=""))
    assert (delivery.summary.skipped, delivery.summary.total) == (1, OUTBOX_ROOM + 2)
    assert len(delivery.rest()) == OUTBOX_ROOM + 1


async def test_what_is_offered_to_a_drain_is_counted_and_not_kept() -> None:
    delivery = delivering()
    draining = asyncio.create_task(delivery.drain())
    await asyncio.sleep(0)
    assert all(delivery.offer(Created(key=str(number))) for number in range(2 * OUTBOX_ROOM))
    delivery.close()
    await draining
    assert delivery.summary.created == 2 * OUTBOX_ROOM
    assert delivery.rest() == []


async def test_every_way_out_is_watched_by_the_error_budget() -> None:
    for leave in ("offer", "now", "in_turn"):
        ended: list[Exception] = []
        delivery = delivering(ended, max_failures=1)
        for _ in range(2):
            assert not ended
            if (waiting := getattr(delivery, leave)(FAILED)) not in (None, True):
                await waiting
        assert [type(error) for error in ended] == [ErrorBudgetExceededError]
