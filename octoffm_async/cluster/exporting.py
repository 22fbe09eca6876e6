"""Every item of a job in the order of its file, with what the journal knows of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from ..bulk.journal import LOOK_UP_MOST
from .jobs import creation_of
from .submitting import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..bulk.journal import Book, Entry
    from .database import Database
    from .jobs import Creation, JobRecord

WAITING = "waiting"
"""The state of an item that the journal does not know: it was not sent."""


class ItemRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a job. ``state`` is one of the journal's or ``waiting``; ``line`` is 0 where it came from no file."""

    line: int
    key: str
    state: str
    remote_id: str | None = None
    code: str = ""
    message: str = ""
    sent_at: datetime | None = None
    changed_at: datetime | None = None
    run: str = ""


async def export(database: Database, record: JobRecord, book: Book | None) -> AsyncIterator[ItemRecord]:
    """The items of a job, a chunk at a time; ``book`` is of its run, if it has one."""
    creation = creation_of(record.operation)
    for number in range(record.chunks):
        async with database.connection() as connection:
            found = await connection.execute(
                "SELECT payload FROM octoffm_chunks WHERE job = %s AND number = %s", (record.job, number)
            )
            row = await found.fetchone()
        if row is None:  # forgotten meanwhile
            return
        for item in await _chunk(bytes(row[0]), creation, book):
            yield item


async def _chunk(payload: bytes, creation: Creation, book: Book | None) -> list[ItemRecord]:
    items = unpack(payload, creation)
    keys = [str(getattr(one.item, creation.key)) for one in items]
    entries: list[Entry | None] = []
    if book is None:
        entries = [None] * len(keys)
    else:
        for start in range(0, len(keys), LOOK_UP_MOST):
            entries += await book.look_up(keys[start : start + LOOK_UP_MOST])
    return [
        ItemRecord(line=one.line, key=key, state=WAITING) if entry is None else _known(one.line, entry)
        for one, key, entry in zip(items, keys, entries, strict=True)
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
