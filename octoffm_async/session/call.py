"""The state of one call: its request, its attempts, the time it spent, and the context that it adds to its error."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from ..contract.operations import Repeatability
from ..transport.deadlines import CancellableTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..contract.operations import Operation
    from ..errors import CallError
    from ..ratelimit.limiter import RateLimiter
    from ..ratelimit.priority_queue import Priority
    from .options import CallOptions


_NUMBERS = itertools.count(1)


class CallState(CancellableTask, kw_only=True, eq=False):
    """One call. Times are the event loop's, in seconds. ``number`` is unique in the process: clients share hooks."""

    operation: Operation[Any]
    seller_id: str
    url: str
    body: bytes | None
    limiter: RateLimiter
    clock: Callable[[], float]
    options: CallOptions
    lane: Priority
    started: float
    number: int = msgspec.field(default_factory=_NUMBERS.__next__)
    attempt_started_at: float = 0.0
    is_in_flight: bool = False
    attempts: int = 0
    status: int = 0
    failures: int = 0
    owed: int = 0
    probed: bool = False
    token_renewed: bool = False
    limiter_probe: bool = False
    limiter_epoch: int = 0
    circuit_probe: bool = False
    seconds_on_wire: float = 0.0

    @property
    def waits_out_outage(self) -> bool:
        """True if the call waits until an outage is over: bulk calls do."""
        return self.lane == "bulk"

    @property
    def may_repeat(self) -> bool:
        """True if the caller's ``retries`` allow one more attempt; one with a new token does not count."""
        retries = self.options.retries
        return retries is None or self.attempts - self.token_renewed <= retries

    @property
    def server(self) -> str:
        """The host and port of the request."""
        scheme, _, authority = self.url.split("/", 3)[:3]
        if authority.rpartition(":")[2].isdigit():
            return authority
        return f"{authority}:{80 if scheme == 'http:' else 443}"

    @property
    def creates(self) -> bool:
        """True if a second execution by the API would do harm."""
        return self.operation.repeatability is not Repeatability.SAFE

    def start_attempt(self, now: float) -> None:
        """Record the start of an attempt: from now on the API may carry out the request."""
        self.attempt_started_at = now
        self.limiter_epoch = self.limiter.epoch_of(probe=self.limiter_probe)
        self.is_in_flight = True
        self.attempts += 1

    def finish_attempt(self, now: float, status: int = 0) -> None:
        """Record the end of the attempt, if one runs; ``status`` if it was answered."""
        self.status = status or self.status
        if self.is_in_flight:
            self.seconds_on_wire += now - self.attempt_started_at
            self.is_in_flight = False

    def waited(self, now: float) -> float:
        """Return the seconds that the call did not spend on the wire."""
        return max(0.0, now - self.started - self.seconds_on_wire)

    def annotate(self, error: CallError, now: float) -> None:
        """Add the call's context and times to an error, unless it has some: the error of a token call does."""
        if error.operation:
            return
        error.operation = self.operation.name
        error.seller_id = self.seller_id
        error.attempts = self.attempts
        error.travelled = self.seconds_on_wire
        error.waited = self.waited(now)
