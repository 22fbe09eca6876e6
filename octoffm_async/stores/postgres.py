"""StoredValues in a PostgreSQL database: one row a key, in an unlogged table, by the server's clock.

An update locks its rows in the order of their keys (``SELECT … FOR UPDATE``), so no two updates deadlock, and writes
them: two round trips. A key without a row gets one that is expired already, in a statement of its own. The server ends
the transaction of a process that freezes within it, and a wait for such a row, after a second. After a crash of the
server the table is empty, which a store allows.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, LiteralString, Self

from ..errors import StoreError
from .base import FORMAT, check_format
from .database import Connection, Database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from types import TracebackType

    from ..config import Secret
    from .base import StoredValues, ValueChange

__all__ = ["PostgresStore"]

PART = "store"
STATEMENTS: Final[tuple[LiteralString, ...]] = (
    # Limits of an earlier version: its processes would not count the calls of this one.
    """
    DO $$ BEGIN
        IF to_regclass('octoffm_limits') IS NOT NULL THEN
            IF EXISTS (
                SELECT FROM octoffm_limits
                WHERE asked_at > extract(epoch FROM clock_timestamp()) * 1000000 - 60000000
            ) THEN
                RAISE EXCEPTION USING ERRCODE = 'OC001', MESSAGE =
                    'a process of an earlier version used a limit in the last 60 seconds, and the two versions '
                    'cannot share it: stop the processes of the earlier version, and wait 60 seconds';
            END IF;
            DROP TABLE octoffm_limits CASCADE;
            DROP FUNCTION IF EXISTS octoffm_lease;
        END IF;
    END $$
    """,
    """
    CREATE UNLOGGED TABLE IF NOT EXISTS octoffm_store (
        key text COLLATE "C" PRIMARY KEY,
        value bytea NOT NULL,
        kept_until bigint NOT NULL
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5, autovacuum_vacuum_threshold = 1000)
    """,
    "DROP TABLE IF EXISTS octoffm_tokens",
    # A process of an earlier version that is started later is refused.
    """
    INSERT INTO octoffm_schema VALUES ('limits', 3), ('tokens', 2)
    ON CONFLICT (part) DO UPDATE SET version = excluded.version
    """,
)
SWEEP_EVERY = 300 * 1_000_000
"""Microseconds between two deletions of expired rows by one process."""
_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_VERSION: Final = "(SELECT version FROM octoffm_schema WHERE part = 'store')"
_READ: Final = f"""
    SELECT stored.key, stored.value, stored.kept_until, clock.now, {_VERSION}
    FROM (SELECT {_NOW} AS now) AS clock LEFT JOIN octoffm_store AS stored ON stored.key = ANY(%s)
"""  # noqa: S608  (constants)
_LIMITS: Final = (
    "SELECT set_config('lock_timeout', '1s', true), set_config('idle_in_transaction_session_timeout', '1s', true)"
)
_LOCK: Final = f"""
    SELECT locked.key, locked.value, locked.kept_until, {_NOW}, {_VERSION}
    FROM (SELECT * FROM octoffm_store WHERE key = ANY(%s) ORDER BY key FOR UPDATE) AS locked
"""  # noqa: S608
_ADD: Final = f"""
    INSERT INTO octoffm_store SELECT name, '', {_NOW} FROM unnest(%s::text[]) AS name ORDER BY name
    ON CONFLICT DO NOTHING
"""  # noqa: S608
_WRITE: Final = """
    UPDATE octoffm_store AS stored SET value = new.value, kept_until = new.kept_until
    FROM unnest(%s::text[], %s::bytea[], %s::bigint[]) AS new (key, value, kept_until) WHERE stored.key = new.key
"""
_SWEEP: Final = """
    DELETE FROM octoffm_store WHERE key IN (
        SELECT key FROM octoffm_store WHERE kept_until < %s ORDER BY key LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
"""


class PostgresStore:
    """A store in ``database``: its address ``postgresql://…``, or a :class:`~octoffm_async.stores.Database`.

    It creates its table on first use. Needs the extra ``cluster``.

    Raises:
        ConfigurationError: the address is not one of a PostgreSQL database. A use of the store raises it also if the
            database holds a store of another version.
    """

    def __init__(self, database: str | Secret | Database) -> None:
        self._database = database if isinstance(database, Database) else Database(database, size=2, wait=5.0)
        self._is_prepared = False
        self._swept_at = 0

    async def __aenter__(self) -> Self:
        """Register one more user of the store, on the running event loop."""
        await self._database.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unregister a user; the last one closes the connections."""
        await self._database.__aexit__(None, None, None)

    async def read(self, keys: Sequence[str]) -> tuple[StoredValues, int]:
        """Return the values, and the server's time in microseconds."""
        async with self._connection() as connection:
            rows = await (await connection.execute(_READ, [list(keys)])).fetchall()
        return self._values(keys, rows)

    async def update(self, keys: Sequence[str], change: ValueChange, *, keep_seconds: float) -> None:
        """Replace the values atomically by ``change(values, time)``, while their rows are locked."""
        names = list(keys)
        async with self._connection() as connection:
            while True:
                async with connection.pipeline():
                    await connection.execute("BEGIN")
                    await connection.execute(_LIMITS)
                    rows = await (await connection.execute(_LOCK, [names])).fetchall()
                    if len(rows) == len(names):
                        values, now = self._values(names, rows)
                        until = now + int(keep_seconds * 1e6)
                        new = zip(names, values, change(list(values), now), strict=True)
                        changed = [
                            (name, value or b"", now if value is None else until)
                            for name, old, value in new
                            if value is not old
                        ]
                        if changed:
                            columns: list[Any] = [list(column) for column in zip(*changed, strict=True)]
                            await connection.execute(_WRITE, columns)
                        await connection.execute("COMMIT")
                        break
                    await connection.execute("ROLLBACK")  # before rows are added: locks are taken in order
                    there = {row[0] for row in rows}
                    await connection.execute(_ADD, [[name for name in names if name not in there]])
            if abs(now - self._swept_at) > SWEEP_EVERY:
                self._swept_at = now
                await connection.execute(_SWEEP, [now - SWEEP_EVERY])

    def _values(self, keys: Sequence[str], rows: list[tuple[Any, ...]]) -> tuple[StoredValues, int]:
        """Return the values of rows, and the latest of their times: the one at which all were locked."""
        check_format(self, rows[0][4] or 0)
        now: int = max(row[3] for row in rows)
        stored = {row[0]: row[1] for row in rows if row[0] is not None and row[2] > now}
        return [stored.get(key) for key in keys], now

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        try:
            if not self._is_prepared:
                await self._database.prepare(PART, FORMAT, STATEMENTS)
                self._is_prepared = True
            async with self._database.connection() as connection:
                yield connection
        except StoreError:
            self._is_prepared = False  # perhaps the table was dropped
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._database.name}>"
