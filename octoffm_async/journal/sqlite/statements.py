"""The statements on the journal's tables, for many rows at a time.

Each step of a statement releases the interpreter's lock and takes it again, which is slow beside a busy event loop:
therefore a batch is written with a few statements of many rows. Bytes are bound as bytearrays: for bytes and ``None``,
``sqlite3`` looks for an adapter, which takes longer than writing them. Plain text is cheaper still, where SQLite casts
it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..retention import CHUNK, SINGLE_CALLS
from ..states import BY_HAND, HASH_SIZE, State
from .batches import Batch, stored, text, unpacked
from .row_cache import EntryRow
from .transaction import CODES, STATES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .row_cache import ItemKey
    from .transaction import CreatedItem

T = TypeVar("T")

__all__ = ["EntryValues", "Tables"]

EntryValues: TypeAlias = tuple[Any, ...]
"""Columns of an entry without its scope: its key, and those in ``COLUMNS``."""

COLUMNS = (
    "state, run_id, payload_hash, sent_at, changed_at, remote_id, code, message, followed, api_at, absences, holder, "
    "left_by"
)
_MOST_ROWS = 64  # 960 values: older SQLite libraries accept 999
_MOST_CREATED = 256
_MOST_KEYS = 512
_NEAR_MOST = 2

_PUT_ENTRIES = f"REPLACE INTO entries (scope_id, key, {COLUMNS}) VALUES "  # noqa: S608
_PUT_PAYLOADS = "REPLACE INTO payloads (scope_id, key, payload) VALUES "
_GET = f"SELECT key, {COLUMNS} FROM entries WHERE scope_id = ? AND key IN "  # noqa: S608
_COUNT_BETWEEN = "SELECT count(*) FROM (SELECT 1 FROM entries WHERE scope_id = ? AND key BETWEEN ? AND ? LIMIT ?)"
_GET_BETWEEN = f"SELECT key, {COLUMNS} FROM entries WHERE scope_id = ? AND key BETWEEN ? AND ?"  # noqa: S608
_GET_PAYLOADS = "SELECT key, payload FROM payloads WHERE scope_id = ? AND key IN "
_PUT_BATCH = "INSERT INTO batches (batch_id, scope_id, run_id, sent_at, api_at, items) VALUES (?, ?, ?, ?, ?, ?)"
_COUNT = f"UPDATE runs SET {', '.join(f'{state.value} = {state.value} + ?' for state in STATES)} WHERE run_id = ?"  # noqa: S608
_COUNT_CREATED = (
    f"SELECT count(*) FROM entries WHERE scope_id = ? AND state = {CODES[State.CREATED]} "  # noqa: S608
    "AND sent_at >= ? AND changed_at <= ? AND remote_id IS NOT NULL"
)
_DROP_PAYLOADS = "DELETE FROM payloads WHERE scope_id = ? AND key IN "
_DROP_ENTRIES = "DELETE FROM entries WHERE scope_id = ? AND key IN "
_BEHIND = "scope_id = ? AND key > ?"
_CHUNK_END = f"SELECT max(key) FROM (SELECT key FROM entries WHERE {_BEHIND} ORDER BY key LIMIT ?)"  # noqa: S608
_YOUNGEST = (
    f"SELECT changed_at FROM entries WHERE {_BEHIND} AND key <= ? AND state = {CODES[State.CREATED]} "  # noqa: S608
    "ORDER BY changed_at DESC LIMIT ?"
)
_OVER = (
    f"{_BEHIND} AND key <= ? AND state IN ({CODES[State.CREATED]}, {CODES[State.REFUSED]}) AND changed_at < ? "  # noqa: S608
    "AND run_id IN (SELECT run_id FROM runs WHERE finished_at < ? OR source = ?)"
)
_PRUNED = f"SELECT run_id, state, count(*) FROM entries WHERE {_OVER} GROUP BY run_id, state"  # noqa: S608
_PRUNE = f"DELETE FROM entries WHERE {_OVER}"  # noqa: S608
_PRUNE_RUNS = f"DELETE FROM runs WHERE finished_at < ? AND {' + '.join(state.value for state in STATES)} = 0"  # noqa: S608
_FREE = (
    "UPDATE entries SET holder = NULL, left_by = coalesce(left_by, ?) WHERE scope_id = ? AND state IN (1, 5) "
    "AND holder = ? AND key IN (SELECT key FROM payloads WHERE scope_id = ?)"
)
_TAKE_SOME = (
    "UPDATE entries SET holder = ?, left_by = coalesce(left_by, ?) "
    "WHERE scope_id = ? AND state IN (1, 5) AND holder IS NULL AND key = ?"
)
_TAKE = _TAKE_SOME.replace("key = ?", "key IN (SELECT key FROM payloads WHERE scope_id = ?)")


def row_of(values: Sequence[Any]) -> EntryRow:
    """Build a row from its columns."""
    state, run_id, payload_hash, sent_at, changed_at, remote_id, code, message, followed, api_at, absences, *work = (
        values
    )
    return EntryRow(
        STATES[state],
        run_id,
        payload_hash,
        sent_at,
        changed_at,
        None if remote_id is None else text(remote_id),
        text(code) if code else "",
        text(message) if message else "",
        text(followed) if followed else "",
        api_at,
        absences or 0,
        *work,
    )


_HOLDERS = f"SELECT remote_id, key FROM entries WHERE scope_id = ? AND state = {CODES[State.CREATED]} AND remote_id IN "  # noqa: S608


class Tables:
    """The entries and payloads of one open file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def find(self, scope: int, names: Sequence[bytes]) -> list[EntryValues]:
        """Return the columns of the entries that the stored keys have; in some cases, of others between them too.

        Ascending references are new, or stand together: the latter are read by one scan, which is faster than a search
        for each.
        """
        if not names:
            return []
        ends = scope, min(names), max(names)
        (there,) = self.connection.execute(_COUNT_BETWEEN, (*ends, len(names) + 1)).fetchone()
        if there > len(names):
            return self._by_name(_GET, scope, names)
        return self.connection.execute(_GET_BETWEEN, ends).fetchall() if there else []

    def get(self, scope: int, keys: Sequence[str]) -> dict[str, EntryRow]:
        """Return the rows of the keys that have one."""
        return {text(values[0]): row_of(values[1:]) for values in self._by_key(_GET, scope, keys)}

    def payloads(self, scope: int, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the payloads of the keys that have one."""
        return {text(key): payload for key, payload in self._by_key(_GET_PAYLOADS, scope, keys)}

    def put(self, rows: Mapping[ItemKey, EntryRow]) -> None:
        """Write entries, new or changed."""
        flat: list[object] = []
        for (scope, key), row in rows.items():
            state, run_id, payload_hash, sent_at, changed_at, remote_id, code, message, followed, api_at, absences = (
                row[:11]
            )
            flat += (
                scope,
                stored(key),
                CODES[state],
                run_id,
                payload_hash,
                sent_at,
                changed_at,
                None if remote_id is None else stored(remote_id),
                stored(code) if code else None,
                stored(message) if message else None,
                stored(followed) if followed else None,
                api_at,
                absences or None,
                row.holder,
                row.left_by,
            )
        self._put(_PUT_ENTRIES, 15, flat)

    def put_payloads(self, payloads: Mapping[ItemKey, bytes | None]) -> None:
        """Store payloads; delete those that are ``None``."""
        flat: list[object] = []
        dropped: dict[int, list[str]] = {}
        for (scope, key), payload in payloads.items():
            if payload is None:
                dropped.setdefault(scope, []).append(key)
            else:
                flat += (scope, stored(key), payload)
        self._put(_PUT_PAYLOADS, 3, flat)
        for scope, keys in dropped.items():
            self._by_key(_DROP_PAYLOADS, scope, keys)

    def put_created(self, batch: Batch, now: int, items: Sequence[CreatedItem]) -> None:
        """Write the entries of a batch's created items."""
        hashed = {len(payload_hash) for _, payload_hash, _ in items}
        if len(hashed) > 1:  # of two versions: one stored the hashes of fields too
            for size in hashed:
                self.put_created(batch, now, [item for item in items if len(item[1]) == size])
            return
        size = next(iter(hashed), HASH_SIZE)
        if size < HASH_SIZE:
            raise ValueError(f"a payload's hash has {HASH_SIZE} bytes or more")
        for part in _parts(items, _MOST_CREATED):
            hashes = bytearray().join([payload_hash for _, payload_hash, _ in part])
            room = _room(len(part))
            values: list[object] = [0] * (2 * room)
            end = 2 * len(part)
            values[0:end:2] = [_castable(key) for key, _, _ in part]
            values[1:end:2] = [None if remote_id is None else _castable(remote_id) for _, _, remote_id in part]
            bound = (batch.scope, batch.run_id, hashes, batch.sent_at, now, *values)
            self.connection.execute(_put_created(room, size), bound)

    def put_batch(self, batch: Batch) -> None:
        """Write the unsettled items of a new batch."""
        values = (batch.number, batch.scope, batch.run_id, batch.sent_at, batch.api_at, batch.content())
        self.connection.execute(_PUT_BATCH, values)

    def drop_batches(self, numbers: Iterable[int]) -> None:
        """Delete batches."""
        for number in numbers:
            self.connection.execute("DELETE FROM batches WHERE batch_id = ?", (number,))

    def batch_numbers(self) -> set[int]:
        """Return the numbers of all batches."""
        return {number for (number,) in self.connection.execute("SELECT batch_id FROM batches")}

    def batch(self, number: int) -> Batch:
        """Return a batch, with those of its items that have no entry.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError: it is damaged.
        """
        sql = "SELECT scope_id, run_id, sent_at, api_at, items FROM batches WHERE batch_id = ?"
        scope, run_id, sent_at, api_at, content = self.connection.execute(sql, (number,)).fetchone()
        batch = Batch(number, scope, run_id, sent_at, api_at)
        batch.add({item.key: item.payload_hash for item in unpacked(content)}, content)
        for values in self._by_key(_GET, scope, list(batch.unsettled_items)):
            del batch.unsettled_items[text(values[0])]
        return batch

    def free(self, holder: int, left_by: int) -> None:
        """Free the undecided entries of a writer that cannot send any more."""
        for (scope,) in self.connection.execute("SELECT scope_id FROM scopes").fetchall():
            self.connection.execute(_FREE, (left_by, scope, holder, scope))

    def take(self, scope: int, keys: Sequence[str] | None, holder: int, left_by: int) -> int:
        """Let a writer hold the undecided entries that no writer holds, of some keys or all; return their number."""
        if keys is None:
            return self.connection.execute(_TAKE, (holder, left_by, scope, scope)).rowcount
        statement, values = _TAKE_SOME, (holder, left_by, scope)
        found = [(holder_id, key) for key, *_, holder_id, _ in self._by_key(_GET, scope, keys)]
        free = [bytes(key) for holder_id, key in found if holder_id is None]
        return sum(self.connection.execute(statement, (*values, key)).rowcount for key in free)

    def count(self, counts: Mapping[int, Mapping[State, int]]) -> None:
        """Add to the counts of runs."""
        for run_id, changes in counts.items():
            more = [changes.get(state, 0) for state in STATES]
            if any(more):
                self.connection.execute(_COUNT, (*more, run_id))

    def drop(self, scope: int, keys: Sequence[str]) -> None:
        """Delete entries with their payloads."""
        self._by_key(_DROP_PAYLOADS, scope, keys)
        self._by_key(_DROP_ENTRIES, scope, keys)

    def after(
        self, scope: int, run_id: int, states: Iterable[State], key: bytes | None, *, most: int, code: str | None
    ) -> list[tuple[str, EntryRow]]:
        """Return up to ``most`` entries of a run that follow a stored key in key order; ``None`` is before all."""
        start, bound = ("", ()) if key is None else ("AND key > ?", (key,))
        if code is not None:
            start, bound = f"{start} AND code = ?", (*bound, stored(code))
        codes = ", ".join(str(CODES[state]) for state in states)
        found = self.connection.execute(
            f"SELECT key, {COLUMNS} FROM entries WHERE scope_id = ? {start} AND run_id = ? AND state IN ({codes}) "  # noqa: S608
            "ORDER BY key LIMIT ?",
            (scope, *bound, run_id, most),
        )
        return [(text(values[0]), row_of(values[1:])) for values in found.fetchall()]

    def undecided(self, scope: int, holder: int | None = None) -> list[tuple[str, EntryRow]]:
        """Return all sent or unknown entries, found through the payloads, of which most decided entries have none.

        ``holder`` restricts them to those that a writer holds.
        """
        columns = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
        found = self.connection.execute(
            f"SELECT e.key, {columns} FROM payloads p CROSS JOIN entries e USING (scope_id, key) "  # noqa: S608
            "WHERE p.scope_id = ? AND e.state IN (1, 5) AND (? IS NULL OR e.holder = ?) ORDER BY p.key",
            (scope, holder, holder),
        )
        return [(text(values[0]), row_of(values[1:])) for values in found.fetchall()]

    def created_near(self, scope: int, first: int, last: int, ripe: int) -> list[tuple[str, EntryRow]]:
        """Return the created entries next to the period from ``first`` to ``last``: see ``JournalRun.created_near``.

        The query scans a whole scope, and runs only before an item is declared absent. An item that a person settled is
        no control: the list may show it in another spelling, or not yet.
        """
        found: dict[str, EntryRow] = {}
        for where, order, bounds in (
            ("changed_at <= ?", "DESC", (min(first, ripe),)),
            ("changed_at BETWEEN ? AND ?", "ASC", (last, ripe)),
            ("changed_at BETWEEN ? AND ?", "DESC", (first, ripe)),
        ):
            if len(found) == _NEAR_MOST:
                break
            sql = (
                f"SELECT key, {COLUMNS} FROM entries WHERE scope_id = ? AND state = {CODES[State.CREATED]} "  # noqa: S608
                f"AND {where} AND code IS NOT ? ORDER BY changed_at {order} LIMIT 1"
            )
            for values in self.connection.execute(sql, (scope, *bounds, stored(BY_HAND))).fetchall():
                found[text(values[0])] = row_of(values[1:])
        return list(found.items())

    def count_created(self, scope: int, since: int, ripe: int) -> int:
        """Return the number of entries with an id, sent since ``since`` and created until ``ripe``; scans the scope."""
        (count,) = self.connection.execute(_COUNT_CREATED, (scope, since, ripe)).fetchone()
        return int(count)

    def scopes(self) -> list[int]:
        """Return the numbers of all scopes."""
        return [scope for (scope,) in self.connection.execute("SELECT scope_id FROM scopes ORDER BY scope_id")]

    def chunk_end(self, scope: int, key: bytes | None) -> bytes | None:
        """Return the last key of the chunk of entries behind a stored key; ``None`` at the end."""
        found = self.connection.execute(_behind(_CHUNK_END, key), (scope, key or b"", CHUNK)).fetchone()
        last: bytes | None = found[0]
        return last

    def youngest_created(self, scope: int, key: bytes | None, last: bytes, most: int) -> list[int]:
        """Return the latest times of creation among the entries behind a stored key up to another one."""
        bounds = (scope, key or b"", last, most)
        return [at for (at,) in self.connection.execute(_behind(_YOUNGEST, key), bounds).fetchall()]

    def prune(self, scope: int, key: bytes | None, last: bytes, before: int, *, dry_run: bool) -> int:
        """Delete the decided entries of runs that are over, behind a stored key up to another one; count them."""
        bounds = (scope, key or b"", last, before, before, stored(SINGLE_CALLS))
        gone = 0
        for run_id, state, count in self.connection.execute(_behind(_PRUNED, key), bounds).fetchall():
            gone += count
            if not dry_run:
                self.count({run_id: {STATES[state]: -count}})
        if gone and not dry_run:
            self.connection.execute(_behind(_PRUNE, key), bounds)
            self.connection.execute(_PRUNE_RUNS, (before,))
        return gone

    def keys_of_ids(self, scope: int, remote_ids: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the id and key of the created entries that have one of these ids. The query scans a whole scope."""
        return self._by_name(_HOLDERS, scope, remote_ids) if remote_ids else []

    def _by_key(self, statement: str, scope: int, keys: Sequence[str]) -> list[Any]:
        return self._by_name(statement, scope, [stored(key) for key in keys])

    def _by_name(self, statement: str, scope: int, names: Sequence[bytes]) -> list[Any]:
        found: list[Any] = []
        for part in _parts(names, _MOST_KEYS):
            room = _room(len(part))
            values = (scope, *map(bytearray, part), *[bytearray(part[-1])] * (room - len(part)))
            found += self.connection.execute(f"{statement}({'?, ' * (room - 1)}?)", values).fetchall()
        return found

    def _put(self, statement: str, width: int, flat: list[object]) -> None:
        start, rows = 0, len(flat) // width
        flat = [bytearray(value) if isinstance(value, bytes) else value for value in flat]
        one = f"({'?, ' * (width - 1)}?)"
        while rows:
            size = min(_MOST_ROWS, 1 << (rows.bit_length() - 1))
            end = start + size * width
            self.connection.execute(f"{statement}{f'{one}, ' * (size - 1)}{one}", flat[start:end])
            start, rows = end, rows - size


@cache
def _put_created(room: int, size: int) -> str:
    """Build a statement for ``room`` items: one value for all hashes, two values for the key and id of each item."""
    places = ", ".join([f"({place}, ?, ?)" for place in range(1, room * size, size)])
    return (
        "INSERT INTO entries (scope_id, key, state, run_id, payload_hash, sent_at, changed_at, remote_id) "  # noqa: S608
        f"SELECT ?, CAST(column2 AS BLOB), {CODES[State.CREATED]}, ?, substr(?, column1, {size}), ?, ?, "
        f"CAST(column3 AS BLOB) FROM (VALUES {places}) WHERE column2 <> 0"
    )


def _behind(statement: str, key: bytes | None) -> str:
    """Return a statement on the entries behind a key, or on all from the first on: a range of the index each time."""
    return statement if key is not None else statement.replace("key > ?", "key >= ?", 1)


def _parts(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]


def _castable(value: str) -> str | bytearray:
    """Return a value that SQLite casts to the stored text: its own text cannot hold lone surrogates."""
    return value if value.isascii() else bytearray(stored(value))


def _room(count: int) -> int:
    """Round a number of values up: statements come in few sizes, so that each is prepared once."""
    return 1 << (count - 1).bit_length()
