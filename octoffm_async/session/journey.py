"""The state of one call: its request, its attempts, the time it spent, and the context that it adds to its error."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..contract.operations import Repeatability
from .deadlines import Watched

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ..contract.operations import Operation
    from ..errors import CallError
    from .lanes import Lane
    from .limits import Gate
    from .options import Options


_NUMBERS = itertools.count(1)


class Journey(Watched):
    """One call. Times are the event loop's, in seconds. ``call`` is unique in the process: clients share hooks."""

    __slots__ = (
        "attempts",
        "body",
        "call",
        "circuit_probe",
        "clock",
        "departed",
        "failures",
        "gate",
        "gate_probe",
        "lane",
        "operation",
        "options",
        "owed",
        "probed",
        "seller_id",
        "started",
        "status",
        "token_renewed",
        "travelled",
        "under_way",
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
        gate: Gate,
        clock: Callable[[], float],
        now: float,
        deadline: float,
        options: Options,
    ) -> None:
        super().__init__(task, now + deadline)
        self.call = next(_NUMBERS)
        self.operation = operation
        self.seller_id = seller_id
        self.url = url
        self.body = body
        self.gate = gate
        self.clock = clock
        self.options = options
        self.started = now
        self.departed = now
        self.under_way = False
        self.attempts = 0
        self.status = 0
        self.failures = 0
        self.owed = 0
        self.probed = False
        self.token_renewed = False
        self.lane: Lane = options.lane or "interactive"
        self.gate_probe = False
        self.circuit_probe = False
        self.travelled = 0.0

    @property
    def patient(self) -> bool:
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

    def depart(self, now: float) -> None:
        """Record the start of an attempt: from now on the API may carry out the request."""
        self.departed = now
        self.under_way = True
        self.attempts += 1

    def arrive(self, now: float, status: int = 0) -> None:
        """Record the end of the attempt, if one runs; ``status`` if it was answered."""
        self.status = status or self.status
        if self.under_way:
            self.travelled += now - self.departed
            self.under_way = False

    def waited(self, now: float) -> float:
        """Return the seconds that the call did not spend on the wire."""
        return max(0.0, now - self.started - self.travelled)

    def stamp(self, error: CallError, now: float) -> None:
        """Add the call's context and times to an error, unless it has some: the error of a token call does."""
        if error.operation:
            return
        error.operation = self.operation.name
        error.seller_id = self.seller_id
        error.attempts = self.attempts
        error.travelled = self.travelled
        error.waited = self.waited(now)
