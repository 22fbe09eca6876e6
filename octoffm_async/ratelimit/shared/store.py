"""Limit stores, through which clients that call for one seller share its limits: a protocol, and a store in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .gcra import LeaseReply, LeaseRequest, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .gcra import LimitState

__all__ = ["PROCESSES", "LeaseReply", "LeaseRequest", "LimitStore", "MemoryLimits"]

PROCESSES = 10
"""The assumed number of processes that share a limit while the store is unavailable."""


@runtime_checkable
class LimitStore(Protocol):
    """Shares limits between clients in one process, on one machine, or on many.

    An implementation must guarantee:

    - **Atomicity.** For each request the state of its key changes by :func:`~octoffm_async.ratelimit.advance`, and no
    other change comes between reading and writing it. The requests of one exchange need not be atomic together.
    - **One clock**, the store's: never that of a client. It may be set back or forward; slots already leased are used
      all the same, so a jump costs at most its own length.
    - **No repetition.** The store does not repeat a failed exchange by itself: its slots may have been leased.

    If a method raises, the store cannot be used now. The client logs one WARNING, and lets through a ``processes``-th
    of each limit (one call a second where none is configured) until an exchange succeeds. ``ConfigurationError`` is
    passed on to the callers. An exchange may be cancelled.

    Clients notice a store that has lost its state, as Redis does when it is restarted: for a while it leases only a
    ``processes``-th, too. While some processes reach the store and others do not, each of the others adds a
    ``processes``-th of the limit to the calls that are sent.
    """

    @property
    def processes(self) -> int:
        """The largest number of processes that share a limit; each uses that part of it while the store is away."""
        ...

    def open(self) -> None:
        """Register one more client of the store, on the running event loop."""
        ...

    async def close(self) -> None:
        """Unregister a client; when none is left, close the connections."""
        ...

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """Apply the requests and return their replies in the same order; their keys differ."""
        ...


class MemoryLimits:
    """Limits in this process's memory, for clients of one process that share a seller, and for tests."""

    def __init__(self, *, processes: int = PROCESSES, clock: Callable[[], float] = time.monotonic) -> None:
        self.processes = processes
        self._clock = clock
        self._states: dict[str, LimitState] = {}
        self._sweep_from = 1024

    def open(self) -> None:
        """Do nothing: there is no connection to open."""

    async def close(self) -> None:
        """Do nothing: the states are kept."""

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """Apply the requests; see :class:`LimitStore`."""
        now = int(self._clock() * 1e6)
        replies: list[LeaseReply] = []
        for request in requests:
            state = self._states.get(request.key)
            if state is not None and state.kept_until <= now:
                state = None
            self._states[request.key], reply = advance(state, request, now)
            replies.append(reply)
        if len(self._states) > self._sweep_from:
            self._states = {key: state for key, state in self._states.items() if state.kept_until > now}
            self._sweep_from = max(1024, 2 * len(self._states))
        return replies

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
