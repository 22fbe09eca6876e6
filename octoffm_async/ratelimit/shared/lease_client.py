"""The client of a limit store: it combines the requests of all limiters of one client into one round trip at a time.

Requests that are made while a reply is awaited go together with the next round trip, so that many busy keys cost one.
A store that fails is tried again about once a second; until it replies, each limiter goes on alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from ...errors import ConfigurationError
from ..learned_rate import SECOND
from .lease import ClockOffset
from .membership import Membership

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .gcra import LeaseReply, LeaseRequest
    from .store import LimitStore

logger: logging.Logger = logging.getLogger("octoffm_async")

STORE_TIMEOUT = 1.0
"""Seconds that a store may take to reply; it counts as unavailable if it is late twice. Calls wait in the meantime. A
busy process may have been too late to read a reply; alone beside others, it would exceed the limit."""
RETRY = 1.0
"""Seconds between two tries of an unavailable store; up to half as long again, so that clients spread out."""
MAX_REQUESTS = 32
"""Keys in one round trip: a few milliseconds of work, so that the reply comes well before its slots expire."""
VAGUE, VAGUE_MOST = 0.003, 3
"""Seconds of uncertainty about the store's clock above which only the time is asked for, and how often in a row."""
RETRY_FAR = 30.0
"""Seconds between two tries of a store whose replies came too late."""
USELESS_MOST = 5
"""Replies in a row that came too late for their slots, after which the store counts as unavailable."""


class Participant(Protocol):
    """A limiter that shares its limit through a store."""

    is_request_pending: bool
    """True while its request is queued or being sent."""

    def build_request(self, now: float, *, leasing: bool) -> LeaseRequest:
        """Return its request to the store; without ``leasing``, one for the time only."""
        ...

    def apply_reply(
        self, request: LeaseRequest, reply: LeaseReply, *, sent: float, received: float, ahead: tuple[float, float]
    ) -> bool:
        """Apply the reply; return False if it came too late to be used."""
        ...

    def on_store_unavailable(self, now: float) -> None:
        """Go on without the store, which did not reply."""
        ...

    def has_final_request(self) -> bool:
        """Return True if it holds slots to return before the client closes."""
        ...

    def fail(self, error: Exception) -> None:
        """Let its calls fail: the store cannot be used as it is configured."""
        ...


class LeaseClient:
    """The client of one store, on behalf of the limiters of one client.

    ``register`` is the key of the register of clients; ``is_unavailable``: the store is unavailable now.
    """

    longest_retry: float = 2 * STORE_TIMEOUT + 1.5 * RETRY

    def __init__(self, store: LimitStore, register: str) -> None:
        self.is_unavailable: bool = False
        self.processes: int = max(1, store.processes)
        self.membership: Membership = Membership(register, self.processes, self._renew)
        self._store = store
        self._offset = ClockOffset()
        self._due: dict[Participant, None] = {}
        self._exchanging: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self._useless = self._vague = 0
        self._is_open = False

    def open(self) -> None:
        """Bind the client to the running event loop."""
        self._due.clear()
        self._offset = ClockOffset()
        self._exchanging = None
        self.is_unavailable = False
        self._useless = 0
        self.membership.open()
        self._store.open()
        self._is_open = True

    def request(self, limiter: Participant) -> None:
        """Include a limiter in the next round trip; do nothing while the store is unavailable."""
        now = asyncio.get_running_loop().time()
        if not self._is_open or (self.is_unavailable and now < self._retry_at):
            return
        self.membership.used_at = now
        if self.membership.is_due(now):
            self._include(self.membership)
        self._include(limiter)

    def _renew(self) -> None:
        if self._is_open and not self.is_unavailable:
            self._include(self.membership)

    def _include(self, participant: Participant) -> None:
        participant.is_request_pending = True
        self._due[participant] = None
        if self._exchanging is None:
            self._exchanging = asyncio.create_task(self._exchange_all(), name="octoffm_async limits")

    async def close(self, limiters: Iterable[Participant]) -> None:
        """Return the slots that the limiters hold, and close the store."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            if self._exchanging is not None:
                await asyncio.wait([self._exchanging])
            self.membership.close()
            self._due = {each: None for each in (*limiters, self.membership) if each.has_final_request()}
            while self._due and not self.is_unavailable:
                await self._exchange_once()
        finally:
            self._due.clear()
            await self._store.close()

    async def _exchange_all(self) -> None:
        try:
            while self._due:
                await self._exchange_once()
        finally:
            if self._exchanging is asyncio.current_task():
                self._exchanging = None

    async def _exchange_once(self) -> None:
        loop = asyncio.get_running_loop()
        limiters = list(islice(self._due, MAX_REQUESTS))
        for limiter in limiters:
            del self._due[limiter]
        sent = loop.time()
        self._vague = 0 if self._offset.width(sent) <= VAGUE else self._vague + 1
        leasing = not 0 < self._vague <= VAGUE_MOST
        requests: list[LeaseRequest] = [limiter.build_request(sent, leasing=leasing) for limiter in limiters]
        try:
            try:
                replies = await self._ask(requests)
            except TimeoutError:
                if self.is_unavailable:
                    raise
                sent = loop.time()
                requests = [each._replace(used=0) for each in requests]  # these may have been counted
                replies = await self._ask(requests)
            self._apply_replies(limiters, requests, replies, sent)
        except Exception as error:  # noqa: BLE001  (calls of the API must go on, whatever a store raises)
            self._on_failure(error)
            for limiter in limiters:
                limiter.is_request_pending = limiter in self._due
                limiter.on_store_unavailable(loop.time())
                if isinstance(error, ConfigurationError):
                    limiter.fail(error)

    async def _ask(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        async with asyncio.timeout(STORE_TIMEOUT):
            return await self._store.exchange(requests)

    def _apply_replies(
        self, limiters: Sequence[Participant], requests: list[LeaseRequest], replies: Sequence[LeaseReply], sent: float
    ) -> None:
        received = asyncio.get_running_loop().time()
        self._on_recovery()
        in_time = False
        for limiter, request, reply in zip(limiters, requests, replies, strict=True):
            limiter.is_request_pending = limiter in self._due
            ahead = self._offset.update(reply.now / SECOND, sent=sent, received=received)
            in_time |= limiter.apply_reply(request, reply, sent=sent, received=received, ahead=ahead)
        if limiters != [self.membership]:
            self._useless = 0 if in_time else self._useless + 1
        if self._useless > USELESS_MOST:
            self._on_failure(
                TimeoutError(0, f"its replies take {received - sent:.3f} s, too long for its slots"), RETRY_FAR
            )

    def _on_failure(self, error: Exception, retry: float = RETRY) -> None:
        self._retry_at = asyncio.get_running_loop().time() + retry * random.uniform(1.0, 1.5)
        self._useless = 0
        if not self.is_unavailable:
            self.is_unavailable = True
            # Not the text of the error: it may contain the address and the password of the store.
            reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            logger.warning(
                "%r cannot be used (%s): going on with 1/%d of each limit", self._store, reason, self.processes
            )

    def _on_recovery(self) -> None:
        if self.is_unavailable:
            self.is_unavailable = False
            logger.info("%r can be used again", self._store)
