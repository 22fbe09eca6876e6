"""StoredValues in a SQLite file, for the processes of one machine that run as one user.

All work on the file is done by one thread of the store, in transactions of a fraction of a millisecond. A write
transaction begins with the file's write lock (``BEGIN IMMEDIATE``), so no other process comes between reading and
writing; a process that finds the file locked tries again after a random wait of a few milliseconds, for a second at
most. The write-ahead log lets readers read meanwhile, and saves the wait for the disk at each commit: after a power
failure the last values may be lost, which a store may do.

**Time.** The wall clock may be set while processes hold times of the store. The store's clock is therefore that of the
machine since its start, which all of its processes share, plus an offset that the first process after a start of the
machine writes into the file. Where the system has no such clock it is the wall clock.

**Fork.** No process is forked in the middle of a transaction; a forked process uses a connection and a thread of its
own. The file's names are compared at each use: a store whose file was removed or replaced continues with the new one.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

from ..affinity import forking
from ..disk.file_system import remote_file_system
from ..disk.private_file import prepare_file, prepare_folder
from ..errors import ConfigurationError, StoreError
from .base import FORMAT, check_format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from .base import StoredValues, ValueChange

__all__ = ["FileStore"]

T = TypeVar("T")
APPLICATION_ID = 0x6F637374
"""The mark of a SQLite file that is a store: ``ocst``."""
WAIT = 1.0
"""Seconds for which to wait until other processes release the file."""
SWEEP_EVERY = 300 * 1_000_000
"""Microseconds between two deletions of expired values by one process."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLES = (
    "CREATE TABLE octoffm_store (key TEXT PRIMARY KEY, value BLOB NOT NULL, kept_until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE octoffm_clock (boot TEXT PRIMARY KEY, ahead INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_inherited: list[sqlite3.Connection | None] = []
"""Connections of a parent, which its child must not close: they are not its own."""


class FileStore:
    """A store in the file at ``path``, which is created with mode 0600; its folder too, with mode 0700.

    Beside the file stand SQLite's own, with ``-wal`` and ``-shm`` at the end of their names. ``clock`` returns seconds;
    without it the time is the machine's. On Windows the access rights are those of the folder; they are not checked.

    Raises:
        ConfigurationError: others can write the folder, or read or write the file; one of them is a symbolic link; or
            the folder is on a file system of another machine. A use of the store raises it also if the file is no
            store, or one of another version.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] | None = None) -> None:
        self.path: Path = Path(path).expanduser().absolute()
        self._clock = clock
        self._ahead = 0
        self._users = self._process = 0
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._swept_at = 0
        with suppress(OSError):  # the first use tells it
            self._check()

    async def __aenter__(self) -> Self:
        """Register one more user of the store."""
        self._users += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unregister a user; the last one closes the file."""
        self._users -= 1
        if not self._users and self._thread is not None:
            await self._run(self._disconnect)
            self._thread.shutdown(wait=False)
            self._thread = None

    async def read(self, keys: Sequence[str]) -> tuple[StoredValues, int]:
        """Return the values, and the store's time in microseconds."""
        names = list(keys)

        def look(connection: sqlite3.Connection, now: int) -> tuple[StoredValues, int]:
            return _values(connection, names, now), now

        return await self._run(self._transact, "BEGIN", look)

    async def update(self, keys: Sequence[str], change: ValueChange, *, keep_seconds: float) -> None:
        """Replace the values atomically by ``change(values, time)``, which the store's thread calls."""
        names = list(keys)

        def write(connection: sqlite3.Connection, now: int) -> None:
            values = _values(connection, names, now)
            until = now + int(keep_seconds * 1e6)
            for name, old, new in zip(names, values, change(list(values), now), strict=True):
                if new is None:
                    connection.execute("DELETE FROM octoffm_store WHERE key = ?", (name,))
                elif new is not old:
                    connection.execute("INSERT OR REPLACE INTO octoffm_store VALUES (?, ?, ?)", (name, new, until))
            if abs(now - self._swept_at) > SWEEP_EVERY:
                self._swept_at = now
                connection.execute("DELETE FROM octoffm_store WHERE kept_until <= ?", (now,))

        await self._run(self._transact, "BEGIN IMMEDIATE", write)

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._thread is None or self._process != os.getpid():
            if self._process != os.getpid():
                _inherited.append(self._connection)
                self._process, self._connection = os.getpid(), None
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="octoffm_async store")
        try:
            done = asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except RuntimeError:  # the interpreter ends, and has ended the threads: a client that atexit closes is here
            return work(*arguments)
        return await done

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection, int], T]) -> T:
        """Return the result of ``work(connection, now)`` in a transaction."""
        give_up_at = time.monotonic() + WAIT
        while True:
            try:
                with forking:
                    connection = self._connected()
                    connection.execute(begin)
                    try:
                        check_format(self, connection.execute("PRAGMA user_version").fetchone()[0])
                        done = work(connection, self._now())
                        connection.execute("COMMIT")
                    except BaseException:
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
                        raise
                    if not self._users:  # nobody would close it
                        self._disconnect()
                    return done
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code not in _BUSY or time.monotonic() > give_up_at:
                    self._disconnect()
                    cure = f" (if it stays so, remove {self.path}*: it holds nothing that cannot be made again)"
                    raise StoreError(
                        f"{self.path}: {error}{cure if code in _DAMAGED else ''}", away=code not in _DAMAGED
                    ) from None
            except OSError as error:
                raise StoreError(f"{self.path}: {error.strerror}", away=True) from error
            time.sleep(random.uniform(0.0002, 0.003))

    def _connected(self) -> sqlite3.Connection:
        """Return the connection to the file that has the store's name now."""
        if self._connection is not None:
            with suppress(FileNotFoundError):
                status = self.path.lstat()
                if (status.st_dev, status.st_ino) == self._identity:
                    return self._connection
            self._disconnect()
        self._check()
        connection = sqlite3.connect(
            f"file:{quote(os.fspath(self.path))}?mode=rw",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        status = self.path.lstat()
        self._connection, self._identity = connection, (status.st_dev, status.st_ino)
        return connection

    def _check(self) -> None:
        prepare_folder(self.path.parent)
        if (kind := remote_file_system(self.path.parent)) is not None:
            raise ConfigurationError(
                f"{self.path} is on a file system of another machine ({kind}), where processes cannot share a file: "
                "use a local folder, or a PostgreSQL or Redis server"
            )
        prepare_file(self.path)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Check that the file is a store, or make one of an empty file; agree on the clock."""
        try:
            application, objects, pages = connection.execute(
                "SELECT application_id, (SELECT count(*) FROM sqlite_master), page_count "
                "FROM pragma_application_id, pragma_page_count"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
                raise
            application, objects, pages = 0, 1, 0
        if application != APPLICATION_ID and (application or objects or (not pages and self.path.stat().st_size)):
            raise ConfigurationError(f"{self.path} is no store of this program: name another file")
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise ConfigurationError(f"{self.path}: processes cannot share memory on its file system: use another one")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _TABLES:
                connection.execute(statement)
        check_format(self, connection.execute("PRAGMA user_version").fetchone()[0])
        if self._clock is None and _BOOT:
            fresh = time.time_ns() // 1000 - _since_boot()
            connection.execute("INSERT OR IGNORE INTO octoffm_clock VALUES (?, ?)", (_BOOT, fresh))
            connection.execute("DELETE FROM octoffm_clock WHERE boot != ?", (_BOOT,))
            self._ahead = connection.execute("SELECT ahead FROM octoffm_clock").fetchone()[0]
        connection.execute("COMMIT")

    def _now(self) -> int:
        if self._clock is not None:
            return int(self._clock() * 1e6)
        return self._ahead + _since_boot() if _BOOT else time.time_ns() // 1000

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with forking:
                connection.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


def _values(connection: sqlite3.Connection, names: list[str], now: int) -> StoredValues:
    query = "SELECT value FROM octoffm_store WHERE key = ? AND kept_until > ?"
    rows = (connection.execute(query, (name, now)).fetchone() for name in names)
    return [None if row is None else row[0] for row in rows]


def _boot() -> str:
    """Return the id of the machine's last start; empty where the system has none, or no clock that counts from it."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() if hasattr(time, "CLOCK_BOOTTIME") else ""
    return ""


def _since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


_BOOT = _boot()
