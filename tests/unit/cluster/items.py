"""Requests and a fleet's pieces for the tests of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from octoffm_async import OutboundShipmentRequest, ShipmentLine
from octoffm_async.cluster import queue
from octoffm_async.cluster.cluster import Cluster
from octoffm_async.cluster.queue import QUEUE, JobClaim, ResilientJobManager
from octoffm_async.cluster.scheduling import CHUNK_TASK, ChunkScheduler
from octoffm_async.stores.database import Database
from tests.support.killed import ADDRESS


def order(key: str) -> OutboundShipmentRequest:
    return OutboundShipmentRequest(
        reference=key,
        lines=[ShipmentLine(quantity=1, seller_product_reference="SKU-000001")],
        delivery_address=ADDRESS,
        delivery_mode="TrackedHomeDelivery",
        storage_country="FR",
    )


def orders(count: int, prefix: str = "O") -> Iterator[OutboundShipmentRequest]:
    return (order(f"{prefix}-{number}") for number in range(count))


async def eventually(condition: Callable[[], Awaitable[object]], *, within: float = 30.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110  (what is waited for happens in another process)
            await asyncio.sleep(0.05)


class Fleet(NamedTuple):
    """A cluster and the parts of one worker that does nothing by itself."""

    cluster: Cluster
    database: Database
    manager: ResilientJobManager
    scheduler: ChunkScheduler

    async def fetch(self) -> tuple[JobClaim, int] | None:
        """What the engine gives to a new worker: how it is held, and the lane."""
        worker = await self.manager.register_worker()
        job = await self.manager.fetch_job([QUEUE], worker)
        return None if job is None else (JobClaim.of(job), int(job.task_kwargs["lane"]))  # type: ignore[arg-type]

    async def one(self, statement: Any, *values: Any) -> Any:
        """The first row."""
        async with self.database.connection() as connection:
            return await (await connection.execute(statement, values)).fetchone()


@asynccontextmanager
async def fleet(address: str) -> AsyncIterator[Fleet]:
    async with Database(address) as database, Cluster(address) as cluster:
        app, manager = queue.queue_app(database, chunk_task=CHUNK_TASK)
        yield Fleet(cluster, database, manager, ChunkScheduler(database, app, manager))
