"""The journal's thread, and the passing of commands from the event loop to it and of replies back.

Commands of one iteration of the event loop are passed to the thread together; the thread takes all that are queued,
executes them in one transaction and replies with one callback into the loop. The batches therefore grow with the load.
Commands without a waiting caller are passed with the next command, or after a moment; a look-up of other keys does not
take them along, so that it needs no transaction of its own.
"""

from __future__ import annotations

import asyncio
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from ...affinity import watch_forks
from ...errors import ClosedError
from ..commands import NOT_OPEN, Flush, RecordCreated, StoreFunction
from .writers import FORKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..commands import Command, CommandReply, ReadEntries, RecordOutcome, RecordStatus, ReleaseItem
    from .engine import Store
    from .file.change_record import Gap

T = TypeVar("T")

__all__ = ["Writer"]

_BATCH_MOST = 4096
_TRY_AGAIN = 1.0
"""Seconds after which commands are tried again that another program's lock has held up."""
_LINGER = 0.05
_LINGER_MOST = 1024
"""Time in seconds, and number of commands, for which commands without a waiting caller are collected.

Each transaction that is saved is time for the event loop.
"""


class Writer:
    """Executor of commands on a store, in a thread of its own. It belongs to the event loop that opened it."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._queue: SimpleQueue[list[Command] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._waiting: list[Command] = []
        self._queued: set[str] = set()
        """Keys of the waiting commands without a waiting caller."""
        self._ahead: list[Command] = []
        self._urgent = False
        self._knows_one = False
        """True after the first creation was passed to the thread."""
        self._lingering = False
        self._linger: asyncio.TimerHandle | None = None
        self._closing = False
        self._why_closed = NOT_OPEN

    async def open(self) -> Gap | None:
        """Start the thread and open the store; return the period that may be missing in it.

        Raises:
            JournalError: the store cannot be opened.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Gap | None] = loop.create_future()
        self._loop, self._ended = loop, loop.create_future()
        watch_forks(self)
        Thread(target=self._work, args=(opened, self._ended), name="octoffm_async journal", daemon=True).start()
        try:
            return await asyncio.shield(opened)
        except BaseException:
            self._closing = True
            self._queue.put(None)
            raise

    async def close(self) -> None:
        """Execute all submitted commands, close the store and end the thread; a cancelled call waits for that too.

        Raises:
            JournalError, IllegalTransitionError: a command without a waiting caller failed.
        """
        if self._closing or self._ended is None:
            return
        last = self.future()
        self.submit(Flush(None, last))
        self._closing = True
        self._hand_over()
        self._queue.put(None)
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.done():
            try:
                await asyncio.shield(self._ended)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            last.cancel()
            raise cancelled
        await last

    def abandon(self) -> None:
        """Close this copy in a forked process; the journal of the parent stays as it is."""
        self._closing, self._why_closed = True, FORKED

    def future(self) -> asyncio.Future[Any]:
        """Return a new future of the event loop.

        Raises:
            ClosedError: the journal is not open, or belongs to another loop.
        """
        if self._loop is None or self._closing:
            raise ClosedError(self._why_closed)
        if self._loop is not asyncio.get_running_loop():
            raise ClosedError("the journal was opened on another event loop")
        return self._loop.create_future()

    def submit(self, command: Command) -> None:
        """Submit a command with a waiting caller: it is passed in this iteration of the loop, with all earlier ones.

        Raises:
            ClosedError: the journal is not open.
        """
        if self._loop is None or self._closing:
            raise ClosedError(self._why_closed)
        self._waiting.append(command)
        self._pass_soon()

    def look_up(self, command: ReadEntries) -> None:
        """Submit a look-up: as :meth:`submit`, but commands without a waiting caller may be passed later.

        Raises:
            ClosedError: the journal is not open.
        """
        if self._urgent or self._loop is None or self._closing or not self._queued.isdisjoint(command.keys):
            self.submit(command)
            return
        self._ahead.append(command)
        if len(self._ahead) == 1:
            self._loop.call_soon(self._hand_over_ahead)

    def queue(self, key: str, command: RecordOutcome | RecordCreated | RecordStatus | ReleaseItem) -> None:
        """Queue a command on an item without a waiting caller: it is passed soon, with others.

        Raises:
            ClosedError: the journal is not open.
        """
        if self._loop is None or self._closing:
            raise ClosedError(self._why_closed)
        waiting = self._waiting
        waiting.append(command)
        self._queued.add(key)
        if not self._lingering:
            self._lingering = True
            self._linger = self._loop.call_later(_LINGER, self._hand_over)
        elif len(waiting) >= _LINGER_MOST:
            self._pass_soon()

    def queue_created(self, scope: int, run_id: int, key: str, remote_id: str | None) -> None:
        """Queue the creation of an item: in one command with the creations before it, if no other command came between.

        Raises:
            ClosedError: the journal is not open.
        """
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, RecordCreated) or last.run_id != run_id or len(last.keys) >= _LINGER_MOST:
            last = RecordCreated(scope, run_id, [], [])
            self.queue(key, last)
        last.keys.append(key)
        last.remote_ids.append(remote_id)
        self._queued.add(key)
        if len(last.keys) == _LINGER_MOST or not self._knows_one:
            self._knows_one = True  # the control for a run that is killed now (bulk/reconciliation/absence.py)
            self._pass_soon()

    async def call(self, work: Callable[[Store], T], *, writes: bool = False) -> T:
        """Call a function of the store, after all earlier commands; return its result."""
        waiter = self.future()
        self.submit(StoreFunction(work, waiter, writes))
        result: T = await waiter
        return result

    def _pass_soon(self) -> None:
        """Pass the waiting commands in this iteration of the loop."""
        if not self._urgent and self._loop is not None:
            self._urgent = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._urgent = self._lingering = False
        if self._linger is not None:
            self._linger.cancel()
        if commands := self._ahead + self._waiting:
            self._ahead, self._waiting = [], []
            self._queued.clear()
            self._give(commands)

    def _hand_over_ahead(self) -> None:
        if commands := self._ahead:
            self._ahead = []
            self._give(commands)

    def _give(self, commands: list[Command]) -> None:
        """Pass commands to the thread."""
        self._queue.put(commands)

    def _work(self, opened: asyncio.Future[Gap | None], ended: asyncio.Future[None]) -> None:
        try:
            store = self._make()
            store.open()
        except BaseException as error:  # noqa: BLE001  (the opener must get it, whatever it is)
            self._reply([(opened, None, error if isinstance(error, Exception) else RuntimeError(repr(error)))])
            return
        self._reply([(opened, store.gap, None)])
        try:
            while (commands := self._take(store)) is not None:
                self._reply(store.process(commands))
        finally:
            store.close()
            self._reply([(ended, None, None)])

    def _take(self, store: Store) -> list[Command] | None:
        """Wait for commands and return all that are queued; none to try again, ``None`` at the end."""
        try:
            first = self._queue.get(timeout=_TRY_AGAIN if store.is_held_up else None)
        except Empty:
            return []
        if first is None:
            return None
        commands = first
        while len(commands) < _BATCH_MOST:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            commands += more
        return commands

    def _reply(self, answers: Sequence[CommandReply]) -> None:
        if answers and self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_resolve, answers)
            except RuntimeError:
                pass  # the loop is closed: no caller waits any more


def _resolve(answers: Sequence[CommandReply]) -> None:
    for waiter, result, error in answers:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(result)
        else:
            waiter.set_exception(error)
