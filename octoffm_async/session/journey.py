"""One call on its way: what it sends, where its time went, and how its error is told."""

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
    """Times are the event loop's, in seconds. ``call`` is a number of its own in this process: clients share hooks."""

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
        """Whether it sits out an outage."""
        return self.lane == "bulk"

    @property
    def may_repeat(self) -> bool:
        """Whether the caller's ``retries`` leave one more."""
        retries = self.options.retries
        return retries is None or self.attempts - self.token_renewed <= retries

    @property
    def server(self) -> str:
        """The host and port that it goes to."""
        scheme, _, authority = self.url.split("/", 3)[:3]
        if authority.rpartition(":")[2].isdigit():
            return authority
        return f"{authority}:{80 if scheme == 'http:' else 443}"

    @property
    def creates(self) -> bool:
        """Whether carrying it out twice would do harm."""
        return self.operation.repeatability is not Repeatability.SAFE

    def depart(self, now: float) -> None:
        """An attempt leaves: from now on it may be carried out."""
        self.departed = now
        self.under_way = True
        self.attempts += 1

    def arrive(self, now: float, status: int = 0) -> None:
        """The attempt under way is over, one way or another; ``status`` if it was answered."""
        self.status = status or self.status
        if self.under_way:
            self.travelled += now - self.departed
            self.under_way = False

    def waited(self, now: float) -> float:
        """Seconds that were not spent on the wire."""
        return max(0.0, now - self.started - self.travelled)

    def stamp(self, error: CallError, now: float) -> None:
        """Tell an error where it happened and where the time went, unless it knows: a token call's does."""
        if error.operation:
            return
        error.operation = self.operation.name
        error.seller_id = self.seller_id
        error.attempts = self.attempts
        error.travelled = self.travelled
        error.waited = self.waited(now)
