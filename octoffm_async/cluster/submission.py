"""The submission of a job: cuts its items into chunks as it reads them, and copies a few dozen chunks at a time.

However large a file is, the process holds no more of it than that, and no transaction lasts longer than one such copy:
a long one would keep the database from vacuuming the rows that the fleet changes all the time. Workers send nothing of
a job before all of it is loaded; a submission that was interrupted leaves only rows, which the next one deletes.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import msgspec
from psycopg.types.json import Jsonb

from ..bulk.durable.settings import encode
from ..config import check_header_value
from ..disk.first_lines import FirstOccurrences
from ..errors import ConfigurationError
from .jobs import CHUNK, CreationType, JobOptions, new_job_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..stores.database import Connection, Database
    from ..tabular.item_reader import ItemReader
    from .scheduling import ChunkScheduler

AT_ONCE: Final = 64
"""Chunks that one transaction copies: some megabytes."""
_LEVEL: Final = 3
"""The compression level: a tenth of the size at 100 MB a second; a higher one costs more time than it saves space."""
_LOADING: Final = 0x6F63746F
"""The first key of the advisory locks that submitting processes hold."""
_SWEEP = "DELETE FROM octoffm_jobs WHERE state = 'loading' AND pg_try_advisory_xact_lock(%s, hashtext(job))"

OnProgress: TypeAlias = Callable[[int], None]


class Numbered(NamedTuple):
    """An item and its line in the file; 0 for an item without a file."""

    line: int
    item: Any


class Submission(NamedTuple):
    """The result of a submission: the job's id, and the counts of items, of repeated keys, and of chunks."""

    job: str
    items: int
    repeated: int
    chunks: int


def pack(items: list[Numbered]) -> bytes:
    """Encode a chunk for the database."""
    return zlib.compress(encode(([one.line for one in items], [one.item for one in items])), _LEVEL)


def unpack(payload: bytes, creation: CreationType) -> list[Numbered]:
    """Decode a chunk's items.

    Raises:
        ConfigurationError: the chunk cannot be decoded: a newer version wrote it.
    """
    try:
        kind: Any = tuple[list[int], list[creation.type]]  # type: ignore[name-defined]
        lines, items = cast("tuple[list[int], list[Any]]", msgspec.json.decode(zlib.decompress(payload), type=kind))
        return [Numbered(line, item) for line, item in zip(lines, items, strict=True)]
    except (msgspec.DecodeError, zlib.error, ValueError) as error:
        raise ConfigurationError(
            f"a chunk of {creation.kind} cannot be decoded (a newer version wrote it?): {error}"
        ) from None


class Loader:
    """The loader of one job: :meth:`begin`, :meth:`add` all items, :meth:`finish`, :meth:`leave`.

    :meth:`leave` deletes a job that was not finished.
    """

    def __init__(
        self, database: Database, scheduler: ChunkScheduler, creation: CreationType, *, chunk: int = CHUNK
    ) -> None:
        if chunk < 1:
            raise ConfigurationError(f"a chunk must have at least 1 item, not {chunk}")
        self.job: str = new_job_id()
        self.items: int = 0
        self._database = database
        self._scheduler = scheduler
        self._creation = creation
        self._chunk = chunk
        self._open: list[Numbered] = []
        self._full: list[tuple[str, int, int, bytes]] = []
        self._chunks = 0

    def add(self, item: Numbered) -> bool:
        """Add an item; return True if the caller must :meth:`write` now."""
        self._open.append(item)
        self.items += 1
        if len(self._open) == self._chunk:
            self._close_chunk()
        return len(self._full) >= AT_ONCE

    async def begin(self, connection: Connection, *, seller: str, source: str, how: JobOptions) -> None:
        """Create the job, and delete jobs whose submission was interrupted."""
        self._follows = how.follow is not None
        await connection.execute(_SWEEP, (_LOADING,))
        await connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_LOADING, self.job))
        partition = (seller, self._creation.operation)
        await connection.execute(
            "INSERT INTO octoffm_lanes (seller, operation) VALUES (%s, %s) ON CONFLICT DO NOTHING", partition
        )
        found = await connection.execute(
            "SELECT lane FROM octoffm_lanes WHERE seller = %s AND operation = %s", partition
        )
        row = await found.fetchone()
        assert row is not None  # noqa: S101
        self._partition = int(row[0])
        await connection.execute(
            "INSERT INTO octoffm_jobs (job, lane, source, how) VALUES (%s, %s, %s, %s)",
            (self.job, self._partition, source, Jsonb(msgspec.to_builtins(how))),
        )

    async def write(self, connection: Connection) -> None:
        """Copy the full chunks to the database."""
        full, self._full = self._full, []
        if not full:
            return
        statement = "COPY octoffm_chunks (job, number, items, payload) FROM STDIN (FORMAT binary)"
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["text", "int4", "int4", "bytea"])
            for row in full:
                await copy.write_row(row)

    async def finish(self, connection: Connection, *, faulty: int) -> Submission:
        """Write the remaining items, and open the job to the workers."""
        self._close_chunk()
        if self._follows and self._chunks:
            self._full.append((self.job, self._chunks, 0, pack([])))
            self._chunks += 1
        await self.write(connection)
        async with connection.transaction():
            await connection.execute(
                "UPDATE octoffm_jobs SET items = %(items)s, faulty = %(faulty)s, chunks = %(chunks)s, "
                "state = CASE WHEN %(chunks)s > 0 THEN 'open' ELSE 'done' END, "
                "ended_at = CASE WHEN %(chunks)s = 0 THEN now() END WHERE job = %(job)s",
                {"job": self.job, "items": self.items, "faulty": faulty, "chunks": self._chunks},
            )
            await self._scheduler.queue_partition(connection, self._partition)
        return Submission(self.job, self.items, 0, self._chunks)

    async def leave(self, connection: Connection, *, finished: bool) -> None:
        """Release the job's lock; delete the job if it is not finished."""
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
    scheduler: ChunkScheduler,
    creation: CreationType,
    items: AsyncIterator[Numbered],
    *,
    seller: str,
    source: str,
    how: JobOptions,
    chunk: int = CHUNK,
    faulty: Callable[[], int] = lambda: 0,
    on_progress: OnProgress | None = None,
) -> Submission:
    """Load all items as one job, without items whose key came before in the same input.

    Raises:
        ConfigurationError: the seller's id is not valid in a header, or the items cannot be followed as wanted.
        StoreError: the database is unreachable, or refuses; workers send nothing of the job.
    """
    check_header_value("seller_id", seller)
    how.check(creation)
    loader = Loader(database, scheduler, creation, chunk=chunk)
    seen, repeated, finished = FirstOccurrences(), 0, False
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


async def numbered(items: Iterable[Any] | AsyncIterable[Any] | ItemReader) -> AsyncIterator[Numbered]:
    """Yield items with their lines in the file, where they have any."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield Numbered(0, item)
        return
    for item in items:
        yield Numbered(int(getattr(items, "line", 0)), item)
