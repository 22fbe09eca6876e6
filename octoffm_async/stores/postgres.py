"""StoredValues in a PostgreSQL database: one row a key, in an unlogged table, by the server's clock.

An update reads the values and the time in one round trip, and replaces the values in another by a statement that does
so only if none changed in between: no lock outlives a statement, so a process that freezes holds nobody up. A key
without a row gets one that is expired already, in a statement of its own. After a crash of the server the table is
empty, which a store allows.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, LiteralString, Self

from ..errors import StoreError
from .base import FORMAT, Backoff, check_format
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
    FROM (SELECT {_NOW} AS now) AS clock LEFT JOIN octoffm_store AS stored ON stored.key = ANY(%b)
"""  # noqa: S608  (constants)
_ADD: Final = f"""
    INSERT INTO octoffm_store SELECT name, '', {_NOW} FROM unnest(%b::text[]) AS name ORDER BY name
    ON CONFLICT DO NOTHING
"""  # noqa: S608
_SWAP: Final = """
    WITH swap AS (
        SELECT * FROM unnest(%b::text[], %b::bytea[], %b::bigint[], %b::bytea[], %b::bigint[])
            AS swap (key, old, old_until, new, new_until)
    ), held AS MATERIALIZED (
        SELECT FROM octoffm_store AS stored JOIN swap USING (key)
        WHERE stored.value = swap.old AND stored.kept_until = swap.old_until
        ORDER BY key FOR UPDATE OF stored SKIP LOCKED
    )
    UPDATE octoffm_store AS stored SET value = swap.new, kept_until = swap.new_until FROM swap
    WHERE stored.key = swap.key AND swap.new IS NOT NULL AND (SELECT count(*) FROM held) = %s
"""
"""One array for each of: keys, their rows as they were read, and as they are to be; without a new value: as it is."""
_SWAP_ONE: Final = """
    UPDATE octoffm_store SET value = %s, kept_until = %s WHERE key = (
        SELECT key FROM octoffm_store WHERE key = %s AND value = %s AND kept_until = %s FOR UPDATE SKIP LOCKED
    )
"""
"""The same for one key: a quarter of the work, here and in the server."""
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
        """Replace the values atomically by ``change(values, time)``, which is run again if they changed meanwhile."""
        names, backoff = list(keys), Backoff(self)
        while not await self._try_update(names, change, int(keep_seconds * 1e6)):
            await backoff.wait()

    async def _try_update(self, names: list[str], change: ValueChange, keep: int) -> bool:
        """Return False if another update came first."""
        async with self._connection() as connection:
            rows = await (await connection.execute(_READ, [names])).fetchall()
            values, now = self._values(names, rows)
            stored = {row[0]: row for row in rows}
            swaps: list[tuple[str, bytes, int, bytes | None, int]] = []
            for name, old, new in zip(names, values, change(list(values), now), strict=True):
                _, was, was_until, *_ = stored.get(name, (name, b"", 0))
                to = None if new is old else new or b""
                swaps.append((name, was, was_until, to, now if new is None else now + keep))
            changes = sum(swap[3] is not None for swap in swaps)
            if not changes:
                return True
            if missing := [name for name in names if name not in stored]:
                await connection.execute(_ADD, [missing])
                return False
            if len(swaps) == 1:
                key, was, was_until, to, until = swaps[0]
                swapped = await connection.execute(_SWAP_ONE, [to, until, key, was, was_until])
            else:
                columns: list[Any] = [list(column) for column in zip(*swaps, strict=True)]
                swapped = await connection.execute(_SWAP, [*columns, len(names)])
            if swapped.rowcount == changes and abs(now - self._swept_at) > SWEEP_EVERY:
                self._swept_at = now
                await connection.execute(_SWEEP, [now - SWEEP_EVERY])
            return swapped.rowcount == changes

    def _values(self, keys: Sequence[str], rows: list[tuple[Any, ...]]) -> tuple[StoredValues, int]:
        """Return the values of rows, and their time."""
        check_format(self, rows[0][4] or 0)
        now: int = rows[0][3]
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
