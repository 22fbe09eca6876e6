"""Any single call over many items, but for creations that have runs of their own."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..contract.base import Request
from ..contract.requests.checks import text_problems
from ..contract.requests.fingerprints import fingerprints
from ..errors import CallError, ConfigurationError, NotFoundError, OctoffmError, ValidationError
from ..resources.inbound import Inbound
from ..resources.outbound import Outbound
from ..resources.products import Products
from ..resources.protecting import in_each
from ..resources.returns import Returns
from ..resources.stocks import Stocks
from ..session.seller_session import SellerSession
from .job import RUN_ENDING, Job
from .outcomes import Done, Failed, Missing, Outcome, outcome_of, refused_locally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..config import Config

T = TypeVar("T")

_INSTEAD: dict[Any, str] = {
    Outbound.create: "create_outbound",
    Inbound.create: "create_inbound",
    Products.create: "create_products",
    Products.add_reference: "create_products",
}
_READS = (
    Inbound.get,
    Inbound.delivery_note,
    Stocks.get,
    Outbound.get,
    Outbound.get_cancellation,
    Returns.get,
    Returns.label,
)


class CallEach(Job[T]):
    """The job of ``client.bulk.each``."""

    one_by_one = True

    def __init__(
        self, operation: Callable[[T], Awaitable[Any]], config: Config, key: Callable[[T], str] | None
    ) -> None:
        method = _method_of(operation)
        if method in _INSTEAD:
            raise ConfigurationError(f"bulk.each creates no orders and products: use bulk.{_INSTEAD[method]}(items)")
        if not callable(operation):
            raise ConfigurationError(f"operation must be a method or a coroutine function, not {operation!r}")
        self._operation = _as_bulk(operation, config)
        self.key: Callable[[T], str] = key or _name_of
        self.send: Callable[[Any], Awaitable[Any]] = self._send
        self.reads_only: bool = method in _READS

    def check(self, item: T) -> None:
        """Check that the item has a name."""
        name: object = self.key(item)
        if problems := text_problems("key", name):
            raise ValidationError("item", str(name), problems)

    def fingerprints(self, items: Sequence[T]) -> list[bytes]:
        if all(isinstance(item, Request) for item in items):
            return fingerprints(cast("Sequence[Any]", items))
        return super().fingerprints(items)

    def outcome(self, item: T, answer: Any) -> Outcome:
        return Done(key=self.key(item), value=answer)

    def outcome_of_error(self, item: T, error: BaseException) -> Outcome:
        key = self.key(item)
        match error:
            case ConfigurationError():
                raise error
            case _ if isinstance(error, RUN_ENDING):
                raise error
            case ValidationError():
                return refused_locally(ValidationError(error.what, key, error.problems))
            case NotFoundError():
                return Missing(key=key, reason=str(error))
            case CallError():
                return outcome_of(key, error)
            case OctoffmError():
                return Failed(key=key, error=error)
            case _:
                raise error

    async def _send(self, item: T) -> Any:
        with in_each():
            return await self._operation(item)


def _name_of(item: Any) -> str:
    """Return the name of an item: a text itself, a number's digits, the reference of a request."""
    if isinstance(item, Request):
        return str(getattr(item, "reference", None) or getattr(item, "outbound_shipment_id", None) or "")
    if isinstance(item, str) or (isinstance(item, int) and not isinstance(item, bool)):
        return str(item)
    raise ConfigurationError(f"an item is {type(item).__name__}: say by key= what names it")


def _method_of(operation: Any) -> Any:
    """Return the function at the bottom of a bound method, a partial or a raw form of a method."""
    while isinstance(operation, functools.partial):
        operation = operation.func
    return getattr(inspect.unwrap(operation), "__func__", inspect.unwrap(operation)) if callable(operation) else None


def _as_bulk(operation: Callable[[T], Awaitable[Any]], config: Config) -> Callable[[T], Awaitable[Any]]:
    """Return a method of a resource with the options of bulk calls; anything else is called as it is."""
    resource = getattr(operation, "__self__", None)
    if not isinstance(resource, Products | Inbound | Stocks | Outbound | Returns):
        return operation
    scope = resource._scope  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    own = type(resource)(SellerSession(scope.session, scope.seller_id, scope.options.for_bulk(config)))
    return cast("Callable[[T], Awaitable[Any]]", getattr(own, cast("Any", operation).__name__))
