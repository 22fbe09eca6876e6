"""The rate limiter of a limit that many processes share: a store keeps the limit (:mod:`.gcra`), not a window here.

All else is as in :mod:`..limiter`: priorities, deadlines, calls in flight, pauses, probes. A waiting call is let
through when a time slot comes that this client has leased. The client leases as many slots as calls wait and may be in
flight, but no more than fit into :data:`~.lease.BATCH` seconds of the rate: so a high rate costs few requests to the
store, and at a low rate few slots are lost to calls that give up. Where calls follow each other closely and no other
client leases slots, a few are leased before they are needed. The client returns slots that no call waits for. An
interactive call waits for the next slot like any other, before the bulk calls of its own process; a ``burst`` in the
limit lets it through at once.

While the store is unavailable, a limiter lets through a fixed part of its limit (:class:`~.lease.FallbackLimiter`).
"""

from __future__ import annotations

import asyncio
import random
from math import ceil, inf
from typing import TYPE_CHECKING

import msgspec

from ...errors import OverloadedError
from ..adaptive_concurrency import AdaptiveConcurrency
from ..learned_rate import SECOND
from ..limiter import RateLimiter
from ..window import LeakyBucket
from .gcra import LeaseRequest
from .lease import (
    EAGER_GAP,
    EAGER_LEAD,
    FREE_RATE,
    FRESH,
    GAP_MOST,
    SLACK_MOST,
    FallbackLimiter,
    Leases,
    burst_of,
    interval_for,
    slack_for,
)
from .rate import SharedRate

if TYPE_CHECKING:
    from ...config import Limit
    from ...contract.operations import Group
    from ..adaptive_rate import AdaptiveRate
    from ..priority_queue import Priority
    from ..stats import KeyStats
    from .gcra import LeaseReply
    from .lease_client import LeaseClient

LOOK_EVERY = 1.0
"""Seconds after which a limiter checks again at the latest, whatever it waits for."""
KEEP_UNUSED = 0.01
"""Seconds for which slots that no call waits for are kept, for the next call."""
KNOWN_FOR = 30.0
"""Seconds for which a store certainly keeps its state: shorter than :data:`~.gcra.KEPT`."""


class Unpaced(LeakyBucket):
    """A bucket without a limit: the store spaces the slots, so that no requests have to be spread here."""

    __slots__ = ()

    def take_from_hand(self, rate: float) -> bool:  # noqa: ARG002
        """Return True: a request may always be sent."""
        return True


class SharedRateLimiter(RateLimiter):
    """The rate limiter of one key of a client that shares the limit through a :class:`~.lease_client.LeaseClient`."""

    __slots__ = (
        "_alone",
        "_client",
        "_gap",
        "_interval",
        "_is_returning",
        "_key",
        "_leases",
        "_left_at",
        "_pausing",
        "_rate",
        "_replied_at",
        "_retry_at",
        "_settle",
        "_shares",
        "_short_of_room",
        "_tidying",
        "_tolerance",
        "_used",
        "is_request_pending",
    )
    is_request_pending: bool
    """True while a request to the store for this key is queued or being sent."""
    _gap: float
    _is_returning: bool
    _left_at: float
    _pausing: float | None
    _tidying: asyncio.TimerHandle | None
    _used: int

    def __init__(
        self,
        key: str,
        client: LeaseClient,
        limit: Limit | None,
        *,
        jitter: float,
        max_in_flight: int,
        max_waiting: int = 10_000,
        bulk_share: float = 0.25,
    ) -> None:
        super().__init__(
            None, jitter=jitter, max_in_flight=max_in_flight, max_waiting=max_waiting, bulk_share=bulk_share
        )
        self._key = key
        self._client = client
        self._interval, self._tolerance, self._shares = 0, 0, 1
        window, slack, alone = 0.0, SLACK_MOST, 1.0 / FREE_RATE
        if limit is not None:
            window, slack = limit.per + jitter, slack_for(limit)
            self._interval = interval_for(limit, jitter=jitter)
            self._tolerance = (burst_of(limit) - 1) * self._interval
            self._configured = SECOND / self._interval
            calls = limit.calls - burst_of(limit) + 1
            self._shares = min(client.processes, calls)
            alone = window / (calls // client.processes or calls / client.processes)
        self._settle = ceil((window + client.longest_retry) * SECOND)
        client.membership.settle = max(client.membership.settle, self._settle)
        self._leases = Leases(slack, self._interval)
        self._alone = FallbackLimiter(alone)
        self._rate = SharedRate(self._configured)
        self.control: AdaptiveRate = self._rate
        self._in_flight_limit = AdaptiveConcurrency(max_in_flight)
        self._bucket = Unpaced()
        self._forget()

    def release(self, *, probe: bool = False) -> None:
        """Release the slot in flight."""
        super().release(probe=probe)
        if self._short_of_room:
            self._wake()

    def on_accepted(self, *, epoch: int, sent_at: float, now: float, connected: bool = False) -> bool:
        """Record that the API's limit accepted the request; return True if that ended a block."""
        self._used += 1
        ended = super().on_accepted(epoch=epoch, sent_at=sent_at, now=now, connected=connected)
        if ended and not self._client.is_unavailable:
            self._client.request(self)
        return ended

    def on_throttled(self, *, epoch: int, now: float) -> bool:
        """Record a 429; return True if it is new, so that a pause is due."""
        news = super().on_throttled(epoch=epoch, now=now)
        if news:
            self._leases.drop()
            self._client.request(self)
        return news

    def pause(self, until: float) -> None:
        """Let no call through before ``until``, here and in the other processes."""
        super().pause(until)
        self._pausing = until if self._pausing is None else max(until, self._pausing)
        self._client.request(self)

    def idle(self, now: float) -> bool:
        """Return True if the limiter may be forgotten without effect: the store remembers what was learned."""
        remembered = self.is_request_pending or bool(self._leases) or now - self._replied_at <= KNOWN_FOR
        return not remembered and self._alone.wait(now) <= 0.0 and super().idle(now)

    def stats(self, seller_id: str, group: Group, now: float) -> KeyStats:
        """Return a snapshot of the key's state."""
        stats = super().stats(seller_id, group, now)
        return msgspec.structs.replace(stats, shared=not self._client.is_unavailable, void=self._leases.expired)

    def rebind(self) -> None:
        """Prepare for use on another event loop."""
        super().rebind()
        self._bucket = Unpaced()
        self._forget()

    def close(self) -> None:
        """Reject the calls that wait, and all later ones."""
        super().close()
        if self._tidying is not None:
            self._tidying.cancel()
            self._tidying = None

    def fail(self, error: Exception) -> None:
        """Let the waiting calls fail: the configuration of the store is wrong."""
        self._waiters.fail(error)

    def build_request(self, now: float, *, leasing: bool) -> LeaseRequest:
        """Return the request to the store with all news for it; it asks for slots only if ``leasing``."""
        leases, control = self._leases, self._rate
        epoch = leases.epoch if now - self._replied_at <= KNOWN_FOR else 0
        back = leases.give_back(0 if self._closed else len(self._waiters.deadlines)) if self._is_returning else (0, 0)
        ceiling = control.ceiling
        request = LeaseRequest(
            key=self._key,
            interval=self._interval if ceiling is None else max(self._interval, ceil(SECOND / ceiling - 1e-3)),
            tolerance=self._tolerance,
            settle=self._settle,
            shares=self._shares,
            reserved=self._client.membership.reserved_of(self._shares),
            seen=self._client.membership.seen,
            want=self._slots_to_request(now) if leasing else 0,
            epoch=epoch,
            used=self._used,
            back_from=back[0],
            back_to=back[1],
            pause=0 if self._pausing is None else max(0, ceil((self._pausing - now) * SECOND)),
            refused=control.refusing,
            accepted=control.accepting,
        )
        self._used, self._pausing, self._is_returning = 0, None, False
        control.mark_reported()
        return request

    def apply_reply(
        self, request: LeaseRequest, reply: LeaseReply, *, sent: float, received: float, ahead: tuple[float, float]
    ) -> bool:
        """Apply the store's reply; return False if it came too late. ``ahead``: see :class:`~.lease.ClockOffset`."""
        usable = self._leases.apply_reply(reply, sent=sent, received=received, ahead=ahead)
        self._rate.apply_reply(reply, now=received)
        self._replied_at = received
        if reply.pause:
            super().pause(received + reply.pause / SECOND)
        waits = request.want > 0 and not reply.granted and not reply.free
        self._retry_at = received + reply.again / SECOND * random.uniform(1.0, 1.2) if waits else -inf
        self._wake()
        return usable > 0 or not reply.granted

    def on_store_unavailable(self, now: float) -> None:
        """Go on without the store, which is unavailable."""
        if self._rate.alone is None:
            self._alone.begin(now, self._client.membership.alone_from)
        self._leases.drop()
        self._rate.on_store_unavailable(alone=1.0 / self._alone.interval)
        self._wake()

    def has_final_request(self) -> bool:
        """Return True if the last request must return slots to the store, before the client closes."""
        self._is_returning = True
        return bool(self._leases) and not self._client.is_unavailable

    def _forget(self) -> None:
        self._leases.drop()
        self._retry_at = self._replied_at = -inf
        self._is_returning = self._short_of_room = False
        self._pausing = None
        self._tidying = None
        self._used = 0
        self._gap, self._left_at = GAP_MOST, -inf
        self.is_request_pending = False

    def _window_wait(self, now: float, lane: Priority) -> float:  # noqa: ARG002  (slots are the same for both priorities)
        if self._client.is_unavailable:
            if self._rate.alone is None:
                self.on_store_unavailable(now)
            self._client.request(self)
            return min(self._alone.wait(now), LOOK_EVERY)
        leases = self._leases
        if leases.free_until > now:
            if leases.free_until - now < FRESH / 2 and not self.is_request_pending:
                self._client.request(self)
            return 0.0
        wait = leases.wait(now)
        return wait if wait <= 0.0 else self._look(now, wait)

    def _look(self, now: float, wait: float) -> float:
        """Send a request to the store if one is due; return the seconds until a slot or the next request is due."""
        needed = self._needed()
        due_at = min(self._leases.short_at(needed), self._leases.check_at(now))
        due_at = max(due_at, self._retry_at)
        if not self.is_request_pending:
            if due_at <= now:
                self._client.request(self)
            else:
                wait = min(wait, due_at - now)
        return min(wait, LOOK_EVERY)

    def _needed(self) -> int:
        """Return how many more slots than those in hand could be used."""
        waiting, held = len(self._waiters.deadlines), len(self._leases)
        room = self._in_flight_limit.limit - self.in_flight
        if self.control.blocked_since is not None and self._probe_out:
            room = 0
        self._short_of_room = room <= held < waiting
        return min(waiting, room) - held

    def _slots_to_request(self, now: float) -> int:
        """Return how many slots to ask for."""
        count = max(0, min(self._needed(), self._leases.batch))
        if self._gap < EAGER_GAP and self.control.blocked_since is None:
            count = max(count, self._leases.eager(now))
        return count

    def _take_permit(self, now: float) -> bool:
        self._gap += (min(now - self._left_at, GAP_MOST) - self._gap) / 8
        self._left_at = now
        if self._rate.alone is not None:
            self._client.membership.alone_until = max(self._client.membership.alone_until, self._alone.add(now))
        elif self._leases:
            self._leases.take()
            if self._gap < EAGER_GAP and not self.is_request_pending and self._leases.eager(now, lead=EAGER_LEAD) > 1:
                self._client.request(self)
        return super()._take_permit(now)

    def _reject_past_deadline(self, lane: Priority, until: float, now: float, *, first: bool) -> None:
        super()._reject_past_deadline(lane, until, now, first=first)
        leases, ahead = self._leases, self._waiters.certainly_ahead_of(lane)
        if first or ahead < len(leases) or now > leases.last_reply_at + FRESH:
            return
        wait = max(0.0, leases.free_at - now) + (ahead - len(leases)) * leases.step / SECOND
        if now + wait > until:
            raise OverloadedError(
                f"not sent: with the calls of other processes so many go before it that its permit comes in {wait:.1f} "
                f"s, {now + wait - until:.1f} s after the deadline",
                wait=wait,
            )

    def _start_dispatcher(self) -> asyncio.Task[None]:
        dispatcher = super()._start_dispatcher()
        dispatcher.add_done_callback(self._tidy_later)
        return dispatcher

    def _tidy_later(self, _: object) -> None:
        if self._leases and self._tidying is None and not self._closed:
            self._tidying = asyncio.get_running_loop().call_later(KEEP_UNUSED, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        if asyncio.get_running_loop().time() - self._left_at < KEEP_UNUSED:
            self._tidy_later(None)
        elif len(self._leases) > len(self._waiters.deadlines):
            self._is_returning = True
            self._client.request(self)
