"""Pages ahead: sent early, never more than one, never lost, never doubled, and let go of without a trace."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import warnings
from typing import Any

import pytest

from octoffm_async import (
    CallError,
    ClosedError,
    ConnectionLostError,
    FulfillmentClient,
    NotFoundError,
    PagingError,
    UnusableAnswerError,
)
from octoffm_async.session.decoding.answers import Answers
from tests.support.fakes import Answer, FakeTransport, Script, Sent, answer, config
from tests.unit.session.test_pagination import ids, link, numbered, query_of

pytestmark = pytest.mark.virtual_time


def opened(script: Script, *, latency: float = 0.0, **settings: Any) -> tuple[FulfillmentClient, FakeTransport]:
    transport = FakeTransport(script, latency=latency)
    return FulfillmentClient(config(**settings), transport=transport, hooks=()), transport


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


@pytest.mark.parametrize("latency", [0.0, 1.0])
async def test_the_next_request_is_sent_before_a_page_is_decoded(
    latency: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, transport = opened(numbered(40), latency=latency)
    sent_at_decoding: list[int] = []
    real = Answers.read

    def read(answers: Answers, operation: Any, response: Any, **how: Any) -> Any:
        if operation.name == "stocks.list":
            sent_at_decoding.append(len(transport.sent))
        return real(answers, operation, response, **how)

    monkeypatch.setattr(Answers, "read", read)
    async with client:
        assert [stock.id async for stock in client.stocks.list(limit=10)] == ids(40)
    if latency:  # whoever reads waits for each page, so each is followed at once
        assert sent_at_decoding == [2, 3, 4, 4]
    assert sent_at_decoding[0] == 2


async def test_pages_overlap_with_what_the_reader_does() -> None:
    client, _ = opened(numbered(100), latency=1.0)
    async with client:
        await client.check()
        started = asyncio.get_running_loop().time()
        async for _ in client.stocks.list(limit=10).pages():
            await asyncio.sleep(1.0)
        assert asyncio.get_running_loop().time() - started == pytest.approx(11.0, abs=0.1)


@pytest.mark.parametrize("pace", [0.0, 0.5, 1.0, 7.0])
@pytest.mark.parametrize("latency", [0.0, 1.0])
async def test_there_is_never_more_than_one_page_ahead(pace: float, latency: float) -> None:
    client, transport = opened(numbered(100), latency=latency)
    async with client:
        delivered = 0
        async for _ in client.stocks.list(limit=10).pages():
            delivered += 1
            assert len(transport.sent) <= delivered + 1
            await asyncio.sleep(pace)
            assert len(transport.sent) <= delivered + 1
    assert (delivered, len(transport.sent)) == (10, 10)


@pytest.mark.parametrize("failure", [answer(404), answer(200, b"{"), answer(500), ConnectionLostError("cut")])
@pytest.mark.parametrize("which", [0, 10, 20, 30])
@pytest.mark.parametrize("pace", [0.0, 3.0])
async def test_a_page_that_failed_is_asked_for_again_and_nothing_is_lost(
    failure: Answer, which: int, pace: float
) -> None:
    failures = [failure, failure]
    pages = numbered(40)

    def script(sent: Sent) -> Answer:
        return failures.pop() if failures and query_of(sent).get("cursor", "0") == str(which) else pages(sent)

    client, transport = opened(script, latency=0.1)
    async with client:
        found: list[str] = []
        items = aiter(client.with_options(retries=0).stocks.list(limit=10))
        errors = 0
        while True:
            try:
                found.append((await anext(items)).id)
            except CallError:
                errors += 1
            except StopAsyncIteration:
                break
            await asyncio.sleep(pace)
    assert (found, errors) == (ids(40), 2)
    # Behind a page that cannot be decoded, the next one was on its way already: it is asked for again as well.
    assert len(transport.sent) <= 4 + 2 * 2


async def test_leaving_a_loop_and_closing_leaves_nothing_behind(recwarn: pytest.WarningsRecorder) -> None:
    client, _ = opened(numbered(100), latency=1.0)
    warnings.simplefilter("always")
    async with client:
        async for _ in client.stocks.list(limit=10):
            break
        assert len(others()) == 1
        closing = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - closing < 0.01
    assert client._scope.session._calls_running == 0
    await asyncio.sleep(0)
    assert others() == set()
    assert [str(warning.message) for warning in recwarn] == []


async def test_closing_returns_when_no_task_is_left() -> None:
    client, _ = opened(numbered(100), latency=1.0)
    async with client:
        await anext(aiter(client.stocks.list(limit=10)))
        await asyncio.sleep(0.5)
    assert others() == set()


async def test_an_iterator_can_be_let_go_of_and_taken_up_again() -> None:
    client, _ = opened(numbered(30), latency=1.0)
    async with client:
        pages = client.stocks.list(limit=10).pages()
        found = [stock.id for stock in (await anext(pages)).items]
        await pages.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert others() == set()
        async for page in pages:
            found += [stock.id for stock in page.items]
    assert found == ids(30)


@pytest.mark.parametrize("seed", range(40))
async def test_a_reader_that_is_cancelled_at_any_moment_can_go_on(seed: int) -> None:
    rng = random.Random(seed)
    client, _ = opened(numbered(60), latency=rng.choice([0.0, 0.001, 1.0]))
    async with client:
        items = aiter(client.stocks.list(limit=rng.choice([1, 7, 60])))
        found: list[str] = []

        async def read() -> None:
            async for stock in items:
                found.append(stock.id)
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.choice([0, 0.5]))

        for _ in range(10_000):
            reading = asyncio.create_task(read())
            if rng.random() < 0.5:
                for _ in range(rng.randrange(12)):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(rng.random() * 3)
            reading.cancel()
            try:
                await reading
            except asyncio.CancelledError:
                continue
            break
        assert found == ids(60)
        assert client._scope.session._calls_running == 0


async def test_a_wait_for_with_a_time_out_loses_no_page() -> None:
    client, _ = opened(numbered(30), latency=1.0)
    async with client:
        pages = client.stocks.list(limit=10).pages()
        found: list[str] = []
        timeouts = 0
        while True:
            try:
                page = await asyncio.wait_for(anext(pages), rng_timeout(timeouts))
            except TimeoutError:
                timeouts += 1
                continue
            except StopAsyncIteration:
                break
            found += [stock.id for stock in page.items]
    assert found == ids(30)
    assert timeouts > 2


def rng_timeout(count: int) -> float:
    return 0.4 if count % 2 == 0 else 1.5


@pytest.mark.parametrize("pace", [0.0, 2.0])
@pytest.mark.parametrize("length", [1, 2, 5])
async def test_a_loop_in_cursors_is_found_whoever_waits(pace: float, length: int) -> None:
    def script(sent: Sent) -> Answer:
        cursor = int(query_of(sent).get("cursor", "0"))
        return answer(200, [{"id": str(cursor)}], **link(f"?cursor={(cursor + 1) % length + 1}"))

    client, transport = opened(script, latency=0.5)
    async with client:
        with pytest.raises(PagingError, match="already read") as caught:  # noqa: PT012
            async for _ in client.seller("98980").stocks.list():
                await asyncio.sleep(pace)
    assert len(transport.sent) <= length + 2
    assert (caught.value.operation, caught.value.seller_id) == ("stocks.list", "98980")


async def test_a_page_ahead_that_fails_unseen_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    pages = numbered(30)
    client, _ = opened(lambda sent: answer(404) if "cursor" in sent.url else pages(sent), latency=0.1)
    async with client:
        items = aiter(client.stocks.list(limit=10))
        for expected in ids(10):
            assert (await anext(items)).id == expected
        await asyncio.sleep(5)
        with pytest.raises(NotFoundError):
            await anext(items)
        del items
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR] == []


async def test_a_page_that_cannot_be_decoded_takes_its_follower_along() -> None:
    def script(sent: Sent) -> Answer:
        return answer(200, b"{", **link("?cursor=b")) if "cursor" not in sent.url else answer(200, [])

    client, _ = opened(script, latency=1.0)
    async with client:
        with pytest.raises(UnusableAnswerError):
            await anext(aiter(client.stocks.list()))
        await asyncio.sleep(0)
        assert others() == set()


async def test_closing_lets_a_page_that_is_waited_for_arrive() -> None:
    client, _ = opened(numbered(30), latency=1.0)
    await client.open()
    pages = client.stocks.list(limit=10).pages()
    await anext(pages)
    reading = asyncio.create_task(anext(pages))  # type: ignore[arg-type]
    await asyncio.sleep(0.5)
    await client.close(drain=5.0)
    assert [stock.id for stock in (await reading).items] == ids(20)[10:]


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_reader_learns_that_the_client_was_closed(waiting: bool) -> None:
    client, _ = opened(numbered(30), latency=10.0)
    await client.open()
    pages = client.stocks.list(limit=10).pages()
    await anext(pages)
    outcome: list[BaseException] = []

    async def read() -> None:
        try:
            await anext(pages)
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    if waiting:
        reading = asyncio.create_task(read())
        await asyncio.sleep(0.5)
        await client.close(drain=0.1)
        await reading
    else:
        await client.close(drain=0.1)
        await read()
    assert {type(error) for error in outcome} <= {ClosedError}
    assert outcome or waiting
