"""A single call that gives the API's answer beside its value; each resource names its own."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from ..session.seller_session import SellerSession
from ..transport.headers import trace_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..transport.response import Response

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

    def __get__(self, resource: RawResource, owner: object = None) -> Callable[P, Coroutine[Any, Any, RawResponse[T]]]:
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


def raw(
    method: Callable[Concatenate[Any, P], Awaitable[T]],
) -> Callable[[Callable[..., None]], _RawMethod[P, T]]:
    """Return a decorator that puts the raw form of a method in the place of its stub."""
    return lambda _stub: _RawMethod(method)


class RawResource:
    """Base of the resources whose calls give a :class:`RawResponse`: each names its methods once, with :func:`raw`."""

    def __init__(self, scope: SellerSession, make: Callable[[SellerSession], object]) -> None:
        self.scope = scope
        self.make = make
