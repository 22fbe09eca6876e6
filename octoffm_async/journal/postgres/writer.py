"""The writer task of a journal in PostgreSQL: executes its commands in order, and in batches where it may.

One statement writes many commands. While the database is unreachable, all commands wait until it is back, or until the
lease ends: then the writer raises the error to each caller, and queued outcomes are lost, so their items stay
undecided, to be reconciled. A batch that the writer repeats because its answer was lost is applied once;
:mod:`.schema` says how.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import FencedError, JournalError, JournalWriteError, StoreError
from ..command_queue import CommandQueue
from ..commands import ReadEntries, copy_of
from ..states import IllegalTransitionError
from . import changes
from . import queries as reading
from .batch import ConnectionCall, MarkItemsSent, PostgresCommand, WriteBatch, waves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ...stores.database import Connection, Database
    from ..commands import RecordOutcome, RecordStatus, ReleaseItem
    from .writer_lease import WriterLease

T = TypeVar("T")

__all__ = ["JournalWriter"]

logger: logging.Logger = logging.getLogger("octoffm_async")

_WAVE_MOST = 4096
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_READING_PATIENCE = 10.0
"""Seconds for which a read-only journal waits for the database."""


class JournalWriter(CommandQueue[PostgresCommand]):
    """The task that executes commands in the database. ``lease`` is ``None`` for a read-only journal."""

    def __init__(self, database: Database, lease: WriterLease | None) -> None:
        super().__init__()
        self._database = database
        self._lease = lease
        self._loop = loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._wake = asyncio.Event()
        self._faults: dict[int, Exception] = {}
        self._wave = 0
        self._ended = asyncio.create_task(self._work(), name="octoffm_async journal")

    async def call(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Call ``work`` with a connection, after all earlier commands, and return its result.

        The writer calls it again if the database became unreachable meanwhile.
        """
        waiter = self.future()
        self.submit(ConnectionCall(work, waiter))
        result: T = await waiter
        return result

    def _pass_soon(self) -> None:
        self._wake.set()

    _pass_on = _pass_soon

    async def _work(self) -> None:
        while self._waiting or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            commands = self._taken()
            for start in range(0, len(commands), _WAVE_MOST):
                for wave in waves(commands[start : start + _WAVE_MOST]):
                    await self._carry_out(wave)

    async def _carry_out(self, wave: WriteBatch) -> None:
        # Changes first, then reads: the batch has one change of an item at most (see journal_waves).
        await self._settle(list(wave.settled.values()))
        for (scope, _), commands in wave.sent.items():
            await self._send(scope, commands)
        await self._follow(list(wave.followed.values()))
        for flush in wave.flushes:
            _answer(flush.waiter, None, self._fault(flush.run_id))
        await self._look_up([command for command in wave.questions if isinstance(command, ReadEntries)])
        for command in wave.questions:
            if isinstance(command, ConnectionCall):
                await self._answered(command.waiter, command.work)

    async def _settle(self, commands: Sequence[RecordOutcome | ReleaseItem]) -> None:
        if not commands:
            return
        number = self._next_wave()
        try:
            remarks = await self._done(lambda connection: changes.settle(connection, self._writer_id, number, commands))
        except Exception as error:  # noqa: BLE001  (any error must reach the callers of flush)
            for command in commands:
                self._faults.setdefault(command[1], error)
            return
        for (_, run_id, key, state, remote_id, *_), before, is_wrong, other in remarks:
            if other is not None:
                logger.error("DUPLICATE: reference %r exists twice remotely: %s and %s", key, other, remote_id)
            if is_wrong:
                self._faults.setdefault(run_id, IllegalTransitionError(key, before, state))

    async def _send(self, scope: int, commands: Sequence[MarkItemsSent]) -> None:
        """Mark the items of commands as sent: together, or command by command if one of them is not legal."""
        number = self._next_wave()
        error: Exception | None = None
        try:
            if self._lease is not None:
                await self._lease.recovers()
                self._lease.check()
            await self._done(lambda connection: changes.send(connection, self._writer_id, number, scope, commands))
        except IllegalTransitionError as illegal:
            if len(commands) > 1:
                for command in commands:
                    await self._send(scope, [command])
                return
            error = illegal
        except Exception as raised:  # noqa: BLE001  (any error must reach the waiting callers)
            error = raised
        for command in commands:
            _answer(command.waiter, None, error)

    async def _follow(self, commands: Sequence[RecordStatus]) -> None:
        if not commands:
            return
        try:
            await self._done(lambda connection: changes.follow(connection, commands))
        except Exception as error:  # noqa: BLE001  (the next status tracker reads a missing status again)
            logger.warning("the journal did not write %d tracked statuses: %s", len(commands), error)

    async def _look_up(self, commands: Sequence[ReadEntries]) -> None:
        for scope in {command.scope for command in commands}:
            some = [command for command in commands if command.scope == scope]
            keys = list(dict.fromkeys(key for command in some for key in command.keys))

            async def read(connection: Connection, scope: int = scope, keys: list[str] = keys) -> Any:
                shift = self._lease.shift if self._lease is not None else reading.NO_SHIFT
                return await reading.look_up(connection, scope, keys, shift=shift)

            try:
                found = await self._done(read)
            except Exception as error:  # noqa: BLE001  (any error must reach the waiting callers)
                for command in some:
                    _answer(command.waiter, None, error)
                continue
            for command in some:
                _answer(command.waiter, [found.get(key) for key in command.keys], None)

    async def _answered(self, waiter: asyncio.Future[Any], work: Callable[[Connection], Awaitable[Any]]) -> None:
        if waiter.done():
            return
        try:
            _answer(waiter, await self._done(work), None)
        except Exception as error:  # noqa: BLE001  (any error must reach the waiting caller)
            _answer(waiter, None, error)

    async def _done(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Call ``work`` until it succeeds, while the database is unreachable and the lease is valid.

        Raises:
            JournalError: the call did not succeed.
        """
        pause = _FIRST_PAUSE
        gives_up = self._clock() + _READING_PATIENCE
        while True:
            try:
                async with self._database.connection() as connection:
                    return await work(connection)
            except StoreError as error:
                over = self._clock() >= gives_up if self._lease is None else self._lease.is_over
                if not error.away:
                    raise JournalError(f"the journal failed: {error}") from error
                if over:
                    raise JournalWriteError(f"the journal is unreachable: {error}") from error
            except FencedError:
                if self._lease is not None:
                    self._lease.kill()
                raise
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)

    @property
    def _writer_id(self) -> int:
        return 0 if self._lease is None else self._lease.writer_id

    def _next_wave(self) -> int:
        self._wave += 1
        return self._wave

    def _fault(self, run_id: int | None) -> Exception | None:
        if run_id is not None:
            return self._faults.pop(run_id, None)
        return self._faults.popitem()[1] if self._faults else None


def _answer(waiter: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(result)
    else:
        waiter.set_exception(copy_of(error))
