"""Workers in this process, over a real database and a real sandbox: what they do, give back, and end with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest

from octoffm_async import (
    Config,
    ConfigurationError,
    CredentialsRefusedError,
    FulfillmentClient,
    Limit,
    OtherEnvironmentError,
    ShipmentLine,
    StoreError,
)
from octoffm_async.cluster.cluster import Cluster
from octoffm_async.cluster.jobs import ItemCounts, JobRecord
from octoffm_async.cluster.worker import Worker, WorkerOptions
from octoffm_async.journal import Journal, State
from octoffm_async.sandbox import Fault, Sandbox

from .items import eventually, order, orders

pytestmark = [pytest.mark.one_loop, pytest.mark.timeout(120)]
UNTIL_DONE = WorkerOptions(until_done=True, lease=3.0)


@asynccontextmanager
async def world(postgres: str, **settings: Any) -> AsyncIterator[tuple[Sandbox, Cluster, Config]]:
    async with Sandbox(catalogue=1, stock=1_000_000, **settings) as sandbox, Cluster(postgres) as cluster:
        yield sandbox, cluster, sandbox.config().with_(limit=None, backoff_base=0.01, backoff_cap=0.05)


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        with suppress(Exception):
            await task


async def until(cluster: Cluster, job: str, condition: Any) -> JobRecord:
    async with asyncio.timeout(100):
        while True:
            record = await cluster.job(job)
            if condition(record):
                return record
            await asyncio.sleep(0.05)


def sent_at_least(sandbox: Sandbox, count: int) -> Callable[[], Awaitable[object]]:
    async def condition() -> bool:
        return len(sandbox.effects.outbound) >= count

    return condition


async def test_jobs_of_several_sellers_are_done(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        first = await cluster.submit("orders", orders(30, "A"), seller="12345", chunk=7)
        second = await cluster.submit("orders", orders(20, "B"), seller="98980", chunk=7)
        worker = Worker(postgres, config, UNTIL_DONE)
        await worker.run()
        assert worker.items == 50
        for record in (first, second):
            record = await cluster.job(record.job)  # noqa: PLW2901
            assert (record.state, record.counts) == ("done", ItemCounts(created=record.items))
        assert sandbox.effects.outbound == {f"A-{n}": 1 for n in range(30)} | {f"B-{n}": 1 for n in range(20)}
        items = [item async for item in cluster.export(first.job)]
        assert [item.key for item in items] == [f"A-{number}" for number in range(30)]
        assert {item.state for item in items} == {"created"}
        assert all(item.remote_id for item in items)
        status = await cluster.status()
        assert (status.workers, status.waiting, status.running) == ([], 0, 0)
        async with Journal.open(postgres, read_only=True) as journal:
            runs = await journal.runs()
        assert {run.id for run in runs} == {record.run for record in status.jobs}  # one run a job, not one a chunk
        assert all(run.finished_at is not None for run in runs)


async def test_products_and_supply_orders_are_jobs_too(postgres: str) -> None:
    from tests.support.killed import Plan, items

    async with world(postgres) as (sandbox, cluster, config):
        for kind, job in (("products", "products"), ("inbound", "inbound")):
            plan = Plan(kind=kind, count=9, prefix=kind, journal="", tally="", addresses={}, patience=1.0)  # type: ignore[arg-type]
            await cluster.submit(job, items(plan), seller="12345", chunk=4)  # type: ignore[arg-type]
        await Worker(postgres, config, UNTIL_DONE).run()
        assert [record.counts for record in (await cluster.status()).jobs] == [ItemCounts(created=9)] * 2
        assert len(sandbox.effects.products) == len(sandbox.effects.inbound) == 9


async def test_a_job_follows_its_orders_until_they_are_shipped_or_refused(postgres: str) -> None:
    async with world(postgres, speed=0) as (sandbox, cluster, config):
        unknown = msgspec.structs.replace(
            order("F-bad"), lines=[ShipmentLine(quantity=1, seller_product_reference="NO-SUCH-PRODUCT")]
        )
        sent = await cluster.submit("orders", [*orders(5, "F"), unknown], seller="12345", chunk=2, follow="shipped")
        assert (sent.items, sent.chunks) == (6, 4)
        worker = Worker(postgres, config, UNTIL_DONE)
        async with at_work(worker) as working:
            await until(cluster, sent.job, lambda record: record.ended == 3)
            assert not working.done()  # created, and not shipped yet
            sandbox.advance(3600)
            record = await until(cluster, sent.job, lambda record: record.is_over)
            await working
        assert (record.state, record.counts, record.left) == ("done", ItemCounts(created=5, refused=1), 0)
        states = {item.key: item.state async for item in cluster.export(sent.job)}
        assert states == {f"F-{number}": "created" for number in range(5)} | {"F-bad": "refused"}
        assert set(sandbox.effects.outbound.values()) == {1}
        async with Journal.open(postgres, read_only=True) as journal:
            assert all(run.finished_at is not None for run in await journal.runs())


async def test_orders_that_are_never_shipped_are_undecided_and_can_be_followed_again(postgres: str) -> None:
    async with world(postgres, speed=0) as (sandbox, cluster, config):
        sent = await cluster.submit("orders", orders(3, "F"), seller="12345", follow="shipped", follow_for=0.001)
        await Worker(postgres, config, UNTIL_DONE).run()
        record = await cluster.job(sent.job)
        assert (record.state, record.counts) == ("done", ItemCounts(unknown=3))
        assert sandbox.effects.outbound == {f"F-{number}": 1 for number in range(3)}


@pytest.mark.parametrize(
    ("kind", "follow", "seconds"),
    [("products", "shipped", 60.0), ("orders", "received", 60.0), ("orders", "shipped", 0.0)],
)
async def test_what_cannot_be_followed_is_rejected_before_it_is_loaded(
    postgres: str, kind: Any, follow: Any, seconds: float
) -> None:
    async with Cluster(postgres) as cluster:
        with pytest.raises(ConfigurationError, match="follow"):
            await cluster.submit(kind, orders(1), seller="12345", follow=follow, follow_for=seconds)
        assert (await cluster.status()).jobs == []


async def test_what_was_created_before_is_told_apart_and_what_is_refused_stays_so(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        await cluster.submit("orders", orders(3, "A"), seller="12345")
        await Worker(postgres, config, UNTIL_DONE).run()
        bad = msgspec.structs.replace(order("A-bad"), lines=[])
        record = await cluster.submit("orders", [*orders(5, "A"), bad], seller="12345", chunk=4)
        await Worker(postgres, config, UNTIL_DONE).run()
        record = await cluster.job(record.job)
        assert record.counts == ItemCounts(created=2, already=3, refused=1)
        assert (record.state, record.left) == ("done", 0)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_stopped_worker_gives_back_what_it_has_not_sent(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(200), seller="12345", chunk=100)
        worker = Worker(postgres, config.with_(limit=Limit(40)), WorkerOptions(lease=3.0))
        async with at_work(worker) as task:
            await eventually(sent_at_least(sandbox, 10))
            worker.stop()
            async with asyncio.timeout(20):
                await task
        sent = len(sandbox.effects.outbound)
        assert 10 <= sent < 100
        record = await cluster.job(record.job)
        assert (record.state, record.ended, record.counts.created) == ("running", 0, sent)
        assert (await cluster.status()).waiting == 1  # its next turn, at once
        await Worker(postgres, config, UNTIL_DONE).run()
        record = await cluster.job(record.job)
        assert (record.state, record.counts) == ("done", ItemCounts(created=200))
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_worker_that_is_cancelled_waits_for_nothing(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        job = (await cluster.submit("orders", orders(4), seller="12345", patience=0.5)).job
        sandbox.faults.next(Fault.STALL_AFTER, operation="outbound.create", times=4)
        worker = asyncio.create_task(Worker(postgres, config, WorkerOptions(lease=3.0)).run())
        await eventually(sent_at_least(sandbox, 4))
        began = asyncio.get_running_loop().time()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert asyncio.get_running_loop().time() - began < 5.0
        assert (await cluster.job(job)).counts.decided == 0
        await Worker(postgres, config, UNTIL_DONE).run()
        assert (await cluster.job(job)).counts == ItemCounts(created=4)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_turns_are_short_and_a_chunk_goes_on_in_the_next(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(60), seller="12345", chunk=60)
        options = WorkerOptions(until_done=True, slice=0.3)
        await Worker(postgres, config.with_(limit=Limit(50)), options).run()
        record = await cluster.job(record.job)
        assert record.counts == ItemCounts(created=60)
        assert record.stuck == 0
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_cancelled_job_ends_in_the_middle_of_a_chunk(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(300), seller="12345", chunk=150)
        async with at_work(Worker(postgres, config.with_(limit=Limit(30)), WorkerOptions(lease=3.0))):
            await eventually(sent_at_least(sandbox, 5))
            await cluster.cancel(record.job)
            record = await until(cluster, record.job, lambda record: record.ended_at is not None)
            assert (record.state, record.ended) == ("cancelled", 2)
            sent = len(sandbox.effects.outbound)
            assert record.counts.created == sent < 150
            await cluster.retry(record.job)
            await until(cluster, record.job, lambda record: record.counts.created > sent)


async def test_what_fails_is_tried_again_and_then_waits_for_somebody(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("octoffm_async.cluster.scheduling.chunk_backoff", lambda _tries: 0.05)
    async with world(postgres) as (sandbox, cluster, config):
        sandbox.faults.set_rates({Fault.ERROR_500: 1.0}, operations=["outbound.create"])
        job = (await cluster.submit("orders", orders(2), seller="12345", patience=0.0)).job
        quick = config.with_(max_attempts=1, retry_budget=1_000_000)
        async with at_work(Worker(postgres, quick, WorkerOptions(lease=3.0, polling=0.1))):
            record = await until(cluster, job, lambda record: record.is_over)
            assert (record.state, record.stuck, record.counts.decided) == ("done", 1, 0)
            sandbox.faults.clear()
            # One was absent twice, and no order of ours is known to show that the other is: somebody looks.
            async with Journal.open(postgres) as journal:
                journal_run = await journal.begin_run(seller="12345", operation="outbound.create")
                for entry in await journal_run.undecided():
                    assert "not sent a third time" in entry.message or "no order of ours is known" in entry.message
                    journal_run.record_outcome(entry.key, State.PENDING)
                await journal_run.finish()
            await cluster.retry(job)
            record = await until(cluster, job, lambda record: record.is_over)
            assert record.counts == ItemCounts(created=2)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_refused_credentials_end_a_worker_and_lose_nothing(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        job = (await cluster.submit("orders", orders(3), seller="12345")).job
        with pytest.raises(CredentialsRefusedError):
            await Worker(postgres, config.with_(client_secret="wrong"), UNTIL_DONE).run()
        assert (await cluster.job(job)).counts.decided == 0
        await Worker(postgres, config, UNTIL_DONE).run()
        assert (await cluster.job(job)).counts == ItemCounts(created=3)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_fenced_worker_begins_anew(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(80), seller="12345", chunk=20, patience=0.5)
        worker = Worker(postgres, config.with_(limit=Limit(40)), WorkerOptions(until_done=True, lease=3.0))
        async with at_work(worker) as task:
            await eventually(sent_at_least(sandbox, 10))
            async with Cluster(postgres) as other, other._database.connection() as connection:
                await connection.execute("UPDATE octoffm_journal_writers SET dead = true")
            async with asyncio.timeout(40):
                await task
        assert (await cluster.job(record.job)).counts == ItemCounts(created=80)
        assert set(sandbox.effects.outbound.values()) == {1}


async def test_a_worker_that_is_forgotten_registers_anew(postgres: str) -> None:
    async with world(postgres) as (_, cluster, config):
        async with at_work(Worker(postgres, config, WorkerOptions(lease=0.6, polling=0.1))):
            async with cluster._database.connection() as connection:

                async def forgotten() -> bool:
                    return (await connection.execute("DELETE FROM procrastinate_workers")).rowcount > 0

                await eventually(forgotten)
            record = await cluster.submit("orders", orders(3), seller="12345")
            await until(cluster, record.job, lambda record: record.is_over)


async def test_a_worker_whose_database_is_away_says_so() -> None:
    config = Config(client_id="a", client_secret="b", seller_id="c")
    with pytest.raises(StoreError, match=r"nobody@127\.0\.0\.1:1"):
        await Worker("postgresql://nobody:secret@127.0.0.1:1/x", config).run()


async def test_a_worker_of_another_environment_stops_and_leaves_the_job_to_others(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        first = await cluster.submit("orders", orders(2), seller="12345")
        await Worker(postgres, config, WorkerOptions(until_done=True)).run()
        async with Sandbox() as staging:
            record = await cluster.submit("orders", orders(4), seller="12345")
            with pytest.raises(OtherEnvironmentError):
                await Worker(postgres, staging.config(), WorkerOptions(until_done=True)).run()
            assert staging.effects.outbound == {}
        await Worker(postgres, config, WorkerOptions(until_done=True)).run()
        assert (await cluster.job(first.job)).counts == ItemCounts(created=2)
        assert (await cluster.job(record.job)).counts == ItemCounts(created=2, already=2)
        assert len(sandbox.effects.outbound) == 4


async def test_workers_tell_how_they_are(postgres: str) -> None:
    async with world(postgres) as (_, cluster, config):
        record = await cluster.submit("orders", orders(400), seller="12345", chunk=50)
        options = WorkerOptions(lease=3.0, concurrency=3, metrics_port=0)
        worker = Worker(postgres, config.with_(limit=Limit(60)), options)
        async with at_work(worker):

            async def reported() -> bool:
                status = await cluster.status()
                assert status.running <= 1  # one seller has one turn at a time
                assert all((one.places, one.turns) in [(3, 0), (3, 1)] for one in status.workers)
                assert all(one.calls >= one.items for one in status.workers)
                return 20 < status.per_second < 100 and status.workers[0].items > 50

            await eventually(reported)
            await until(cluster, record.job, lambda record: record.ended > 0)
            assert worker.metrics_address is not None
            async with aiohttp.ClientSession() as http, http.get(worker.metrics_address) as answer:
                text = await answer.text()
            assert 'octoffm_items_total{operation="outbound.create",outcome="created"}' in text
            assert 'octoffm_chunks_total{operation="outbound.create",result="done"}' in text
        assert (await cluster.status()).workers == []


async def test_limits_and_tokens_may_be_in_redis(postgres: str, redis: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(20), seller="12345", chunk=5)
        await Worker(postgres, config.with_(limit=Limit(50)), WorkerOptions(until_done=True, redis=redis)).run()
        assert (await cluster.job(record.job)).counts == ItemCounts(created=20)
        assert len(sandbox.effects.outbound) == 20
        async with cluster._database.connection() as connection:
            found = await connection.execute(
                "SELECT to_regclass('octoffm_tokens') IS NULL, to_regclass('octoffm_limits') IS NULL"
            )
            assert await found.fetchone() == (True, True)


async def test_stocks_are_mirrored_on_the_engines_schedule(postgres: str) -> None:
    async with world(postgres) as (_, cluster, config):
        await cluster.submit("orders", orders(1), seller="12345")
        async with at_work(Worker(postgres, config, WorkerOptions(lease=3.0, mirror_every=10))):
            async with asyncio.timeout(20), cluster._database.connection() as connection:
                there, count = "SELECT 1 WHERE to_regclass('octoffm_stocks') IS NOT NULL", 0
                while await (await connection.execute(there)).fetchone() is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                while not count:
                    await asyncio.sleep(0.1)
                    row = await (await connection.execute("SELECT count(*) FROM octoffm_stocks")).fetchone()
                    count = row[0] if row else 0
            assert count == 1
            async with FulfillmentClient(config) as client:
                stocks = [stock async for stock in client.stocks.list()]
            assert len(stocks) == count


async def test_a_chunk_that_is_found_running_goes_on_with_what_is_undecided_first(postgres: str) -> None:
    async with world(postgres) as (sandbox, cluster, config):
        record = await cluster.submit("orders", orders(6), seller="12345", patience=0.2)
        sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create", times=6)
        sandbox.faults.set_rates({Fault.ERROR_500: 1.0}, operations=["outbound.list"])
        worker = Worker(postgres, config.with_(max_attempts=1, bulk_deadline=2.0), WorkerOptions(lease=3.0))
        async with at_work(worker):
            await until(cluster, record.job, lambda record: record.counts.unknown == 6)
        async with Journal.open(postgres, read_only=True) as journal:
            assert sum(run.counts[State.UNKNOWN] for run in await journal.runs()) == 6
        sandbox.faults.clear()
        await Worker(postgres, config, UNTIL_DONE).run()
        assert (await cluster.job(record.job)).counts == ItemCounts(created=6)
        assert sandbox.effects.outbound == {f"O-{number}": 1 for number in range(6)}
