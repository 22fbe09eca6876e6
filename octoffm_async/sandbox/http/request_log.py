"""The request log of the server: counters of requests, and the time of each request."""

from collections import Counter, deque
from typing import Any, NamedTuple

from octoffm_async.contract.operations import Group

MAX_REQUEST_RECORDS = 200_000
PACE_SECONDS = 60


class RequestRecord(NamedTuple):
    """One request in the log.

    ``at`` is the monotonic time in seconds at which its handler began. ``operation`` is empty and ``group`` is ``None``
    for a route that does not exist; ``status`` is 0 if the server sent no response. ``traceparent`` is that header of
    the request (W3C Trace Context), empty if it had none.
    """

    at: float
    seller: str
    group: Group | None
    operation: str
    status: int
    traceparent: str = ""


class RequestRate:
    """The number of requests in each of the last 60 seconds."""

    def __init__(self) -> None:
        self._seconds = [-1] * PACE_SECONDS
        self._counts = [0] * PACE_SECONDS
        self._throttled = [0] * PACE_SECONDS

    def record(self, at: float, status: int) -> None:
        """Count a request that began at a monotonic time."""
        second = int(at)
        slot = second % PACE_SECONDS
        if self._seconds[slot] != second:
            if self._seconds[slot] > second:
                return  # answered a minute after its start
            self._seconds[slot], self._counts[slot], self._throttled[slot] = second, 0, 0
        self._counts[slot] += 1
        if status == 429:
            self._throttled[slot] += 1

    def last(self, now: float) -> list[tuple[int, int]]:
        """Return the requests, and those answered 429, of each second, the current second last."""
        end = int(now) + 1
        slots = [(second, second % PACE_SECONDS) for second in range(end - PACE_SECONDS, end)]
        return [
            (self._counts[slot], self._throttled[slot]) if self._seconds[slot] == second else (0, 0)
            for second, slot in slots
        ]


class Requests:
    """Counters of requests by operation and status. Requests to the control routes do not count."""

    def __init__(self) -> None:
        self.total: int = 0
        self.by: Counter[tuple[str, int]] = Counter()
        self.pace: RequestRate = RequestRate()
        self.arrivals: deque[RequestRecord] = deque(maxlen=MAX_REQUEST_RECORDS)

    def begin(self) -> None:
        """Count a request at its start."""
        self.total += 1

    def end(self, arrival: RequestRecord) -> None:
        """Record the response to a request; requests without a response yet are in ``total`` only."""
        self.by[arrival.operation, arrival.status] += 1
        self.arrivals.append(arrival)
        self.pace.record(arrival.at, arrival.status)

    def count(self, operation: str | None = None, status: int | None = None) -> int:
        """Return the number of answered requests of one operation, with one status, or both."""
        return sum(
            count
            for (name, answered), count in self.by.items()
            if operation in (None, name) and status in (None, answered)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counters, ready for JSON."""
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
