"""The token store in the PostgreSQL database that a fleet shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, LiteralString, Self

from ...errors import ClosedError, ConfigurationError
from ...stores.database import Database
from .keyvalue_tokens import KeyValueTokenStore, StoredValue

if TYPE_CHECKING:
    from types import TracebackType

    from ...config import Secret

__all__ = ["TABLES", "VERSION", "PostgresTokens"]

VERSION = 1
TABLES: Final[tuple[LiteralString, ...]] = (
    """
    CREATE TABLE IF NOT EXISTS octoffm_tokens (
        name text PRIMARY KEY,
        value bytea NOT NULL,
        ends_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS octoffm_tokens_ends_at ON octoffm_tokens (ends_at)",
)
_READ: Final = """
    SELECT
        (SELECT value FROM octoffm_tokens WHERE name = %(name)s AND ends_at > clock_timestamp()),
        extract(epoch FROM clock_timestamp())::float8
"""
_WRITE: Final = """
    INSERT INTO octoffm_tokens VALUES (%(name)s, %(new)s, clock_timestamp() + make_interval(secs => %(keep)s))
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, ends_at = excluded.ends_at
"""
_TAKE: Final = f"{_WRITE} WHERE octoffm_tokens.ends_at <= clock_timestamp()"
_EXCHANGE: Final = """
    UPDATE octoffm_tokens SET value = %(new)s, ends_at = clock_timestamp() + make_interval(secs => %(keep)s)
    WHERE name = %(name)s AND value = %(old)s
"""
_DELETE: Final = "DELETE FROM octoffm_tokens WHERE name = %(name)s AND value = %(old)s"
_TIDY: Final = """
    DELETE FROM octoffm_tokens WHERE name IN (
        SELECT name FROM octoffm_tokens WHERE ends_at < clock_timestamp() - interval '1 hour'
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
"""


class PostgresTokens(KeyValueTokenStore):
    """A token store in ``database``: its address ``postgresql://…``, or an open :class:`...stores.database.Database`.

    All processes that name the database share the tokens. With ``key``, or ``OCTOFFM_CLUSTER_KEY``, the store encrypts
    them. It creates its table on first use. Close it, or exit its ``async with``, after the clients that use it; a
    :class:`Database` of yours stays open.

    Raises:
        ConfigurationError: the address or the key is invalid.
    """

    def __init__(self, database: str | Secret | Database, *, key: Secret | str | None = None) -> None:
        super().__init__(key=key)
        self._address = None if isinstance(database, Database) else database
        self._database = database if isinstance(database, Database) else Database(database)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_prepared = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        loop, self._loop = self._loop, None
        if loop is asyncio.get_running_loop() and self._address is not None:
            await self._database.__aexit__(None, None, None)

    async def _read(self, name: str) -> StoredValue:
        rows = await self._do(_READ, name=name)
        return StoredValue(rows[0][0], rows[0][1])

    async def _write(self, name: str, value: bytes, *, keep: float) -> None:
        await self._do(_WRITE, name=name, new=value, keep=keep)
        await self._do(_TIDY)

    async def _swap(self, name: str, old: bytes | None, new: bytes | None, *, keep: float = 0.0) -> bool:
        statement = _TAKE if old is None else _DELETE if new is None else _EXCHANGE
        return bool(await self._do(f"{statement} RETURNING name", name=name, old=old, new=new, keep=keep))

    async def _do(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        database = await self._open()
        async with database.connection() as connection:
            done = await connection.execute(statement, values)
            return await done.fetchall() if done.description else []

    async def _open(self) -> Database:
        """Return the database with its table. Connections belong to an event loop: a new loop opens it again."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._is_prepared = loop, False
            if self._address is not None:
                self._database = Database(self._address, size=2)
                await self._database.__aenter__()
        if not self._is_prepared:
            try:
                await self._database.prepare("tokens", VERSION, TABLES)
            except ClosedError:
                raise ConfigurationError("the database of PostgresTokens is not open on this event loop") from None
            self._is_prepared = True
        return self._database

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._database.name}>"
