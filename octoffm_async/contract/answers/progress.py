"""Progress of an order towards a wanted status, from its status and its state together. Pure functions.

Three cases must stay apart: an order in progress, an order that ended in another status, and an order with an unclear
status. A status that this version of the package does not know counts neither as reached nor as a refusal.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from ..outbound import ShipmentState

if TYPE_CHECKING:
    from ..base import OpenEnum
    from ..common import Refusal

STATE_INVALID = "StateInvalid"
"""Code of an order that is refused by its state alone, for which the API gives no code."""

MAX_QUOTED_LENGTH = 60
"""Largest number of characters of an API text that a message quotes."""


class LifecycleStatus(Protocol):
    """A status of a life cycle."""

    @property
    def known(self) -> bool: ...
    @property
    def meaning(self) -> Any: ...
    @property
    def final(self) -> bool: ...
    def reached(self, target_status: str) -> bool: ...


class HasStatus(Protocol):
    """An object with a status; it may have a ``state`` and a ``refusal`` as well."""

    @property
    def status(self) -> Any: ...


class OrderProgress(Enum):
    """The progress of an order towards a wanted status."""

    IN_PROGRESS = auto()
    REACHED = auto()
    REFUSED = auto()
    CANCELLED = auto()
    ENDED = auto()
    """The order has another final status."""
    UNCLEAR = auto()
    """The API gives no status, or one that this version does not know."""


def progress_of(row: HasStatus, target_status: OpenEnum) -> OrderProgress:
    """Return the progress of ``row`` towards the status ``target_status``.

    A final status decides: a shipped order stays shipped whatever its state says. Otherwise an order with the state
    Invalid counts as refused (assumed), whatever status it had reached.
    """
    status: LifecycleStatus | None = row.status
    if status is not None and status.final:
        return (
            OrderProgress.REACHED
            if status.reached(target_status)
            else _END.get(status.meaning.value, OrderProgress.ENDED)
        )
    if is_invalid(row):
        return OrderProgress.REACHED if target_status.meaning == "Refused" else OrderProgress.REFUSED
    if status is None or not status.known:
        return OrderProgress.UNCLEAR
    return OrderProgress.REACHED if status.reached(target_status) else OrderProgress.IN_PROGRESS


_END = {"Refused": OrderProgress.REFUSED, "Cancelled": OrderProgress.CANCELLED}


def is_invalid(row: object) -> bool:
    """Return True if the state of an order is Invalid. Supply orders have no state."""
    return getattr(row, "state", None) == ShipmentState.INVALID


def is_refused(row: HasStatus) -> bool:
    """Return True if an order was refused, by its status or by its state."""
    status: LifecycleStatus | None = row.status
    if status is not None and status.final:
        return bool(status.meaning == "Refused")
    return is_invalid(row)


def refusal_reasons(row: object) -> list[str]:
    """Return the API's reasons of a refusal: its code and its message, as far as the API gives them."""
    refusal: Refusal | None = getattr(row, "refusal", None)
    reasons = [] if refusal is None else [part for part in (refusal.code, refusal.message) if part]
    return reasons or (["state Invalid"] if is_invalid(row) else [])


def quoted_status(status: str | None) -> str:
    """Return a status for a message, cut to a bounded length because the API may send any text."""
    if status is None:
        return "no status"
    text = str(status)
    return f"status {text if len(text) <= MAX_QUOTED_LENGTH else f'{text[:MAX_QUOTED_LENGTH]}…'!r}"
