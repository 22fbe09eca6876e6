"""Controls: orders of ours that are known to exist, so that a list must show them before it proves an absence.

Values; see :mod:`.absence`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from .journal import Entry

LookUp: TypeAlias = Callable[[Sequence[str]], Awaitable[list[Entry | None]]]
"""What the journal knows of up to ``LOOK_UP_MOST`` keys, in their order."""


class Control(NamedTuple):
    """An order that exists. ``sent_at`` is by our clock."""

    reference: str
    sent_at: datetime


class Known(NamedTuple):
    """What is known to exist around some sendings.

    ``controls`` must be shown, from ``ripe_in`` seconds on: younger ones may still be invisible. ``created`` is how
    many orders of ours were created since the first of the sendings, longer ago than the patience.
    """

    controls: Sequence[Control] = ()
    created: int = 0
    ripe_in: float = 0.0


Controls: TypeAlias = Callable[[datetime, datetime], Awaitable[Known]]
"""What is known around what was sent from the first to the last of two times, by our clock."""

OneFirst: TypeAlias = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Why some of these absent keys are not to be sent again yet: one is first, as a control of the others."""


class Evidence(NamedTuple):
    """What is known of sendings whose absence is to be proven, besides when they were sent by our clock.

    ``first`` and ``last`` are what the API's own clock showed before the earliest and the latest of them. ``controls``
    are those that the list must show; ``None`` if it need not show any, as one of products. ``look_up`` tells which
    other rows are orders of ours. At least ``created`` orders were created since. ``waited`` is how many seconds have
    passed since the last of them was sent.
    """

    first: datetime | None = None
    last: datetime | None = None
    controls: Sequence[Control] | None = None
    look_up: LookUp | None = None
    created: int = 0
    waited: float = 0.0


class Shown(NamedTuple):
    """A control that a list showed: its id there, and the time by which the filter selects it."""

    id: str | None
    stamp: datetime | None


class Showing:
    """What a list showed of the controls, and what that says of the window it was read in.

    ``ahead`` is by how much our clock is ahead of the API's; ``start`` is where the window began.
    """

    def __init__(self, controls: Sequence[Control], *, start: datetime, ahead: timedelta) -> None:
        self._start = start
        self._expected = {control.reference: control.sent_at - ahead for control in controls}
        self._shown: dict[str, Shown] = {}

    def saw(self, reference: object, shown: Shown) -> None:
        """Take a row, if it is a control."""
        if isinstance(reference, str) and reference in self._expected:
            self._shown[reference] = shown

    @property
    def is_any(self) -> bool:
        """Whether one of them was shown."""
        return bool(self._shown)

    @property
    def lag(self) -> timedelta:
        """By how much stamps lag behind the API's clock, at the most."""
        lags = [
            self._expected[reference] - shown.stamp
            for reference, shown in self._shown.items()
            if shown.stamp is not None
        ]
        return max(lags, default=timedelta(0))

    def missing(self) -> str:
        """Return a control from around the lost ones that the list did not show, or nothing."""
        near = (reference for reference, at in self._expected.items() if at >= self._start)
        return next((reference for reference in near if reference not in self._shown), "")

    def first(self) -> str:
        """Return any control, or nothing."""
        return next(iter(self._expected), "")

    def misplaced(self, ids: set[str | None], since: datetime) -> bool:
        """Whether a control belongs into the window from ``since``, and is not among its ``ids``."""
        return any(
            (self._expected[reference] if shown.stamp is None else shown.stamp) >= since
            for reference, shown in self._shown.items()
            if shown.id not in ids
        )
