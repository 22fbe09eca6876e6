"""The open file: executes batches of commands, each in one transaction. Used by one thread only."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ...errors import JournalError, OctoffmError
from ..commands import (
    Command,
    CommandReply,
    Flush,
    MarkSent,
    ReadEntries,
    RecordCreated,
    RecordOutcome,
    RecordStatus,
    StoreFunction,
)
from ..states import IllegalTransitionError, State
from . import queries as reading
from . import schema
from .batches import UnsettledBatches
from .file.change_record import ChangeRecord, touched_at
from .file.completeness import CompletenessMark, backup_time, is_part, log_of
from .file.file_identity import OpenFileIdentity, check_alone
from .file.lock import WriterLock
from .row_cache import EntryRow, RowCache
from .statements import Tables
from .transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..base import Durability
    from .file.change_record import Gap

__all__ = ["Store"]

_UNSETTLED_MOST, _BATCHES_MOST = 4096, 512
"""Maximum number of items in batches, and of batches, each of which stores the requests of all its items."""
_CACHE_KIB = 16_384


class Store:
    """One open journal file.

    After an error of SQLite the store executes nothing more: what was durable stays so, and each caller gets the error.
    """

    tables: Tables
    unsettled: UnsettledBatches
    """Items in batches; a reader loads them anew for each transaction."""
    rows: RowCache

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability,
        read_only: bool,
        clock: Callable[[], float],
        verify_first: bool = False,
    ) -> None:
        self.path = path
        self._takes_part = verify_first
        self._durability = durability
        self._read_only = read_only
        self._clock = clock
        self._lock = WriterLock(path)
        self._connection: sqlite3.Connection | None = None
        self._transaction: Transaction | None = None
        self._completeness_mark: CompletenessMark | None = None
        self._change_record: ChangeRecord | None = None
        self._touched = 0.0
        self._place = OpenFileIdentity(path, log_of(path), self._lock.path)
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
    def transaction(self) -> Transaction:
        """The pending changes of the current transaction."""
        assert self._transaction is not None  # noqa: S101
        return self._transaction

    @property
    def gap(self) -> Gap | None:
        """The period that may be missing in the journal, or ``None``."""
        return None if self._change_record is None else self._change_record.gap

    @property
    def now(self) -> int:
        """The current time, in milliseconds since 1970."""
        return int(self._clock() * 1000)

    def open(self) -> None:
        """Recognise or create the file, and open it; for writing with the lock held.

        Raises:
            JournalError: it cannot be opened; it was not touched.
        """
        schema.check_folder(self.path)
        if not self._read_only:
            check_alone(self.path)
            self._lock.acquire()
        try:
            if not self._read_only:
                self._touched = touched_at(self._lock.path, self.path, log_of(self.path))
            self._connect(self._version())
        except sqlite3.Error as error:
            self.close()
            raise schema.translated(error, self.path) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and release its lock."""
        if self._connection is not None:
            if self._completeness_mark is not None:
                with suppress(sqlite3.Error):  # then the log stays, with its content
                    self._completeness_mark.close()
            self._connection.close()
            self._connection = None
        self._transaction = None  # breaks a reference cycle, so that its memory is freed at once
        self._lock.release()

    def process(self, commands: Sequence[Command]) -> list[CommandReply]:
        """Execute commands in order, in one transaction; return the reply to each waiting caller once it is durable."""
        if self._broken is None:
            try:
                return self._transact(commands)
            except JournalError as error:
                self._broken = error
            except sqlite3.Error as error:
                self._broken = schema.translated(error, self.path)
                self._broken.__cause__ = error
            except Exception as error:  # noqa: BLE001  (whatever it is, the waiting callers must get it)
                self._broken = JournalError(f"the journal {self.path} failed: {error!r}")
                self._broken.__cause__ = error
            self._roll_back()
        return self._refuse(commands, self._broken)

    def name_of(self, run_id: int) -> str:
        """Return a run's id."""
        name = self._names.get(run_id)
        if name is None:
            found = self.connection.execute("SELECT name FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            self._names[run_id] = name = str(found[0]) if found else ""
        return name

    def part_batches(self, most: int = 0) -> None:
        """Move the items of batches to rows of their own, the oldest batches first, until at most ``most`` are left."""
        transaction = self.transaction
        batches = self.unsettled.batches
        while batches and (not most or len(self.unsettled) > most):
            batch = next(iter(batches.values()))
            transaction.touched.add(batch)
            for key in list(batch.unsettled_items):
                transaction.part(batch, key)
            self._write(transaction)

    def drop(self, scope: int, keys: Sequence[str]) -> None:
        """Delete entries, none of which is in a batch."""
        self.tables.drop(scope, keys)
        self.rows.clear()

    def _version(self) -> int:
        """Return the version of the file, which is created if permitted."""
        version = schema.recognise(self.path, takes_part=self._takes_part)
        if version is None and self._read_only:
            raise JournalError(f"there is no journal {self.path}")
        if version is None:
            schema.create(self.path)
            return schema.VERSION
        if self._read_only and version < schema.VERSION:
            raise JournalError(f"the journal {self.path} is of an older version: open it once for writing")
        return version

    def _connect(self, version: int) -> None:
        self._connection = connection = schema.connect(self.path, read_only=self._read_only)
        self.tables = Tables(connection)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._read_only:
            return
        lacks_log = version >= schema.MARKED and is_part(connection, has_log=schema.size_of(log_of(self.path)) > 0)
        schema.migrate(connection, version)
        self._load_batches()
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit is handed to the operating system, which keeps it if this process is killed, and is forced to
        # the disk only at checkpoints: a power cut loses the last commits but never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        if self._durability == "power":
            for pragma in ("synchronous = FULL", "fullfsync = 1", "checkpoint_fullfsync = 1"):
                connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")  # reports an unwritable file or folder now, not in the middle of a run
        connection.execute("ROLLBACK")
        made_at = backup_time(connection)
        backup_at = None if made_at is None else reading.moment(made_at)
        self._change_record = ChangeRecord(
            self.path, connection, self._touched, backup_at=backup_at, lacks_log=lacks_log
        )
        self._completeness_mark = CompletenessMark(self.path, connection, self._change_record)
        self._place.check(connection)

    def _transact(self, commands: Sequence[Command]) -> list[CommandReply]:
        writes = any(
            isinstance(command, tuple | RecordCreated | MarkSent | RecordStatus)
            or (isinstance(command, StoreFunction) and command.writes)
            for command in commands
        )
        completeness_mark = self._completeness_mark if writes else None
        if completeness_mark is not None:
            self._place.check(self.connection)
            completeness_mark.before_change()
        if writes:
            self.connection.execute("BEGIN IMMEDIATE")
        elif self._read_only:
            self.connection.execute("BEGIN")
            self._load_batches()
        if completeness_mark is not None and self._change_record is not None:
            self._change_record.note()
        transaction = self.transaction
        transaction.now = self.now
        self._load_rows(commands)
        answers: list[CommandReply] = []
        for command in commands:
            self._carry_out(command, transaction, answers)
        self._write(transaction)
        left = len(self.unsettled)
        if left > _UNSETTLED_MOST or len(self.unsettled.batches) > _BATCHES_MOST:
            self.part_batches(min(left, _UNSETTLED_MOST) // 2)
        if writes or self._read_only:
            self.connection.execute("COMMIT")
        if completeness_mark is not None:
            completeness_mark.after_change()
        self.rows.trim()
        return answers

    def _carry_out(self, command: Command, transaction: Transaction, answers: list[CommandReply]) -> None:
        match command:
            case tuple():
                self._settle(command, transaction)
            case RecordCreated():
                for other in transaction.settle_created(command):
                    self._settle(other, transaction)
            case MarkSent():
                answers.append(_attempt(command, transaction))
            case RecordStatus():
                transaction.follow(command.scope, command.key, command.status)
            case ReadEntries():
                self._write(transaction)
                answers.append((command.waiter, reading.look_up(self, command.scope, command.keys), None))
            case Flush():
                answers.append((command.waiter, None, self._fault(command.run_id)))
            case StoreFunction():
                self._write(transaction)
                answers.append(self._call(command))

    def _settle(self, command: RecordOutcome, transaction: Transaction) -> None:
        try:
            transaction.settle(command)
        except IllegalTransitionError as error:
            self._faults.setdefault(command[1], error)

    def _write(self, transaction: Transaction) -> None:
        tables = self.tables
        if ended := [batch for batch in transaction.touched.union(transaction.created) if not batch.unsettled_items]:
            for batch in ended:
                self.unsettled.remove(batch)
            tables.drop_batches(batch.number for batch in ended)
        for batch in transaction.begun:  # reuses the space of the deleted rows
            if batch.unsettled_items:
                tables.put_batch(batch)
        for batch, items in transaction.created.items():
            tables.put_created(batch, transaction.now, items)
            transaction.count(batch.run_id, State.SENT, -len(items))
            transaction.count(batch.run_id, State.CREATED, len(items))
        tables.put(transaction.dirty)
        tables.put_payloads(transaction.payloads)
        tables.count(transaction.counts)
        transaction.clear()

    def _read(self, scope: int, keys: Sequence[str]) -> dict[str, EntryRow]:
        """Read rows that are not cached, after writing the pending changes, which they may contain."""
        self._write(self.transaction)
        return self.tables.get(scope, keys)

    def _load_rows(self, commands: Sequence[Command]) -> None:
        """Read the rows that the commands need, many at a time."""
        unsettled, keys_to_load = self.unsettled.keys, defaultdict[int, list[str]](list)
        for command in commands:
            if isinstance(command, tuple):
                if command[2] not in unsettled[command[0]]:
                    keys_to_load[command[0]].append(command[2])
            elif isinstance(command, RecordCreated):
                keys_to_load[command.scope] += [key for key in command.keys if key not in unsettled[command.scope]]
            elif isinstance(command, MarkSent):
                keys_to_load[command.scope] += command.hashes
            elif isinstance(command, RecordStatus):
                keys_to_load[command.scope].append(command.key)
        for scope, keys in keys_to_load.items():
            self.rows.load(scope, keys)

    def _load_batches(self) -> None:
        try:
            self.unsettled = UnsettledBatches(self.tables.batches())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise schema.damaged(self.path, f"what was sent together cannot be read: {error}") from error
        self.rows = RowCache(self.unsettled.keys, self._read)
        self._transaction = Transaction(self.rows, self.unsettled)

    def _call(self, command: StoreFunction) -> CommandReply:
        try:
            return command.waiter, command.work(self), None
        except OctoffmError as error:
            return command.waiter, None, error

    def _fault(self, run_id: int | None) -> Exception | None:
        if run_id is not None:
            return self._faults.pop(run_id, None)
        return self._faults.popitem()[1] if self._faults else None

    def _refuse(self, commands: Sequence[Command], broken: JournalError) -> list[CommandReply]:
        answers: list[CommandReply] = []
        for command in commands:
            if isinstance(command, tuple | RecordCreated | RecordStatus):
                self._lost = True
            elif isinstance(command, Flush) and command.run_id is None and not self._lost:
                answers.append((command.waiter, None, None))
            else:
                answers.append((command.waiter, None, _copy_of(broken)))
                if isinstance(command, Flush):
                    self._lost = False
        return answers

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")


def _attempt(command: MarkSent, transaction: Transaction) -> CommandReply:
    try:
        transaction.send(command)
    except IllegalTransitionError as error:
        return command.waiter, None, error
    return command.waiter, None, None


def _copy_of(error: JournalError) -> JournalError:
    """Copy an error for one more waiting caller: each raises its own, with its own traceback."""
    copy = type(error)(*error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
