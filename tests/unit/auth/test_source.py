"""Tokens: one fetch for all, renewed in time, refusals remembered. All on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from octoffm_async import (
    AuthenticationError,
    ClosedError,
    CredentialsRefusedError,
    FulfillmentClient,
    ServerError,
)
from octoffm_async.auth.source import RECHECK_SECONDS, TokenSource
from octoffm_async.contract.access import TokenAnswer
from octoffm_async.sandbox import Sandbox
from octoffm_async.stores import MemoryStore

pytestmark = pytest.mark.virtual_time


class Endpoint:
    """A token endpoint that takes a second to answer and can be made to fail."""

    def __init__(self, life: float = 100.0) -> None:
        self.life = life
        self.calls = 0
        self.fails: list[Exception] = []

    async def __call__(self) -> TokenAnswer:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(1)
        if self.fails:
            raise self.fails.pop(0)
        return TokenAnswer(access_token=f"token-{number}", expires_in=self.life)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


async def after(seconds: float, ask: Callable[[], Awaitable[object]]) -> str:
    await asyncio.sleep(seconds)
    token = await ask()
    return token.secret.reveal()  # type: ignore[attr-defined]


async def test_a_thousand_callers_make_one_call(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    tokens = await asyncio.gather(*(source.get() for _ in range(1000)))
    assert endpoint.calls == 1
    assert len(set(map(id, tokens))) == 1


async def test_in_the_advisory_window_callers_go_on_with_the_old_token(endpoint: Endpoint) -> None:
    source, loop = TokenSource(endpoint), asyncio.get_running_loop()
    await source.get()
    await asyncio.sleep(80)  # 81 s after the call left: past the 80 % of its life
    asked = loop.time()
    old = await asyncio.gather(*(source.get() for _ in range(50)))
    assert loop.time() == pytest.approx(asked, abs=0.01)
    assert {token.secret.reveal() for token in old} == {"token-1"}
    await asyncio.sleep(2)
    assert (await source.get()).secret.reveal() == "token-2"
    assert endpoint.calls == 2


async def test_in_the_mandatory_window_everybody_waits_for_the_new_token(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    await source.get()
    await asyncio.sleep(95)
    tokens = await asyncio.gather(*(source.get() for _ in range(50)))
    assert {token.secret.reveal() for token in tokens} == {"token-2"}
    assert endpoint.calls == 2


async def test_life_counts_from_before_the_call(endpoint: Endpoint) -> None:
    loop = asyncio.get_running_loop()
    asked = loop.time()
    token = await TokenSource(endpoint).get()
    assert token.renew_at == pytest.approx(asked + 80)
    assert token.expires_at == pytest.approx(asked + 90)


async def test_200_tasks_over_20_expiries_make_20_calls() -> None:
    endpoint = Endpoint(life=50.0)
    source = TokenSource(endpoint)

    async def work() -> None:
        for _ in range(20):
            await source.get()
            await asyncio.sleep(50)  # every token is past its life when it is asked for again

    await asyncio.gather(*(work() for _ in range(200)))
    assert endpoint.calls == 20


async def test_cancelling_one_waiter_fails_no_other(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    waiters = [asyncio.create_task(source.get()) for _ in range(10)]
    await asyncio.sleep(0.5)
    waiters[0].cancel()  # the very one that started the fetch
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(not isinstance(result, BaseException) for result in results[1:])
    assert endpoint.calls == 1


async def test_only_the_token_that_was_refused_is_dropped(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    first = await source.get()
    source.invalidate(first)
    second = await source.get()
    source.invalidate(first)  # a late 401 of the first one
    assert await source.get() is second
    assert endpoint.calls == 2


async def test_refused_credentials_are_remembered_until_reset(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    endpoint.fails = [AuthenticationError("invalid_client", status=401)]
    errors = await asyncio.gather(*(source.get() for _ in range(100)), return_exceptions=True)
    assert all(isinstance(error, AuthenticationError) for error in errors)
    assert len(set(map(id, errors))) == 100, "each caller has an error of its own"
    with pytest.raises(AuthenticationError, match="check client_id and client_secret"):
        await source.get()
    assert endpoint.calls == 1
    source.reset()
    assert (await source.get()).secret.reveal() == "token-2"


async def test_a_passing_failure_is_raised_to_all_waiters_and_not_remembered(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    endpoint.fails = [ServerError("down", status=503)]
    errors = await asyncio.gather(*(source.get() for _ in range(10)), return_exceptions=True)
    assert all(isinstance(error, ServerError) for error in errors)
    assert endpoint.calls == 1
    assert (await source.get()).secret.reveal() == "token-2"


async def test_a_failed_advisory_renewal_is_tried_again_only_when_it_must(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    await source.get()
    await asyncio.sleep(80)
    endpoint.fails = [ServerError("down", status=503)]
    assert (await source.get()).secret.reveal() == "token-1"
    await asyncio.sleep(2)
    for _ in range(5):
        assert (await source.get()).secret.reveal() == "token-1"
    assert endpoint.calls == 2
    await asyncio.sleep(10)
    assert (await source.get()).secret.reveal() == "token-3"


async def test_an_error_that_is_not_ours_reaches_the_waiters_too(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    endpoint.fails = [ZeroDivisionError("a bug")]
    with pytest.raises(ZeroDivisionError):
        await source.get()


async def test_closing_ends_the_waiting(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    waiter = asyncio.create_task(source.get())
    await asyncio.sleep(0.5)
    await source.close()
    with pytest.raises(ClosedError):
        await waiter


async def test_the_token_does_not_show_itself(endpoint: Endpoint) -> None:
    token = await TokenSource(endpoint).get()
    assert "token-1" not in repr(token)


async def test_age_and_what_is_left_of_it(endpoint: Endpoint) -> None:
    source, now = TokenSource(endpoint), asyncio.get_running_loop().time
    assert source.age(now()) is None
    assert source.left(now()) is None
    await source.get()
    assert source.age(now()) == pytest.approx(1, abs=0.01)
    assert source.left(now()) == pytest.approx(89, abs=0.01)
    await asyncio.sleep(200)
    assert source.age(now()) == pytest.approx(201, abs=0.01)
    assert source.left(now()) == 0
    assert source.age(0.0) == 0


async def test_refused_credentials_make_one_call_however_long_they_are_used(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint)
    endpoint.fails = [AuthenticationError("invalid_client", status=401)]
    for _ in range(100):
        with pytest.raises(CredentialsRefusedError):
            await source.get()
        await asyncio.sleep(RECHECK_SECONDS * 1.1)
    assert endpoint.calls == 1


async def test_200_tasks_over_20_expiries_make_20_token_calls_on_the_wire() -> None:
    now = asyncio.get_running_loop().time
    async with (
        Sandbox(monotonic=now, token_life=50.0) as sandbox,
        FulfillmentClient(sandbox.config()) as client,
    ):
        begin = now()

        async def work(number: int) -> None:
            for lock in range(20):
                await asyncio.sleep(begin + 60 * lock - now())  # the last token is past its life
                await (client.outbound.count() if number % 10 == 0 else client.check())

        await asyncio.gather(*(work(number) for number in range(200)))
        assert sandbox.requests.count("outbound.count", 200) == sandbox.requests.total - 20 == 20 * 20
        assert sandbox.tokens.requests == len(sandbox.tokens.issued) == 20
        assert client.stats().tokens == 20


async def test_a_wrong_secret_makes_one_token_call_for_200_tasks() -> None:
    now = asyncio.get_running_loop().time
    async with (
        Sandbox(monotonic=now) as sandbox,
        FulfillmentClient(sandbox.config(client_secret="wr0ng-s3cret")) as client,
    ):
        calls = (client.outbound.count() for _ in range(200))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {CredentialsRefusedError}
        assert not any("wr0ng" in f"{error}{vars(error)}" for error in errors)
        assert sandbox.tokens.requests == 1
        client.reset_credentials()
        with pytest.raises(CredentialsRefusedError):
            await client.check()
        assert sandbox.tokens.requests == 2


async def test_a_storm_of_401_renews_once_for_all_who_share_a_store() -> None:
    now = asyncio.get_running_loop().time
    store = MemoryStore(clock=now)
    async with (
        Sandbox(monotonic=now) as sandbox,
        FulfillmentClient(sandbox.config(), store=store) as one,
        FulfillmentClient(sandbox.config(seller_id="98980"), store=store) as two,
    ):
        for storm in range(1, 4):
            await asyncio.gather(*(client.outbound.count() for client in (one, two) for _ in range(50)))
            assert sandbox.tokens.requests == storm
            sandbox.tokens.expire_now()
        assert sandbox.requests.count("outbound.count", 401) > 50
        assert one.stats().tokens + two.stats().tokens == 3
