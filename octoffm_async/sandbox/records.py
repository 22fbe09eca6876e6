"""What the server saw: counters of requests, and when each one came."""

from collections import Counter, deque
from typing import Any, NamedTuple

from octoffm_async.contract.operations import Group

REMEMBERED_ARRIVALS = 200_000


class Arrival(NamedTuple):
    """One request.

    ``at`` is the monotonic time at which its handler began. ``operation`` is empty and ``group`` ``None`` for a route
    that does not exist; ``status`` is 0 if no answer was given.
    """

    at: float
    seller: str
    group: Group | None
    operation: str
    status: int


class Requests:
    """How many requests came, and how each kind was answered. Requests to the control routes do not count."""

    def __init__(self) -> None:
        self.total = 0
        self.by: Counter[tuple[str, int]] = Counter()
        self.arrivals: deque[Arrival] = deque(maxlen=REMEMBERED_ARRIVALS)

    def begin(self) -> None:
        """Count a request that has come."""
        self.total += 1

    def end(self, arrival: Arrival) -> None:
        """Note how a request was answered; those still unanswered are in ``total`` only."""
        self.by[arrival.operation, arrival.status] += 1
        self.arrivals.append(arrival)

    def count(self, operation: str | None = None, status: int | None = None) -> int:
        """Answered requests of one operation, with one status, or both."""
        return sum(
            count
            for (name, answered), count in self.by.items()
            if operation in (None, name) and status in (None, answered)
        )

    def as_dict(self) -> dict[str, Any]:
        """The counters, ready for JSON."""
        by_status: Counter[str] = Counter()
        by_operation: dict[str, dict[str, int]] = {}
        for (name, status), count in self.by.items():
            by_status[str(status)] += count
            by_operation.setdefault(name, {})[str(status)] = count
        return {
            "total": self.total,
            "by_status": dict(by_status),
            "by_operation": by_operation,
            "throttled": by_status["429"],
        }
