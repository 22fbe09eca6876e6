"""The circuit breaker, which keeps an outage from becoming a storm: once the retry budget is spent, only probes go.

======== ================================================= ==========================================================
state    what happens to calls                             it ends when
======== ================================================= ==========================================================
closed   they are sent                                     a failure finds the retry budget spent: **open**
open     interactive ones fail at once, bulk ones wait     the pause is over; the next call is the probe: **probing**
probing  the probe is sent; the others as in open          it was answered: **closed**; it failed: **open**, for longer
======== ================================================= ==========================================================

A response of any kind but 5xx shows that the API is available. Pauses double up to ``backoff_cap``, with jitter. The
circuit belongs to the whole client: an outage concerns the API, not a seller. A web backend gets an error at once and
can pass it to its own callers; a bulk run waits until the outage is over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...errors import CircuitOpenError, ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ...config import Config
    from ...events import CircuitState
    from ...ratelimit.priority_queue import Priority

FIRST_PAUSE = 1.0
"""Seconds, doubled with each probe that fails."""
OTHERS_FIRST = 1.0
"""Seconds for which a call whose probe failed lets other calls go first: it alone cannot keep the circuit open."""


class Circuit:
    """The circuit of one client. ``changed`` is called with each new state and its reason."""

    def __init__(self, config: Config, rng: Random, changed: Callable[[CircuitState, str], None]) -> None:
        self._longest = max(FIRST_PAUSE, config.backoff_cap)
        self._rng = rng
        self._on_change = changed
        self._news = asyncio.Event()
        self._failures = 0
        self._probe_at = 0.0
        self._closed = False
        self.state: CircuitState = "closed"

    async def enter(self, lane: Priority, until: float, *, probed: bool = False) -> bool:
        """Wait until the call may be sent; return True if it is the probe. Not to be called on a closed circuit.

        A call that ``probed`` before, and failed, lets other calls go first: the call may be at fault, not the API.

        Raises:
            CircuitOpenError: The call may not be sent, and does not wait.
            ClosedError: The client was closed in the meantime.
        """
        now = asyncio.get_running_loop().time
        while self.state != "closed":
            if self._closed:
                raise ClosedError("the client was closed while a call waited for the end of an outage")
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
        """Open the circuit for a while: the budget is spent, or the probe failed."""
        bound = min(self._longest, FIRST_PAUSE * 2.0 ** min(self._failures, 32))
        self._failures += 1
        self._probe_at = asyncio.get_running_loop().time() + bound * self._rng.uniform(0.5, 1.0)
        self._change("open", reason)

    def succeeded(self) -> None:
        """Close the circuit: the API answered."""
        self._failures = 0
        self._change("closed", "the API answered")

    def unproven(self) -> None:
        """Open the circuit again: the probe ended without a result, so the next call is the probe."""
        self._change("open", "the probe was given up")

    def rebind(self) -> None:
        """Prepare for use on another event loop."""
        self._closed = False
        self._news = asyncio.Event()
        if self.state == "probing":  # that probe is lost
            self.state = "open"

    def close(self) -> None:
        """Let the calls that wait fail."""
        self._closed = True
        self._news.set()

    def _change(self, state: CircuitState, reason: str) -> None:
        self.state = state
        self._on_change(state, reason)
        self._news.set()
        self._news = asyncio.Event()
