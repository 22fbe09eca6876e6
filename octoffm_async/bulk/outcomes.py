"""Outcomes of the items of a bulk run, and their counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

import msgspec

from ..contract.base import modelled_fields
from ..contract.stocks import Quantities, Stock
from ..errors import BadRequestError, CallError, ConflictError, UnprocessableError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from typing_extensions import TypeVar  # of the type checkers: nothing has to be installed

    IdT_co = TypeVar("IdT_co", bound=str | None, default=str | None, covariant=True)
    ValueT_co = TypeVar("ValueT_co", default=Any, covariant=True)
else:
    from typing import TypeVar

    IdT_co = TypeVar("IdT_co", covariant=True)
    ValueT_co = TypeVar("ValueT_co", covariant=True)

__all__ = [
    "CreateOutcome",
    "Created",
    "Done",
    "EachOutcome",
    "Failed",
    "Found",
    "LookupOutcome",
    "Missing",
    "OrderOutcome",
    "Outcome",
    "ProductOutcome",
    "Refused",
    "Skipped",
    "Summary",
    "Unknown",
]


class _Outcome(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    key: str
    """The item's business reference."""
    item: Any = None
    """The item of the input itself, in a run with ``with_items=True``. The ``repr`` does not show it."""

    def __repr__(self) -> str:
        """Show the outcome without the item, which has the data of a customer."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "item"]


class Created(_Outcome, Generic[IdT_co], frozen=True, kw_only=True, gc=False):
    """Outcome of an item that exists now.

    ``id`` is the API's: a text for orders (``Created[str]``), ``None`` for products (``Created[None]``).
    """

    id: IdT_co = cast("IdT_co", None)


class Refused(_Outcome, frozen=True, kw_only=True):
    """Outcome of an invalid item, refused by the API or by the client (see ``error``); it would be refused again."""

    code: str
    message: str
    error: CallError | ValidationError | None = None


class Failed(_Outcome, frozen=True, kw_only=True):
    """Outcome of an item that was certainly not created; the same item may succeed another time."""

    error: Exception


class Unknown(_Outcome, frozen=True, kw_only=True):
    """Outcome of an item that may have been created: look it up by its reference before you send it again.

    Or it was created, as ``reason`` says, and status tracking ended before it reached the status. With a journal, the
    same run again looks it up by itself: ``retry_after`` is the number of seconds after which that makes sense.
    """

    reason: str
    error: Exception | None = None
    retry_after: float | None = None


class Skipped(_Outcome, Generic[IdT_co], frozen=True, kw_only=True, gc=False):
    """Outcome of an item that was not sent: a duplicate in the input, a stopped run, or an outcome in the journal.

    ``earlier`` is the outcome in the journal.
    """

    reason: str
    earlier: Created[IdT_co] | Refused | None = None


class Found(_Outcome, frozen=True, kw_only=True):
    """The stocks of a looked-up reference: one, or several that count together."""

    stocks: list[Stock]

    @property
    def stock(self) -> Stock:
        """The first of the stocks, often the only one. :attr:`quantities` counts all of them."""
        return self.stocks[0]

    @property
    def quantities(self) -> Quantities:
        """Quantities by type, summed over all stocks; ``None`` where a stock does not give its own."""
        return total(self.stocks)


class Done(_Outcome, Generic[ValueT_co], frozen=True, kw_only=True):
    """Outcome of a call of ``bulk.each`` that succeeded; ``value`` is what it returned."""

    value: ValueT_co


class Missing(_Outcome, frozen=True, kw_only=True):
    """Outcome of an item of which the API showed that it does not exist, or has no stock (else Failed)."""

    reason: str


OrderOutcome: TypeAlias = Created[str] | Refused | Failed | Unknown | Skipped[str]
"""Outcomes of ``create_outbound`` and ``create_inbound``; the id of a created order is a text."""
ProductOutcome: TypeAlias = Created[None] | Refused | Failed | Unknown | Skipped[None]
"""Outcomes of ``create_products``; the API gives registered products no id."""
CreateOutcome: TypeAlias = Created | Refused | Failed | Unknown | Skipped
"""Outcomes of a run that creates items of any kind, such as ``resume``."""
LookupOutcome: TypeAlias = Found | Missing | Refused | Failed | Skipped
"""Outcomes of ``lookup_stocks``; Refused is a reference that cannot be looked up, such as an empty one."""
EachOutcome: TypeAlias = Done[ValueT_co] | Missing | Refused | Failed | Unknown | Skipped
"""Outcomes of ``each``; Missing is an item that the API does not know (404)."""
Outcome: TypeAlias = CreateOutcome | LookupOutcome | Done[Any]
"""Outcomes of all runs."""


class Summary(msgspec.Struct, kw_only=True):
    """Counts of a run by outcome.

    ``total`` is their sum; ``seconds`` counts from the start of the run.

    ``looking_up`` is the number of items whose outcome is unknown so far and that are being looked up, ``following``
    that of created ones whose status is awaited: what a run with a journal waits for at its end.

    ``odd_references`` is the number of references of sent items that an API may store in another form. ``rejected`` is
    the number of items that a file could not give (:func:`octoffm_async.tabular.read_orders`): they are no items of the
    run, and have no outcome.
    """

    created: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    found: int = 0
    missing: int = 0
    done: int = 0
    total: int = 0
    in_flight: int = 0
    seconds: float = 0.0
    odd_references: int = 0
    looking_up: int = 0
    following: int = 0
    rejected: int = 0

    @property
    def per_second(self) -> float:
        """Number of items decided per second."""
        return self.total / self.seconds if self.seconds > 0 else 0.0

    @property
    def bad(self) -> int:
        """Number of items that the error budget counts: refused, failed and unknown."""
        return self.refused + self.failed + self.unknown

    def counts(self) -> dict[str, int]:
        """Return the counts by kind of outcome, with their sum as ``total``."""
        return {name: getattr(self, name) for name in (*_COUNTED.values(), "total")}

    def count(self, outcome: Outcome) -> None:
        """Count one more outcome."""
        self.total += 1
        name = _COUNTED[type(outcome)]
        setattr(self, name, getattr(self, name) + 1)

    def count_all(self, outcomes: Collection[Outcome]) -> None:
        """Count more outcomes."""
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
    Done: "done",
}


def total(stocks: Sequence[Stock]) -> Quantities:
    """Sum quantities by type. A sum is given only where every stock gives its part, since a part is no sum."""
    sums: dict[str, int | None] = {}
    for name in modelled_fields(Quantities):
        parts: list[int | None] = [getattr(stock.quantities, name) for stock in stocks]
        told = [part for part in parts if part is not None]
        sums[name] = sum(told) if told and len(told) == len(parts) else None
    return Quantities(**sums)


def outcome_of(key: str, error: CallError) -> Refused | Failed | Unknown:
    """Convert an error of a creation to the outcome of its item."""
    if error.outcome_unknown:
        return Unknown(key=key, reason=str(error), error=error)
    if isinstance(error, UnprocessableError | ConflictError) or (
        isinstance(error, BadRequestError) and error.status == 400
    ):
        return Refused(key=key, code=error.code or str(error.status), message=str(error), error=error)
    return Failed(key=key, error=error)


def refused_locally(error: ValidationError) -> Refused:
    """Return the outcome of an invalid item that was not sent."""
    return Refused(key=error.key, code="Invalid", message=str(error), error=error)
