"""The open file: carries out batches of steps, each in one transaction. Used by one thread only."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...errors import JournalError, OctoffmError
from . import schema
from .lock import WriterLock
from .sheet import Row, Sheet, Spot
from .states import Entry, IllegalTransitionError, State
from .steps import Answer, Call, Flush, Follow, LookUp, Send, Settle, Step
from .tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Durability", "Store", "moment"]

Durability: TypeAlias = Literal["process", "power"]

_KNOWN_MOST = 10_000
_CACHE_KIB = 16_384
_CHECKPOINT_PAGES = 4000  # 16 MB: a page that many commits change is copied to its place once


@lru_cache(maxsize=1024)
def moment(milliseconds: int) -> datetime:
    """A stored time. What was written together has the same one."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class Store:
    """One journal file, open.

    After an error of SQLite nothing more is carried out: what was durable stays so, and everybody is told.
    """

    tables: Tables

    def __init__(self, path: Path, *, durability: Durability, read_only: bool, clock: Callable[[], float]) -> None:
        self._path = path
        self._durability = durability
        self._read_only = read_only
        self._clock = clock
        self._lock = WriterLock(path)
        self._connection: sqlite3.Connection | None = None
        self._known: dict[Spot, Row | None] = {}  # what was sent and not yet settled: most settlings read nothing
        self._names: dict[int, str] = {}
        self._faults: dict[int, Exception] = {}
        self._broken: JournalError | None = None
        self._lost = False

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection."""
        assert self._connection is not None  # noqa: S101
        return self._connection

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock() * 1000)

    def open(self) -> None:
        """Recognise or make the file, and open it; for writing with the lock held.

        Raises:
            JournalError: it cannot be opened; it was not touched.
        """
        schema.check_folder(self._path)
        if not self._read_only:
            self._lock.acquire()
        try:
            self._connect(self._version())
        except sqlite3.Error as error:
            self.close()
            raise schema.translated(error, self._path) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release()

    def process(self, steps: Sequence[Step]) -> list[Answer]:
        """Carry out steps in order, in one transaction; what to tell each waiter, now that it is durable."""
        if self._broken is None:
            try:
                return self._transact(steps)
            except sqlite3.Error as error:
                self._broken = schema.translated(error, self._path)
                self._broken.__cause__ = error
            except Exception as error:  # noqa: BLE001  (whatever it is, those who wait must learn of it)
                self._broken = JournalError(f"the journal {self._path} failed: {error!r}")
                self._broken.__cause__ = error
            self._roll_back()
        return self._refuse(steps, self._broken)

    def entry(self, key: str, row: Row) -> Entry:
        """A row as the world sees it."""
        changed_at = moment(row.changed_at)
        return Entry(
            key=key,
            state=row.state,
            payload_hash=row.payload_hash,
            run=self._names.get(row.run_id) or self._name(row.run_id),
            changed_at=changed_at,
            sent_at=changed_at if row.sent_at == row.changed_at else moment(row.sent_at),
            remote_id=row.remote_id,
            code=row.code,
            message=row.message,
            followed=row.followed,
        )

    def drop(self, scope: int, keys: Sequence[str]) -> None:
        """Delete entries."""
        self.tables.drop(scope, keys)
        self._known.clear()

    def _version(self) -> int:
        """The version of the file, which is made if it may be."""
        version = schema.recognise(self._path)
        if version is None and self._read_only:
            raise JournalError(f"there is no journal {self._path}")
        if version is None:
            schema.create(self._path)
            return schema.VERSION
        if self._read_only and version < schema.VERSION:
            raise JournalError(f"the journal {self._path} is of an older version: open it once for writing")
        return version

    def _connect(self, version: int) -> None:
        self._connection = connection = schema.connect(self._path, read_only=self._read_only)
        self.tables = Tables(connection)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._read_only:
            return
        schema.migrate(connection, version)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        # NORMAL: a commit is handed to the operating system, which keeps it when this process is killed, and is
        # forced to the disk only at checkpoints, so that a power cut loses the last commits but never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        if self._durability == "power":
            for pragma in ("synchronous = FULL", "fullfsync = 1", "checkpoint_fullfsync = 1"):
                connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")  # an unwritable file or folder is told now, not in the middle of a run
        connection.execute("ROLLBACK")

    def _transact(self, steps: Sequence[Step]) -> list[Answer]:
        writes = any(
            isinstance(step, Send | Settle | Follow) or (isinstance(step, Call) and step.writes) for step in steps
        )
        if writes:
            self.connection.execute("BEGIN IMMEDIATE")
        answers: list[Answer] = []
        segment: list[LookUp | Send | Settle | Follow | Flush] = []
        for step in steps:
            if isinstance(step, Call):
                self._carry_out(segment, answers)
                segment = []
                answers.append(self._call(step))
            else:
                segment.append(step)
        self._carry_out(segment, answers)
        if writes:
            self.connection.execute("COMMIT")
        return answers

    def _carry_out(self, steps: Sequence[LookUp | Send | Settle | Follow | Flush], answers: list[Answer]) -> None:
        touched = [spot for step in steps if isinstance(step, Send | Settle | Follow) for spot in step.spots]
        self._load(touched)
        sheet = Sheet(self._known, self.now)
        for step in steps:
            match step:
                case Send():
                    answers.append(_attempt(step, sheet))
                case Settle():
                    self._settle(step, sheet)
                case Follow():
                    sheet.follow(step.scope, step.key, step.status)
                case LookUp():
                    answers.append((step.waiter, self._look_up(step), None))
                case Flush():
                    answers.append((step.waiter, None, self._fault(step.run_id)))
        self.tables.put(sheet.dirty)
        self.tables.put_payloads(sheet.payloads)
        self.tables.count(sheet.counts)
        self._prune(touched)

    def _load(self, spots: Sequence[Spot]) -> None:
        missing: dict[int, list[str]] = {}
        for spot in spots:
            if spot not in self._known:
                self._known[spot] = None
                missing.setdefault(spot[0], []).append(spot[1])
        for scope, keys in missing.items():
            for key, row in self.tables.get(scope, keys).items():
                self._known[scope, key] = row

    def _prune(self, spots: Sequence[Spot]) -> None:
        known = self._known
        for spot in spots:
            row = known.get(spot)
            if row is None or row.state is not State.SENT:
                known.pop(spot, None)
        if len(known) > _KNOWN_MOST:
            known.clear()

    def _settle(self, step: Settle, sheet: Sheet) -> None:
        spot = (step.scope, step.key)
        try:
            sheet.settle(spot, step.state, remote_id=step.remote_id, code=step.code, message=step.message)
        except IllegalTransitionError as error:
            self._faults.setdefault(step.run_id, error)

    def _look_up(self, step: LookUp) -> list[Entry | None]:
        scope, known = step.scope, self._known
        rows: dict[str, Row] = self.tables.get(scope, [key for key in step.keys if (scope, key) not in known])
        entries: list[Entry | None] = []
        for key in step.keys:
            row = rows.get(key) or known.get((scope, key))
            entries.append(None if row is None else self.entry(key, row))
        return entries

    def _call(self, step: Call) -> Answer:
        try:
            return step.waiter, step.work(self), None
        except OctoffmError as error:
            return step.waiter, None, error

    def _name(self, run_id: int) -> str:
        found = self.connection.execute("SELECT name FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        self._names[run_id] = name = str(found[0]) if found else ""
        return name

    def _fault(self, run_id: int | None) -> Exception | None:
        if run_id is not None:
            return self._faults.pop(run_id, None)
        return self._faults.popitem()[1] if self._faults else None

    def _refuse(self, steps: Sequence[Step], broken: JournalError) -> list[Answer]:
        answers: list[Answer] = []
        for step in steps:
            if isinstance(step, Settle | Follow):
                self._lost = True
            elif isinstance(step, Flush) and step.run_id is None and not self._lost:
                answers.append((step.waiter, None, None))
            else:
                answers.append((step.waiter, None, _again(broken)))
                if isinstance(step, Flush):
                    self._lost = False
        return answers

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")


def _attempt(step: Send, sheet: Sheet) -> Answer:
    try:
        sheet.send(step.scope, step.run_id, step.items)
    except IllegalTransitionError as error:
        return step.waiter, None, error
    return step.waiter, None, None


def _again(error: JournalError) -> JournalError:
    """The same error for one more waiter: each raises its own, with its own traceback."""
    copy = type(error)(*error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
