"""The journal's thread, and the passing of commands from the event loop to it and of replies back.

Commands of one iteration of the event loop are passed to the thread together; the thread takes all that are queued,
executes them in one transaction and replies with one callback into the loop. The batches therefore grow with the load.
A look-up of other keys does not take commands without a waiting caller along, so that it needs no transaction.
"""

from __future__ import annotations

import asyncio
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from ...affinity import watch_forks
from ..command_queue import LINGER_MOST, CommandQueue
from ..commands import RecordCreated, StoreFunction
from .writers import FORKED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..commands import Command, CommandReply, ReadEntries
    from .engine import Store
    from .file.change_record import Gap

T = TypeVar("T")

__all__ = ["Writer"]

_BATCH_MOST = 4096
_TRY_AGAIN = 1.0
"""Seconds after which commands are tried again that another program's lock has held up."""


class Writer(CommandQueue["Command"]):
    """Executor of commands on a store, in a thread of its own. It belongs to the event loop that opened it."""

    def __init__(self, make: Callable[[], Store]) -> None:
        super().__init__()
        self._make = make
        self._queue: SimpleQueue[list[Command] | None] = SimpleQueue()
        self._ahead: list[Command] = []
        self._urgent = False
        self._knows_one = False
        """True after the first creation was passed to the thread."""

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

    def abandon(self) -> None:
        """Close this copy in a forked process; the journal of the parent stays as it is."""
        self._closing, self._why_closed = True, FORKED

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

    def queue_created(self, scope: int, run_id: int, key: str, remote_id: str | None) -> None:
        """Queue the creation of an item: in one command with the creations before it, if no other command came between.

        Raises:
            ClosedError: the journal is not open.
        """
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, RecordCreated) or last.run_id != run_id or len(last.keys) >= LINGER_MOST:
            last = RecordCreated(scope, run_id, [], [])
            self.queue(key, last)
        last.keys.append(key)
        last.remote_ids.append(remote_id)
        self._queued.add(key)
        if len(last.keys) == LINGER_MOST or not self._knows_one:
            self._knows_one = True  # the control for a run that is killed now (bulk/reconciliation/absence.py)
            self._pass_soon()

    async def call(self, work: Callable[[Store], T], *, writes: bool = False) -> T:
        """Call a function of the store, after all earlier commands; return its result."""
        waiter = self.future()
        self.submit(StoreFunction(work, waiter, writes))
        result: T = await waiter
        return result

    def _pass_soon(self) -> None:
        if not self._urgent and self._loop is not None:
            self._urgent = True
            self._loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        self._urgent = False
        if commands := self._ahead + self._taken():
            self._ahead = []
            self._give(commands)

    def _end(self) -> None:
        self._queue.put(None)

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
