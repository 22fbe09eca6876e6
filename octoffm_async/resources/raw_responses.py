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


class _RawResource:
    def __init__(self, scope: SellerSession, make: Callable[[SellerSession], object]) -> None:
        self.scope = scope
        self.make = make


class RawProducts(_RawResource):
    """The calls of ``client.products``; a list gives its first page."""

    create = _RawMethod(Products.create)
    add_reference = _RawMethod(Products.add_reference)
    references = _RawMethod(Products.references)


class RawInbound(_RawResource):
    """The calls of ``client.inbound``; a list gives its first page."""

    create = _RawMethod(Inbound.create)
    get = _RawMethod(Inbound.get)
    list = _RawMethod(Inbound.list)
    count = _RawMethod(Inbound.count)
    delivery_note = _RawMethod(Inbound.delivery_note)


class RawStocks(_RawResource):
    """The calls of ``client.stocks``; a list gives its first page."""

    get = _RawMethod(Stocks.get)
    list = _RawMethod(Stocks.list)


class RawOutbound(_RawResource):
    """The calls of ``client.outbound``; a list gives its first page."""

    create = _RawMethod(Outbound.create)
    get = _RawMethod(Outbound.get)
    list = _RawMethod(Outbound.list)
    count = _RawMethod(Outbound.count)
    request_cancellation = _RawMethod(Outbound.request_cancellation)
    get_cancellation = _RawMethod(Outbound.get_cancellation)


class RawReturns(_RawResource):
    """The calls of ``client.returns``; a list gives its first page."""

    create = _RawMethod(Returns.create)
    get = _RawMethod(Returns.get)
    list = _RawMethod(Returns.list)
    count = _RawMethod(Returns.count)
    label = _RawMethod(Returns.label)


class RawResponses:
    """The resources of a client, whose single calls give a :class:`RawResponse`."""

    def __init__(self, scope: SellerSession, protect: CreateThroughJournal) -> None:
        self.products: RawProducts = RawProducts(scope, Products)
        self.inbound: RawInbound = RawInbound(scope, lambda own: Inbound(own, protect))
        self.stocks: RawStocks = RawStocks(scope, Stocks)
        self.outbound: RawOutbound = RawOutbound(scope, lambda own: Outbound(own, protect))
        self.returns: RawReturns = RawReturns(scope, Returns)
