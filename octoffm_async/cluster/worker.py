"""A worker: takes turns of lanes and does their chunks, with the one journal, limits and tokens that the fleet shares.

Its life is a row of *sessions*. A session has one journal, one client and one worker of the engine; it ends when the
worker is told to stop, or when this process was silent for so long that others took over what it had in hand (it was
frozen, or the database was away): what it then still holds is refused before it leaves, and a new session begins.

A stop (SIGTERM, Ctrl-C) takes no more turns, reads no more items, lets what is in flight finish, and gives back what
is left of its chunks; those go on elsewhere at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

from ..client import FulfillmentClient
from ..config import Config, Secret
from ..errors import JournalError, OtherEnvironmentError, StoreError
from ..events import Hook, LoggingHook
from . import engine, jobs
from .database import Database
from .journal import PostgresJournal
from .metrics import MetricsServer, WorkerMetrics
from .mirror import prepare_mirrors
from .postgres_limits import PostgresLimits
from .postgres_tokens import PostgresTokens
from .redis_limits import RedisLimits
from .sessions import Session, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .redis_tokens import RedisTokens

logger = logging.getLogger("octoffm_async")


class Worker:
    """One worker process: ``await Worker(address, config).run()`` until :meth:`stop`.

    ``hooks`` are told what happens, besides the logger. A contract file of ``config`` is this worker's own: nothing of
    it stands in the database, so all workers must be given the same one.

    Raises:
        ConfigurationError: not the address of a database.
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
        self._session: Session | None = None
        self._metrics = None if self._options.metrics_port is None else WorkerMetrics()
        self.items = 0
        self.metrics_address: str | None = None
        """Where metrics are served, once they are."""

    @property
    def name(self) -> str:
        """The database, without what is secret in its address."""
        return self._database.name

    def stop(self) -> None:
        """Take no more turns, finish what is in flight, give back the rest."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()

    async def run(self) -> None:
        """Work until it is stopped.

        Raises:
            CredentialsRefusedError: the API refuses the credentials.
            OtherEnvironmentError: the journal belongs to another API or account than this worker's.
            StoreError: the database is away when the worker starts.
        """
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._database)
            await engine.prepare(self._database)
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
                except (StoreError, JournalError, engine.WorkerForgottenError) as error:
                    logger.warning("the worker begins anew: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(engine.AGAIN):
                        await self._stopping.wait()

    async def _one_session(self) -> bool:
        """Work with one journal and one client; whether the worker is done."""
        async with AsyncExitStack() as opened:
            journal = await opened.enter_async_context(PostgresJournal(self._address, lease=self._options.lease))
            tokens = await opened.enter_async_context(self._tokens())
            hooks: list[Hook] = [LoggingHook(), *self._hooks, *([] if self._metrics is None else [self._metrics])]
            client = await opened.enter_async_context(
                FulfillmentClient(self._config, hooks=hooks, token_store=tokens, limit_store=self._limits())
            )
            if self._metrics is not None:
                self._metrics.observe(client)
            session = Session(self._database, client, journal, self._options, self._metrics)
            self._session = session
            session.items = self.items
            if self._stopping.is_set():
                session.stop()
            try:
                return await session.run()
            finally:
                self.items = session.items
                self._session = None

    def _tokens(self) -> PostgresTokens | RedisTokens:
        if self._options.redis is None:
            return PostgresTokens(self._database)
        from .redis_tokens import RedisTokens  # needs the extra `redis`

        return RedisTokens(self._options.redis)

    def _limits(self) -> PostgresLimits | RedisLimits:
        redis = self._options.redis
        return PostgresLimits(self._address) if redis is None else RedisLimits(redis)
