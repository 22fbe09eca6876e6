"""A rate limiter for one key (seller and group) that keeps a limit in every time window.

**Guarantee.** "N per T" means: in *no* window of length T, wherever it begins, do more than N requests reach the
API. A bare ``AsyncLimiter(N, T)`` does not guarantee that: it lets N requests through at once and refills in the
meantime, so the worst window contains nearly 2 N.

**A sliding window and a leaky bucket.** A log of the requests sent within the last T (:class:`SlidingWindow`) keeps the
guarantee exactly: request N + 1 waits until the first of the last N is T old. The log alone would send N requests at
once and then none for T; therefore a leaky bucket of rate N / T spreads them. The bucket's burst ``b`` compensates for
timers, which have a resolution of about 1 ms, and for an event loop that was busy: a bucket with ``b = 1`` loses every
late wake-up for good. The bucket alone would break the limit by ``b - 1``; the log alone would send in bursts.

**Jitter.** The API counts requests when it receives them, the client when it sends them. If one request may take ``J``
seconds longer to the API than another, the requests of a window T + J can be received within T. Therefore the limiter
uses T + J in place of T: ``J`` is the configured ``limit_jitter``, and the spread of the round trips of late. A
request that waited for a new connection was sent later than the client knows, so it counts from its response.

**Adaptation.** The limit is not published, so the configured limit is a ceiling; below it the rate is the one that
:mod:`.adaptive_rate` finds. A 429 concerns the key, not the call: it stops every call of the same seller and group
until the pause ends, then one request at a time is sent until one is accepted.

**Waiting.** Waiting calls stand in two queues, one for each priority (:mod:`.priority_queue`). One task per busy key
waits for the bucket on behalf of all and gives each permit to the next call, so that an early call cannot block the
queue that goes first. An interactive call need not wait for the bucket's next permit either: it goes ahead of it, and
while such calls come, bulk calls leave a hundredth of each window (at least one request) free for them. Where the
limit is learned, the limiter knows no number of requests that it could leave free.

**Keys.** A limit belongs to (seller, group), never to a token: tokens change, quotas do not.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from ..errors import ClosedError, OverloadedError, RateLimitedError
from .adaptive_concurrency import PATIENCE, AdaptiveConcurrency
from .adaptive_rate import AdaptiveRate
from .priority_queue import PriorityQueue
from .stats import KeyStats
from .window import KEPT_FREE_FOR, LeakyBucket, SlidingWindow, burst_for, timer_delay

if TYPE_CHECKING:
    from ..config import Limit
    from ..contract.operations import Group
    from ..transport.headers import RateAdvice
    from .cold_start import Bounds
    from .priority_queue import Priority

FORGET_RATES_AFTER = 600.0
"""Seconds after the last 429 of a key for which its learned rate is kept."""
ADVICE_LASTS = 60.0
"""Seconds after the last rate headers for which they hold; after that a response without them ends their effect."""


class RateLimiter:
    """The rate limiter of one key: it bounds the requests in flight and the rate, and lets none through in a pause."""

    __slots__ = (
        "_accepted",
        "_advised_at",
        "_bucket",
        "_burst",
        "_closed",
        "_configured",
        "_dispatcher",
        "_in_flight_limit",
        "_interactive_at",
        "_most_waiting",
        "_probe_out",
        "_room",
        "_room_timed",
        "_throttled",
        "_waiters",
        "_windows",
        "control",
        "in_flight",
        "paused_until",
        "stated_until",
    )

    def __init__(
        self,
        limit: Limit | None,
        *,
        jitter: float,
        max_in_flight: int,
        max_waiting: int = 10_000,
        bulk_share: float = 0.25,
    ) -> None:
        self._windows = None if limit is None else SlidingWindow(limit, jitter=jitter)
        self._burst = None if limit is None else limit.burst
        self._configured = None if self._windows is None else self._windows.rate
        self._advised_at: float | None = None
        self.control: AdaptiveRate = AdaptiveRate(self._configured)
        self._in_flight_limit = AdaptiveConcurrency(max_in_flight, slow_start=limit is None)
        self._waiters = PriorityQueue(bulk_share)
        self._most_waiting = max_waiting
        self._bucket = LeakyBucket()
        self._dispatcher: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._room_timed = False
        self._interactive_at = -KEPT_FREE_FOR
        self._probe_out = False
        self._closed = False
        self._accepted = 0
        self._throttled = 0
        self.in_flight: int = 0
        self.paused_until: float = 0.0
        self.stated_until: float = 0.0
        """The end of the pause as the API stated it, which may be later than the client believes: while it pauses, a
        call that could not wait for that end fails at once."""

    async def acquire(
        self,
        lane: Priority = "interactive",
        *,
        now: float | None = None,
        until: float | None = None,
        first: bool = False,
    ) -> bool:
        """Wait for a slot in flight and a permit; return True if this is the one request that probes after a block.

        ``now`` is the time of the event loop, ``until`` the caller's deadline on it; ``first`` puts the call at the
        head of the queue of its priority.

        Raises:
            RateLimitedError: A pause after a 429 ends after the deadline; nothing was sent.
            OverloadedError: The permit would come after the deadline, or too many calls wait; nothing was sent.
            ClosedError: The client was closed in the meantime.
        """
        if now is None:
            now = asyncio.get_running_loop().time()
        if self._closed:
            raise ClosedError("the client was closed while a call was running")
        if (entered := self.try_acquire(lane, now)) is not None:
            return entered
        if not self._waiters.must_wait(lane) and self._may_send(now, lane):
            rate = self.control.rate(now)
            if rate is not None and self._paced(rate, lane):
                await self._bucket.take()
                return self._take_permit(now)
        if until is not None:
            self._reject_past_deadline(lane, until, now, first=first)
        place = self._waiters.add(lane, first=first)
        if lane == "interactive":
            self._wake()
        if self._dispatcher is None:
            self._dispatcher = self._start_dispatcher()
        try:
            return await self._waiters.wait(place, lane, inf if until is None else until)
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.release(probe=place.result())  # the permit came just when the wait was cancelled
            raise

    def try_acquire(self, lane: Priority, now: float) -> bool | None:
        """Acquire a permit without waiting; None if the call would have to wait."""
        if lane == "interactive":
            self._interactive_at = now
        if self._closed or (self._waiters.deadlines and self._waiters.must_wait(lane)) or not self._may_send(now, lane):
            return None
        rate = self.control.rate(now)
        return self._take_permit(now) if rate is None or self._bucket.take_from_hand(rate) else None

    def release(self, *, probe: bool = False) -> None:
        """Release the slot in flight."""
        self.in_flight -= 1
        if probe:
            self._probe_out = False
        if not self._room_timed:
            self._wake()

    def epoch_of(self, *, probe: bool) -> int:
        """Return the epoch of the request that is sent now (:mod:`.adaptive_rate`).

        If it is no probe though the key is blocked, its permit came just before the 429: it belongs to the burst.
        """
        return self.control.epoch - (self.control.blocked_since is not None and not probe)

    def on_accepted(self, *, epoch: int, sent_at: float, now: float, connected: bool = False) -> bool:
        """Record that the API's limit accepted a request, whatever the response; return True if that ended a block.

        ``connected`` is True if the request had to wait for a new connection.
        """
        self._accepted += 1
        self._in_flight_limit.answered(now - sent_at, self.in_flight + 1)
        if self._windows is not None:
            if connected:
                self._windows.connected(sent_at, now)
            else:
                self._windows.answered(now - sent_at, now)
        control = self.control
        if control.blocked_since is None:
            return control.accepted(epoch=epoch, sent_at=sent_at, now=now)
        was_free = control.rate(now) is None
        if not control.accepted(epoch=epoch, sent_at=sent_at, now=now, waiting=self._calls()):
            return False
        self.stated_until = 0.0  # it was no true end
        if (start := control.start) is None or not start.scale:
            self._in_flight_limit.end_slow_start()
        if was_free and start is not None and (rate := control.rate(now)) is not None:
            is_late = min(self._waiters.deadlines.values(), default=inf) < sent_at + 2.0 / rate
            # The probe took no permit from the bucket; but calls whose deadlines are near cannot wait for it.
            self.pause(max(start.hold_until, sent_at if is_late else sent_at + 1.0 / rate))
            self._bucket.give(start.spare / rate)
        return True

    def wants_advice(self) -> bool:
        """Return True if the headers of this response should be read: all if there were rate headers, else a sample."""
        return self._advised_at is not None or self._accepted <= 3 or self._accepted % 64 == 0

    def on_rate_headers(self, advice: RateAdvice | None, now: float) -> bool:
        """Apply the API's rate headers, if any: the lower of both limits holds; return True if the ceiling changed."""
        ceiling = configured = self._configured
        if advice is not None:
            self._advised_at = now
            if advice.exhausted_for:
                self.stated_until = max(self.stated_until, now + advice.exhausted_for)
                self.pause(now + advice.exhausted_for)
            if advice.rate is None:
                return False  # an earlier statement about the rate still holds while the limit is exhausted
            ceiling = advice.rate if configured is None else min(configured, advice.rate)
        elif self._advised_at is None or now - self._advised_at <= ADVICE_LASTS:
            return False
        else:
            self._advised_at = None
        news = ceiling != self.control.ceiling
        self.control.ceiling = ceiling
        return news

    def on_throttled(self, *, epoch: int, now: float) -> bool:
        """Record a 429; return True if it is new, not of a request sent before the last one: then a pause is due."""
        self._throttled += 1
        return self.control.throttled(epoch=epoch, now=now)

    def pause_bounds(self, now: float) -> Bounds:
        """Return the least and the longest pause after a 429 for which the API asked for none."""
        return self.control.pause_bounds(now, self._calls())

    def pause(self, until: float) -> None:
        """Let no call through before ``until``."""
        self.paused_until = max(self.paused_until, until)

    def reject_waiting(self, now: float) -> None:
        """Let the waiting calls fail whose deadlines end before the pause."""
        for place, deadline in self._waiters.deadlines.items():
            if not place.done() and (error := self._pause_error(deadline, now)) is not None:
                place.set_exception(error)

    def restart(self) -> None:
        """Begin again with few requests in flight, after an outage."""
        self._in_flight_limit.restart()

    def idle(self, now: float) -> bool:
        """Return True if the limiter may be forgotten without effect: unused, not paused, and at its ceiling."""
        return (
            not self.in_flight
            and not self._waiters.deadlines
            and self._dispatcher is None
            and self.paused_until <= now
            and (self._windows is None or self._windows.idle(now))
            and (not self.control.learned or now - self.control.resumed > FORGET_RATES_AFTER)
        )

    def stats(self, seller_id: str, group: Group, now: float) -> KeyStats:
        """Return a snapshot of the key's state."""
        return KeyStats(
            seller_id=seller_id,
            group=group.value,
            rate=self.control.rate(now),
            ceiling=self.control.ceiling,
            accepted=self._accepted,
            throttled=self._throttled,
            waiting=len(self._waiters.deadlines),
            in_flight=self.in_flight,
            in_flight_limit=self._in_flight_limit.limit,
            paused_for=max(0.0, self.paused_until - now),
        )

    def rebind(self) -> None:
        """Prepare for use on another event loop."""
        self._bucket = LeakyBucket()
        self._dispatcher = None
        self._closed = False

    def close(self) -> None:
        """Reject the calls that wait, and all later ones."""
        self._closed = True
        self._waiters.fail(ClosedError("the client was closed while a call waited for its rate limit"))
        if self._dispatcher is not None:
            self._dispatcher.cancel()

    def _calls(self) -> int:
        return self.in_flight + len(self._waiters.deadlines)

    def _may_send(self, now: float, lane: Priority) -> bool:
        if self.in_flight >= self._in_flight_limit.limit or now < self.paused_until:
            return False
        is_probed = self.control.blocked_since is not None and self._probe_out
        return not is_probed and self._window_wait(now, lane) <= 0.0

    def _window_wait(self, now: float, lane: Priority) -> float:
        windows = self._windows
        if windows is None:
            return 0.0
        spare = 0
        # Interactive calls go ahead of bulk by these places; small windows need one more (:mod:`.window`).
        if lane == "bulk" and (quiet := now - self._interactive_at) < KEPT_FREE_FOR:
            spare = windows.places + (windows.small and quiet < windows.period)
        return windows.wait(now, spare=spare)

    def _take_permit(self, now: float) -> bool:
        self.in_flight += 1
        if self._windows is not None:
            self._windows.add(now)
        if self.control.blocked_since is not None:
            self._probe_out = True
            return True
        return False

    def _paced(self, rate: float, lane: Priority) -> bool:
        if self.control.learned or self._windows is None:
            return self._bucket.ready(rate, None)
        return self._bucket.ready(rate, self._burst, ahead=self._windows.places if lane == "interactive" else 0)

    def _reject_past_deadline(self, lane: Priority, until: float, now: float, *, first: bool) -> None:
        if (error := self._pause_error(until, now)) is not None:
            raise error
        if first:
            return
        pause = max(0.0, self.paused_until - now)
        if (waiting := len(self._waiters.deadlines)) >= self._most_waiting:
            raise OverloadedError(f"not sent: {waiting} calls wait for this limit already", wait=0.0)
        rate, ahead = self.control.rate(now), self._waiters.certainly_ahead_of(lane)
        if rate is None:
            return
        burst = burst_for(rate, None if self.control.learned else self._burst)
        wait = pause + max(0.0, ahead - burst) / rate
        if now + wait > until:
            raise OverloadedError(
                f"not sent: {ahead} calls go before it at {rate:.3g} per second, so its permit comes in {wait:.1f} s, "
                f"{now + wait - until:.1f} s after the deadline",
                wait=wait,
            )

    def _pause_error(self, until: float, now: float) -> RateLimitedError | None:
        """Return the error of a call whose deadline ends before the pause, if there is one."""
        end = max(self.paused_until, self.stated_until)
        if self.paused_until <= now or end <= until:
            return None
        cause = "the API asked for a pause that" if self.stated_until > now else "its limit is full, and its pause"
        return RateLimitedError(
            f"not sent: {cause} ends in {end - now:.0f} s, {end - until:.0f} s after the deadline",
            status=429,
            retry_after=self.paused_until - now,
        )

    def _start_dispatcher(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._dispatch(), name="octoffm_async limit")

    async def _dispatch(self) -> None:
        """Give permits to the waiting calls, one by one, until none waits."""
        try:
            while self._waiters.any():
                await self._next_permit()
                if self._waiters.any():
                    self._waiters.admit(probe=self._take_permit(asyncio.get_running_loop().time()))
        except Exception as error:
            self._waiters.fail(error)
            raise
        finally:
            if self._dispatcher is asyncio.current_task():  # after a close, the next one may already run
                self._dispatcher = self._start_dispatcher() if self._waiters.any() else None  # cancelled from outside

    async def _next_permit(self) -> None:
        """Wait until one more request may be sent."""
        loop = asyncio.get_running_loop()
        in_hand = False
        while True:
            now, lane = loop.time(), self._waiters.next_lane()
            if (pause := self.paused_until - now) > 0:
                await asyncio.sleep(timer_delay(pause))
            elif not self._may_send(now, lane):
                await self._sleep_until_room(self._window_wait(now, lane))
            elif in_hand or (rate := self.control.rate(now)) is None:
                return
            else:
                if self._bucket.take_from_hand(rate):
                    return
                in_hand = True
                ready = self._paced(rate, lane)
                self._woke_late(await self._bucket.acquire())
                if ready:
                    return

    async def _sleep_until_room(self, wait: float) -> None:
        """Wait until a slot in flight or a place in the window is free, or a call comes that needs neither."""
        loop = asyncio.get_running_loop()
        self._room = loop.create_future()
        self._room_timed = wait > 0
        timer = loop.call_later(timer_delay(wait), self._wake) if wait > 0 else None
        is_start = timer is None and self._in_flight_limit.is_slow_start
        hasten = loop.call_later(PATIENCE, self._hasten) if is_start else None
        try:
            await self._room
            if timer is not None:
                self._woke_late(loop.time() - timer.when())
        finally:
            self._room, self._room_timed = None, False
            for handle in (timer, hasten):
                if handle is not None:
                    handle.cancel()

    def _woke_late(self, seconds: float) -> None:
        if seconds > 0 and self._windows is not None:
            self._windows.woke_late(seconds, asyncio.get_running_loop().time())

    def _hasten(self) -> None:
        self._in_flight_limit.hasten()
        self._wake()

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
