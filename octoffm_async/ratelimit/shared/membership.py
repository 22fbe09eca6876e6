"""The entry of one client in the register of a store's clients, and what it reads there (:mod:`.gcra`).

While the client is in use it renews the entry twice a second, and reads how many shares of each limit are reserved for
clients that are cut off. A client that was not used for :data:`IDLE`, or closes, leaves.
"""

from __future__ import annotations

import asyncio
import secrets
from math import inf
from typing import TYPE_CHECKING

from ..learned_rate import SECOND
from .gcra import ALONE_AFTER, LeaseRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .gcra import LeaseReply

EVERY, SOON = 0.5, 0.4
"""Seconds between two renewals: an entry may be two and a round trip old before it counts as silent. The second: with
an exchange that takes place anyway."""
IDLE = 60.0
"""Seconds after its last use for which a client stays in the register."""


class Membership:
    """The entry of one client; ``renew`` includes it in the next exchange with the store."""

    def __init__(self, key: str, processes: int, renew: Callable[[], None]) -> None:
        self.processes = processes
        self.settle: int = 0
        """Microseconds after which all clients have returned to a store that lost its state."""
        self._key = key
        self._renew = renew
        self._timer: asyncio.TimerHandle | None = None
        self.open()

    def open(self) -> None:
        """Begin as a new client, on the running event loop."""
        self.close()
        self._client = secrets.randbits(48) + 1
        self._known, self._known_at = 0, -inf
        self._renewed_at = -inf
        self._is_closing = False
        self.reserved: int = 0
        self.seen: int = 0
        """Shares that are reserved, and the time of the store at which that was read."""
        self.alone_until: float = -inf
        """The end of the interval after the last call that was sent without the store."""
        self.used_at: float = -inf
        self.is_request_pending: bool = False

    def close(self) -> None:
        """Renew the entry no more, unless an exchange is due anyway."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_due(self, now: float) -> bool:
        """Return True if the entry is to go with the next exchange, which saves it one of its own a little later."""
        return not self.is_request_pending and now >= self._renewed_at + SOON

    @property
    def alone_from(self) -> float:
        """The time from which the client's share is reserved, if the store cannot be reached."""
        return self._known_at + ALONE_AFTER / SECOND

    def reserved_of(self, shares: int) -> int:
        """Return how many of the ``shares`` of a limit are reserved: all only if no client is connected."""
        return shares if self.reserved >= self.processes else min(self.reserved, shares - 1)

    def build_request(self, now: float, *, leasing: bool) -> LeaseRequest:  # noqa: ARG002
        """Return the request that renews or ends the entry."""
        self.close()
        is_idle = now - self.used_at > IDLE and now >= self.alone_until
        return LeaseRequest(
            key=self._key,
            interval=0,
            settle=self.settle,
            shares=self.processes,
            client=self._client,
            known=self._known,
            leaves=self._is_closing or is_idle,
        )

    def apply_reply(
        self,
        request: LeaseRequest,
        reply: LeaseReply,
        *,
        sent: float,  # noqa: ARG002
        received: float,
        ahead: tuple[float, float],  # noqa: ARG002
    ) -> bool:
        """Apply the reply: the client's share is no longer reserved from the next renewal on."""
        self.reserved, self.seen = reply.reserved, reply.now
        if request.leaves:
            self._known, self._known_at = 0, -inf
            self._renewed_at = -inf
            return False
        if received >= self.alone_until:
            self._known, self._known_at = reply.now, received
        self._renewed_at = received
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._on_timer)
        return False

    def on_store_unavailable(self, now: float) -> None:
        """Wait: the entry is renewed with the first exchange that succeeds."""

    def has_final_request(self) -> bool:
        """Return True if the client has an entry that it may end: nothing that it sent alone counts any more."""
        self._is_closing = self._known > 0 and asyncio.get_running_loop().time() >= self.alone_until
        return self._is_closing

    def fail(self, error: Exception) -> None:
        """Let the limiters tell the error: no call waits for the entry."""

    def _on_timer(self) -> None:
        self._timer = None
        self._renew()
