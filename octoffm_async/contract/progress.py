"""What the status and the state of an order say together, seen from the status that somebody waits for. Pure.

Three things must not be mixed up: an order that is on its way, one that has ended elsewhere, and one of which nobody
can say. A status that this version does not know is never taken for one that was reached, nor for a refusal.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from .outbound import ShipmentState

if TYPE_CHECKING:
    from .base import OpenEnum
    from .common import Refusal

STATE_INVALID = "StateInvalid"
"""The code of an order that is refused by its state alone, without a code of the API's own."""

LONGEST_TOLD = 60
"""Characters of a text of the API's that a message repeats."""


class Status(Protocol):
    """A status of a life cycle."""

    @property
    def known(self) -> bool: ...
    @property
    def meaning(self) -> Any: ...
    @property
    def final(self) -> bool: ...
    def reached(self, wanted: str) -> bool: ...


class Row(Protocol):
    """Something with a status; it may have a ``state`` and a ``refusal`` as well."""

    @property
    def status(self) -> Any: ...


class Stand(Enum):
    """Where an order is, seen from the status that somebody waits for."""

    ON_ITS_WAY = auto()
    REACHED = auto()
    REFUSED = auto()
    CANCELLED = auto()
    ENDED = auto()
    """In another status that is final."""
    UNCLEAR = auto()
    """The API tells no status, or one that this version does not know."""


def stand_of(row: Row, wanted: OpenEnum) -> Stand:
    """Return where ``row`` is, seen from ``wanted``.

    A final status has the last word: what was shipped has left, whatever its state says. Else an invalid order is a
    refused one (**A**), however far its status had come.
    """
    status: Status | None = row.status
    if status is not None and status.final:
        return Stand.REACHED if status.reached(wanted) else _END.get(status.meaning.value, Stand.ENDED)
    if is_invalid(row):
        return Stand.REACHED if wanted.meaning == "Refused" else Stand.REFUSED
    if status is None or not status.known:
        return Stand.UNCLEAR
    return Stand.REACHED if status.reached(wanted) else Stand.ON_ITS_WAY


_END = {"Refused": Stand.REFUSED, "Cancelled": Stand.CANCELLED}


def is_invalid(row: object) -> bool:
    """Return True if the state of an order is Invalid. Supply orders have no state."""
    return getattr(row, "state", None) == ShipmentState.INVALID


def is_refused(row: Row) -> bool:
    """Return True if an order was refused, by its status or by its state."""
    status: Status | None = row.status
    if status is not None and status.final:
        return bool(status.meaning == "Refused")
    return is_invalid(row)


def reasons_of(row: object) -> list[str]:
    """Return what the API says of why an order was refused: its code and its message, as far as they are told."""
    refusal: Refusal | None = getattr(row, "refusal", None)
    told = [] if refusal is None else [part for part in (refusal.code, refusal.message) if part]
    return told or (["state Invalid"] if is_invalid(row) else [])


def told_status(status: str | None) -> str:
    """Return a status as a message names it: bounded, for the API may send any text."""
    if status is None:
        return "no status"
    text = str(status)
    return f"status {text if len(text) <= LONGEST_TOLD else f'{text[:LONGEST_TOLD]}…'!r}"
