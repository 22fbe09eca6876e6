"""Events: told to every hook, at fitting levels, without secrets, and without harm."""

import asyncio
import functools
import logging
import time

import msgspec
import pytest

from octoffm_async import (
    ConfigurationError,
    ConnectError,
    ConnectionLostError,
    CredentialsRefusedError,
    DeadlineExceededError,
    FulfillmentClient,
    Limit,
    LoggingHook,
    NotFoundError,
    UnusableAnswerError,
)
from octoffm_async.contract.operations import GET_STOCK
from octoffm_async.events import (
    EVERY_EVENT,
    AttemptFinished,
    CallFinished,
    CircuitChanged,
    ContractDrift,
    Event,
    RateChanged,
    RetryScheduled,
    Throttled,
    TokenFetched,
)
from octoffm_async.ratelimit.limiter import RateLimiter
from octoffm_async.sandbox import Sandbox
from octoffm_async.session.call import CallState
from octoffm_async.session.event_emitter import EventEmitter
from octoffm_async.session.options import DEFAULTS
from tests.support.fakes import SECRET, FakeTransport, answer, config
from tests.support.items import order

ATTEMPT = AttemptFinished(
    call=1,
    operation="x",
    method="GET",
    seller_id="1",
    server="h",
    attempt=1,
    status=0,
    seconds=0.1,
    error="ConnectError",
)
CALL = CallFinished(
    call=1, operation="x", method="GET", seller_id="1", server="h", attempts=1, status=500, waited=0.0, travelled=0.1
)
STOCK = {"id": "S", "quantities": {"Available": 1}}
EVENTS = [
    (ContractDrift(operation="stocks.get", path="gtin", kind="type", found="integer"), logging.DEBUG),
    (TokenFetched(expires_in=60.0), logging.DEBUG),
    (ATTEMPT, logging.DEBUG),
    (RetryScheduled(call=1, operation="x", seller_id="1", attempt=1, delay=0.1, reason="lost"), logging.INFO),
    (RetryScheduled(call=1, operation="x", seller_id="1", attempt=1, delay=0.1, reason="429"), logging.DEBUG),
    (RateChanged(seller_id="1", group="stocks", rate=4.0, ceiling=8.0, reason="throttled"), logging.INFO),
    (CircuitChanged(state="open", reason="9 of 10 calls failed"), logging.WARNING),
    (Throttled(call=1, seller_id="1", group="stocks", pause=3.0, told=True), logging.WARNING),
    (CALL, logging.DEBUG),
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
    assert record.octoffm_kind == type(event).__name__


def test_every_kind_of_event_is_covered_here() -> None:
    assert {type(event) for event, _ in EVENTS} == EVERY_EVENT == set(Event.__subclasses__())


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
def test_the_logging_hook_listens_for_what_it_would_write(caplog, level) -> None:
    caplog.set_level(level, logger="octoffm_async")
    assert LoggingHook().events == {type(event) for event, written in EVENTS if written >= level}


def test_logging_that_is_disabled_is_listened_for_by_nobody(monkeypatch) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    logging.getLogger("octoffm_async")._cache.clear()
    assert LoggingHook().events == frozenset()
    logging.getLogger("octoffm_async")._cache.clear()


@pytest.mark.parametrize(("event", "level"), EVENTS, ids=lambda value: type(value).__name__)
def test_what_is_below_the_level_is_not_logged(caplog, event, level) -> None:
    caplog.set_level(level + 1, logger="octoffm_async")
    LoggingHook()(event)
    assert caplog.records == []


async def test_a_normal_call_says_nothing_above_debug(caplog) -> None:
    async with FulfillmentClient(config(), transport=FakeTransport(lambda _: answer(200, STOCK))) as client:
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
    answers = [answer(429, Retry_After="3"), answer(503), answer(200, STOCK)]
    reported, other = [], []
    transport = FakeTransport(lambda _: answers.pop(0), latency=0.5)
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append, other.append]) as client:
        await client.stocks.get("S")
    assert reported == other
    assert [type(event) for event in reported] == [
        AttemptFinished,
        TokenFetched,
        AttemptFinished,
        Throttled,
        RetryScheduled,
        AttemptFinished,
        RetryScheduled,
        AttemptFinished,
        RateChanged,
        CallFinished,
    ]
    assert [event.status for event in reported if isinstance(event, AttemptFinished)] == [200, 429, 503, 200]
    assert [event.attempt for event in reported if isinstance(event, AttemptFinished)] == [1, 1, 2, 3]
    last = reported[-1]
    assert reported[3] == Throttled(call=last.call, seller_id="12345", group="stocks", pause=3.0, told=True)
    assert (
        {event.call for event in reported[2:] if not isinstance(event, RateChanged)}
        == {last.call}
        != {reported[0].call}
    )
    assert (last.method, last.server, last.status) == ("GET", "127.0.0.1:9", 200)
    assert (last.operation, last.seller_id, last.attempts, last.error) == ("stocks.get", "12345", 3, "")
    assert last.travelled == pytest.approx(1.5)
    assert last.waited >= 3.0


async def test_a_call_that_failed_is_told_by_its_class() -> None:
    reported = []
    transport = FakeTransport(lambda _: answer(404))
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        with pytest.raises(NotFoundError):
            await client.stocks.get("S")
    assert (reported[-1].error, reported[-1].attempts, reported[-1].status) == ("NotFoundError", 1, 404)
    assert not reported[-1].outcome_unknown


async def test_a_creation_whose_answer_was_lost_is_told_as_unknown() -> None:
    reported = []
    transport = FakeTransport(lambda _: ConnectionLostError("lost"))
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        with pytest.raises(ConnectionLostError):
            await client.outbound.create(order("ORDER-1"))
    attempt, call = reported[-2:]
    assert (attempt.status, attempt.error, attempt.request_bytes) == (
        0,
        "ConnectionLostError",
        len(transport.sent[0].body),
    )
    assert (call.status, call.error, call.outcome_unknown) == (0, "ConnectionLostError", True)


async def test_the_status_of_a_call_is_that_of_its_last_answer() -> None:
    reported = []
    answers = [answer(503), ConnectError("no")]
    transport = FakeTransport(lambda _: answers.pop(0))
    settings = config(max_attempts=2, backoff_base=0.001)
    async with FulfillmentClient(settings, transport=transport, hooks=[reported.append]) as client:
        with pytest.raises(ConnectError):
            await client.stocks.get("S")
    assert [event.status for event in reported if isinstance(event, AttemptFinished)] == [200, 503, 0]
    assert (reported[-1].status, reported[-1].error) == (503, "ConnectError")


async def test_attempts_tell_the_sizes_of_what_was_sent_and_answered() -> None:
    reported = []
    body = msgspec.json.encode(STOCK)
    transport = FakeTransport(lambda _: answer(200, body))
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        await client.stocks.get("S")
    token, attempt = (event for event in reported if isinstance(event, AttemptFinished))
    assert (attempt.operation, attempt.method, attempt.request_bytes, attempt.answer_bytes) == (
        "stocks.get",
        "GET",
        0,
        len(body),
    )
    assert (token.operation, token.method, token.seller_id) == ("token.create", "POST", "")


@pytest.mark.virtual_time
@pytest.mark.parametrize(("deadline", "error"), [(2.0, "DeadlineExceededError"), (60.0, "CancelledError")])
async def test_an_attempt_that_is_broken_off_is_told_before_its_call(deadline, error) -> None:
    reported = []
    transport = FakeTransport(latency=5.0)
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        await client.check()
        call = asyncio.create_task(client.with_options(deadline=deadline).stocks.get("S"))
        await asyncio.sleep(3.0)
        call.cancel()
        with pytest.raises((asyncio.CancelledError, DeadlineExceededError)):
            await call
    attempt, finished = reported[-2:]
    assert (type(attempt), attempt.attempt, attempt.status, attempt.error) == (AttemptFinished, 1, 0, error)
    assert attempt.seconds == pytest.approx(min(deadline, 3.0))
    assert (type(finished), finished.call, finished.error) == (CallFinished, attempt.call, error)
    assert finished.travelled == pytest.approx(attempt.seconds)


async def test_an_answer_that_cannot_be_used_is_told_with_its_status() -> None:
    reported = []
    transport = FakeTransport(lambda _: UnusableAnswerError("too large", status=200))
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        with pytest.raises(UnusableAnswerError):
            await client.stocks.get("S")
    attempt, call = reported[-2:]
    assert (type(attempt), attempt.status, attempt.error) == (AttemptFinished, 200, "UnusableAnswerError")
    assert (type(call), call.status, call.error) == (CallFinished, 200, "UnusableAnswerError")


async def test_a_call_that_never_left_has_no_attempt_and_no_status() -> None:
    reported = []
    transport = FakeTransport()
    transport.token_script = lambda _: answer(401, {"error": "invalid_client"})
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        with pytest.raises(CredentialsRefusedError):
            await client.stocks.get("S")
    attempt, call = reported
    assert (attempt.operation, attempt.status) == ("token.create", 401)
    assert (call.operation, call.attempts, call.status, call.error) == ("stocks.get", 0, 0, "CredentialsRefusedError")


async def test_concurrent_calls_are_told_apart() -> None:
    reported = []
    answers = {}

    def script(sent):
        path = sent.url.rpartition("/")[2]
        answers[path] = answers.get(path, 0) + 1
        return answer(200, STOCK | {"id": path}) if answers[path] > int(path[1:]) % 3 else answer(503)

    transport = FakeTransport(script, latency=0.001)
    settings = config(backoff_base=0.001)
    async with FulfillmentClient(settings, transport=transport, hooks=[reported.append]) as client:
        await asyncio.gather(*(client.stocks.get(f"S{number}") for number in range(30)))
    calls = {event.call: event for event in reported if isinstance(event, CallFinished)}
    assert len(calls) == 30
    for number, call in calls.items():
        attempts = [event for event in reported if isinstance(event, AttemptFinished) and event.call == number]
        assert [event.attempt for event in attempts] == list(range(1, call.attempts + 1))
        assert [event.status for event in attempts] == [503] * (call.attempts - 1) + [200]
    assert sorted(call.attempts for call in calls.values()) == [1] * 10 + [2] * 10 + [3] * 10


async def test_two_clients_share_a_hook_without_sharing_numbers() -> None:
    reported = []
    for _ in range(2):
        transport = FakeTransport()
        async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
            await client.stocks.get("S-1")
    numbers = [event.call for event in reported if isinstance(event, CallFinished)]
    assert len(set(numbers)) == 2


@pytest.mark.virtual_time
async def test_a_storm_of_429s_is_one_line_a_pause(caplog) -> None:
    caplog.set_level(logging.INFO, logger="octoffm_async")
    reported = []

    def script(sent):
        return answer(429, Retry_After="10") if sent.at < starts + 15.0 else answer(200, STOCK)

    transport = FakeTransport(script, latency=0.5)
    settings = config(limit=Limit(1000), max_in_flight=50)
    async with FulfillmentClient(settings, transport=transport, hooks=[reported.append, LoggingHook()]) as client:
        await client.check()
        starts = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.stocks.get("S-1") for _ in range(50)))
        refused = client.stats().throttled
    assert refused == 51  # a burst of 50, and one that probed
    pauses = [event for event in reported if isinstance(event, Throttled)]
    assert len(pauses) == 2
    lines = [record.getMessage().split()[0] for record in caplog.records]
    assert lines == ["Throttled"] * 2 + ["RateChanged"]
    assert [event.status for event in reported if isinstance(event, AttemptFinished)].count(429) == refused


@pytest.mark.virtual_time
async def test_each_key_tells_its_own_pause() -> None:
    reported = []
    answers = [answer(429, Retry_After="5")] * 2
    transport = FakeTransport(lambda _: answers.pop() if answers else answer(200, STOCK), latency=0.5)
    async with FulfillmentClient(config(), transport=transport, hooks=[reported.append]) as client:
        await client.check()
        await asyncio.gather(client.stocks.get("S"), client.seller("98980").stocks.get("S"))
    assert {(event.seller_id, event.group) for event in reported if isinstance(event, Throttled)} == {
        ("12345", "stocks"),
        ("98980", "stocks"),
    }


@pytest.mark.parametrize("kind", [ValueError, KeyError, NotFoundError, StopIteration, TimeoutError])
async def test_a_hook_that_raises_disturbs_neither_the_call_nor_other_hooks(caplog, kind) -> None:
    reported = []

    def broken(event) -> None:
        raise kind("on purpose")

    transport = FakeTransport(lambda _: answer(200, STOCK))
    async with FulfillmentClient(
        config(), transport=transport, hooks=[broken, reported.append], logging=False
    ) as client:
        assert (await client.stocks.get("S")).id == "S"
    assert [type(event) for event in reported] == [AttemptFinished, TokenFetched, AttemptFinished, CallFinished]
    ours = [record.getMessage() for record in caplog.records if record.name == "octoffm_async"]
    assert [message.split(" on ")[0] for message in ours] == ["a hook failed"] * 4


async def test_hooks_can_be_left_out(caplog) -> None:
    transport = FakeTransport(lambda _: answer(200, STOCK))
    async with FulfillmentClient(config(), transport=transport, logging=False) as client:
        assert (await client.stocks.get("S")).id == "S"
    assert caplog.records == []


async def test_hooks_are_added_to_logging_which_is_there_once(caplog) -> None:
    caplog.set_level(logging.DEBUG, logger="octoffm_async")
    counts = []
    for hooks in ((), (lambda _: None,), (LoggingHook(),)):
        caplog.clear()
        transport = FakeTransport(lambda _: answer(200, STOCK))
        async with FulfillmentClient(config(), transport=transport, hooks=hooks) as client:
            await client.stocks.get("S")
        counts.append(len(caplog.records))
    assert counts == [4, 4, 4]


async def coroutine(event) -> None:
    """No hook: nobody would await it."""


class WithCoroutine:
    async def __call__(self, event) -> None:
        """No hook either."""


@pytest.mark.parametrize("hook", [coroutine, WithCoroutine(), functools.partial(coroutine), "no function", None])
def test_what_is_no_plain_function_is_no_hook(hook) -> None:
    with pytest.raises(ConfigurationError, match="a hook must be a plain function"):
        FulfillmentClient(config(), hooks=[hook])


class Choosy:
    """Listens for some events only."""

    def __init__(self, *kinds) -> None:
        self.events = frozenset(kinds)
        self.told = []

    def __call__(self, event) -> None:
        self.told.append(event)


async def test_a_hook_is_told_what_it_listens_for() -> None:
    some, none, every = Choosy(CallFinished, TokenFetched), Choosy(), []
    hooks = [some, none, every.append]
    async with FulfillmentClient(config(), transport=FakeTransport(), hooks=hooks) as client:
        await client.stocks.get("S-1")
    assert [type(event) for event in some.told] == [TokenFetched, CallFinished]
    assert none.told == []
    assert [type(event) for event in every] == [AttemptFinished, TokenFetched, AttemptFinished, CallFinished]


async def test_a_hook_that_collects_in_its_events_is_told_everything() -> None:
    class Collector:
        def __init__(self) -> None:
            self.events = []

        def __call__(self, event) -> None:
            self.events.append(event)

    collector = Collector()
    async with FulfillmentClient(config(), transport=FakeTransport(), hooks=[collector]) as client:
        await client.stocks.get("S-1")
    assert [type(event) for event in collector.events] == [AttemptFinished, TokenFetched, AttemptFinished, CallFinished]


async def test_a_hook_that_cannot_say_what_it_wants_disturbs_nothing(caplog) -> None:
    class Broken:
        @property
        def events(self):
            raise ValueError("on purpose")

        def __call__(self, event) -> None:
            raise AssertionError("not told")

    reported = []
    async with FulfillmentClient(
        config(), transport=FakeTransport(), hooks=[Broken(), reported.append], logging=False
    ) as client:
        await client.stocks.get("S-1")
    assert len(reported) == 4
    assert [record.getMessage() for record in caplog.records] == ["a hook failed when asked for its events"] * 4


@pytest.mark.parametrize(("level", "built"), [(logging.WARNING, 0), (logging.INFO, 0), (logging.DEBUG, 4)])
async def test_a_good_call_builds_events_only_for_a_log_that_shows_them(caplog, monkeypatch, level, built) -> None:
    caplog.set_level(level, logger="octoffm_async")
    reported = []
    monkeypatch.setattr("octoffm_async.session.event_emitter._emit", lambda _, event: reported.append(event))
    async with FulfillmentClient(config(), transport=FakeTransport()) as client:
        await client.stocks.get("S-1")
    assert len(reported) == built


async def test_a_slow_hook_loses_nothing() -> None:
    reported = []

    def slow(event) -> None:
        time.sleep(0.02)
        reported.append(event)

    async with FulfillmentClient(config(), transport=FakeTransport(), hooks=[slow]) as client:
        stocks = await asyncio.gather(*(client.stocks.get("S-1") for _ in range(3)))
    assert [stock.id for stock in stocks] == ["S-1"] * 3
    assert [type(event) for event in reported].count(CallFinished) == 3


async def test_rates_and_the_circuit_are_told() -> None:
    reported = []
    events = EventEmitter([reported.append, Choosy()])
    limiter = RateLimiter(Limit(5, per=2.0), jitter=0.0, max_in_flight=1)
    task = asyncio.current_task()
    assert task is not None
    call = CallState(
        task,
        1.0,
        task.cancelling(),
        operation=GET_STOCK,
        seller_id="1",
        url="",
        body=None,
        limiter=limiter,
        clock=lambda: 0.0,
        options=DEFAULTS,
        lane="interactive",
        started=0.0,
    )
    events.rate_changed(call, "headers", 0.0)
    events.circuit_changed("probing", "30 s are over")
    assert reported == [
        RateChanged(seller_id="1", group="stocks", rate=2.5, ceiling=2.5, reason="headers"),
        CircuitChanged(state="probing", reason="30 s are over"),
    ]


async def test_over_http_a_call_and_its_attempts_are_told() -> None:
    reported = []
    async with Sandbox(seed=7, catalogue=1, limit=(1, 0.2)) as sandbox:
        async with FulfillmentClient(sandbox.config(limit=None, backoff_base=0.05), hooks=[reported.append]) as client:
            await client.stocks.list(limit=1)
            await client.stocks.list(limit=1)
        statuses = [event.status for event in reported if isinstance(event, AttemptFinished)]
        answered = [arrival.status for arrival in sandbox.arrivals]
        host = sandbox.base_url.split("/")[2]
    assert statuses == answered
    assert 429 in statuses
    assert {event.server for event in reported if isinstance(event, AttemptFinished | CallFinished)} == {host}
    assert all(
        event.answer_bytes > 0 for event in reported if isinstance(event, AttemptFinished) and event.status == 200
    )
