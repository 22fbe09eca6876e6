"""Faults on demand: the choice of the fault for a request. :mod:`.http.fault_delivery` sends the faulty response."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, Literal, NamedTuple

from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS, Group, Operation


class Fault(Enum):
    """A failure of one request. *Processed* means that the request nevertheless has its effect."""

    LATENCY = "latency"
    """The response takes ``value`` seconds longer (0.05). Processed, after the wait."""
    THROTTLE = "throttle"
    """429 with ``value`` seconds (1) as ``Retry-After``, if the sandbox sends that header. Not processed."""
    ERROR_500 = "error_500"
    """500 with a problem. Not processed."""
    UNAVAILABLE_HTML = "unavailable_html"
    """503 with a proxy's HTML page. Not processed."""
    RESET_BEFORE = "reset_before"
    """The server drops the connection. Not processed."""
    RESET_AFTER = "reset_after"
    """The server drops the connection without a response. Processed."""
    STALL = "stall"
    """No response until the client disconnects or the server stops. Not processed."""
    STALL_AFTER = "stall_after"
    """No response until the client disconnects or the server stops. Processed."""
    MALFORMED_JSON = "malformed_json"
    """The status of a success with a body that is not valid JSON. Processed."""
    TRUNCATED = "truncated"
    """The connection ends before the declared length of the body. Processed."""
    HTML_200 = "html_200"
    """200 with a proxy's HTML page. Not processed."""
    HUGE = "huge"
    """The right body after ``value`` bytes of white space (64 MiB), streamed. Processed."""
    FOREIGN_LINK = "foreign_link"
    """A list's ``Link`` names a next page at another origin. Processed."""
    LINK_LOOP = "link_loop"
    """A list's ``Link`` names the page of this request. Processed."""
    UNKNOWN_VALUES = "unknown_values"
    """The response has enum values and fields that no contract knows. Processed."""
    SLOW_DRIP = "slow_drip"
    """The right body, ``value`` bytes per second (10, one at a time). Processed."""
    STALE_KEEP_ALIVE = "stale_keep_alive"
    """The response is right and keeps the connection alive, but the server closes the connection as soon as the head of
    the next request on it has arrived. Processed; that next request is neither processed nor counted."""
    LATE_VISIBILITY = "late_visibility"
    """The response and the effects are right at once, but no list, count or get shows the new row before ``value``
    seconds (5) of the sandbox's clock have passed. The row then has its true, old times. Processed."""
    QUOTA_EXCEEDED = "quota_exceeded"
    """A registration refuses its first ``value`` products (1) with the code QuotaExceeded, inside its normal response,
    and processes the others. Other requests are processed normally."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  (a fault's name, not a secret)
    """401, and the bearer token of the request is invalid from now on. Not processed."""


DEFAULT_VALUES: dict[Fault, float] = {
    Fault.LATENCY: 0.05,
    Fault.THROTTLE: 1.0,
    Fault.HUGE: 64 * 1024 * 1024,
    Fault.SLOW_DRIP: 10.0,
    Fault.LATE_VISIBILITY: 5.0,
    Fault.QUOTA_EXCEEDED: 1.0,
}
"""Default ``value`` of each fault that has one."""

Only = Literal["reads", "writes"]
Rate = float | tuple[float, float]


class InjectedFault(NamedTuple):
    """A fault that hits one request, with its value."""

    fault: Fault
    value: float


@dataclass
class _Scripted:
    fault: InjectedFault
    operation: str | None
    times: int


class Faults:
    """Scripted faults first, then random ones at the set rates. The token endpoint is hit only when it is named."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._script: list[_Scripted] = []
        self._rates: list[tuple[float, InjectedFault]] = []
        self._only: Only | None = None
        self._operations: frozenset[str] | None = None

    def set_rates(
        self, rates: Mapping[Fault, Rate], *, only: Only | None = None, operations: Collection[str] | None = None
    ) -> None:
        """Hit each request at random: a share from 0 to 1 per fault, or the share and the fault's value.

        The new rates replace all earlier ones. ``only`` and ``operations`` (names such as ``outbound.create``) restrict
        the requests that can be hit.

        Raises:
            ValueError: the shares are negative or sum to more than 1, or a name or value is invalid.
        """
        drawn = [_rate(fault, rate) for fault, rate in rates.items()]
        if any(share < 0 for share, _ in drawn) or sum(share for share, _ in drawn) > 1:
            raise ValueError(f"rates = {dict(rates)}: shares must not be below 0 nor add up to more than 1")
        self._rates = drawn
        self._only = only
        self._operations = None if operations is None else frozenset(map(_known, operations))

    def next(self, fault: Fault, *, operation: str | None = None, times: int = 1, value: float | None = None) -> None:
        """Hit the next ``times`` requests (of one operation, if named), in the order in which faults were scripted.

        Raises:
            ValueError: ``times`` is below 1, or the operation or the value is invalid.
        """
        if times < 1:
            raise ValueError(f"times = {times}: must be at least 1")
        named = None if operation is None else _known(operation)
        self._script.append(_Scripted(_injected_fault(fault, value), named, times))

    def clear(self) -> None:
        """Remove all faults, scripted and random."""
        self._script.clear()
        self._rates.clear()

    def as_dict(self) -> dict[str, Any]:
        """Return the next 20 scripted faults and the rates of the random ones, ready for JSON."""
        return {
            "script": [
                {"fault": entry.fault.fault.name, "operation": entry.operation, "times": entry.times}
                for entry in self._script[:20]
            ],
            "rates": {injected.fault.name: share for share, injected in self._rates},
            "only": self._only,
            "operations": None if self._operations is None else sorted(self._operations),
        }

    def draw(self, operation: Operation[Any]) -> InjectedFault | None:
        """Return the fault that hits a request of this operation, if any."""
        if self._script and (injected := self._scripted(operation)) is not None:
            return injected
        return self._random(operation) if self._rates else None

    def _scripted(self, operation: Operation[Any]) -> InjectedFault | None:
        for entry in self._script:
            aimed = operation.group is not Group.TOKEN if entry.operation is None else entry.operation == operation.name
            if aimed:
                entry.times -= 1
                if entry.times == 0:
                    self._script.remove(entry)
                return entry.fault
        return None

    def _random(self, operation: Operation[Any]) -> InjectedFault | None:
        if not self._in_scope(operation):
            return None
        drawn = self._rng.random()
        for share, injected in self._rates:
            if drawn < share:
                return injected
            drawn -= share
        return None

    def _in_scope(self, operation: Operation[Any]) -> bool:
        if self._operations is None:
            if operation.group is Group.TOKEN:
                return False
        elif operation.name not in self._operations:
            return False
        return self._only is None or (self._only == "reads") == (operation.method == "GET")


_NAMES = frozenset(operation.name for operation in (CREATE_TOKEN, *OPERATIONS))


def _known(operation: str) -> str:
    if operation not in _NAMES:
        raise ValueError(f"operation = {operation!r}: the contract has {', '.join(sorted(_NAMES))}")
    return operation


def _rate(fault: Fault, rate: Rate) -> tuple[float, InjectedFault]:
    share, value = rate if isinstance(rate, tuple) else (rate, None)
    return share, _injected_fault(fault, value)


def _injected_fault(fault: Fault, value: float | None) -> InjectedFault:
    if value is None:
        return InjectedFault(fault, DEFAULT_VALUES.get(fault, 0.0))
    if not 0 <= value < math.inf:
        raise ValueError(f"value = {value}: must be a finite number that is not negative")
    if value == 0 and fault is Fault.SLOW_DRIP:
        raise ValueError("value = 0: SLOW_DRIP needs a number above zero")
    return InjectedFault(fault, value)
