"""What became of each item of a bulk run, and the counts of them all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ..contract.base import own_fields
from ..contract.stocks import Quantities, Stock
from ..errors import BadRequestError, CallError, ConflictError, UnprocessableError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = [
    "Created",
    "Failed",
    "Found",
    "Missing",
    "Outcome",
    "Refused",
    "Skipped",
    "Summary",
    "Unknown",
]


class _Outcome(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    key: str
    """The item's business reference."""


class Created(_Outcome, frozen=True, kw_only=True, gc=False):
    """It exists now. ``id`` is the API's, where the answer gives one."""

    id: str | None = None


class Refused(_Outcome, frozen=True, kw_only=True):
    """It was refused for what it is, and would be again: by the API, or here before it was sent (``error`` tells)."""

    code: str
    message: str
    error: CallError | ValidationError | None = None


class Failed(_Outcome, frozen=True, kw_only=True):
    """It was surely not created; the same item may pass another time."""

    error: Exception


class Unknown(_Outcome, frozen=True, kw_only=True):
    """It may have been created: look it up by its reference before it is sent again.

    Or it was created, as ``reason`` says, and following it has not told in time where it has got to. With a journal,
    the same run again looks it up by itself: ``retry_after`` is in how many seconds that makes sense.
    """

    reason: str
    error: Exception | None = None
    retry_after: float | None = None


class Skipped(_Outcome, frozen=True, kw_only=True, gc=False):
    """It was not sent: its key came before in the same input, the run stopped, or the journal knows its outcome.

    ``earlier`` is the outcome that the journal knows.
    """

    reason: str
    earlier: Created | Refused | None = None


class Found(_Outcome, frozen=True, kw_only=True):
    """The stocks of a looked-up reference: one, or several that count together."""

    stocks: list[Stock]

    @property
    def stock(self) -> Stock:
        """The first of the stocks, often the only one. :attr:`quantities` counts all of them."""
        return self.stocks[0]

    @property
    def quantities(self) -> Quantities:
        """Quantities by type, summed over all stocks; ``None`` where any of the stocks does not tell its own."""
        return total(self.stocks)


class Missing(_Outcome, frozen=True, kw_only=True):
    """The seller has no such reference, or no stock belongs to it: the API showed it. What it left open is Failed."""

    reason: str


Outcome: TypeAlias = Created | Refused | Failed | Unknown | Skipped | Found | Missing


class Summary(msgspec.Struct, kw_only=True):
    """Counts of a run by outcome. ``total`` is their sum; ``seconds`` counts from the start of the run.

    ``odd_references`` are those that an API may keep in another form, of the items that were to be sent.
    """

    created: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    found: int = 0
    missing: int = 0
    total: int = 0
    in_flight: int = 0
    seconds: float = 0.0
    odd_references: int = 0

    @property
    def per_second(self) -> float:
        """Items decided per second."""
        return self.total / self.seconds if self.seconds > 0 else 0.0

    @property
    def bad(self) -> int:
        """Items that the error budget counts: refused, failed and unknown."""
        return self.refused + self.failed + self.unknown

    def count(self, outcome: Outcome) -> None:
        """Take note of one more outcome."""
        self.total += 1
        name = _COUNTED[type(outcome)]
        setattr(self, name, getattr(self, name) + 1)

    def count_all(self, outcomes: Collection[Outcome]) -> None:
        """Take note of more outcomes."""
        self.total += len(outcomes)
        for name, more in Counter(_COUNTED[type(outcome)] for outcome in outcomes).items():
            setattr(self, name, getattr(self, name) + more)


_COUNTED = {
    Created: "created",
    Refused: "refused",
    Failed: "failed",
    Unknown: "unknown",
    Skipped: "skipped",
    Found: "found",
    Missing: "missing",
}


def total(stocks: Sequence[Stock]) -> Quantities:
    """Sum quantities by type. A sum is told only where every stock tells its part, since a part is no sum."""
    sums: dict[str, int | None] = {}
    for name in own_fields(Quantities):
        parts: list[int | None] = [getattr(stock.quantities, name) for stock in stocks]
        told = [part for part in parts if part is not None]
        sums[name] = sum(told) if told and len(told) == len(parts) else None
    return Quantities(**sums)


def outcome_of(key: str, error: CallError) -> Refused | Failed | Unknown:
    """What an error of a creation means for its item."""
    if error.outcome_unknown:
        return Unknown(key=key, reason=str(error), error=error)
    if isinstance(error, UnprocessableError | ConflictError) or (
        isinstance(error, BadRequestError) and error.status == 400
    ):
        return Refused(key=key, code=error.code or str(error.status), message=str(error), error=error)
    return Failed(key=key, error=error)


def refused_locally(error: ValidationError) -> Refused:
    """The outcome of an item that cannot be right and was not sent."""
    return Refused(key=error.key, code="Invalid", message=str(error), error=error)
