"""A worker process for tests: ``python -m tests.support.worked SETTINGS`` with :class:`Settings` in JSON.

It ends as the command does: on SIGTERM in order, and it says on standard error what it warns of.
"""

from __future__ import annotations

import asyncio
import logging
import sys

import msgspec

from octoffm_async import Config, Limit
from octoffm_async.cli.runtime import interruptible
from octoffm_async.cluster.worker import Worker, WorkerOptions


class Settings(msgspec.Struct, kw_only=True):
    """How it works. ``rate`` is calls per second for each seller; none without it."""

    address: str
    client: dict[str, str]
    concurrency: int = 8
    lease: float = 3.0
    slice: float = 30.0
    polling: float = 1.0
    rate: int | None = None
    read_timeout: float = 0.5


async def main(settings: Settings) -> None:
    config = Config(
        **settings.client,  # type: ignore[arg-type]
        limit=None if settings.rate is None else Limit(settings.rate),
        read_timeout=settings.read_timeout,
        backoff_base=0.02,
        backoff_cap=0.2,
        retry_budget=1_000_000,
    )
    options = WorkerOptions(
        concurrency=settings.concurrency, lease=settings.lease, slice=settings.slice, polling=settings.polling
    )
    worker = Worker(settings.address, config, options)
    with interruptible(worker.stop, drain=20.0):
        await worker.run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Settings)))
