"""Changes of runs in the journal's file, in its thread: beginning, finishing, doubting and forgetting."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ...errors import ConfigurationError, JournalError
from ..base import RunRecord
from ..environment import Environment, check_same, log_adopted
from .batches import stored, text
from .queries import milliseconds, moment
from .transaction import STATES
from .writers import is_live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .engine import Store

__all__ = ["begin", "doubt", "finish", "forget_some", "of_name", "prune_some", "rebind", "records"]

_FORGET_ROWS = 2000
_FREE = "DELETE FROM environments WHERE seller NOT IN (SELECT seller FROM scopes JOIN runs USING (scope_id))"
"""Statement that removes the environment of a seller without runs."""
_COUNTS = ", ".join(state.value for state in STATES)


def begin(
    store: Store, names: tuple[str, str], run: str | None, source: str, environment: Environment | None
) -> tuple[int, int, str]:
    """Begin a run of a seller and an operation, or continue the run named.

    Return the number of its scope, its own number and its id.

    Raises:
        OtherEnvironmentError: the seller's part of the journal belongs to another environment.
        ConfigurationError: the run does not exist, or is of another seller or operation.
    """
    connection = store.connection
    seller, operation = map(stored, names)
    found = connection.execute(
        "SELECT scope_id FROM scopes WHERE seller = ? AND operation = ?", (seller, operation)
    ).fetchone()
    scope, run_id = (0, 0) if run is None else of_name(store, run)
    if run is not None and (found is None or found[0] != scope):
        raise ConfigurationError(f"run {run} is not one of seller {names[0]}, operation {names[1]}")
    if environment is not None:
        _bind(store, names[0], environment)
    if run is not None:
        values = (store.lease.writer_id, run_id)
        connection.execute("UPDATE runs SET finished_at = NULL, writer_id = ? WHERE run_id = ?", values)
        return scope, run_id, run
    if found is None:
        connection.execute("INSERT INTO scopes (seller, operation) VALUES (?, ?)", (seller, operation))
        found = connection.execute("SELECT last_insert_rowid()").fetchone()
    now = store.now
    while True:
        run = f"{moment(now):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        cursor = connection.execute(
            "INSERT OR IGNORE INTO runs (name, scope_id, source, started_at, writer_id) VALUES (?, ?, ?, ?, ?)",
            (run, found[0], stored(source), now, store.lease.writer_id),
        )
        if cursor.rowcount == 1:
            return int(found[0]), int(cursor.lastrowid or 0), run


def rebind(store: Store, seller: str, environment: Environment) -> Environment | None:
    """Assign a seller's part of the journal to an environment; return the one that it belonged to before."""
    before = _known(store, seller)
    values = (stored(seller), stored(environment.api), environment.account)
    store.connection.execute("REPLACE INTO environments (seller, api, account) VALUES (?, ?, ?)", values)
    return before


def finish(store: Store, run_id: int) -> None:
    """Write the end time of a run."""
    store.connection.execute("UPDATE runs SET finished_at = ?, writer_id = NULL WHERE run_id = ?", (store.now, run_id))


def of_name(store: Store, run: str) -> tuple[int, int]:
    """Return the number of a run's scope and its own number.

    Raises:
        ConfigurationError: the run does not exist.
    """
    # SQLite's text cannot hold every Python string; a run's id is always ASCII.
    known = run.isascii()
    sql = "SELECT scope_id, run_id FROM runs WHERE name = ?"
    found = store.connection.execute(sql, (run,)).fetchone() if known else None
    if found is None:
        raise ConfigurationError(f"the journal has no run {run!r}")
    return int(found[0]), int(found[1])


def records(store: Store) -> list[RunRecord]:
    """Return all runs, the oldest first."""
    found = store.connection.execute(
        f"SELECT name, seller, operation, source, started_at, finished_at, api, {_COUNTS} "  # noqa: S608
        "FROM runs JOIN scopes USING (scope_id) LEFT JOIN environments USING (seller) ORDER BY run_id"
    )
    return [
        RunRecord(
            id=name,
            seller=text(seller),
            operation=text(operation),
            source=text(source),
            started_at=moment(started_at),
            finished_at=None if finished_at is None else moment(finished_at),
            counts=dict(zip(STATES, counts, strict=True)),
            api="" if api is None else text(api),
        )
        for name, seller, operation, source, started_at, finished_at, api, *counts in found.fetchall()
    ]


def forget_some(store: Store, run: str, key: str | None, *, force: bool) -> tuple[int, str | None]:
    """Delete some of a run's items that follow ``key``, or the run itself if none is left.

    Return their number and the last key.

    Raises:
        JournalError: items are undecided, and ``force`` is not set, or another process is working on the run.
        ConfigurationError: the run does not exist.
    """
    scope, run_id = of_name(store, run)
    connection = store.connection
    sql = "SELECT sent + unknown, writers.writer_id, pid FROM runs LEFT JOIN writers USING (writer_id) WHERE run_id = ?"
    undecided, writer, pid = connection.execute(sql, (run_id,)).fetchone()
    if writer not in (None, store.lease.writer_id) and is_live(store.path, writer):
        raise JournalError(f"run {run} is under way in process {pid}: wait until it ends; nothing was forgotten")
    if undecided and not force:
        raise JournalError(
            f"run {run} has {undecided} undecided items: forgotten, they could be sent twice; "
            "resume the run first, or forget it by force"
        )
    store.part_all_batches()  # deleted items must not remain in a batch
    start = None if key is None else stored(key)
    rows = store.tables.after(scope, run_id, STATES, start, most=_FORGET_ROWS, code=None)
    if not rows:
        connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
        connection.execute(_FREE)
        return 0, None
    store.drop(scope, [found for found, _ in rows])
    for state in STATES:
        gone = sum(row.state is state for _, row in rows)
        connection.execute(f"UPDATE runs SET {state.value} = {state.value} - ? WHERE run_id = ?", (gone, run_id))  # noqa: S608
    return len(rows), rows[-1][0]


def _bind(store: Store, seller: str, environment: Environment) -> None:
    """Check that a seller's part of the journal belongs to this environment; assign it if it belongs to none."""
    journal = str(store.path)
    if (known := _known(store, seller)) is not None:
        check_same(journal, seller, known, environment)
        return
    used = "SELECT 1 FROM runs JOIN scopes USING (scope_id) WHERE seller = ? LIMIT 1"
    is_old = store.connection.execute(used, (stored(seller),)).fetchone() is not None
    rebind(store, seller, environment)
    if is_old:
        log_adopted(journal, seller, environment)


def _known(store: Store, seller: str) -> Environment | None:
    sql = "SELECT api, account FROM environments WHERE seller = ?"
    found = store.connection.execute(sql, (stored(seller),)).fetchone()
    return None if found is None else Environment(text(found[0]), str(found[1]))


def doubt(store: Store, scope: int, id_by_key: Mapping[str, str], message: str) -> list[str]:
    """Reset to unknown each key that is created with exactly its id in ``id_by_key``; return those."""
    store.rows.load(scope, list(id_by_key))
    return [key for key, remote_id in id_by_key.items() if store.transaction.doubt(scope, key, remote_id, message)]


def prune_some(
    store: Store, scope: int, key: bytes | None, before: datetime, *, dry_run: bool
) -> tuple[int, bytes | None]:
    """Delete the decided items of a chunk behind ``key`` that changed before a time; see :mod:`..retention`."""
    time = milliseconds(before)
    if not dry_run and any(
        batch.sent_at < time for some in (store.unsettled, store.others) for batch in some.batches.values()
    ):
        store.part_all_batches()  # deleted items must not remain in a batch
    if (last := store.tables.chunk_end(scope, key)) is None:
        return 0, None
    gone = store.tables.prune(scope, key, last, time, dry_run=dry_run)
    if gone and not dry_run:
        store.rows.clear()
    return gone, last
