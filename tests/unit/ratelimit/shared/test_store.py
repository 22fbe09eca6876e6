"""Limits in a store of keys and values of each kind: many at once, damaged values, other versions, restarts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.servers import PostgresServer, RedisServer
from octoffm_async import ClosedError, ConfigurationError, MemoryLimits, StoreError
from octoffm_async.cluster import PostgresLimits, RedisLimits
from octoffm_async.ratelimit.learned_rate import SECOND
from octoffm_async.ratelimit.shared.gcra import KEPT, VERSION, LimitState, advance
from octoffm_async.ratelimit.shared.store import PREFIX, KeyValueLimits, LeaseRequest, LimitStore
from octoffm_async.stores.base import KeyValueStore, MemoryStore
from octoffm_async.stores.file import FileStore
from octoffm_async.stores.open import open_store

pytestmark = pytest.mark.one_loop
KINDS = ("memory", "file", "redis", "postgres")
SHARED = KINDS[1:]
SERVERS = KINDS[2:]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    match kind:
        case "memory":
            return ""
        case "file":
            return str(tmp_path / "state.sqlite")
        case _:
            return str(request.getfixturevalue(kind))


def limits_at(address: str) -> KeyValueLimits:
    return KeyValueLimits(open_store(address)) if address else MemoryLimits()


@asynccontextmanager
async def opened(*stores: LimitStore) -> AsyncIterator[LimitStore]:
    for store in stores:
        store.open()
    try:
        yield stores[0]
    finally:
        for store in stores:
            await store.close()


async def test_many_limits_are_asked_for_at_once_and_answered_in_order(address: str) -> None:
    async with opened(limits_at(address)) as store:
        await store.exchange([LeaseRequest("seller 3", 20 * SECOND, want=1)])
        requests = [LeaseRequest(f"seller {number}", 20_000 + number, want=2) for number in (5, 3, 9, 1)]
        answers = await store.exchange(requests)
    assert [answer.step for answer in answers] == [20_005, 20_003, 20_009, 20_001]
    assert [answer.start > 0 for answer in answers] == [False, True, False, False]


async def test_it_goes_by_a_clock_of_its_own(address: str) -> None:
    async with opened(limits_at(address)) as store:
        (before,) = await store.exchange([LeaseRequest("key", 20_000)])
        await asyncio.sleep(0.05)
        (after,) = await store.exchange([LeaseRequest("key", 20_000)])
    assert 50_000 <= after.now - before.now < 5 * SECOND


@pytest.mark.parametrize("kind", SHARED)
async def test_two_that_ask_at_once_never_get_the_same_slot(address: str) -> None:
    stores = [limits_at(address) for _ in range(4)]
    places: list[int] = []

    async def request(store: LimitStore, seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            keys = rng.sample(range(4), 3)
            requests = [LeaseRequest(f"key {number}", 1000, want=rng.randint(1, 5)) for number in keys]
            for asked, answer in zip(requests, await store.exchange(requests), strict=True):
                if asked.key == "key 0":
                    places.extend(answer.place + number * answer.step for number in range(answer.granted))

    async with opened(*stores):
        await asyncio.gather(*(request(store, seed) for seed, store in enumerate(stores)))
    places.sort()
    assert len(places) > 100
    assert min(later - before for before, later in pairwise(places)) >= 1000


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_what_is_kept_long_enough_is_forgotten(kind: str, address: str) -> None:
    clock = Clock()
    values: KeyValueStore = MemoryStore(clock=clock) if kind == "memory" else FileStore(address, clock=clock)
    async with opened(KeyValueLimits(values)) as store:
        (first,) = await store.exchange([LeaseRequest("key", 20_000, want=1)])
        clock.now += KEPT / SECOND
        (second,) = await store.exchange([LeaseRequest("key", 20_000)])
        assert second.epoch == first.epoch
        clock.now += 1
        (third,) = await store.exchange([LeaseRequest("key", 20_000)])
    assert third.epoch > first.epoch


def server_of(kind: str, request: pytest.FixtureRequest) -> RedisServer | PostgresServer:
    server: RedisServer | PostgresServer = request.getfixturevalue(f"{kind}_server")
    return server


@pytest.mark.parametrize("kind", SERVERS)
async def test_it_fails_while_its_server_is_away_and_comes_back_with_it(
    kind: str, address: str, request: pytest.FixtureRequest
) -> None:
    server = server_of(kind, request)
    async with opened(limits_at(address)) as store:
        (before,) = await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await asyncio.to_thread(server.stop)
        for _ in range(2):
            with pytest.raises(StoreError):
                await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await asyncio.to_thread(server.start)
        asked = LeaseRequest("key", 20_000, want=1, epoch=before.epoch, shares=10, settle=SECOND)
        (after,) = await store.exchange([asked])
    assert after.epoch > before.epoch
    assert after.step == 200_000


@pytest.mark.parametrize("kind", SHARED)
async def test_an_exchange_that_was_cancelled_leaves_a_store_that_works(address: str) -> None:
    async with opened(limits_at(address)) as store:
        for delay in (0, 0.0005, 0.001, 0.002, 0.005):
            asking = asyncio.create_task(store.exchange([LeaseRequest("key", 20_000, want=1)]))
            await asyncio.sleep(delay)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            (answer,) = await store.exchange([LeaseRequest("other", 20_000, want=1)])
            assert answer.granted == 1


async def put(address: str, value: bytes) -> None:
    """Replace the value of the limit ``key``."""
    async with open_store(address) as values:
        await values.update([f"{PREFIX}key"], lambda _values, _now: [value], keep_seconds=60)


def state_of(version: int, used_at: int) -> bytes:
    return msgspec.msgpack.encode([version, used_at, "of another form"])


DAMAGED = [
    b"",
    b"\x00",
    b"garbage",
    msgspec.msgpack.encode({"free_at": 1}),
    msgspec.msgpack.encode([LimitState.__struct_config__.tag]),
    msgspec.msgpack.encode(advance(None, LeaseRequest("key", 20_000, want=9), SECOND)[0])[:-3],
    msgspec.msgpack.encode([LimitState.__struct_config__.tag, "now", 1, 1, [], 0, 0]),
]


@pytest.mark.parametrize("kind", SHARED)
async def test_a_damaged_limit_begins_again_with_a_fraction_and_that_is_said_once(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(limits_at(address)) as store:
        asked = LeaseRequest("key", 20_000, want=5, shares=10, settle=2 * SECOND)
        (first,) = await store.exchange([asked])
        assert first.step == 20_000
        for value in DAMAGED[1:]:
            await put(address, value)
            answers = await store.exchange([asked, LeaseRequest("other", 20_000, want=1)])
            assert [answer.step for answer in answers] == [200_000, 20_000]
            assert answers[0].epoch > first.epoch
        (again,) = await store.exchange([asked])
        assert again.place >= answers[0].place + 5 * 200_000
    ours = [record.levelno for record in caplog.records if record.name == "octoffm_async"]
    assert ours == [logging.WARNING]


@pytest.mark.parametrize("kind", SHARED)
async def test_a_limit_of_another_version_is_refused_while_it_is_in_use(address: str) -> None:
    async with opened(limits_at(address)) as store:
        (here,) = await store.exchange([LeaseRequest("mine", 20_000)])
        for value in (
            state_of(VERSION + 1, here.now - SECOND),
            msgspec.msgpack.encode([here.now + 1000.0, 5, 5, 5, here.now, 0]),
        ):
            await put(address, value)
            for _ in range(2):
                with pytest.raises(ConfigurationError, match="another version"):
                    await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await put(address, state_of(VERSION + 1, here.now - KEPT))
        (after,) = await store.exchange([LeaseRequest("key", 20_000, want=1, shares=10, settle=SECOND)])
        assert after.step == 200_000


async def test_a_database_that_an_earlier_version_uses_is_refused_and_taken_over_later(postgres: str) -> None:
    import psycopg

    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
        await connection.execute("CREATE TABLE octoffm_schema (part text PRIMARY KEY, version int NOT NULL)")
        await connection.execute("INSERT INTO octoffm_schema VALUES ('limits', 2)")
        await connection.execute("CREATE UNLOGGED TABLE octoffm_limits (key text PRIMARY KEY, asked_at bigint)")
        await connection.execute("INSERT INTO octoffm_limits SELECT 'key', extract(epoch FROM now()) * 1000000")
        async with opened(PostgresLimits(postgres)) as store:
            with pytest.raises(ConfigurationError, match="earlier version"):
                await store.exchange([LeaseRequest("key", 20_000, want=1)])
            await connection.execute("UPDATE octoffm_limits SET asked_at = asked_at - 61000000")
            (answer,) = await store.exchange([LeaseRequest("key", 20_000, want=1)])
            assert answer.granted == 1
        rows = await connection.execute(
            "SELECT part, version FROM octoffm_schema WHERE to_regclass('octoffm_limits') IS NULL"
        )
        assert set(await rows.fetchall()) == {("limits", 3), ("tokens", 2), ("store", 1)}


@pytest.mark.parametrize("make", [RedisLimits, PostgresLimits])
def test_a_wrong_address_is_told_without_its_password(make: Callable[[str], LimitStore]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make("http://user:hunter2@host/0")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "store",
    [
        RedisLimits("redis://user:hunter2@localhost:1/0"),
        PostgresLimits("postgresql://user:hunter2@localhost:1/limits"),
    ],
)
async def test_its_repr_and_its_errors_show_no_password(store: LimitStore) -> None:
    assert isinstance(store, LimitStore)
    assert "localhost:1" in repr(store)
    async with opened(store):
        with pytest.raises(StoreError) as caught:
            await store.exchange([LeaseRequest("key", 1000)])
    assert "hunter2" not in repr(store) + repr(caught.value) + str(caught.value)


async def test_several_clients_share_one_store_and_the_last_closes_it(address: str) -> None:
    store = limits_at(address)
    store.open()
    store.open()
    await asyncio.gather(*(store.exchange([LeaseRequest("key", 1000)]) for _ in range(3)))
    await store.close()
    await store.exchange([LeaseRequest("key", 1000)])
    await store.close()


def test_a_store_may_be_used_on_one_loop_after_another(address: str) -> None:
    async def request(store: LimitStore) -> None:
        async with opened(store):
            await store.exchange([LeaseRequest("key", 1000)])

    store = limits_at(address)
    asyncio.run(request(store))
    asyncio.run(request(store))


async def test_a_store_is_not_shared_by_two_loops(address: str) -> None:
    store: Any = limits_at(address)

    async def open_it() -> None:
        store.open()

    async with opened(store):
        with pytest.raises(ClosedError):
            await asyncio.to_thread(asyncio.run, open_it())
