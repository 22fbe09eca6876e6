"""The reads and deletions of retention in PostgreSQL; :mod:`..retention` has the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..retention import CHUNK, SINGLE_CALLS
from ..sqlite.batches import stored
from .schema import ADD_TO_COUNTS

if TYPE_CHECKING:
    from datetime import datetime
    from typing import LiteralString

    from ...stores.database import Connection
    from .queries import ClockBounds

_UNDECIDED: LiteralString = """
    SELECT e.sent_at FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
    WHERE p.scope_id = %s AND e.state IN (1, 5) AND e.sent_at > '2000-01-03' ORDER BY e.sent_at LIMIT 1"""
"""Statement without items sent at an unknown time (``LONG_AGO``), in whatever time zone the server reads the date."""
_CHUNK: LiteralString = """
    WITH chunk AS (
        SELECT key, state, changed_at, run_id FROM octoffm_journal_entries
        WHERE scope_id = %(scope)s AND (%(key)s::bytea IS NULL OR key > %(key)s) ORDER BY key LIMIT %(most)s
    ), over AS (
        SELECT c.key, c.state, c.run_id FROM chunk c JOIN octoffm_journal_runs r USING (run_id)
        WHERE c.state IN (2, 3) AND c.changed_at < %(before)s
            AND (r.finished_at < %(before)s OR r.source = %(source)s)
    )"""
_YOUNGEST: LiteralString = f"""{_CHUNK}
    SELECT (SELECT key FROM chunk ORDER BY key DESC LIMIT 1),
        ARRAY(SELECT changed_at FROM chunk WHERE state = 2 ORDER BY changed_at DESC LIMIT %(young)s)"""  # noqa: S608
_COUNT: LiteralString = f"""{_CHUNK}
    SELECT (SELECT key FROM chunk ORDER BY key DESC LIMIT 1), (SELECT count(*) FROM over)"""  # noqa: S608
_PRUNE: LiteralString = f"""{_CHUNK}, gone AS (
        DELETE FROM octoffm_journal_entries e USING over WHERE e.scope_id = %(scope)s AND e.key = over.key
            AND e.state = over.state AND e.changed_at < %(before)s RETURNING e.run_id, e.state
    ), counted AS (
        INSERT INTO octoffm_journal_counts AS c (run_id, writer_id, created, refused)
        SELECT run_id, %(writer)s, -count(*) FILTER (WHERE state = 2), -count(*) FILTER (WHERE state = 3)
        FROM gone GROUP BY run_id ORDER BY run_id
        {ADD_TO_COUNTS}
    )
    SELECT (SELECT key FROM chunk ORDER BY key DESC LIMIT 1), (SELECT count(*) FROM gone)"""  # noqa: S608
_RUNS: LiteralString = """
    WITH gone AS (
        DELETE FROM octoffm_journal_runs r WHERE r.scope_id = %s AND r.finished_at < %s AND NOT EXISTS (
            SELECT 1 FROM octoffm_journal_counts c WHERE c.run_id = r.run_id GROUP BY c.run_id
            HAVING sum(pending + sent + created + refused + failed + unknown) <> 0) RETURNING run_id
    )
    DELETE FROM octoffm_journal_counts c USING gone WHERE c.run_id = gone.run_id"""


async def scopes(connection: Connection) -> list[int]:
    """Return the numbers of all scopes."""
    found = await connection.execute("SELECT scope_id FROM octoffm_journal_scopes ORDER BY scope_id")
    return [scope for (scope,) in await found.fetchall()]


async def oldest_undecided(connection: Connection, scope: int, *, shift: ClockBounds) -> datetime | None:
    """Return the time of sending of the oldest undecided item whose time is known."""
    row = await (await connection.execute(_UNDECIDED, (scope,))).fetchone()
    return None if row is None else row[0] + shift.least


async def youngest_created(
    connection: Connection, scope: int, key: bytes | None, most: int, *, shift: ClockBounds
) -> tuple[list[datetime], bytes | None]:
    """Return the latest times of creation among a chunk of items behind a key, and the last key of the chunk."""
    given = {"scope": scope, "key": key, "most": CHUNK, "young": most, "before": None, "source": None}
    row = await (await connection.execute(_YOUNGEST, given, binary=True)).fetchone()
    last, times = row or (None, [])
    return [at + shift.least for at in times], last


async def prune_some(
    connection: Connection, writer: int, scope: int, key: bytes | None, before: datetime, *, dry_run: bool
) -> tuple[int, bytes | None]:
    """Delete the decided items of a chunk behind ``key`` that changed before a time; return their number."""
    given = {"scope": scope, "key": key, "most": CHUNK, "before": before, "source": stored(SINGLE_CALLS)}
    statement = _COUNT if dry_run else _PRUNE
    row = await (await connection.execute(statement, {**given, "writer": writer}, binary=True)).fetchone()
    last, gone = row or (None, 0)
    if last is None and not dry_run:
        await connection.execute(_RUNS, (scope, before))
    return int(gone), last
