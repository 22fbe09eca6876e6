"""The part of the heartbeat that keeps the tables small."""

from __future__ import annotations

import asyncio

import pytest

from octoffm_async.cluster.heartbeat import _VACUUMING, vacuum
from octoffm_async.journal.postgres.journal import PostgresJournal
from octoffm_async.stores.database import Connection, Database

pytestmark = pytest.mark.one_loop


async def dead_rows(connection: Connection, count: int) -> None:
    """Leave dead rows of requests, and let the server's statistics know them."""
    await connection.execute("ALTER TABLE octoffm_journal_payloads SET (autovacuum_enabled = off)")
    await connection.execute(
        "INSERT INTO octoffm_journal_payloads SELECT 1, n::text::bytea, '{}'::bytea FROM generate_series(1, %s) n",
        (count,),
    )
    await connection.execute("DELETE FROM octoffm_journal_payloads")
    await connection.execute("SELECT pg_stat_force_next_flush()")


async def test_a_table_that_grew_is_counted(postgres: str) -> None:
    async with PostgresJournal(postgres), Database(postgres) as database, database.connection() as connection:
        await connection.execute("ALTER TABLE octoffm_journal_entries SET (autovacuum_enabled = off)")
        await connection.execute(
            "INSERT INTO octoffm_journal_entries (sent_at, changed_at, scope_id, run_id, state, payload_hash, key)"
            "SELECT now(), now(), 1, 1, 1, '', n::text::bytea FROM generate_series(1, 2000) n"
        )
        await connection.execute("SELECT pg_stat_force_next_flush()")
        assert await vacuum(database, dead_rows=10_000) == []
        assert await vacuum(database, dead_rows=100) == ["octoffm_journal_entries"]
        counted = await connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'octoffm_journal_entries'")
        assert await counted.fetchone() == (2000.0,)
        assert await vacuum(database, dead_rows=100) == []


async def test_a_table_with_many_dead_rows_is_vacuumed_by_one_worker(postgres: str) -> None:
    async with PostgresJournal(postgres), Database(postgres) as database, database.connection() as connection:
        assert await vacuum(database, dead_rows=100) == []
        await dead_rows(connection, 2_000)
        assert await vacuum(database, dead_rows=10_000) == []
        await connection.execute("SELECT pg_advisory_lock(%s)", (_VACUUMING,))
        assert await vacuum(database, dead_rows=100) == []  # another worker does
        await connection.execute("SELECT pg_advisory_unlock(%s)", (_VACUUMING,))
        both = await asyncio.gather(vacuum(database, dead_rows=100), vacuum(database, dead_rows=100))
        assert ["octoffm_journal_payloads"] in both
        assert await vacuum(database, dead_rows=100) == []
