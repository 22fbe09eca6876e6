"""Loading a job: items are cut into chunks as they are read, and copied into the database a few dozen chunks at a time.

However large a file is, no more of it is held than that, and no transaction lasts longer than one such copy: a long one
would keep the database from tidying the rows that the fleet changes all the time. Nothing of a job is sent before all
of it is loaded; a loading that broke off leaves nothing but rows, which the next loading deletes.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import msgspec
from psycopg.types.json import Jsonb

from ..bulk.journaling import encode
from ..config import check_header_value
from ..errors import ConfigurationError
from ..tabular.first_lines import FirstLines
from .jobs import CHUNK, Creation, How, new_job_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from ..tabular.items import Items
    from .database import Connection, Database
    from .turns import Turns

AT_ONCE: Final = 64
"""Chunks that one transaction copies: some megabytes."""
_LEVEL: Final = 3
"""Of compression: a tenth of the size at 100 MB a second; higher ones cost more time than they save space."""
_LOADING: Final = 0x6F63746F
"""The class of the advisory locks that loaders hold."""
_SWEEP = "DELETE FROM octoffm_jobs WHERE state = 'loading' AND pg_try_advisory_xact_lock(%s, hashtext(job))"

OnProgress: TypeAlias = "Callable[[int], None]"


class Numbered(NamedTuple):
    """An item and the line that it comes from, 0 if it comes from none."""

    line: int
    item: Any


class Loaded(NamedTuple):
    """What was loaded: the job's id, and the counts of items, of those that came twice, and of chunks."""

    job: str
    items: int
    repeated: int
    chunks: int


def pack(items: list[Numbered]) -> bytes:
    """A chunk as it is kept."""
    return zlib.compress(encode(([one.line for one in items], [one.item for one in items])), _LEVEL)


def unpack(payload: bytes, creation: Creation) -> list[Numbered]:
    """A chunk's items.

    Raises:
        ConfigurationError: it cannot be read, because a newer version wrote it.
    """
    try:
        kind: Any = tuple[list[int], list[creation.type]]  # type: ignore[name-defined]
        lines, items = cast("tuple[list[int], list[Any]]", msgspec.json.decode(zlib.decompress(payload), type=kind))
        return [Numbered(line, item) for line, item in zip(lines, items, strict=True)]
    except (msgspec.DecodeError, zlib.error, ValueError) as error:
        raise ConfigurationError(f"a chunk of {creation.kind} cannot be read here: {error}") from None


class Loader:
    """Loads one job: enter it, give it all items, then :meth:`finish` it. Left without that, the job is deleted."""

    def __init__(self, database: Database, turns: Turns, creation: Creation, *, chunk: int = CHUNK) -> None:
        if chunk < 1:
            raise ConfigurationError(f"a chunk must have at least 1 item, not {chunk}")
        self.job = new_job_id()
        self.items = 0
        self._database = database
        self._turns = turns
        self._creation = creation
        self._chunk = chunk
        self._open: list[Numbered] = []
        self._full: list[tuple[str, int, int, bytes]] = []
        self._chunks = 0

    def add(self, item: Numbered) -> bool:
        """One more item; whether what is held should be written now."""
        self._open.append(item)
        self.items += 1
        if len(self._open) == self._chunk:
            self._close_chunk()
        return len(self._full) >= AT_ONCE

    async def begin(self, connection: Connection, *, seller: str, source: str, how: How) -> None:
        """Make the job, and delete those whose loading broke off."""
        await connection.execute(_SWEEP, (_LOADING,))
        await connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_LOADING, self.job))
        lane = (seller, self._creation.operation)
        await connection.execute(
            "INSERT INTO octoffm_lanes (seller, operation) VALUES (%s, %s) ON CONFLICT DO NOTHING", lane
        )
        found = await connection.execute("SELECT lane FROM octoffm_lanes WHERE seller = %s AND operation = %s", lane)
        row = await found.fetchone()
        assert row is not None  # noqa: S101
        self._lane = int(row[0])
        await connection.execute(
            "INSERT INTO octoffm_jobs (job, lane, source, how) VALUES (%s, %s, %s, %s)",
            (self.job, self._lane, source, Jsonb(msgspec.to_builtins(how))),
        )

    async def write(self, connection: Connection) -> None:
        """Copy the chunks that are full."""
        full, self._full = self._full, []
        if not full:
            return
        statement = "COPY octoffm_chunks (job, number, items, payload) FROM STDIN (FORMAT binary)"
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["text", "int4", "int4", "bytea"])
            for row in full:
                await copy.write_row(row)

    async def finish(self, connection: Connection, *, faulty: int) -> Loaded:
        """Write the rest and let the fleet begin."""
        self._close_chunk()
        await self.write(connection)
        async with connection.transaction():
            await connection.execute(
                "UPDATE octoffm_jobs SET items = %(items)s, faulty = %(faulty)s, chunks = %(chunks)s, "
                "state = CASE WHEN %(chunks)s > 0 THEN 'open' ELSE 'done' END, "
                "ended_at = CASE WHEN %(chunks)s = 0 THEN now() END WHERE job = %(job)s",
                {"job": self.job, "items": self.items, "faulty": faulty, "chunks": self._chunks},
            )
            await self._turns.queue(connection, self._lane)
        return Loaded(self.job, self.items, 0, self._chunks)

    async def leave(self, connection: Connection, *, finished: bool) -> None:
        """Let go of the job; one that is not finished is deleted."""
        if not finished:
            await connection.execute("DELETE FROM octoffm_jobs WHERE job = %s", (self.job,))
        await connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (_LOADING, self.job))

    def _close_chunk(self) -> None:
        items, self._open = self._open, []
        if items:
            self._full.append((self.job, self._chunks, len(items), pack(items)))
            self._chunks += 1


async def load(
    database: Database,
    turns: Turns,
    creation: Creation,
    items: AsyncIterator[Numbered],
    *,
    seller: str,
    source: str,
    how: How,
    chunk: int = CHUNK,
    faulty: Callable[[], int] = lambda: 0,
    on_progress: OnProgress | None = None,
) -> Loaded:
    """Load all items as one job; a key that came before in the same input is left out.

    Raises:
        ConfigurationError: the seller's id cannot stand in a header.
        StoreError: the database is away, or refuses; nothing of the job will be done.
    """
    check_header_value("seller_id", seller)
    loader = Loader(database, turns, creation, chunk=chunk)
    seen, repeated, finished = FirstLines(), 0, False
    async with database.connection() as connection:
        await loader.begin(connection, seller=seller, source=source, how=how)
        try:
            async for one in items:
                if seen.add(getattr(one.item, creation.key, "") or "", loader.items) is not None:
                    repeated += 1
                elif loader.add(one):
                    await loader.write(connection)
                    if on_progress is not None:
                        on_progress(loader.items)
            loaded = await loader.finish(connection, faulty=faulty() + repeated)
            finished = True
        finally:
            seen.close()
            await loader.leave(connection, finished=finished)
    return loaded._replace(repeated=repeated)


async def numbered(items: Iterable[Any] | AsyncIterable[Any] | Items) -> AsyncIterator[Numbered]:
    """Items with the lines that they come from, where they have any."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield Numbered(0, item)
        return
    for item in items:
        yield Numbered(int(getattr(items, "line", 0)), item)
