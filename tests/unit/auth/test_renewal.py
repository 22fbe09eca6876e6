"""Renewals of clients that share a store: one makes the call, trouble of the store stops nobody, no lock is left."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import (
    AuthenticationError,
    ConfigurationError,
    CredentialsRefusedError,
    FileTokenStore,
    MemoryTokenStore,
    Secret,
    ServerError,
)
from octoffm_async.auth import renewal as token_sharing
from octoffm_async.auth.renewal import PATIENCE, STORE_TIMEOUT
from octoffm_async.auth.source import RECHECK_SECONDS, TokenSource
from octoffm_async.auth.store import REFUSAL_HONOURED, SharedToken, TokenAccount
from octoffm_async.contract.access import TokenAnswer

ACCOUNT = TokenAccount("client", "0" * 32)
METHODS = ["load", "acquire_renewal_lock", "release_renewal_lock", "save", "drop", "refuse", "clear_refusal", "admit"]


class Endpoint:
    """A token endpoint; ``takes`` seconds pass with each call."""

    def __init__(self, *, life: float = 100.0, takes: float = 1.0) -> None:
        self.life = life
        self.takes = takes
        self.calls = 0
        self.fails: list[Exception] = []

    async def __call__(self) -> TokenAnswer:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(self.takes)
        if self.fails:
            raise self.fails.pop(0)
        return TokenAnswer(access_token=f"token-{number}", expires_in=self.life)


class Clock:
    """A wall clock that can be put."""

    def __init__(self) -> None:
        self.offset = 1.8e9

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.offset


class Troubled(MemoryTokenStore):
    """A store whose methods do ``trouble`` before their work."""

    def __init__(self, trouble: Callable[[str], Any]) -> None:
        super().__init__()
        self.trouble = trouble

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in METHODS:
            return found

        async def troubled(*args: Any, **settings: Any) -> Any:
            if (wait := self.trouble(name)) is not None:
                await wait
            return await found(*args, **settings)

        return troubled


def sources(endpoint: Endpoint, store: Any, count: int = 10) -> list[TokenSource]:
    return [TokenSource(endpoint, store=store, account=ACCOUNT, lease=60.0) for _ in range(count)]


async def texts(asked: list[TokenSource]) -> list[str]:
    return [token.secret.reveal() for token in await asyncio.gather(*(source.get() for source in asked))]


@pytest.mark.virtual_time
class TestTogether:
    """Ten clients over one store in memory."""

    async def test_one_call_per_expiry(self) -> None:
        endpoint = Endpoint()
        shared = sources(endpoint, MemoryTokenStore())
        for lock in range(1, 21):
            assert await texts(shared) == [f"token-{lock}"] * 10
            await asyncio.sleep(95)
        assert endpoint.calls == 20

    async def test_in_the_advisory_window_one_call_and_nobody_waits(self) -> None:
        endpoint, now = Endpoint(), asyncio.get_running_loop().time
        shared = sources(endpoint, MemoryTokenStore())
        await texts(shared)
        await asyncio.sleep(82)
        asked = now()
        assert await texts(shared) == ["token-1"] * 10
        assert now() == pytest.approx(asked, abs=0.01)
        await asyncio.sleep(2)
        assert await texts(shared) == ["token-2"] * 10
        assert endpoint.calls == 2

    async def test_a_storm_of_401_makes_one_call(self) -> None:
        endpoint = Endpoint()
        shared = sources(endpoint, MemoryTokenStore())
        for storm in range(1, 5):
            stored = await asyncio.gather(*(source.get() for source in shared))
            assert {token.secret.reveal() for token in stored} == {f"token-{storm}"}
            for source, token in zip(shared, stored, strict=True):
                source.invalidate(token)
        assert endpoint.calls == 4

    async def test_a_late_401_leaves_the_new_token_to_the_others(self) -> None:
        endpoint, store = Endpoint(), MemoryTokenStore()
        early, late = sources(endpoint, store, 2)
        await texts([early, late])
        early.invalidate(await early.get())
        assert await texts([early]) == ["token-2"]
        late.invalidate(await late.get())
        assert await texts([late, *sources(endpoint, store, 1)]) == ["token-2", "token-2"]
        assert endpoint.calls == 2

    async def test_a_refused_token_is_not_given_to_a_newcomer_while_its_renewal_fails(self) -> None:
        endpoint, store = Endpoint(), MemoryTokenStore()
        one, two = sources(endpoint, store, 2)
        one.invalidate(await one.get())
        endpoint.fails = [ServerError("down", status=503)]
        with pytest.raises(ServerError):
            await one.get()
        assert await texts([two]) == ["token-3"]

    async def test_a_newcomer_uses_a_token_that_is_due_when_the_endpoint_is_down(self) -> None:
        endpoint, store = Endpoint(), MemoryTokenStore()
        one, two = sources(endpoint, store, 2)
        await texts([one])
        await asyncio.sleep(82)
        endpoint.fails = [ServerError("down", status=503)] * 2
        assert await texts([two]) == ["token-1"]
        await asyncio.sleep(12)
        with pytest.raises(ServerError):
            await two.get()

    async def test_refused_credentials_make_one_call(self) -> None:
        endpoint = Endpoint()
        endpoint.fails = [AuthenticationError("401 invalid_client", status=401, code="invalid_client")] * 9
        shared = sources(endpoint, MemoryTokenStore())
        for _ in range(3):
            errors = await asyncio.gather(*(source.get() for source in shared), return_exceptions=True)
            assert {type(error) for error in errors} == {CredentialsRefusedError}
            assert sum("asked by another client" in str(error) for error in errors) == 9
            assert {error.code for error in errors if isinstance(error, CredentialsRefusedError)} == {"invalid_client"}
            await asyncio.sleep(RECHECK_SECONDS * 1.1)
        assert endpoint.calls == 1

    async def test_a_reset_reaches_all_who_share(self) -> None:
        endpoint = Endpoint()
        endpoint.fails = [AuthenticationError("no", status=401)]
        shared = sources(endpoint, MemoryTokenStore(), 5)
        await asyncio.gather(*(source.get() for source in shared), return_exceptions=True)
        shared[3].reset()
        assert await texts([shared[3]]) == ["token-2"]
        await asyncio.sleep(RECHECK_SECONDS)
        assert await texts(shared) == ["token-2"] * 5
        assert endpoint.calls == 2

    async def test_another_clients_refusal_is_honoured_for_a_while_only(self) -> None:
        endpoint = Endpoint()
        endpoint.fails = [AuthenticationError("no", status=401)]
        one, two = sources(endpoint, MemoryTokenStore(), 2)
        for source in (one, two):
            with pytest.raises(CredentialsRefusedError):
                await source.get()
        await asyncio.sleep(REFUSAL_HONOURED - 5)
        with pytest.raises(CredentialsRefusedError):
            await two.get()
        await asyncio.sleep(RECHECK_SECONDS)
        with pytest.raises(CredentialsRefusedError):
            await one.get()  # its own call was refused: it makes no other by itself
        assert await texts([two]) == ["token-2"]
        await asyncio.sleep(RECHECK_SECONDS)
        assert await texts([one]) == ["token-2"]

    async def test_who_has_the_turn_looks_again_before_it_calls(self) -> None:
        def trouble(method: str) -> Any:  # another has renewed just before this one gets the turn
            other = SharedToken(secret=Secret("other"), asked_at=store.now(), expires_at=store.now() + 100)
            return MemoryTokenStore.save(store, ACCOUNT, other) if method == "acquire_renewal_lock" else None

        endpoint, store = Endpoint(), Troubled(trouble)
        assert await texts(sources(endpoint, store, 1)) == ["other"]
        assert endpoint.calls == 0

    async def test_a_holder_that_never_comes_back_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(token_sharing, "random", random.Random(5))
        endpoint, store, now = Endpoint(), MemoryTokenStore(), asyncio.get_running_loop().time
        assert await store.acquire_renewal_lock(ACCOUNT, lease=60) is not None
        begin = now()
        assert len(set(await texts(sources(endpoint, store)))) <= 2
        assert 60 * PATIENCE <= now() - begin <= 60 * PATIENCE * 1.5 + 3
        assert endpoint.calls <= 2


@pytest.mark.virtual_time
class TestClocks:
    """The wall clock is put while tokens live."""

    @pytest.mark.parametrize("jump", [-1e6, -3600.0, -50.0, -1.0, 1.0, 50.0, 3600.0, 1e6])
    async def test_a_jump_costs_a_call_at_most_and_nobody_keeps_a_dead_token(self, jump: float) -> None:
        endpoint, clock, store = Endpoint(), Clock(), MemoryTokenStore()
        store.now = clock  # type: ignore[method-assign]
        one, two, three = sources(endpoint, store, 3)
        await texts([one, two])
        await asyncio.sleep(49)
        clock.offset += jump
        calls = endpoint.calls
        assert await texts([one, two]) == ["token-1"] * 2  # the loop's clock did not move
        assert len(await texts([three])) == 1
        assert endpoint.calls - calls <= 1
        await asyncio.sleep(100)
        assert "token-1" not in await texts([one, two])
        await asyncio.sleep(100)
        assert "token-1" not in await texts([one, two, three])

    async def test_a_clock_that_was_put_back_does_not_bring_the_own_token_back(self) -> None:
        endpoint, clock, store = Endpoint(), Clock(), MemoryTokenStore()
        store.now = clock  # type: ignore[method-assign]
        (source,) = sources(endpoint, store, 1)
        await texts([source])
        await asyncio.sleep(84)
        clock.offset -= 30
        assert await texts([source]) == ["token-1"]
        await asyncio.sleep(2)
        assert await texts([source]) == ["token-2"]
        assert endpoint.calls == 2

    async def test_a_token_of_a_store_lives_no_longer_than_a_life_from_its_taking_over(self) -> None:
        endpoint, clock, store = Endpoint(), Clock(), MemoryTokenStore()
        store.now = clock  # type: ignore[method-assign]
        ends = clock() + 1e9
        await store.save(ACCOUNT, SharedToken(secret=Secret("for-ever"), asked_at=clock(), expires_at=ends))
        assert await texts(sources(endpoint, store, 1)) == ["token-1"]


@pytest.mark.virtual_time
class TestTrouble:
    """A store that fails, hangs, or is not safe."""

    @pytest.mark.parametrize(
        ("failing", "warnings"),
        [
            (METHODS, 1),
            (["save"], 1),
            (["load"], 3),  # the save in between worked: it is told again
            (["acquire_renewal_lock"], 3),
            (["release_renewal_lock"], 2),  # a renewal goes without the lock; the next one finds its lease ended
            (["admit"], 3),
            (["drop"], 2),
            (["clear_refusal"], 2),
        ],
        ids=str,
    )
    async def test_a_store_that_fails_is_told_once_until_it_works_again(
        self, failing: list[str], warnings: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        def trouble(method: str) -> None:
            if method in failing:
                raise OSError(28, "No space left on device", "redis://user:p4ssword@host")

        endpoint = Endpoint()
        (source,) = sources(endpoint, Troubled(trouble), 1)
        for lock in range(1, 4):
            await source.permit()
            assert await texts([source]) == [f"token-{lock}"]
            source.invalidate(await source.get())
            source.reset()
        reported = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(reported) == warnings
        assert "No space left" in caplog.text
        assert "p4ssword" not in caplog.text

    @pytest.mark.parametrize("hanging", ["load", "acquire_renewal_lock", "save", "release_renewal_lock"])
    async def test_a_store_that_hangs_is_left_behind(self, hanging: str, caplog: pytest.LogCaptureFixture) -> None:
        def trouble(method: str) -> Any:
            return asyncio.sleep(1e6) if method == hanging else None

        endpoint, now = Endpoint(), asyncio.get_running_loop().time
        (source,) = sources(endpoint, Troubled(trouble), 1)
        begin = now()
        assert await texts([source]) == ["token-1"]
        assert now() - begin <= 2 * STORE_TIMEOUT + 1.1
        assert "TimeoutError" in caplog.text

    async def test_a_store_that_is_not_safe_is_told_to_the_caller(self) -> None:
        def trouble(method: str) -> None:
            raise ConfigurationError("others can read it")

        with pytest.raises(ConfigurationError, match="others can read it"):
            await TokenSource(Endpoint(), store=Troubled(trouble)).get()

    async def test_an_error_of_the_store_that_is_not_oss_shows_its_type_only(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def trouble(method: str) -> None:
            raise ValueError("token-1 p4ssword")

        assert await texts(sources(Endpoint(), Troubled(trouble), 1)) == ["token-1"]
        assert "ValueError" in caplog.text
        assert "p4ssword" not in caplog.text


class Stop:
    """Cancels the renewal at the ``at``-th point that it passes; ``within`` cancels what begins there."""

    def __init__(self, at: int, *, within: bool) -> None:
        self.at = at
        self.within = within
        self.passed = 0
        self.where = ""

    async def __call__(self, name: str, source: TokenSource) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.where = name
            task = source._renewing
            assert task is not None
            if self.within:
                asyncio.get_running_loop().call_soon(task.cancel)
            else:
                task.cancel()
                await asyncio.sleep(0)


@asynccontextmanager
async def stopping(path: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TokenSource]:
    """A client over a file that is stopped before, or within, each step of its renewal."""
    store, endpoint = FileTokenStore(path), Endpoint(takes=0.02)

    def stepped(method: str, work: Any) -> Any:
        async def step(*args: Any, **settings: Any) -> Any:
            await stop(method, source)
            return await work(*args, **settings)

        return step

    for method in METHODS:
        monkeypatch.setattr(store, method, stepped(method, getattr(store, method)))

    async def fetch() -> TokenAnswer:
        await stop("fetch", source)
        await source.permit()
        return await endpoint()

    source = TokenSource(fetch, store=store, account=ACCOUNT, lease=60.0)
    yield source
    await source.close()
    await store.close()


SAVED = ("save", "release_renewal_lock", "")
"""Where a renewal has its token: cut off here, by a client that closes, it is what the next client finds."""


@pytest.mark.parametrize("within", [False, True], ids=["before", "within"])
async def test_a_renewal_may_be_cancelled_anywhere_and_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, within: bool
) -> None:
    places: list[str] = []
    for at in range(1, 30):
        stop = Stop(at, within=within)
        path = tmp_path / f"{at}.json"
        async with stopping(path, stop, monkeypatch) as source:
            waiters = [asyncio.create_task(source.get()) for _ in range(5)]
            async with asyncio.timeout(5):
                results = await asyncio.gather(*waiters, return_exceptions=True)
        async with FileTokenStore(path) as other:
            async with asyncio.timeout(5):
                lock = await other.acquire_renewal_lock(ACCOUNT, lease=60)
                while lock is None:  # a thread may still be at it
                    await asyncio.sleep(0.001)
                    lock = await other.acquire_renewal_lock(ACCOUNT, lease=60)
            await other.release_renewal_lock(ACCOUNT, lock)
            endpoint = Endpoint(takes=0.01)
            assert len(await texts(sources(endpoint, other, 3))) == 3
            assert endpoint.calls == (stop.where not in SAVED)
        if not stop.where:
            break
        places.append(stop.where)
        assert {type(result) for result in results}, results
    assert places == ["load", "acquire_renewal_lock", "load", "fetch", "admit", "save", "release_renewal_lock"]
