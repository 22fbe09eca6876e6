"""Chunks of partitions in a real database: one at a time, each counted once, and none ended by who does not hold it."""

from __future__ import annotations

import asyncio

import pytest

from octoffm_async.cluster import queue
from octoffm_async.cluster.jobs import ItemCounts, creation_type_of
from octoffm_async.cluster.scheduling import (
    MAX_CHUNK_ATTEMPTS,
    MAX_CHUNK_STARTS,
    ChunkReport,
    LostLeaseError,
    chunk_decision,
)
from octoffm_async.cluster.submission import unpack

from .items import Fleet, fleet, orders

DONE = "SELECT count(*) FROM procrastinate_jobs"


async def lease_next(fleet: Fleet):
    fetched = await fleet.fetch()
    assert fetched is not None
    lease = await fleet.scheduler.lease_next_chunk(*fetched)
    assert lease is not None
    return lease


async def test_leases_of_a_partition_go_through_its_chunks_one_at_a_time(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", orders(5), seller="1", chunk=2)
        assert (record.state, record.items, record.chunks) == ("waiting", 5, 3)
        keys: list[str] = []
        for number in range(3):
            lease = await lease_next(all_of_it)
            assert (lease.job, lease.number, lease.seller) == (record.job, number, "1")
            assert await all_of_it.fetch() is None  # the partition is taken
            keys += [one.item.reference for one in unpack(lease.payload, creation_type_of("orders"))]
            await all_of_it.scheduler.end_chunk(lease, ChunkReport(counts=ItemCounts(created=lease.items)))
        assert keys == [f"O-{number}" for number in range(5)]
        record = await all_of_it.cluster.job(record.job)
        assert (record.state, record.ended, record.counts.created, record.left) == ("done", 3, 5, 0)
        assert record.ended_at is not None
        assert await all_of_it.one(DONE) == (0,)  # the engine's queue holds nothing of it any more


async def test_sellers_take_turns_and_so_do_the_jobs_of_a_partition(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        submit = all_of_it.cluster.submit
        jobs = [
            (await submit("orders", orders(3, name), seller=seller, chunk=1)).job
            for name, seller in (("A", "1"), ("B", "1"), ("C", "2"))
        ]
        order = []
        for _ in range(9):
            lease = await lease_next(all_of_it)
            order.append("ABC"[jobs.index(lease.job)])
            await all_of_it.scheduler.end_chunk(lease, ChunkReport(counts=ItemCounts(created=1)))
        assert order == list("ACBCACBAB")
        assert await all_of_it.fetch() is None


async def test_a_chunk_that_is_done_twice_counts_once(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", orders(4), seller="1", chunk=4)
        first = await lease_next(all_of_it)
        await all_of_it.scheduler.end_chunk(
            first, ChunkReport(counts=ItemCounts(created=1, failed=3), problem="O-1: no")
        )
        record = await all_of_it.cluster.job(record.job)
        assert record.counts == ItemCounts(created=1, failed=3)
        assert (record.state, record.ended) == ("running", 0)
        assert await all_of_it.fetch() is None  # it rests
        await _wait_over(all_of_it)
        second = await lease_next(all_of_it)
        assert (second.number, second.tries) == (0, 1)
        await all_of_it.scheduler.end_chunk(second, ChunkReport(counts=ItemCounts(created=3, refused=1)))
        record = await all_of_it.cluster.job(record.job)
        assert record.counts == ItemCounts(created=3, refused=1)
        assert (record.state, record.ended) == ("done", 1)


async def _wait_over(all_of_it: Fleet) -> None:
    """Let no chunk rest any longer."""
    async with all_of_it.database.connection() as connection:
        await connection.execute("UPDATE octoffm_chunks SET ready_at = now()")
        await connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")


async def test_a_worker_that_was_given_up_ends_nothing(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", orders(2), seller="1")
        zombie = await lease_next(all_of_it)
        assert await all_of_it.manager.requeue_stalled_jobs(silent=60.0) == 0  # it lives
        await _silence(all_of_it)
        assert await all_of_it.manager.requeue_stalled_jobs(silent=60.0) == 1
        with pytest.raises(LostLeaseError):
            await all_of_it.scheduler.end_chunk(zombie, ChunkReport(counts=ItemCounts(created=2)))
        heir = await lease_next(all_of_it)
        assert (heir.number, heir.claim.id) == (zombie.number, zombie.claim.id)
        with pytest.raises(LostLeaseError):
            await all_of_it.scheduler.end_chunk(zombie, ChunkReport(counts=ItemCounts(created=2)))
        with pytest.raises(LostLeaseError):
            await all_of_it.scheduler.lease_next_chunk(zombie.claim, zombie.partition)
        assert (await all_of_it.cluster.job(record.job)).counts == ItemCounts()
        await all_of_it.scheduler.end_chunk(heir, ChunkReport(counts=ItemCounts(created=2)))
        assert (await all_of_it.cluster.job(record.job)).state == "done"


async def _silence(all_of_it: Fleet) -> None:
    async with all_of_it.database.connection() as connection:
        await connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")


async def test_the_engine_does_not_end_what_another_worker_holds(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        await all_of_it.cluster.submit("orders", orders(2), seller="1")
        worker = await all_of_it.manager.register_worker()
        zombie = await all_of_it.manager.fetch_job([queue.QUEUE], worker)
        assert zombie is not None
        await _silence(all_of_it)
        await all_of_it.manager.requeue_stalled_jobs(silent=60.0)
        heir = await lease_next(all_of_it)
        await all_of_it.manager.finish_job(zombie, status=_failed(), delete_job=True)
        await all_of_it.scheduler.end_chunk(heir, ChunkReport(counts=ItemCounts(created=2)))  # still its holder


def _failed():
    from procrastinate.jobs import Status

    return Status.FAILED


async def test_a_turn_that_breaks_off_is_given_back(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        await all_of_it.cluster.submit("orders", orders(2), seller="1")
        worker = await all_of_it.manager.register_worker()
        job = await all_of_it.manager.fetch_job([queue.QUEUE], worker)
        assert job is not None
        await all_of_it.manager.finish_job(job, status=_failed(), delete_job=True)
        assert await all_of_it.one("SELECT status::text FROM procrastinate_jobs") == ("todo",)
        await _wait_over(all_of_it)
        assert (await lease_next(all_of_it)).number == 0


async def test_a_chunk_that_kills_its_workers_is_set_aside(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", orders(2), seller="1", chunk=1)
        async with all_of_it.database.connection() as connection:
            await connection.execute("UPDATE octoffm_chunks SET begun = %s WHERE number = 0", (MAX_CHUNK_STARTS,))
        lease = await lease_next(all_of_it)
        assert lease.number == 1
        await all_of_it.scheduler.end_chunk(lease, ChunkReport(counts=ItemCounts(created=1)))
        record = await all_of_it.cluster.job(record.job)
        assert (record.state, record.stuck, record.counts) == ("done", 1, ItemCounts(created=1, unknown=1))
        record = await all_of_it.cluster.retry(record.job)
        assert (record.state, record.stuck, record.ended) == ("running", 0, 1)
        assert (await lease_next(all_of_it)).number == 0


async def test_a_partition_without_a_queue_job_is_found(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        await all_of_it.cluster.submit("orders", orders(2), seller="1")
        assert await all_of_it.scheduler.queue_idle_partitions() == 0
        async with all_of_it.database.connection() as connection:
            await connection.execute("DELETE FROM procrastinate_jobs")
        assert await all_of_it.fetch() is None
        assert await all_of_it.scheduler.queue_idle_partitions() == 1
        assert (await lease_next(all_of_it)).number == 0


async def test_two_workers_that_fetch_at_once_get_different_partitions(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        for seller in range(8):
            await all_of_it.cluster.submit("orders", orders(2), seller=str(seller))
        fetched = await asyncio.gather(*(all_of_it.fetch() for _ in range(10)))
        partitions = [one[1] for one in fetched if one is not None]
        assert (
            len(partitions) == len(set(partitions)) >= 7
        )  # one may have looked at a row that another one had just taken


async def test_what_is_cancelled_is_not_taken_and_what_is_tried_again_is(postgres: str) -> None:
    async with fleet(postgres) as all_of_it:
        record = await all_of_it.cluster.submit("orders", orders(3), seller="1", chunk=1)
        lease = await lease_next(all_of_it)
        record = await all_of_it.cluster.cancel(record.job)
        assert (record.state, record.ended, record.ended_at) == ("cancelled", 2, None)
        await all_of_it.scheduler.end_chunk(lease, ChunkReport(counts=ItemCounts(unsent=1), is_postponed=True))
        record = await all_of_it.cluster.job(record.job)
        assert (record.state, record.ended) == ("cancelled", 3)
        assert record.ended_at is not None
        assert await all_of_it.fetch() is None
        record = await all_of_it.cluster.retry(record.job)
        assert (record.state, record.ended) == ("running", 0)
        for number in range(3):
            lease = await lease_next(all_of_it)
            assert lease.number == number
            await all_of_it.scheduler.end_chunk(lease, ChunkReport(counts=ItemCounts(created=1)))
        record = await all_of_it.cluster.job(record.job)
        assert (record.state, record.counts) == ("done", ItemCounts(created=3))


@pytest.mark.parametrize(
    ("report", "tries", "after"),
    [
        (ChunkReport(counts=ItemCounts(created=2, refused=1)), 0, ("done", 0, 0.0)),
        (ChunkReport(counts=ItemCounts(created=2), is_postponed=True), 0, ("done", 0, 0.0)),
        (ChunkReport(counts=ItemCounts(created=3), is_incomplete=True, is_postponed=True), 0, ("ready", 0, 0.0)),
        (ChunkReport(counts=ItemCounts(unsent=3), is_postponed=True), 4, ("ready", 4, 0.0)),
        (ChunkReport(counts=ItemCounts(created=1, failed=1, unsent=1), is_postponed=True), 4, ("ready", 4, 128.0)),
        (ChunkReport(counts=ItemCounts(failed=1, unsent=1), is_postponed=True), 1, ("ready", 2, 8.0)),
        (ChunkReport(counts=ItemCounts(created=1, unknown=1)), 0, ("ready", 1, 2.0)),
        (
            ChunkReport(counts=ItemCounts(created=1, unknown=1)),
            MAX_CHUNK_ATTEMPTS - 1,
            ("stuck", MAX_CHUNK_ATTEMPTS, 300.0),
        ),
    ],
)
def test_what_becomes_of_a_chunk(report: ChunkReport, tries: int, after: tuple[str, int, float]) -> None:
    assert chunk_decision(report, tries) == after
