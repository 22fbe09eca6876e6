"""The worker process: leases chunks and processes them with the journal, limits and tokens that the fleet shares.

A worker runs *sessions*, one after the other. A session has one journal, one client and one procrastinate worker. It
ends when the worker is stopped, or when its lease expired and others took over its items (the process was suspended, or
the database was unreachable): then the fence refuses the requests that it has not sent yet, and a new session starts.

A worker that is stopped (SIGTERM, Ctrl-C) leases no more chunks, reads no more items, lets the requests in flight
finish, and returns the rest of its chunks to the queue; other workers continue them at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from ..client import FulfillmentClient
from ..config import Config, Secret
from ..errors import JournalError, OtherEnvironmentError, StoreError
from ..journal.postgres.journal import PostgresJournal
from ..stores.database import Database
from . import jobs, queue
from .metrics import MetricsServer, WorkerMetrics
from .mirror import prepare_mirrors
from .worker_session import WorkerOptions, WorkerSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import Hook

logger: logging.Logger = logging.getLogger("octoffm_async")


class Worker:
    """A worker process: ``await Worker(address, config).run()`` runs until :meth:`stop`.

    ``hooks`` receive the client's events, as the logger does. The database stores no contract file: give all workers
    the same one in their ``config``.

    Raises:
        ConfigurationError: the address is not one of a PostgreSQL database.
    """

    def __init__(
        self, address: str | Secret, config: Config, options: WorkerOptions | None = None, *, hooks: Sequence[Hook] = ()
    ) -> None:
        self._address = Secret(address)
        self._config = config
        self._options = options or WorkerOptions()
        self._hooks = tuple(hooks)
        self._database = Database(self._address, size=6)
        self._stopping = asyncio.Event()
        self._session: WorkerSession | None = None
        self._metrics = None if self._options.metrics_port is None else WorkerMetrics()
        self.items: int = 0
        self.metrics_address: str | None = None
        """The URL of the metrics, once the worker serves them."""

    @property
    def name(self) -> str:
        """The address of the database without its secrets."""
        return self._database.name

    def stop(self) -> None:
        """Lease no more chunks, let the requests in flight finish, and return the rest to the queue."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()

    async def run(self) -> None:
        """Process chunks until the worker is stopped.

        Raises:
            CredentialsRefusedError: the API refuses the credentials.
            OtherEnvironmentError: the journal belongs to another API or account than this worker's.
            StoreError: the database is unreachable when the worker starts.
        """
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._database)
            await queue.prepare(self._database)
            await jobs.prepare(self._database)
            await prepare_mirrors(self._database)
            if self._metrics is not None:
                host, port = self._options.metrics_host, self._options.metrics_port or 0
                server = await opened.enter_async_context(MetricsServer(self._metrics, host=host, port=port))
                self.metrics_address = server.address
                logger.info("metrics are at %s", server.address)
            while not self._stopping.is_set():
                try:
                    if await self._one_session():
                        return
                except OtherEnvironmentError:
                    raise
                except (StoreError, JournalError) as error:
                    logger.warning("the worker starts a new session: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(queue.RETRY_SECONDS):
                        await self._stopping.wait()

    async def _one_session(self) -> bool:
        """Run one session; return True if the worker is done."""
        async with AsyncExitStack() as opened:
            journal = await opened.enter_async_context(PostgresJournal(self._address, lease=self._options.lease))
            hooks: list[Hook] = [*self._hooks, *([] if self._metrics is None else [self._metrics])]
            client = await opened.enter_async_context(
                FulfillmentClient(self._config, hooks=hooks, store=self._options.redis or self._address)
            )
            if self._metrics is not None:
                self._metrics.observe(client)
            session = WorkerSession(self._database, client, journal, self._options, self._metrics)
            self._session = session
            session.items = self.items
            if self._stopping.is_set():
                session.stop()
            try:
                return await session.run()
            finally:
                self.items = session.items
                self._session = None
