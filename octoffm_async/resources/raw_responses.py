"""Single calls that give the API's answer beside its value: ``client.with_raw_response``."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from ..session.seller_session import SellerSession
from ..transport.headers import trace_id_of
from .inbound import Inbound
from .outbound import Outbound
from .products import Products
from .returns import Returns
from .stocks import Stocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..transport.response import Response
    from .protecting import CreateThroughJournal

P = ParamSpec("P")
T = TypeVar("T")


class RawResponse(NamedTuple, Generic[T]):
    """A value and the answers of the API from which it was made, the last one last; retries are among them.

    There is no answer where none was needed: an order that a journal knows is not sent.
    """

    value: T
    responses: tuple[Response, ...]

    @property
    def response(self) -> Response:
        """The last answer: status, headers, bytes.

        Raises:
            LookupError: No request was needed.
        """
        if not self.responses:
            raise LookupError("no request was needed, so there is no answer")
        return self.responses[-1]

    @property
    def trace_id(self) -> str:
        """The id under which the API's operators find the request, empty if the answer names none."""
        return trace_id_of(self.responses[-1].headers) if self.responses else ""


class _RawMethod(Generic[P, T]):
    """A method of a resource; called, it gives a :class:`RawResponse`."""

    def __init__(self, method: Callable[Concatenate[Any, P], Awaitable[T]]) -> None:
        self._method = method

    def __get__(self, resource: _RawResource, owner: object = None) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]]:
        method, scope = self._method, resource.scope

        @wraps(method)
        async def call(*args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
            responses: list[Response] = []
            listener = scope.options.on_response

            def keep(response: Response) -> None:
                responses.append(response)
                if listener is not None:
                    listener(response)

            own = SellerSession(scope.session, scope.seller_id, scope.options.changed(on_response=keep))
            value = await method(resource.make(own), *args, **kwargs)
            return RawResponse(value, tuple(responses))

        return call


def _raw(
    method: Callable[Concatenate[Any, P], Awaitable[T]],
) -> Callable[[Callable[..., None]], _RawMethod[P, T]]:
    """Return a decorator that puts the raw form of a method in the place of its stub."""
    return lambda _stub: _RawMethod(method)


class _RawResource:
    def __init__(self, scope: SellerSession, make: Callable[[SellerSession], object]) -> None:
        self.scope = scope
        self.make = make


class RawProducts(_RawResource):
    """The calls of ``client.products``; a list gives its first page."""

    @_raw(Products.create)
    def create(self) -> None: ...

    @_raw(Products.add_reference)
    def add_reference(self) -> None: ...

    @_raw(Products.references)
    def references(self) -> None: ...


class RawInbound(_RawResource):
    """The calls of ``client.inbound``; a list gives its first page."""

    @_raw(Inbound.create)
    def create(self) -> None: ...

    @_raw(Inbound.get)
    def get(self) -> None: ...

    @_raw(Inbound.list)
    def list(self) -> None: ...

    @_raw(Inbound.count)
    def count(self) -> None: ...

    @_raw(Inbound.delivery_note)
    def delivery_note(self) -> None: ...


class RawStocks(_RawResource):
    """The calls of ``client.stocks``; a list gives its first page."""

    @_raw(Stocks.get)
    def get(self) -> None: ...

    @_raw(Stocks.list)
    def list(self) -> None: ...


class RawOutbound(_RawResource):
    """The calls of ``client.outbound``; a list gives its first page."""

    @_raw(Outbound.create)
    def create(self) -> None: ...

    @_raw(Outbound.get)
    def get(self) -> None: ...

    @_raw(Outbound.list)
    def list(self) -> None: ...

    @_raw(Outbound.count)
    def count(self) -> None: ...

    @_raw(Outbound.request_cancellation)
    def request_cancellation(self) -> None: ...

    @_raw(Outbound.get_cancellation)
    def get_cancellation(self) -> None: ...


class RawReturns(_RawResource):
    """The calls of ``client.returns``; a list gives its first page."""

    @_raw(Returns.create)
    def create(self) -> None: ...

    @_raw(Returns.get)
    def get(self) -> None: ...

    @_raw(Returns.list)
    def list(self) -> None: ...

    @_raw(Returns.count)
    def count(self) -> None: ...

    @_raw(Returns.label)
    def label(self) -> None: ...


class RawResponses:
    """The resources of a client, whose single calls give a :class:`RawResponse`."""

    def __init__(self, scope: SellerSession, protect: CreateThroughJournal) -> None:
        self.products: RawProducts = RawProducts(scope, Products)
        self.inbound: RawInbound = RawInbound(scope, lambda own: Inbound(own, protect))
        self.stocks: RawStocks = RawStocks(scope, Stocks)
        self.outbound: RawOutbound = RawOutbound(scope, lambda own: Outbound(own, protect))
        self.returns: RawReturns = RawReturns(scope, Returns)
