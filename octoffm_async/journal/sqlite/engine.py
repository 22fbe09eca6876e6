"""The open file: executes batches of commands, each in one transaction. Used by one thread only.

Other processes may write the file too (:mod:`.writers`). What the store keeps in memory, the rows and the batches that
it knows, is compared with the file at the beginning of each transaction, if another process has changed the file.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ...errors import FencedError, JournalError, JournalInUseError, OctoffmError
from ..commands import (
    Command,
    CommandReply,
    Flush,
    MarkSent,
    ReadEntries,
    RecordCreated,
    RecordOutcome,
    RecordStatus,
    ReleaseItem,
    StoreFunction,
    copy_of,
)
from ..states import IllegalTransitionError, State
from . import queries as reading
from . import schema
from .batches import Batch, UnsettledBatches
from .file.change_record import ChangeRecord, touched_at
from .file.completeness import CompletenessMark, backup_time, is_part, log_of
from .file.file_identity import OpenFileIdentity, check_alone, check_local
from .file.lock import JournalLock, side_file, sign_of
from .row_cache import EntryRow, RowCache
from .statements import Tables
from .transaction import Transaction
from .writers import dead_writers, has_live_writers, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..base import Durability
    from .file.change_record import Gap
    from .writers import FileLease

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
    """Items in the batches of this writer."""
    others: UnsettledBatches
    """Items that were in batches of other writers when those were read: some may have a row by now."""
    rows: RowCache

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability,
        read_only: bool,
        clock: Callable[[], float],
        lease: FileLease,
        verify_first: bool = False,
    ) -> None:
        self.path = path
        self.lease = lease
        self._takes_part = verify_first
        self._durability = durability
        self._read_only = read_only
        self._clock = clock
        self._lock = JournalLock(path)
        self._connection: sqlite3.Connection | None = None
        self._transaction: Transaction | None = None
        self._completeness_mark: CompletenessMark | None = None
        self._change_record: ChangeRecord | None = None
        self._touched = 0.0
        self._place = OpenFileIdentity(path, log_of(path), self._lock.path)
        self._names: dict[int, str] = {}
        self._version_read: int | None = None
        """The file's version when it was last compared with what is in memory; another process's change changes it."""
        self._missing: dict[int, float] = {}
        self._kept: list[Command] = []
        """Commands without a waiting caller that another program's lock has held up."""
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
    def is_held_up(self) -> bool:
        """True while commands without a waiting caller wait for another program's lock."""
        return bool(self._kept)

    @property
    def now(self) -> int:
        """The current time, in milliseconds since 1970."""
        return int(self._clock() * 1000)

    def open(self) -> None:
        """Recognise or create the file, and open it.

        Raises:
            JournalError: it cannot be opened; it was not touched.
        """
        schema.check_folder(self.path)
        try:
            if self._read_only:
                self._connect(self._version())
                return
            check_local(self.path)
            check_alone(self.path)
            with self._lock.held():
                self._touched = touched_at(self._lock.path, self.path, log_of(self.path))
                self._connect(self._version())
        except sqlite3.Error as error:
            self._let_go()
            raise schema.translated(error, self.path) from error
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """Close the file. The last writer leaves it without a log."""
        if self._connection is not None and self._completeness_mark is not None:
            is_locked = self._lock.try_acquire(schema.CLOSING_SECONDS)
            try:
                with suppress(sqlite3.Error, OSError, JournalError):  # then the log stays, with its content
                    self._retire()
                    if is_locked:
                        alone = not has_live_writers(self._connection, self.path)
                        self._completeness_mark.close(alone=alone)
                self._let_go()
            finally:
                self._lock.release()
        self._let_go()

    def process(self, commands: Sequence[Command]) -> list[CommandReply]:
        """Execute commands in order, in one transaction; return the reply to each waiting caller once it is durable."""
        if self._broken is None:
            commands, self._kept = [*self._kept, *commands], []
            try:
                return self._transact(commands)
            except JournalError as error:
                self._broken = error
            except sqlite3.Error as error:
                translated = schema.translated(error, self.path)
                translated.__cause__ = error
                if isinstance(translated, JournalInUseError) and not self.connection.in_transaction:
                    return self._hold_up(commands, translated)
                self._broken = translated
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
        batches = self.unsettled.batches
        while batches and (not most or len(self.unsettled) > most):
            self._part(next(iter(batches.values())))

    def part_all_batches(self) -> None:
        """Move the items of all batches, of other writers too, to rows of their own: some are to be deleted."""
        self.part_batches()
        for number in list(self.others.batches):
            self.part_other(number)

    def part_other(self, number: int) -> None:
        """Move the items of another writer's batch to rows, which the same writer holds."""
        self.others.remove(self.others.batches[number])
        batch = self.tables.batch(number)  # with those items that have no row by now
        rows = {(batch.scope, key): batch.row(key) for key in batch.unsettled_items}
        self.tables.put(rows)
        self.tables.put_payloads({(batch.scope, key): batch.payload(key) for key in batch.unsettled_items})
        self.tables.drop_batches([number])
        for item_key, row in rows.items():
            self.rows.put(item_key, row)

    def take(self, scope: int, keys: Sequence[str] | None) -> int:
        """Take over the undecided items that no writer holds, or that writers hold which cannot send any more.

        Return their number. Within a writing transaction only.

        Raises:
            FencedError: another process has taken over this one's items.
        """
        self.check_alive()
        dead, known = dead_writers(self.connection, self.path, self.lease, self._missing)
        for number in dead | ({batch.writer for batch in self.others.batches.values()} - known):
            self._bury(number)
        taken = self.tables.take(scope, keys, self.lease.writer_id, self.now)
        if taken:
            self.rows.clear()
        return taken

    def check_alive(self) -> None:
        """Check that no other process has taken over.

        Raises:
            FencedError: one has.
        """
        if self.lease.is_dead:
            raise self.lease.error()

    def drop(self, scope: int, keys: Sequence[str]) -> None:
        """Delete entries, none of which is in a batch."""
        self.tables.drop(scope, keys)
        self.rows.clear()

    def _part(self, batch: Batch) -> None:
        transaction = self.transaction
        transaction.touched.add(batch)
        for key in list(batch.unsettled_items):
            transaction.part(batch, key)
        self._write(transaction)

    def _bury(self, writer: int) -> None:
        """Free the items of a writer that cannot send any more, and delete the writer."""
        for batch in list(self.others.batches.values()):
            if batch.writer == writer:
                self.part_other(batch.number)
        self.tables.free(writer, self.now)
        self.connection.execute("DELETE FROM writers WHERE writer_id = ?", (writer,))
        with suppress(FileNotFoundError):
            sign_of(side_file(self.path, writer), remove=True)
        self._missing.pop(writer, None)
        self.rows.clear()

    def _retire(self) -> None:
        """Free this writer's items, and delete the writer."""
        if self._broken is not None or self._kept or not self.lease.writer_id or self.lease.is_dead:
            return
        self._begin()
        try:
            if not self.lease.is_dead:
                self.part_batches()
                self._bury(self.lease.writer_id)
            self.connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.lease.end(remove=True)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._transaction = None  # breaks a reference cycle, so that its memory is freed at once
        self.lease.end()

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
        self.unsettled, self.others = UnsettledBatches(), UnsettledBatches()
        self.rows = RowCache(self.unsettled.keys, self._read)
        self._transaction = Transaction(self.rows, self.unsettled)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if self._read_only:
            return
        lacks_log = version >= schema.MARKED and is_part(connection, has_log=schema.size_of(log_of(self.path)) > 0)
        schema.migrate(connection, version)
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL: a commit is handed to the operating system, which keeps it if this process is killed, and is forced to
        # the disk only at checkpoints: a power cut loses the last commits but never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        if self._durability == "power":
            for pragma in ("synchronous = FULL", "fullfsync = 1", "checkpoint_fullfsync = 1"):
                connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")  # reports an unwritable file or folder now, not in the middle of a run
        self._compare()  # and damaged batches
        connection.execute("ROLLBACK")
        made_at = backup_time(connection)
        self._change_record = ChangeRecord(
            self.path,
            connection,
            0.0 if has_live_writers(connection, self.path) else self._touched,
            backup_at=None if made_at is None else reading.moment(made_at),
            lacks_log=lacks_log,
        )
        self._completeness_mark = CompletenessMark(self.path, connection, self._change_record, self._lock)
        remove_leftovers(connection, self.path)
        self._place.check(connection)

    def _transact(self, commands: Sequence[Command]) -> list[CommandReply]:
        writes = any(
            isinstance(command, tuple | RecordCreated | MarkSent | RecordStatus)
            or (isinstance(command, StoreFunction) and command.writes)
            for command in commands
        )
        if writes:
            self._begin()
        else:
            self.connection.execute("BEGIN")
            self._compare()
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
        if writes and self._change_record is not None:
            self._change_record.note()  # again, if the process was suspended meanwhile
        self.connection.execute("COMMIT")
        if writes and self._completeness_mark is not None:
            self._completeness_mark.after_change()
        self.rows.trim()
        return answers

    def _begin(self) -> None:
        """Begin a transaction that writes, as a writer that is registered."""
        if self._completeness_mark is None or self._change_record is None:
            raise JournalError(f"the journal {self.path} was opened for reading only")
        self._place.check(self.connection)
        self._completeness_mark.before_change()
        self.connection.execute("BEGIN IMMEDIATE")
        self._compare()
        self._change_record.note()
        if not self.lease.writer_id:
            self.lease.begin(self.connection, self.now)
            self.transaction.writer = self.lease.writer_id
        elif self.lease.is_over:
            self.lease.confirm(self.connection)
        self.transaction.is_dead = self.lease.is_dead

    def _compare(self) -> None:
        """Compare what is in memory with the file, if another process has changed the file since."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        if version == self._version_read:
            return
        self.rows.clear()
        numbers = self.tables.batch_numbers()
        self.unsettled.retain(numbers)
        self.others.retain(numbers)
        try:
            for number in sorted(numbers - self.unsettled.batches.keys() - self.others.batches.keys()):
                self.others.put(self.tables.batch(number))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise schema.damaged(self.path, f"what was sent together cannot be read: {error}") from error
        if self.lease.writer_id and not self.lease.is_dead:
            found = "SELECT 1 FROM writers WHERE writer_id = ?"
            if self.connection.execute(found, (self.lease.writer_id,)).fetchone() is None:
                self.lease.kill()
        self._version_read = version

    def _hold_up(self, commands: Sequence[Command], error: JournalError) -> list[CommandReply]:
        """Refuse the waiting callers, as the file stays locked; keep the other commands until it is free."""
        answers: list[CommandReply] = []
        for command in commands:
            if isinstance(command, tuple | RecordCreated | RecordStatus):
                self._kept.append(command)
            else:
                answers.append((command.waiter, None, copy_of(error)))
        return answers

    def _carry_out(self, command: Command, transaction: Transaction, answers: list[CommandReply]) -> None:
        match command:
            case ReleaseItem():
                transaction.release(command.scope, command.key)
            case tuple():
                self._settle(command, transaction)
            case RecordCreated():
                for other in transaction.settle_created(command):
                    self._settle(other, transaction)
            case MarkSent():
                answers.append(self._send(command, transaction))
            case RecordStatus():
                self._part_others(command.scope, [command.key])
                transaction.follow(command.scope, command.key, command.status)
            case ReadEntries():
                self._write(transaction)
                answers.append((command.waiter, reading.look_up(self, command.scope, command.keys), None))
            case Flush():
                answers.append((command.waiter, None, self._fault(command.run_id)))
            case StoreFunction():
                self._write(transaction)
                answers.append(self._call(command))

    def _send(self, command: MarkSent, transaction: Transaction) -> CommandReply:
        try:
            self.check_alive()
            transaction.send(command)
        except (IllegalTransitionError, FencedError) as error:
            return command.waiter, None, error
        return command.waiter, None, None

    def _settle(self, command: RecordOutcome, transaction: Transaction) -> None:
        self._part_others(command[0], [command[2]])
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
        found = self.tables.get(scope, keys)
        if others := self.others.keys[scope]:
            found = {key: others[key].row(key) for key in others.keys() & keys} | found
        return found

    def _part_others(self, scope: int, keys: Sequence[str]) -> None:
        """Move the items of other writers' batches to rows, before this writer changes one of them."""
        if others := self.others.keys[scope]:
            for number in {others[key].number for key in others.keys() & keys}:
                self.part_other(number)

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
                answers.append((command.waiter, None, copy_of(broken)))
                if isinstance(command, Flush):
                    self._lost = False
        return answers

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")
