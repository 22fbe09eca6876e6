"""The deletion of a run from the journal in PostgreSQL, some of its items at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import JournalError
from .queries import run_of

if TYPE_CHECKING:
    from ...stores.database import Connection

__all__ = ["forget_some"]

_ROWS = 2000
_UNDECIDED = "SELECT coalesce(sum(sent + unknown), 0)::bigint FROM octoffm_journal_counts WHERE run_id = %s"
_FORGET = """
    WITH chosen AS (
        SELECT key FROM octoffm_journal_entries
        WHERE scope_id = %(scope)s AND run_id = %(run)s AND (%(key)s::bytea IS NULL OR key > %(key)s)
            AND (%(force)s OR state NOT IN (1, 5))
        ORDER BY key LIMIT %(most)s FOR UPDATE
    ), gone AS (
        DELETE FROM octoffm_journal_entries e USING chosen WHERE e.scope_id = %(scope)s AND e.key = chosen.key
        RETURNING e.key, e.state
    ), dropped AS (
        DELETE FROM octoffm_journal_payloads p USING chosen WHERE p.scope_id = %(scope)s AND p.key = chosen.key
    ), counted AS (
        INSERT INTO octoffm_journal_counts AS c (run_id, writer_id, pending, sent, created, refused, failed, unknown)
        SELECT %(run)s, %(writer)s, -count(*) FILTER (WHERE state = 0), -count(*) FILTER (WHERE state = 1),
            -count(*) FILTER (WHERE state = 2), -count(*) FILTER (WHERE state = 3),
            -count(*) FILTER (WHERE state = 4), -count(*) FILTER (WHERE state = 5) FROM gone
        ON CONFLICT (run_id, writer_id) DO UPDATE SET
            pending = c.pending + excluded.pending, sent = c.sent + excluded.sent,
            created = c.created + excluded.created, refused = c.refused + excluded.refused,
            failed = c.failed + excluded.failed, unknown = c.unknown + excluded.unknown
    )
    SELECT count(*), (SELECT key FROM gone ORDER BY key DESC LIMIT 1) FROM gone"""
_END = """
    WITH gone AS (
        DELETE FROM octoffm_journal_runs r WHERE run_id = %(run)s AND (%(force)s OR NOT EXISTS (
            SELECT 1 FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
            WHERE p.scope_id = %(scope)s AND e.run_id = %(run)s)) RETURNING run_id
    )
    DELETE FROM octoffm_journal_counts c USING gone WHERE c.run_id = gone.run_id"""


async def forget_some(
    connection: Connection, writer: int, run: str, key: bytes | None, *, force: bool
) -> tuple[int, bytes | None]:
    """Delete some of a run's items behind ``key``, or the run itself if no item remains.

    Returns:
        The number of deleted items, and the last key; ``(0, None)`` when the run is gone.

    Raises:
        JournalError: items are undecided, and ``force`` is not set.
        ConfigurationError: the run does not exist.
    """
    scope, run_id = await run_of(connection, run)
    given = {"scope": scope, "run": run_id, "key": key, "force": force, "most": _ROWS, "writer": writer}
    if not force:
        found = await connection.execute(_UNDECIDED, (run_id,))
        (undecided,) = await found.fetchone() or (0,)
        if undecided:
            raise JournalError(
                f"run {run} has {undecided} undecided items: forgotten, they could be sent twice; "
                "resume the run first, or forget it by force"
            )
    found = await connection.execute(_FORGET, given)
    gone, last = await found.fetchone() or (0, None)
    if not gone:
        await connection.execute(_END, given)
        left = await connection.execute("SELECT 1 FROM octoffm_journal_runs WHERE run_id = %s", (run_id,))
        if await left.fetchone() is not None:
            raise JournalError(f"another process continued run {run} while it was being deleted: the run was kept")
        return 0, None
    return int(gone), last
