"""What a run takes in: sorted out once, and skipped if no worker will handle it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from octoffm_async import Created, Outcome, Refused, Skipped
from octoffm_async.bulk.intake import RunInput
from octoffm_async.bulk.item_source import END
from octoffm_async.bulk.job import Job, RunOptions
from octoffm_async.bulk.output import OutcomeQueue
from octoffm_async.resources.outbound import check_shipment
from tests.support.items import asynchronous, order, orders

pytestmark = pytest.mark.one_loop

OPTIONS = RunOptions(workers=1)


class Plain(Job[Any]):
    """Takes orders, so many at a time, and remembers those that were put back."""

    def __init__(self, *, batch: int = 1, look_ahead: int = 1, known: Iterable[str] = ()) -> None:
        self.batch, self.look_ahead = batch, look_ahead
        self.check = check_shipment
        self.known = set(known)
        self.returned: list[str] = []

    def key(self, item: Any) -> str:
        return str(item.reference)

    async def screen(self, items: list[Any], prints: dict[str, bytes | None]) -> tuple[list[Any], list[Outcome]]:
        there: list[Outcome] = [Created(key=item.reference) for item in items if item.reference in self.known]
        return [item for item in items if item.reference not in self.known], there

    def return_unsent(self, items: Iterable[Any]) -> None:
        self.returned += [item.reference for item in items]


def intake_of(job: Plain, items: Any) -> tuple[RunInput[Any], OutcomeQueue]:
    delivery = OutcomeQueue(OPTIONS, [].append)
    delivery.begin()
    return RunInput(job, items, OPTIONS, delivery), delivery


def delivered(delivery: OutcomeQueue) -> list[tuple[str, type]]:
    return [(outcome.key, type(outcome)) for outcome in delivery.rest()]


async def test_a_batch_holds_items_that_may_be_sent_and_what_may_not_has_its_outcome() -> None:
    items = [order("A"), order("A"), order("wrong", quantity=0), order("B"), order("C")]
    intake, delivery = intake_of(Plain(batch=2), items)
    assert [[item.reference for item in await intake.collect()] for _ in range(3)] == [["A", "B"], ["C"], []]
    assert delivered(delivery) == [("A", Skipped), ("wrong", Refused)]
    await intake.close()


async def test_what_is_screened_comes_without_what_is_known() -> None:
    intake, delivery = intake_of(Plain(look_ahead=4, known=["O-1", "O-5"]), orders(7))
    intake.begin()
    taken: list[str] = []
    while (item := await intake.awaited()) is not END:
        taken.append(item.reference)
    assert taken == ["O-0", "O-2", "O-3", "O-4", "O-6"]
    assert delivered(delivery) == [("O-1", Created), ("O-5", Created)]
    await intake.end()
    await intake.close()


@pytest.mark.parametrize("look_ahead", [1, 4])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_read_when_it_is_stopped_is_put_back(look_ahead: int, is_async: bool) -> None:
    job = Plain(look_ahead=look_ahead)
    intake, delivery = intake_of(job, asynchronous(orders(9)) if is_async else orders(9))
    intake.begin()
    assert await intake.awaited() is not END
    intake.hurry()
    assert job.stop_requested
    assert await intake.awaited() is END
    intake.stop()
    await intake.end()
    await intake.close()
    assert job.returned
    assert sorted(delivered(delivery)) == [(key, Skipped) for key in sorted(job.returned)]
