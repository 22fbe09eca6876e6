"""The one PostgreSQL database that a fleet shares, and a few connections to it that this process keeps.

A connection that is found closed, because the server was restarted, is replaced when it is asked for: nothing waits
longer than the server is away. Connections commit each statement by itself unless ``connection.transaction()`` is used.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString, NoReturn, Self, TypeAlias
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.rows import TupleRow

from ..config import Secret
from ..errors import ClosedError, ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType


__all__ = ["Connection", "Database", "as_database"]

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

SCHEMES = ("postgresql://", "postgres://")
_LOCK = 0x6F63746F66666D
"""The advisory lock under which tables are made."""
_DEFAULTS: dict[str, Any] = {
    "application_name": "octoffm",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that is gone without a word is noticed within about 20 seconds. The address may say otherwise."""
_PASSING = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATEs of what may go well later: no connection, read-only (a failover), a conflict, no room, a lock, a stop."""


class Database:
    """A PostgreSQL database by its address: ``postgresql://user:password@host:port/name``.

    At most ``size`` connections are open at a time; who asks for one more waits up to ``wait`` seconds. It may be
    entered several times, by all that share it; the last to leave closes the connections. Entering connects to nothing:
    a server that is away is told of by the first use.

    Raises:
        ConfigurationError: not such an address.
    """

    def __init__(self, address: str | Secret, *, size: int = 4, wait: float = 10.0) -> None:
        self._address = Secret(address)
        text = self._address.reveal()
        self.name, given = _read(text)
        self._secrets = [str(given[name]) for name in ("password", "sslpassword") if given.get(name)]
        self._settings = {name: value for name, value in _DEFAULTS.items() if name not in given}
        self._size = size
        self._wait = wait
        self._entered = 0
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(size)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if not self._entered:
            self._loop, self._room, self._idle = loop, asyncio.Semaphore(self._size), []
        elif self._loop is not loop:
            raise ClosedError("the database was entered on another event loop")
        self._entered += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        if not self._entered:
            self._loop = None
            idle, self._idle = self._idle, []
            for connection in idle:
                await connection.close()

    @asynccontextmanager
    async def connection(self, *, wait: float | None = None) -> AsyncGenerator[Connection]:
        """A connection for as long as the block lasts.

        Raises:
            StoreError: there is none in time, or the block's work failed in the database.
            ClosedError: the database is not open on this event loop.
        """
        if self._loop is None or self._loop is not asyncio.get_running_loop():
            raise ClosedError("the database is not open: async with Database(…) as database")
        room = self._room
        try:
            async with asyncio.timeout(self._wait if wait is None else wait):
                await room.acquire()
        except TimeoutError:
            raise StoreError(f"{self.name}: all {self._size} connections are busy", away=True) from None
        try:
            connection = self._kept() or await self._connect()
            try:
                yield connection
            finally:
                await self._give_back(connection, room)
        except psycopg.Error as error:
            self._raise_as_ours(error)
        finally:
            room.release()

    async def prepare(self, part: str, version: int, statements: Sequence[LiteralString]) -> None:
        """Make the tables of one part, unless they are there in this version.

        ``statements`` bring any older version to this one, or nothing; all are carried out together, by one process.

        Raises:
            ConfigurationError: they are there in a newer version.
            StoreError: the database is away, or refuses.
        """
        async with self.connection() as connection:
            if await self._version(connection, part) == version:
                return
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                await connection.execute(
                    "CREATE TABLE IF NOT EXISTS octoffm_schema (part text PRIMARY KEY, version int NOT NULL)"
                )
                there = await self._version(connection, part)
                if there > version:
                    raise ConfigurationError(
                        f"{self.name}: its {part} has version {there}, and this program knows {version}: update it"
                    )
                if there == version:
                    return
                for statement in statements:
                    await connection.execute(statement)
                await connection.execute(
                    "INSERT INTO octoffm_schema VALUES (%s, %s) "
                    "ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                    (part, version),
                )

    async def _version(self, connection: Connection, part: str) -> int:
        """The version of a part; 0 if it is not there."""
        there = await connection.execute("SELECT to_regclass('octoffm_schema') IS NOT NULL")
        if not (await there.fetchone() or (False,))[0]:
            return 0
        found = await connection.execute("SELECT version FROM octoffm_schema WHERE part = %s", (part,))
        row = await found.fetchone()
        return 0 if row is None else int(row[0])

    def _kept(self) -> Connection | None:
        """A connection that was used before and still stands."""
        while self._idle:
            connection = self._idle.pop()
            try:  # asks this machine only: the server's last words, and then whether it has hung up
                connection.pgconn.consume_input()
                connection.pgconn.consume_input()
            except psycopg.Error:
                pass
            if connection.pgconn.status == ConnStatus.OK:
                return connection
            connection.pgconn.finish()
        return None

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(self._address.reveal(), autocommit=True, **self._settings)

    async def _give_back(self, connection: Connection, room: asyncio.Semaphore) -> None:
        stands = connection.pgconn.status == ConnStatus.OK
        is_whole = stands and connection.pgconn.transaction_status == TransactionStatus.IDLE
        if is_whole and self._loop is not None and room is self._room:
            self._idle.append(connection)
        else:
            await connection.close()

    def _raise_as_ours(self, error: psycopg.Error) -> NoReturn:
        text = str(error).strip() or type(error).__name__
        is_plain = not any(secret in text for secret in self._secrets)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        state = error.sqlstate or ""
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        away = lost or state.startswith(_PASSING)
        raise StoreError(f"{self.name}: {text}", away=away) from (error if is_plain else None)


def as_database(database: str | Secret | Database) -> Database:
    """A database, by its address or as it is."""
    return database if isinstance(database, Database) else Database(database)


def _read(address: str) -> tuple[str, dict[str, Any]]:
    """An address without what is secret in it, and its parts."""
    if address.startswith(SCHEMES):
        try:
            parts = urlsplit(address)
            user, at, host = parts.netloc.rpartition("@")
            return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}", conninfo_to_dict(address)
        except (ValueError, psycopg.Error):
            pass  # their words may show the password
    raise ConfigurationError("not the address of a PostgreSQL database: postgresql://user@host/name")
