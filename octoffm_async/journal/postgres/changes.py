"""The statements that change the journal's items in PostgreSQL, each in one transaction of its own."""

from __future__ import annotations

from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from ...errors import FencedError
from ..commands import ReleaseItem
from ..sqlite.batches import stored, text
from ..sqlite.transaction import CODES, STATES
from ..states import IllegalTransitionError, State
from .schema import ADD_TO_COUNTS, FENCED, ILLEGAL

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ...stores.database import Connection
    from ..commands import RecordOutcome, RecordStatus
    from .batch import MarkItemsSent

__all__ = ["OutcomeConflict", "doubt", "follow", "send", "settle", "take"]

_LET_GO = 9
_SENT = """
    SELECT octoffm_journal_sent(%s::bigint, %s::bigint, %s::int, %b::int[], %b::bytea[], %b::bytea[], %b::bytea[],
        %b::timestamptz[])"""
_SENT_SINCE = """
    SELECT octoffm_journal_sent_since(%s::bigint, %s::bigint, %s::int, %b::int[], %b::bytea[], %b::bytea[], %b::bytea[],
        %b::timestamptz[], %s::timestamptz)"""
_SETTLE = """
    SELECT * FROM octoffm_journal_settle(%s::bigint, %s::bigint, %b::int[], %b::bytea[], %b::smallint[],
        %b::bytea[], %b::bytea[], %b::bytea[])"""
_FOLLOW = """
    WITH given AS (
        SELECT e.scope_id, e.key, g.status
        FROM unnest(%b::int[], %b::bytea[], %b::bytea[]) AS g (scope_id, key, status)
        JOIN octoffm_journal_entries e ON e.scope_id = g.scope_id AND e.key = g.key
        WHERE e.followed IS DISTINCT FROM g.status ORDER BY e.scope_id, e.key FOR UPDATE OF e
    )
    UPDATE octoffm_journal_entries e SET followed = g.status
    FROM given g WHERE e.scope_id = g.scope_id AND e.key = g.key"""
_DOUBT = f"""
    WITH given AS (
        SELECT e.scope_id, e.key
        FROM unnest(%b::bytea[], %b::bytea[]) AS g (key, remote_id)
        JOIN octoffm_journal_entries e ON e.scope_id = %s::int AND e.key = g.key
        WHERE e.state = 2 AND e.remote_id = g.remote_id ORDER BY e.key FOR UPDATE OF e
    ), doubted AS (
        UPDATE octoffm_journal_entries e SET
            state = 5, changed_at = clock_timestamp(), message = %b::bytea, holder = NULL, left_by = NULL
        FROM given g WHERE e.scope_id = g.scope_id AND e.key = g.key RETURNING e.scope_id, e.key, e.run_id
    ), kept AS (
        INSERT INTO octoffm_journal_payloads (scope_id, key, payload) SELECT scope_id, key, '' FROM doubted
        ON CONFLICT (scope_id, key) DO NOTHING
    ), counted AS (
        INSERT INTO octoffm_journal_counts AS c (run_id, writer_id, created, unknown)
        SELECT run_id, %s::bigint, -count(*), count(*) FROM doubted GROUP BY run_id ORDER BY run_id
        {ADD_TO_COUNTS}
    )
    SELECT key FROM doubted"""  # noqa: S608  (constants)
_TAKE = "SELECT octoffm_journal_take(%s::bigint, %s::int, %b::bytea[], %s::interval)"


class OutcomeConflict(NamedTuple):
    """A conflict that an outcome revealed: an illegal transition, or another order with the same reference."""

    command: RecordOutcome
    before: State | None
    is_wrong: bool
    other: str | None


async def send(connection: Connection, writer: int, wave: int, scope: int, commands: Sequence[MarkItemsSent]) -> None:
    """Mark the items of commands of one scope, with one ``first_at``, as sent, all or none.

    Raises:
        FencedError: the writer's lease has ended.
        IllegalTransitionError: an item may not be sent in its state.
    """
    items = [(stored(item.key), item.payload_hash, item.payload) for command in commands for item in command.items]
    runs = [command.run_id for command in commands for _ in command.items]
    clocks = [command.api_at for command in commands for _ in command.items]
    columns = [list(column) for column in zip(*items, strict=True)]
    with _translated_errors():
        given = (writer, wave, scope, runs, *columns, clocks)
        if (first_at := commands[0].first_at) is None:
            await connection.execute(_SENT, given)
        else:
            await connection.execute(_SENT_SINCE, (*given, first_at))


async def settle(
    connection: Connection, writer: int, wave: int, commands: Sequence[RecordOutcome | ReleaseItem]
) -> list[OutcomeConflict]:
    """Record the outcomes of items, and release others; each item appears once. Return the conflicts."""
    rows: list[tuple[int, bytes, int, bytes | None, bytes | None, bytes | None]] = []
    for command in commands:
        if isinstance(command, ReleaseItem):
            rows.append((command.scope, stored(command.key), _LET_GO, None, None, None))
            continue
        scope, _, key, state, remote_id, code, message = command
        identity = None if remote_id is None else stored(remote_id)
        rows.append(
            (
                scope,
                stored(key),
                CODES[state],
                identity,
                stored(code) if code else None,
                stored(message) if message else None,
            )
        )
    columns = [list(column) for column in zip(*rows, strict=True)]
    with _translated_errors():
        found = await connection.execute(_SETTLE, (writer, wave, *columns))
        odd: list[tuple[int, int | None, bool, bytes | None]] = await found.fetchall()
    remarks: list[OutcomeConflict] = []
    for place, before, is_wrong, other in sorted(odd, key=itemgetter(0)):
        command = commands[place - 1]
        assert not isinstance(command, ReleaseItem)  # noqa: S101  (a release is never wrong)
        was = None if before is None else STATES[before]
        remarks.append(OutcomeConflict(command, was, is_wrong, None if other is None else text(other)))
    return remarks


async def follow(connection: Connection, commands: Sequence[RecordStatus]) -> None:
    """Write the tracked statuses of items; each item appears once, and items without an entry are ignored."""
    scopes = [command.scope for command in commands]
    keys = [stored(command.key) for command in commands]
    await connection.execute(_FOLLOW, (scopes, keys, [stored(command.status) for command in commands]))


async def doubt(
    connection: Connection, writer: int, scope: int, id_by_key: Mapping[str, str], message: str
) -> list[str]:
    """Make created items unknown that still have the id given for their key; return their keys.

    Raises:
        FencedError: the writer's lease has ended.
    """
    with _translated_errors():
        await connection.execute("SELECT octoffm_journal_alive(%s::bigint)", (writer,))
    keys, remote_ids = [stored(key) for key in id_by_key], [stored(remote_id) for remote_id in id_by_key.values()]
    found = await connection.execute(_DOUBT, (keys, remote_ids, scope, stored(message), writer))
    return [text(key) for (key,) in await found.fetchall()]


async def take(connection: Connection, writer: int, scope: int, keys: Sequence[str] | None, grace: Any) -> None:
    """Take over the undecided items that no writer holds, or that dead writers hold.

    Raises:
        FencedError: the writer's lease has ended.
    """
    names = None if keys is None else [stored(key) for key in keys]
    with _translated_errors():
        await connection.execute(_TAKE, (writer, scope, names, grace))


@contextmanager
def _translated_errors() -> Generator[None]:
    """Translate the errors of the journal's SQL functions to ours."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate == FENCED:
            raise FencedError("not written: this writer's lease on the journal has ended") from None
        if error.sqlstate == ILLEGAL:
            name, _, before = (error.diag.message_detail or " 1").partition(" ")
            key = text(bytes.fromhex(name))
            raise IllegalTransitionError(key, STATES[int(before)], State.SENT) from None
        raise
