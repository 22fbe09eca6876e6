"""The connection pool of one client: the idle connections in constant use; aiohttp's connector keeps all others.

The connector decides how many connections there are, how they are opened, and when an unused one is closed. It counts
the idle connections here as taken. Therefore the pool returns them to it as soon as a request has to wait for one, and
each that was not used for a second.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp

from .connection import Http1Connection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from .connection import IdleConnections

IDLE_AFTER = 1.0
"""Seconds after which unused connections are returned to the connector; at most twice as long."""

TRIES = 3
"""Connections that are tried to find one that has received no unrequested data."""


class ConnectionPool:
    """The connections of one connector, on its event loop."""

    def __init__(
        self, connector: aiohttp.BaseConnector, loop: asyncio.AbstractEventLoop, *, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._timeout = timeout
        self._idle: dict[str, IdleConnections] = {}
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None

    def idle_of(self, origin: str) -> IdleConnections:
        """Return the idle connections of an origin, for :meth:`take` and :meth:`connect`."""
        return self._idle.setdefault(origin, {})

    def take(self, idle: IdleConnections) -> Http1Connection | None:
        """Return an idle connection, if there is one."""
        while idle:
            connection, _ = idle.popitem()
            if connection.is_open():
                return connection
            connection.close()
        return None

    async def connect(self, request: aiohttp.ClientRequest, idle: IdleConnections) -> Http1Connection:
        """Return a connection from the connector, which opens one if need be.

        Raises:
            aiohttp.ClientError, OSError: The connector could not open one.
        """
        with self.giving_back():
            for _ in range(TRIES):
                try:
                    connection = await self._connector.connect(request, traces=[], timeout=self._timeout)
                except TimeoutError as error:
                    reason = f"Connection timeout to host {request.url.origin()}"
                    raise aiohttp.ConnectionTimeoutError(reason) from error
                with suppress(aiohttp.ServerDisconnectedError):
                    return Http1Connection(connection, self._loop, idle)
            raise aiohttp.ServerDisconnectedError

    @contextmanager
    def giving_back(self) -> Generator[None]:
        """Return all idle connections to the connector, now and while a request waits there."""
        self._give_back_all()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def put(self, connection: Http1Connection) -> None:
        """Take back a connection whose response was read; keep it if it can be used again."""
        if not connection.finish():
            connection.close()
        elif self._waiting:
            connection.release()
        else:
            connection.is_idle = False
            connection.idle_connections[connection] = None
            if self._timer is None:
                self._timer = self._loop.call_later(IDLE_AFTER, self._look_after)

    def close(self) -> None:
        """Return all connections to the connector."""
        self._give_back_all()
        if self._timer is not None:
            self._timer.cancel()

    def _give_back_all(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.popitem()[0].release()

    def _look_after(self) -> None:
        self._timer = None
        for idle in self._idle.values():
            for connection in [connection for connection in idle if connection.is_idle]:
                del idle[connection]
                connection.release()
            for connection in idle:
                connection.is_idle = True
        if any(self._idle.values()):
            self._timer = self._loop.call_later(IDLE_AFTER, self._look_after)
