"""The start and the continuation of runs in the journal in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...stores.database import Connection

__all__ = ["begun", "reopen_run"]


async def begun(connection: Connection, names: tuple[bytes, bytes], name: str, source: bytes) -> tuple[int, int]:
    """Create a run, and return the ids of its scope and of itself; repeated, it returns the same run."""
    await connection.execute(
        "INSERT INTO octoffm_journal_scopes (seller, operation) VALUES (%s, %s) ON CONFLICT DO NOTHING", names
    )
    found = await connection.execute(
        "INSERT INTO octoffm_journal_runs (name, scope_id, source) "
        "SELECT %s, scope_id, %s FROM octoffm_journal_scopes WHERE seller = %s AND operation = %s "
        "ON CONFLICT (name) DO UPDATE SET source = excluded.source RETURNING scope_id, run_id",
        (name, source, *names),
    )
    row = await found.fetchone()
    assert row is not None  # noqa: S101
    return int(row[0]), int(row[1])


async def reopen_run(connection: Connection, names: tuple[bytes, bytes], run_id: int) -> bool:
    """Reopen a run of a seller and operation; return False if it is not one of theirs."""
    found = await connection.execute(
        "UPDATE octoffm_journal_runs r SET finished_at = NULL FROM octoffm_journal_scopes s "
        "WHERE r.run_id = %s AND s.scope_id = r.scope_id AND s.seller = %s AND s.operation = %s RETURNING 1",
        (run_id, *names),
    )
    return await found.fetchone() is not None
