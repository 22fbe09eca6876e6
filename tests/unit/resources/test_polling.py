"""Waiting for a status: when it ends, how, and how often it looks."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from octoffm_async import (
    DeadlineExceededError,
    InboundStatus,
    NotFoundError,
    OutboundStatus,
    StatusUnreachableError,
    ValidationError,
)
from octoffm_async.contract.inbound import InboundShipment
from octoffm_async.resources.polling import FIRST_PAUSE, LONGEST_PAUSE, wait_for_status
from tests.support.fakes import Answer, Sent, answer
from tests.support.items import order, serving
from tests.unit.session.test_session import Opened

virtual = pytest.mark.virtual_time


def outbound(*statuses: Any, **fields: Any) -> Callable[[Sent], Answer]:
    """A shipment that is found in these statuses, the last of which stays."""
    left = list(statuses)

    def script(sent: Sent) -> Answer:
        status = left.pop(0) if len(left) > 1 else left[0]
        return answer(200, {"outboundShipmentId": "S-1", "inboundShipmentId": "S-1", "status": status, **fields})

    return script


def reported(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings of waiting itself."""
    return [one.getMessage() for one in caplog.records if (one.module, one.levelname) == ("polling", "WARNING")]


def elapsed(since: float) -> float:
    return asyncio.get_running_loop().time() - since


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
@pytest.mark.parametrize(
    ("wanted", "statuses", "looks"),
    [
        ("Shipped", ["Shipped"], 1),
        ("Shipped", ["Created", "Accepted", "InPreparation", "Shipped"], 4),
        ("Accepted", ["Created", "InPreparation"], 2),
        ("Accepted", ["Shipped"], 1),
        ("Created", ["Created"], 1),
        ("shipped", ["created", "SHIPPED"], 2),
        ("Refused", ["Created", "Refused"], 2),
        ("Cancelled", ["Cancelled"], 1),
        ("Shipped", [None, "Created", None, "Shipped"], 4),
        ("Shipped", ["Teleporting", "Teleporting", "Shipped"], 3),
        ("Shipped", ["in_preparation", "Delivered", "shipped "], 3),
        ("Refused", ["Rejected"], 1),
        ("Rejected", ["Created", "Refused"], 2),
        ("canceled", ["Cancelled"], 1),
        (OutboundStatus.ACCEPTED, ["Accepted"], 1),
    ],
)
async def test_a_status_is_reached_or_passed(wanted: str, statuses: list[Any], looks: int) -> None:
    async with Opened(outbound(*statuses)) as opened:
        row = await opened.client.outbound.wait_for("S-1", wanted)
        assert row.status == OutboundStatus(statuses[-1])
        assert len(opened.transport.sent) == looks


@virtual
@pytest.mark.parametrize("statuses", [["Accepted", "Receiving"], ["PartiallyReceived"], ["Received"]])
async def test_a_supply_order_is_waited_for_in_the_same_way(statuses: list[str]) -> None:
    async with Opened(outbound(*statuses)) as opened:
        row = await opened.client.inbound.wait_for("S-1", "Receiving")
        assert isinstance(row, InboundShipment)
        assert row.status == statuses[-1]
        default = asyncio.create_task(opened.client.inbound.wait_for("S-1"))
        await asyncio.sleep(100)
        assert default.done() is (statuses[-1] == InboundStatus.RECEIVED)
        default.cancel()
        await asyncio.wait([default])


@virtual
@pytest.mark.parametrize("end", ["Refused", "Cancelled", "Rejected", "Canceled"])
async def test_another_end_is_told_with_its_reason(end: str) -> None:
    refusal = {"code": "UnknownProduct", "message": "no such thing"}
    async with Opened(outbound("Created", end, refusal=refusal)) as opened:
        started = now()
        with pytest.raises(StatusUnreachableError) as caught:
            await opened.client.outbound.wait_for("S-1")
        assert elapsed(started) < 2
    text = str(caught.value)
    assert all(part in text for part in ("outbound", "'S-1'", "Shipped", end, "UnknownProduct", "no such thing"))
    assert (caught.value.wanted, caught.value.status) == ("Shipped", end)
    assert caught.value.row.refusal.code == "UnknownProduct"  # type: ignore[attr-defined]


@virtual
async def test_an_end_without_a_reason_is_told_plainly() -> None:
    async with Opened(outbound("Refused")) as opened:
        with pytest.raises(StatusUnreachableError, match=r"it is Refused$"):
            await opened.client.outbound.wait_for("S-1")


@virtual
@pytest.mark.parametrize("status", ["Created", "Delivered", None])
async def test_a_state_of_invalid_ends_the_wait_at_once(status: str | None, caplog: pytest.LogCaptureFixture) -> None:
    async with Opened(outbound(status, state="Invalid")) as opened:
        started = now()
        with pytest.raises(StatusUnreachableError, match=rf"it is {status} \(state Invalid\)$"):
            await opened.client.outbound.wait_for("S-1")
        assert elapsed(started) < 1
        assert (await opened.client.outbound.wait_for("S-1", "Refused")).status == status
    assert reported(caplog) == []


@virtual
@pytest.mark.parametrize(("status", "named"), [("Delivered", "'Delivered'"), (None, "no status"), ("", "status ''")])
async def test_a_status_that_tells_nothing_is_told_once(
    status: str | None, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Opened(outbound("Created", status)) as opened:
        with pytest.raises(DeadlineExceededError):
            await opened.client.outbound.wait_for("S-1", deadline=600)
        assert len(opened.transport.sent) > 10
    (text,) = reported(caplog)
    assert all(part in text for part in ("outbound", "'S-1'", named, "Shipped"))


@virtual
async def test_a_long_status_makes_no_long_message(caplog: pytest.LogCaptureFixture) -> None:
    async with Opened(outbound("x" * 100_000)) as opened:
        with pytest.raises(DeadlineExceededError) as caught:
            await opened.client.outbound.wait_for("S-1", deadline=1)
    assert len(str(caught.value)) < 400
    assert [len(text) < 400 for text in reported(caplog)] == [True]


@virtual
@pytest.mark.parametrize("refusal", [{}, {"code": "X"}, {"message": "no"}])
async def test_a_refusal_shows_what_it_has(refusal: dict[str, str]) -> None:
    async with Opened(outbound("Refused", refusal=refusal)) as opened:
        with pytest.raises(StatusUnreachableError) as caught:
            await opened.client.outbound.wait_for("S-1")
    assert "None" not in str(caught.value)
    assert all(part in str(caught.value) for part in refusal.values())


@virtual
@pytest.mark.parametrize("status", ["Created", None, "Teleporting"])
@pytest.mark.parametrize("deadline", [0.5, 10, 100.0])
async def test_a_wait_ends_at_its_deadline_with_a_last_look(status: Any, deadline: float) -> None:
    async with Opened(outbound(status), latency=0.0) as opened:
        await opened.client.check()
        started = now()
        with pytest.raises(DeadlineExceededError, match=f"'S-1' is {status} and not yet Shipped") as caught:
            await opened.client.outbound.wait_for("S-1", deadline=deadline)
        assert elapsed(started) == pytest.approx(deadline, abs=0.01)
        assert opened.transport.sent[-1].at - started == pytest.approx(deadline, abs=0.01)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.operation == "outbound.wait_for"
    assert not caught.value.outcome_unknown


@virtual
async def test_a_slow_look_does_not_pass_the_deadline() -> None:
    async with Opened(outbound("Created"), latency=25.0) as opened:
        await opened.client.check()
        started = now()
        with pytest.raises(TimeoutError):
            await opened.client.outbound.wait_for("S-1", deadline=5)
        assert elapsed(started) <= 6


@virtual
async def test_looks_are_short_apart_at_first_and_long_apart_later() -> None:
    async with Opened(outbound("Created"), latency=0.0) as opened:
        with pytest.raises(DeadlineExceededError):
            await opened.client.outbound.wait_for("S-1", deadline=24 * 3600)
        moments = [sent.at for sent in opened.transport.sent]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses[0] == pytest.approx(FIRST_PAUSE, abs=0.01)
    assert pauses[1] == pytest.approx(FIRST_PAUSE * 1.5, abs=0.01)
    assert max(pauses) == pytest.approx(LONGEST_PAUSE, abs=0.01)
    assert len(moments) < 3000


@virtual
async def test_a_look_that_fails_ends_the_wait() -> None:
    looks = [answer(200, {"outboundShipmentId": "S-1", "status": "Created"}), answer(404, {"title": "Gone"})]
    async with Opened(lambda _: looks.pop(0)) as opened:
        with pytest.raises(NotFoundError, match="Gone") as caught:
            await opened.client.outbound.wait_for("S-1")
    assert caught.value.operation == "outbound.get"


@virtual
@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.7, 5.0])
async def test_a_wait_can_be_cancelled_at_any_moment(after: float) -> None:
    async with Opened(outbound("Created"), latency=0.01) as opened:
        waiting = asyncio.create_task(opened.client.outbound.wait_for("S-1"))
        await asyncio.sleep(after)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        sent = len(opened.transport.sent)
        await asyncio.sleep(100)
        assert opened.left_behind() == (0, 0)
        assert len(opened.transport.sent) == sent


@virtual
@pytest.mark.parametrize("status", ["", " ", "Shiped", "Valid", "\ud800"])
async def test_a_status_that_does_not_exist_is_refused_before_anything_is_sent(status: str) -> None:
    async with Opened(outbound("Created")) as opened:
        for resource in (opened.client.outbound, opened.client.inbound):
            with pytest.raises(ValidationError, match="status"):
                await resource.wait_for("S-1", status)
        assert opened.transport.sent == []


@virtual
@pytest.mark.parametrize("status", [None, 5, b"Shipped", ["Shipped"]])
async def test_a_status_that_is_no_text_is_refused_in_the_same_way(status: Any) -> None:
    async with Opened(outbound("Created")) as opened:
        for resource in (opened.client.outbound, opened.client.inbound):
            with pytest.raises(ValidationError, match="status"):
                await resource.wait_for("S-1", status)


@virtual
@pytest.mark.parametrize("deadline", [0, -1, math.inf, math.nan, "5", None, True])
async def test_a_deadline_that_is_none_is_refused_before_anything_is_sent(deadline: Any) -> None:
    async with Opened(outbound("Created")) as opened:
        with pytest.raises(ValidationError) as caught:
            await opened.client.outbound.wait_for("S-1", "Shiped", deadline=deadline)
        assert [problem.field for problem in caught.value.problems] == ["status", "deadline"]
        assert opened.transport.sent == []


@virtual
async def test_a_row_may_come_from_anywhere() -> None:
    rows = [
        InboundShipment(inbound_shipment_id="I"),
        InboundShipment(inbound_shipment_id="I", status=InboundStatus("received")),
    ]

    async def read() -> InboundShipment:
        return rows.pop(0)

    row = await wait_for_status(read, what="inbound", key="I", statuses=InboundStatus, status="Accepted", deadline=10)
    assert row.status is InboundStatus.RECEIVED


async def test_waiting_for_a_shipment_of_a_real_server() -> None:
    async with serving() as (sandbox, client):
        shipment_id = await client.outbound.create(order("A", product="nobody's"))
        sandbox.clock.advance(10)
        with pytest.raises(StatusUnreachableError, match="will not become Shipped: it is Refused"):
            await client.outbound.wait_for(shipment_id)
        assert (await client.outbound.wait_for(shipment_id, "refused")).status is OutboundStatus.REFUSED
