"""Status tracking of creations until they have reached a status or were refused: one scan by time of change for all.

A creation may be refused after the fact (an unknown product), so ``Created`` is not final. The tracked orders are
scanned for together, repeatedly, and never read one by one.

Tracking ends, whatever the API says: an order that has not reached the status within :data:`FOLLOW_FOR` is given up,
and one whose status is not conclusive (missing, or new to this version) after :data:`UNCLEAR_FOR`. Neither was refused:
the outcome is Unknown, and the next run of the same input tracks the order again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...contract.answers.progress import OrderProgress, progress_of, quoted_status
from ...contract.inbound import InboundShipment, InboundStatus
from ...contract.outbound import OutboundShipment, OutboundStatus
from ...errors import ConfigurationError
from ...feeds.change_feed import Changed, ChangeFeed
from ...settings.values import is_above_zero
from ..reconciliation.lookup_findings import RemoteMatch
from ..reconciliation.reconcile import sleep
from ..reconciliation.remote_lookup import OrderKind, by_their_clock, match_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from ...session.seller_session import SellerSession

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0

FOLLOW_FOR = 7 * 86_400.0
"""Seconds for which a run tracks its orders: a week holds every weekend and most holidays of a warehouse."""
UNCLEAR_FOR = 86_400.0
"""Seconds for which an order may be in an inconclusive status.

A new status between two known ones is passed by then, and a new final status is not.
"""
_WARNINGS_MOST = 20
"""Maximum number of statuses of which one run warns: the API may invent any number of them."""

logger: logging.Logger = logging.getLogger("octoffm_async")

OutboundGoal = Literal["accepted", "shipped"]
InboundGoal = Literal["accepted", "received"]


_STATUSES: dict[OrderKind, type[OutboundStatus | InboundStatus]] = {
    "outbound": OutboundStatus,
    "inbound": InboundStatus,
}


def goal_of(kind: OrderKind, goal: str, seconds: float) -> InboundStatus | OutboundStatus:
    """Return the status that orders are tracked to, for at most ``seconds``.

    Raises:
        ConfigurationError: Orders of this kind cannot reach it, or the time is not above zero.
    """
    status = _STATUSES[kind](goal)
    if not status.known:
        raise ConfigurationError(f"follow must be one of {', '.join(_STATUSES[kind])}, not {goal!r}")
    if not is_above_zero(seconds):
        raise ConfigurationError(f"follow_for must be a number of seconds above zero, not {seconds!r}")
    return status


class TrackingResult(NamedTuple):
    """The end of tracking an order: its status, or the reason why it was given up (then ``match`` is ``None``)."""

    reference: str
    match: RemoteMatch | None
    status: str
    reason: str = ""


class _Unclear(NamedTuple):
    """The time since which an order has been in an inconclusive status, by the loop's clock."""

    since: float
    quoted: str


class StatusTracker:
    """Tracker of orders of one kind, until all awaited orders have reached a status or ended in another one.

    ``seconds`` limits the duration of tracking.
    """

    def __init__(self, scope: SellerSession, kind: OrderKind, goal: str, *, seconds: float = FOLLOW_FOR) -> None:
        self._scope = scope
        self._kind: OrderKind = kind
        self.goal: InboundStatus | OutboundStatus = goal_of(kind, goal, seconds)
        self._seconds = seconds
        self._warned: set[str] = set()
        self._unclear: dict[str, _Unclear] = {}

    def has_arrived(self, status: str) -> bool:
        """Return True if a status that was seen before needs no more tracking."""
        return bool(status) and _STATUSES[self._kind](status).reached(self.goal)

    async def follow(
        self,
        awaited: dict[str, str | None],
        *,
        since: datetime,
        rest: Callable[[float], Awaitable[bool]] = sleep,
    ) -> AsyncIterator[TrackingResult]:
        """Yield each order of ``awaited`` (reference → id) when it has reached the status, ended, or is given up.

        Yielded orders are removed from ``awaited``; the iteration ends when none is left, or when ``rest``, the pause
        between two scans, returns False.
        """
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._seconds
        feed = ChangeFeed(self._scope, await by_their_clock(self._scope, self._kind, since), kinds=[self._kind])
        pause = FIRST_PAUSE
        references = {key: reference for reference, key in awaited.items()}  # a list may not show the reference
        while awaited:
            async for change in feed:
                reference = references.get(change.id)
                if reference is None or reference not in awaited:
                    continue
                if (arrival := self._arrival(reference, change.item, clock())) is not None:
                    del awaited[reference]
                    yield arrival
            for arrival in self._given_up(awaited, clock(), ends_at):
                del awaited[arrival.reference]
                yield arrival
            if awaited:
                next_end = min([ends_at, *(unclear.since + UNCLEAR_FOR for unclear in self._unclear.values())])
                if not await rest(min(pause, max(next_end - clock(), 0.0))):
                    return
                pause = min(LONGEST_PAUSE, pause * 1.5)

    def _arrival(self, reference: str, row: Changed, now: float) -> TrackingResult | None:
        """Return the conclusion from an order's status; ``None`` while it is in progress or inconclusive."""
        if not isinstance(row, OutboundShipment | InboundShipment):
            return None
        stand = progress_of(row, self.goal)
        if stand is OrderProgress.UNCLEAR:
            self._warn(reference, row.status)
            before = self._unclear.get(reference)
            self._unclear[reference] = _Unclear(now if before is None else before.since, quoted_status(row.status))
            return None
        self._unclear.pop(reference, None)
        if stand is OrderProgress.IN_PROGRESS:
            return None
        match = match_of(row)
        if stand is OrderProgress.CANCELLED:
            match = RemoteMatch(match.id, "Cancelled", "cancelled after it was created", refused=True)
        return TrackingResult(reference, match, str(row.status))

    def _warn(self, reference: str, status: str | None) -> None:
        """Log, once for each status, that it is inconclusive for the goal."""
        quoted = quoted_status(status)
        if quoted in self._warned or len(self._warned) >= _WARNINGS_MOST:
            return
        self._warned.add(quoted)
        logger.warning(
            "order %r has %s, which does not show whether it is %s: the run tracks it for %s more at most",
            reference,
            quoted,
            self.goal,
            _span(min(UNCLEAR_FOR, self._seconds)),
        )

    def _given_up(self, awaited: dict[str, str | None], now: float, ends_at: float) -> list[TrackingResult]:
        """Return the awaited orders for which the time is over."""
        over: list[TrackingResult] = []
        for reference, key in awaited.items():
            unclear = self._unclear.get(reference)
            if now < ends_at and (unclear is None or now < unclear.since + UNCLEAR_FOR):
                continue
            reason = f"it is not known to be {self.goal} after {_span(self._seconds)}"
            if unclear is not None:
                inconclusive = f"it has {unclear.quoted}, which does not show whether it is {self.goal}"
                reason = f"for {_span(now - unclear.since)} {inconclusive}"
                del self._unclear[reference]
            over.append(TrackingResult(reference, None, "", f"it was created as {key}; {reason}"))
        return over


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 3600 else f"{seconds / 3600:.0f} h"
