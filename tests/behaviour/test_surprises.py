"""What odd answers and odd items do to whole calls and runs, seen from the caller's side."""

import pytest
from msgspec.structs import replace

from octoffm_async import (
    CallError,
    Created,
    DeadlineExceededError,
    FulfillmentClient,
    OctoffmError,
    UnusableAnswerError,
    is_outcome_unknown,
)
from tests.support.fakes import FakeTransport, answer, config
from tests.support.items import accepted, order

ORDER = order("O-1")


@pytest.mark.virtual_time
@pytest.mark.parametrize("retry_after", ["0", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_pause_of_no_time_makes_no_storm_of_requests(retry_after) -> None:
    transport = FakeTransport(lambda _: answer(429, Retry_After=retry_after), latency=0.02)
    async with FulfillmentClient(config(deadline=10.0), transport=transport) as client:
        with pytest.raises(CallError):
            await client.stocks.get("S")
    assert len(transport.sent) < 50


@pytest.mark.virtual_time
@pytest.mark.parametrize("retry_after", ["3", None])
async def test_a_call_that_is_throttled_for_ever_ends(retry_after) -> None:
    transport = FakeTransport(
        lambda _: answer(429, **({"Retry_After": retry_after} if retry_after else {})), latency=0.02
    )
    async with FulfillmentClient(config(deadline=10.0), transport=transport) as client:
        with pytest.raises(CallError) as caught:
            await client.stocks.get("S")
    assert caught.value.retryable
    assert not isinstance(caught.value, DeadlineExceededError)
    assert 1 < len(transport.sent) < 50


@pytest.mark.parametrize(
    "given",
    [
        answer(201, b""),
        answer(200, b"<html>"),
        pytest.param(answer(201, b"", Location="https://[/S-1")),
        pytest.param(answer(303, b"", Location="/outbound-shipments/S-1")),
    ],
    ids=["empty", "HTML", "unreadable location", "303"],
)
async def test_a_creation_that_was_answered_oddly_has_no_known_outcome(given) -> None:
    transport = FakeTransport(lambda _: given)
    async with FulfillmentClient(config(), transport=transport) as client:
        with pytest.raises(UnusableAnswerError) as caught:
            await client.outbound.create(ORDER)
    assert is_outcome_unknown(caught.value)
    assert len(transport.sent) == 1


CANNOT_BE_ENCODED = replace(ORDER, reference="O-2\ud800")


async def test_an_item_that_cannot_be_encoded_is_an_error_of_ours() -> None:
    async with FulfillmentClient(config(), transport=FakeTransport()) as client:
        with pytest.raises(OctoffmError):
            await client.outbound.create(CANNOT_BE_ENCODED)


async def test_an_item_that_cannot_be_encoded_does_not_stop_a_run() -> None:
    orders = [ORDER, CANNOT_BE_ENCODED, *(replace(ORDER, reference=f"N-{n}") for n in range(200))]
    transport = FakeTransport(accepted)
    created = 0
    async with (
        FulfillmentClient(config(), transport=transport) as client,
        client.bulk.create_outbound(orders) as run,
    ):
        async for outcome in run:
            created += isinstance(outcome, Created)
    assert created == len(orders) - 1
