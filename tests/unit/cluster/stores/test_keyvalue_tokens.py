"""Tokens on a server: what is seen there, who sees it, turns that end by themselves, a server that is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import psycopg
import pytest
from redis.asyncio import Redis

from octoffm_async import ConfigurationError, Secret
from octoffm_async.auth.store import BURST, SharedRefusal, SharedToken, TokenAccount, TokenRecord
from octoffm_async.cluster.stores import keyvalue_tokens
from octoffm_async.cluster.stores.keyvalue_tokens import KeyValueTokenStore, StoredValue
from octoffm_async.cluster.stores.postgres_tokens import PostgresTokens
from octoffm_async.cluster.stores.redis_tokens import RedisTokens
from octoffm_async.errors import StoreError
from octoffm_async.stores.database import Database
from octoffm_async.stores.encryption import new_key
from tests.unit.auth.test_renewal import Endpoint, sources, texts

ONE, TWO = TokenAccount("client", "1" * 32), TokenAccount("client", "2" * 32)
KEY = new_key()
TOKEN = SharedToken(secret=Secret("token-1"), asked_at=1.8e9, expires_at=1.8e9 + 50)

pytestmark = pytest.mark.one_loop


class Kept(NamedTuple):
    """A server; ``open`` gives a store of its own to each who asks, as in another process."""

    open: Callable[..., KeyValueTokenStore]
    server: Any
    address: str

    async def values(self) -> dict[str, bytes]:
        """All that the server holds."""
        if self.address.startswith("redis"):
            async with Redis.from_url(self.address) as redis:
                return {name.decode(): await redis.get(name) for name in await redis.keys()}
        async with await psycopg.AsyncConnection.connect(self.address) as connection:
            return dict(await (await connection.execute("SELECT name, value FROM octoffm_tokens")).fetchall())

    async def put(self, name: str, value: bytes) -> None:
        """Change what it holds."""
        if self.address.startswith("redis"):
            async with Redis.from_url(self.address) as redis:
                await redis.set(name, value)
                return
        async with await psycopg.AsyncConnection.connect(self.address) as connection:
            await connection.execute(
                "INSERT INTO octoffm_tokens VALUES (%s, %s, now() + interval '1 day') "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )


@pytest.fixture(params=["redis", "postgres"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    address: str = request.getfixturevalue(request.param)
    kind = RedisTokens if request.param == "redis" else PostgresTokens
    opened: list[KeyValueTokenStore] = []

    def opening(**settings: Any) -> KeyValueTokenStore:
        opened.append(kind(address, **settings))
        return opened[-1]

    yield Kept(opening, request.getfixturevalue(f"{request.param}_server"), address)
    for store in opened:
        await store.close()


class TestSealed:
    """With a key the server holds nothing that can be read or forged."""

    async def test_only_with_a_key_nothing_can_be_read(self, kept: Kept) -> None:
        for key, readable in ((KEY, False), (None, True)):
            store = kept.open(key=key)
            await store.save(ONE, TOKEN)
            await store.refuse(TWO, SharedRefusal(at=1.8e9, message="a wrong secret"))
            await store.acquire_renewal_lock(ONE, lease=60)
            await store.admit(ONE)
            stored = b"".join((await kept.values()).values())
            assert [text in stored for text in (b"token-1", b"a wrong secret")] == [readable] * 2

    async def test_who_has_another_key_sees_nothing_and_disturbs_nobody(self, kept: Kept) -> None:
        mine, other, none = kept.open(key=KEY), kept.open(key=new_key()), kept.open()
        await mine.save(ONE, TOKEN)
        lock = await mine.acquire_renewal_lock(ONE, lease=60)
        for stranger in (other, none):
            assert await stranger.load(ONE) == TokenRecord()
            assert await stranger.acquire_renewal_lock(ONE, lease=60) is not None
            await stranger.drop(ONE, TOKEN.secret)
            await stranger.refuse(ONE, SharedRefusal(at=1.8e9, message="no"))
        assert lock is not None
        assert await kept.open(key=KEY).load(ONE) == TokenRecord(TOKEN)

    async def test_the_quota_is_one_whatever_the_key(self, kept: Kept) -> None:
        for store in (kept.open(key=KEY), kept.open(key=new_key()), kept.open()):
            await store.admit(ONE)
        assert [name for name in await kept.values() if "calls" in name] == ["octoffm:calls:client"]

    @pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
    async def test_what_was_changed_is_ignored_told_once_and_replaced(
        self, kept: Kept, key: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = kept.open(key=key)
        await store.save(ONE, TOKEN)
        ((name, value),) = (await kept.values()).items()
        await kept.put(name, value[:-9] + b"\xff" + value[-8:])
        assert [await store.load(ONE) for _ in range(3)] == [TokenRecord()] * 3
        await store.drop(ONE, TOKEN.secret)
        await store.clear_refusal(ONE)
        reported = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(reported) == 1
        assert "damaged" in reported[0]
        assert "token-1" not in reported[0]
        await store.save(ONE, TOKEN)
        assert await store.load(ONE) == TokenRecord(TOKEN)

    async def test_a_token_put_in_anothers_place_is_not_taken(self, kept: Kept) -> None:
        store = kept.open(key=KEY)
        await store.save(ONE, TOKEN)
        ((name, value),) = (await kept.values()).items()
        await kept.put(name.replace(ONE.key, TWO.key), value)
        assert await store.load(TWO) == TokenRecord()


class TestTurns:
    """A turn ends with its lease, whatever became of its holder."""

    async def test_a_turn_ends_by_itself_and_its_late_end_ends_no_other(self, kept: Kept) -> None:
        one, two = kept.open(), kept.open()
        assert (await one.load(ONE), await two.load(ONE)) == (TokenRecord(), TokenRecord())  # they are connected
        late = await one.acquire_renewal_lock(ONE, lease=0.5)
        assert await two.acquire_renewal_lock(ONE, lease=60) is None
        await asyncio.sleep(0.6)
        lock = await two.acquire_renewal_lock(ONE, lease=60)
        assert lock is not None
        await one.release_renewal_lock(ONE, late)
        assert await one.acquire_renewal_lock(ONE, lease=60) is None
        await two.release_renewal_lock(ONE, lock)
        assert await one.acquire_renewal_lock(ONE, lease=60) is not None

    async def test_a_taker_that_is_cancelled_leaves_no_turn(self, kept: Kept) -> None:
        store, other = kept.open(), kept.open()
        assert (await store.load(ONE), await other.load(ONE)) == (TokenRecord(), TokenRecord())
        for passes in range(12):
            taking = asyncio.create_task(store.acquire_renewal_lock(ONE, lease=60))
            for _ in range(passes):
                await asyncio.sleep(0)
            taking.cancel()
            (lock,) = await asyncio.gather(taking, return_exceptions=True)
            await store.close()
            if not isinstance(lock, BaseException):
                await store.release_renewal_lock(ONE, lock)
            else:
                assert isinstance(lock, asyncio.CancelledError)
            lock = await other.acquire_renewal_lock(ONE, lease=60)
            assert lock is not None, passes
            await other.release_renewal_lock(ONE, lock)


async def test_of_the_last_calls_of_the_quota_none_is_given_twice(kept: Kept) -> None:
    stores = [kept.open() for _ in range(10)]
    level = BURST - 3.2
    assert await stores[0].load(ONE) == TokenRecord()
    await kept.put("octoffm:calls:client", f'[{{"level": {level}, "at": {stores[0].now()}}}, ""]'.encode())
    waits = [await store.admit(TWO) for store in stores[:1]]
    waits += await asyncio.gather(*(store.admit(ONE) for store in stores for _ in range(2)))
    assert sum(wait == 0 for wait in waits) == 3
    assert all(wait == 0 or 0 < wait < 30 for wait in waits)


async def test_a_swap_that_is_asked_for_again_succeeds_in_redis_where_answers_are_asked_for_again(redis: str) -> None:
    async with RedisTokens(redis) as store:
        assert [await store._swap("name", None, b"one", keep=60) for _ in range(2)] == [True, True]
        assert [await store._swap("name", b"one", b"two", keep=60) for _ in range(2)] == [True, True]
        assert not await store._swap("name", None, b"three", keep=60)
        assert not await store._swap("name", b"one", b"three", keep=60)
        assert not await store._swap("name", b"one", None)
        assert await store._swap("name", b"two", None)
        assert (await store._read("name")).value is None


class Ahead(KeyValueTokenStore):
    """A server whose clock is ahead."""

    def __init__(self, ahead: float) -> None:
        super().__init__()
        self.ahead = ahead

    async def _read(self, name: str) -> StoredValue:
        return StoredValue(None, time.time() + self.ahead)

    async def _write(self, name: str, value: bytes, *, keep: float) -> None:
        raise NotImplementedError

    async def _swap(self, name: str, old: bytes | None, new: bytes | None, *, keep: float = 0.0) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("ahead", [-1e6, 0.0, 3600.0])
async def test_the_clock_is_the_servers(ahead: float) -> None:
    store = Ahead(ahead)
    assert store.now() == pytest.approx(time.time(), abs=1)
    await store.load(ONE)
    assert store.now() == pytest.approx(time.time() + ahead, abs=1)


async def test_a_reading_is_of_the_middle_of_the_time_that_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    here = iter([0.0, 100.0, 104.0, 110.0])
    monkeypatch.setattr(keyvalue_tokens, "time", SimpleNamespace(monotonic=lambda: next(here), time=lambda: 5000.0))
    store = Ahead(0.0)
    monkeypatch.setattr(time, "time", lambda: 7000.0)
    await store.load(ONE)
    assert store.now() == 7000.0 + 110.0 - 102.0


async def test_the_time_is_that_of_the_reading(kept: Kept) -> None:
    begun = time.time()
    assert begun - 0.01 <= (await kept.open()._read("name")).at <= time.time() + 0.01


async def test_dead_tokens_do_not_pile_up_in_postgresql(postgres: str) -> None:
    async with PostgresTokens(postgres) as store:
        await store.save(ONE, TOKEN)
        async with await psycopg.AsyncConnection.connect(postgres) as connection:
            await connection.execute("UPDATE octoffm_tokens SET ends_at = now() - interval '2 hours'")
        assert await store.load(ONE) == TokenRecord()
        await store.save(TWO, TOKEN)
        async with await psycopg.AsyncConnection.connect(postgres) as connection:
            rows = await (await connection.execute("SELECT name FROM octoffm_tokens")).fetchall()
        assert rows == [(f"octoffm:account:{TWO.key}",)]


async def test_in_redis_all_expires(redis: str) -> None:
    async with RedisTokens(redis) as store, Redis.from_url(redis) as client:
        await store.save(ONE, TOKEN)
        await store.acquire_renewal_lock(ONE, lease=60)
        await store.admit(ONE)
        lives = {(await client.ttl(name)) for name in await client.keys()}
        assert lives == {86_400, 60, 7200}


class TestAway:
    """A server that is stopped, and comes back."""

    async def test_a_client_goes_on_alone_and_comes_back(self, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
        endpoint = Endpoint(takes=0.0)
        one, two = sources(endpoint, kept.open(), 1)[0], sources(endpoint, kept.open(), 1)[0]
        assert await texts([one]) == await texts([two]) == ["token-1"]
        await asyncio.to_thread(kept.server.stop)
        try:
            one.invalidate(await one.get())
            assert await texts([one]) == ["token-2"]
            await one.permit()
            reported = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            assert len(reported) == 1, reported
            assert "going on with a token that is not shared" in reported[0]
            assert f":{kept.server.port}" in reported[0]
        finally:
            await asyncio.to_thread(kept.server.start)
        for _ in range(2):  # PostgreSQL still holds the first token, which could not be dropped
            if await texts([one]) != ["token-3"]:
                one.invalidate(await one.get())
        assert await texts([one]) == ["token-3"]
        two.invalidate(await two.get())
        assert await texts([two]) == ["token-3"]
        assert endpoint.calls == 3

    async def test_a_restart_between_two_renewals_is_not_noticed(self, kept: Kept) -> None:
        store = kept.open()
        await store.save(ONE, TOKEN)
        await asyncio.to_thread(kept.server.restart)
        lock = await store.acquire_renewal_lock(ONE, lease=60)
        assert lock is not None
        await store.save(ONE, TOKEN)
        assert await store.load(ONE) == TokenRecord(TOKEN)

    async def test_an_error_shows_where_and_no_password(self, kept: Kept) -> None:
        await asyncio.to_thread(kept.server.stop)
        try:
            address = kept.address.replace("//octoffm@", "//").replace("//", "//someone:p4ssword@")
            async with type(kept.open())(address) as store:
                assert "p4ssword" not in repr(store)
                with pytest.raises(StoreError, match=str(kept.server.port)) as caught:
                    await store.load(ONE)
                assert caught.value.away
                assert "p4ssword" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
        finally:
            await asyncio.to_thread(kept.server.start)


@pytest.mark.parametrize(
    "address", ["", "orders.sqlite", "http://p4ssword@127.0.0.1", "redis//p4ssword", "pg://p4ssword"]
)
@pytest.mark.parametrize("kind", [RedisTokens, PostgresTokens])
def test_another_address_is_refused_and_not_shown(kind: type[Any], address: str) -> None:
    with pytest.raises(ConfigurationError, match="address") as caught:
        kind(address)
    assert "p4ssword" not in str(caught.value)


async def test_a_database_of_the_callers_is_used_and_stays_open(postgres: str) -> None:
    async with Database(postgres) as database:
        async with PostgresTokens(database) as store:
            await store.save(ONE, TOKEN)
        async with PostgresTokens(database) as store:
            assert await store.load(ONE) == TokenRecord(TOKEN)
    with pytest.raises(ConfigurationError, match="not open"):
        await PostgresTokens(Database(postgres)).load(ONE)


def test_a_store_may_be_used_on_one_loop_after_another(postgres: str, redis: str) -> None:
    for kind, address in ((RedisTokens, redis), (PostgresTokens, postgres)):
        store = kind(address)

        async def save_and_load(store: KeyValueTokenStore = store) -> TokenRecord:
            await store.save(ONE, TOKEN)
            stored = await store.load(ONE)
            await store.close()
            return stored

        assert [asyncio.run(save_and_load()) for _ in range(2)] == [TokenRecord(TOKEN)] * 2
