"""Events: told to every hook, at fitting levels, without secrets, and without harm."""

import logging

import pytest

from octoffm_async import FulfillmentClient, LoggingHook, NotFoundError
from octoffm_async.events import AttemptFinished, CallFinished, RetryScheduled, Throttled, TokenFetched
from tests.fakes import SECRET, FakeTransport, answer, config

EVENTS = [
    (TokenFetched(expires_in=60.0), logging.DEBUG),
    (
        AttemptFinished(operation="x", seller_id="1", attempt=1, status=0, seconds=0.1, error="ConnectError"),
        logging.DEBUG,
    ),
    (RetryScheduled(operation="x", seller_id="1", attempt=1, delay=0.1, reason="lost"), logging.INFO),
    (Throttled(seller_id="1", group="stocks", pause=3.0, told=True), logging.WARNING),
    (
        CallFinished(operation="x", seller_id="1", attempts=1, waited=0.0, travelled=0.1, error="ServerError"),
        logging.DEBUG,
    ),
]


@pytest.fixture(autouse=True)
def everything_is_logged(caplog):
    caplog.set_level(logging.DEBUG, logger="octoffm_async")


@pytest.mark.parametrize(("event", "level"), EVENTS, ids=lambda value: type(value).__name__)
def test_levels(caplog, event, level) -> None:
    LoggingHook()(event)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("octoffm_async", level)
    assert record.getMessage().startswith(f"{type(event).__name__} {{")
    assert record.octoffm_event == {name: getattr(event, name) for name in event.__struct_fields__}


@pytest.mark.parametrize(("event", "level"), EVENTS, ids=lambda value: type(value).__name__)
def test_what_is_below_the_level_is_not_logged(caplog, event, level) -> None:
    caplog.set_level(level + 1, logger="octoffm_async")
    LoggingHook()(event)
    assert caplog.records == []


async def test_a_normal_call_says_nothing_above_debug(caplog) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, {"id": "S"}))) as client:
        await client.stocks.get("S")
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    assert [record.getMessage().split()[0] for record in caplog.records] == [
        "AttemptFinished",
        "TokenFetched",
        "AttemptFinished",
        "CallFinished",
    ]


async def test_no_secret_reaches_the_log(caplog) -> None:
    def script(sent):
        return answer(404, {"title": f"{SECRET} and token-1", "errors": {"x": [SECRET]}})

    async with FulfillmentClient(config(), transport=FakeTransport(script)) as client:
        with pytest.raises(NotFoundError):
            await client.stocks.get("S")
    assert caplog.records
    assert not any(text in repr(vars(record)) for record in caplog.records for text in (SECRET, "token-1"))


@pytest.mark.virtual_time
async def test_hooks_are_told_in_order_what_happened() -> None:
    answers = [answer(429, Retry_After="3"), answer(503), answer(200, {"id": "S"})]
    told, other = [], []
    transport = FakeTransport(lambda _: answers.pop(0), latency=0.5)
    async with FulfillmentClient(config(), transport=transport, hooks=[told.append, other.append]) as client:
        await client.stocks.get("S")
    assert told == other
    assert [type(event) for event in told] == [
        AttemptFinished,
        TokenFetched,
        AttemptFinished,
        Throttled,
        RetryScheduled,
        AttemptFinished,
        RetryScheduled,
        AttemptFinished,
        CallFinished,
    ]
    assert [event.status for event in told if isinstance(event, AttemptFinished)] == [200, 429, 503, 200]
    assert [event.attempt for event in told if isinstance(event, AttemptFinished)] == [1, 1, 2, 3]
    assert told[3] == Throttled(seller_id="12345", group="stocks", pause=3.0, told=True)
    last = told[-1]
    assert (last.operation, last.seller_id, last.attempts, last.error) == ("stocks.get", "12345", 3, "")
    assert last.travelled == pytest.approx(1.5)
    assert last.waited >= 3.0


async def test_a_call_that_failed_is_told_by_its_class() -> None:
    told = []
    transport = FakeTransport(lambda _: answer(404))
    async with FulfillmentClient(config(), transport=transport, hooks=[told.append]) as client:
        with pytest.raises(NotFoundError):
            await client.stocks.get("S")
    assert (told[-1].error, told[-1].attempts) == ("NotFoundError", 1)


@pytest.mark.parametrize("kind", [ValueError, KeyError, NotFoundError, StopIteration, TimeoutError])
async def test_a_hook_that_raises_disturbs_neither_the_call_nor_other_hooks(caplog, kind) -> None:
    told = []

    def broken(event) -> None:
        raise kind("on purpose")

    transport = FakeTransport(lambda _: answer(200, {"id": "S"}))
    async with FulfillmentClient(config(), transport=transport, hooks=[broken, told.append]) as client:
        assert (await client.stocks.get("S")).id == "S"
    assert [type(event) for event in told] == [AttemptFinished, TokenFetched, AttemptFinished, CallFinished]
    assert [record.getMessage().split(" on ")[0] for record in caplog.records] == ["a hook failed"] * 4


async def test_hooks_can_be_left_out(caplog) -> None:
    transport = FakeTransport(lambda _: answer(200, {"id": "S"}))
    async with FulfillmentClient(config(), transport=transport, hooks=[]) as client:
        assert (await client.stocks.get("S")).id == "S"
    assert caplog.records == []
