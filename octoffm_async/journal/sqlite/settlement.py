"""Manual settlement in the journal's file: the reads and writes that the rules of :mod:`..manual_settlement` need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..base import Known
from ..states import BY_HAND
from . import queries as reading
from .batches import stored, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..manual_settlement import ManualDecision
    from .engine import Store
    from .writer_thread import Writer

__all__ = ["SQLiteManualSettlement"]


class SQLiteManualSettlement:
    """Reads and writes for manual settlement in a SQLite file; see :class:`..manual_settlement.ManualSettlement`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the items with these keys, of any seller and operation."""

        def work(store: Store) -> list[Known]:
            return [
                Known(seller, operation, entry)
                for scope, seller, operation in _scopes(store)
                for entry in reading.look_up(store, scope, keys)
                if entry is not None
            ]

        return await self._writer.call(work)

    async def near(self, most: int) -> list[str]:
        """Return keys of undecided items."""

        def work(store: Store) -> list[str]:
            found = [key for scope, _, _ in _scopes(store) for key in reading.undecided_keys(store, scope)]
            return found[:most]

        return await self._writer.call(work)

    async def ids(self, known: Known, most: int) -> list[str]:
        """Return some of the ids that the item's operation created for its seller."""
        sql = "SELECT remote_id FROM entries WHERE scope_id = ? AND state = 2 AND remote_id IS NOT NULL LIMIT ?"

        def work(store: Store) -> list[str]:
            scope = _scope_of(store, known)
            return [text(found) for (found,) in store.connection.execute(sql, (scope, most)).fetchall()]

        return await self._writer.call(work)

    async def owner(self, known: Known, remote_id: str) -> str | None:
        """Return the key to which the item's operation gave this id."""
        # No index covers ids: a person waits for this one scan, and other callers pay nothing for an index. An
        # undecided item carries an id only as it was reported, so its id is not believed
        # (bulk/reconciliation/id_owners.py).
        sql = (
            "SELECT key FROM entries JOIN scopes USING (scope_id) WHERE operation = ? AND remote_id = ? "
            "AND state IN (2, 3) LIMIT 1"
        )

        def work(store: Store) -> str | None:
            values = (stored(known.operation), stored(remote_id))
            found = store.connection.execute(sql, values).fetchone()
            return None if found is None else text(found[0])

        return await self._writer.call(work)

    async def write(self, items: Sequence[Known], word: ManualDecision) -> list[str]:
        """Write the decision durably, or nothing if another process holds an item; return the keys that are held."""

        def work(store: Store) -> list[str]:
            places = [(_scope_of(store, known), known.entry.key) for known in items]
            busy: list[str] = []
            for scope, key in places:
                store.take(scope, [key])
                if not reading.undecided(store, scope, [key], store.lease.writer_id):
                    busy.append(key)
            for scope, key in places if not busy else ():
                store.transaction.settle((scope, 0, key, word.state, word.created, BY_HAND, word.message))
            return busy

        return await self._writer.call(work, writes=True)


def _scopes(store: Store) -> list[tuple[int, str, str]]:
    found = store.connection.execute("SELECT scope_id, seller, operation FROM scopes ORDER BY scope_id").fetchall()
    return [(int(scope), text(seller), text(operation)) for scope, seller, operation in found]


def _scope_of(store: Store, known: Known) -> int:
    names = known.seller, known.operation
    return next(scope for scope, *of in _scopes(store) if tuple(of) == names)
