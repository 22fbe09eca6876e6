"""The PostgreSQL back-end of outcomes recorded by hand; :mod:`..manual_settlement` has the rules."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..commands import Flush, ReleaseItem
from ..lease import GRACE
from ..sqlite.batches import stored, text
from ..states import BY_HAND
from . import changes
from . import queries as reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from ...stores.database import Connection
    from ..manual_settlement import Known, ManualDecision
    from .writer import JournalWriter
    from .writer_lease import WriterLease

__all__ = ["PostgresManualSettlement"]

_OF_SCOPE: LiteralString = """
    FROM octoffm_journal_entries e JOIN octoffm_journal_scopes s USING (scope_id)
    WHERE s.seller = %s AND s.operation = %s"""
_NEAR: LiteralString = """
    SELECT p.key FROM octoffm_journal_payloads p JOIN octoffm_journal_entries e USING (scope_id, key)
    WHERE e.state IN (1, 5) LIMIT %s"""
_IDS: LiteralString = f"SELECT e.remote_id {_OF_SCOPE} AND e.state = 2 AND e.remote_id IS NOT NULL LIMIT %s"
_OWNER: LiteralString = """
    SELECT e.key FROM octoffm_journal_entries e JOIN octoffm_journal_scopes s USING (scope_id)
    WHERE s.operation = %s AND e.remote_id = %s AND e.state IN (2, 3) LIMIT 1"""
"""The statement looks at decided items only: the id of an undecided one comes from an answer that is not believed."""
_PLACE: LiteralString = f"SELECT e.scope_id, e.run_id, e.holder {_OF_SCOPE} AND e.key = %s AND e.state IN (1, 5)"


class _Place(NamedTuple):
    """The scope, run and key of an undecided item."""

    scope: int
    run_id: int
    key: str


class PostgresManualSettlement:
    """The reads and writes of :class:`..manual_settlement.ManualSettlement` on one journal."""

    def __init__(self, writer: JournalWriter, lease: WriterLease) -> None:
        self._writer = writer
        self._lease = lease

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the items of keys, of any seller and operation."""
        return await self._writer.call(lambda connection: reading.find(connection, keys, shift=self._lease.shift))

    async def near(self, most: int) -> list[str]:
        """Return up to ``most`` keys of undecided items."""
        return await self._texts(_NEAR, most)

    async def ids(self, known: Known, most: int) -> list[str]:
        """Return up to ``most`` ids that an item's operation created for its seller."""
        return await self._texts(_IDS, stored(known.seller), stored(known.operation), most)

    async def owner(self, known: Known, remote_id: str) -> str | None:
        """Return the key that has this id among the items of the same operation, or ``None``."""
        return next(iter(await self._texts(_OWNER, stored(known.operation), stored(remote_id))), None)

    async def write(self, items: Sequence[Known], word: ManualDecision) -> list[str]:
        """Write the outcomes durably, or nothing if another process holds an item; return the keys that are held."""

        async def take(connection: Connection) -> tuple[list[_Place], list[str]]:
            places: list[_Place] = []
            busy: list[str] = []
            for seller, operation, entry in items:
                names = (stored(seller), stored(operation), stored(entry.key))
                found = await (await connection.execute(_PLACE, names)).fetchone()
                if found is not None:
                    await changes.take(
                        connection, self._lease.writer_id, found[0], [entry.key], timedelta(seconds=GRACE)
                    )
                    found = await (await connection.execute(_PLACE, names)).fetchone()
                if found is None or found[2] != self._lease.writer_id:
                    busy.append(entry.key)
                else:
                    places.append(_Place(found[0], found[1], entry.key))
            return places, busy

        places, busy = await self._writer.call(take)
        for scope, run_id, key in places:
            if busy:
                self._writer.queue(key, ReleaseItem(scope, run_id, key))
            else:
                self._writer.queue(key, (scope, run_id, key, word.state, word.created, BY_HAND, word.message))
        for run_id in {place.run_id for place in places}:
            waiter = self._writer.future()
            self._writer.submit(Flush(run_id, waiter))
            await waiter
        return busy

    async def _texts(self, statement: LiteralString, *values: object) -> list[str]:
        async def read(connection: Connection) -> list[str]:
            found = await connection.execute(statement, values, binary=True)
            return [text(value) for (value,) in await found.fetchall()]

        return await self._writer.call(read)
