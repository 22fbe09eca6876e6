"""The state of one call: its request, its attempts, the time it spent, and the context that it adds to its error."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..contract.operations import Repeatability
from ..transport.deadlines import CancellableTask

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ..contract.operations import Operation
    from ..errors import CallError
    from ..ratelimit.limiter import RateLimiter
    from ..ratelimit.priority_queue import Priority
    from .options import CallOptions


_NUMBERS = itertools.count(1)


class CallState(CancellableTask):
    """One call. Times are the event loop's, in seconds. ``number`` is unique in the process: clients share hooks."""

    __slots__ = (
        "attempt_started_at",
        "attempts",
        "body",
        "circuit_probe",
        "clock",
        "failures",
        "is_in_flight",
        "lane",
        "limiter",
        "limiter_epoch",
        "limiter_probe",
        "number",
        "operation",
        "options",
        "owed",
        "probed",
        "seconds_on_wire",
        "seller_id",
        "started",
        "status",
        "token_renewed",
        "url",
    )

    def __init__(
        self,
        operation: Operation[Any],
        task: asyncio.Task[Any],
        *,
        seller_id: str,
        url: str,
        body: bytes | None,
        limiter: RateLimiter,
        clock: Callable[[], float],
        now: float,
        deadline: float,
        options: CallOptions,
    ) -> None:
        super().__init__(task, now + deadline)
        self.number: int = next(_NUMBERS)
        self.operation: Operation[Any] = operation
        self.seller_id: str = seller_id
        self.url: str = url
        self.body: bytes | None = body
        self.limiter: RateLimiter = limiter
        self.clock: Callable[[], float] = clock
        self.options: CallOptions = options
        self.started: float = now
        self.attempt_started_at: float = now
        self.is_in_flight: bool = False
        self.attempts: int = 0
        self.status: int = 0
        self.failures: int = 0
        self.owed: int = 0
        self.probed: bool = False
        self.token_renewed: bool = False
        self.lane: Priority = options.lane or "interactive"
        self.limiter_probe: bool = False
        self.limiter_epoch: int = 0
        self.circuit_probe: bool = False
        self.seconds_on_wire: float = 0.0

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
