"""Ordering by the thousand: one call an order, never the same order twice by itself."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import CallError
from .job import RUN_ENDING, Job
from .outcomes import Created, outcome_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..session.pipeline import Result
    from .outcomes import Outcome


class Order(Protocol):
    """Something with a business reference, by which a lost answer can be looked up."""

    @property
    def reference(self) -> str: ...


OrderT = TypeVar("OrderT", bound=Order)


class CreateOrders(Job[OrderT]):
    """The job of ``client.bulk.create_outbound`` and ``create_inbound``."""

    one_by_one = True

    def __init__(
        self,
        *,
        send: Callable[[Any], Awaitable[Result[str]]],
        check: Callable[[OrderT], None],
        takes_encoded: bool = False,
    ) -> None:
        self.key = attrgetter("reference")
        self.check = check
        self.send = send
        self.takes_encoded = takes_encoded

    def outcome(self, item: OrderT, answer: Result[str]) -> Outcome:
        return Created(key=item.reference, id=answer[0])

    def outcome_of_error(self, item: OrderT, error: BaseException) -> Outcome:
        if not isinstance(error, CallError) or isinstance(error, RUN_ENDING):
            raise error
        return outcome_of(item.reference, error)
