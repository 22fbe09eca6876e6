"""Schema of the journal's file: its tables, and how it is created, recognised and migrated.

A file that is not a journal of a known version is never written to.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...disk.private_file import draft_beside
from ...errors import ConfigurationError, JournalDamagedError, JournalError, JournalInUseError, JournalWriteError
from .file.change_record import KNOWN
from .file.completeness import STANDING, VERIFY, is_part, log_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "APPLICATION_ID",
    "MARKED",
    "STEPS",
    "VERSION",
    "check_folder",
    "connect",
    "create",
    "damaged",
    "migrate",
    "recognise",
    "size_of",
    "translated",
]

APPLICATION_ID = 0x6F66666D
"""Application id in the file's header: ``offm``."""

VERSION = 5

_BATCHES = """CREATE TABLE batches (
        batch_id INTEGER PRIMARY KEY, scope_id INTEGER NOT NULL, run_id INTEGER NOT NULL, sent_at INTEGER NOT NULL,
        items BLOB NOT NULL)"""

_ENVIRONMENTS = """CREATE TABLE environments (
        seller BLOB PRIMARY KEY, api BLOB NOT NULL, account TEXT NOT NULL) WITHOUT ROWID"""

_CLOCKS = (
    "ALTER TABLE batches ADD COLUMN api_at INTEGER",
    "ALTER TABLE entries ADD COLUMN api_at INTEGER",
    "ALTER TABLE entries ADD COLUMN absences INTEGER",
)

_WRITERS = (
    """CREATE TABLE writers (
        writer_id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, clock TEXT NOT NULL, pid INTEGER NOT NULL,
        started_at INTEGER NOT NULL, lease INTEGER NOT NULL)""",
    "ALTER TABLE entries ADD COLUMN holder INTEGER",
    "ALTER TABLE entries ADD COLUMN left_by INTEGER",
    "ALTER TABLE runs ADD COLUMN writer_id INTEGER",
)

STEPS: Mapping[int, Sequence[str]] = MappingProxyType(
    {1: (_BATCHES,), 2: (_ENVIRONMENTS, STANDING), 3: _CLOCKS, 4: _WRITERS}
)
"""Migration statements by version: each entry leads to the next version."""

SCHEMA = (
    """CREATE TABLE scopes (
        scope_id INTEGER PRIMARY KEY, seller BLOB NOT NULL, operation BLOB NOT NULL, UNIQUE (seller, operation))""",
    """CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, scope_id INTEGER NOT NULL,
        source BLOB NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER,
        pending INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE entries (
        scope_id INTEGER NOT NULL, key BLOB NOT NULL, state INTEGER NOT NULL, run_id INTEGER NOT NULL,
        payload_hash BLOB NOT NULL, sent_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
        remote_id BLOB, code BLOB, message BLOB, followed BLOB,
        PRIMARY KEY (scope_id, key)) WITHOUT ROWID""",
    """CREATE TABLE payloads (
        scope_id INTEGER NOT NULL, key BLOB NOT NULL, payload BLOB NOT NULL,
        PRIMARY KEY (scope_id, key)) WITHOUT ROWID""",
    _BATCHES,
    _ENVIRONMENTS,
    STANDING,
    KNOWN,
    *_CLOCKS,
    *_WRITERS,
)
"""Statements that create the tables.

Times are milliseconds since 1970. Text is stored as bytes, because SQLite's text cannot hold lone surrogates.
``batches`` holds items that were sent together and are not all settled; an item of a batch is ``sent``, unless it has
an entry. ``payloads`` has a row for every entry that is not created or refused; the undecided entries are therefore
found through it, without a scan of the decided ones. ``environments`` holds the API and account to which each seller's
part belongs. ``api_at`` is the time of the API's own clock before the request, where it was known; it is not kept for
created items. ``absences`` is the weighted number of times that an item was declared absent; NULL is zero. ``writers``
holds the writers that may send, each with its lease in milliseconds (:mod:`.writers`). ``holder`` is the writer that
works on an undecided item, and ``left_by`` the latest time at which its request was sent, once no writer holds it. The
``writer_id`` of a run is the writer that began or continued it last.
"""
_TABLES = {1: frozenset({"scopes", "runs", "entries", "payloads"})}
_TABLES[2] = _TABLES[1] | {"batches"}
_TABLES[3] = _TABLES[4] = _TABLES[2] | {"environments", "standing"}
_TABLES[5] = _TABLES[4] | {"writers"}
"""Names of the tables, by version."""
MARKED = 3
"""First version that records whether it has a log."""

_BUSY_SECONDS = 30.0
"""Seconds for which a process waits for a transaction of another one, which may be suspended for a while."""
CLOSING_SECONDS = 2.0
"""Seconds for which a process that closes the journal waits for another one that opens or closes it."""
_UNWRITABLE = {
    sqlite3.SQLITE_FULL: "the disk is full: make room and run again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
    sqlite3.SQLITE_IOERR: "reading or writing its disk failed",
    sqlite3.SQLITE_CANTOPEN: "the file or its side files cannot be opened: see the rights of its folder",
    sqlite3.SQLITE_PERM: "the file's rights do not allow it",
}


def translated(error: sqlite3.Error, path: Path) -> JournalError:
    """Translate an error of SQLite into one of the journal at ``path``."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return JournalDamagedError(
            f"{path} is not a journal but some other file: name the journal; if this was one, restore a copy "
            f"and look up every order first: {VERIFY}"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalInUseError(
            f"the journal {path} stays locked by another program that has it open, or by a suspended process: {error}; "
            "nothing was sent that is not in the journal: end that program, or let it go on"
        )
    if code in _UNWRITABLE:
        return JournalWriteError(f"the journal {path} cannot be written: {_UNWRITABLE[code]} ({error})")
    return JournalError(f"the journal {path} failed: {error}")


def check_folder(path: Path) -> None:
    """Check that a journal can be at ``path``.

    Raises:
        ConfigurationError: its folder does not exist, or ``path`` is a folder.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(f"the journal's folder {path.parent} does not exist: make it first")
    if path.is_dir():
        raise ConfigurationError(f"the journal {path} is a folder: name a file")


def recognise(path: Path, *, takes_part: bool = False) -> int | None:
    """Return the version of the journal at ``path``, or ``None`` if there is none.

    Nothing is written.

    ``takes_part`` accepts a file that lacks its log.

    Raises:
        JournalDamagedError: the file is not a journal, is damaged, or is of a newer version.
        JournalWriteError: the file cannot be read.
    """
    # Never read the file directly: on POSIX, closing it would drop the locks that SQLite holds on it in this process.
    try:
        if not size_of(path):
            if size_of(log_of(path)):
                name = log_of(path).name
                raise JournalDamagedError(
                    f"the journal {path} is gone, and {name} is left of it: restore {path.name} too; if it is lost, "
                    f"move {name} away and look up every order first: {VERIFY}"
                )
            return None
        with closing(connect(path, read_only=True)) as connection:
            return _check_content(path, connection, takes_part=takes_part)
    except OSError as error:
        raise JournalWriteError(f"the journal {path} cannot be opened: {error.strerror}") from error
    except sqlite3.Error as error:
        raise translated(error, path) from error


def create(path: Path) -> None:
    """Create an empty journal, readable by its owner only: a whole file or none.

    Raises:
        JournalWriteError: the file cannot be created.
    """
    draft: Path | None = None
    try:
        draft = draft_beside(path)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            script = "; ".join(SCHEMA)
            connection.executescript(
                f"PRAGMA journal_mode = OFF; BEGIN; {script}; PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {VERSION}; COMMIT; PRAGMA journal_mode = WAL"
            )
        draft.replace(path)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise JournalWriteError(f"the journal {path} cannot be made: {error.strerror}") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Connect to the file as it is. A reader that may not create the side files reads the file alone."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = _open(uri)
    if not read_only:
        return connection
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        return _open(uri + "&immutable=1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def migrate(
    connection: sqlite3.Connection, version: int, *, steps: Mapping[int, Sequence[str]] = STEPS, target: int = VERSION
) -> None:
    """Migrate an older journal to the current version, all steps or none."""
    if version == target:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version, target):
            for statement in steps[number]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {target}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=_BUSY_SECONDS
    )


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_content(path: Path, connection: sqlite3.Connection, *, takes_part: bool) -> int:
    connection.execute("SELECT name FROM sqlite_master").fetchone()  # pragmas do not detect a truncated file
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application != APPLICATION_ID:
        raise JournalDamagedError(
            f"{path} is not a journal but a database of another program (application id {application:#x}), "
            "or too little is left of it: name the journal; if this was one, restore a copy and look "
            f"up every order first: {VERIFY}"
        )
    has_log = size_of(log_of(path)) > 0  # opening the file may have made an empty one
    pages, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
    if path.stat().st_size < pages * size and not has_log:
        raise damaged(path, f"it has {path.stat().st_size} bytes of {pages * size}")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise JournalDamagedError(
            f"the journal {path} was written by a newer octoffm_async (version {version}, known here up to {VERSION}): "
            "update the package"
        )
    if version < 1:
        raise damaged(path, "it has no version")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if missing := _TABLES[version] - tables:
        raise damaged(path, f"it has no table {', '.join(sorted(missing))}")
    if version >= MARKED and not takes_part and is_part(connection, has_log=has_log):
        raise JournalDamagedError(
            f"the journal {path} is only a part: the last orders are in {log_of(path).name}, which is missing; "
            f"restore {log_of(path).name} too (copy both, or use octoffm jobs backup), or look up every order first: "
            f"{VERIFY}"
        )
    return version


def damaged(path: Path, why: str) -> JournalDamagedError:
    """Return the error for a file that is not whole."""
    return JournalDamagedError(
        f"the journal {path} is damaged ({why}): keep it, with the files beside it, and restore a copy of all of "
        f"them; as the copy does not know the last orders, look up every order first: {VERIFY}"
    )
