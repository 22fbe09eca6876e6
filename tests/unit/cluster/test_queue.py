"""The engine over the fleet's database: it bears that the database is away, and does not end what is another's."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from procrastinate import exceptions
from procrastinate.jobs import Status

from benchmarks.servers import PostgresServer
from octoffm_async import ConfigurationError, StoreError
from octoffm_async.cluster import queue
from octoffm_async.cluster.cluster import Cluster
from octoffm_async.cluster.mirror import cron_of
from octoffm_async.cluster.queue import QUEUE, Connector, JobClaim
from octoffm_async.stores.database import Database

from .items import eventually, fleet, orders

pytestmark = pytest.mark.one_loop


async def test_tables_are_made_once_by_many_at_once(postgres: str) -> None:
    async def enter() -> None:
        async with Cluster(postgres) as cluster:
            await cluster.status()

    await asyncio.gather(*(enter() for _ in range(6)))
    await enter()


async def test_tables_of_the_engine_that_are_there_are_used(postgres: str) -> None:
    from procrastinate.schema import SchemaManager

    async with Database(postgres) as database:
        async with database.connection() as connection:
            await connection.execute(SchemaManager.get_schema())
        async with Cluster(postgres) as cluster:
            await cluster.submit("orders", orders(1), seller="1")
        async with database.connection() as connection:
            await connection.execute("DROP FUNCTION procrastinate_fetch_job_v2")
    with pytest.raises(ConfigurationError, match="apply procrastinate's migrations"):
        async with Cluster(postgres):
            pass


async def test_notifications_come_through_a_crash_of_the_server(postgres_server: PostgresServer, postgres: str) -> None:
    received: list[str] = []

    async def hear(*, channel: str, payload: str) -> None:
        received.append(f"{channel} {payload}")

    async with Database(postgres) as database:

        async def said(text: str) -> bool:
            with suppress(StoreError):
                async with database.connection() as connection:
                    await connection.execute("SELECT pg_notify('room', %s)", (text,))
            return f"room {text}" in received

        listening = asyncio.create_task(Connector(database).listen_notify(hear, ["room"]))
        await eventually(lambda: said("one"))
        await asyncio.to_thread(postgres_server.restart)
        await eventually(lambda: said("two"))
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def test_a_worker_bears_that_the_database_is_away(postgres_server: PostgresServer, postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        await all_of_it.cluster.submit("orders", orders(1), seller="1")
        manager = all_of_it.manager
        worker = await manager.register_worker()
        job = await manager.fetch_job([QUEUE], worker)
        assert job is not None
        await asyncio.to_thread(postgres_server.stop)
        try:
            assert await manager.fetch_job([QUEUE], worker) is None
            await manager.update_heartbeat(worker)
            await manager.finish_job(job, Status.FAILED, delete_job=True)
            await manager.unregister_worker(worker)
        finally:
            await asyncio.to_thread(postgres_server.start)
        await manager.update_heartbeat(worker)
        async with all_of_it.database.connection() as connection, connection.transaction():
            assert await queue.holds_claim(connection, JobClaim.of(job))


async def test_a_worker_that_is_forgotten_learns_of_it(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        worker = await all_of_it.manager.register_worker()
        await all_of_it.manager.update_heartbeat(worker)
        async with all_of_it.database.connection() as connection:
            await connection.execute("DELETE FROM procrastinate_workers")
        await all_of_it.manager.update_heartbeat(worker)
        await all_of_it.cluster.submit("orders", orders(1), seller="1")
        with pytest.raises(StoreError) as told:  # its session ends, and the next one registers again
            await all_of_it.manager.fetch_job([QUEUE], worker)
        assert not told.value.away
        assert await all_of_it.fetch() is not None


async def test_what_several_find_silent_is_given_to_others_once(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        for seller in range(5):
            await all_of_it.cluster.submit("orders", orders(1), seller=str(seller))
        for _ in range(5):
            assert await all_of_it.fetch() is not None
        async with all_of_it.database.connection() as connection:
            await connection.execute("DELETE FROM procrastinate_workers")
        rescued = await asyncio.gather(*(all_of_it.manager.requeue_stalled_jobs(silent=60.0) for _ in range(3)))
        assert sum(rescued) == 5
        attempts = await all_of_it.one("SELECT min(attempts), max(attempts), min(status::text) FROM procrastinate_jobs")
        assert attempts == (1, 1, "todo")


async def test_other_tasks_are_ended_whatever_came_of_them(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        app, manager = queue.queue_app(all_of_it.database, chunk_task="a turn")
        await app.configure_task("another", queue=QUEUE, queueing_lock="x").defer_async(number=7)
        with pytest.raises(exceptions.AlreadyEnqueued):
            await app.configure_task("another", queue=QUEUE, queueing_lock="x").defer_async(number=8)
        worker = await manager.register_worker()
        job = await manager.fetch_job([QUEUE], worker)
        assert job is not None
        assert job.task_kwargs == {"number": 7}
        await manager.finish_job(job, Status.FAILED, delete_job=False)
        assert await all_of_it.one("SELECT count(*) FROM procrastinate_jobs") == (0,)
        await manager.finish_job(job, Status.FAILED, delete_job=False)  # it is gone: nothing is held


@pytest.mark.parametrize(
    ("minutes", "cron"), [(1, "*/1 * * * *"), (15, "*/15 * * * *"), (60, "0 */1 * * *"), (1440, "0 0 * * *")]
)
def test_schedules(minutes: int, cron: str) -> None:
    assert cron_of(minutes) == cron


@pytest.mark.parametrize("minutes", [0, 7, 61, 300, 2880])
def test_what_goes_into_no_hour_is_no_schedule(minutes: int) -> None:
    with pytest.raises(ConfigurationError, match=f"every {minutes} min"):
        cron_of(minutes)
