"""Where limits are kept, so that clients that call for one seller can share them: a protocol, and a store in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .slots import Answer, Ask, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .slots import State

__all__ = ["PROCESSES", "Answer", "Ask", "LimitStore", "MemoryLimits"]

PROCESSES = 10
"""How many processes are believed to share a limit while the store is away."""


@runtime_checkable
class LimitStore(Protocol):
    """Shares limits between clients, be they in one process, on one machine, or on many.

    An implementation must promise:

    - **One step.** For each ask the state of its key changes by :func:`~octoffm_async.session.slots.advance`, and
      nothing comes between reading and writing it. Asks of one exchange need not be one step together.
    - **One clock**, the store's: never that of a caller. It may be put back or ahead; slots already leased are used
      all the same, so a jump costs at most what it jumps over.
    - **No repetition.** An exchange that failed is not tried again by itself: its slots may have been leased.

    A method that raises says that the store cannot be used now. The client says so once, at WARNING, and lets through
    a ``processes``-th of each limit (one call a second where none is configured) until an exchange succeeds.
    ``ConfigurationError`` is passed on to the callers. An exchange may be cancelled.

    A store that has forgotten what it knew, as Redis does when it is started anew, is noticed: for a while it leases
    only a ``processes``-th, too. While some processes reach the store and others do not, each of the others adds a
    ``processes``-th of the limit to what is sent.
    """

    @property
    def processes(self) -> int:
        """How many processes share a limit at most: what each takes of it while the store is away."""
        ...

    def open(self) -> None:
        """One more client uses it, on the running event loop."""
        ...

    async def close(self) -> None:
        """A client uses it no longer; when none does, let go of the connections."""
        ...

    async def exchange(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """What becomes of each ask, in their order; their keys differ."""
        ...


class MemoryLimits:
    """Limits in this process's memory, for clients of one process that share a seller, and for tests."""

    def __init__(self, *, processes: int = PROCESSES, clock: Callable[[], float] = time.monotonic) -> None:
        self.processes = processes
        self._clock = clock
        self._states: dict[str, State] = {}
        self._sweep_from = 1024

    def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """What is known is kept."""

    async def exchange(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """See :class:`LimitStore`."""
        now = int(self._clock() * 1e6)
        answers: list[Answer] = []
        for ask in asks:
            state = self._states.get(ask.key)
            if state is not None and state.kept_until <= now:
                state = None
            self._states[ask.key], answer = advance(state, ask, now)
            answers.append(answer)
        if len(self._states) > self._sweep_from:
            self._states = {key: state for key, state in self._states.items() if state.kept_until > now}
            self._sweep_from = max(1024, 2 * len(self._states))
        return answers

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
