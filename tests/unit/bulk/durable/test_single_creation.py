"""One creation through a journal: asked for again, at once or after a crash, it is the same order."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from octoffm_async import (
    BadRequestError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    ConnectionLostError,
    DeadlineExceededError,
    FulfillmentClient,
    Journal,
    JournalWriteError,
    OutboundShipmentRequest,
    PayloadConflictError,
    ServerError,
    UnprocessableError,
    UnusableAnswerError,
    is_outcome_unknown,
)
from octoffm_async.sandbox import Fault, Sandbox
from tests.support.fakes import Answer, FakeTransport, Sent, answer, config
from tests.support.items import order, orders, serving
from tests.unit.test_operations import supply


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite"


async def test_the_same_order_has_the_same_id_for_ever(path: Path) -> None:
    async with serving() as (sandbox, client):
        async with Journal.open(path) as journal:
            first = await client.outbound.create(order("O-1"), journal=journal)
            assert await client.outbound.create(order("O-1"), journal=journal) == first
        async with Journal.open(path) as journal:
            assert await client.outbound.create(order("O-1"), journal=journal) == first
            assert await client.inbound.create(supply("IN-1", "P-1"), journal=journal) == (
                await client.inbound.create(supply("IN-1", "P-1"), journal=journal)
            )
        assert sandbox.effects.outbound == {"O-1": 1}
        assert sandbox.effects.inbound == {"IN-1": 1}


@pytest.mark.parametrize("kind", [str, Path])
async def test_an_address_in_place_of_an_open_journal_is_refused(path: Path, kind: Any) -> None:
    async with serving() as (sandbox, client):
        with pytest.raises(ConfigurationError, match=r"is an address: .*async with Journal\.open"):
            await client.outbound.create(order("O-1"), journal=kind(path))
        with pytest.raises(ConfigurationError, match=r"is an address: .*async with Journal\.open"):
            await client.inbound.create(supply("IN-1", "P-1"), journal=kind(path))
        assert sandbox.effects.outbound == {}
        assert sandbox.effects.inbound == {}


async def test_a_hundred_requests_for_one_order_at_once_send_one(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        ids = await asyncio.gather(*(client.outbound.create(order("O-1"), journal=journal) for _ in range(100)))
        assert len(set(ids)) == 1
        assert sandbox.requests.count("outbound.create") == 1


@pytest.mark.parametrize("change", [{"extra": {"channel": 2}}, {"extra": None}, {"lines": [{"channel": 2}]}])
async def test_extra_members_belong_to_the_payload(path: Path, change: dict[str, Any]) -> None:
    def ordered(**fields: Any) -> OutboundShipmentRequest:
        lines = [replace(order("O-1").lines[0], extra=extra) for extra in fields.pop("lines", [{"channel": 1}])]
        return replace(order("O-1"), **({"extra": {"channel": 1}, "lines": lines} | fields))

    async with serving() as (sandbox, client), Journal.open(path) as journal:
        first = await client.outbound.create(ordered(), journal=journal)
        assert await client.outbound.create(ordered(), journal=journal) == first
        with pytest.raises(PayloadConflictError, match="another payload"):
            await client.outbound.create(ordered(**change), journal=journal)
        assert sandbox.requests.count("outbound.create") == 1


async def test_another_payload_is_refused_and_a_refusal_is_remembered(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        await client.outbound.create(order("O-1"), journal=journal)
        with pytest.raises(PayloadConflictError, match=r"another payload \(hash \w{32}, now \w{32}\)") as conflict:
            await client.outbound.create(order("O-1", quantity=2, city="Lyon"), journal=journal)
        assert isinstance(conflict.value, ConflictError)
        assert (conflict.value.key, conflict.value.fields) == ("O-1", ("lines", "delivery_address"))
        assert (conflict.value.operation, conflict.value.outcome_unknown) == ("outbound.create", False)
        assert not re.search("Lyon|Paris", str(conflict.value))
        for _ in range(2):
            with pytest.raises((BadRequestError, UnprocessableError), match="at most 50 are allowed") as caught:
                await client.outbound.create(order("O" * 51), journal=journal)
        assert "refused before, in run" in str(caught.value)
        assert sandbox.requests.count("outbound.create") == 2


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.RESET_BEFORE])
async def test_a_lost_answer_is_looked_up_by_the_next_try(path: Path, fault: Fault) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        await client.check()
        sandbox.faults.next(fault, operation="outbound.create")
        with pytest.raises(ConnectionLostError) as caught:
            await client.outbound.create(order("O-1"), journal=journal)
        assert is_outcome_unknown(caught.value)
        assert "ask again with the same journal" in str(caught.value)
        assert caught.value.retry_after == 60.0
        with pytest.raises(PayloadConflictError) as conflict:  # its request is still there, and can be compared
            await client.outbound.create(order("O-1", city="Lyon"), journal=journal, patience=0.2)
        assert conflict.value.fields == ("delivery_address.city",)
        order_id = await client.outbound.create(order("O-1"), journal=journal, patience=0.2)
        assert (await client.outbound.get(order_id)).reference == "O-1"
        assert sandbox.effects.outbound == {"O-1": 1}


async def test_an_order_whose_absence_is_not_proven_is_not_sent_again(path: Path) -> None:
    made: list[Sent] = []

    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            made.append(sent)
            return ConnectionLostError("the connection broke")
        return answer(200, {"items": [{"outboundShipmentId": "S-1"}]})

    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(script), hooks=()) as client:
        async with Journal.open(path) as journal:
            with pytest.raises(ConnectionLostError):
                await client.outbound.create(order("O-1"), journal=journal)
            for _ in range(2):
                with pytest.raises(UnusableAnswerError, match=r"'O-1': .*reference cannot be read") as caught:
                    await client.outbound.create(order("O-1"), journal=journal, patience=0.05)
                assert caught.value.outcome_unknown
                assert caught.value.operation == "outbound.create"
                assert "ask again with the same journal" in str(caught.value)
                assert caught.value.retry_after == 0.05
    assert len(made) == 1


async def test_an_order_that_was_absent_twice_is_not_sent_a_third_time(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        for _ in range(2):
            sandbox.faults.next(Fault.RESET_BEFORE, operation="outbound.create")
            with pytest.raises(ConnectionLostError):
                await client.outbound.create(order("O-1"), journal=journal, patience=0.05)
        for _ in range(2):
            with pytest.raises(UnusableAnswerError, match="not sent a third time") as caught:
                await client.outbound.create(order("O-1"), journal=journal, patience=0.05)
            assert caught.value.outcome_unknown
        assert sandbox.requests.count("outbound.create", 201) == 0
        (run,) = await journal.runs()
        assert ["third time" in one.message async for one in journal.entries(run.id)] == [True]


async def test_a_list_that_does_not_show_an_order_of_before_proves_nothing(path: Path) -> None:
    lost = [ConnectionLostError("the connection broke")]

    def script(sent: Sent) -> Answer:
        if sent.method == "POST":
            return lost.pop() if b'"O-2"' in (sent.body or b"") else answer(201, {"outboundShipmentId": "S-1"})
        return answer(200, {"count": 0} if "count" in sent.url else {"items": []})

    async with FulfillmentClient(config(max_attempts=1), transport=FakeTransport(script), hooks=()) as client:
        async with Journal.open(path) as journal:
            await client.outbound.create(order("O-1"), journal=journal)
            with pytest.raises(ConnectionLostError):
                await client.outbound.create(order("O-2"), journal=journal)
            with pytest.raises(UnusableAnswerError, match="does not show 'O-1' either, which is known to exist"):
                await client.outbound.create(order("O-2"), journal=journal, patience=0.05)


async def test_a_failure_that_decides_nothing_in_time_sends_nothing(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        await client.check()
        sandbox.faults.next(Fault.RESET_BEFORE, operation="outbound.create")
        with pytest.raises(ConnectionLostError):
            await client.outbound.create(order("O-1"), journal=journal)
        hasty = client.with_options(deadline=0.3)
        with pytest.raises(DeadlineExceededError, match="not found in time") as caught:
            await hasty.outbound.create(order("O-1"), journal=journal, patience=30)
        assert is_outcome_unknown(caught.value)
        assert "ask again with the same journal" in str(caught.value)
        assert caught.value.retry_after is not None
        assert 25 < caught.value.retry_after <= 30  # what is left of the patience
        assert sandbox.requests.count("outbound.create", 201) == 0


async def test_a_cancelled_call_can_be_asked_for_again(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        await client.check()
        sandbox.faults.next(Fault.LATENCY, operation="outbound.create", value=5.0)
        task = asyncio.create_task(client.outbound.create(order("O-1"), journal=journal))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await client.outbound.create(order("O-1"), journal=journal, patience=0.2)
        assert sandbox.effects.outbound["O-1"] == 1


async def test_single_calls_and_a_run_may_meet(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:

        async def bulk() -> None:
            async with client.bulk.create_outbound(orders(60), journal=journal, patience=0.3) as run:
                await run.wait()

        singles = [client.outbound.create(order(f"O-{n}"), journal=journal, patience=0.3) for n in range(0, 60, 3)]
        await asyncio.gather(bulk(), *singles)
        assert set(sandbox.effects.outbound.values()) == {1}
        assert len(sandbox.effects.outbound) == 60
        assert [run.undecided for run in await journal.runs()] == [0, 0]


async def test_a_journal_that_was_closed_and_opened_again_goes_on(path: Path) -> None:
    async with serving() as (sandbox, client):
        journal = Journal.open(path)
        for _ in range(2):
            async with journal:
                await client.outbound.create(order("O-1"), journal=journal)
        assert sandbox.effects.outbound == {"O-1": 1}


async def test_a_closed_journal_sends_nothing(path: Path) -> None:
    async with serving() as (sandbox, client):
        async with Journal.open(path) as journal:
            pass
        with pytest.raises(ClosedError, match="the journal is not open"):
            await client.outbound.create(order("O-1"), journal=journal)
        assert sandbox.requests.count("outbound.create") == 0


async def test_a_failed_call_may_be_tried_again(path: Path) -> None:
    async with Sandbox(speed=0) as sandbox, FulfillmentClient(sandbox.config()) as client:
        async with Journal.open(path) as journal:
            sandbox.faults.next(Fault.THROTTLE, operation="outbound.create", value=1.0)
            with pytest.raises(Exception, match="429"):
                await client.with_options(retries=0).outbound.create(order("O-1"), journal=journal)
            assert await client.outbound.create(order("O-1"), journal=journal)
            sandbox.faults.next(Fault.ERROR_500, operation="outbound.create")
            with pytest.raises(ServerError):
                await client.outbound.create(order("O-2"), journal=journal)
            assert await client.outbound.create(order("O-2"), journal=journal, patience=0.1)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_call_that_is_cancelled_while_it_looks_says_that_the_order_may_exist(path: Path) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        await client.check()
        sandbox.faults.next(Fault.RESET_BEFORE, operation="outbound.create")
        with pytest.raises(ConnectionLostError):
            await client.outbound.create(order("O-1"), journal=journal)
        task = asyncio.create_task(client.outbound.create(order("O-1"), journal=journal, patience=3600))
        while not sandbox.requests.count("outbound.list"):  # noqa: ASYNC110  (the sandbox tells nobody)
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert is_outcome_unknown(caught.value)
        assert "ask again with the same journal" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("broken", [RuntimeError("broken"), JournalWriteError("the disk is full")])
async def test_what_breaks_after_an_answer_is_not_taken_for_what_was_not_sent(
    path: Path, broken: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as (sandbox, client), Journal.open(path) as journal:
        with monkeypatch.context() as patched:
            where = ("resources.believing.IdVerifier", "verified_id")
            if isinstance(broken, JournalWriteError):
                where = ("journal.sqlite.journal.SQLiteJournalRun", "flush")
            patched.setattr(f"octoffm_async.{where[0]}.{where[1]}", AsyncMock(side_effect=broken))
            with pytest.raises(type(broken)) as caught:
                await client.outbound.create(order("O-1"), journal=journal, patience=0.05)
        assert is_outcome_unknown(caught.value)
        assert await client.outbound.create(order("O-1"), journal=journal, patience=0.05)
        assert sandbox.effects.outbound == {"O-1": 1}
