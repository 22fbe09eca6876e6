"""The stores of shared limits: each does what the model does, for many at once, and over a restart of its server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from benchmarks.servers import PostgresServer, RedisServer
from octoffm_async import ClosedError, ConfigurationError
from octoffm_async.cluster.stores.postgres_limits import PostgresLimits
from octoffm_async.cluster.stores.redis_limits import RedisLimits
from octoffm_async.ratelimit.shared.gcra import KEPT, SECOND
from octoffm_async.ratelimit.shared.store import LeaseRequest, LimitStore, MemoryLimits

from .limit_stores import KINDS, Clock, make_store

pytestmark = pytest.mark.one_loop
SERVERS = KINDS[1:]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(kind: str, request: pytest.FixtureRequest) -> str:
    return "" if kind == "memory" else str(request.getfixturevalue(kind))


@asynccontextmanager
async def opened(store: LimitStore) -> AsyncIterator[LimitStore]:
    store.open()
    try:
        yield store
    finally:
        await store.close()


def random_ask(
    rng: random.Random, key: str, interval: int, epoch: int, grants: list[tuple[int, int, int]]
) -> LeaseRequest:
    """An ask of a caller that heard of this epoch and holds what was granted."""
    back = 0, 0
    if grants and rng.random() < 0.3:
        place, step, granted = grants.pop()
        back = place + rng.randrange(granted) * step, place + granted * step
    return LeaseRequest(
        key=key,
        interval=interval,
        tolerance=rng.choice([0, 0, 3]) * interval,
        settle=5 * SECOND,
        share=10,
        want=rng.choice([0, 1, 1, 5, 50]),
        within=rng.choice([60 * SECOND, SECOND]),
        epoch=rng.choice([epoch, epoch, epoch, 0, 1]),
        used=rng.choice([0, 1, 30]),
        back_from=back[0],
        back_to=back[1],
        pause=rng.choice([0, 0, 0, 0, 100_000, 5 * SECOND]),
        refused=rng.random() < 0.15,
        accepted=rng.random() < 0.2,
        alone=rng.random() < 0.1,
    )


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("interval", [0, 1000, 20_600, 7_000_123])
async def test_it_does_what_the_model_does(kind: str, address: str, interval: int) -> None:
    clock = Clock()
    model = MemoryLimits(clock=clock)
    async with opened(make_store(kind, address, clock=clock)) as store:
        for seed in range(5):
            rng, epoch, grants = random.Random(seed), 0, list[tuple[int, int, int]]()
            for _ in range(100):
                clock.now += rng.choice([0, 0, 0.001, 0.01, 0.3, 2, 20, 70])
                request = random_ask(rng, f"key {seed}", interval, epoch, grants)
                (expected,) = await model.exchange([request])
                assert await store.exchange([request]) == [expected]
                epoch = expected.epoch
                if expected.granted:
                    grants.append((expected.place, expected.step, expected.granted))


async def test_many_limits_are_asked_for_at_once_and_answered_in_order(kind: str, address: str) -> None:
    async with opened(make_store(kind, address)) as store:
        await store.exchange([LeaseRequest("seller 3", 20_000, want=4)])
        requests = [LeaseRequest(f"seller {number}", 20_000 + number, want=2) for number in (5, 3, 9, 1)]
        answers = await store.exchange(requests)
    assert [answer.step for answer in answers] == [20_005, 20_003, 20_009, 20_001]
    assert [answer.start > 0 for answer in answers] == [False, True, False, False]


async def test_it_goes_by_a_clock_of_its_own(kind: str, address: str) -> None:
    async with opened(make_store(kind, address)) as store:
        (before,) = await store.exchange([LeaseRequest("key", 20_000)])
        await asyncio.sleep(0.05)
        (after,) = await store.exchange([LeaseRequest("key", 20_000)])
    assert 50_000 <= after.now - before.now < 5 * SECOND


@pytest.mark.parametrize("kind", SERVERS)
async def test_two_that_ask_at_once_never_get_the_same_slot(kind: str, address: str) -> None:
    stores = [make_store(kind, address) for _ in range(4)]
    places: list[int] = []

    async def request(store: LimitStore, seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            requests = [
                LeaseRequest(f"key {number}", 1000, want=rng.randint(1, 5)) for number in rng.sample(range(4), 3)
            ]
            for asked, answer in zip(requests, await store.exchange(requests), strict=True):
                if asked.key == "key 0":
                    places.extend(answer.place + number * answer.step for number in range(answer.granted))

    for store in stores:
        store.open()
    await asyncio.gather(*(request(store, seed) for seed, store in enumerate(stores)))
    for store in stores:
        await store.close()
    places.sort()
    assert len(places) > 100
    assert min(later - before for before, later in pairwise(places)) >= 1000


async def test_what_is_kept_long_enough_is_forgotten(kind: str, address: str) -> None:
    clock = Clock()
    async with opened(make_store(kind, address, clock=clock)) as store:
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
    async with opened(make_store(kind, address)) as store:
        (before,) = await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await asyncio.to_thread(server.stop)
        for _ in range(2):
            with pytest.raises(Exception):  # noqa: B017, PT011  (each has its own; the client takes any)
                await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await asyncio.to_thread(server.start)
        (after,) = await store.exchange(
            [LeaseRequest("key", 20_000, want=1, epoch=before.epoch, share=10, settle=SECOND)]
        )
    assert after.epoch > before.epoch
    assert after.step == 200_000


@pytest.mark.parametrize("kind", SERVERS)
async def test_an_exchange_that_was_cancelled_leaves_a_store_that_works(kind: str, address: str) -> None:
    async with opened(make_store(kind, address)) as store:
        for delay in (0, 0.0005, 0.001, 0.002, 0.005):
            asking = asyncio.create_task(store.exchange([LeaseRequest("key", 20_000, want=1)] * 1))
            await asyncio.sleep(delay)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            (answer,) = await store.exchange([LeaseRequest("other", 20_000, want=1)])
            assert answer.granted == 1


async def test_a_redis_that_forgot_the_script_is_told_it_again(redis: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(redis) as client, opened(RedisLimits(redis)) as store:
        (first,) = await store.exchange([LeaseRequest("key", 20_000, want=1)])
        await client.script_flush()
        answers = await store.exchange([LeaseRequest("key", 20_000, want=1), LeaseRequest("other", 20_000, want=1)])
        assert [answer.granted for answer in answers] == [1, 1]
        assert answers[0].place >= first.place + 20_000


async def test_a_redis_key_expires(redis: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(redis) as client, opened(RedisLimits(redis, prefix="mine:")) as store:
        await store.exchange([LeaseRequest("key", 20_000, want=1)])
        assert await client.keys() == [b"mine:key"]
        assert 59_000 <= await client.pttl("mine:key") <= 60_100


async def test_rows_that_are_not_needed_are_deleted(postgres: str) -> None:
    import psycopg

    clock = Clock()
    async with opened(PostgresLimits(postgres, clock=clock)) as store:
        await store.exchange([LeaseRequest(f"key {number}", 20_000, want=1) for number in range(20)])
        clock.now += 2000
        await store.exchange([LeaseRequest("another", 20_000)])
    async with await psycopg.AsyncConnection.connect(postgres) as connection:
        rows = await (await connection.execute("SELECT key FROM octoffm_limits")).fetchall()
    assert rows == [("another",)]


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
        with pytest.raises(Exception) as caught:  # noqa: PT011
            await store.exchange([LeaseRequest("key", 1000)])
    assert "hunter2" not in repr(store) + repr(caught.value) + str(caught.value)


async def test_several_clients_share_one_store_and_the_last_closes_it(kind: str, address: str) -> None:
    store = make_store(kind, address)
    store.open()
    store.open()
    await store.exchange([LeaseRequest("key", 1000)])
    await store.close()
    await store.exchange([LeaseRequest("key", 1000)])
    await store.close()


def test_a_store_may_be_used_on_one_loop_after_another(redis: str, postgres: str) -> None:
    async def request(store: LimitStore) -> None:
        async with opened(store):
            await store.exchange([LeaseRequest("key", 1000)])

    for store in (RedisLimits(redis), PostgresLimits(postgres)):
        asyncio.run(request(store))
        asyncio.run(request(store))


async def test_a_store_is_not_shared_by_two_loops(redis: str) -> None:
    store = RedisLimits(redis)

    async def open_it() -> None:
        store.open()

    async with opened(store):
        with pytest.raises(ClosedError):
            await asyncio.to_thread(asyncio.run, open_it())
