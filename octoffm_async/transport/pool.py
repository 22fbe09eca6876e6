"""The connection pool of one client: the idle connections in constant use; aiohttp's connector keeps all others.

The connector decides how many connections there are, how they are opened, and when an unused one is closed. It counts
the idle connections here as taken. Therefore the pool returns them to it as soon as a request has to wait for one, and
each that was not used for a second.

**Servers that close without saying so.** Some servers close a connection after each response, or after some, and do not
announce it. A request that was just sent then gets no response, and nobody knows whether it was read: a creation has an
unknown outcome. So the pool notes, for each origin, when a server closes a connection within a second of its response,
or loses a request on a connection that was used before. After a few of those, requests that may not be sent twice each
get a new connection. Some of these are then kept open for a second, unused: once so many in a row outlasted it that the
server has evidently changed, connections are used again.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp

from .connection import Http1Connection, IdleConnections
from .deadlines import GRAIN

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

IDLE_AFTER = 1.0
"""Seconds after which unused connections are returned to the connector; at most twice as long."""

TRIES = 3
"""Connections that are tried to find one that has received no unrequested data."""
WATCHED_MOST = 8
"""Unused connections that are watched at a time."""


class ConnectionPool:
    """The connections of one connector, on its event loop."""

    def __init__(
        self, connector: aiohttp.BaseConnector, loop: asyncio.AbstractEventLoop, *, timeout: aiohttp.ClientTimeout
    ) -> None:
        self._connector = connector
        self._loop = loop
        self._timeout = timeout
        self._watched_most = min(WATCHED_MOST, connector.limit // 4 if connector.limit else WATCHED_MOST)
        self._idle: dict[str, IdleConnections] = {}
        self._released: WeakSet[object] = WeakSet()
        """aiohttp's protocols of the connections that were used and returned to the connector."""
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.looks_at: float = inf
        """The time at which the pool looks for requests whose response does not come."""

    def idle_of(self, origin: str) -> IdleConnections:
        """Return the idle connections of an origin, for :meth:`take` and :meth:`connect`."""
        if origin not in self._idle:
            self._idle[origin] = IdleConnections(origin)
        return self._idle[origin]

    def take(self, idle: IdleConnections) -> Http1Connection | None:
        """Return an idle connection, if there is one."""
        while idle:
            connection, _ = idle.popitem()
            if connection.is_open():
                connection.history.is_new = False
                return connection
            if not connection.is_idle:
                idle.note_closing()
            connection.close()
        return None

    async def connect(
        self, request: aiohttp.ClientRequest, idle: IdleConnections, *, single: bool = False
    ) -> Http1Connection:
        """Return a connection from the connector, which opens one if need be; a ``single`` one is not used again.

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
                is_reused = connection.protocol in self._released
                with suppress(aiohttp.ServerDisconnectedError):
                    return Http1Connection(connection, self._loop, idle, is_reused=is_reused, is_single=single)
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
        kept: dict[Http1Connection, None] = connection.idle_connections
        if connection.is_single:
            kept = connection.idle_connections.watched
        if not connection.finish() or (connection.is_single and len(kept) >= self._watched_most):
            connection.close()
        elif self._waiting and not connection.is_single:
            self._release(connection)
        else:
            connection.is_idle = False
            connection.is_reused = True
            kept[connection] = None
            if self._timer is None:
                self._timer = self._loop.call_later(IDLE_AFTER, self._look_after)

    def close(self) -> None:
        """Return all connections to the connector."""
        self._give_back_all()
        for idle in self._idle.values():
            for connection in list(idle.watched):
                connection.close()
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()

    def watch(self, deadline: float) -> None:
        """Let the requests fail whose deadlines are over by then: one timer for all costs nothing for each."""
        if self._watch is not None:
            self._watch.cancel()
        self.looks_at = deadline
        self._watch = self._loop.call_at(deadline, self._end_silences)

    def _give_back_all(self) -> None:
        for idle in self._idle.values():
            while idle:
                self._release(idle.popitem()[0])

    def _release(self, connection: Http1Connection) -> None:
        self._released.add(connection.release())

    def _end_silences(self) -> None:
        due, self.looks_at = self._loop.time() + GRAIN, inf
        for connection in [each for idle in self._idle.values() for each in idle.open if each.is_silent()]:
            if connection.deadline <= due:
                connection.expire()
            elif connection.deadline < self.looks_at:
                self.watch(connection.deadline)

    def _look_after(self) -> None:
        self._timer = None
        for idle in self._idle.values():
            for connection in [connection for connection in [*idle, *idle.watched] if connection.is_idle]:
                idle.note_lasting()
                idle.remove(connection)
                if connection.is_single:
                    connection.close()
                else:
                    self._release(connection)
            for connection in [*idle, *idle.watched]:
                connection.is_idle = True
        if any(idle or idle.watched for idle in self._idle.values()):
            self._timer = self._loop.call_later(IDLE_AFTER, self._look_after)
