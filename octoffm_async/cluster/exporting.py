"""The export of a job: its items in the order of the file, each with its entry in the journal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ..bulk.journal.batches import stored
from ..bulk.journal.protocol import LOOK_UP_MOST
from . import journal_reading as reading
from .jobs import creation_type_of
from .submitting import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..bulk.journal.states import Entry
    from .database import Connection, Database
    from .jobs import CreationType, JobRecord

WAITING = "waiting"
"""The state of an item without an entry in the journal: it was not sent."""


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a job. ``state`` is one of the journal's or ``waiting``; ``line`` is 0 for an item without a file."""

    line: int
    key: str
    state: str
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    sent_at: datetime | None = None
    changed_at: datetime | None = None
    run: str = ""


async def export(database: Database, record: JobRecord) -> AsyncIterator[ItemRecord]:
    """Yield the items of a job, read a chunk at a time."""
    creation = creation_type_of(record.operation)
    for number in range(record.chunks):
        async with database.connection() as connection:
            found = await connection.execute(
                "SELECT payload FROM octoffm_chunks WHERE job = %s AND number = %s", (record.job, number)
            )
            row = await found.fetchone()
            if row is None:  # the job was deleted meanwhile
                return
            items = await _chunk(connection, bytes(row[0]), creation, record.run)
        for item in items:
            yield item


async def _chunk(connection: Connection, payload: bytes, creation: CreationType, run: str | None) -> list[ItemRecord]:
    items = [(one.line, str(getattr(one.item, creation.key))) for one in unpack(payload, creation)]
    known: dict[bytes, Entry] = {}
    if run is not None:
        scope, _ = await reading.run_of(connection, run)
        for start in range(0, len(items), LOOK_UP_MOST):
            keys = [key for _, key in items[start : start + LOOK_UP_MOST]]
            known |= await reading.look_up(connection, scope, keys, shift=reading.NO_SHIFT)
    return [
        ItemRecord(line=line, key=key, state=WAITING)
        if (entry := known.get(stored(key))) is None
        else _known(line, entry)
        for line, key in items
    ]


def _known(line: int, entry: Entry) -> ItemRecord:
    return ItemRecord(
        line=line,
        key=entry.key,
        state=entry.state.value,
        remote_id=entry.remote_id,
        code=entry.code,
        message=entry.message,
        sent_at=entry.sent_at,
        changed_at=entry.changed_at,
        run=entry.run,
    )
