"""Limits that hold in every window.

**What must hold.** "N per T" means: in *no* window of length T, wherever it begins, do more than N requests reach the
API. A bare ``AsyncLimiter(N, T)`` does not do that: it lets N through at once and refills meanwhile, so the worst
window sees nearly 2 N.

**The arithmetic.** A leaky bucket with burst ``b`` and rate ``r`` admits at most ``floor(b + r·T)`` requests in a
window T. So N hold in every window as long as ``b + r·T < N + 1``. (``b + r·T ≤ N`` is the usual rule; counting whole
requests wins one request per window, which for small N is most of the utilisation: at N = 5 it is 100 % and not 80 %.)

**Jitter.** The API counts arrivals, we count departures. If one request may take ``J`` seconds longer on its way than
another, those of a window T + J can arrive within T; so T + J takes the place of T.

**The burst.** Timers have a grain (about 1 ms) and an event loop has other things to do. A bucket with ``b = 1``
loses every late wake-up for good; one with a few milliseconds' worth of burst catches up. Hence ``b = 1 + rate ·
TIMER_LAG`` unless the limit asks for more (the token endpoint's 500 an hour would otherwise mean one every 7
seconds).

**Pauses.** A 429 concerns the key, not the call: it holds every call of the same seller and group until the pause ends.

**Lanes.** Of the calls that wait on one key, interactive ones go first (:mod:`.lanes`); one at a time waits at the
bucket, so that nobody who came early can hold up a lane that goes before.

**Who shares.** Keys are (seller, group), never the token: tokens change, quotas do not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiolimiter import AsyncLimiter

from ..config import Limit
from ..contract.operations import Group
from .lanes import Places

if TYPE_CHECKING:
    from ..config import Config
    from .lanes import Lane

TIMER_LAG = 0.01
"""Seconds of late waking that a bucket makes up for."""
TOKEN_LIMIT = Limit(500, per=3600.0, burst=250)
"""The only number that Octopia prints (D), with room for a burst of short-lived tokens."""
_MARGIN = 1e-6
"""Keeps ``b + r·T`` below N + 1 in floating point."""


class Bucket(NamedTuple):
    """A leaky bucket: ``burst`` in requests, ``rate`` in requests per second."""

    burst: float
    rate: float


def bucket_for(limit: Limit, *, jitter: float) -> Bucket:
    """The fastest bucket that keeps ``limit`` in every window; see the module's docstring."""
    wanted = limit.burst if limit.burst is not None else 1.0 + TIMER_LAG * limit.calls / limit.per
    burst = max(1.0, min(wanted, (limit.calls + 1) / 2))
    rate = (limit.calls + 1 - burst) * (1 - _MARGIN) / (limit.per + jitter)
    return Bucket(burst, rate)


class Gate:
    """What one key lets through: so many in flight, at the limit's rate, and nothing during a pause."""

    __slots__ = ("_bucket", "_slots", "_turn", "paused_until", "throttles")

    def __init__(self, limit: Limit | None, *, jitter: float, max_in_flight: int) -> None:
        self._slots = Places(max_in_flight)
        self._turn = Places(1)
        self._bucket: AsyncLimiter | None = None
        if limit is not None:
            burst, rate = bucket_for(limit, jitter=jitter)
            self._bucket = AsyncLimiter(burst, burst / rate)
        self.paused_until = 0.0
        self.throttles = 0
        """429s in a row; those of calls that left before the last one was known count as the same."""

    async def enter(self, lane: Lane = "interactive") -> None:
        """Wait for a slot and then a permit. The permit comes last, so that none ages while a slot is awaited."""
        await self._slots.take(lane)
        try:
            await self.permit(lane)
        except BaseException:
            self._slots.give_back()
            raise

    async def permit(self, lane: Lane = "interactive") -> None:
        """Wait until the limit and a pause allow one more request."""
        if self._bucket is None and self.paused_until <= 0.0:
            return
        await self._turn.take(lane)
        try:
            await self._allowed()
        finally:
            self._turn.give_back()

    async def _allowed(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if (pause := self.paused_until - now()) > 0:
                await asyncio.sleep(pause)
            elif self._bucket is None:
                return
            else:
                await self._bucket.acquire()
                if self.paused_until <= now():  # else a pause began while the bucket was waited for
                    return

    def leave(self) -> None:
        """Give the slot back."""
        self._slots.give_back()

    def throttled(self, *, sent_at: float) -> int:
        """Count a 429 of a request sent at ``sent_at``; how many came in a row."""
        if self.throttles == 0 or sent_at >= self.paused_until:
            self.throttles += 1
        return self.throttles

    def pause(self, until: float) -> None:
        """Let nothing through before ``until``."""
        self.paused_until = max(self.paused_until, until)

    def succeeded(self) -> None:
        """An answer other than 429 came."""
        self.throttles = 0


class Gates:
    """One gate per (seller, group), made on first use."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._gates: dict[tuple[str, Group], Gate] = {}

    def of(self, seller_id: str, group: Group) -> Gate:
        """The gate of a key. The token endpoint knows no sellers."""
        key = (seller_id, group)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = Gate(
                TOKEN_LIMIT if group is Group.TOKEN else self._config.limit_for(group),
                jitter=self._config.limit_jitter,
                max_in_flight=self._config.max_in_flight,
            )
        return gate
