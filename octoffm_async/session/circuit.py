"""What keeps an outage from becoming a storm: when the retry budget is spent, nothing is sent but a probe now and then.

======== ================================================= ==========================================================
state    what happens to calls                             it ends when
======== ================================================= ==========================================================
closed   they go                                           a failure finds the retry budget spent: **open**
open     interactive ones fail at once, bulk ones wait     the pause is over; the next call is the probe: **probing**
probing  the probe travels; the others as in open          it was answered: **closed**; it failed: **open**, for longer
======== ================================================= ==========================================================

An answer of any kind but 5xx shows that the API is there. Pauses double up to ``backoff_cap``, with jitter. It concerns
the whole client: what is down is the API, not a seller. A web backend is told at once and can tell its own callers; a
bulk run sits the outage out.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import CircuitOpenError, ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ..config import Config
    from ..events import CircuitState
    from .lanes import Lane

FIRST_PAUSE = 1.0
"""Seconds, doubled with each probe that fails."""
OTHERS_FIRST = 1.0
"""Seconds that a call whose probe failed leaves to others, so that it alone cannot hold the circuit open."""


class Circuit:
    """The circuit of one client. ``changed`` is told of every change and its reason."""

    def __init__(self, config: Config, rng: Random, changed: Callable[[CircuitState, str], None]) -> None:
        self._longest = max(FIRST_PAUSE, config.backoff_cap)
        self._rng = rng
        self._told = changed
        self._news = asyncio.Event()
        self._failures = 0
        self._probe_at = 0.0
        self._closed = False
        self.state: CircuitState = "closed"

    async def enter(self, lane: Lane, until: float, *, probed: bool = False) -> bool:
        """Wait until the call may go; whether it is the probe. To be asked only while it is not closed.

        A call that ``probed`` before, and failed, lets others go first: it may be the call that fails, not the API.

        Raises:
            CircuitOpenError: it may not go, and does not wait.
            ClosedError: the client was closed meanwhile.
        """
        now = asyncio.get_running_loop().time
        while self.state != "closed":
            if self._closed:
                raise ClosedError("the client was closed while a call waited for the API to come back")
            wait = max(0.0, self._probe_at + (OTHERS_FIRST if probed else 0.0) - now())
            if self.state == "open" and not wait:
                self._change("probing", "the pause is over")
                return True
            if lane != "bulk" or now() + wait >= until:
                raise CircuitOpenError(
                    "not sent: the API failed so often that calls are held back; the next try is "
                    + (f"in {wait:.1f} s" if self.state == "open" else "under way"),
                    wait=wait,
                )
            news = self._news
            try:
                async with asyncio.timeout(wait if self.state == "open" else None):
                    await news.wait()
            except TimeoutError:
                pass
        return False

    def failed(self, reason: str) -> None:
        """The budget is spent, or the probe failed: hold calls back for a while."""
        bound = min(self._longest, FIRST_PAUSE * 2.0 ** min(self._failures, 32))
        self._failures += 1
        self._probe_at = asyncio.get_running_loop().time() + bound * self._rng.uniform(0.5, 1.0)
        self._change("open", reason)

    def succeeded(self) -> None:
        """The API answered: let calls go."""
        self._failures = 0
        self._change("closed", "the API answered")

    def unproven(self) -> None:
        """The probe ended without showing anything: the next call is one."""
        self._change("open", "the probe was given up")

    def rebind(self) -> None:
        """Another event loop runs it from now on."""
        self._closed = False
        self._news = asyncio.Event()
        if self.state == "probing":  # that probe is lost
            self.state = "open"

    def close(self) -> None:
        """Let nobody wait any more."""
        self._closed = True
        self._news.set()

    def _change(self, state: CircuitState, reason: str) -> None:
        self.state = state
        self._told(state, reason)
        self._news.set()
        self._news = asyncio.Event()
