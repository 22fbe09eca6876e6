"""The PostgreSQL database that a fleet shares, and a small connection pool of this process.

The pool replaces a connection that the server closed (it was restarted) when a caller acquires it, so no caller waits
longer than the server is unreachable. Connections are in autocommit mode; use ``connection.transaction()`` for more
than one statement.
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
REFUSED = "OC001"
"""The SQLSTATE by which a statement of ours refuses a database."""
_LOCK = 0x6F63746F66666D
"""The key of the advisory lock that a process holds while it creates tables."""
_DEFAULTS: dict[str, Any] = {
    "application_name": "octoffm",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Connection parameters: a server that vanishes is noticed within about 20 seconds. The address overrides them."""
_PASSING = ("08", "25006", "40", "53", "55P03", "57")
"""SQLSTATE prefixes of transient errors: connection, read-only (failover), conflict, resources, lock, shutdown."""


class Database:
    """A PostgreSQL database by its address: ``postgresql://user:password@host:port/name``.

    At most ``size`` connections are open at a time; a caller that needs one more waits up to ``wait`` seconds. Several
    users of one event loop may enter the same object; the last exit closes the connections. Entering opens no
    connection: the first use raises :class:`StoreError` if the server is unreachable.

    Raises:
        ConfigurationError: the address is not of this form.
    """

    def __init__(self, address: str | Secret, *, size: int = 4, wait: float = 10.0) -> None:
        self._address = Secret(address)
        text = self._address.reveal()
        self.name: str
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
        if not self._entered or (self._loop is not None and self._loop.is_closed()):
            self._loop, self._room, self._idle, self._entered = loop, asyncio.Semaphore(self._size), [], 0
        elif self._loop is not loop:
            raise ClosedError(f"{self.name} is open on another event loop, or in the process that forked this one")
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
        """Acquire a connection for the block.

        Raises:
            StoreError: no connection was free in time, or a statement of the block failed.
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
        """Create the tables of one part, unless they exist in this version.

        ``statements`` upgrade any older version, or none; one process executes all of them in one transaction.

        Raises:
            ConfigurationError: the tables exist in a newer version.
            StoreError: the database is unreachable, or refuses.
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
        """Return the version of a part; 0 if its tables do not exist."""
        there = await connection.execute("SELECT to_regclass('octoffm_schema') IS NOT NULL")
        if not (await there.fetchone() or (False,))[0]:
            return 0
        found = await connection.execute("SELECT version FROM octoffm_schema WHERE part = %s", (part,))
        row = await found.fetchone()
        return 0 if row is None else int(row[0])

    def _kept(self) -> Connection | None:
        """Return an idle connection that is still open, or ``None``."""
        while self._idle:
            connection = self._idle.pop()
            try:  # no round trip: read what the server sent last, then find out if it closed the connection
                connection.pgconn.consume_input()
                connection.pgconn.consume_input()
            except psycopg.Error:
                pass
            if connection.pgconn.status == ConnStatus.OK:
                return connection
            connection.pgconn.finish()
        return None

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(self._address.reveal(), autocommit=True, **self._settings)
        try:
            await connection.execute("SET timezone TO 'UTC'")  # rows with times are read twice as fast
        except BaseException:
            await connection.close()
            raise
        return connection

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
        if state == REFUSED:
            raise ConfigurationError(f"{self.name}: {error.diag.message_primary}")
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        away = lost or state.startswith(_PASSING)
        raise StoreError(f"{self.name}: {text}", away=away) from (error if is_plain else None)


def as_database(database: str | Secret | Database) -> Database:
    """Return a :class:`Database` for an address; return one that is given as it is."""
    return database if isinstance(database, Database) else Database(database)


def _read(address: str) -> tuple[str, dict[str, Any]]:
    """Return an address without its secrets, and its parts."""
    if address.startswith(SCHEMES):
        try:
            parts = urlsplit(address)
            user, at, host = parts.netloc.rpartition("@")
            return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}", conninfo_to_dict(address)
        except (ValueError, psycopg.Error):
            pass  # their messages may show the password
    raise ConfigurationError("not the address of a PostgreSQL database: postgresql://user@host/name")
