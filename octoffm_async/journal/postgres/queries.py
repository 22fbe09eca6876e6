"""Queries on the journal's tables in PostgreSQL: entries, payloads and runs.

The queries convert the times of an entry to this machine's clock, because scans of the remote side start from it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from ...errors import ConfigurationError
from ..base import RunRecord
from ..manual_settlement import Known
from ..sqlite.batches import stored, text
from ..sqlite.queries import IDS_MOST
from ..sqlite.transaction import CODES, STATES
from ..states import HASH_SIZE, KEEPS_PAYLOAD, Entry, State

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ...stores.database import Connection

__all__ = [
    "NO_SHIFT",
    "ClockBounds",
    "after",
    "count_created",
    "created_near",
    "find",
    "holders",
    "ids",
    "look_up",
    "payloads",
    "records",
    "run_of",
    "undecided",
    "undecided_keys",
]


class ClockBounds(NamedTuple):
    """The offset of this machine's clock from the database's: its lower and its upper bound."""

    least: timedelta
    most: timedelta


NO_SHIFT = ClockBounds(timedelta(), timedelta())

_COLUMNS: LiteralString = """e.key, e.state, e.payload_hash, r.name, e.changed_at, e.sent_at,
    e.remote_id, e.code, e.message, e.followed, e.left_by, e.api_at, e.absences"""
_FROM: LiteralString = "FROM octoffm_journal_entries e JOIN octoffm_journal_runs r USING (run_id)"
_LOOK_UP: LiteralString = f"SELECT {_COLUMNS} {_FROM} WHERE e.scope_id = %s AND e.key = ANY (%b)"
_FIND: LiteralString = f"""
    SELECT s.seller, s.operation, {_COLUMNS} {_FROM} JOIN octoffm_journal_scopes s ON s.scope_id = e.scope_id
    WHERE e.key = ANY (%b) ORDER BY s.scope_id, e.key"""
_UNDECIDED: LiteralString = f"""
    SELECT {_COLUMNS} FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
    JOIN octoffm_journal_runs r USING (run_id)
    WHERE p.scope_id = %s AND e.state IN (1, 5) AND e.holder = %s AND (%s OR e.key = ANY (%b)) ORDER BY e.key"""  # noqa: S608
_IDS: LiteralString = """
    WITH head AS (
        SELECT key, state, remote_id FROM octoffm_journal_entries WHERE scope_id = %s ORDER BY key LIMIT %s
    ), tail AS (
        SELECT key, state, remote_id FROM octoffm_journal_entries WHERE scope_id = %s ORDER BY key DESC LIMIT %s
    )
    (SELECT key, remote_id FROM head WHERE state = 2 AND remote_id IS NOT NULL LIMIT %s)
    UNION ALL (SELECT key, remote_id FROM tail WHERE state = 2 AND remote_id IS NOT NULL LIMIT %s)"""
_LOOKED_AT = 8 * IDS_MOST
_AFTER: LiteralString = f"""
    SELECT {_COLUMNS} {_FROM} WHERE e.scope_id = %s AND (%s::bytea IS NULL OR e.key > %s) AND e.run_id = %s
    AND e.state = ANY (%s) AND (%s::bytea IS NULL OR e.code = %s) ORDER BY e.key LIMIT %s"""
_AFTER_KEPT: LiteralString = f"""
    SELECT {_COLUMNS} FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
    JOIN octoffm_journal_runs r USING (run_id)
    WHERE p.scope_id = %s AND (%s::bytea IS NULL OR p.key > %s) AND e.run_id = %s
    AND e.state = ANY (%s) AND (%s::bytea IS NULL OR e.code = %s) ORDER BY p.key LIMIT %s"""  # noqa: S608
"""The same query for the states that keep their payload; it reads few rows."""
_NEAR: LiteralString = f"""
    WITH created AS (
        SELECT key, changed_at FROM octoffm_journal_entries WHERE scope_id = %(scope)s AND state = 2
            AND changed_at <= %(ripe)s AND code IS DISTINCT FROM 'ByHand'
    ), near AS (
        (SELECT key, 1 AS rank FROM created WHERE changed_at <= %(first)s ORDER BY changed_at DESC LIMIT 1)
        UNION ALL (SELECT key, 2 FROM created WHERE changed_at >= %(last)s ORDER BY changed_at LIMIT 1)
        UNION ALL (SELECT key, 3 FROM created WHERE changed_at > %(first)s ORDER BY changed_at DESC LIMIT 1)
    )
    SELECT {_COLUMNS} FROM (SELECT key, min(rank) AS rank FROM near GROUP BY key ORDER BY 2 LIMIT 2) n
    JOIN octoffm_journal_entries e ON e.scope_id = %(scope)s AND e.key = n.key
    JOIN octoffm_journal_runs r USING (run_id) ORDER BY n.rank"""  # noqa: S608
_COUNT_CREATED: LiteralString = """
    SELECT count(*) FROM octoffm_journal_entries
    WHERE scope_id = %s AND state = 2 AND sent_at >= %s AND changed_at <= %s AND remote_id IS NOT NULL"""
_RECORDS: LiteralString = """
    SELECT r.name, s.seller, s.operation, r.source, r.started_at, r.finished_at, v.api,
        coalesce(sum(c.pending), 0)::bigint, coalesce(sum(c.sent), 0)::bigint, coalesce(sum(c.created), 0)::bigint,
        coalesce(sum(c.refused), 0)::bigint, coalesce(sum(c.failed), 0)::bigint, coalesce(sum(c.unknown), 0)::bigint
    FROM octoffm_journal_runs r JOIN octoffm_journal_scopes s USING (scope_id)
    LEFT JOIN octoffm_journal_counts c USING (run_id)
    LEFT JOIN octoffm_journal_environments v ON v.seller = s.seller
    GROUP BY r.run_id, s.scope_id, v.seller ORDER BY r.run_id"""


async def look_up(connection: Connection, scope: int, keys: Sequence[str], *, shift: ClockBounds) -> dict[str, Entry]:
    """Return the entries of keys of one scope, by key."""
    found = await connection.execute(_LOOK_UP, (scope, [stored(key) for key in keys]), binary=True)
    return {entry.key: entry for entry in [_entry(row, shift) for row in await found.fetchall()]}


async def find(connection: Connection, keys: Sequence[str], *, shift: ClockBounds) -> list[Known]:
    """Return the entries of keys, of any seller and operation."""
    found = await connection.execute(_FIND, ([stored(key) for key in keys],), binary=True)
    return [
        Known(text(seller), text(operation), _entry(row, shift)) for seller, operation, *row in await found.fetchall()
    ]


async def undecided(
    connection: Connection, scope: int, writer: int, keys: Sequence[str] | None, *, shift: ClockBounds
) -> list[Entry]:
    """Return the undecided items of a scope that a writer holds, by key; only those of ``keys``, if given."""
    names = None if keys is None else [stored(key) for key in keys]
    found = await connection.execute(_UNDECIDED, (scope, writer, names is None, names), binary=True)
    return [_entry(row, shift) for row in await found.fetchall()]


async def undecided_keys(connection: Connection, scope: int) -> list[str]:
    """Return the keys of the undecided items of a scope, of any holder."""
    found = await connection.execute(
        "SELECT key FROM octoffm_journal_payloads JOIN octoffm_journal_entries USING (scope_id, key) "
        "WHERE scope_id = %s AND state IN (1, 5) ORDER BY key",
        (scope,),
        binary=True,
    )
    return [text(key) for (key,) in await found.fetchall()]


async def created_near(
    connection: Connection, scope: int, *, first: datetime, last: datetime, ripe: datetime, shift: ClockBounds
) -> list[Entry]:
    """Return created items next to those sent between two times; times are by this machine's clock."""
    given = {"scope": scope, "first": first - shift.least, "last": last - shift.least, "ripe": ripe - shift.most}
    found = await connection.execute(_NEAR, given, binary=True)
    return [_entry(row, shift) for row in await found.fetchall()]


async def count_created(
    connection: Connection, scope: int, *, since: datetime, ripe: datetime, shift: ClockBounds
) -> int:
    """Count the items with an id, sent from ``since`` and created until ``ripe``, by this machine's clock."""
    found = await connection.execute(_COUNT_CREATED, (scope, since - shift.least, ripe - shift.most), binary=True)
    row = await found.fetchone()
    return 0 if row is None else row[0]


async def payloads(connection: Connection, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the encoded requests of the keys that have one."""
    found = await connection.execute(
        "SELECT key, payload FROM octoffm_journal_payloads WHERE scope_id = %s AND key = ANY (%b)",
        (scope, [stored(key) for key in keys]),
        binary=True,
    )
    return {text(key): payload for key, payload in await found.fetchall()}


async def ids(connection: Connection, scope: int) -> dict[str, str]:
    """Return the ids of some created items, by key: of those with the first and with the last keys."""
    found = await connection.execute(_IDS, (scope, _LOOKED_AT, scope, _LOOKED_AT, IDS_MOST, IDS_MOST), binary=True)
    return {text(key): text(remote_id) for key, remote_id in await found.fetchall()}


async def holders(connection: Connection, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of the created items that have these remote ids, by id."""
    found = await connection.execute(
        "SELECT remote_id, key FROM octoffm_journal_entries WHERE scope_id = %s AND state = 2 AND remote_id = ANY (%b)",
        (scope, [stored(remote_id) for remote_id in remote_ids]),
        binary=True,
    )
    keys: dict[str, list[str]] = {}
    for remote_id, key in await found.fetchall():
        keys.setdefault(text(remote_id), []).append(text(key))
    return keys


async def after(
    connection: Connection,
    scope: int,
    run_id: int,
    states: Collection[State],
    *,
    key: str | None,
    most: int,
    shift: ClockBounds,
    code: str | None = None,
) -> list[Entry]:
    """Return up to ``most`` items of a run behind ``key`` in the order of keys; ``None`` is before all."""
    start = None if key is None else stored(key)
    statement = _AFTER_KEPT if KEEPS_PAYLOAD.issuperset(states) else _AFTER
    codes = [CODES[state] for state in states]
    why = None if code is None else stored(code)
    bound = (scope, start, start, run_id, codes, why, why, most)
    found = await connection.execute(statement, bound, binary=True)
    return [_entry(row, shift) for row in await found.fetchall()]


async def records(connection: Connection) -> list[RunRecord]:
    """Return all runs, the oldest first."""
    found = await connection.execute(_RECORDS)
    return [
        RunRecord(
            id=name,
            seller=text(seller),
            operation=text(operation),
            source=text(source),
            started_at=_utc(started_at),
            finished_at=None if finished_at is None else _utc(finished_at),
            counts=dict(zip(STATES, counts, strict=True)),
            api="" if api is None else text(api),
        )
        for name, seller, operation, source, started_at, finished_at, api, *counts in await found.fetchall()
    ]


async def run_of(connection: Connection, run: str) -> tuple[int, int]:
    """Return the ids of a run's scope and of the run.

    Raises:
        ConfigurationError: the run does not exist.
    """
    row = None
    if run.isascii() and "\0" not in run:
        found = await connection.execute("SELECT scope_id, run_id FROM octoffm_journal_runs WHERE name = %s", (run,))
        row = await found.fetchone()
    if row is None:
        raise ConfigurationError(f"the journal has no run {run!r}")
    return int(row[0]), int(row[1])


def _entry(row: Sequence[Any], shift: ClockBounds) -> Entry:
    code: int
    key, code, payload_hash, run, changed_at, sent_at, remote_id, why, message, followed, left_by, api_at, absences = (
        row
    )
    state = STATES[code]
    # The bounds of the clock offset are the safe ones: a request counts as sent early, and as answered late.
    if state is State.UNKNOWN:
        left_by = changed_at
    return Entry(
        key=text(key),
        state=state,
        payload_hash=payload_hash[:HASH_SIZE],
        field_hashes=payload_hash[HASH_SIZE:],
        run=run,
        changed_at=_utc(changed_at) + shift.most,
        sent_at=_utc(sent_at) + shift.least,
        remote_id=None if remote_id is None else text(remote_id),
        code=text(why) if why else "",
        message=text(message) if message else "",
        followed=text(followed) if followed else "",
        latest_sent_at=None if left_by is None else _utc(left_by) + shift.most,
        api_at=None if api_at is None else _utc(api_at),
        absences=absences,
    )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)  # UTC already, if the server's zone is UTC
