"""What every token store must promise, on each of ours; the shared quota; whose token an account's is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import MemoryTokenStore, Secret, TokenStore
from octoffm_async.auth import KeyValueTokenStore
from octoffm_async.auth.store import (
    MOST_SKEW,
    REFUSAL_HONOURED,
    QuotaBucket,
    SharedRefusal,
    SharedToken,
    TokenAccount,
    TokenRecord,
    account_of,
)
from octoffm_async.stores import new_key, open_store
from tests.support.fakes import config

ONE, TWO = TokenAccount("client", "1" * 32), TokenAccount("client", "2" * 32)
Opening = Callable[[], TokenStore]
NOW = time.time()


def token(text: str = "token-1") -> SharedToken:
    return SharedToken(secret=Secret(text), asked_at=NOW, expires_at=NOW + 50.0)


def refusal(at: float = NOW) -> SharedRefusal:
    return SharedRefusal(at=at, message="no", status=401, code="c", title="t", trace_id="i")


@pytest.fixture(params=["memory", "file", "file sealed", "redis", "redis sealed", "postgres", "postgres sealed"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    """A function that opens the store, for each of those who share it, as in another process."""
    kind, _, sealed = request.param.partition(" ")
    if kind == "memory":
        store = MemoryTokenStore()
        yield lambda: store
        return
    address = str(tmp_path / "own" / "state.sqlite") if kind == "file" else request.getfixturevalue(kind)
    key, opened = new_key() if sealed else None, list[KeyValueTokenStore]()

    def open_it() -> KeyValueTokenStore:
        opened.append(KeyValueTokenStore(open_store(address), key=key))
        return opened[-1]

    yield open_it
    for each in opened:
        await each.close()


@pytest.mark.one_loop
class TestPromises:
    """Of all stores."""

    async def test_it_is_a_store(self, opening: Opening) -> None:
        assert isinstance(opening(), TokenStore)

    async def test_what_one_saves_another_sees_under_the_same_account_only(self, opening: Opening) -> None:
        assert await opening().load(ONE) == TokenRecord()
        await opening().save(ONE, token())
        assert await opening().load(ONE) == TokenRecord(token())
        assert await opening().load(TWO) == TokenRecord()
        await opening().save(TWO, token("token-2"))
        assert await opening().load(ONE) == TokenRecord(token())

    async def test_only_the_token_that_was_refused_is_dropped(self, opening: Opening) -> None:
        store = opening()
        await store.drop(ONE, Secret("token-1"))
        await store.save(ONE, token())
        await store.drop(ONE, Secret("token-0"))
        assert (await store.load(ONE)).token == token()
        await store.drop(ONE, Secret("token-1"))
        assert (await opening().load(ONE)).token is None

    async def test_a_refusal_takes_the_tokens_place_and_a_token_the_refusals(self, opening: Opening) -> None:
        store = opening()
        await store.clear_refusal(ONE)
        await store.save(ONE, token())
        await store.refuse(ONE, refusal())
        assert await opening().load(ONE) == TokenRecord(refusal=refusal())
        await store.clear_refusal(ONE)
        assert await opening().load(ONE) == TokenRecord()
        await store.refuse(ONE, refusal())
        await store.save(ONE, token())
        assert await opening().load(ONE) == TokenRecord(token())

    async def test_there_is_one_turn_per_account(self, opening: Opening) -> None:
        one, two = opening(), opening()
        lock = await one.acquire_renewal_lock(ONE, lease=5)
        assert lock is not None
        assert await one.acquire_renewal_lock(ONE, lease=5) is None
        assert await two.acquire_renewal_lock(ONE, lease=5) is None
        other = await two.acquire_renewal_lock(TWO, lease=5)
        assert other is not None
        await one.release_renewal_lock(ONE, lock)
        again = await two.acquire_renewal_lock(ONE, lease=5)
        assert again is not None
        await one.release_renewal_lock(ONE, lock)  # a second end of an old turn ends no other's
        assert await one.acquire_renewal_lock(ONE, lease=5) is None
        await two.release_renewal_lock(ONE, again)
        await two.release_renewal_lock(TWO, other)

    async def test_of_many_at_once_one_gets_the_turn(self, opening: Opening) -> None:
        stores = [opening() for _ in range(20)]
        turns = await asyncio.gather(*(store.acquire_renewal_lock(ONE, lease=5) for store in stores))
        assert sum(lock is not None for lock in turns) == 1
        for store, lock in zip(stores, turns, strict=True):
            if lock is not None:
                await store.release_renewal_lock(ONE, lock)

    async def test_the_quota_is_one_for_all_secrets_of_a_client(self, opening: Opening) -> None:
        waits = [await opening().admit(ONE if number % 2 else TWO) for number in range(20)]
        assert waits == [0.0] * 20
        assert await opening().admit(TokenAccount("other", ONE.key)) == 0.0


@pytest.mark.virtual_time
async def test_in_memory_the_quota_of_an_hour_is_held() -> None:
    store, now = MemoryTokenStore(), asyncio.get_running_loop().time
    begin, admitted = now(), 0
    while now() < begin + 3600:
        if wait := await store.admit(ONE):
            await asyncio.sleep(wait)
        else:
            admitted += 1
    assert 495 <= admitted <= 500


@given(gaps=st.lists(st.floats(0, 40), max_size=1500))
def test_the_allowance_holds_in_every_window(gaps: list[float]) -> None:
    used, now = QuotaBucket(), 1.7e9
    admitted: list[float] = []
    for gap in gaps:
        now += gap
        used, wait = used.take(now)
        assert wait >= 0
        if not wait:
            admitted.append(now)
    assert all(later - earlier >= 3600 for earlier, later in zip(admitted, admitted[500:], strict=False))


@given(level=st.floats(0, 1000), at=st.floats(0, 2e9), now=st.floats(0, 2e9))
def test_after_the_wait_there_is_room(level: float, at: float, now: float) -> None:
    used, wait = QuotaBucket(level, at).take(now)
    assert 0 <= wait <= 3600
    if wait:
        assert used.take(now + wait * (1 + 1e-9) + 1e-5)[1] == 0


def test_a_clock_that_was_put_back_gives_no_calls_away() -> None:
    used = QuotaBucket()
    while not (step := used.take(1e6))[1]:
        used = step[0]
    back = used.take(5e5)
    assert back[1] > 0
    assert back[0].take(5e5 + back[1] + 1e-3)[1] == 0


@pytest.mark.parametrize(
    ("age", "honoured"),
    [(0, True), (REFUSAL_HONOURED - 1, True), (REFUSAL_HONOURED, False), (-MOST_SKEW, True), (-MOST_SKEW - 1, False)],
)
def test_how_long_a_refusal_is_honoured(age: float, *, honoured: bool) -> None:
    end = refusal(at=1000.0).honoured_until(1000.0 + age)
    assert end == (1000.0 + REFUSAL_HONOURED if honoured else None)


def test_an_account_is_a_digest_of_address_client_and_secret() -> None:
    base = account_of(config())
    assert base == account_of(config(deadline=5.0))
    others = [
        account_of(config().with_(client_secret="other")),
        account_of(config().with_(client_id="other")),
        account_of(config().with_(token_url="http://127.0.0.1:9/other")),
    ]
    assert len({base.key, *(other.key for other in others)}) == 4
    assert others[0].client == base.client
    assert len({base.client, others[1].client, others[2].client}) == 3
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in base)


def test_nothing_of_a_store_shows_a_token() -> None:
    assert "token-1" not in repr([token(), TokenRecord(token()), Secret("token-1")])
