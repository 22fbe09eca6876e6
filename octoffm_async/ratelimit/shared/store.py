"""Limit stores, through which clients that call for one seller share its limits.

:class:`LimitStore` is the protocol; :class:`KeyValueLimits` implements it on any store of keys and values
(:mod:`...stores`), so that the algorithm exists once, in :mod:`.gcra`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from ...errors import ClosedError, ConfigurationError
from ...stores.base import MemoryStore
from ..learned_rate import SECOND
from .gcra import KEPT, PAUSE_MOST, VERSION, LeaseReply, LeaseRequest, LimitState, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...stores.base import KeyValueStore, StoredValues

__all__ = ["PROCESSES", "KeyValueLimits", "LeaseReply", "LeaseRequest", "LimitStore", "MemoryLimits"]

logger: logging.Logger = logging.getLogger("octoffm_async")

PROCESSES = 10
"""The assumed number of processes that share a limit while the store is unavailable."""
PREFIX = "limit:"
"""The beginning of the keys of limits in a store of keys and values."""
KEEP = 2 * PAUSE_MOST / SECOND
"""Seconds for which the store keeps a state that is not used: longer than any pause."""
OLD_FROM = 1_000_000
"""The least first number of a state without a version: a time."""
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(LimitState)
_PARTS_DECODER = msgspec.msgpack.Decoder(list[Any])


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

    Where some clients are cut off and others are not, a ``processes``-th is reserved for each of them for ten minutes
    (:mod:`.gcra`). Clients notice a store that has lost its state, as Redis does when it is restarted: for a while one
    is reserved for each client that has not returned.
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


class KeyValueLimits:
    """Limits in a store of keys and values: each value is the state of one limit, changed by :func:`~.gcra.advance`.

    ``processes`` is the maximum number of processes that share a limit: while the store is unavailable, each process
    goes on with that fraction of it. Several clients of one event loop may share one object; the last one to close
    leaves the store.

    A damaged value counts as a lost one: a new state replaces it, and leases a fraction of the limit for a while. A
    value that another version of this package wrote in the last :data:`~.gcra.KEPT` is never interpreted, and makes
    every exchange fail with a ``ConfigurationError``: its processes do not count the calls of this version.
    """

    def __init__(self, store: KeyValueStore, *, processes: int = PROCESSES) -> None:
        self.processes = processes
        self._store = store
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._entering = asyncio.Lock()
        self._is_entered = self._is_damage_told = False

    def open(self) -> None:
        """Register one more client, on the running event loop.

        Raises:
            ClosedError: the store is open on another event loop.
        """
        loop = asyncio.get_running_loop()
        if not self._users:
            self._loop, self._entering = loop, asyncio.Lock()
        elif self._loop is not loop:
            raise ClosedError(f"{self!r} is open on another event loop")
        self._users += 1

    async def close(self) -> None:
        """Unregister a client; the last one leaves the store."""
        self._users -= 1
        if not self._users and self._is_entered:
            self._is_entered = False
            await self._store.__aexit__(None, None, None)

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """Apply the requests; see :class:`LimitStore`."""
        if not self._is_entered:
            async with self._entering:
                if not self._is_entered:
                    await self._store.__aenter__()
                    self._is_entered = True
        replies: list[LeaseReply] = []

        def change(values: StoredValues, now: int) -> StoredValues:
            replies.clear()  # a change that lost against another is run again, on the new values
            for at, request in enumerate(requests):
                state, reply = self._advance(values[at], request, now)
                values[at] = _ENCODER.encode(state)
                replies.append(reply)
            return values

        await self._store.update([PREFIX + request.key for request in requests], change, keep_seconds=KEEP)
        return replies

    def _advance(self, value: bytes | None, request: LeaseRequest, now: int) -> tuple[LimitState, LeaseReply]:
        if value is not None:
            try:
                state = _DECODER.decode(value)
                if state.kept_until > now:
                    return advance(state, request, now)
            except (msgspec.DecodeError, ArithmeticError, LookupError, ValueError):
                self._tell_damage(value, now)
                # As after a loss: slowly.
                request = request._replace(epoch=request.epoch or 1, known=request.known or 1)
        return advance(None, request, now)

    def _tell_damage(self, value: bytes, now: int) -> None:
        """Log once that a value is damaged.

        Raises:
            ConfigurationError: it is not damaged, but of another version, and was used lately.
        """
        version: float = 0
        used_at: float = 0
        with suppress(msgspec.DecodeError, IndexError, TypeError):
            parts = _PARTS_DECODER.decode(value)
            version, used_at = (parts[0], 0 + parts[1]) if parts[0] < OLD_FROM else (VERSION - 1, 0 + parts[4])
        if version in (0, VERSION):
            if not self._is_damage_told:
                self._is_damage_told = True
                logger.warning("%r holds damaged limits: going on with 1/%d of them for a while", self, self.processes)
        elif (ago := abs(now - used_at)) < KEPT:
            raise ConfigurationError(
                f"{self!r}: another version of this program (its limits have format {version:.0f}, those of this one "
                f"{VERSION}) used a limit {ago / SECOND:.0f} s ago, and the two cannot share it: stop the processes of "
                f"one version, and wait {KEPT / SECOND:.0f} s"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._store!r}>"


class MemoryLimits(KeyValueLimits):
    """Limits in this process's memory, for clients of one process that share a seller, and for tests."""

    def __init__(self, *, processes: int = PROCESSES, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(MemoryStore(clock=clock), processes=processes)
