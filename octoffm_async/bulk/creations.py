"""Ordering by the thousand: one call an order, never the same order twice by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Raw

from ..errors import CallError
from .job import RUN_ENDING, Job
from .outcomes import Created, outcome_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

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
        self, *, send: Callable[[Any], Awaitable[str]], check: Callable[[OrderT], None], takes_encoded: bool = False
    ) -> None:
        self.takes_encoded = takes_encoded
        self._send = send
        self._check = check

    def key(self, item: OrderT) -> str:
        return item.reference

    def keys(self, items: Iterable[OrderT]) -> list[str]:
        return [item.reference for item in items]

    def check(self, item: OrderT) -> None:
        self._check(item)

    async def decide(self, item: OrderT, encoded: bytes | None = None) -> Outcome:
        try:
            order_id = await self._send(item if encoded is None else Raw(encoded))
        except RUN_ENDING:
            raise
        except CallError as error:
            return outcome_of(item.reference, error)
        return Created(key=item.reference, id=order_id)
