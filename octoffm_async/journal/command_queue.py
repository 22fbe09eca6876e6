"""The event loop's side of a journal's writer: the queue of its commands, for a thread or a task that executes them.

Commands with a waiting caller are passed on in this iteration of the loop, with all earlier ones. Commands without one
are passed with the next command, or after a moment: each transaction that is saved is time for the event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import ClosedError
from .commands import NOT_OPEN, Flush

if TYPE_CHECKING:
    from .commands import RecordCreated, RecordOutcome, RecordStatus, ReleaseItem

CommandT = TypeVar("CommandT")

__all__ = ["LINGER_MOST", "CommandQueue"]

_LINGER = 0.05
LINGER_MOST = 1024
"""Number of commands that are collected, for ``_LINGER`` seconds at most, while no caller waits."""


class CommandQueue(Generic[CommandT]):
    """The queue of one writer. It belongs to the event loop that opened it; ``_ended`` is done when the writer is."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._waiting: list[Any] = []
        self._queued: set[str] = set()
        """Keys of the waiting commands without a waiting caller."""
        self._linger: asyncio.TimerHandle | None = None
        self._closing = False
        self._why_closed = NOT_OPEN

    def future(self) -> asyncio.Future[Any]:
        """Return a new future of the event loop.

        Raises:
            ClosedError: the journal is not open, or belongs to another loop.
        """
        loop = self._open_loop()
        if loop is not asyncio.get_running_loop():
            raise ClosedError("the journal was opened on another event loop")
        return loop.create_future()

    def submit(self, command: CommandT | Flush) -> None:
        """Submit a command that a caller waits for.

        Raises:
            ClosedError: the journal is not open.
        """
        self._open_loop()
        self._waiting.append(command)
        self._pass_soon()

    def queue(self, key: str, command: RecordOutcome | RecordCreated | RecordStatus | ReleaseItem) -> None:
        """Queue a command on an item that no caller waits for.

        Raises:
            ClosedError: the journal is not open.
        """
        loop, waiting = self._open_loop(), self._waiting
        waiting.append(command)
        self._queued.add(key)
        if self._linger is None:
            self._linger = loop.call_later(_LINGER, self._pass_on)
        elif len(waiting) >= LINGER_MOST:
            self._pass_soon()

    async def close(self) -> None:
        """Execute all submitted commands and end the writer; a cancelled call waits for that too.

        Raises:
            JournalError, IllegalTransitionError: a command without a waiting caller failed.
        """
        if self._closing or self._ended is None:
            return
        last = self.future()
        self.submit(Flush(None, last))
        self._closing = True
        self._pass_on()
        self._end()
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.done():
            try:
                await asyncio.wait([self._ended])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            last.cancel()
            raise cancelled
        await last

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._closing:
            raise ClosedError(self._why_closed)
        return self._loop

    def _taken(self) -> list[Any]:
        """Return the waiting commands, which are passed on now."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        commands, self._waiting = self._waiting, []
        self._queued.clear()
        return commands

    def _pass_soon(self) -> None:
        """Pass the waiting commands on in this iteration of the loop."""
        raise NotImplementedError

    def _pass_on(self) -> None:
        """Pass the waiting commands on."""
        raise NotImplementedError

    def _end(self) -> None:
        """Let the writer end once the commands are executed."""
