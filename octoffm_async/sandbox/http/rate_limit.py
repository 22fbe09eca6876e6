"""Rate limits: a sliding log, exact in every window.

The real limits are unpublished, so a test sets the sandbox's limits. Only accepted requests count: a client that obeys
``Retry-After`` is never refused because of a request that came too early. Callers pass the monotonic time.
"""

import math
import time
from collections import deque
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Literal

from octoffm_async.contract.operations import Group

from .responses import ProblemError

Limit = tuple[int, float]
RetryAfter = Literal["seconds", "date"]


class SlidingLog:
    """A limit of ``most`` admissions in any ``period`` seconds."""

    def __init__(self, most: int, period: float) -> None:
        if most < 1 or period <= 0:
            raise ValueError(f"limit = {most} per {period} s: both must be above zero")
        self.most = most
        self.period = period
        self._admitted: deque[float] = deque()

    def admit(self, now: float) -> float:
        """Admit one more request and return 0, or return the seconds after which a request will be admitted."""
        admitted = self._admitted
        while admitted and admitted[0] <= now - self.period:
            admitted.popleft()
        if len(admitted) < self.most:
            admitted.append(now)
            return 0.0
        return admitted[0] + self.period - now


class RequestLimits:
    """One sliding log per seller and group. ``retry_after`` is the form of the ``Retry-After`` header of a 429."""

    def __init__(self, limit: Limit | None, limits: Mapping[Group, Limit] | None) -> None:
        self._limits: dict[Group, Limit] = {}
        self._logs: dict[tuple[str, Group], SlidingLog] = {}
        self.limit = limit
        self.retry_after: RetryAfter | None = None
        self.set(limit, limits)

    def set(self, limit: Limit | None, limits: Mapping[Group, Limit] | None = None) -> None:
        """Limit every group from now on, or single groups; earlier admissions still count."""
        group_limits: dict[Group, Limit] = {}
        if limit is not None:
            group_limits.update((group, limit) for group in Group if group is not Group.TOKEN)
        group_limits.update(limits or {})
        for most, period in group_limits.values():
            SlidingLog(most, period)  # an invalid limit fails here rather than at the first request
        self.limit, self._limits = limit, group_limits
        for (seller, group), log in list(self._logs.items()):
            if group in group_limits:
                log.most, log.period = group_limits[group]
            else:
                del self._logs[seller, group]

    def as_dict(self) -> dict[str, Any]:
        """Return the common limit, the limits of groups that differ and the form of Retry-After, ready for JSON."""
        return {
            "limit": self.limit,
            "groups": {group.value: limit for group, limit in self._limits.items() if limit != self.limit},
            "retry_after": self.retry_after,
        }

    def admit(self, seller: str, group: Group, now: float) -> float:
        """Admit a request and return 0, or return the seconds to wait."""
        if group not in self._limits:
            return 0.0
        log = self._logs.get((seller, group))
        if log is None:
            log = self._logs[seller, group] = SlidingLog(*self._limits[group])
        return log.admit(now)


def rate_limit_problem(wait: float, form: RetryAfter | None) -> ProblemError:
    """Return the 429 problem, with ``wait`` seconds in ``Retry-After`` in the given form; ``None`` omits the header."""
    whole = max(1, math.ceil(wait))
    match form:
        case "seconds":
            headers = {"Retry-After": str(whole)}
        case "date":
            # HTTP dates have whole seconds: rounded up, or the client would retry too early.
            headers = {"Retry-After": formatdate(math.ceil(time.time() + wait), usegmt=True)}
        case None:
            headers = {}
    return ProblemError(429, "The rate limit is exceeded.", headers=headers)
