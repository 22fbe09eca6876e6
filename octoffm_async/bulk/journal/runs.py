"""Runs in the journal's file: beginning, finishing, counting and forgetting them. Used by the journal's thread."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ...errors import ConfigurationError, JournalError
from .batches import stored, text
from .protocol import RunRecord
from .reading import moment
from .sheet import STATES

if TYPE_CHECKING:
    from .store import Store

__all__ = ["begin", "finish", "forget_some", "of_name", "records"]

_FORGET_ROWS = 2000
_COUNTS = ", ".join(state.value for state in STATES)


def begin(store: Store, seller: str, operation: str, run: str | None, source: str) -> tuple[int, int, str]:
    """Begin a run, or go on with the one named; the numbers of its scope and of itself, and its id.

    Raises:
        ConfigurationError: no such run, or one of another seller or operation.
    """
    connection = store.connection
    names = (stored(seller), stored(operation))
    found = connection.execute("SELECT scope_id FROM scopes WHERE seller = ? AND operation = ?", names).fetchone()
    if run is not None:
        scope, run_id = of_name(store, run)
        if found is None or found[0] != scope:
            raise ConfigurationError(f"run {run} is not one of seller {seller}, operation {operation}")
        connection.execute("UPDATE runs SET finished_at = NULL WHERE run_id = ?", (run_id,))
        return scope, run_id, run
    if found is None:
        connection.execute("INSERT INTO scopes (seller, operation) VALUES (?, ?)", names)
        found = connection.execute("SELECT last_insert_rowid()").fetchone()
    now = store.now
    while True:
        run = f"{moment(now):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        cursor = connection.execute(
            "INSERT OR IGNORE INTO runs (name, scope_id, source, started_at) VALUES (?, ?, ?, ?)",
            (run, found[0], stored(source), now),
        )
        if cursor.rowcount == 1:
            return int(found[0]), int(cursor.lastrowid or 0), run


def finish(store: Store, run_id: int) -> None:
    """Stamp a run's end."""
    store.connection.execute("UPDATE runs SET finished_at = ? WHERE run_id = ?", (store.now, run_id))


def of_name(store: Store, run: str) -> tuple[int, int]:
    """The numbers of a run's scope and of itself.

    Raises:
        ConfigurationError: no such run.
    """
    # Not a name that SQLite's text can hold, not a run.
    known = run.isascii()
    sql = "SELECT scope_id, run_id FROM runs WHERE name = ?"
    found = store.connection.execute(sql, (run,)).fetchone() if known else None
    if found is None:
        raise ConfigurationError(f"the journal has no run {run!r}")
    return int(found[0]), int(found[1])


def records(store: Store) -> list[RunRecord]:
    """All runs, the oldest first."""
    found = store.connection.execute(
        f"SELECT name, seller, operation, source, started_at, finished_at, {_COUNTS} "  # noqa: S608
        "FROM runs JOIN scopes USING (scope_id) ORDER BY run_id"
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
        )
        for name, seller, operation, source, started_at, finished_at, *counts in found.fetchall()
    ]


def forget_some(store: Store, run: str, key: str | None, *, force: bool) -> tuple[int, str | None]:
    """Delete some of a run's items behind ``key``; how many, and the last one. Without items left, the run itself.

    Raises:
        JournalError: items are undecided, and ``force`` is not set.
        ConfigurationError: no such run.
    """
    scope, run_id = of_name(store, run)
    connection = store.connection
    if not force:
        sql = "SELECT sent + unknown FROM runs WHERE run_id = ?"
        (undecided,) = connection.execute(sql, (run_id,)).fetchone()
        if undecided:
            raise JournalError(
                f"run {run} has {undecided} undecided items: forgotten, they could be sent twice; "
                "resume the run first, or forget it by force"
            )
    store.part_batches()  # what is deleted must not be in a batch any more
    rows = store.tables.after(scope, run_id, STATES, None if key is None else stored(key), _FORGET_ROWS)
    if not rows:
        connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
        return 0, None
    store.drop(scope, [found for found, _ in rows])
    for state in STATES:
        gone = sum(row.state is state for _, row in rows)
        connection.execute(f"UPDATE runs SET {state.value} = {state.value} - ? WHERE run_id = ?", (gone, run_id))  # noqa: S608
    return len(rows), rows[-1][0]
