"""Following creations until they have reached a status or were refused: one scan by time of change for all of them.

A creation may be refused after the fact (an unknown product), so that ``Created`` is not the last word. What is
followed is scanned for together, again and again, and never asked for one by one.

Following ends, whatever the API says: an order that has not got there within :data:`FOLLOW_FOR` is given up, and one
whose status tells nothing (it is missing, or new to this version) after :data:`UNCLEAR_FOR`. Neither was refused: it is
Unknown where it is, and the next run of the same input follows it again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..config import is_above_zero
from ..contract.inbound import InboundShipment, InboundStatus
from ..contract.outbound import OutboundShipment, OutboundStatus
from ..contract.progress import Stand, stand_of, told_status
from ..errors import ConfigurationError
from .changes import Changed, ChangeFeed
from .finding import OrderKind, by_their_clock, match_of
from .gathering import Match
from .reconcile import sleep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from ..session.scope import Scope

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0

FOLLOW_FOR = 7 * 86_400.0
"""Seconds that a run follows its orders: a week holds every weekend and most holidays of a warehouse."""
UNCLEAR_FOR = 86_400.0
"""Seconds that an order may be in a status that tells nothing: a new station between two known ones is passed by then,
and a new one behind them all is not."""
_WARNINGS_MOST = 20
"""Statuses that one run warns of: the API may make up any number of them."""

logger = logging.getLogger("octoffm_async")

OutboundGoal = Literal["accepted", "shipped"]
InboundGoal = Literal["accepted", "received"]


_STATUSES: dict[OrderKind, type[OutboundStatus | InboundStatus]] = {
    "outbound": OutboundStatus,
    "inbound": InboundStatus,
}


class Arrival(NamedTuple):
    """The end of following an order: where it is, or why it was given up (then there is no ``match``)."""

    reference: str
    match: Match | None
    status: str
    reason: str = ""


class _Unclear(NamedTuple):
    """Since when an order has been in a status that tells nothing, by the loop's clock."""

    since: float
    told: str


class Follower:
    """Scans for orders of one kind until all that are awaited have reached a status, or ended in another one.

    ``seconds`` is how long it does that at most.
    """

    def __init__(self, scope: Scope, kind: OrderKind, goal: str, *, seconds: float = FOLLOW_FOR) -> None:
        self._scope = scope
        self._kind: OrderKind = kind
        self.goal = _STATUSES[kind](goal)
        self._seconds = seconds
        self._warned: set[str] = set()
        self._unclear: dict[str, _Unclear] = {}
        if not self.goal.known:
            raise ConfigurationError(f"follow must be one of {', '.join(_STATUSES[kind])}, not {goal!r}")
        if not is_above_zero(seconds):
            raise ConfigurationError(f"follow_for must be a number of seconds above zero, not {seconds!r}")

    def has_arrived(self, status: str) -> bool:
        """Whether a status that was seen before needs no more following."""
        return bool(status) and _STATUSES[self._kind](status).reached(self.goal)

    async def follow(
        self,
        awaited: dict[str, str | None],
        *,
        since: datetime,
        rest: Callable[[float], Awaitable[bool]] = sleep,
    ) -> AsyncIterator[Arrival]:
        """Tell of each of ``awaited`` (reference → id) when it has arrived, ended, or is given up.

        Those are taken out of ``awaited``; it ends when none is left, or when ``rest`` between two scans says no.
        """
        clock = asyncio.get_running_loop().time
        ends = clock() + self._seconds
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
            for arrival in self._given_up(awaited, clock(), ends):
                del awaited[arrival.reference]
                yield arrival
            if awaited:
                next_end = min([ends, *(unclear.since + UNCLEAR_FOR for unclear in self._unclear.values())])
                if not await rest(min(pause, max(next_end - clock(), 0.0))):
                    return
                pause = min(LONGEST_PAUSE, pause * 1.5)

    def _arrival(self, reference: str, row: Changed, now: float) -> Arrival | None:
        """Return what it means for an order to be where it is; nothing while it is on its way, or nobody can say."""
        if not isinstance(row, OutboundShipment | InboundShipment):
            return None
        stand = stand_of(row, self.goal)
        if stand is Stand.UNCLEAR:
            self._warn(reference, row.status)
            before = self._unclear.get(reference)
            self._unclear[reference] = _Unclear(now if before is None else before.since, told_status(row.status))
            return None
        self._unclear.pop(reference, None)
        if stand is Stand.ON_ITS_WAY:
            return None
        match = match_of(row)
        if stand is Stand.CANCELLED:
            match = Match(match.id, "Cancelled", "cancelled after it was created", refused=True)
        return Arrival(reference, match, str(row.status))

    def _warn(self, reference: str, status: str | None) -> None:
        """Tell once of each status that says nothing about the goal."""
        told = told_status(status)
        if told in self._warned or len(self._warned) >= _WARNINGS_MOST:
            return
        self._warned.add(told)
        logger.warning(
            "order %r has %s, from which nobody can tell whether it is %s: it is followed for %s more at most",
            reference,
            told,
            self.goal,
            _span(min(UNCLEAR_FOR, self._seconds)),
        )

    def _given_up(self, awaited: dict[str, str | None], now: float, ends: float) -> list[Arrival]:
        """Return the awaited orders for which the time is over."""
        over: list[Arrival] = []
        for reference, key in awaited.items():
            unclear = self._unclear.get(reference)
            if now < ends and (unclear is None or now < unclear.since + UNCLEAR_FOR):
                continue
            reason = f"it is not known to be {self.goal} after {_span(self._seconds)}"
            if unclear is not None:
                told = f"it has {unclear.told}, from which nobody can tell whether it is {self.goal}"
                reason = f"for {_span(now - unclear.since)} {told}"
                del self._unclear[reference]
            over.append(Arrival(reference, None, "", f"it was created as {key}; {reason}"))
        return over


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 3600 else f"{seconds / 3600:.0f} h"
