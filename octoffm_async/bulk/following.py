"""Following creations until they have reached a status or were refused: one scan by time of change for all of them.

A creation may be refused after the fact (an unknown product), so that ``Created`` is not the last word. What is
followed is scanned for together, again and again, and never asked for one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..contract.inbound import InboundShipment, InboundStatus
from ..contract.outbound import OutboundShipment, OutboundStatus
from ..errors import ConfigurationError
from .changes import Changed, ChangeFeed
from .finding import Match, OrderKind, by_their_clock, match_of
from .reconcile import sleep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from ..session.scope import Scope

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0

OutboundGoal = Literal["accepted", "shipped"]
InboundGoal = Literal["accepted", "received"]


_STATUSES: dict[OrderKind, type[OutboundStatus | InboundStatus]] = {
    "outbound": OutboundStatus,
    "inbound": InboundStatus,
}


class Follower:
    """Scans for orders of one kind until all that are awaited have reached a status, or ended in another one."""

    def __init__(self, scope: Scope, kind: OrderKind, goal: str) -> None:
        self._scope = scope
        self._kind: OrderKind = kind
        self.goal = _STATUSES[kind](goal)
        if not self.goal.known:
            raise ConfigurationError(f"follow must be one of {', '.join(_STATUSES[kind])}, not {goal!r}")

    def has_arrived(self, status: str) -> bool:
        """Whether a status that was seen before needs no more following."""
        return bool(status) and _STATUSES[self._kind](status).reached(self.goal)

    async def follow(
        self,
        awaited: dict[str, str | None],
        *,
        since: datetime,
        rest: Callable[[float], Awaitable[bool]] = sleep,
    ) -> AsyncIterator[tuple[str, Match, str]]:
        """Reference, match and status of each of ``awaited`` (reference → id) that has arrived or ended.

        Those are taken out of ``awaited``; it ends when none is left, or when ``rest`` between two scans says no.
        """
        feed = ChangeFeed(self._scope, await by_their_clock(self._scope, self._kind, since), kinds=[self._kind])
        pause = FIRST_PAUSE
        while awaited:
            async for change in feed:
                reference = getattr(change.item, "reference", None) or ""
                arrived = self._arrival(change.item)
                if arrived is not None and awaited.get(reference) == change.id:
                    del awaited[reference]
                    yield reference, *arrived
            if awaited:
                if not await rest(pause):
                    return
                pause = min(LONGEST_PAUSE, pause * 1.5)

    def _arrival(self, row: Changed) -> tuple[Match, str] | None:
        """What it means for an order to be where it is, and its status; nothing while it is on its way."""
        status = row.status if isinstance(row, OutboundShipment | InboundShipment) else None
        if status is None or not (status.reached(self.goal) or status.final):
            return None
        match = match_of(row)
        if status == "Cancelled":
            match = Match(match.id, "Cancelled", "cancelled after it was created", refused=True)
        return match, str(status)
