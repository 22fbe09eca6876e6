"""A run from the outside: one outcome an item, whatever the API, the input or the consumer does."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async import Created, Failed, OutboundShipmentRequest, Refused, Skipped, Summary, Unknown
from octoffm_async.bulk.bulk import CONCURRENCY
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.bulk.output import OUTBOX_ROOM, PROGRESS_SECONDS
from octoffm_async.bulk.run import Run
from octoffm_async.errors import (
    AuthenticationError,
    ClosedError,
    ConnectError,
    ConnectionLostError,
    ErrorBudgetExceededError,
)
from tests.support.fakes import Answer, Sent, answer
from tests.support.items import (
    Counted,
    accepted,
    all_of,
    asynchronous,
    fake,
    on_virtual_time,
    order,
    orders,
    posted,
    serving,
)
from tests.unit.sizes import tries

INVALID = order("invalid", quantity=0)
STATUSES = st.sampled_from([201, 201, 400, 401, 403, 409, 422, 429, 500, 502, "lost", "no connection", "no id"])
NOT_CARRIED_OUT = {401, 429, "no connection"}
MEANING = {
    400: Refused,
    401: Failed,
    403: Failed,
    409: Refused,
    422: Refused,
    429: Failed,
    500: Unknown,
    502: Unknown,
    "lost": Unknown,
    "no connection": Failed,
    "no id": Unknown,
    201: Created,
}


def answer_to(what: int | str, sent: Sent) -> Answer:
    match what:
        case "lost":
            return ConnectionLostError("lost")
        case "no connection":
            return ConnectError("refused")
        case "no id":
            return answer(201, b"")
        case 201:
            return accepted(sent)
        case 429:
            return answer(429, {"title": "slow down"}, Retry_After="1")
        case _:
            return answer(int(what), {"title": "no"})


class Scripted:
    """Answers each reference by its own list, then with success; remembers what each was told."""

    def __init__(self, scripts: dict[str, list[int | str]]) -> None:
        self.scripts = {reference: list(script) for reference, script in scripts.items()}
        self.given: dict[str, list[int | str]] = {}

    def __call__(self, sent: Sent) -> Answer:
        [reference] = posted(sent)
        script = self.scripts.get(reference)
        what = script.pop(0) if script else 201
        self.given.setdefault(reference, []).append(what)
        return answer_to(what, sent)


def counted(summary: Summary) -> int:
    return sum(
        (
            summary.created,
            summary.refused,
            summary.failed,
            summary.unknown,
            summary.skipped,
            summary.found,
            summary.missing,
        )
    )


# ---------------------------------------------------------------------------------------------- one outcome an item


@settings(max_examples=tries(80))
@given(
    scripts=st.lists(st.lists(STATUSES, max_size=4), max_size=40),
    extra=st.lists(st.sampled_from(["invalid", "duplicate"]), max_size=10),
    concurrency=st.integers(1, 8),
    is_async=st.booleans(),
    latency=st.sampled_from([0.0, 0.5]),
)
def test_every_item_gets_exactly_one_outcome_and_nothing_is_sent_twice_by_mistake(
    scripts: list[list[int | str]], extra: list[str], concurrency: int, is_async: bool, latency: float
) -> None:
    items = [order(f"O-{number}") for number in range(len(scripts))]
    duplicates = [order(f"O-{number % len(scripts)}") for number in range(extra.count("duplicate")) if scripts]
    invalid = [INVALID] * extra.count("invalid")
    inputs = [*items, *duplicates, *invalid]
    api = Scripted({f"O-{number}": script for number, script in enumerate(scripts)})

    async def main() -> None:
        client, _ = fake(api, latency=latency, max_attempts=3)
        async with client:
            run = client.bulk.create_outbound(asynchronous(inputs) if is_async else inputs, concurrency=concurrency)
            outcomes, error = await all_of(run)
        assert run.leftover == []
        assert counted(run.summary) == run.summary.total == len(outcomes)
        assert run.summary.in_flight == 0
        if error is None:
            assert Counter(outcome.key for outcome in outcomes) == Counter(item.reference for item in inputs)
        else:
            assert isinstance(error, AuthenticationError)
            assert any(given[-2:] == [401, 401] or given.count(401) > 1 for given in api.given.values())
        assert run.summary.skipped <= len(duplicates)
        for outcome in outcomes:
            if isinstance(outcome, Skipped) or outcome.key == "invalid":
                continue
            given = api.given[outcome.key]
            assert type(outcome) is MEANING[given[-1]]
            assert isinstance(outcome, Unknown) is (given[-1] in (500, 502, "lost", "no id"))
            assert all(what in NOT_CARRIED_OUT for what in given[:-1]), (
                "sent again although it may have been carried out"
            )

    on_virtual_time(main)


@pytest.mark.virtual_time
@pytest.mark.parametrize("what", [201, 400, 403, 409, 422, 500, 502, "lost", "no connection", "no id"])
async def test_an_answer_decides_its_item(what: int | str) -> None:
    client, transport = fake(Scripted({"O-0": [what] * 10}), max_attempts=3)
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(orders(1)))
    assert error is None
    assert [type(outcome) for outcome in outcomes] == [MEANING[what]]
    assert len(transport.sent) == (3 if what == "no connection" else 1)


@pytest.mark.virtual_time
async def test_an_invalid_item_does_not_use_its_key_up() -> None:
    client, transport = fake()
    items = [order("A", quantity=0), order("A"), order("A")]
    async with client:
        outcomes, _ = await all_of(client.bulk.create_outbound(items, concurrency=1))
    assert [type(outcome) for outcome in outcomes] == [Refused, Skipped, Created] or [
        type(outcome) for outcome in outcomes
    ] == [Refused, Created, Skipped]
    assert len(transport.sent) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 1500])
async def test_any_number_of_items_is_fine(count: int) -> None:
    client, transport = fake()
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(orders(count)))
    assert error is None
    assert len({outcome.key for outcome in outcomes}) == len(outcomes) == len(transport.sent) == count


async def test_real_orders_are_created_once_each() -> None:
    async with serving() as (sandbox, client):
        outcomes, error = await all_of(client.bulk.create_outbound(orders(50)))
        assert error is None
        assert all(isinstance(outcome, Created) and outcome.id for outcome in outcomes)
        assert set(sandbox.effects.outbound.values()) == {1}
        assert len(sandbox.effects.outbound) == 50


@pytest.mark.virtual_time
async def test_an_order_that_cannot_be_put_into_json_harms_no_other() -> None:
    client, transport = fake()
    items = [order("A", city="Paris \udcff"), *orders(100)]
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(items, concurrency=1))
    assert error is None
    assert len(outcomes) == 101
    assert not any(isinstance(outcome, Unknown) for outcome in outcomes)
    assert len(transport.sent) == 100


# -------------------------------------------------------------------------------------------------------- the input


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_input_that_raises_in_the_middle_loses_nothing_of_what_came_before(is_async: bool) -> None:
    def broken() -> Iterator[Any]:
        yield from orders(75)
        raise LookupError("row 76")

    async def broken_async() -> AsyncIterator[Any]:
        for item in broken():
            yield item

    client, transport = fake(latency=1.0)
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(broken_async() if is_async else broken()))
    assert isinstance(error, LookupError)
    assert sorted(outcome.key for outcome in outcomes) == sorted(item.reference for item in orders(75))
    assert {type(outcome) for outcome in outcomes} == {Created}
    assert len(transport.sent) == 75


class Faltering:
    """Raises at first; asked once more, it would go on."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error
        self.items = iter(orders(20))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return next(self.items)


@pytest.mark.virtual_time
async def test_nothing_leaves_after_the_input_has_raised() -> None:
    client, transport = fake()
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(Faltering(LookupError("row 1")), concurrency=8))
    assert isinstance(error, LookupError)
    assert (outcomes, transport.sent) == ([], [])


class Torn(BaseException):
    """No ``Exception``: what a framework stops a thread with."""


@pytest.mark.parametrize("with_journal", [False, True])
async def test_an_input_that_raises_what_is_no_exception_does_not_look_complete(
    with_journal: bool, tmp_path: Path
) -> None:
    journal = tmp_path / "orders.sqlite" if with_journal else None
    client, _ = fake()
    async with client:
        with pytest.raises(RuntimeError, match="cancelled before it was read to its end"):
            async with client.bulk.create_outbound(Faltering(Torn()), journal=journal) as run:
                await run.wait()


@pytest.mark.virtual_time
async def test_an_outcome_that_is_kept_does_not_hold_its_run() -> None:
    client, _ = fake(lambda _: answer(403, {}))
    async with client:
        run = client.bulk.create_outbound(orders(3), concurrency=1)
        (kept, *_), _ = await all_of(run)
    assert isinstance(kept, Failed)
    there = weakref.ref(run)
    del run
    gc.collect()
    assert there() is None


@pytest.mark.virtual_time
async def test_an_input_that_is_cancelled_does_not_look_complete() -> None:
    async def cancelled() -> AsyncIterator[Any]:
        for item in orders(20):
            yield item
        raise asyncio.CancelledError

    client, _ = fake()
    async with client:
        with pytest.raises(BaseException):  # noqa: B017, PT011
            async with client.bulk.create_outbound(cancelled()) as run:
                await run.wait()


@pytest.mark.virtual_time
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_input_is_not_read_ahead_of_the_workers(is_async: bool) -> None:
    source = Counted(orders(500))
    ahead: list[int] = []
    client, transport = fake(latency=1.0)
    async with client:
        run = client.bulk.create_outbound(asynchronous(source) if is_async else source, concurrency=8)
        async with run:
            async for _ in run:
                ahead.append(source.read - run.summary.total)  # noqa: PERF401
    assert max(ahead) <= 8 + 1
    assert len(transport.sent) == 500


@pytest.mark.virtual_time
@pytest.mark.parametrize("concurrency", [1, 5, 40])
async def test_calls_under_way_are_bounded_by_the_concurrency_and_reach_it(concurrency: int) -> None:
    under_way: list[int] = []
    client, transport = fake(latency=1.0)
    send = transport.send
    now = 0

    async def counting(*args: Any) -> Any:
        nonlocal now
        now += "/token" not in args[1]
        under_way.append(now)
        try:
            return await send(*args)
        finally:
            now -= "/token" not in args[1]

    transport.send = counting  # type: ignore[method-assign]
    async with client:
        await all_of(client.bulk.create_outbound(orders(200), concurrency=concurrency))
    assert max(under_way) == concurrency


@pytest.mark.virtual_time
@pytest.mark.parametrize("concurrency", [0, -1])
async def test_a_concurrency_that_cannot_work_ends_in_an_error_not_in_silence(concurrency: int) -> None:
    client, _ = fake()
    async with client:
        with pytest.raises(ValueError):  # noqa: PT011
            async with client.bulk.create_outbound(orders(3), concurrency=concurrency) as run:
                await run.wait()


@pytest.mark.virtual_time
async def test_a_slow_consumer_holds_the_workers_back() -> None:
    source = Counted(orders(3000))
    client, _ = fake()
    async with client, client.bulk.create_outbound(source) as run:
        first = await anext(run)
        await asyncio.sleep(3600)
        assert source.read <= OUTBOX_ROOM + 2 * CONCURRENCY + 1
        rest = [outcome async for outcome in run]
    assert len({outcome.key for outcome in [first, *rest]}) == 3000


@pytest.mark.virtual_time
@pytest.mark.one_loop
async def test_ten_thousand_items_cost_a_few_mebibytes() -> None:
    # Bytes are what is measured: the fake must not remember what it was sent.
    client, transport = fake()
    transport.sent = _Forgetful()  # type: ignore[assignment]
    items = (order(f"O-{number}") for number in range(10_000))
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    async with client:
        await client.check()
        gc.collect()
        tracemalloc.start()
        try:
            async with client.bulk.create_outbound(items) as run:
                async for _ in run:
                    pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert run.summary.created == 10_000
    assert peak < 7 * 2**20


class _Forgetful(list[Any]):
    def append(self, item: Any) -> None:
        """Remember nothing."""


# ------------------------------------------------------------------------------------------------ how a block is left


@pytest.mark.virtual_time
async def test_leaving_the_block_without_iterating_finishes_the_run() -> None:
    client, transport = fake(latency=1.0)
    async with client, client.bulk.create_outbound(orders(1500)) as run:
        pass
    assert run.summary.created == len(transport.sent) == 1500
    assert run.leftover == []


@pytest.mark.virtual_time
async def test_waiting_gives_the_counts() -> None:
    client, _ = fake(Scripted({"O-1": [400], "O-2": [500]}))
    async with client, client.bulk.create_outbound(orders(10)) as run:
        summary = await run.wait()
    assert (summary.created, summary.refused, summary.unknown, summary.total) == (8, 1, 1, 10)
    assert summary is run.summary
    assert await run.wait() is summary


async def _leave(run: Run[Any, Any], way: str, taken: list[Outcome]) -> None:
    """Take ten outcomes and leave the block in the given way."""
    async with run:
        async for outcome in run:
            taken.append(outcome)
            if len(taken) == 10:
                match way:
                    case "break":
                        break
                    case "exception":
                        raise KeyError("the body's own")
                    case "stop":
                        run.stop()
                    case _:
                        await asyncio.sleep(1e6)


@pytest.mark.virtual_time
@pytest.mark.parametrize("way", ["break", "exception", "cancellation", "stop"])
@pytest.mark.parametrize("is_async", [False, True])
async def test_leaving_in_the_middle_stops_and_finishes_what_is_in_flight(way: str, is_async: bool) -> None:
    source, taken = Counted(orders(10_000)), list[Outcome]()
    client, transport = fake(latency=1.0)
    async with client:
        run = client.bulk.create_outbound(asynchronous(source) if is_async else source, concurrency=8)
        task = asyncio.create_task(_leave(run, way, taken))
        if way == "cancellation":
            await asyncio.sleep(30)  # it holds ten by then, and sleeps
            task.cancel()
        await asyncio.wait([task])
    match way:
        case "exception":
            assert isinstance(task.exception(), KeyError)
        case "cancellation":
            assert task.cancelled()
        case _:
            assert task.exception() is None
    assert source.read < 2000
    keys = [outcome.key for outcome in [*taken, *run.leftover]]
    assert len(keys) == len(set(keys)) == source.read == run.summary.total
    assert {type(outcome) for outcome in [*taken, *run.leftover]} <= {Created, Skipped}
    assert run.summary.created == len(transport.sent)


@pytest.mark.virtual_time
@pytest.mark.parametrize("twice", [False, True])
async def test_what_is_not_done_within_the_drain_is_unknown_or_if_it_was_not_sent_skipped(twice: bool) -> None:
    # The first ten orders are answered at once; then one call hangs for ever and the others wait for a pause to end.
    def script(sent: Sent) -> Answer:
        if posted(sent)[0] == "O-12":
            return answer(429, {"title": "slow down"}, Retry_After="250")
        return accepted(sent)

    client, transport = fake(script)
    send = transport.send

    async def hanging(method: str, url: str, headers: Any, body: bytes | None, read_timeout: float) -> Any:
        if body and b'"O-11"' in body:
            await asyncio.sleep(1e6)
        return await send(method, url, headers, body, read_timeout)

    transport.send = hanging  # type: ignore[method-assign]
    source, taken = Counted(orders(1000)), list[Outcome]()
    async with client:
        run = client.bulk.create_outbound(source, concurrency=4, drain=5.0)

        async def body() -> None:
            async with run:
                async for outcome in run:
                    taken.append(outcome)

        task = asyncio.create_task(body())
        await asyncio.sleep(10)
        began = asyncio.get_running_loop().time()
        task.cancel()
        if twice:
            await asyncio.sleep(1)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0 if twice else 5.0, abs=0.1)
    assert run.summary.total == source.read
    assert run.summary.unknown == 1
    assert run.summary.skipped == 3
    if not twice:  # see the next test
        outcomes = {outcome.key: outcome for outcome in [*taken, *run.leftover]}
        assert len(outcomes) == source.read
        assert isinstance(outcomes["O-11"], Unknown)
        assert isinstance(outcomes["O-12"], Skipped)


@pytest.mark.virtual_time
async def test_a_second_cancellation_loses_no_outcome() -> None:
    source, taken = Counted(orders(1000)), list[Outcome]()
    client, _ = fake(latency=20.0)
    async with client:
        run = client.bulk.create_outbound(source, concurrency=4)
        task = asyncio.create_task(_leave(run, "sleep", taken))
        await asyncio.sleep(90)
        task.cancel()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
    assert run.summary.total == source.read
    assert len(taken) + len(run.leftover) == source.read


@pytest.mark.virtual_time
async def test_a_drain_of_zero_stops_at_once() -> None:
    client, _ = fake(latency=10.0)
    async with client:
        async with client.bulk.create_outbound(orders(100), concurrency=4, drain=0.0) as run:
            async for _ in run:
                break
        at = asyncio.get_running_loop().time()
        assert run.summary.total == 1 + len(run.leftover)
        assert at == pytest.approx(1020.0, abs=1)


@pytest.mark.virtual_time
async def test_a_cancellation_before_anything_ran_leaves_nothing_behind() -> None:
    source = Counted(orders(10))
    client, transport = fake()
    async with client:
        run = client.bulk.create_outbound(source, drain=0.0)

        async def body() -> None:
            async with run:
                raise KeyError("at once")

        with pytest.raises(KeyError):
            await body()
    assert run.summary.total == source.read == len(run.leftover)
    assert run.summary.created <= len(transport.sent)


@pytest.mark.virtual_time
async def test_stopping_does_not_wait_for_the_next_item_of_an_input() -> None:
    async def queue() -> AsyncIterator[Any]:
        for item in orders(20):
            yield item
        await asyncio.sleep(1e6)

    client, _ = fake()
    async with client:
        began = asyncio.get_running_loop().time()
        async with client.bulk.create_outbound(queue()) as run:
            async for _ in run:
                if run.summary.total == 20:
                    break
        assert asyncio.get_running_loop().time() - began < 1


@pytest.mark.virtual_time
async def test_stopping_ends_the_reading_of_items_that_are_turned_away() -> None:
    source = Counted([INVALID] * 20_000)
    client, _ = fake()
    async with client, client.bulk.create_outbound(source) as run:
        async for _ in run:
            break
    assert source.read <= OUTBOX_ROOM + 2 * CONCURRENCY
    assert run.summary.total == source.read


@pytest.mark.virtual_time
async def test_entering_twice_is_an_error() -> None:
    client, _ = fake()
    async with client, client.bulk.create_outbound(orders(3)) as run:
        await run.wait()
        with pytest.raises(ClosedError, match="once"):
            await run.__aenter__()


@pytest.mark.virtual_time
async def test_iterating_without_entering_is_an_error() -> None:
    client, _ = fake()
    async with client:
        run = client.bulk.create_outbound(orders(3))
        with pytest.raises(ClosedError):
            async with asyncio.timeout(1000):
                await anext(run)


# ------------------------------------------------------------------------------------------------ what ends a run early


@pytest.mark.virtual_time
@pytest.mark.parametrize("allowed", [0, 1, 10])
@pytest.mark.parametrize("what", [400, 403, 500])
async def test_more_failures_than_allowed_stop_the_run_after_what_is_known(allowed: int, what: int) -> None:
    source = Counted(orders(3000))
    client, transport = fake(lambda sent: answer_to(what, sent))
    async with client:
        run = client.bulk.create_outbound(source, concurrency=8, max_failures=allowed)
        outcomes, error = await all_of(run)
    assert isinstance(error, ErrorBudgetExceededError)
    assert allowed < len(outcomes) <= allowed + 8 + 1
    assert len(outcomes) == source.read == run.summary.total
    assert len(transport.sent) == sum(not isinstance(outcome, Skipped) for outcome in outcomes)


@pytest.mark.virtual_time
async def test_as_many_failures_as_allowed_are_fine() -> None:
    client, _ = fake(Scripted({f"O-{number}": [400] for number in range(10)}))
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(orders(100), max_failures=10))
    assert error is None
    assert len(outcomes) == 100


@pytest.mark.virtual_time
async def test_invalid_items_exhaust_the_error_budget_too() -> None:
    source = Counted([INVALID] * 3000)
    client, _ = fake()
    async with client:
        outcomes, error = await all_of(client.bulk.create_outbound(source, max_failures=10))
    assert isinstance(error, ErrorBudgetExceededError)
    assert len(outcomes) == source.read
    assert len(outcomes) < 100


async def test_wrong_credentials_end_the_run_after_one_token_call() -> None:
    source = Counted(orders(1000))
    async with serving(client_secret="wrong") as (sandbox, client):
        run = client.bulk.create_outbound(source)
        outcomes, error = await all_of(run)
        assert isinstance(error, AuthenticationError)
        assert sandbox.requests.count("token.create") == sandbox.requests.total == 1
    assert {type(outcome) for outcome in outcomes} == {Failed}
    assert len(outcomes) == source.read <= CONCURRENCY


async def test_the_error_is_raised_also_to_those_who_do_not_iterate() -> None:
    async with serving(client_secret="wrong") as (_, client):
        with pytest.raises(AuthenticationError):
            async with client.bulk.create_outbound(orders(10)):
                pass


@pytest.mark.virtual_time
async def test_a_client_that_is_closed_ends_the_run() -> None:
    client, transport = fake()

    def read() -> Iterator[OutboundShipmentRequest]:
        for number, each in enumerate(orders(100)):
            if number == CONCURRENCY:
                closing.append(asyncio.ensure_future(client.close()))
            yield each

    closing: list[asyncio.Future[None]] = []
    async with client:
        run = client.bulk.create_outbound(read())
        outcomes, error = await all_of(run)
        await asyncio.gather(*closing)
    assert isinstance(error, ClosedError)
    assert {type(outcome) for outcome in outcomes if not isinstance(outcome, Created)} == {Failed}
    assert len(transport.sent) == sum(isinstance(outcome, Created) for outcome in outcomes)


@pytest.mark.virtual_time
async def test_a_run_of_a_client_that_is_not_open_reads_no_item() -> None:
    client, transport = fake()
    source = Counted(orders(100))
    outcomes, error = await all_of(client.bulk.create_outbound(source))
    assert isinstance(error, ClosedError)
    assert (outcomes, source.read, transport.sent) == ([], 0, [])


@pytest.mark.virtual_time
async def test_an_error_in_the_block_is_not_hidden_by_the_runs_own() -> None:
    client, _ = fake(lambda sent: answer_to(400, sent))
    async with client:
        with pytest.raises(KeyError):  # noqa: PT012
            async with client.bulk.create_outbound(orders(100), max_failures=0) as run:
                await anext(run)
                raise KeyError("mine")


# ------------------------------------------------------------------------------------------------------- progress


@pytest.mark.virtual_time
async def test_progress_is_reported_four_times_a_second_at_most_and_once_at_the_end() -> None:
    seen: list[tuple[float, Summary]] = []

    def note(summary: Summary) -> None:
        seen.append((asyncio.get_running_loop().time(), summary))

    client, _ = fake(latency=0.01)
    async with client:
        outcomes, _ = await all_of(run := client.bulk.create_outbound(orders(2000), concurrency=4, on_progress=note))
    assert len(outcomes) == 2000
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(seen)]
    assert min(gaps[:-1]) >= PROGRESS_SECONDS - 1e-6
    assert len(seen) >= 15
    assert [summary.total for _, summary in seen] == sorted(summary.total for _, summary in seen)
    assert seen[-1][1] == run.summary
    assert run.summary.total == 2000
    assert run.summary.seconds > 4
    assert run.summary.per_second == pytest.approx(2000 / run.summary.seconds)


@pytest.mark.virtual_time
async def test_progress_is_reported_at_the_end_even_of_an_empty_run() -> None:
    seen: list[Summary] = []
    client, _ = fake()
    async with client:
        await all_of(client.bulk.create_outbound([], on_progress=seen.append))
    assert [summary.total for summary in seen] == [0]


@pytest.mark.virtual_time
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_progress_callback_that_raises_loses_no_outcome_and_hangs_nobody() -> None:
    def broken(_: Summary) -> None:
        raise LookupError("the progress bar is gone")

    source, taken = Counted(orders(100)), list[Outcome]()
    client, transport = fake()
    async with client:
        run = client.bulk.create_outbound(source, on_progress=broken, drain=1.0)
        try:
            async with asyncio.timeout(1000), run:
                async for outcome in run:
                    taken.append(outcome)
        except LookupError:
            pass  # raising it is fine, once all is delivered
    assert len({outcome.key for outcome in [*taken, *run.leftover]}) == source.read >= len(transport.sent)


@pytest.mark.virtual_time
async def test_a_progress_callback_that_raises_once_loses_no_outcome() -> None:
    summaries: list[Summary] = []

    def broken(summary: Summary) -> None:
        summaries.append(summary)
        if len(summaries) == 1:
            raise LookupError("the progress bar is gone")

    client, transport = fake()
    async with client:
        run = client.bulk.create_outbound(orders(100), on_progress=broken)
        outcomes, _ = await all_of(run)
    assert len(outcomes) == run.summary.total == len(transport.sent)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("name", "wrong"), [("create_outbound", None), ("create_products", {}), ("lookup_stocks", 5)])
async def test_an_item_of_the_wrong_type_gets_an_outcome_or_is_at_least_counted(name: str, wrong: object) -> None:
    source = Counted([wrong])
    client, _ = fake()
    async with client:
        outcomes, _ = await all_of(getattr(client.bulk, name)(source))
    assert len(outcomes) == source.read
