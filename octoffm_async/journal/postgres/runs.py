"""The runs of the journal in PostgreSQL, and the environment to which each seller's part of it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import JournalError
from ..environment import Environment, check_same, log_adopted
from ..sqlite.batches import stored, text
from .queries import run_of
from .schema import ADD_TO_COUNTS

if TYPE_CHECKING:
    from ...stores.database import Connection

__all__ = ["begun", "bind", "forget_some", "rebind", "reopen_run"]

_FORGET_ROWS = 2000
_UNDECIDED = "SELECT coalesce(sum(sent + unknown), 0)::bigint FROM octoffm_journal_counts WHERE run_id = %s"
_FORGET = f"""
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
        {ADD_TO_COUNTS}
    )
    SELECT count(*), (SELECT key FROM gone ORDER BY key DESC LIMIT 1) FROM gone"""  # noqa: S608  (constants)
_END = """
    WITH gone AS (
        DELETE FROM octoffm_journal_runs r WHERE run_id = %(run)s AND (%(force)s OR NOT EXISTS (
            SELECT 1 FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
            WHERE p.scope_id = %(scope)s AND e.run_id = %(run)s)) RETURNING run_id
    )
    DELETE FROM octoffm_journal_counts c USING gone WHERE c.run_id = gone.run_id"""


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
    given = {"scope": scope, "run": run_id, "key": key, "force": force, "most": _FORGET_ROWS, "writer": writer}
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


async def bind(connection: Connection, journal: str, seller: str, environment: Environment) -> None:
    """Check that a seller's part of the journal belongs to this environment; assign it if it belongs to none.

    Raises:
        OtherEnvironmentError: the part belongs to another environment.
    """
    values = (stored(seller), stored(environment.api), environment.account)
    put = await connection.execute(
        "INSERT INTO octoffm_journal_environments (seller, api, account) VALUES (%s, %s, %s) "
        "ON CONFLICT (seller) DO NOTHING RETURNING EXISTS (SELECT 1 FROM octoffm_journal_runs r "
        "JOIN octoffm_journal_scopes s USING (scope_id) WHERE s.seller = octoffm_journal_environments.seller)",
        values,
    )
    if (row := await put.fetchone()) is not None:
        if row[0]:
            log_adopted(journal, seller, environment)
        return
    if (known := await _known(connection, seller)) is not None:
        check_same(journal, seller, known, environment)


async def rebind(connection: Connection, seller: str, environment: Environment) -> Environment | None:
    """Assign a seller's part of the journal to an environment; return the one that it belonged to before."""
    before = await _known(connection, seller)
    await connection.execute(
        "INSERT INTO octoffm_journal_environments (seller, api, account) VALUES (%s, %s, %s) "
        "ON CONFLICT (seller) DO UPDATE SET api = excluded.api, account = excluded.account",
        (stored(seller), stored(environment.api), environment.account),
    )
    return before


async def _known(connection: Connection, seller: str) -> Environment | None:
    found = await connection.execute(
        "SELECT api, account FROM octoffm_journal_environments WHERE seller = %s", (stored(seller),)
    )
    row = await found.fetchone()
    return None if row is None else Environment(text(bytes(row[0])), str(row[1]))
