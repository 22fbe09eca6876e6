"""The route table: from a method and a path to an operation, its handler, and the id in the path."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from octoffm_async.contract.operations import CREATE_TOKEN, Operation

from ..handlers import cancellations, documents, inbound, outbound, products, returns, sellers, stocks
from .call import API_PATH, Handler

TOKEN_PATH = "/auth/realms/maas/protocol/openid-connect/token"  # noqa: S105  (a path, not a secret)

# Register a new resource here.
_RESOURCES: tuple[Mapping[Operation[Any], Handler], ...] = (
    products.HANDLERS,
    stocks.HANDLERS,
    outbound.HANDLERS,
    inbound.HANDLERS,
    documents.HANDLERS,
    cancellations.HANDLERS,
    returns.HANDLERS,
    sellers.HANDLERS,
)

_Key = tuple[str, ...]


class Route(NamedTuple):
    """The target of a request. The token endpoint has no handler here: it is outside the API."""

    operation: Operation[Any]
    handler: Handler | None
    item: str = ""


class MethodNotAllowed(NamedTuple):
    """A path that exists, but not with the method of the request."""

    allowed: str


class Router:
    """Router with a look-up in O(1), whatever the number of routes. The parameter of a path is its second segment."""

    def __init__(self, path: Callable[[Operation[Any]], str] = lambda operation: operation.path) -> None:
        self._table: dict[_Key, dict[str, Route]] = {}
        for handlers in _RESOURCES:
            for operation, handler in handlers.items():
                methods = self._table.setdefault(_pattern(path(operation)), {})
                methods[operation.method] = Route(operation, handler)
        # Paths of a contract file may have their parameter anywhere.
        self._elsewhere = [pattern for pattern in self._table if "*" in pattern and pattern.index("*") != 1]

    def find(self, method: str, path: str) -> Route | MethodNotAllowed | None:
        """Return the route of a request; ``None`` if there is none.

        ``path`` is the raw path: ``%2F`` does not separate segments.
        """
        if path == TOKEN_PATH:
            return Route(CREATE_TOKEN, None) if method == "POST" else MethodNotAllowed("POST")
        if not path.startswith(API_PATH + "/"):
            return None
        segments = tuple(path[len(API_PATH) + 1 :].split("/"))
        methods, item = self._table.get(segments), ""
        if methods is None and len(segments) > 1 and segments[1]:
            item = unquote(segments[1])
            methods = self._table.get((segments[0], "*", *segments[2:]))
        for pattern in self._elsewhere if methods is None else ():
            same = len(pattern) == len(segments)
            if same and all(one in ("*", part) for one, part in zip(pattern, segments, strict=True)):
                item = unquote(segments[pattern.index("*")])
                methods = self._table[pattern] if item else None
        if methods is None:
            return None
        route = methods.get(method)
        return MethodNotAllowed(", ".join(sorted(methods))) if route is None else route._replace(item=item)


def _pattern(path: str) -> _Key:
    return tuple("*" if segment.startswith("{") else segment for segment in path[1:].split("/"))
