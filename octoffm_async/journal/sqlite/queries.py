"""Queries on an open journal: items with a row of their own and items in batches are read alike."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from ..states import HASH_SIZE, UNDECIDED, Entry, State, is_long_ago
from .batches import stored, text
from .transaction import CODES, STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .batches import Batch, UnsettledBatches
    from .row_cache import EntryRow, RowCache
    from .statements import EntryValues, Tables

__all__ = [
    "IDS_MOST",
    "after",
    "count_created",
    "created_near",
    "ids",
    "keys_of_ids",
    "look_up",
    "milliseconds",
    "moment",
    "oldest_undecided",
    "payloads",
    "undecided",
    "undecided_keys",
    "youngest_created",
]


IDS_MOST = 16
"""Number of created items, at each end of the key order, whose ids serve as samples of the account's ids."""
_NO_REST = [None] * 5
_LOOKED_AT = 8 * IDS_MOST
"""Number of entries read at each end to find those items: a journal may hold a million refused items."""
_IDS = f"""
    SELECT key, remote_id FROM (
        SELECT key, state, remote_id FROM entries WHERE scope_id = ? ORDER BY key {{order}} LIMIT {_LOOKED_AT})
    WHERE state = {CODES[State.CREATED]} AND remote_id IS NOT NULL LIMIT {IDS_MOST}"""  # noqa: S608


class Readable(Protocol):
    """The parts of an open journal that readers need."""

    @property
    def unsettled(self) -> UnsettledBatches:
        """The items that are in batches of this writer."""
        ...

    @property
    def others(self) -> UnsettledBatches:
        """The items that are in batches of other writers, or were when those were read: a row takes precedence."""
        ...

    @property
    def tables(self) -> Tables:
        """The tables of the file."""
        ...

    @property
    def rows(self) -> RowCache:
        """The rows that are known without reading."""
        ...

    def name_of(self, run_id: int) -> str:
        """Return the name of a run."""
        ...


@lru_cache(maxsize=1024)
def moment(milliseconds: int) -> datetime:
    """Convert a stored time. Rows that were written together share the object."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds(moment: datetime) -> int:
    """Convert a time to its stored form, in milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def look_up(store: Readable, scope: int, keys: Sequence[str]) -> list[Entry | None]:
    """Return the entry of each key, in their order; ``None`` for a key without an entry."""
    if not keys:
        return []
    unsettled, others = store.unsettled.keys[scope], store.others.keys[scope]
    names = list(map(stored, keys))
    found = {values[0]: values for values in store.tables.find(scope, names)}
    if not found and unsettled.keys().isdisjoint(keys) and others.keys().isdisjoint(keys):
        store.rows.absent[scope].update(keys)
        return [None] * len(keys)
    entries: list[Entry | None] = []
    for key, name in zip(keys, names, strict=True):
        if (values := found.get(name)) is not None:
            entries.append(_entry_of(store, key, values))
        elif (batch := unsettled.get(key) or others.get(key)) is not None:
            entries.append(_entry(store, key, batch.row(key)))
        else:
            store.rows.absent[scope].add(key)
            entries.append(None)
    return entries


def after(
    store: Readable,
    scope: int,
    run_id: int,
    states: Collection[State],
    *,
    key: str | None,
    most: int,
    code: str | None = None,
) -> list[Entry]:
    """Return up to ``most`` items of a run that follow ``key`` in the order of keys; ``None`` is before all."""
    start = None if key is None else stored(key)
    rows = store.tables.after(scope, run_id, states, start, most=most, code=code)
    if State.SENT in states and code is None:
        end = stored(rows[-1][0]) if len(rows) == most else None

        def is_here(key: str, batch: Batch) -> bool:
            name = stored(key)
            return batch.run_id == run_id and (start is None or name > start) and (end is None or name < end)

        rows = sorted(rows + _in_batches(store, scope, is_here), key=_place)[:most]
    return [_entry(store, key, row) for key, row in rows]


def undecided(store: Readable, scope: int, keys: Sequence[str] | None, holder: int) -> list[Entry]:
    """Return the items of a scope that a writer must reconcile, by key; only those of ``keys``, if given."""
    if keys is not None:
        unsettled = store.unsettled.keys[scope]
        rows = [(key, unsettled[key].row(key)) for key in keys if key in unsettled]
        rows += [
            (key, row)
            for key, row in store.tables.get(scope, [key for key in keys if key not in unsettled]).items()
            if row.state in UNDECIDED and row.holder == holder
        ]
    else:
        rows = store.tables.undecided(scope, holder)
        rows += [(key, batch.row(key)) for key, batch in store.unsettled.keys[scope].items()]
    return [_entry(store, key, row) for key, row in sorted(rows, key=_place)]


def undecided_keys(store: Readable, scope: int) -> list[str]:
    """Return the keys of the items of a scope that must be reconciled, of every writer."""
    return [key for key, _ in sorted(store.tables.undecided(scope) + _in_batches(store, scope), key=_place)]


def created_near(store: Readable, scope: int, *, first: datetime, last: datetime, ripe: datetime) -> list[Entry]:
    """Return created items next to the period from ``first`` to ``last``."""
    times = (milliseconds(first), milliseconds(last), milliseconds(ripe))
    return [_entry(store, key, row) for key, row in store.tables.created_near(scope, *times)]


def oldest_undecided(store: Readable, scope: int) -> datetime | None:
    """Return the time of sending of the oldest undecided item, of every writer, whose time is known."""
    rows = store.tables.undecided(scope) + _in_batches(store, scope)
    times = [row.sent_at for _, row in rows if not is_long_ago(moment(row.sent_at))]
    return moment(min(times)) if times else None


def youngest_created(store: Readable, scope: int, key: bytes | None, most: int) -> tuple[list[datetime], bytes | None]:
    """Return the latest times of creation among a chunk of items behind a stored key, and the last key of the chunk."""
    last = store.tables.chunk_end(scope, key)
    if last is None:
        return [], None
    return [moment(at) for at in store.tables.youngest_created(scope, key, last, most)], last


def count_created(store: Readable, scope: int, *, since: datetime, ripe: datetime) -> int:
    """Return the number of items with an id that were sent since ``since`` and created until ``ripe``."""
    return store.tables.count_created(scope, milliseconds(since), milliseconds(ripe))


def payloads(store: Readable, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the stored requests of the keys that have one."""
    unsettled, others = store.unsettled.keys[scope], store.others.keys[scope]
    waiting = {key: unsettled[key].payload(key) for key in keys if key in unsettled}
    there = _without_row(store, scope, [(key, others[key].row(key)) for key in keys if key in others])
    waiting |= {key: others[key].payload(key) for key, _ in there}
    return waiting | store.tables.payloads(scope, [key for key in keys if key not in waiting])


def ids(store: Readable, scope: int) -> dict[str, str]:
    """Return ids of some created items, by key: of the items with the first and with the last keys."""
    found = [
        row
        for order in ("ASC", "DESC")
        for row in store.tables.connection.execute(_IDS.format(order=order), (scope,)).fetchall()
    ]
    return {text(key): text(remote_id) for key, remote_id in found}


def keys_of_ids(store: Readable, scope: int, remote_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of the created items that have these ids, by id."""
    found: dict[str, list[str]] = {}
    for remote_id, key in store.tables.keys_of_ids(scope, [stored(remote_id) for remote_id in remote_ids]):
        found.setdefault(text(remote_id), []).append(text(key))
    return found


def _in_batches(
    store: Readable, scope: int, wanted: Callable[[str, Batch], bool] | None = None
) -> list[tuple[str, EntryRow]]:
    """Return the items in batches that have no row, of all writers; only the wanted ones."""
    own, others = (
        [(key, batch.row(key)) for key, batch in batches.keys[scope].items() if wanted is None or wanted(key, batch)]
        for batches in (store.unsettled, store.others)
    )
    return own + _without_row(store, scope, others)


def _without_row(store: Readable, scope: int, items: list[tuple[str, EntryRow]]) -> list[tuple[str, EntryRow]]:
    """Return those items of other writers that were not settled since their batches were read."""
    found = {text(values[0]) for values in store.tables.find(scope, [stored(key) for key, _ in items])}
    return [(key, row) for key, row in items if key not in found]


def _entry(store: Readable, key: str, row: EntryRow) -> Entry:
    return Entry(
        key=key,
        state=row.state,
        payload_hash=row.payload_hash[:HASH_SIZE],
        field_hashes=row.payload_hash[HASH_SIZE:],
        run=store.name_of(row.run_id),
        changed_at=moment(row.changed_at),
        sent_at=moment(row.sent_at),
        remote_id=row.remote_id,
        code=row.code,
        message=row.message,
        followed=row.followed,
        latest_sent_at=_left_by(row.state, row.changed_at, row.left_by),
        api_at=None if row.api_at is None else moment(row.api_at),
        absences=row.absences,
    )


def _entry_of(store: Readable, key: str, values: EntryValues) -> Entry:
    """Build an entry straight from its columns: a resumed run looks up every item of its input."""
    state: int
    _, state, run_id, payload_hash, sent_at, changed_at, remote_id, *rest, _, left_by = values
    entry = Entry(
        key=key,
        state=STATES[state],
        payload_hash=payload_hash[:HASH_SIZE],
        field_hashes=payload_hash[HASH_SIZE:],
        run=store.name_of(run_id),
        changed_at=moment(changed_at),
        sent_at=moment(sent_at),
        remote_id=None if remote_id is None else remote_id.decode("utf-8", "surrogatepass"),
        latest_sent_at=_left_by(STATES[state], changed_at, left_by),
    )
    if rest == _NO_REST:  # of nearly every created item
        return entry
    code, message, followed, api_at, absences = rest
    return replace(
        entry,
        code=text(code) if code else "",
        message=text(message) if message else "",
        followed=text(followed) if followed else "",
        api_at=None if api_at is None else moment(api_at),
        absences=absences or 0,
    )


def _left_by(state: State, changed_at: int, left_by: int | None) -> datetime | None:
    if state is State.UNKNOWN:
        left_by = changed_at
    return None if left_by is None else moment(left_by)


def _place(found: tuple[str, EntryRow]) -> bytes:
    return stored(found[0])
