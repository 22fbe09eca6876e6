"""Controls: orders of ours that are known to exist, so that a list must show them before it proves an absence.

Values only; see :mod:`.absence` for the theory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from ...journal import Entry

EntryLookup: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Entry | None]]]
"""Look-up in the journal: the entries of up to ``LOOK_UP_MOST`` keys, in their order."""


class ControlOrder(NamedTuple):
    """An order that exists. ``sent_at`` is by the local clock."""

    reference: str
    sent_at: datetime


class KnownOrders(NamedTuple):
    """Orders that are known to exist around some requests.

    The list must show ``controls`` from ``ripe_in`` seconds on: younger ones may still be invisible. ``created`` is the
    number of orders of ours created since the first of the requests, longer ago than the patience.
    """

    controls: Sequence[ControlOrder] = ()
    created: int = 0
    ripe_in: float = 0.0


Controls: TypeAlias = Callable[[datetime, datetime], Awaitable[KnownOrders]]
"""Look-up of known orders around requests that were sent from the first to the last of two local times."""

OneFirst: TypeAlias = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Reasons why absent keys must not be sent again yet: one is sent first, as a control of the others."""


class Evidence(NamedTuple):
    """Evidence on requests whose absence is to be proven, besides their local times.

    ``first`` and ``last`` are the times of the API's own clock before the earliest and the latest of them. The list
    must show the ``controls``; ``None`` if it need not show any, as with products. ``look_up`` returns which other rows
    are orders of ours. At least ``created`` orders were created since. ``waited`` is the number of seconds since the
    last of them was sent.
    """

    first: datetime | None = None
    last: datetime | None = None
    controls: Sequence[ControlOrder] | None = None
    look_up: EntryLookup | None = None
    created: int = 0
    waited: float = 0.0


class ShownControl(NamedTuple):
    """A control in a list: its id there, and the time by which the filter selects it."""

    id: str | None
    stamp: datetime | None


class Showing:
    """Controls that a list showed, and conclusions on the window in which it was read.

    ``ahead`` is the time by which the local clock is ahead of the API's; ``start`` is the start of the window.
    """

    def __init__(self, controls: Sequence[ControlOrder], *, start: datetime, ahead: timedelta) -> None:
        self._start = start
        self._expected = {control.reference: control.sent_at - ahead for control in controls}
        self._shown: dict[str, ShownControl] = {}

    def saw(self, reference: object, shown: ShownControl) -> None:
        """Note a row, if it is a control."""
        if isinstance(reference, str) and reference in self._expected:
            self._shown[reference] = shown

    @property
    def is_any(self) -> bool:
        """True if at least one control was shown."""
        return bool(self._shown)

    @property
    def lag(self) -> timedelta:
        """Maximum time by which stamps lag behind the API's clock."""
        lags = [
            self._expected[reference] - shown.stamp
            for reference, shown in self._shown.items()
            if shown.stamp is not None
        ]
        return max(lags, default=timedelta(0))

    def missing(self) -> str:
        """Return a control near the lost orders that the list did not show, or ""."""
        near = (reference for reference, at in self._expected.items() if at >= self._start)
        return next((reference for reference in near if reference not in self._shown), "")

    def first(self) -> str:
        """Return any control, or ""."""
        return next(iter(self._expected), "")

    def misplaced(self, ids: set[str | None], since: datetime) -> bool:
        """Return True if a control belongs into the window from ``since``, and is not among its ``ids``."""
        return any(
            (self._expected[reference] if shown.stamp is None else shown.stamp) >= since
            for reference, shown in self._shown.items()
            if shown.id not in ids
        )
